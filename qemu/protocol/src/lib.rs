//! What the host and the runner firmware tell each other.
//!
//! The host puts an [image] of jobs into the board's model partition:
//! each job is an artifact with the inputs of its cases. The firmware answers
//! with a stream of [frames](mod@frame), each a [`Message`], some followed by
//! bytes of their own.

#![no_std]

pub mod frame;
pub mod image;

use serde::{Deserialize, Serialize};

/// Version of the image and message formats; both sides must agree.
pub const VERSION: u32 = 5;

/// Exit code of a firmware that panicked.
pub const EXIT_PANIC: u8 = 101;

/// Exit code of a firmware whose processor faulted or whose stack ran out.
pub const EXIT_FAULT: u8 = 102;

/// Exit code of a runner that found no valid image in its model partition.
pub const EXIT_BAD_IMAGE: u8 = 103;

/// What the runner firmware reports. See the example of [`decode`](frame::decode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// The first message.
    Hello {
        /// [`VERSION`] of the firmware.
        version: u32,
        /// The board's name.
        board: &'a str,
        /// Bytes of arena memory there are.
        arena_bytes: u32,
    },
    /// A job begins.
    JobStarted {
        /// Its index in the image.
        job: u32,
    },
    /// The artifact of the current job is valid.
    Loaded {
        /// Bytes of arena it needs.
        arena_bytes: u32,
        /// Kernels in its program.
        steps: u32,
        /// Number of its inputs.
        inputs: u32,
        /// Number of its outputs.
        outputs: u32,
        /// Most bytes of stack that loading took, on top of what its caller used; 0 if the job is not
        /// profiled.
        stack_bytes: u32,
    },
    /// The current job, or its current case, ends with an error.
    Failed {
        /// What was being done.
        stage: Stage,
        /// The case, counted from 0; 0 when loading.
        case: u32,
        /// The error in words.
        text: &'a str,
    },
    /// A kernel of the current case was executed.
    Step {
        /// Its index in the program.
        index: u32,
        /// The kernel's number in the artifact format.
        kernel: u32,
        /// Instructions it took.
        instructions: u64,
        /// Most bytes of stack that it took, on top of what its caller used.
        stack_bytes: u32,
    },
    /// A tensor that the last step has computed; `length` bytes follow the frame.
    Tensor {
        /// Its position in the job's debug information.
        tap: u32,
        /// Its size in bytes.
        length: u32,
    },
    /// An output of the current case; `length` bytes follow the frame.
    Output {
        /// Its index.
        index: u32,
        /// Its size in bytes.
        length: u32,
    },
    /// All outputs of a case have been sent.
    CaseDone {
        /// The case, counted from 0.
        case: u32,
        /// Instructions from setting the first input to the end of the last kernel.
        instructions: u64,
    },
    /// The current job is over.
    JobDone {
        /// Most bytes of stack in use during the job.
        stack_bytes: u32,
        /// Most bytes of stack that setting an input or executing a step took, on top of what its
        /// caller used; 0 if the job is not profiled.
        run_stack_bytes: u32,
    },
    /// The last message: there are no more jobs.
    Finished,
}

/// What was being done when an error occurred.
///
/// ```
/// use microhlo_protocol::frame::{MAX_FRAME, decode, encode};
/// use microhlo_protocol::{Message, Stage};
///
/// let message = Message::Failed { stage: Stage::Load, case: 0, text: "no kernel `fft_f32`" };
/// let mut buffer = [0; MAX_FRAME];
/// let frame = encode(&message, &mut buffer).expect("its text is short");
/// assert_eq!(decode(frame), Ok(Some((message, frame.len()))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Reading the job.
    Job,
    /// Loading the artifact.
    Load,
    /// Executing a case.
    Run,
    /// Finding what the board must have: kernels that its runner links, and memory.
    Board,
}

// So that the example on the package's front page is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
