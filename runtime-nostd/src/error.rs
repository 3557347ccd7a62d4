//! Why a model cannot be loaded or run.

use core::fmt;

use microhlo_format::kernels::Parts;

use crate::externs::{ExternError, ExternFault};
use microhlo_format::{ArtifactError, KernelId, MicroId, ParamError};

/// Why an artifact was refused.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() {
/// use microhlo::{Arena, ArtifactError, LoadError, Model};
///
/// // A copy with one bit changed, as on a worn flash.
/// let mut copy = Arena([0; 512]);
/// let damaged = &mut copy.0[..AFFINE.len()];
/// damaged.copy_from_slice(AFFINE);
/// damaged[AFFINE.len() / 2] ^= 1;
/// let error = Model::load(damaged).expect_err("it is refused");
/// assert!(matches!(error, LoadError::Artifact(ArtifactError::BadChecksum { .. })));
/// println!("{error}");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LoadError {
    /// The artifact does not start at an address that is a multiple of 16.
    Misaligned,
    /// The bytes are not a well-formed artifact.
    Artifact(ArtifactError),
    /// A step cannot be run safely.
    Step {
        /// Number of the step.
        step: u32,
        /// Offset of the step in the artifact, in bytes.
        offset: u32,
        /// What is wrong with it.
        error: StepError,
    },
    /// An input lies outside the arena, or is not aligned for its element type.
    Input {
        /// Number of the input.
        index: usize,
    },
    /// An output lies outside its memory, or is not aligned for its element type.
    Output {
        /// Number of the output.
        index: usize,
    },
}

/// What is wrong with one step.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() {
/// use microhlo::{KernelId, Kernels, LoadError, Model, StepError};
///
/// let none = Kernels { kernels: &[], micro: &[] };
/// let Err(LoadError::Step { step, error, .. }) = Model::load_with(AFFINE, &none) else {
///     panic!("a step needs a kernel");
/// };
/// assert_eq!((step, error), (0, StepError::MissingKernel(KernelId::map)));
/// assert_eq!(error.to_string(), "kernel map is not linked; add it to the kernel set");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StepError {
    /// The firmware does not link the kernel.
    MissingKernel(KernelId),
    /// The firmware does not link the micro-operation.
    MissingMicro(MicroId),
    /// The firmware does not link these parts of the kernel.
    MissingParts(Parts),
    /// The parameters do not decode.
    Encoding,
    /// The parameters make no sense.
    Params(ParamError),
    /// An operand leaves its memory.
    OutOfBounds,
    /// An operand is not aligned.
    Misaligned,
    /// A constant would be written.
    WritesConstant,
    /// Memory that is written overlaps other memory of the same step.
    Overlap,
    /// More operands than a kernel can have.
    TooManyOperands,
    /// Control flow continues where no step starts, or at the first step.
    BadTarget,
    /// A chain waits for rows that never come, or that there is no room for.
    Stalls,
    /// The step calls a function that the firmware does not have, or not for such operands and results;
    /// [`LoadError::explain`] names it.
    Extern(ExternFault),
}

