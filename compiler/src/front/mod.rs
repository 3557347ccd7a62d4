//! Front ends: from a model file to the intermediate representation.

pub mod bytecode;
mod decimal;
pub mod foreign;
pub mod hlo;
pub mod mlir;
mod renames;
