//! Real boards through debug probes: what is written where, flashing, and RTT.
//!
//! A [`Plan`] says which bytes go to which addresses and which sectors of flash that erases; it is made
//! and checked without a probe. [`flash`] gives it to a [`Target`], the chip at the other end of a probe,
//! and [`run_jobs`] speaks over one with the runner firmware, as `microhlo-qemu` does with an emulator.
//!
//! [`Probes`] and [`Target`] are all that is asked of a probe. [`ProbeRs`] is the library of that name
//! behind them, and [`fake`] a chip in memory for tests.

mod chip;
mod contents;
mod error;
pub mod fake;
mod flash;
mod logs;
mod plan;
mod probe_rs;
mod runner;
mod select;
mod target;

pub use chip::{Chip, Flash, Sector};
pub use contents::{Place, firmware, model, slot, slot_bytes};
pub use error::Error;
pub use flash::{attach, flash, other_slot};
pub use logs::{Decoder, Line, Logs};
pub use plan::{Plan, Segment};
pub use probe_rs::ProbeRs;
pub use runner::{Up, control_block, listen, run_jobs};
pub use select::{ProbeInfo, Selector, choose};
pub use target::{Attach, Phase, Probes, Progress, State, Target};

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
