//! Where artifacts run: on the host, in this process, or on an emulated board.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use microhlo::{DebugInfo, Model, RunError};
use microhlo_format::Artifact;
use microhlo_qemu::{Board, Case, Job, JobError, JobReport, Options, Outcome, Registry, Stage};

use super::externs;
use super::wire::Wire;
use crate::compile::Target;

/// Where artifacts run.
#[derive(Clone, Debug)]
pub enum Executor {
    /// In this process, with the same portable kernels as on the boards.
    Host,
    /// On an emulated board.
    Board(Box<(Registry, Board)>),
    /// On a real board, through a debug probe.
    Probe(Box<(Registry, Board, Wire)>),
}

impl Executor {
    /// The executor called `name`: `host` or a board.
    ///
    /// # Errors
    /// No board has the name; the message lists those that exist.
    pub fn find(name: &str) -> Result<Executor, String> {
        if name == "host" {
            return Ok(Executor::Host);
        }
        let registry = Registry::find().map_err(|e| e.to_string())?;
        let board = registry.board(name).map_err(|e| format!("{e}, host"))?.clone();
        Ok(Executor::Board(Box::new((registry, board))))
    }

    /// The executor called `name`; a board of that name is the real one if `wire` asks for a probe.
    ///
    /// # Errors
    /// No board has the name, or none with a probe can have it.
    pub fn find_over(name: &str, wire: &Wire) -> Result<Executor, String> {
        match Executor::find(name)? {
            executor if !wire.is_asked_for() => Ok(executor),
            Executor::Board(at) => {
                let (registry, board) = *at;
                Ok(Executor::Probe(Box::new((registry, board, wire.clone()))))
            }
            _ => Err(format!(
                "--probe needs a board, but `--on {name}` is none; see `microhlo boards`"
            )),
        }
    }

    /// What to compile for.
    ///
    /// # Errors
    /// The compiler does not know the board's core.
    pub fn target(&self) -> Result<Target, String> {
        match self {
            Executor::Host => Ok(Target::Host),
            Executor::Board(_) | Executor::Probe(_) => {
                self.board().map_or(Ok(Target::Host), |board| {
                    board.core.parse().map_err(|_| {
                        format!(
                            "board `{}`: the compiler does not know core `{}`",
                            board.name, board.core
                        )
                    })
                })
            }
        }
    }

    /// The board, if it is one.
    pub fn board(&self) -> Option<&Board> {
        match self {
            Executor::Host => None,
            Executor::Board(at) => Some(&at.1),
            Executor::Probe(at) => Some(&at.1),
        }
    }

    /// What is counted: instructions, or cycles on real boards.
    pub fn unit(&self) -> &'static str {
        self.board().map_or("instructions", |board| board.counter.kind.unit())
    }

    /// Whether instructions are counted.
    pub fn counts_instructions(&self) -> bool {
        self.board().is_some()
    }

    /// How many jobs one call takes with advantage: a start of QEMU serves many.
    pub fn batch(&self) -> usize {
        match self {
            Executor::Host => 1,
            Executor::Board(_) | Executor::Probe(_) => 128,
        }
    }

    /// Runs jobs; one outcome per job, in order.
    ///
    /// # Errors
    /// What concerns all jobs: QEMU or a target is missing, or the runner does not build; or one calls functions
    /// of a firmware, which none of these has.
    pub fn run(&self, jobs: &[Job], options: &Options) -> Result<Vec<Outcome>, String> {
        let parsed = jobs.iter().filter_map(|job| Artifact::parse(&job.artifact).ok());
        if let Some(why) = parsed.into_iter().find_map(|artifact| externs::refusal(&artifact)) {
            return Err(why);
        }
        match self {
            Executor::Host => Ok(jobs.iter().map(|job| run_on_host(job, options)).collect()),
            Executor::Board(at) => {
                let (registry, board) = &**at;
                microhlo_qemu::run_jobs(registry, board, jobs, options).map_err(|e| e.to_string())
            }
            Executor::Probe(at) => run_on_probe(at, jobs, options),
        }
    }
}

impl fmt::Display for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Executor::Host => f.write_str("host"),
            Executor::Board(at) => f.write_str(&at.1.name),
            Executor::Probe(at) => write!(f, "{} over a probe", at.1.name),
        }
    }
}

