"""Writes features.mlir as portable artifacts of several versions and as raw MLIR bytecode, and
shardings.mlir as the latter.

Needs `pip install jax==0.10.2`; run it in this folder.
"""

import pathlib

from jax._src.interpreters.mlir import make_ir_context
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

# Bytecode versions 0, 1, 3, 4 and 6.
VERSIONS = ["0.9.0", "0.10.0", "0.12.0", "0.14.0", "1.0.0", "1.16.0"]


def write_raw(name):
    with make_ir_context():
        module = ir.Module.parse(pathlib.Path(f"{name}.mlir").read_text())
        with open(f"{name}.raw.mlirbc", "wb") as file:
            module.operation.write_bytecode(file)


text = pathlib.Path("features.mlir").read_text()
for version in VERSIONS:
    artifact = stablehlo.serialize_portable_artifact_str(text, version)
    pathlib.Path(f"features.v{version}.mlirbc").write_bytes(artifact)
for name in ["features", "shardings"]:
    write_raw(name)
