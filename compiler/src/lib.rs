//! The host compiler: StableHLO in, a statically planned flat artifact for microcontrollers out.
//!
//! [`front::parse`] reads a program in any form, [`compile::compile()`] makes an artifact of it and reports what that
//! needs. Around them:
//!
//! - [`diag`], [`ir`] and [`verify`]: sources and reports about them, modules, what the specification demands;
//! - [`chains`], [`regions`] and [`schedule`]: options of the compiler, for memory above all; [`memory_map`], [`taps`]
//!   and [`stored`]: what else it tells of a compiled model;
//! - [`quantize`]: a float program as one of integers; [`partition`]: what of a program of several dialects can be
//!   compiled; [`coverage`]: which operations can;
//! - [`embed`] and [`slot_image`]: artifacts for linkers, C compilers and slots in flash;
//! - [`eval`]: the slow exact oracle; [`npz`]: test vectors;
//! - [`plan`]: the memory planner, which knows nothing of programs.
//!
//! What else other crates of the workspace use is not shown here, and may change at any time.

pub mod chains;
pub mod compile;
pub mod coverage;
pub mod diag;
pub mod embed;
pub mod eval;
pub mod front;
pub mod ir;
pub mod memory_map;
pub mod npz;
pub mod partition;
pub mod plan;
pub mod quantize;
pub mod regions;
pub mod schedule;
pub mod slot_image;
pub mod stored;
pub mod taps;
pub mod verify;

// Public for the commands, the tests and the build scripts of this workspace; they may change at any time.
#[doc(hidden)]
pub mod cmd;
#[doc(hidden)]
pub mod firmware;
#[doc(hidden)]
pub mod image;
#[doc(hidden)]
pub mod lower;
#[doc(hidden)]
pub mod ops;
#[doc(hidden)]
pub mod passes;
#[doc(hidden)]
pub mod stack;

mod check_program;
mod emit;
mod vhlo_version;

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
