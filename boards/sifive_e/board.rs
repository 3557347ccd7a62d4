//! SiFive E: counts instructions with `minstret`.

pub use crate::csr_counter::{init, instructions};
