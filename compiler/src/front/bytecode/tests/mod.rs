//! Tests of the bytecode reader.

mod files;
mod primitives;
mod robustness;