#[cfg(feature = "probe")]
fn run_on_probe(
    at: &(Registry, Board, Wire),
    jobs: &[Job],
    options: &Options,
) -> Result<Vec<Outcome>, String> {
    let (registry, board, wire) = at;
    // A chip that is not there is found out before its firmware is built.
    let place =
        microhlo_probe::Place::of(board, &microhlo_probe::ProbeRs).map_err(|e| e.to_string())?;
    let mut target =
        super::wire::attach(&microhlo_probe::ProbeRs, &place, wire).map_err(|e| e.to_string())?;
    let runner = microhlo_qemu::build_runner(registry, board).map_err(|e| e.to_string())?;
    super::wire::run_jobs(&mut *target, &place, &runner, jobs, options).map_err(|e| e.to_string())
}

#[cfg(not(feature = "probe"))]
fn run_on_probe(
    _: &(Registry, Board, Wire),
    _: &[Job],
    _: &Options,
) -> Result<Vec<Outcome>, String> {
    Err(super::wire::LEFT_OUT.to_owned())
}

/// Bytes that start at a multiple of 16, as the runtime asks of artifact and arena.
#[derive(Debug)]
pub struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` times the byte `fill`.
    pub fn filled(len: usize, fill: u8) -> Aligned {
        let bytes = vec![fill; len + 16];
        let start = bytes.as_ptr().align_offset(16).min(16);
        Aligned { bytes, start, len }
    }

    /// A copy of the bytes.
    pub fn copy_of(source: &[u8]) -> Aligned {
        let mut aligned = Aligned::filled(source.len(), 0);
        aligned.get_mut().copy_from_slice(source);
        aligned
    }

    /// The bytes.
    pub fn get(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    /// The bytes, to write to.
    pub fn get_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

/// What an arena holds before a run, so that a read of memory never written shows.
const POISON: u8 = 0xa5;

fn rejected(stage: Stage, text: impl fmt::Display) -> JobError {
    JobError::Rejected { stage, text: text.to_string() }
}

/// Runs a job in this process. A panic of the runtime is an error of the job.
pub fn run_on_host(job: &Job, options: &Options) -> Outcome {
    let result = catch_unwind(AssertUnwindSafe(|| host_job(job, options)));
    result.unwrap_or_else(|_| Err(rejected(Stage::Run, "the runtime panicked")))
}

fn host_job(job: &Job, options: &Options) -> Outcome {
    let artifact = Aligned::copy_of(&job.artifact);
    let model = Model::load(artifact.get()).map_err(|e| rejected(Stage::Load, e))?;
    let mut report = JobReport {
        arena_bytes: u32::try_from(model.arena_bytes()).unwrap_or(u32::MAX),
        steps: u32::try_from(model.step_count()).unwrap_or(u32::MAX),
        ..JobReport::default()
    };
    let debug = match options.debug.as_slice() {
        [] => None,
        bytes => Some(DebugInfo::parse(bytes).map_err(|e| rejected(Stage::Job, e))?),
    };
    for case in &job.cases {
        report.cases.push(host_case(&model, case, debug.as_ref(), options.timeout));
    }
    Ok(report)
}

fn host_case(
    model: &Model<'_>,
    inputs: &[Vec<u8>],
    debug: Option<&DebugInfo<'_>>,
    limit: Duration,
) -> Result<Case, String> {
    let started = Instant::now();
    let sizes = (0..model.arena_count()).filter_map(|i| model.arena(i)).map(|a| a.byte_len());
    let mut memories: Vec<Aligned> = sizes.map(|bytes| Aligned::filled(bytes, POISON)).collect();
    let text = |e: microhlo::RunError| e.to_string();
    let mut arenas = model.arenas(memories.iter_mut().map(Aligned::get_mut)).map_err(text)?;
    let mut run = arenas.start();
    let mut rows: &[u8] = &[];
    for (index, bytes) in inputs.iter().enumerate() {
        match run.set_input(index, bytes) {
            Err(RunError::Streamed { .. }) => rows = bytes,
            result => result.map_err(text)?,
        }
    }
    let mut case = Case::default();
    while let Some(info) = run.step_fed(rows).map_err(text)? {
        case.count(info.index, info.kernel as u32, 0, 0);
        for tap in run.taps(info, debug) {
            case.tensors.insert(tap.number(), tap.tensor().bytes().to_vec());
        }
        if started.elapsed() > limit {
            return Err(format!("the run did not end within {limit:?}; allow more with --timeout"));
        }
    }
    for index in 0..model.output_count() {
        case.outputs.push(run.output(index).map_err(text)?.bytes().to_vec());
    }
    Ok(case)
}
