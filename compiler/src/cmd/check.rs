//! `microhlo check`: executes programs that carry expectations of their own results.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use microhlo_qemu::{Job, Options, Outcome};
use serde_json::json;

use super::exec::Executor;
use super::files::{chunks, files};
use super::{CmdError, JsonTarget, print_text};
use crate::check_program::{self, CheckProgram, ExtractError};
use crate::compile::{CompileOptions, Target, compile};
use crate::diag::{Diagnostics, Source};
use crate::eval::EvalError;
use crate::front::mlir::parse_module;
use crate::verify::verify;

/// Execute programs that carry `check.*` expectations.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Programs as StableHLO text, or folders of `.mlir` files.
    #[arg(value_name = "FILE|DIR", required = true)]
    paths: Vec<PathBuf>,
    /// Where to run: `host`, a board, or `eval` (the exact evaluator).
    #[arg(long, default_value = "host", value_name = "host|eval|BOARD")]
    on: String,
    /// Programs worked on at a time; by default as many as there are processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    jobs: Option<u64>,
    /// Longest time in seconds that one program may take.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Also print why programs are skipped.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    json: JsonTarget,
}

/// Where programs run.
enum Engine {
    Evaluator,
    Device(Executor, Target),
}

/// What became of one program.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// All expectations hold.
    Passed,
    /// What went wrong.
    Failed(String),
    /// Why it was not executed.
    Skipped(String),
}

/// The verdict on one function of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The file.
    pub file: PathBuf,
    /// The function; empty when the file did not parse.
    pub function: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let engine = engine(&args.on)?;
    let files = files(&args.paths, &[".mlir"])?;
    let jobs = args.jobs.map_or_else(parallelism, |n| n as usize);
    let checked = check_files(&engine, &files, jobs, Duration::from_secs(args.timeout))
        .map_err(CmdError::Failed)?;
    let count = |f: fn(&Verdict) -> bool| checked.iter().filter(|c| f(&c.verdict)).count();
    let passed = count(|v| matches!(v, Verdict::Passed));
    let failed = count(|v| matches!(v, Verdict::Failed(_)));
    let skipped = count(|v| matches!(v, Verdict::Skipped(_)));
    args.json.write(&json_of(&checked, [passed, failed, skipped]))?;
    if !args.json.owns_stdout() {
        let mut text = failures(&checked);
        if args.verbose {
            text += &reasons_text(&checked);
        }
        print_text(&format!("{text}{passed} passed, {failed} failed, {skipped} skipped\n"));
    }
    match failed {
        0 => Ok(()),
        1 => Err(CmdError::Failed("1 program failed".to_owned())),
        n => Err(CmdError::Failed(format!("{n} programs failed"))),
    }
}

fn engine(name: &str) -> Result<Engine, CmdError> {
    if name == "eval" {
        return Ok(Engine::Evaluator);
    }
    let executor = Executor::find(name).map_err(|e| CmdError::BadInput(format!("{e}, eval")))?;
    let target = executor.target().map_err(CmdError::BadInput)?;
    Ok(Engine::Device(executor, target))
}

fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Checks all files, some at a time; the verdicts are in the files' order.
fn check_files(
    engine: &Engine,
    files: &[PathBuf],
    jobs: usize,
    timeout: Duration,
) -> Result<Vec<Checked>, String> {
    let batch = match engine {
        Engine::Evaluator => 1,
        Engine::Device(executor, _) => executor.batch(),
    };
    let batches: Vec<&[PathBuf]> = files.chunks(batch).collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![Vec::new(); batches.len()]);
    let failure = Mutex::new(None);
    let bar = super::progress(files.len(), "checking");
    let hook = std::panic::take_hook();
    // A panic is reported as the program's failure.
    std::panic::set_hook(Box::new(|_| {}));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(index) else { return };
            match check_batch(engine, batch, timeout) {
                Ok(checked) => lock(&results)[index] = checked,
                Err(error) => {
                    next.store(batches.len(), Ordering::Relaxed);
                    *lock(&failure) = Some(error);
                }
            }
            bar.inc(batch.len() as u64);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(batches.len()) {
            let built = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
            if let Err(error) = built {
                *lock(&failure) = Some(format!("cannot start a thread: {error}"));
            }
        }
    });
    std::panic::set_hook(hook);
    bar.finish_and_clear();
    match lock(&failure).take() {
        Some(error) => Err(error),
        None => Ok(lock(&results).drain(..).flatten().collect()),
    }
}

