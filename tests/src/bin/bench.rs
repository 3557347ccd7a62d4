//! What inferences cost on emulated boards, and whether the targets are met.
//!
//! Instructions are counted exactly, cycles are an estimate made from them. Exit code 0 only if every
//! model runs, meets its target, and takes no more instructions than tests/instructions.txt says.

use std::collections::HashSet;
use std::process::ExitCode;

use clap::Parser;
use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::cmd::text::{Table, grouped};
use microhlo_compiler::compile::{Report, Target};
use microhlo_qemu::{Board, InstructionMix, Job, JobReport, MixCounter, Registry};
use microhlo_tests::cycles::estimate;
use microhlo_tests::figures::{Bounds, limit, path, target};
use microhlo_tests::networks::{Generated, generated};
use microhlo_tests::{Model, Prepared, int8_models, models, one_of_each_core, options};

/// The board that every model runs on unless boards are named.
const MAIN_BOARD: &str = "mps2-an386";

/// Multiply-accumulates up to which a model is a smaller one, which all boards run unless boards are named: software floating point takes some
/// 90 instructions for each.
const SMALL: u64 = 200_000;

/// Prints what an inference of every model costs on emulated boards, and checks targets and bounds.
#[derive(Parser)]
struct Args {
    /// Models by name; by default all that are installed
    models: Vec<String>,
    /// Boards; by default all models run on mps2-an386, the smaller ones and those of 8 bits on one of each other core
    #[arg(long)]
    board: Vec<String>,
    /// Cases of each model's vectors to run; the costliest counts
    #[arg(long, default_value_t = 2)]
    cases: usize,
    /// Write what was measured to tests/instructions.txt, as the new bounds
    #[arg(long)]
    update: bool,
}

/// A measured inference.
struct Row {
    board: String,
    report: Report,
    instructions: u64,
    /// Estimated, where the core's timings are published.
    cycles: Option<f64>,
    limit: Option<f64>,
}

impl Row {
    fn per_mac(&self) -> f64 {
        self.instructions as f64 / self.report.macs.max(1) as f64
    }
}

