//! Adapter to the runtime: everything the runner needs of a model.

use crate::linked;
use core::fmt;
use microhlo::{ArenaInfo, DebugInfo, DebugInfoError, LoadError, RunError, StepError, StepInfo};
use microhlo_board::memory::Arena;
use microhlo_protocol::image::ImageError;
use microhlo_protocol::{Message, Stage};

pub use microhlo::Model;

/// Why a job fails.
#[derive(Debug)]
pub enum Error {
    /// The artifact is not valid.
    Load(LoadError),
    /// A run fails.
    Run(RunError),
    /// The board does not have one of the model's memories.
    Memory(ArenaInfo),
    /// The job has another number of inputs than the model.
    Inputs {
        /// Inputs of the model.
        model: usize,
        /// Inputs of each case of the job.
        job: u32,
    },
    /// The job's inputs are not in the image.
    Image(ImageError),
    /// The job's debug information is none.
    Debug(DebugInfoError),
}

impl Error {
    /// What was being done, if it is `stage` for errors that are not the board's.
    pub fn stage(&self, stage: Stage) -> Stage {
        use StepError::{MissingKernel, MissingMicro};
        match self {
            Self::Load(LoadError::Step { error: MissingKernel(_) | MissingMicro(_), .. })
            | Self::Run(RunError::ArenaTooSmall { .. } | RunError::RegionTooSmall { .. })
            | Self::Memory(_) => Stage::Board,
            _ => stage,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => write!(f, "{error}"),
            Self::Run(error) => write!(f, "{error}"),
            Self::Memory(info) => write!(
                f,
                "the board has no memory `{}`; compile the model with those in its board.toml \
                 (--regions)",
                info.name()
            ),
            Self::Inputs { model, job } => {
                write!(f, "the model has {model} inputs, but {job} are given")
            }
            Self::Debug(error) => write!(f, "{error}"),
            Self::Image(error) => write!(f, "the job's inputs cannot be read: {error:?}"),
        }
    }
}

/// A run in progress.
pub struct Run<'m> {
    run: microhlo::Run<'m>,
    /// An input that is fed row by row.
    rows: &'m [u8],
    outputs: usize,
}

/// Loads an artifact, with every kernel that the board has room for. It has a frame of its own, so that what it takes
/// of the stack can be measured.
#[inline(never)]
pub fn load(artifact: &[u8]) -> Result<Model<'_>, Error> {
    Model::load_with(artifact, &linked::KERNELS).map_err(Error::Load)
}

/// The debug information of a job, if it has any.
pub fn debug_info(bytes: &[u8]) -> Result<Option<DebugInfo<'_>>, Error> {
    if bytes.is_empty() {
        return Ok(None);
    }
    DebugInfo::parse(bytes).map(Some).map_err(Error::Debug)
}

/// What the host is told of a model, and of the stack that loading it took.
pub fn describe(model: &Model<'_>, stack_bytes: u32) -> Message<'static> {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Message::Loaded {
        arena_bytes: count(model.arena_bytes()),
        steps: count(model.step_count()),
        inputs: count(model.input_count()),
        outputs: count(model.output_count()),
        stack_bytes,
    }
}

/// The memories of a model, among those of the board: by their names, or the first for a model that has
/// one arena.
pub fn memories<'m>(
    model: &'m Model<'_>,
    arenas: &'m mut [Arena],
) -> Result<microhlo::Arenas<'m>, Error> {
    let infos = (0..model.arena_count()).filter_map(|i| model.arena(i));
    for info in infos.clone() {
        if !arenas.iter().any(|arena| is_called(arena, &info)) {
            return Err(Error::Memory(info));
        }
    }
    let mut found: [&mut [u8]; 4] = [&mut [], &mut [], &mut [], &mut []];
    for arena in arenas {
        for (info, slot) in infos.clone().zip(&mut found) {
            if slot.is_empty() && is_called(arena, &info) {
                *slot = &mut *arena.bytes;
                break;
            }
        }
    }
    model.arenas(found.into_iter().take(model.arena_count())).map_err(Error::Run)
}

/// Whether a memory of the board is the one that a model asks for.
fn is_called(arena: &Arena, info: &ArenaInfo) -> bool {
    info.name().is_empty() || info.name() == arena.name
}

/// Begins a run with `inputs` inputs.
pub fn start<'m>(
    model: &'m Model<'_>,
    memories: &'m mut microhlo::Arenas<'_>,
    inputs: u32,
) -> Result<Run<'m>, Error> {
    if inputs as usize != model.input_count() {
        return Err(Error::Inputs { model: model.input_count(), job: inputs });
    }
    let run = memories.start();
    Ok(Run { run, rows: &[], outputs: model.output_count() })
}

impl<'m> Run<'m> {
    /// Copies an input into the arena, or keeps it for the step that takes its rows.
    pub fn set_input(&mut self, index: u32, bytes: &'m [u8]) -> Result<(), Error> {
        match self.run.set_input(index as usize, bytes) {
            Err(RunError::Streamed { .. }) => self.rows = bytes,
            result => result.map_err(Error::Run)?,
        }
        Ok(())
    }

    /// Executes the next kernel; `None` at the end.
    pub fn step(&mut self) -> Result<Option<StepInfo>, Error> {
        self.run.step_fed(self.rows).map_err(Error::Run)
    }

    /// Calls `each` with the tensors that the last step has computed: their positions in the debug
    /// information, and their bytes.
    pub fn tensors(
        &self,
        step: StepInfo,
        debug: Option<&DebugInfo<'_>>,
        mut each: impl FnMut(u32, &[u8]),
    ) {
        for tap in self.run.taps(step, debug) {
            each(tap.number(), tap.tensor().bytes());
        }
    }

    /// Calls `each` with every output's index and bytes.
    pub fn outputs(&self, mut each: impl FnMut(u32, &[u8])) -> Result<(), Error> {
        for (index, number) in (0..self.outputs).zip(0..) {
            let output = self.run.output(index).map_err(Error::Run)?;
            each(number, output.bytes());
        }
        Ok(())
    }
}
