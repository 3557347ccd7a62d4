//! The microhlo artifact format and kernel table.
//!
//! This crate is the only contract between the compiler and the runtime: both compile the same
//! definitions, so neither can disagree with the other about a byte.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
extern crate std;

mod arenas;
mod artifact;
mod dd;
mod debug;
mod dtype;
#[cfg(feature = "std")]
mod encode;
mod error;
mod fields;
mod fmod;
mod header;
pub mod kernels;
mod manifest;
mod micro;
mod place;
mod program;
pub mod rows;
mod text;

// What compiler and runtime compute with, public for these two; it may change at any time.
#[doc(hidden)]
pub mod algorithms;
#[doc(hidden)]
pub mod complex;
#[doc(hidden)]
pub mod float;
#[doc(hidden)]
pub mod int;
#[doc(hidden)]
pub mod scalar;
#[doc(hidden)]
pub mod special;

pub use arenas::{ARENA_ENTRY_BYTES, ArenaEntry, Arenas, MAX_ARENAS};
pub use artifact::Artifact;
#[cfg(feature = "std")]
pub use debug::encode_debug;
pub use debug::{DEBUG_MAGIC, DebugInfo, DebugInfoError, Tap};
#[cfg(feature = "std")]
pub use encode::{ArtifactSpec, EncodeError, TensorSpec, decode, encode};
pub use error::{ArtifactError, Section};
#[doc(hidden)]
pub use fields::{Field, Fields};
pub use header::{
    ALIGN, Features, HEADER_BYTES, Header, MAGIC, VERSION_MAJOR, VERSION_MINOR, artifact_len,
    checksum, seal,
};
pub use manifest::{List, ListIter, MAX_TENSOR_RANK, Manifest, Tensor};
pub use program::{Cursor, Program, Step, Target};

pub use dtype::{DType, UnknownDType};
pub use kernels::{Kernel, KernelId, Params};
pub use micro::{Micro, MicroId, MicroOp};
pub use place::{Access, AccessKind, Overlap, ParamError, Place, Region};
pub use text::Text;

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
