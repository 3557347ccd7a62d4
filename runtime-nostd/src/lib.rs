//! The microhlo runtime: executes microhlo artifacts without an operating system or an allocator.
//!
//! [`Model::load`] proves once that no byte of the artifact can make a kernel touch memory that it
//! must not touch. [`Model::run`] then executes it in the caller's arena; [`Model::start`] does so
//! step by step. Nothing of the artifact is copied: it stays in flash.
//!
//! A model that was compiled for several memories, such as tightly coupled and external RAM, runs in the
//! [`Arenas`] that [`Model::arenas`] makes of them.
//!
//! [`Run::step_traced`] and [`Model::run_traced`] tell a [`Tracer`] of every step.
//!
//! Firmware that names the kernels its model needs ([`Model::load_with`]) links no others.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use microhlo::{Arena, Model};
//!
//! let model = Model::load(AFFINE)?; // the artifact of y = 2x + 1, in flash
//! let mut arena = Arena::<64>::new(); // in firmware a static
//! let mut run = model.start(&mut arena.0)?;
//! run.input_mut(0)?.as_f32_mut().expect("floats").copy_from_slice(&[0.0, 0.5, 1.0, 1.5]);
//! while run.step()?.is_some() {}
//! assert_eq!(run.output(0)?.as_f32(), Some(&[1.0, 2.0, 3.0, 4.0][..]));
//! # Ok(())
//! # }
//! ```
//!
//! # Numbers
//!
//! Every kernel has one order of operations and none is fused, so a model computes the same bits on
//! all targets, the host included. The one exception is which NaN a NaN is: its sign and payload
//! depend on the target. On Cortex-M with an FPU the assembly of the `f32` convolution and matrix
//! kernels runs in default-NaN mode, where every NaN result is the positive quiet NaN; other code
//! does what the target's arithmetic does. Whether an element is NaN is the same everywhere.
//! `docs/numerics.md` in the repository has the order of each kernel.
//!
//! # Features
//!
//! `cortex-m33-dsp`: the core is a Cortex-M33 with the DSP extension, which kernels of 8-bit integers
//! then use. `cortex-m55-mve`: the core has M-profile Vector Extension (Cortex-M55, M85); links the
//! kernels of programs that are compiled for it. Both are for `thumbv8m.main-*`, which does not say so.
//!
//! `defmt`: `DefmtTracer`, which logs steps and the ranges of tensors, and `defmt::Format` for errors and
//! step information. Nothing is logged without the tracer.
#![no_std]
#![deny(unsafe_code)]

#[cfg(test)]
extern crate std;

mod arenas;
mod error;
pub mod kernels;
mod load;
pub mod micro;
mod model;
#[cfg(test)]
mod overlap_tests;
mod range;
mod registry;
mod tensor;
mod trace;

pub use arenas::{ArenaInfo, Arenas};
// Generated modules see tensors as bytes with it.
#[doc(hidden)]
pub use bytemuck;
pub use error::{LoadError, RunError, StepError};
pub use microhlo_format::{
    ArtifactError, DType, DebugInfo, DebugInfoError, KernelId, Micro, MicroId, MicroOp, ParamError,
    Region, artifact_len,
};
pub use model::{Model, Run, StepInfo};
pub use range::Range;
pub use registry::{KernelEntry, Kernels, MicroEntry};
pub use tensor::{Arena, Tensor, TensorInfo, TensorMut};
#[cfg(feature = "defmt")]
pub use trace::DefmtTracer;
pub use trace::{TensorTap, Tracer};

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
