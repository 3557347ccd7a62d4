//! QEMU virt RV32: counts instructions with `minstret`.

pub use crate::csr_counter::{init, instructions};
