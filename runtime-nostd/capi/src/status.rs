//! Results of functions, with names.

use microhlo::{KernelId, LoadError, RunError, StepError};

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// What a function came to, `enum microhlo_status` in C. Codes never change.
        ///
        /// ```
        /// use microhlo_capi::Status;
        ///
        /// assert_eq!(Status::Ok as i32, 0);
        /// assert_eq!(Status::ArenaTooSmall.name(), c"MICROHLO_ARENA_TOO_SMALL");
        /// assert!(Status::ALL.contains(&Status::Null));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i32)]
        pub enum Status { $($(#[$doc])* $variant = $code,)* }

        impl Status {
            /// All statuses.
            pub const ALL: &'static [Status] = &[$(Status::$variant,)*];

            /// Its name in C, ending with a zero byte. See the example of [`Status`].
            pub const fn name(self) -> &'static core::ffi::CStr {
                match self { $(Status::$variant => $name,)* }
            }
        }
    };
}

statuses! {
    /// All is well.
    Ok = 0, c"MICROHLO_OK";
    /// A pointer is null.
    Null = 1, c"MICROHLO_NULL";
    /// The model or run is not one that was loaded or started.
    NotLoaded = 2, c"MICROHLO_NOT_LOADED";
    /// The artifact does not start at a multiple of 16.
    ArtifactMisaligned = 3, c"MICROHLO_ARTIFACT_MISALIGNED";
    /// The bytes are not an artifact that this runtime reads, or they have been damaged.
    BadArtifact = 4, c"MICROHLO_BAD_ARTIFACT";
    /// The library does not link a kernel that the model needs, or a part of it.
    MissingKernel = 5, c"MICROHLO_MISSING_KERNEL";
    /// The library does not link a micro-operation that the model needs.
    MissingMicroOperation = 6, c"MICROHLO_MISSING_MICRO_OPERATION";
    /// A step of the artifact is not safe to run.
    UnsafeStep = 7, c"MICROHLO_UNSAFE_STEP";
    /// The arena is smaller than the model needs.
    ArenaTooSmall = 8, c"MICROHLO_ARENA_TOO_SMALL";
    /// The arena is not aligned as the model needs; a multiple of 16 always is.
    ArenaMisaligned = 9, c"MICROHLO_ARENA_MISALIGNED";
    /// No input or output of this number.
    NoSuchTensor = 10, c"MICROHLO_NO_SUCH_TENSOR";
    /// An input is not given with its length.
    WrongSize = 11, c"MICROHLO_WRONG_SIZE";
    /// An input can only be set before the first step.
    AlreadyStarted = 12, c"MICROHLO_ALREADY_STARTED";
    /// Outputs exist only after the last step.
    NotFinished = 13, c"MICROHLO_NOT_FINISHED";
    /// The input is fed row by row and cannot be set.
    Streamed = 14, c"MICROHLO_STREAMED";
    /// The next step waits for rows of an input.
    Unfed = 15, c"MICROHLO_UNFED";
    /// The next step takes no rows of an input.
    NotFed = 16, c"MICROHLO_NOT_FED";
    /// The bytes are not whole rows, or more than are left.
    RowSize = 17, c"MICROHLO_ROW_SIZE";
    /// A step has changed since the model was loaded.
    Corrupted = 18, c"MICROHLO_CORRUPTED";
    /// An error of a later version of the runtime.
    Other = 19, c"MICROHLO_OTHER";
    /// The model has another number of arenas than are given.
    ArenaCount = 20, c"MICROHLO_ARENA_COUNT";
    /// The model calls a function that the firmware does not have, or has for other calls.
    MissingFunction = 21, c"MICROHLO_MISSING_FUNCTION";
    /// A function of the firmware gave up. The next step calls it again.
    FunctionFailed = 22, c"MICROHLO_FUNCTION_FAILED";
}

impl From<LoadError> for Status {
    fn from(error: LoadError) -> Status {
        match error {
            LoadError::Misaligned => Status::ArtifactMisaligned,
            LoadError::Artifact(_) => Status::BadArtifact,
            LoadError::Step {
                error: StepError::MissingKernel(KernelId::extern_call) | StepError::Extern(_),
                ..
            } => Status::MissingFunction,
            LoadError::Step {
                error: StepError::MissingKernel(_) | StepError::MissingParts(_),
                ..
            } => Status::MissingKernel,
            LoadError::Step { error: StepError::MissingMicro(_), .. } => {
                Status::MissingMicroOperation
            }
            LoadError::Step { .. } => Status::UnsafeStep,
            LoadError::Input { .. } | LoadError::Output { .. } => Status::BadArtifact,
            _ => Status::Other,
        }
    }
}

impl From<RunError> for Status {
    fn from(error: RunError) -> Status {
        match error {
            RunError::ArenaTooSmall { .. } | RunError::RegionTooSmall { .. } => {
                Status::ArenaTooSmall
            }
            RunError::ArenaMisaligned { .. } | RunError::RegionMisaligned { .. } => {
                Status::ArenaMisaligned
            }
            RunError::ArenaCount { .. } => Status::ArenaCount,
            RunError::InputCount { .. } | RunError::OutputCount { .. } => Status::NoSuchTensor,
            RunError::InputSize { .. } | RunError::OutputSize { .. } => Status::WrongSize,
            RunError::NoSuchTensor { .. } => Status::NoSuchTensor,
            RunError::AlreadyStarted => Status::AlreadyStarted,
            RunError::NotFinished => Status::NotFinished,
            RunError::Streamed { .. } => Status::Streamed,
            RunError::Unfed { .. } => Status::Unfed,
            RunError::NotFed => Status::NotFed,
            RunError::RowSize { .. } => Status::RowSize,
            RunError::Corrupted { .. } => Status::Corrupted,
            RunError::Extern { .. } => Status::FunctionFailed,
            _ => Status::Other,
        }
    }
}