/// Stack of a worker: deeply nested programs recurse.
const STACK: usize = 16 << 20;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A program on its way: finished, or to be run.
struct Pending {
    file: PathBuf,
    function: String,
    state: State,
}

enum State {
    Done(Verdict),
    Ready(Box<CheckProgram>, Job),
}

fn check_batch(
    engine: &Engine,
    files: &[PathBuf],
    timeout: Duration,
) -> Result<Vec<Checked>, String> {
    let pending: Vec<Pending> = files.iter().flat_map(|file| prepare_file(engine, file)).collect();
    let jobs: Vec<Job> = pending
        .iter()
        .filter_map(|p| match &p.state {
            State::Ready(_, job) => Some(job.clone()),
            State::Done(_) => None,
        })
        .collect();
    let outcomes = match engine {
        Engine::Device(executor, _) if !jobs.is_empty() => {
            executor.run(&jobs, &Options::within(timeout))?
        }
        _ => Vec::new(),
    };
    let mut outcomes = outcomes.into_iter();
    let finish = |p: Pending| {
        let verdict = match p.state {
            State::Done(verdict) => verdict,
            State::Ready(program, _) => judge(&program, outcomes.next()),
        };
        Checked { file: p.file, function: p.function, verdict }
    };
    Ok(pending.into_iter().map(finish).collect())
}

fn judge(program: &CheckProgram, outcome: Option<Outcome>) -> Verdict {
    let report = match outcome {
        Some(Ok(report)) => report,
        // A program too large for the board is no fault of either.
        Some(Err(error)) if error.is_not_on_board() => return Verdict::Skipped(error.to_string()),
        Some(Err(error)) => return Verdict::Failed(error.to_string()),
        None => return Verdict::Failed("no result".to_owned()),
    };
    match report.cases.into_iter().next() {
        Some(Ok(case)) => verdict_of(program, &case.outputs),
        Some(Err(text)) => Verdict::Failed(text),
        None => Verdict::Failed("no result".to_owned()),
    }
}

fn verdict_of(program: &CheckProgram, outputs: &[Vec<u8>]) -> Verdict {
    match program.check(outputs) {
        Ok(()) => Verdict::Passed,
        Err(lines) => Verdict::Failed(lines.join("; ")),
    }
}

/// All programs of a file, ready to run where possible.
fn prepare_file(engine: &Engine, file: &Path) -> Vec<Pending> {
    let whole = |verdict| {
        let state = State::Done(verdict);
        vec![Pending { file: file.to_owned(), function: String::new(), state }]
    };
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => return whole(Verdict::Failed(format!("cannot read: {error}"))),
    };
    let source = match Source::from_bytes(&file.display().to_string(), bytes) {
        Ok(source) => source,
        Err(error) => return whole(Verdict::Failed(first_message(&error))),
    };
    let mut all = Vec::new();
    for chunk in chunks(&source) {
        let prepared = catch_unwind(AssertUnwindSafe(|| prepare_chunk(engine, file, &chunk)));
        all.extend(prepared.unwrap_or_else(|panic| {
            whole(Verdict::Failed(format!("the compiler panicked: {}", panic_text(&*panic))))
        }));
    }
    all
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

