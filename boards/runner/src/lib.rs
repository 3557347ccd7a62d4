//! Executes the jobs in the model partition and reports to the host.
//!
//! The host changes the partition, never this firmware, so that one build
//! serves any number of models.
#![no_std]

mod linked;
mod report;
mod runtime;

use core::fmt::Display;
use microhlo::DebugInfo;
use microhlo_board::memory::Arena;
use microhlo_board::{counter, mark, memory, stack};
use microhlo_protocol::image::{Image, Job};
use microhlo_protocol::{EXIT_BAD_IMAGE, Message, Stage, VERSION};
use report::Report;

/// Exit code if the host's stream cannot be written, or the arenas are gone.
const EXIT_NO_HOST: u8 = 104;

/// Executes all jobs, and returns the exit code.
pub fn main() -> u8 {
    let (Ok(report), Some(mut arenas)) = (Report::open(), memory::take_arenas()) else {
        return EXIT_NO_HOST;
    };
    let first = arenas.first().map_or(0, |arena| arena.bytes.len());
    report.send(&Message::Hello {
        version: VERSION,
        board: microhlo_board::NAME,
        arena_bytes: u32::try_from(first).unwrap_or(u32::MAX),
    });
    let image = match Image::parse(memory::model_partition()) {
        Ok(image) => image,
        Err(error) => {
            report.fail(Stage::Job, 0, &format_args!("no jobs in the model partition: {error:?}"));
            return EXIT_BAD_IMAGE;
        }
    };
    for index in 0..image.jobs() {
        report.send(&Message::JobStarted { job: index });
        stack::repaint();
        let mut used = StackUse::default();
        match image.job(index) {
            Ok(job) => execute(&report, &job, &mut arenas, &mut used),
            Err(error) => report.fail(Stage::Job, 0, &format_args!("{error:?}")),
        }
        if stack::exhausted() {
            return microhlo_board::exit::FAULT;
        }
        used.note();
        report.send(&Message::JobDone { stack_bytes: used.all, run_stack_bytes: used.run });
    }
    report.send(&Message::Finished);
    0
}

/// Loads the artifact of a job and runs its cases.
fn execute(report: &Report, job: &Job<'_>, arenas: &mut [Arena], used: &mut StackUse) {
    let (loaded, stack_bytes) = used.watch(job, || runtime::load(job.artifact));
    let model = match loaded {
        Ok(model) => model,
        Err(error) => return report.fail(error.stage(Stage::Load), 0, &error as &dyn Display),
    };
    let debug = match runtime::debug_info(job.debug) {
        Ok(debug) => debug,
        Err(error) => return report.fail(error.stage(Stage::Job), 0, &error as &dyn Display),
    };
    report.send(&runtime::describe(&model, stack_bytes));
    for case in 0..job.cases {
        match run_case(report, (&model, debug.as_ref()), job, case, arenas, used) {
            Ok(instructions) => report.send(&Message::CaseDone { case, instructions }),
            Err(error) => report.fail(error.stage(Stage::Run), case, &error as &dyn Display),
        }
    }
}

/// Runs one case, sends its outputs, and returns the instructions it took.
fn run_case<'m>(
    report: &Report,
    (model, debug): (&'m runtime::Model<'_>, Option<&DebugInfo<'m>>),
    job: &Job<'m>,
    case: u32,
    arenas: &'m mut [Arena],
    used: &mut StackUse,
) -> Result<u64, runtime::Error> {
    let mut memories = runtime::memories(model, arenas)?;
    let mut run = runtime::start(model, &mut memories, job.inputs)?;
    let mut instructions = 0;
    for input in 0..job.inputs {
        let bytes = job.input(case, input).map_err(runtime::Error::Image)?;
        let set_input = || measured(|| run.set_input(input, bytes));
        let ((result, took), stack_bytes) = used.watch(job, set_input);
        used.run = used.run.max(stack_bytes);
        instructions += took;
        result?;
    }
    loop {
        let ((step, took), stack_bytes) = used.watch(job, || measured(|| run.step()));
        used.run = used.run.max(stack_bytes);
        instructions += took;
        let Some(step) = step? else {
            break;
        };
        if job.profile {
            let (index, kernel) = (step.index, step.kernel as u32);
            report.send(&Message::Step { index, kernel, instructions: took, stack_bytes });
        }
        run.tensors(step, debug, |tap, bytes| report.send_tensor(tap, bytes));
    }
    run.outputs(|index, bytes| report.send_output(index, bytes))?;
    Ok(instructions)
}

/// What a job needs of the stack, in bytes.
#[derive(Default)]
struct StackUse {
    /// At most, from the top of the stack.
    all: u32,
    /// At most, by one call into the runtime, if the job is profiled.
    run: u32,
}

impl StackUse {
    /// The result of a call into the runtime, and the bytes that it took; 0 if the job is not profiled.
    #[inline(always)]
    fn watch<T>(&mut self, job: &Job<'_>, work: impl FnOnce() -> T) -> (T, u32) {
        if !job.profile {
            return (work(), 0);
        }
        self.note();
        let depth = stack::Depth::here();
        let result = work();
        (result, u32::try_from(depth.used()).unwrap_or(u32::MAX))
    }

    /// Notes the most that has been used since the stack was painted.
    fn note(&mut self) {
        self.all = self.all.max(u32::try_from(stack::high_water()).unwrap_or(u32::MAX));
    }
}

/// The result of `work` and the instructions it took.
#[inline(always)]
fn measured<T>(work: impl FnOnce() -> T) -> (T, u64) {
    mark::microhlo_measure_begin();
    let first = counter::now();
    let result = work();
    let took = counter::between(first, counter::now());
    mark::microhlo_measure_end();
    (result, took)
}
