//! `microhlo run`: a model computes on the host or on a board, over test vectors.

use std::path::PathBuf;
use std::time::Duration;

use microhlo_format::{Artifact, DType};
use microhlo_qemu::{Job, JobReport, Options};
use serde_json::{Value, json};

use super::difference::{Difference, Tolerance, argmax};
use super::exec::Executor;
use super::function::Function;
use super::listing::{self, StepListing};
use super::load::{self, Input, Program};
use super::profile::{self, Profile};
use super::text::{Table, grouped};
use super::trace::Trace;
use super::vectors::{self, Form, Port, Values};
use super::wire::Wire;
use super::{CmdError, JsonTarget, print_text};
use crate::compile::CompileOptions;
use crate::eval::{Evaluator, Tensor};
use crate::ir::{Module, TensorType};
use crate::npz;
use crate::stored::Stored;

/// Run a program or an artifact on the host, on an emulated board, or with --probe on a real one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A StableHLO program or a compiled artifact.
    #[arg(value_name = "MODEL_OR_ARTIFACT")]
    model: PathBuf,
    /// Where to run: `host`, a board, or `eval` (the exact evaluator of programs).
    #[arg(long, default_value = "host", value_name = "host|eval|BOARD")]
    on: String,
    /// Take the inputs from the arrays `in0`, `in1`, ... of this file, or from arrays with the
    /// inputs' names; an extra leading axis numbers cases. Of a file with arrays `case0_in0`,
    /// `case1_in0`, ... those cases are taken that have the model's shapes. Without it all inputs
    /// are zero.
    #[arg(long, value_name = "X.npz")]
    inputs: Option<PathBuf>,
    /// Write the outputs to this file as arrays `out0`, `out1`, ...
    #[arg(long, value_name = "Y.npz")]
    outputs: Option<PathBuf>,
    /// Compare the outputs with the arrays `out0`, `out1`, ... of this file.
    #[arg(long, value_name = "X.npz")]
    expect: Option<PathBuf>,
    /// Largest absolute difference of floats that passes.
    #[arg(long, default_value_t = 1e-4, value_parser = tolerance, allow_negative_numbers = true)]
    atol: f64,
    /// Largest difference of floats relative to the expected value that passes.
    #[arg(long, default_value_t = 0.0, value_parser = tolerance, allow_negative_numbers = true)]
    rtol: f64,
    /// Print the predictions (positions of the largest value in each row of the first output)
    /// beside the labels in this array of the inputs' file.
    #[arg(long, value_name = "KEY", requires = "inputs")]
    labels: Option<String>,
    /// Count the instructions of every kernel, on real boards the cycles (boards only).
    #[arg(long)]
    profile: bool,
    /// Show what each step computes, with its range, and count its instructions (on boards); of the case
    /// that takes the most.
    #[arg(long)]
    trace: bool,
    /// The debug information of an artifact, which `microhlo compile --debug-info` writes: without it,
    /// the trace of an artifact has no results.
    #[arg(long, value_name = "FILE", requires = "trace")]
    debug_info: Option<PathBuf>,
    /// Run only the first N cases.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    #[command(flatten)]
    function: Function,
    /// Longest time in seconds that the model may take.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    #[command(flatten)]
    wire: Wire,
    #[command(flatten)]
    json: JsonTarget,
}

pub(super) fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x >= 0.0 => Ok(x),
        _ => Err("a tolerance is a number that is not negative".to_owned()),
    }
}

/// A model ready to run.
struct Prepared {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    engine: Engine,
}

enum Engine {
    Artifact {
        executor: Executor,
        bytes: Vec<u8>,
        /// Debug information; empty if there is none, or no use for it.
        debug: Vec<u8>,
        listing: Vec<StepListing>,
        macs: u64,
    },
    Evaluator(Box<Program>, String),
}

