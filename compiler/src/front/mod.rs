//! Front ends: from a model file to the intermediate representation.

pub mod bytecode;
pub mod hlo;
pub mod mlir;
