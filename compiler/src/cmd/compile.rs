//! `microhlo compile`: a program becomes an artifact, and what it will cost.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use microhlo_format::Artifact;
use microhlo_qemu::{Region, RegionKind};
use serde_json::{Value, json};

use super::emit::{Emit, emit, refuse_binary, refuse_same};
use super::exec::Executor;
use super::fit::Fit;
use super::function::Function;
use super::load::{self, Program};
use super::share;
use super::text::{Table, grouped, size};
use super::{CmdError, JsonTarget, inspect, listing, print_text, report, write_file};
use crate::chains;
use crate::compile::{CompileOptions, Compiled, Report, ScheduleReport, Target, Technique};
use crate::regions::{self, Memories, Memory as RegionMemory, RegionReport};
use crate::stack::{self, Stack};

/// Compile a StableHLO program and print what it costs.
#[derive(Debug, clap::Args)]
#[command(mut_args(belongs_to_quantising))]
pub struct Args {
    /// The program; its form is told from the content.
    #[arg(value_name = "MODEL")]
    pub(super) model: PathBuf,
    /// Further programs, with `--share`.
    #[arg(value_name = "MORE", requires = "share")]
    pub(super) more: Vec<PathBuf>,
    /// Write the artifact to this file; with `--share`, all of them to this directory.
    #[arg(short, long, value_name = "OUT.mhlo")]
    pub(super) output: Option<PathBuf>,
    /// Compile several programs that run in one arena, one after the other: none touches the states of
    /// another.
    #[arg(long, requires = "more", conflicts_with_all = ["quantize", "pareto"])]
    pub(super) share: bool,
    /// An input that is an output of the run before, and survives in the arena: each by name or number,
    /// `in1=out0`; with `--share` behind the name of its model, `kws:in1=out0`. May be repeated.
    #[arg(long, value_name = "INPUT=OUTPUT")]
    pub(super) state: Vec<String>,
    /// What to compile for: `host`, a core such as `cortex-m4f` or `rv32imac`, or a board.
    #[arg(long, default_value = "host")]
    target: String,
    #[command(flatten)]
    function: Function,
    /// A custom call or composite of this name is left to the firmware, which registers a function for it. May
    /// be repeated.
    #[arg(long = "extern", value_name = "NAME")]
    pub(super) externs: Vec<String>,
    #[command(flatten, next_help_heading = "Memory")]
    memory: Memory,
    /// Also write this: beside OUT with the extension `.rs`, `.json`, `.c` and `.h`, or `.o` and `.h`; or
    /// to standard output without `-o`.
    #[arg(long, value_enum)]
    pub(super) emit: Option<Emit>,
    /// Write to this file which tensors the steps compute, for traces of the artifact.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["share", "pareto"])]
    debug_info: Option<PathBuf>,
    /// Print the program after this pass, to standard error. May be repeated.
    #[arg(long, value_name = "PASS")]
    dump_after: Vec<String>,
    /// Show the memory over time, what holds the peak, what each technique saves and where the flash
    /// goes: as a page in this file, or as text for `text` or `-`.
    #[arg(long, value_name = "OUT.html|text")]
    report: Option<report::Target>,
    /// Do without a way to save memory, to see what it saves: `sharing` (results in the memory of
    /// operands) or `scheduling` (another order of the steps). May be repeated.
    #[arg(long, value_name = "TECHNIQUE")]
    without: Vec<Technique>,
    /// Print the kernels one by one and the time of each pass.
    #[arg(short, long)]
    verbose: bool,
    /// Quantise the program first, as `microhlo quantize` does, on the inputs of `--calibrate`.
    #[arg(long, requires = "calibrate")]
    quantize: bool,
    #[command(flatten, next_help_heading = "With --quantize")]
    how: super::quantize::How,
    #[command(flatten)]
    pub(super) json: JsonTarget,
}