/// What a run gave.
struct Results {
    /// Per case, the bytes of every output.
    outputs: Vec<Vec<Vec<u8>>>,
    report: JobReport,
    /// What was made of floats that were given for quantised tensors.
    notes: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let model = prepare(args)?;
    let (inputs, shaped) = match &args.inputs {
        Some(path) => vectors::read_inputs(path, &model.inputs)?,
        None => (Vec::new(), None),
    };
    if args.inputs.is_none() && args.expect.is_some() && !model.inputs.is_empty() {
        let text = "--expect needs --inputs: without it all inputs are zero";
        return Err(CmdError::BadInput(text.to_owned()));
    }
    let cases = case_limit(args.cases, vectors::case_count(&inputs));
    let expected = match &args.expect {
        Some(path) => {
            let shaped = shaped.as_deref();
            Some(expected(args, path, &model, cases, &inputs, shaped)?)
        }
        None => None,
    };
    let labels = match (&args.labels, &args.inputs) {
        (Some(key), Some(path)) => Some(vectors::read_labels(path, key)?),
        _ => None,
    };
    let data = (0..cases).map(|case| case_bytes(&model.inputs, &inputs, case)).collect();
    let notes = notes(&model, &inputs, expected.as_deref().unwrap_or_default());
    let results = Results { notes, ..execute(args, &model, data)? };
    if let Some(path) = &args.outputs {
        let axis = vectors_have_axis(&inputs);
        npz::write(path, &vectors::output_arrays(&model.outputs, &results.outputs, axis))?;
    }
    let comparison = expected.map(|e| compare(args, &model.outputs, &results.outputs, &e));
    let predictions = labels.map(|l| Predictions::new(&model.outputs, &results.outputs, l));
    finish(args, &model, &results, comparison.as_deref(), predictions.as_ref())
}

/// What is done with floats that stand for a quantised model's integers.
fn notes(model: &Prepared, inputs: &[Values], expected: &[Values]) -> Vec<String> {
    let all = |what: &str, ports: &[Port], values: &[Values], form: Form, done: &str| {
        let floats = ports.iter().zip(values).enumerate().filter(|(_, (_, v))| v.form() == form);
        let stored = floats.filter_map(|(i, (port, _))| Some((i, port, port.stored?)));
        let note = |(i, port, stored): (usize, &Port, Stored)| {
            format!("{what}{i} `{}`: floats, {done} ({})", port.name, stored.text())
        };
        stored.map(note).collect::<Vec<_>>()
    };
    let given = "which were quantised";
    let mut notes = all("in", &model.inputs, inputs, Form::Quantized, given);
    let wanted = "with which the results are compared as floats, to within half a step at best";
    notes.extend(all("out", &model.outputs, expected, Form::Floats, wanted));
    notes
}

fn vectors_have_axis(inputs: &[Values]) -> bool {
    inputs.iter().any(|v| v.cases().is_some())
}

/// So many cases, or the most that are asked for.
pub(super) fn case_limit(most: Option<u64>, cases: usize) -> usize {
    most.map_or(cases, |n| cases.min(usize::try_from(n).unwrap_or(usize::MAX)))
}

fn prepare(args: &Args) -> Result<Prepared, CmdError> {
    let input = load::open(&args.model)?;
    if args.on == "eval" {
        let Input::Program(program) = input else {
            let text = "--on eval needs the StableHLO program, not the artifact";
            return Err(CmdError::BadInput(text.to_owned()));
        };
        return prepare_evaluator(args, program);
    }
    if args.debug_info.is_some() && matches!(input, Input::Program(_)) {
        let text = "--debug-info is for artifacts; that of a program is known";
        return Err(CmdError::BadInput(text.to_owned()));
    }
    let executor = Executor::find_over(&args.on, &args.wire).map_err(CmdError::BadInput)?;
    let (bytes, debug, report) = match input {
        Input::Artifact(bytes) => {
            let debug = args.debug_info.as_deref().map(|path| load::debug_info(path, &bytes));
            (bytes, debug.transpose()?.unwrap_or_default(), None)
        }
        Input::Program(program) => {
            let target = executor.target().map_err(CmdError::BadInput)?;
            let options = args.function.of(load::options_for(&args.model, target));
            let compiled = program.compile(&options)?;
            let debug = match args.trace {
                true => program.debug_info(&compiled),
                false => Vec::new(),
            };
            (compiled.artifact, debug, Some(compiled.report))
        }
    };
    let artifact: Artifact<'_> = load::parse_artifact(&args.model, &bytes)?;
    let (mut inputs, mut outputs) = load::ports(&artifact);
    if let Some(report) = &report {
        let ports = inputs.iter_mut().zip(&report.inputs);
        ports.chain(outputs.iter_mut().zip(&report.outputs)).for_each(|(p, t)| p.stored = t.stored);
    }
    let names = report.map_or_else(Vec::new, |r| r.kernels.into_iter().map(|k| k.name).collect());
    let listing = listing::steps(&artifact, &names);
    let macs = artifact.manifest().macs;
    let engine = Engine::Artifact { executor, bytes, debug, listing, macs };
    Ok(Prepared { inputs, outputs, engine })
}

