//! Programs that run several times, with what they keep in between.

use crate::compile::Kept;
use crate::compile::{CompileOptions, Compiled, compile};
use crate::front::mlir::parse_module;
use crate::plan::Room;

/// Bytes at a multiple of 16.
struct Aligned(Vec<u128>, usize);
