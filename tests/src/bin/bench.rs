//! What inferences cost on emulated boards, and whether the targets are met.
//!
//! Instructions are counted exactly, cycles are an estimate made from them. Exit code 0 only if every model runs and meets its target.

use std::collections::HashSet;
use std::process::ExitCode;

use clap::Parser;
use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::cmd::text::{Table, grouped};
use microhlo_compiler::compile::{Report, Target};
use microhlo_qemu::{Case, Job, Registry};
use microhlo_tests::cycles::estimate;
use microhlo_tests::{Model, Prepared, int8_models, models, options};

/// Most instructions per multiply-accumulate: board, model, limit.
const TARGETS: [(&str, &str, f64); 5] = [
    ("mps2-an386", "ic_jax_nhwc_folded", 1.6),
    ("mps2-an386", "kws_jax_nhwc_folded", 2.0),
    ("mps2-an386", "ad_int8_quant_int", 0.36e6 / 264_192.0),
    ("mps2-an386", "kws_int8_quant_int", 3.0e6 / 2_656_768.0),
    ("mps2-an386", "ic_int8_quant_int", 12.3e6 / 12_501_632.0),
];

/// What the instruction set allows, instructions per inference: SMLAD for two products, activations
/// widened once, weights as bytes, five instructions for each result, depthwise layers fused with
/// pointwise ones.
const LIMITS: [(&str, &str, f64); 3] = [
    ("mps2-an386", "ad_int8_quant_int", 0.32e6),
    ("mps2-an386", "kws_int8_quant_int", 2.57e6),
    ("mps2-an386", "ic_int8_quant_int", 10.89e6),
];

/// The board that every model runs on unless boards are named.
const MAIN_BOARD: &str = "mps2-an386";

/// Multiply-accumulates up to which a model is a smaller one, which all boards run unless boards are named: software floating point takes some
/// 90 instructions for each.
const SMALL: u64 = 200_000;

/// Prints what an inference of every model costs on emulated boards, and checks the targets.
#[derive(Parser)]
struct Args {
    /// Models by name; by default all that are installed
    models: Vec<String>,
    /// Boards; by default all models run on mps2-an386 and the smaller ones on the others
    #[arg(long)]
    board: Vec<String>,
    /// Cases of each model's vectors to run; the costliest counts
    #[arg(long, default_value_t = 2)]
    cases: usize,
}

/// A measured inference.
struct Row {
    board: String,
    report: Report,
    instructions: u64,
    /// Estimated; known for the Cortex-M4F.
    cycles: Option<f64>,
}

impl Row {
    fn per_mac(&self) -> f64 {
        self.instructions as f64 / self.report.macs.max(1) as f64
    }

    /// Instructions over the least that the instruction set allows, where that is known.
    fn over_limit(&self) -> Option<f64> {
        let fits = |l: &&(&str, &str, f64)| l.0 == self.board && l.1 == self.report.name;
        LIMITS.iter().find(fits).map(|&(_, _, limit)| self.instructions as f64 / limit)
    }

