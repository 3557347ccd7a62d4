//! Tests of the bytecode reader.

mod files;
