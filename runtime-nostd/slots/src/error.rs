//! What is refused, and why.

use core::fmt;

use embedded_storage::nor_flash::NorFlashErrorKind;

use crate::{HEADER_BYTES, Slot, UNIT};

/// Why something cannot be done with the slots.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::with_model(microhlo_slots::Trial::Pending);
/// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
/// # slots.boot()?;
/// use microhlo_slots::{Error, Header};
///
/// let error = slots.begin(&Header::new(2, b"newer")).map(|_| ()).expect_err("nothing is confirmed");
/// assert_eq!(error, Error::OnTrial { version: 1 });
/// let words = "version 1 is on trial; confirm or reject it before an update";
/// assert_eq!(error.to_string(), words);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Error {
    /// The partition cannot hold two slots.
    Layout(Layout),
    /// The flash driver failed.
    Flash {
        /// What it was doing.
        work: Work,
        /// Offset in flash, in bytes.
        offset: u32,
        /// What the driver says.
        kind: NorFlashErrorKind,
    },
    /// No slot has a model that may run; write one, with [`Slots::begin`](crate::Slots::begin) or a programmer.
    NoModel {
        /// Why not that in slot A.
        a: Refusal,
        /// Why not that in slot B.
        b: Refusal,
    },
    /// Only after [`Slots::boot`](crate::Slots::boot) is it known which model runs.
    NotBooted,
    /// The running model is on trial: confirm or reject it, as an update would erase the one to go back to.
    OnTrial {
        /// The version that runs.
        version: u32,
    },
    /// The version offered does not exceed the one that runs. Give it a higher number.
    NotNewer {
        /// The version offered.
        offered: u32,
        /// The version that runs.
        running: u32,
    },
    /// The artifact does not fit.
    TooLong {
        /// Length of the artifact, or of what was written of it, in bytes.
        needed: u32,
        /// Longest artifact of a slot, or its length by the header, in bytes.
        available: u32,
    },
    /// The update ended before the artifact did.
    Incomplete {
        /// Length of the artifact in bytes.
        needed: u32,
        /// Bytes written.
        given: u32,
    },
    /// A write of this update failed already; begin another one.
    Broken,
    /// What the update offers or has written may not run.
    Refused(Refusal),
    /// The bytes given as a public key are none.
    BadKey,
}

/// Why a slot's model may not run.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::with_model(microhlo_slots::Trial::Confirmed);
/// use microhlo_slots::{Refusal, Slot, Slots};
///
/// let mut slots = Slots::open(&mut flash, 0..4096)?;
/// let refusal = slots.examine(Slot::B).expect_err("there is one model only");
/// assert_eq!(refusal, Refusal::Empty);
/// assert_eq!(refusal.to_string(), "empty, or an update was interrupted");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Refusal {
    /// The slot is erased, or an update of it was interrupted.
    Empty,
    /// There is something else than a slot's header.
    NoHeader,
    /// The header has a format that this firmware does not know.
    UnknownFormat(u16),
    /// The header is damaged: its checksum is another.
    BadHeader,
    /// The update was interrupted before its last write.
    Unfinished,
    /// The length in the header is 0 or exceeds the slot.
    BadLength(u32),
    /// The firmware has rejected the model.
    Rejected,
    /// The model was tried as often as it may be, and never confirmed.
    NotConfirmed {
        /// How often it was tried.
        tries: u32,
    },
    /// The artifact is damaged: its checksum is another.
    BadBody,
    /// The flash driver cannot read the slot.
    Unreadable(NorFlashErrorKind),
    /// The model has no signature, and this firmware needs one.
    NotSigned,
    /// The signature is not one of this header with the firmware's key.
    BadSignature,
    /// The artifact is not the one that was signed.
    BadDigest,
}