fn main() -> ExitCode {
    match bench(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every target and bound that applies is met.
fn bench(args: &Args) -> Result<bool, String> {
    let models = Chosen::find(&args.models)?;
    let registry = Registry::find().map_err(|e| e.to_string())?;
    let boards: Vec<(&str, u64)> = match args.board.is_empty() {
        true => one_of_each_core(&registry)
            .map(|b| (b, if b == MAIN_BOARD { u64::MAX } else { SMALL }))
            .collect(),
        false => args.board.iter().map(|board| (board.as_str(), u64::MAX)).collect(),
    };
    let mut rows = Vec::new();
    for (board, most) in boards {
        rows.extend(measure(board, &models, most, args.cases)?);
    }
    print!("{}", table(&rows).render());
    if args.update {
        update(&rows)?;
    }
    verdicts(&rows)
}

/// The models to measure.
struct Chosen {
    models: Vec<Model>,
    generated: Vec<Generated>,
}

impl Chosen {
    /// The installed and generated models that are asked for.
    fn find(names: &[String]) -> Result<Chosen, String> {
        let mut models = models();
        models.extend(int8_models());
        let mut generated = generated();
        let known: Vec<&str> =
            models.iter().map(|m| m.name).chain(generated.iter().map(|g| g.name)).collect();
        if let Some(unknown) = names.iter().find(|n| !known.contains(&n.as_str())) {
            return Err(format!("no model `{unknown}`; there are {}", known.join(", ")));
        }
        let asked = |name: &str| names.is_empty() || names.iter().any(|n| n == name);
        models.retain(|m| asked(m.name));
        generated.retain(|g| asked(g.name));
        Ok(Chosen { models, generated })
    }

    fn prepare(&self, target: Target, cases: usize) -> Vec<Prepared> {
        let installed = self.models.iter().map(|m| m.prepare(target));
        installed.chain(self.generated.iter().map(|g| g.prepare(target, cases))).collect()
    }
}

/// Whether a model's layers are of 8 bits, which are as quick without an FPU.
fn int8(prepared: &Prepared) -> bool {
    prepared.compiled.report.kernels.iter().any(|k| k.op.starts_with("conv_i8"))
}

/// Runs the models of at most `most` multiply-accumulates, and those of 8 bits, on a board.
fn measure(board: &str, models: &Chosen, most: u64, cases: usize) -> Result<Vec<Row>, String> {
    let executor = Executor::find(board)?;
    let target = executor.target()?;
    let Executor::Board(at) = &executor else { return Err(format!("{board} is no board")) };
    let cycles = Cycles::new(&at.0, &at.1, target)?;
    let mut prepared = models.prepare(target, cases);
    prepared.retain(|p| p.compiled.report.macs <= most || int8(p));
    // Some models are installed twice.
    let mut seen = HashSet::new();
    prepared.retain(|p| seen.insert((p.model.name, p.compiled.report.macs)));
    let jobs: Vec<Job> = prepared.iter().map(|p| job(p, cases)).collect();
    eprintln!("running {} models on {board}", jobs.len());
    let outcomes = executor.run(&jobs, &options())?;
    let mut rows = Vec::new();
    for ((prepared, job), outcome) in prepared.into_iter().zip(&jobs).zip(outcomes) {
        let name = prepared.model.name;
        match outcome {
            Err(error) if error.is_not_on_board() => println!("{name} on {board}: {error}"),
            Err(error) => return Err(format!("{name} on {board}: {error}")),
            Ok(measured) => rows.push(row(&at.1, &cycles, prepared, job, measured)?),
        }
    }
    Ok(rows)
}

/// What was measured of a model, with an estimate of its cycles.
fn row(
    board: &Board,
    cycles: &Cycles<'_>,
    prepared: Prepared,
    job: &Job,
    measured: JobReport,
) -> Result<Row, String> {
    let int8 = int8(&prepared);
    let report = prepared.compiled.report;
    let fail = |error: String| format!("{} on {}: {error}", report.name, board.name);
    let mut instructions = 0;
    for case in measured.cases {
        instructions = instructions.max(case.map_err(fail)?.instructions);
    }
    let cycles = match int8 || board.name == MAIN_BOARD {
        true => cycles.estimated(job, instructions).map_err(fail)?,
        false => None,
    };
    let limit = limit(&board.core, &report.name, report.macs, int8);
    Ok(Row { board: board.name.clone(), report, instructions, cycles, limit })
}

/// Estimates cycles on a board.
struct Cycles<'b> {
    target: Target,
    /// None where the core's timings are not published.
    counter: Option<MixCounter<'b>>,
}

impl<'b> Cycles<'b> {
    fn new(registry: &Registry, board: &'b Board, target: Target) -> Result<Self, String> {
        let published = estimate(target, &InstructionMix::default()).is_some();
        let counter = published.then(|| MixCounter::new(registry, board)).transpose();
        Ok(Cycles { target, counter: counter.map_err(|e| e.to_string())? })
    }

    /// The cycles of so many instructions of the kinds that a job's first case executes.
    fn estimated(&self, job: &Job, instructions: u64) -> Result<Option<f64>, String> {
        let Some(counter) = &self.counter else { return Ok(None) };
        let mut job = job.clone();
        job.cases.truncate(1);
        let (mix, _) = counter.count(&job, &options()).map_err(|e| e.to_string())?;
        let each = 1.0 / mix.instructions().max(1) as f64;
        Ok(estimate(self.target, &mix).map(|cycles| cycles * each * instructions as f64))
    }
}

fn job(prepared: &Prepared, cases: usize) -> Job {
    let mut job = prepared.job();
    job.cases.truncate(cases.max(1));
    job
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(2);
    table.row([
        "model",
        "board",
        "MACs",
        "instructions",
        "per MAC",
        "limit",
        "over the limit",
        "cycles (estimate)",
        "arena bytes",
        "lower bound",
        "flash bytes",
    ]);
    let number = |n: Option<f64>| n.map_or("-".to_owned(), |n| grouped(n.round() as u64));
    for row in rows {
        let report = &row.report;
        let over = row.limit.map(|limit| row.instructions as f64 / limit);
        table.row([
            report.name.clone(),
            row.board.clone(),
            grouped(report.macs),
            grouped(row.instructions),
            format!("{:.3}", row.per_mac()),
            number(row.limit),
            over.map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
            number(row.cycles),
            grouped(report.arena_bytes.into()),
            grouped(report.arena_lower_bound_bytes.into()),
            grouped(report.artifact_bytes.into()),
        ]);
    }
    table
}

/// Prints a line per target and per bound that does not hold; returns whether all that were measured
/// hold.
fn verdicts(rows: &[Row]) -> Result<bool, String> {
    let bounds = Bounds::read()?;
    let mut all = true;
    let mut lower = 0;
    for row in rows {
        let (board, name, n) = (&row.board, &row.report.name, row.instructions);
        if let Some(target) = target(board, name) {
            let met = n <= target;
            let verdict = if met { "pass" } else { "FAIL" };
            let (n, target) = (grouped(n), grouped(target));
            println!("{verdict}: {name} on {board}: {n} instructions, at most {target}");
            all &= met;
        }
        match bounds.of(board, name, row.report.macs) {
            Some(most) if n > most => {
                let (n, most) = (grouped(n), grouped(most));
                println!("FAIL: {name} on {board}: {n} instructions, {most} before");
                all = false;
            }
            Some(most) => lower += u32::from(n < most),
            None => {
                println!("FAIL: {name} on {board}: no bound; add it with --update");
                all = false;
            }
        }
    }
    if lower > 0 {
        println!("{lower} bounds of tests/instructions.txt can fall: --update");
    }
    Ok(all)
}

/// Writes what was measured as the new bounds.
fn update(rows: &[Row]) -> Result<(), String> {
    let mut bounds = Bounds::read()?;
    for row in rows {
        bounds.set(&row.board, &row.report.name, row.report.macs, row.instructions);
    }
    std::fs::write(path(), bounds.text()).map_err(|e| format!("{}: {e}", path().display()))
}