/// Why a run was refused or stopped.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/models.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use microhlo::{Arena, Model, RunError};
///
/// let model = Model::load(AFFINE)?;
/// let mut arena = Arena::<64>::new();
/// let error = model.run(&mut arena.0, &[&[0; 16]], &mut [&mut [0; 12]]).expect_err("it has more");
/// assert_eq!(error, RunError::OutputSize { index: 0, needed: 16, given: 12 });
/// assert_eq!(error.to_string(), "output 0 has 16 bytes, 12 given");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RunError {
    /// The arena is smaller than the model needs.
    ArenaTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The arena does not start at the alignment that the model needs; see [`crate::Arena`].
    ArenaMisaligned {
        /// Alignment needed, in bytes.
        align: usize,
    },
    /// Not one slice per arena, in the order of [`Model::arena`](crate::Model::arena); a model whose arena
    /// is not the only one, or ends with constants, runs in [`Arenas`](crate::Arenas).
    ArenaCount {
        /// Arenas of the model.
        needed: usize,
        /// Slices given.
        given: usize,
    },
    /// One of several arenas is smaller than the model needs.
    RegionTooSmall {
        /// Number of the arena.
        index: usize,
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// One of several arenas does not start at the alignment that the model needs.
    RegionMisaligned {
        /// Number of the arena.
        index: usize,
        /// Alignment needed, in bytes.
        align: usize,
    },
    /// Not one slice per input.
    InputCount {
        /// Inputs of the model.
        needed: usize,
        /// Slices given.
        given: usize,
    },
    /// Not one slice per output.
    OutputCount {
        /// Outputs of the model.
        needed: usize,
        /// Slices given.
        given: usize,
    },
    /// A slice is not as long as its input.
    InputSize {
        /// Number of the input.
        index: usize,
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// A slice is not as long as its output.
    OutputSize {
        /// Number of the output.
        index: usize,
        /// Bytes needed.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// No input or output of this number.
    NoSuchTensor {
        /// The number.
        index: usize,
    },
    /// An input can only be set before the first step.
    AlreadyStarted,
    /// Outputs exist only after the last step.
    NotFinished,
    /// The input is fed while the model runs, so it cannot be set; see [`Run::feed`](crate::Run::feed).
    Streamed {
        /// Number of the input.
        index: usize,
    },
    /// The next step waits for rows of an input.
    Unfed {
        /// Rows that it has room for.
        rows: u32,
    },
    /// The next step is not one that rows of an input are fed to.
    NotFed,
    /// The bytes fed are not whole rows, or more than are left.
    RowSize {
        /// Bytes of a row.
        row: usize,
        /// Bytes that are left of the input.
        left: usize,
        /// Bytes given.
        given: usize,
    },
    /// A function of the firmware failed. The run may be given up, or taken on: the step is tried again.
    Extern {
        /// Name of the function.
        name: &'static str,
        /// Its [`ExternError`](crate::ExternError).
        code: u32,
    },
    /// A step of a loaded model does not decode any more: its memory has changed.
    Corrupted {
        /// Number of the step.
        step: u32,
    },
}

impl From<ArtifactError> for LoadError {
    fn from(error: ArtifactError) -> LoadError {
        LoadError::Artifact(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Misaligned => f.write_str("the artifact must start at a multiple of 16"),
            LoadError::Artifact(error) => error.fmt(f),
            LoadError::Step { step, offset, error } => {
                write!(f, "step {step} at offset {offset}: {error}")
            }
            LoadError::Input { index } => write!(f, "input {index} has no valid place"),
            LoadError::Output { index } => write!(f, "output {index} has no valid place"),
        }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepError::MissingKernel(id @ (KernelId::conv_i8_mve | KernelId::depthwise_i8_mve)) => {
                write!(
                    f,
                    "kernel {} is not linked: the model is compiled for Cortex-M55; compile it for this core",
                    id.name()
                )
            }
            StepError::MissingKernel(id) => {
                write!(f, "kernel {} is not linked; add it to the kernel set", id.name())
            }
            StepError::MissingMicro(id) => {
                write!(f, "micro-operation {id} is not linked; add it to the kernel set")
            }
            StepError::MissingParts(parts) => {
                write!(f, "parts of the kernel are not linked; add them to the kernel set: {parts}")
            }
            StepError::Encoding => f.write_str("parameters do not decode"),
            StepError::Params(error) => write!(f, "parameters make no sense: {error}"),
            StepError::OutOfBounds => f.write_str("an operand leaves its memory"),
            StepError::Misaligned => f.write_str("an operand is not aligned"),
            StepError::WritesConstant => f.write_str("a constant would be written"),
            StepError::Overlap => f.write_str("written memory overlaps another operand"),
            StepError::TooManyOperands => f.write_str("too many operands"),
            StepError::BadTarget => f.write_str("the program continues where no step starts"),
            StepError::Extern(fault) => fault.fmt(f),
            StepError::Stalls => f.write_str("a chain waits for rows that never come"),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::ArenaTooSmall { needed, given } => {
                write!(f, "arena too small: {needed} bytes needed, {given} given")
            }
            RunError::ArenaMisaligned { align } => {
                write!(f, "the arena must start at a multiple of {align}")
            }
            RunError::ArenaCount { needed, given } => write!(
                f,
                "the model lies in {needed} arenas that `Model::arenas` takes, {given} given"
            ),
            RunError::RegionTooSmall { index, needed, given } => {
                write!(f, "arena {index} too small: {needed} bytes needed, {given} given")
            }
            RunError::RegionMisaligned { index, align } => {
                write!(f, "arena {index} must start at a multiple of {align}")
            }
            RunError::InputCount { needed, given } => {
                write!(f, "the model has {needed} inputs, {given} given")
            }
            RunError::OutputCount { needed, given } => {
                write!(f, "the model has {needed} outputs, {given} given")
            }
            RunError::InputSize { index, needed, given } => {
                write!(f, "input {index} has {needed} bytes, {given} given")
            }
            RunError::OutputSize { index, needed, given } => {
                write!(f, "output {index} has {needed} bytes, {given} given")
            }
            RunError::NoSuchTensor { index } => write!(f, "no input or output {index}"),
            RunError::AlreadyStarted => f.write_str("inputs must be set before the first step"),
            RunError::NotFinished => f.write_str("outputs are valid only after the last step"),
            RunError::Streamed { index } => write!(f, "input {index} is fed while the model runs"),
            RunError::Unfed { rows } => {
                write!(f, "the next step waits for {rows} rows of an input")
            }
            RunError::NotFed => f.write_str("the next step takes no rows of an input"),
            RunError::RowSize { row, left, given } => {
                write!(f, "rows of {row} bytes are fed and {left} bytes are left, {given} given")
            }
            RunError::Extern { name, code } => {
                write!(f, "the firmware's function `{name}` failed: {}", ExternError(*code))
            }
            RunError::Corrupted { step } => {
                write!(f, "step {step} has changed since the model was loaded")
            }
        }
    }
}

impl core::error::Error for LoadError {}
impl core::error::Error for StepError {}
impl core::error::Error for RunError {}