fn prepare_evaluator(args: &Args, mut program: Box<Program>) -> Result<Prepared, CmdError> {
    let options = args.function.of(CompileOptions::default());
    let func = program.specialised(&options)?;
    let body = &func.body;
    let arguments = body.blocks[body.entry].args.iter().map(|&v| body.ty(v));
    let inputs = ports(arguments, "in")?;
    let outputs = ports(func.results.iter(), "out")?;
    let name = func.name.to_string();
    program.module = Module::default();
    program.module.funcs.push(func);
    Ok(Prepared { inputs, outputs, engine: Engine::Evaluator(program, name) })
}

pub(super) fn ports<'a>(
    types: impl Iterator<Item = &'a crate::ir::Type>,
    prefix: &str,
) -> Result<Vec<Port>, CmdError> {
    let port = |(i, ty): (usize, &crate::ir::Type)| {
        let tensor = ty.tensor();
        let tensor = tensor.and_then(|t| Some((t.elem.storage(), t.static_dims()?, Stored::of(t))));
        let (dtype, dims, stored) = tensor.ok_or_else(|| {
            CmdError::BadInput(format!("{prefix}{i} is {ty}; only static tensors can be given"))
        })?;
        Ok(Port { name: format!("{prefix}{i}"), dtype, dims, stored })
    };
    types.enumerate().map(port).collect()
}

/// The bytes of the inputs of a case; zeros for those that are not given.
pub(super) fn case_bytes(ports: &[Port], values: &[Values], case: usize) -> Vec<Vec<u8>> {
    let bytes = |(i, port): (usize, &Port)| match values.get(i).and_then(|v| v.case(case)) {
        Some(bytes) => bytes.to_vec(),
        None => vec![0; port.byte_len()],
    };
    ports.iter().enumerate().map(bytes).collect()
}

fn expected(
    args: &Args,
    path: &std::path::Path,
    model: &Prepared,
    cases: usize,
    inputs: &[Values],
    shaped: Option<&[usize]>,
) -> Result<Vec<Values>, CmdError> {
    let values = match shaped {
        Some(cases) => vectors::read_cases(path, "out", &model.outputs, cases)?,
        None => vectors::read(path, "out", &model.outputs)?,
    };
    let given = values.iter().find_map(Values::cases);
    if let Some(n) = given.filter(|&n| case_limit(args.cases, n) != cases) {
        let inputs = vectors::case_count(inputs);
        return Err(CmdError::BadInput(format!(
            "{}: outputs of {n} cases, but there are inputs of {inputs}",
            path.display()
        )));
    }
    Ok(values)
}

fn execute(args: &Args, model: &Prepared, data: Vec<Vec<Vec<u8>>>) -> Result<Results, CmdError> {
    match &model.engine {
        Engine::Artifact { executor, bytes, debug, .. } => {
            let profile = args.profile || args.trace;
            let job = Job { artifact: bytes.clone(), cases: data, profile };
            run_job(args, executor, job, debug.clone())
        }
        Engine::Evaluator(program, entry) => evaluate(program, entry, model, &data),
    }
}

fn run_job(
    args: &Args,
    executor: &Executor,
    job: Job,
    debug: Vec<u8>,
) -> Result<Results, CmdError> {
    let options = Options { debug, ..Options::within(Duration::from_secs(args.timeout)) };
    let bar = super::spinner(format!("running {} cases on {executor}", job.cases.len()));
    let outcomes = executor.run(&[job], &options);
    bar.finish_and_clear();
    let outcome = outcomes.map_err(CmdError::Failed)?.into_iter().next();
    let failed = |text: String| CmdError::Failed(format!("on {executor}: {text}"));
    let report = match outcome {
        Some(Ok(report)) => report,
        Some(Err(error)) => return Err(failed(error.to_string())),
        None => return Err(failed("no result".to_owned())),
    };
    let mut outputs = Vec::new();
    for (i, case) in report.cases.iter().enumerate() {
        match case {
            Ok(case) => outputs.push(case.outputs.clone()),
            Err(text) => return Err(failed(format!("case {i}: {text}"))),
        }
    }
    Ok(Results { outputs, report, notes: Vec::new() })
}