fn prepare_chunk(engine: &Engine, file: &Path, source: &Source) -> Vec<Pending> {
    let pending = |function: String, state| Pending { file: file.to_owned(), function, state };
    let module = match parse_module(source) {
        Ok(module) => module,
        Err(error) => return vec![pending(String::new(), State::Done(parse_verdict(&error)))],
    };
    if let Err(violations) = verify(&module) {
        let first = first_message(&Diagnostics::violations(source, &violations));
        return vec![pending(String::new(), State::Done(Verdict::Failed(first)))];
    }
    let mut all = Vec::new();
    for func in check_program::programs(&module) {
        let name = module.funcs[func].name.to_string();
        let state = match check_program::extract(&module, func) {
            Ok(program) => prepare(engine, program, source),
            Err(ExtractError::Unsupported(reason)) => State::Done(Verdict::Skipped(reason)),
            Err(ExtractError::Invalid(text)) => State::Done(Verdict::Failed(text)),
        };
        all.push(pending(name, state));
    }
    all
}

/// A program with something that is not supported is skipped; further errors of it may only
/// follow from that.
fn parse_verdict(error: &Diagnostics) -> Verdict {
    match error.unsupported() {
        Some(reason) => Verdict::Skipped(reason.message.clone()),
        None => Verdict::Failed(first_message(error)),
    }
}

/// The first error of a text, with its place.
fn first_message(error: &Diagnostics) -> String {
    let Some(first) = error.items().first() else { return String::new() };
    first.message.clone()
}

fn prepare(engine: &Engine, program: CheckProgram, source: &Source) -> State {
    let target = match engine {
        Engine::Evaluator => return State::Done(evaluate(&program)),
        Engine::Device(_, target) => *target,
    };
    let options = CompileOptions {
        name: program.name.clone(),
        target,
        entry: Some(program.name.clone()),
        ..CompileOptions::default()
    };
    match compile(&program.module, &options) {
        Ok(compiled) => {
            let cases = vec![program.input_bytes()];
            let job = Job { artifact: compiled.artifact, cases, profile: false };
            State::Ready(Box::new(program), job)
        }
        Err(error) if error.unsupported => State::Done(Verdict::Skipped(error.message)),
        Err(error) => {
            let place = source.line_column(error.span.start as usize);
            let text = format!("line {}: {}", place.0, error.message);
            State::Done(Verdict::Failed(text))
        }
    }
}

fn evaluate(program: &CheckProgram) -> Verdict {
    match program.evaluate() {
        Ok(outputs) => verdict_of(program, &outputs),
        Err(error @ (EvalError::Unsupported { .. } | EvalError::DynamicShape { .. })) => {
            Verdict::Skipped(error.to_string())
        }
        Err(error) => Verdict::Failed(error.to_string()),
    }
}

fn failures(checked: &[Checked]) -> String {
    let mut text = String::new();
    for c in checked {
        if let Verdict::Failed(why) = &c.verdict {
            let at =
                if c.function.is_empty() { String::new() } else { format!("@{}: ", c.function) };
            text += &format!("FAILED {}: {at}{why}\n", c.file.display());
        }
    }
    text
}

/// How often each reason to skip occurs.
fn reasons(checked: &[Checked]) -> BTreeMap<&str, usize> {
    let mut reasons = BTreeMap::new();
    for c in checked {
        if let Verdict::Skipped(why) = &c.verdict {
            *reasons.entry(why.as_str()).or_default() += 1;
        }
    }
    reasons
}

fn reasons_text(checked: &[Checked]) -> String {
    let mut sorted: Vec<(&str, usize)> = reasons(checked).into_iter().collect();
    sorted.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
    sorted.iter().map(|(why, n)| format!("skipped {n}: {why}\n")).collect()
}

fn json_of(checked: &[Checked], [passed, failed, skipped]: [usize; 3]) -> serde_json::Value {
    let program = |c: &Checked| {
        let (verdict, why) = match &c.verdict {
            Verdict::Passed => ("passed", None),
            Verdict::Failed(why) => ("failed", Some(why)),
            Verdict::Skipped(why) => ("skipped", Some(why)),
        };
        json!({ "file": c.file, "function": c.function, "verdict": verdict, "why": why })
    };
    json!({
        "passed": passed, "failed": failed, "skipped": skipped,
        "skip_reasons": reasons(checked),
        "programs": checked.iter().map(program).collect::<Vec<_>>(),
    })
}
