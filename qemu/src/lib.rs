//! Runs firmware and models on emulated boards.
//!
//! [`run_jobs`] executes artifacts on a board: it builds the runner firmware,
//! puts the artifacts and inputs into the board's model partition, starts
//! QEMU, and returns outputs and instruction counts. [`run_firmware`] starts
//! any firmware and passes its text and exit code on.

mod batches;
mod dialogue;
mod elf;
mod error;
mod firmware;
mod image;
mod job;
mod mix;
mod pieces;
mod process;
mod serial;
mod session;
mod sizes;

pub use batches::run_jobs_over;
pub use dialogue::Line;
pub use elf::board_name;
pub use error::Error;
pub use firmware::{build, build_runner, build_with, cargo_for, firmware_folder, runtime_features};
pub use job::{Case, Job, JobError, JobReport, Options, Outcome, Step};
pub use microhlo_boards::{
    Board, Counter, CounterKind, ImageFormat, Probe, Qemu, Region, RegionKind, Registry,
    RegistryError,
};
pub use microhlo_protocol::Stage;
pub use mix::{InstructionMix, Kind, MixCounter};
pub use process::{check_version, read_firmware, run_firmware};
pub use serial::Serial;
pub use session::{run_jobs, run_jobs_on, start_runner};
pub use sizes::{Taken, memory_taken};

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