fn evaluate(
    program: &Program,
    entry: &str,
    model: &Prepared,
    data: &[Vec<Vec<u8>>],
) -> Result<Results, CmdError> {
    let bar = super::progress(data.len(), "evaluating");
    let mut outputs = Vec::new();
    for case in data {
        let tensor = |(port, bytes): (&Port, &Vec<u8>)| {
            Tensor::from_bytes(&TensorType::fixed(&port.dims, port.dtype), bytes.as_slice())
        };
        let inputs: Result<Vec<Tensor>, _> = model.inputs.iter().zip(case).map(tensor).collect();
        let results = inputs
            .and_then(|inputs| Evaluator::new(&program.module).call(entry, &inputs))
            .map_err(|e| CmdError::Failed(format!("the evaluator failed: {e}")))?;
        outputs.push(results.iter().map(|t| t.bytes().to_vec()).collect());
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Results { outputs, report: JobReport::default(), notes: Vec::new() })
}

fn compare(
    args: &Args,
    ports: &[Port],
    outputs: &[Vec<Vec<u8>>],
    expected: &[Values],
) -> Vec<Difference> {
    let tolerance = Tolerance { atol: args.atol, rtol: args.rtol };
    let mut differences = vec![Difference::default(); ports.len()];
    for (case, outputs) in outputs.iter().enumerate() {
        let ports = ports.iter().zip(outputs).zip(expected);
        for (difference, ((port, actual), expected)) in differences.iter_mut().zip(ports) {
            let form = expected.form();
            let expected = expected.case(case).unwrap_or_default();
            match port.stored.filter(|_| form == Form::Floats) {
                Some(stored) => {
                    let actual = stored.dequantize_bytes(port.dtype, actual);
                    difference.add(case, DType::F32, &actual, expected, tolerance);
                }
                None => difference.add(case, port.dtype, actual, expected, tolerance),
            }
        }
    }
    differences
}

/// Predictions beside the labels.
struct Predictions {
    found: Vec<Option<usize>>,
    labels: Vec<i64>,
}

impl Predictions {
    /// One prediction per row of the first output's last dimension.
    fn new(ports: &[Port], outputs: &[Vec<Vec<u8>>], labels: Vec<i64>) -> Predictions {
        let mut found = Vec::new();
        if let Some(port) = ports.first() {
            let row = port.dims.last().copied().unwrap_or(1).max(1) as usize * port.dtype.size();
            for bytes in outputs.iter().filter_map(|case| case.first()) {
                found.extend(bytes.chunks_exact(row).map(|row| argmax(port.dtype, row)));
            }
        }
        Predictions { found, labels }
    }

    fn correct(&self) -> usize {
        let same = |(f, l): (&Option<usize>, &i64)| f.is_some_and(|f| f as i64 == *l);
        self.found.iter().zip(&self.labels).filter(|&(f, l)| same((f, l))).count()
    }

    fn text(&self) -> String {
        let name = |f: &Option<usize>| f.map_or("-".to_owned(), |f| f.to_string());
        let mut table = Table::new(1);
        for start in (0..self.found.len()).step_by(16) {
            let end = self.found.len().min(start + 16);
            let found = self.found[start..end].iter().map(name);
            table.row(std::iter::once("predicted".to_owned()).chain(found));
            let labels = self.labels.iter().skip(start).take(end - start);
            table.row(std::iter::once("expected".to_owned()).chain(labels.map(i64::to_string)));
        }
        let total = self.found.len().min(self.labels.len());
        format!("{}{} of {total} predictions are as expected\n", table.render(), self.correct())
    }
}

fn finish(
    args: &Args,
    model: &Prepared,
    results: &Results,
    comparison: Option<&[Difference]>,
    predictions: Option<&Predictions>,
) -> Result<(), CmdError> {
    let unit = match &model.engine {
        Engine::Artifact { executor, .. } => executor.unit(),
        Engine::Evaluator(..) => "instructions",
    };
    let profile = Profile::of(&results.report, args.profile || args.trace, unit);
    args.json.write(&json_of(args, model, results, comparison, predictions, profile.as_ref()))?;
    if !args.json.owns_stdout() {
        let mut text = text(args, model, results, profile.as_ref());
        text.extend(results.notes.iter().map(|note| format!("{note}\n")));
        text += &comparison.map_or(String::new(), |c| comparison_table(model, c).render());
        text += &predictions.map_or(String::new(), Predictions::text);
        print_text(&text);
    }
    match comparison.map(|c| failures(model, c)) {
        Some(failed) if !failed.is_empty() => Err(CmdError::Failed(failed.join("\n"))),
        _ => Ok(()),
    }
}