/// Why a partition cannot hold two slots.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash::erased();
/// use microhlo_slots::{Error, Layout, Slots};
///
/// let mut open = |end| Slots::open(&mut flash, 0..end).map(|_| ());
/// let outside = Layout::Outside { capacity: 4096 };
/// assert_eq!(open(8192), Err(Error::Layout(outside)));
/// // No slot would have more than its header.
/// assert_eq!(open(1024), Err(Error::Layout(Layout::TooSmall)));
/// assert_eq!(outside.to_string(), "the partition leaves the flash, which has 4096 bytes");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Layout {
    /// The partition leaves the flash.
    Outside {
        /// Size of the flash in bytes.
        capacity: usize,
    },
    /// Start and half of the length must be multiples of what is erased at once.
    NotAligned {
        /// What is erased at once, in bytes.
        erase: usize,
    },
    /// A slot needs more room than for its header.
    TooSmall,
}

/// What a flash driver does.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/flash.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut flash = Flash { worn: true, ..Flash::with_model(microhlo_slots::Trial::Confirmed) };
/// # let mut slots = microhlo_slots::Slots::open(&mut flash, 0..4096)?;
/// # slots.boot()?;
/// use microhlo_slots::{Error, Header, Work};
///
/// // A flash that is worn out.
/// let error = slots.begin(&Header::new(2, b"newer")).map(|_| ());
/// assert!(matches!(error, Err(Error::Flash { work: Work::Erase, offset: 2560, .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Work {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Erasing.
    Erase,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Layout(error) => error.fmt(f),
            Error::Flash { work, offset, kind } => {
                let work = match work {
                    Work::Read => "reading",
                    Work::Write => "writing",
                    Work::Erase => "erasing",
                };
                write!(f, "{work} flash at {offset:#x} failed: {kind}")
            }
            Error::NoModel { a, b } => {
                write!(
                    f,
                    "no model to run; slot {}: {a}; slot {}: {b}; write one",
                    Slot::A,
                    Slot::B
                )
            }
            Error::NotBooted => {
                f.write_str("the slots do not know yet what runs; call `boot` first")
            }
            Error::OnTrial { version } => {
                write!(f, "version {version} is on trial; confirm or reject it before an update")
            }
            Error::NotNewer { offered, running } => write!(
                f,
                "version {offered} does not exceed version {running}, which runs; give it a higher one"
            ),
            Error::TooLong { needed, available } => {
                write!(f, "{needed} bytes of artifact, but room for {available}")
            }
            Error::Incomplete { needed, given } => {
                write!(f, "the artifact has {needed} bytes, {given} were written; send the rest")
            }
            Error::Broken => f.write_str("a write of this update failed; begin another one"),
            Error::Refused(refusal) => write!(f, "the model is refused: {refusal}"),
            Error::BadKey => f.write_str("the 32 bytes are no Ed25519 public key"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Empty => f.write_str("empty, or an update was interrupted"),
            Refusal::NoHeader => f.write_str("no slot header"),
            Refusal::UnknownFormat(format) => {
                write!(f, "slot format {format} is unknown; update the firmware")
            }
            Refusal::BadHeader => f.write_str("the header is damaged"),
            Refusal::Unfinished => f.write_str("an update was interrupted before its last write"),
            Refusal::BadLength(length) => write!(f, "a length of {length} bytes is impossible"),
            Refusal::Rejected => f.write_str("the firmware has rejected the model"),
            Refusal::NotConfirmed { tries } => {
                write!(f, "tried {tries} times and never confirmed")
            }
            Refusal::BadBody => f.write_str("the artifact is damaged"),
            Refusal::Unreadable(kind) => write!(f, "flash cannot be read: {kind}"),
            Refusal::NotSigned => f.write_str("the model is not signed, and must be"),
            Refusal::BadSignature => f.write_str("the signature is not one by the firmware's key"),
            Refusal::BadDigest => f.write_str("the artifact is not the one that was signed"),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layout::Outside { capacity } => {
                write!(f, "the partition leaves the flash, which has {capacity} bytes")
            }
            Layout::NotAligned { erase } => write!(
                f,
                "the partition must start at a multiple of {erase} bytes, which are erased at once, \
                 and its length must be one of twice as many"
            ),
            Layout::TooSmall => write!(
                f,
                "a slot is half of the partition and needs more than {} bytes",
                HEADER_BYTES + UNIT
            ),
        }
    }
}

impl core::error::Error for Error {}
impl core::error::Error for Refusal {}
impl core::error::Error for Layout {}