/// How much memory a program may use.
#[derive(Clone, Debug, clap::Args)]
pub struct Memory {
    /// Most bytes of the arena, of all memories together with the constants that are copied there: the fastest
    /// program that fits is chosen.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    arena_limit: Option<u32>,
    /// Use all memories of the board that `--target` names, with the sizes and costs of accesses in its
    /// `board.toml`: what is accessed most goes to the fastest that has room. Constants that are read
    /// often are copied there, too.
    #[arg(long)]
    pub(super) regions: bool,
    /// A memory that may be used, with its size and what an access costs relative to others (else 1); or
    /// with `--regions` another size for one of the board's. May be repeated.
    #[arg(long, value_name = "NAME=BYTES[:COST]")]
    pub(super) region: Vec<regions::Given>,
    /// What an access to the artifact costs, relative to those of `--region`: constants are copied to
    /// memories that cost less.
    #[arg(long, value_name = "COST", requires = "region")]
    artifact_cost: Option<u32>,
    /// Whether layers run row by row, so that only those rows of a value exist that are still
    /// needed: never, as far as `--arena-limit` demands it, or wherever it saves memory.
    #[arg(long, value_enum, default_value_t = RowsArg::Auto)]
    rows: RowsArg,
    /// The firmware gives the input row by row, and it is never there as a whole.
    #[arg(long)]
    stream_input: bool,
    /// To need less memory, layers that run row by row may be computed in stripes of columns, too, next to whose
    /// borders some results are computed twice: at most so many percent of all multiply-accumulates more.
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    recompute: u32,
    /// Print all programs of which no other is both smaller and faster; with `--regions` or `--region` those that
    /// fit there, without constants.
    #[arg(long)]
    pareto: bool,
}

/// What [`quantize::How`](super::quantize::How) adds to the command has no meaning without `--quantize`.
fn belongs_to_quantising(arg: clap::Arg) -> clap::Arg {
    const HOW: [&str; 9] =
        ["calibrate", "mode", "io", "range", "budget", "wide", "validate", "cases", "freeze"];
    match HOW.contains(&arg.get_id().as_str()) {
        true => arg.requires("quantize"),
        false => arg,
    }
}

fn bytes(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a limit is a number of bytes, such as 4096".to_owned())
}

/// When layers run row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RowsArg {
    Off,
    Auto,
    Least,
}

impl Memory {
    /// The options that this is.
    pub fn options(&self) -> chains::Options {
        let rows = match self.rows {
            RowsArg::Off => chains::Rows::Off,
            RowsArg::Auto => chains::Rows::Auto,
            RowsArg::Least => chains::Rows::Least,
        };
        let Memory { arena_limit, stream_input, recompute, .. } = *self;
        chains::Options { rows, arena_limit, stream_input, recompute }
    }

    /// The memories that a program for this target may use.
    fn memories(&self, target: &str) -> Result<Memories, CmdError> {
        let mut memories = Memories::default();
        if self.regions {
            memories = board_memories(target)?;
        }
        memories.artifact_cost = self.artifact_cost.unwrap_or(memories.artifact_cost);
        memories.with(&self.region).map_err(CmdError::BadInput)
    }
}

