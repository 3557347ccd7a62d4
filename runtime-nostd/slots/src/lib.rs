//! Two slots for a model in NOR flash: one runs, the other is replaced.
//!
//! The artifact lives in a partition of its own, apart from the firmware. [`Slots`] picks the newest model that
//! is whole, [`Slots::begin`] writes another one beside it, piece by piece as it arrives. Power may be lost at
//! any write or erase: afterwards either the old model runs or the new one, and an update still works.
//!
//! A new model is on trial. It runs as often as [`Slots::with_tries`] says; unless the firmware
//! [confirms](Slots::confirm) it by then, the one before it is back. A model that does not load is
//! [rejected](Slots::reject) at once.
//!
//! Models run where they lie: a [`Selected`] one has an offset in flash and a length, and starts at a multiple
//! of 16 as the runtime needs it.
//!
//! `docs/model-slots.md` in the repository has the layout of a slot and the argument why power may be lost.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
//! use microhlo_slots::{Error, Header, Slots};
//!
//! # fn main() -> Result<(), Error> {
//! # let mut flash = Flash::erased();
//! let artifact = b"what the compiler made";
//! let mut slots = Slots::open(&mut flash, 0..4096)?;
//! // Nothing was ever written.
//! assert!(matches!(slots.boot(), Err(Error::NoModel { .. })));
//! let mut update = slots.begin(&Header::new(1, artifact))?;
//! for piece in artifact.chunks(5) {
//!     update.write(piece)?;
//! }
//! update.finish()?;
//!
//! // After the next reset:
//! let mut slots = Slots::open(&mut flash, 0..4096)?;
//! let model = slots.boot()?;
//! assert_eq!((model.version, model.length, model.offset % 16), (1, 22, 0));
//! slots.confirm()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! `signed`: `Slots::require_signature` takes an Ed25519 public key, and no model runs or replaces another
//! that is not signed with its secret key. `defmt`: `defmt::Format` for errors and states.
#![no_std]
#![forbid(unsafe_code)]

mod error;
pub mod frame;
mod header;
#[cfg(feature = "signed")]
mod signature;
mod slots;
mod update;

pub use error::{Error, Layout, Refusal, Work};
pub use header::{CORE_BYTES, Header, MESSAGE_BYTES, Seal, Trial};
pub use header::{HEADER_BYTES, MAX_TRIES, UNIT};
#[cfg(feature = "signed")]
pub use signature::digest;
pub use slots::{Selected, Slot, Slots};
pub use update::{Staged, Update};

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
