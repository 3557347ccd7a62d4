//! The microhlo artifact format and kernel table.
//!
//! This crate is the only contract between the compiler and the runtime: both compile the same
//! definitions, so neither can disagree with the other about a byte.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod dtype;
pub mod float;
pub mod kernels;
mod micro;
mod place;
pub mod scalar;

pub use dtype::{DType, UnknownDType};
pub use kernels::{Kernel, KernelId, Params};
pub use micro::{Micro, MicroId, MicroOp};
pub use place::{Access, AccessKind, ParamError, Place, Region};