/// The memories of a board, as its description has them.
fn board_memories(name: &str) -> Result<Memories, CmdError> {
    let board = match Executor::find(name) {
        Ok(Executor::Board(at)) => at.1,
        _ => {
            let text = format!(
                "--regions: the target `{name}` is no board with memories; name a board, or give \
                 memories by --region"
            );
            return Err(CmdError::BadInput(text));
        }
    };
    let arena = |region: &Region| RegionMemory {
        name: region.name.clone(),
        bytes: u32::try_from(region.length).unwrap_or(u32::MAX),
        cost: region.cost,
    };
    let arenas: Vec<RegionMemory> = board.arenas().map(arena).collect();
    if arenas.is_empty() {
        let text = format!("--regions: board `{name}` has no memory of kind `arena`");
        return Err(CmdError::BadInput(text));
    }
    let artifact = board.region(RegionKind::Model).map_or(1, |region| region.cost);
    Ok(Memories { arenas, artifact_cost: artifact })
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    refuse_two_outputs(args)?;
    refuse_binary(args)?;
    if args.share {
        return share::run(args);
    }
    let mut program: Program = load::open_program(&args.model)?;
    let state = |text: &String| {
        text.parse().map_err(|e| CmdError::BadInput(format!("--state {text}: {e}")))
    };
    let states = args.state.iter().map(state).collect::<Result<_, _>>()?;
    let options = CompileOptions { states, ..options_of(args, &args.model)? };
    let quantised = args.quantize.then(|| args.how.apply(&program, &options)).transpose()?;
    let options = match quantised.is_some() {
        // What was quantised has one function, of known shapes.
        true => CompileOptions { entry: None, sizes: Vec::new(), ..options },
        false => options,
    };
    if let Some(done) = &quantised {
        done.warn();
        program.module = done.quantised.module.clone();
    }
    if args.memory.pareto {
        return pareto(args, &program, &options);
    }
    let compiled = program.compile(&options)?;
    require_dumps(args, &compiled)?;
    for (pass, text) in &compiled.dumps {
        eprintln!("// after {pass}\n{text}");
    }
    let artifact = load::parse_artifact(&args.model, &compiled.artifact)?;
    if let Some(path) = &args.output {
        write_file(path, &compiled.artifact)?;
    }
    if let Some(path) = &args.debug_info {
        refuse_same("--debug-info", path, args)?;
        write_file(path, &program.debug_info(&compiled))?;
    }
    let emitted = emit(args, &compiled, &artifact, options.target)?;
    let reported = report(args, &compiled, &artifact, &program, &options)?;
    let fit = Fit::of(&args.target, &compiled.report);
    if let Some(warning) = fit.as_ref().and_then(Fit::warning) {
        eprintln!("{warning}");
    }
    let mut json = json_of(args, &compiled, &artifact, options.target);
    json["board"] = json!(fit);
    if let Some(done) = &quantised {
        json["quantization"] = done.json();
    }
    args.json.write(&json)?;
    if !args.json.owns_stdout() && !emitted {
        let report = quantised.map_or_else(String::new, |done| done.summary());
        print_text(
            &(report
                + &text(args, &compiled, &artifact, (options.target, fit.as_ref()))
                + &reported),
        );
    }
    Ok(())
}

/// Refuses to write more than one thing to standard output.
fn refuse_two_outputs(args: &Args) -> Result<(), CmdError> {
    if args.emit.is_some() && args.output.is_none() && args.json.owns_stdout() {
        let text = "both --emit and --json would write to standard output; give one a file";
        return Err(CmdError::BadInput(text.to_owned()));
    }
    let takes_stdout = args.json.owns_stdout() || (args.emit.is_some() && args.output.is_none());
    if args.report == Some(report::Target::Text) && takes_stdout {
        let text =
            "--report as text and --json or --emit would write to standard output; give one a file";
        return Err(CmdError::BadInput(text.to_owned()));
    }
    Ok(())
}

/// The options for one program, but for its states.
pub(super) fn options_of(args: &Args, model: &Path) -> Result<CompileOptions, CmdError> {
    Ok(args.function.of(CompileOptions {
        dump_after: args.dump_after.clone(),
        memory: args.memory.options(),
        memories: args.memory.memories(&args.target)?,
        without: args.without.clone(),
        externs: args.externs.clone(),
        ..load::options_for(model, target(&args.target)?)
    }))
}

/// Writes what `--report` asks for; returns what is left to print.
fn report(
    args: &Args,
    compiled: &Compiled,
    artifact: &Artifact<'_>,
    program: &Program,
    options: &CompileOptions,
) -> Result<String, CmdError> {
    let Some(target) = &args.report else { return Ok(String::new()) };
    let contents = report::Contents::new(compiled, artifact, &args.target, program, options)?;
    match target {
        report::Target::Text => Ok(contents.text()),
        report::Target::Page(path) => {
            refuse_same("--report", path, args)?;
            write_file(path, contents.page().as_bytes())?;
            Ok(format!("wrote {}\n", path.display()))
        }
    }
}