    /// The limit of instructions per multiply-accumulate and whether it is met.
    fn target(&self) -> Option<(f64, bool)> {
        let fits = |t: &&(&str, &str, f64)| t.0 == self.board && t.1 == self.report.name;
        TARGETS.iter().find(fits).map(|&(_, _, limit)| (limit, self.per_mac() <= limit))
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

/// Whether every target that applies is met.
fn bench(args: &Args) -> Result<bool, String> {
    let models = chosen(&args.models)?;
    let mut rows = Vec::new();
    if args.board.is_empty() {
        rows.extend(measure(MAIN_BOARD, &models, u64::MAX, args.cases)?);
        let registry = Registry::find().map_err(|e| e.to_string())?;
        for board in registry.boards().iter().filter(|board| board.name != MAIN_BOARD) {
            rows.extend(measure(&board.name, &models, SMALL, args.cases)?);
        }
    }
    for board in &args.board {
        rows.extend(measure(board, &models, u64::MAX, args.cases)?);
    }
    print!("{}", table(&rows).render());
    Ok(verdicts(&rows))
}

/// The installed models that are asked for.
fn chosen(names: &[String]) -> Result<Vec<Model>, String> {
    let mut found = models();
    found.extend(int8_models());
    if let Some(unknown) = names.iter().find(|n| !found.iter().any(|m| m.name == n.as_str())) {
        let known: Vec<&str> = found.iter().map(|m| m.name).collect();
        return Err(format!("no model `{unknown}`; installed are {}", known.join(", ")));
    }
    found.retain(|m| names.is_empty() || names.iter().any(|n| n == m.name));
    Ok(found)
}

/// Runs the models of at most `limit` multiply-accumulates on a board.
fn measure(board: &str, models: &[Model], limit: u64, cases: usize) -> Result<Vec<Row>, String> {
    let executor = Executor::find(board)?;
    let target = executor.target()?;
    let mut prepared: Vec<Prepared> = models.iter().map(|m| m.prepare(target)).collect();
    // Integers are as quick without an FPU.
    let integer =
        |p: &Prepared| p.compiled.report.kernels.iter().any(|k| k.op.starts_with("conv_i8"));
    prepared.retain(|p| p.compiled.report.macs <= limit || integer(p));
    // Some models are installed twice.
    let mut seen = HashSet::new();
    prepared.retain(|p| seen.insert((p.model.name, p.compiled.report.macs)));
    let jobs: Vec<Job> = prepared.iter().map(|p| job(p, cases)).collect();
    eprintln!("running {} models on {board}", jobs.len());
    let outcomes = executor.run(&jobs, &options())?;
    let mut rows = Vec::new();
    for (prepared, outcome) in prepared.into_iter().zip(outcomes) {
        let report = prepared.compiled.report;
        let fail = |error: String| format!("{} on {board}: {error}", report.name);
        let measured = match outcome {
            Err(error) if error.is_not_on_board() => {
                println!("{} on {board}: {error}", report.name);
                continue;
            }
            outcome => outcome.map_err(|e| fail(e.to_string()))?,
        };
        let mut costliest = Case::default();
        for case in measured.cases {
            let case = case.map_err(fail)?;
            if case.instructions > costliest.instructions {
                costliest = case;
            }
        }
        let cycles = (target == Target::CortexM4f).then(|| estimate(&costliest, &report.kernels));
        let (board, instructions) = (board.to_owned(), costliest.instructions);
        rows.push(Row { board, report, instructions, cycles });
    }
    Ok(rows)
}

fn job(prepared: &Prepared, cases: usize) -> Job {
    let mut job = prepared.job();
    job.cases.truncate(cases.max(1));
    job.profile = true;
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
        "over the limit",
        "cycles (estimate)",
        "arena bytes",
        "lower bound",
        "flash bytes",
    ]);
    for row in rows {
        let report = &row.report;
        table.row([
            report.name.clone(),
            row.board.clone(),
            grouped(report.macs),
            grouped(row.instructions),
            format!("{:.3}", row.per_mac()),
            row.over_limit().map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
            row.cycles.map_or("-".to_owned(), |cycles| grouped(cycles.round() as u64)),
            grouped(report.arena_bytes.into()),
            grouped(report.arena_lower_bound_bytes.into()),
            grouped(report.artifact_bytes.into()),
        ]);
    }
    table
}

/// Prints a line per target; returns whether all that were measured are met.
fn verdicts(rows: &[Row]) -> bool {
    let mut all = true;
    for row in rows {
        let Some((limit, met)) = row.target() else { continue };
        let verdict = if met { "pass" } else { "FAIL" };
        println!(
            "{verdict}: {} on {}: {:.4} instructions per MAC, at most {limit:.4}",
            row.report.name,
            row.board,
            row.per_mac()
        );
        all &= met;
    }
    for (board, model, _) in TARGETS {
        if !rows.iter().any(|row| row.board == board && row.report.name == model) {
            println!("not measured: {model} on {board}");
        }
    }
    all
}
