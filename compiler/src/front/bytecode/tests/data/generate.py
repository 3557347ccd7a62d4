"""Writes the programs of this folder as MLIR bytecode, and as VHLO text.

features.mlir as portable artifacts of several versions, as VHLO text, and as raw bytecode;
dialects.mlir (MHLO and CHLO), foreign.mlir (dialects that nobody registered) and shardings.mlir
(attributes of another dialect) as raw bytecode.
Needs `pip install jax==0.10.2`; run it in this folder.
"""

import pathlib

from jax._src.interpreters.mlir import make_ir_context
from jaxlib.mlir import ir
from jaxlib.mlir.dialects import mhlo, stablehlo

# Bytecode versions 0, 1, 3, 4 and 6.
VERSIONS = ["0.9.0", "0.10.0", "0.12.0", "0.14.0", "1.0.0", "1.16.0"]


def context():
    made = make_ir_context()
    mhlo.register_mhlo_dialect(made)
    made.allow_unregistered_dialects = True
    return made


text = pathlib.Path("features.mlir").read_text()
for version in VERSIONS:
    artifact = stablehlo.serialize_portable_artifact_str(text, version)
    pathlib.Path(f"features.v{version}.mlirbc").write_bytes(artifact)
with context():
    pathlib.Path("features.vhlo.mlir").write_text(str(ir.Module.parse(artifact)))
for name in ["features", "dialects", "foreign", "shardings"]:
    with context():
        module = ir.Module.parse(pathlib.Path(f"{name}.mlir").read_text())
        with open(f"{name}.raw.mlirbc", "wb") as file:
            module.operation.write_bytecode(file)
