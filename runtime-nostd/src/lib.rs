//! The microhlo runtime: executes microhlo artifacts without an operating system or an allocator.
//!
//! [`Model::load`] proves once that no byte of the artifact can make a kernel touch memory that it
//! must not touch. [`Model::run`] then executes it in the caller's arena; [`Model::start`] does so
//! step by step. Nothing of the artifact is copied: it stays in flash.
//!
//! Firmware that names the kernels its model needs ([`Model::load_with`]) links no others.
#![no_std]
#![deny(unsafe_code)]

#[cfg(test)]
extern crate std;

mod error;
pub mod kernels;
mod load;
pub mod micro;
mod model;
mod registry;
mod tensor;

pub use error::{LoadError, RunError, StepError};
pub use microhlo_format::{
    ArtifactError, DType, KernelId, MicroId, ParamError, Region, artifact_len,
};
pub use model::{Model, Run, StepInfo};
pub use registry::{KernelEntry, Kernels, MicroEntry};
pub use tensor::{Arena, Tensor, TensorInfo, TensorMut};
