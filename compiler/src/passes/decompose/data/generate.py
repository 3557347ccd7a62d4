"""Writes rng_bits.txt: what XLA's `rng_bit_generator` gives, one case per line.

Run in this folder with `pip install jax` (made with 0.10 on the CPU). A line is
`ALGORITHM state | dims | type | next state | bits`; bits are unsigned numbers in row-major order.
"""

import jax
import numpy as np
from jax._src import xla_bridge
from jax._src.interpreters import mlir
from jax._src.lib import xla_client
from jaxlib.mlir import ir

jax.config.update("jax_enable_x64", True)
backend = xla_bridge.get_backend("cpu")
PROGRAM = """module {{ func.func public @main(%a: tensor<{n}xui64>) -> ({state}, {bits}) {{
  %0:2 = "stablehlo.rng_bit_generator"(%a) {{rng_algorithm = #stablehlo<rng_algorithm {algorithm}>}}
    : (tensor<{n}xui64>) -> ({state}, {bits})
  return %0#0, %0#1 : {state}, {bits} }} }}"""


def run(algorithm, state, dims, dtype):
    shape = "x".join([*map(str, dims), dtype])
    text = PROGRAM.format(
        n=len(state), state=f"tensor<{len(state)}xui64>", bits=f"tensor<{shape}>", algorithm=algorithm
    )
    with mlir.make_ir_context():
        devices = xla_client.DeviceList(tuple(backend.local_devices()[:1]))
        program = backend.compile_and_load(ir.Module.parse(text), devices, xla_client.CompileOptions())
    out = program.execute_sharded([jax.device_put(np.array(state, np.uint64))])
    return [np.asarray(a[0]).ravel().tolist() for a in out.disassemble_into_single_device_arrays()]


numbers = lambda values: " ".join(map(str, values))
with open("rng_bits.txt", "w") as out:
    for algorithm in ["THREE_FRY", "PHILOX", "DEFAULT"]:
        for state in [[0x0123456789ABCDEF, 2**64 - 2], [7, 2**64 - 1, 5]]:
            if algorithm == "THREE_FRY" and len(state) == 3:
                continue
            for dims in [[], [3], [2, 3], [3, 3], [1, 5, 2], [1100]]:
                for dtype in ["ui8", "i16", "ui32", "f32", "i64"]:
                    if dims == [1100] and dtype != "ui32":
                        continue
                    after, bits = run(algorithm, state, dims, dtype)
                    if dims == [1100]:  # the last ones are enough
                        bits = bits[-4:]
                    line = [f"{algorithm} {numbers(state)}", numbers(dims), dtype, numbers(after)]
                    out.write(" | ".join([*line, numbers(bits)]) + "\n")