/// Prints the programs of the Pareto front.
fn pareto(args: &Args, program: &Program, options: &CompileOptions) -> Result<(), CmdError> {
    let front = program.pareto(options)?;
    let fastest = front.first().map_or(1.0, |point| point.cost);
    let relative = |cost: f64| cost / fastest.max(1.0);
    let json = front.iter().map(|point| {
        json!({
            "arena_bytes": point.arena_bytes,
            "activation_bytes": point.activation_bytes,
            "scratch_bytes": point.scratch_bytes,
            "regions": point.regions,
            "relative_instructions": relative(point.cost),
            "macs": point.macs,
            "recomputed_macs": point.recomputed_macs,
            "chains": point.chains,
        })
    });
    args.json.write(&json!({ "pareto": json.collect::<Vec<_>>() }))?;
    if args.json.owns_stdout() {
        return Ok(());
    }
    let mut table = Table::new(0).ragged();
    let memories = !options.memories.arenas.is_empty();
    let mut head = vec!["arena", "activations", "scratch", "MACs", "again", "instructions"];
    head.extend(memories.then_some("memories"));
    head.push("row by row");
    table.row(head);
    for point in &front {
        let percent = format!("+{:.1} %", 100.0 * (relative(point.cost) - 1.0));
        let once = (point.macs - point.recomputed_macs).max(1);
        let again = format!("+{:.1} %", 100.0 * point.recomputed_macs as f64 / once as f64);
        let (arena, macs) = (u64::from(point.arena_bytes), point.macs);
        let [arena, activations, scratch, macs] =
            [arena, point.activation_bytes, point.scratch_bytes, macs].map(grouped);
        let chains = match point.chains.is_empty() {
            true => "nothing".to_owned(),
            false => point.chains.join(", "),
        };
        let mut row = vec![arena, activations, scratch, macs, again, percent];
        row.extend(memories.then(|| region_sizes(&point.regions)));
        row.push(chains);
        table.row(row);
    }
    print_text(&table.render());
    Ok(())
}

/// The memories that something lies in, with their sizes.
pub(super) fn region_sizes(regions: &[RegionReport]) -> String {
    let size = |r: &RegionReport| format!("{} {}", r.name, grouped(r.bytes.into()));
    regions.iter().map(size).collect::<Vec<_>>().join(", ")
}

/// Fails when a pass to print after does not exist.
fn require_dumps(args: &Args, compiled: &Compiled) -> Result<(), CmdError> {
    let dumped = |name: &&String| compiled.dumps.iter().any(|(pass, _)| pass == *name);
    let Some(unknown) = args.dump_after.iter().find(|name| !dumped(name)) else { return Ok(()) };
    let known = compiled.timings.iter().map(|(pass, _)| *pass);
    let known: Vec<&str> = known.filter(|pass| !pass.contains(' ')).collect();
    Err(CmdError::BadInput(format!("no pass `{unknown}`; known are {}", known.join(", "))))
}

/// A target by its own name or that of a board.
fn target(name: &str) -> Result<Target, CmdError> {
    if let Ok(target) = name.parse() {
        return Ok(target);
    }
    let executor = Executor::find(name).map_err(|_| {
        let boards = microhlo_qemu::Registry::find().map_or(String::new(), |r| {
            r.boards().iter().map(|b| format!(", {}", b.name)).collect()
        });
        let cores = Target::ALL.map(Target::name).join(", ");
        CmdError::BadInput(format!("unknown target `{name}`; known are {cores}{boards}"))
    })?;
    executor.target().map_err(CmdError::BadInput)
}

fn names(compiled: &Compiled) -> Vec<String> {
    compiled.report.kernels.iter().map(|k| k.name.clone()).collect()
}

