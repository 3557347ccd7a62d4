"""Writes a JAX function as StableHLO text with its weights as constants, and its test vectors."""

import pathlib

import jax
import numpy as np
from jaxlib.mlir.dialects import stablehlo

# Stack frames would put the names of the exporting machine's files into the binary HLO.
jax.config.update("jax_traceback_in_locations_limit", 0)

HERE = pathlib.Path(__file__).resolve().parent

# VHLO version of the portable artifacts: the oldest of the 1.x series, which all readers know.
ARTIFACT_VERSION = "1.0.0"


def export(name, function, cases, hlo=False, **extra):
    """Writes NAME.stablehlo.mlir, NAME.mlirbc and NAME.npz next to this script, and with `hlo` the
    same program as XLA HLO: NAME.hlo.txt and NAME.hlo.pb, an HloModuleProto.

    `cases` is one array per argument with a leading case axis. The npz holds them as in0, in1...
    and the results of running the exported function with XLA on the CPU as out0, out1..., all
    with the leading case axis, and `extra` as it is.
    """
    function.__name__ = name
    jitted = jax.jit(function)
    specs = [jax.ShapeDtypeStruct(c.shape[1:], c.dtype) for c in cases]
    exported = jax.export.export(jitted, platforms=["cpu"])(*specs)
    # Debug locations name files of the exporting machine; the text without them is the same
    # program.
    lowered = jitted.trace(*specs).lower(lowering_platforms=("cpu",))
    text = lowered.as_text()
    (HERE / f"{name}.stablehlo.mlir").write_text(text)
    artifact = stablehlo.serialize_portable_artifact_str(text, ARTIFACT_VERSION)
    (HERE / f"{name}.mlirbc").write_bytes(artifact)
    if hlo:
        module = lowered.compiler_ir("hlo")
        (HERE / f"{name}.hlo.txt").write_text(module.as_hlo_text(print_large_constants=True))
        (HERE / f"{name}.hlo.pb").write_bytes(module.as_serialized_hlo_module_proto())
    results = [jax.tree.leaves(exported.call(*case)) for case in zip(*cases)]
    arrays = {f"in{i}": np.asarray(c) for i, c in enumerate(cases)}
    arrays |= {f"out{i}": np.stack(column) for i, column in enumerate(zip(*results))}
    np.savez(HERE / f"{name}.npz", **arrays, **extra)
    print(f"{name}: {len(text)} characters, {len(cases[0])} cases")
