//! Why a sequence of bytes is not an artifact.

use core::fmt;

/// The first thing found wrong with an artifact. Offsets are in bytes from the file's start.
///
/// ```
/// use microhlo_format::{Artifact, ArtifactError};
///
/// let error = Artifact::parse(&[0xff; 64]).unwrap_err();
/// assert_eq!(error, ArtifactError::BadMagic);
/// assert!(matches!(Artifact::parse(b"micro"), Err(ArtifactError::Truncated { given: 5, .. })));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ArtifactError {
    /// Fewer bytes than the header or the length that the header states.
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// More bytes than the length that the header states.
    TrailingBytes {
        /// Length in the header.
        stated: usize,
        /// Bytes given.
        given: usize,
    },
    /// The first eight bytes are not those of an artifact.
    BadMagic,
    /// The major version differs from the one that this build reads.
    UnsupportedVersion {
        /// Major version of the artifact.
        major: u16,
        /// Minor version of the artifact.
        minor: u16,
    },
    /// The checksum does not match the contents.
    BadChecksum {
        /// Stored in the header.
        stated: u32,
        /// Computed over the contents.
        computed: u32,
    },
    /// The artifact needs target features that this build does not know.
    UnknownFeatures {
        /// The unknown bits.
        bits: u32,
    },
    /// The arena alignment is not a power of two of at most 16.
    BadArenaAlignment {
        /// Stated alignment in bytes.
        align: u32,
    },
    /// The arena is larger than 2^31 - 1 bytes.
    ArenaTooLarge {
        /// Stated size.
        bytes: u32,
    },
    /// More arenas than a model can have.
    TooManyArenas {
        /// Entries of the table, as the header states.
        given: u32,
    },
    /// An entry of the table of arenas makes no sense, or the first is not what the header says.
    BadArena {
        /// Number of the arena.
        index: usize,
    },
    /// A section leaves the file.
    SectionOutOfBounds {
        /// The section.
        section: Section,
    },
    /// A section starts before the previous one ends.
    SectionOverlap {
        /// The later of the two.
        section: Section,
    },
    /// A section does not start where the format puts it.
    SectionMisplaced {
        /// The section.
        section: Section,
    },
    /// A byte between manifest and constants is not zero.
    NonzeroPadding {
        /// Where.
        offset: usize,
    },
    /// The manifest does not decode, or does not end where its section ends.
    BadManifest {
        /// Start of the item that does not decode.
        offset: usize,
    },
    /// An input or output holds more than 2^31 - 1 bytes.
    TensorTooLarge {
        /// Start of its manifest entry.
        offset: usize,
    },
    /// A step header of the program does not decode, or its body leaves the section.
    BadStep {
        /// Number of the step.
        step: u32,
        /// Start of the step.
        offset: usize,
    },
    /// The program names a kernel that this build does not know.
    UnknownKernel {
        /// Number of the step.
        step: u32,
        /// Code of the kernel.
        code: u16,
    },
    /// The program has more or fewer steps than the header states.
    StepCount {
        /// Steps stated.
        stated: u32,
        /// Offset where the steps ended or should have ended.
        offset: usize,
    },
}

/// A section of an artifact.
///
/// ```
/// use microhlo_format::{ArtifactError, Section};
///
/// let error = ArtifactError::SectionOutOfBounds { section: Section::Manifest };
/// assert!(error.to_string().contains("manifest"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Section {
    /// Steps.
    Program,
    /// Names, signature and statistics.
    Manifest,
    /// Constants.
    Constants,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Section::Program => "program",
            Section::Manifest => "manifest",
            Section::Constants => "constants",
        })
    }
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ArtifactError as E;
        match *self {
            E::Truncated { needed, given } => {
                write!(f, "artifact truncated: {needed} bytes needed, {given} given")
            }
            E::TrailingBytes { stated, given } => {
                write!(f, "bytes after the artifact: it has {stated}, {given} given")
            }
            E::BadMagic => f.write_str("not a microhlo artifact: wrong magic number"),
            E::UnsupportedVersion { major, minor } => write!(
                f,
                "artifact format {major}.{minor} is not readable by this build (format {}.{}); \
                 compile the model with a matching microhlo",
                crate::VERSION_MAJOR,
                crate::VERSION_MINOR
            ),
            E::BadChecksum { stated, computed } => {
                write!(f, "artifact damaged: checksum {computed:#010x}, header says {stated:#010x}")
            }
            E::UnknownFeatures { bits } => {
                write!(f, "artifact needs unknown target features {bits:#x}")
            }
            E::BadArenaAlignment { align } => write!(f, "bad arena alignment {align}"),
            E::ArenaTooLarge { bytes } => write!(f, "arena of {bytes} bytes is too large"),
            E::TooManyArenas { given } => {
                write!(f, "{given} arenas, of at most {}", crate::MAX_ARENAS)
            }
            E::BadArena { index } => write!(f, "entry {index} of the table of arenas is wrong"),
            E::SectionOutOfBounds { section } => write!(f, "{section} section leaves the file"),
            E::SectionOverlap { section } => {
                write!(f, "{section} section overlaps the one before it")
            }
            E::SectionMisplaced { section } => {
                write!(f, "{section} section does not follow the one before it")
            }
            E::NonzeroPadding { offset } => write!(f, "nonzero padding at offset {offset}"),
            E::BadManifest { offset } => write!(f, "manifest does not decode at offset {offset}"),
            E::TensorTooLarge { offset } => {
                write!(f, "input or output at offset {offset} is too large")
            }
            E::BadStep { step, offset } => {
                write!(f, "step {step} does not decode at offset {offset}")
            }
            E::UnknownKernel { step, code } => write!(
                f,
                "step {step} runs kernel {code}, which is newer than this runtime; update it, or compile \
                 the model with its version"
            ),
            E::StepCount { stated, offset } => {
                write!(f, "program does not have {stated} steps: it ends at offset {offset}")
            }
        }
    }
}

impl core::error::Error for ArtifactError {}
