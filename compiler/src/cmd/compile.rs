//! `microhlo compile`: a program becomes an artifact, and what it will cost.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use microhlo_format::Artifact;
use serde_json::{Value, json};

use super::load::{self, Program};
use super::text::{Table, grouped, size};
use super::{CmdError, JsonTarget, inspect, listing, print_text, write_file};
use crate::compile::{CompileOptions, Compiled, Target};
use crate::passes::bind_shapes::Size;

/// Compile a StableHLO program and print what it costs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The program; its form is told from the content.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Write the artifact to this file.
    #[arg(short, long, value_name = "OUT.mhlo")]
    output: Option<PathBuf>,
    /// What to compile for: `host`, a core such as `cortex-m4f` or `rv32imac`, or a board.
    #[arg(long, default_value = "host")]
    target: String,
    /// The function to compile; by default `main` or the only public one.
    #[arg(long, alias = "entry", value_name = "NAME")]
    function: Option<String>,
    /// The size of a symbolic dimension, or the shape of an argument by its name or number:
    /// `m=8`, `arg0=8x16`, `arg0.0=8`. May be repeated.
    #[arg(long, value_name = "NAME=SIZE")]
    shape: Vec<Size>,
    /// Also write the Rust list of kernels that firmware links (`rust`), or the artifact's
    /// contents as JSON (`manifest`): beside OUT with the extension `.rs` or `.json`, or to
    /// standard output without `-o`.
    #[arg(long)]
    emit: Option<Emit>,
    /// Let no result lie partly over an operand: the results are the same, and the arena is larger.
    #[arg(long)]
    no_overlap: bool,
    /// Print the program after this pass, to standard error. May be repeated.
    #[arg(long, value_name = "PASS")]
    dump_after: Vec<String>,
    /// Print the kernels one by one and the time of each pass.
    #[arg(short, long)]
    verbose: bool,
    /// Quantise the program first, as `microhlo quantize` does, on the inputs of `--calibrate`.
    #[arg(long, requires = "calibrate")]
    quantize: bool,
    #[command(flatten, next_help_heading = "With --quantize")]
    how: super::quantize::How,
    #[command(flatten)]
    json: JsonTarget,
}

/// Further output of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Emit {
    Rust,
    Manifest,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    if args.emit.is_some() && args.output.is_none() && args.json.owns_stdout() {
        let text = "both --emit and --json would write to standard output; give one a file";
        return Err(CmdError::BadInput(text.to_owned()));
    }
    let target = target(&args.target)?;
    let mut program: Program = load::open_program(&args.model)?;
    let options = CompileOptions {
        entry: args.function.clone(),
        sizes: args.shape.clone(),
        dump_after: args.dump_after.clone(),
        apart: args.no_overlap,
        ..load::options_for(&args.model, target)
    };
    let quantised = match (args.quantize, &args.how.calibrate) {
        (true, _) => Some(args.how.apply(&program, &options)?),
        (false, None) => None,
        (false, Some(_)) => {
            let text = "--calibrate is for quantising; add --quantize";
            return Err(CmdError::BadInput(text.to_owned()));
        }
    };
    let options = match quantised.is_some() {
        // What was quantised has one function, of known shapes.
        true => CompileOptions { entry: None, sizes: Vec::new(), ..options },
        false => options,
    };
    if let Some(done) = &quantised {
        program.module = done.quantised.module.clone();
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
    let emitted = emit(args, &compiled, &artifact)?;
    let mut json = json_of(args, &compiled, &artifact);
    if let Some(done) = &quantised {
        json["quantization"] = done.json();
    }
    args.json.write(&json)?;
    if !args.json.owns_stdout() && !emitted {
        let report = quantised.map_or_else(String::new, |done| done.summary());
        print_text(&(report + &text(args, &compiled, &artifact)));
    }
    Ok(())
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
    let executor = super::exec::Executor::find(name).map_err(|_| {
        let boards = microhlo_qemu::Registry::find().map_or(String::new(), |r| {
            r.boards().iter().map(|b| format!(", {}", b.name)).collect()
        });
        let cores = Target::ALL.map(Target::name).join(", ");
        CmdError::BadInput(format!("unknown target `{name}`; known are {cores}{boards}"))
    })?;
    executor.target().map_err(CmdError::BadInput)
}

/// Writes what `--emit` asks for; returns whether standard output was used.
fn emit(args: &Args, compiled: &Compiled, artifact: &Artifact<'_>) -> Result<bool, CmdError> {
    let (text, extension) = match args.emit {
        None => return Ok(false),
        Some(Emit::Rust) => (compiled.rust_source(), "rs"),
        Some(Emit::Manifest) => (format!("{:#}\n", json_of(args, compiled, artifact)), "json"),
    };
    match &args.output {
        Some(path) => {
            let path = path.with_extension(extension);
            refuse_same(&path, args)?;
            write_file(&path, text.as_bytes()).map(|()| false)
        }
        None => {
            print_text(&text);
            Ok(true)
        }
    }
}

fn refuse_same(path: &Path, args: &Args) -> Result<(), CmdError> {
    match args.output.as_deref() == Some(path) || args.model == path {
        true => Err(CmdError::BadInput(format!(
            "--emit would overwrite {}; name the output OUT.mhlo",
            path.display()
        ))),
        false => Ok(()),
    }
}

fn names(compiled: &Compiled) -> Vec<String> {
    compiled.report.kernels.iter().map(|k| k.name.clone()).collect()
}

fn json_of(args: &Args, compiled: &Compiled, artifact: &Artifact<'_>) -> Value {
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
        map.insert("passes".to_owned(), Value::Array(passes));
    }
    value
}

fn text(args: &Args, compiled: &Compiled, artifact: &Artifact<'_>) -> String {
    let (header, manifest) = (artifact.header(), artifact.manifest());
    let steps = listing::steps(artifact, &names(compiled));
    let mut table = Table::new(2);
    table.row(["flash", &size(u64::from(header.total_bytes))]);
    table.row(["  constants", &size(u64::from(header.constants_bytes))]);
    table.row(["  program", &size(u64::from(header.program_bytes))]);
    table.row(["arena", &inspect::arena(artifact)]);
    table.row(["MACs", &grouped(manifest.macs)]);
    table.row(["kernels", &listing::counts_text(steps.iter().map(|s| s.op))]);
    table.row(["micro-operations", &listing::counts_text(listing::micro(&steps))]);
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
