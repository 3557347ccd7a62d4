"""Writes the seeds of the fuzz targets that read exported programs: small JAX functions as
StableHLO text, portable artifacts of several versions, HLO text and HLO protocol buffers.

    pip install jax==0.10.2
    python seeds.py            # writes corpus/{text,bytecode,hlo_text,proto}/NAME.*

The functions are this project's own; the files are under its licence.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxlib.mlir.dialects import stablehlo

jax.config.update("jax_traceback_in_locations_limit", 0)
jax.config.update("jax_enable_x64", True)

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
VERSIONS = ["0.9.0", "0.12.0", "0.14.0", "1.0.0", "1.8.0", "1.17.0"]


def f32(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def i32(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.int32)


FUNCTIONS = {
    "elementwise": (lambda x, y: jnp.where(x > y, jnp.tanh(x), jnp.exp(y) - x), [f32(3), f32(3)]),
    "integers": (lambda x: ((x << 2) ^ (x >> 1)) % 7 + lax.population_count(x), [i32(4)]),
    "complex": (lambda x: jnp.abs(jnp.fft.fft(x)), [f32(4)]),
    "dot": (lambda x: x @ np.arange(6, dtype=np.float32).reshape(3, 2), [f32(2, 3)]),
    "conv": (
        lambda x, w: lax.conv_general_dilated(
            x, w, (1, 2), "SAME", rhs_dilation=(1, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        [f32(1, 4, 5, 2), f32(2, 2, 2, 3)],
    ),
    "pool": (
        lambda x: lax.reduce_window(x, np.float32(-np.inf), lax.max, (2, 2), (1, 2), "VALID"),
        [f32(4, 4)],
    ),
    "argmax": (lambda x: jnp.argmax(x, axis=1), [f32(2, 3)]),
    "sort": (lambda x: lax.sort((x, -x), num_keys=1), [f32(5)]),
    "topk": (lambda x: lax.top_k(x, 2), [f32(5)]),
    "take": (lambda x, i: jnp.take(x, i, axis=0), [f32(4, 2), i32(3)]),
    "scatter": (lambda x, i: x.at[i].add(1.0), [f32(4), i32(2)]),
    "slice": (lambda x, i: lax.dynamic_slice(x, (i,), (2,)), [f32(5), i32()]),
    "update": (lambda x, y, i: lax.dynamic_update_slice(x, y, (i,)), [f32(5), f32(2), i32()]),
    "while": (lambda x: lax.while_loop(lambda v: v < 9.0, lambda v: v * 2.0 + 1.0, x), [f32()]),
    "scan": (lambda x: lax.scan(lambda c, v: (c + v, c * v), np.float32(0), x), [f32(3)]),
    "cond": (lambda p, x: lax.cond(p > 0, jnp.sin, jnp.cos, x), [i32(), f32(2)]),
    "switch": (lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.tan], x), [i32(), f32(2)]),
    "softmax": (lambda x: jax.nn.softmax(x), [f32(2, 3)]),
    "cholesky": (lambda x: lax.linalg.cholesky(x), [f32(2, 2)]),
    "random": (lambda k: jax.random.uniform(jax.random.wrap_key_data(k), (2,)),
               [jax.ShapeDtypeStruct((2,), jnp.uint32)]),
    "bfloat": (lambda x: (x.astype(jnp.bfloat16) * 2).astype(jnp.float16), [f32(3)]),
    "pad": (lambda x: lax.pad(x, np.float32(0.5), [(1, -1, 2), (0, 1, 0)]), [f32(3, 2)]),
    "cumsum": (lambda x: jnp.cumsum(x), [f32(6)]),
    "gradient": (jax.grad(lambda x: jnp.sum(jax.nn.relu(x) ** 2)), [f32(3)]),
}


def main():
    for folder in ["text", "bytecode", "hlo_text", "proto"]:
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    for i, (name, (function, specs)) in enumerate(FUNCTIONS.items()):
        platforms = ("tpu",) if name == "cholesky" else ("cpu",)
        lowered = jax.jit(function).trace(*specs).lower(lowering_platforms=platforms)
        text = lowered.as_text()
        (CORPUS / "text" / name).write_text(text)
        for version in [VERSIONS[i % len(VERSIONS)], "1.17.0"]:
            try:
                artifact = stablehlo.serialize_portable_artifact_str(text, version)
            except ValueError:  # Operations of a later version, or of another dialect.
                continue
            (CORPUS / "bytecode" / name).write_bytes(artifact)
            break
        module = lowered.compiler_ir("hlo")
        hlo = module.as_hlo_text(print_large_constants=True)
        (CORPUS / "hlo_text" / name).write_text(hlo)
        (CORPUS / "proto" / name).write_bytes(module.as_serialized_hlo_module_proto())


main()
