//! The host compiler: StableHLO in, a statically planned flat artifact for microcontrollers out.
//!
//! The stages, in order: a front end reads text into the [`ir`]; [`passes`] rewrite it;
//! [`lower`] turns operations into kernels on buffers; [`plan`] gives every buffer its place;
//! [`emit`] writes the artifact. [`compile`] is the whole pipeline. [`eval`] is the slow exact
//! oracle beside it.

pub mod chains;
pub mod check_program;
pub mod cmd;
pub mod compile;
pub mod coverage;
pub mod diag;
pub mod embed;
pub mod emit;
pub mod eval;
pub mod firmware;
pub mod front;
pub mod image;
pub mod ir;
pub mod lower;
pub mod memory_map;
pub mod npz;
pub mod ops;
pub mod partition;
pub mod passes;
pub mod plan;
pub mod quantize;
pub mod regions;
pub mod schedule;
pub mod slot_image;
pub mod stack;
pub mod stored;
pub mod taps;
pub mod verify;
pub mod vhlo_version;

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