fn text(args: &Args, model: &Prepared, results: &Results, profile: Option<&Profile>) -> String {
    let n = results.outputs.len();
    let s = if n == 1 { "" } else { "s" };
    let mut text = format!("{} on {}: {n} case{s}", load::model_name(&args.model), args.on);
    let Engine::Artifact { executor, debug, listing, macs, .. } = &model.engine else {
        return text + "\n";
    };
    if let Some(profile) = profile {
        text += &format!(", {}", profile.summary(profile.macs(listing).unwrap_or(*macs)));
    }
    text.push('\n');
    if (args.profile || args.trace) && !executor.counts_instructions() {
        text += "instructions are counted on boards only; see `microhlo boards`\n";
    }
    let stack = results.report.run_stack_bytes;
    if stack > 0 {
        text += &format!("{} B of stack for the runtime at most\n", grouped(stack.into()));
    }
    if args.trace {
        let case = Profile::slowest(&results.report);
        text += &case.map_or(String::new(), |case| {
            Trace::new(listing, case, debug, executor.unit()).table().render()
        });
        if debug.is_empty() {
            text += "what the steps compute is known of programs, or with --debug-info\n";
        }
        return text;
    }
    text + &profile.map_or(String::new(), |p| p.table(listing).render())
}

fn comparison_table(model: &Prepared, comparison: &[Difference]) -> Table {
    let mut table = Table::new(2);
    for (i, (port, d)) in model.outputs.iter().zip(comparison).enumerate() {
        let verdict = if d.beyond == 0 { "ok" } else { "FAILED" };
        table.row([
            format!("out{i}"),
            port.shape(),
            format!("largest error {:.3e} absolute", d.max_abs),
            format!("{:.3e} relative", d.max_rel),
            verdict.to_owned(),
        ]);
    }
    table
}

fn failures(model: &Prepared, comparison: &[Difference]) -> Vec<String> {
    let mut all = Vec::new();
    for (i, (port, d)) in model.outputs.iter().zip(comparison).enumerate() {
        let Some(first) = &d.first else { continue };
        all.push(format!(
            "out{i} `{}`: {} of {} elements are beyond the tolerance; first in case {} at {}: \
             {} computed, {} expected",
            port.name,
            d.beyond,
            d.elements,
            first.case,
            index_text(&port.dims, first.position),
            first.actual,
            first.expected
        ));
    }
    all
}

/// A row-major position as an index, for example `[0, 3]`.
pub fn index_text(dims: &[u64], position: usize) -> String {
    let mut rest = position as u64;
    let mut index: Vec<String> = Vec::new();
    for &d in dims.iter().rev() {
        index.push((rest % d.max(1)).to_string());
        rest /= d.max(1);
    }
    index.reverse();
    format!("[{}]", index.join(", "))
}

fn json_of(
    args: &Args,
    model: &Prepared,
    results: &Results,
    comparison: Option<&[Difference]>,
    predictions: Option<&Predictions>,
    profile: Option<&Profile>,
) -> Value {
    let output = |(i, port): (usize, &Port)| {
        let d = comparison.and_then(|c| c.get(i));
        json!({
            "name": port.name, "dtype": port.dtype.name(), "dims": port.dims,
            "max_abs_error": d.map(|d| finite(d.max_abs)),
            "max_rel_error": d.map(|d| finite(d.max_rel)),
            "beyond_tolerance": d.map(|d| d.beyond),
        })
    };
    let outputs: Vec<Value> = model.outputs.iter().enumerate().map(output).collect();
    let mut value = json!({
        "model": load::model_name(&args.model),
        "on": args.on,
        "cases": results.outputs.len(),
        "outputs": outputs,
        "notes": results.notes,
        "passed": comparison.map(|c| c.iter().all(|d| d.beyond == 0)),
    });
    if let Engine::Artifact { executor, listing, macs, debug, .. } = &model.engine {
        profile::add_json(&mut value, profile, listing, *macs);
        let case = Profile::slowest(&results.report).filter(|_| args.trace);
        value["trace"] =
            json!(case.map(|case| Trace::new(listing, case, debug, executor.unit()).json()));
        value["arena_bytes"] = json!(results.report.arena_bytes);
        value["stack_bytes"] = json!(results.report.stack_bytes);
        let run = Some(results.report.run_stack_bytes).filter(|&bytes| bytes > 0);
        value["run_stack_bytes"] = json!(run);
    }
    if let Some(p) = predictions {
        value["predictions"] = json!(p.found);
        value["labels"] = json!(p.labels.iter().take(p.found.len()).collect::<Vec<_>>());
        value["correct"] = json!(p.correct());
    }
    value
}

/// JSON has no infinity; the largest number stands for it.
fn finite(x: f64) -> f64 {
    x.min(f64::MAX)
}