pub(super) fn json_of(
    args: &Args,
    compiled: &Compiled,
    artifact: &Artifact<'_>,
    target: Target,
) -> Value {
    let mut value = inspect::json_of(artifact, &names(compiled));
    let passes: Vec<Value> = compiled
        .timings
        .iter()
        .map(|(name, time)| json!({ "name": name, "seconds": time.as_secs_f64() }))
        .collect();
    if let Value::Object(map) = &mut value {
        map.insert("target".to_owned(), json!(args.target));
        let proven = compiled.report.arena_proven_optimal;
        map.insert("arena_proven_optimal".to_owned(), json!(proven));
        let report = &compiled.report;
        map.insert("activation_bytes".to_owned(), json!(report.activation_bytes));
        map.insert("scratch_bytes".to_owned(), json!(report.scratch_bytes));
        map.insert("recomputed_macs".to_owned(), json!(report.recomputed_macs));
        map.insert("regions".to_owned(), json!(report.memories()));
        map.insert("stack".to_owned(), json!(Stack::of(report, target)));
        map.insert("schedule".to_owned(), json!(compiled.report.schedule));
        map.insert("passes".to_owned(), Value::Array(passes));
    }
    for (what, tensors) in
        [("inputs", &compiled.report.inputs), ("outputs", &compiled.report.outputs)]
    {
        for (i, stored) in tensors.iter().enumerate().filter_map(|(i, t)| Some((i, t.stored?))) {
            value[what][i]["quantization"] = json!(stored);
        }
    }
    value
}

/// What the order of the steps is worth.
fn schedule(report: &ScheduleReport) -> String {
    let mut text = format!("{} alive at most", size(report.peak_bytes));
    if report.reordered {
        text += &format!(", {} in the order of the program", size(report.given_peak_bytes));
    }
    if report.repeated > 0 {
        text += &format!(", {} steps run twice", report.repeated);
    }
    text + &match report.proven_optimal() {
        true => ", the least of any order".to_owned(),
        false => format!(", no order needs less than {}", size(report.lower_bound_bytes)),
    }
}

/// A line for each memory.
fn region_rows(report: &Report, table: &mut Table) {
    for region in &report.regions {
        let mut text =
            format!("{} of {}", size(region.bytes.into()), size(region.limit_bytes.into()));
        if region.constant_bytes > 0 {
            text += &format!(", {} of them constants", size(region.constant_bytes.into()));
        }
        text +=
            &format!(", about {} accesses at a cost of {}", grouped(region.accesses), region.cost);
        table.row([&format!("memory {}", region.name), &text]);
    }
}

fn text(
    args: &Args,
    compiled: &Compiled,
    artifact: &Artifact<'_>,
    (target, fit): (Target, Option<&Fit>),
) -> String {
    let (header, manifest) = (artifact.header(), artifact.manifest());
    let steps = listing::steps(artifact, &names(compiled));
    let mut table = Table::new(2);
    table.row(["flash", &size(u64::from(header.total_bytes))]);
    table.row(["  constants", &size(u64::from(header.constants_bytes))]);
    table.row(["  program", &size(u64::from(header.program_bytes))]);
    match (compiled.report.regions.is_empty(), &compiled.report.memory) {
        (true, None) => table.row(["arena", &inspect::arena(artifact)]),
        (true, Some(only)) => {
            table.row(["arena", &format!("{}, in {}", inspect::arena(artifact), only.name)]);
        }
        (false, _) => region_rows(&compiled.report, &mut table),
    }
    table.row(["  activations", &size(compiled.report.activation_bytes)]);
    table.row(["  scratch of kernels", &size(compiled.report.scratch_bytes)]);
    table.row(["stack", &stack::text(Stack::of(&compiled.report, target).as_ref())]);
    if let Some(fit) = fit {
        table.row(["board", &fit.text()]);
    }
    table.row(["schedule", &schedule(&compiled.report.schedule)]);
    let again = match compiled.report.recomputed_macs {
        0 => String::new(),
        macs => format!(", {} of them again", grouped(macs)),
    };
    table.row(["MACs", &(grouped(manifest.macs) + &again)]);
    table.row(["kernels", &listing::counts_text(steps.iter().map(|s| s.op))]);
    table.row(["micro-operations", &listing::counts_text(listing::micro(&steps))]);
    inspect::extern_rows(artifact, &mut table);
    let mut text = format!("{} for {}\n{}", manifest.name, args.target, table.render());
    if args.verbose {
        text += &format!("program\n{}", listing::table(&steps).render());
        let mut passes = Table::new(1);
        for (name, time) in &compiled.timings {
            passes.row([*name, &format!("{:.3} ms", time.as_secs_f64() * 1e3)]);
        }
        text += &format!("passes\n{}", passes.render());
    }
    if let Some(path) = &args.output {
        text += &format!("wrote {}\n", path.display());
    }
    text
}
