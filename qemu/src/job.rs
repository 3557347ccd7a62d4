//! What is asked of a board and what it answers.

use crate::error::Error;
use microhlo_protocol::Stage;
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

/// An artifact to execute over some cases. See the example of [`run_jobs_over`](crate::run_jobs_over).
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// The artifact's bytes.
    pub artifact: Vec<u8>,
    /// Per case, the bytes of every input.
    pub cases: Vec<Vec<Vec<u8>>>,
    /// Whether to count every kernel on its own.
    pub profile: bool,
}

/// How to execute jobs.
///
/// ```
/// use microhlo_qemu::Options;
/// use std::time::Duration;
///
/// let options = Options::within(Duration::from_secs(5));
/// assert!(options.timeout < Options::default().timeout && options.debug.is_empty());
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// Longest time a job may take, in real time.
    pub timeout: Duration,
    /// Debug information of the jobs' artifact: the tensors that it tells of are reported. Empty for none,
    /// and of no effect on jobs with other artifacts.
    pub debug: Vec<u8>,
}

impl Options {
    /// Without debug information. See the example of [`Options`].
    pub fn within(timeout: Duration) -> Self {
        Self { timeout, debug: Vec::new() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::within(Duration::from_secs(60))
    }
}

/// The outcome of one job. See the example of [`run_jobs_over`](crate::run_jobs_over).
pub type Outcome = Result<JobReport, JobError>;

/// What a board reports of a job whose artifact it loaded.
/// See the example of [`run_jobs_over`](crate::run_jobs_over).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobReport {
    /// Bytes of arena the artifact needs.
    pub arena_bytes: u32,
    /// Kernels in its program.
    pub steps: u32,
    /// Bytes of stack that loading the artifact took, if the job asked for a profile; 0 else.
    pub load_stack_bytes: u32,
    /// Most bytes of stack in use, the runner's own included.
    pub stack_bytes: u32,
    /// Most bytes of stack that the runtime used to set an input or to execute a step, if the job
    /// asked for a profile; 0 else.
    pub run_stack_bytes: u32,
    /// The cases in order; an error in one does not stop the others.
    pub cases: Vec<Result<Case, String>>,
}

/// One executed case.
///
/// ```
/// use microhlo_qemu::Case;
///
/// // A step in a loop, which ran twice.
/// let mut case = Case::default();
/// for instructions in [100, 50] {
///     case.count(0, 7, instructions, 64);
/// }
/// let step = case.kernels[0];
/// assert_eq!((step.kernel, step.runs, step.instructions), (7, 2, 150));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// The bytes of every output.
    pub outputs: Vec<Vec<u8>>,
    /// Instructions from setting the first input to the end of the last kernel.
    pub instructions: u64,
    /// The steps that ran, by index, if the job asked for a profile.
    pub kernels: Vec<Step>,
    /// The tensors of the debug information by their positions there, as they were when last computed.
    pub tensors: BTreeMap<u32, Vec<u8>>,
}

impl Case {
    /// Counts one execution of a step. See the example of [`Case`].
    pub fn count(&mut self, index: u32, kernel: u32, instructions: u64, stack_bytes: u32) {
        // In a program without loops every step comes after all others.
        let at = match self.kernels.last() {
            Some(last) if last.index >= index => {
                self.kernels.binary_search_by_key(&index, |step| step.index)
            }
            _ => Err(self.kernels.len()),
        };
        match at {
            Ok(at) => {
                if let Some(step) = self.kernels.get_mut(at) {
                    step.runs += 1;
                    step.instructions += instructions;
                    step.stack_bytes = step.stack_bytes.max(stack_bytes);
                }
            }
            Err(at) => {
                self.kernels.insert(at, Step { index, kernel, runs: 1, instructions, stack_bytes });
            }
        }
    }
}

/// One step of a program with all its executions. See the example of [`Case`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its index in the program.
    pub index: u32,
    /// The kernel's number in the artifact format.
    pub kernel: u32,
    /// How often it ran: a step in a loop runs many times.
    pub runs: u64,
    /// Instructions of all runs together.
    pub instructions: u64,
    /// Most bytes of stack that a run took; 0 where it is not measured, on the host.
    pub stack_bytes: u32,
}

/// Why a job has no report.
///
/// ```
/// use microhlo_qemu::JobError;
///
/// let error = JobError::TooLarge { needed: 5000, available: 4096 };
/// assert!(error.is_not_on_board());
/// assert!(error.to_string().ends_with("need 5000 bytes, but the board's model partition has 4096"));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobError {
    /// The board rejects the artifact or the job.
    #[error("{}: {text}", stage_text(*.stage))]
    Rejected {
        /// What was being done.
        stage: Stage,
        /// The board's words.
        text: String,
    },
    /// Artifact and inputs do not fit the model partition.
    #[error(
        "not on this board: artifact and inputs need {needed} bytes, but the board's model partition has {available}"
    )]
    TooLarge {
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// The board lacks what the artifact needs: a kernel that its runner links, or memory.
    #[error("not on this board: {text}")]
    NotOnBoard {
        /// The board's words.
        text: String,
    },
    /// The emulation ended during this job.
    #[error(transparent)]
    Emulation(#[from] Error),
}

impl JobError {
    /// Whether the board has too little memory or lacks a kernel, which is no fault of the artifact.
    /// See the example of [`JobError`].
    pub fn is_not_on_board(&self) -> bool {
        matches!(self, JobError::NotOnBoard { .. } | JobError::TooLarge { .. })
    }
}

fn stage_text(stage: Stage) -> &'static str {
    match stage {
        Stage::Job => "the job cannot be read",
        Stage::Load => "the artifact does not load",
        Stage::Run => "the run failed",
        Stage::Board => "not on this board",
    }
}
