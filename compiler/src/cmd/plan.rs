//! `microhlo plan`: places the buffers of an instance file.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::text::grouped;
use super::{CmdError, JsonTarget, print_text, write_file};
use crate::plan::{self, Fit, LiveSet, Options, Plan, Problem};

/// Place the buffers of an instance file in one arena, as small as can be found, or prove that they do not
/// fit.
///
/// FILE is CSV with the columns `id`, `lower`, `upper` and `size`, optionally `alignment`: one buffer in
/// a line, alive from step `lower` to before step `upper`. It is the format of MiniMalloc.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The instance
    file: PathBuf,
    /// The bytes that there are: any placement that fits will do, unless `--minimize` asks for more
    #[arg(long, value_name = "BYTES")]
    capacity: Option<u32>,
    /// Find the smallest arena; the default without `--capacity`
    #[arg(long)]
    minimize: bool,
    /// Seconds to search
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    time: f64,
    /// Write the instance with a column `offset`
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    #[command(flatten)]
    json: JsonTarget,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let bad = |text: String| CmdError::BadInput(format!("{}: {text}", args.file.display()));
    let text = std::fs::read_to_string(&args.file).map_err(|e| bad(e.to_string()))?;
    let problem = Problem::from_csv(&text).map_err(|e| bad(e.to_string()))?;
    let time = Duration::try_from_secs_f64(args.time)
        .map_err(|_| CmdError::BadInput(format!("--time {}: no number of seconds", args.time)))?;
    let start = Instant::now();
    let options = Options { search_steps: u64::MAX, deadline: start.checked_add(time) };
    let result = match args.capacity {
        Some(capacity) if !args.minimize => plan::fit(&problem, capacity, &options),
        capacity => plan::plan_with(&problem, &options).map(|plan| judged(plan, capacity)),
    };
    let result = result.map_err(|e| bad(e.to_string()))?;
    report(args, &problem, &result, start.elapsed())?;
    match result {
        Fit::Fits(_) => Ok(()),
        Fit::Impossible(bytes) => Err(CmdError::Failed(format!(
            "no placement fits: at least {} bytes are needed",
            grouped(bytes)
        ))),
        Fit::Undecided(plan) => Err(CmdError::Failed(format!(
            "not decided within the time: {} bytes found, {} proved to be needed; a longer --time may tell",
            grouped(plan.arena_bytes.into()),
            grouped(plan.proven_bound.into())
        ))),
    }
}

/// What a plan for the smallest arena says of a capacity.
fn judged(plan: Plan, capacity: Option<u32>) -> Fit {
    match capacity {
        Some(capacity) if plan.proven_bound > capacity => Fit::Impossible(plan.proven_bound.into()),
        Some(capacity) if plan.arena_bytes > capacity => Fit::Undecided(plan),
        _ => Fit::Fits(plan),
    }
}

/// Prints what was found, and writes the files that were asked for.
fn report(args: &Args, problem: &Problem, result: &Fit, took: Duration) -> Result<(), CmdError> {
    let live = problem.lower_bound();
    let plan = match result {
        Fit::Fits(plan) | Fit::Undecided(plan) => Some(plan),
        Fit::Impossible(_) => None,
    };
    if let (Some(path), Some(plan)) = (&args.output, plan) {
        write_file(path, problem.to_csv(Some(&plan.offsets)).as_bytes())?;
    }
    let needed = match result {
        Fit::Impossible(bytes) => *bytes,
        Fit::Fits(plan) | Fit::Undecided(plan) => plan.proven_bound.into(),
    };
    args.json.write(&json!({
        "buffers": problem.buffers.len(),
        "largest_live_set": live.bytes,
        "largest_live_set_step": live.step,
        "capacity": args.capacity,
        "arena_bytes": plan.map(|plan| plan.arena_bytes),
        "proven_bound": needed,
        "optimal": plan.is_some_and(|plan| plan.proven_optimal),
        "offsets": plan.map(|plan| &plan.offsets),
        "seconds": took.as_secs_f64(),
    }))?;
    if !args.json.owns_stdout() {
        print_text(&lines(problem, live, plan, needed, took));
    }
    Ok(())
}

fn lines(
    problem: &Problem,
    live: LiveSet,
    plan: Option<&Plan>,
    needed: u64,
    took: Duration,
) -> String {
    let mut text = format!(
        "{} buffers, at most {} B alive together, at step {}\n",
        problem.buffers.len(),
        grouped(live.bytes),
        live.step
    );
    if let Some(plan) = plan {
        let found = u64::from(plan.arena_bytes);
        let gap = match found - needed.min(found) {
            0 => "no placement is smaller".to_owned(),
            gap => format!(
                "{} B proved to be needed, a gap of {:.2} %",
                grouped(needed),
                gap as f64 * 100.0 / needed.max(1) as f64
            ),
        };
        text += &format!("arena {} B; {gap}\n", grouped(found));
    }
    text + &format!("{:.2} s\n", took.as_secs_f64())
}
