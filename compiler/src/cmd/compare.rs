//! `microhlo compare`: evaluator, host and board side by side, down to the first tensor that differs.

mod gap;

use std::path::{Path, PathBuf};
use std::time::Duration;

use microhlo_format::Artifact;
use microhlo_qemu::{Case, Job, Options};
use serde_json::{Value, json};

use self::gap::{Item, Sides};
use super::difference::Tolerance;
use super::exec::Executor;
use super::function::Function;
use super::load::{self, Program};
use super::vectors::{self, Port};
use super::wire::Wire;
use super::{CmdError, JsonTarget, print_text, run};
use crate::chains;
use crate::compile::{CompileOptions, Compiled, Technique};
use crate::eval::{Evaluator, Tensor};
use crate::ir::{Body, Module, TensorType, ValueId};

/// Compare what the evaluator, the host and a board compute, and name the first tensor that differs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The program.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// What to compare: `host` compares evaluator and host, a board also host and board.
    #[arg(long, default_value = "host", value_name = "host|BOARD")]
    on: String,
    /// The inputs, as for `microhlo run`; zeros without it.
    #[arg(long, value_name = "X.npz")]
    inputs: Option<PathBuf>,
    /// Run this artifact, which was compiled from the program with the same options, but maybe with other
    /// constants: an artifact from the field, say.
    #[arg(long, value_name = "A.mhlo")]
    artifact: Option<PathBuf>,
    /// Largest absolute difference of floats between evaluator and host that passes. Host and board must
    /// always be the same to the bit.
    #[arg(long, default_value_t = 0.0, value_parser = run::tolerance, allow_negative_numbers = true)]
    atol: f64,
    /// Largest difference of floats relative to the evaluator's value that passes.
    #[arg(long, default_value_t = 0.0, value_parser = run::tolerance, allow_negative_numbers = true)]
    rtol: f64,
    /// Compare only the first N cases.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    #[command(flatten)]
    function: Function,
    /// Most bytes of the arena, as for `microhlo compile`. Of values of layers that run row by row for it
    /// none is whole, and they are not compared.
    #[arg(long, value_name = "BYTES")]
    arena_limit: Option<u32>,
    /// Compile without a way to save memory, as for `microhlo compile`.
    #[arg(long, value_name = "TECHNIQUE")]
    without: Vec<Technique>,
    /// Longest time in seconds that the cases may take on host or board.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    #[command(flatten)]
    wire: Wire,
    #[command(flatten)]
    json: JsonTarget,
}

/// How far outputs of the program may be off after the passes: some re-associate constants.
const PASSES: f64 = 1e-4;

/// Everything that is compared.
struct Comparison {
    /// Outputs of the program as written and after all passes.
    passes: Sides,
    /// Tensors and outputs of the evaluator and on the host.
    host: Sides,
    /// The same on host and board.
    board: Option<Sides>,
    cases: usize,
    /// Values that are never whole.
    by_rows: usize,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let executor = Executor::find_over(&args.on, &args.wire).map_err(CmdError::BadInput)?;
    let program = load::open_program(&args.model)?;
    let options = args.function.of(CompileOptions {
        memory: chains::Options { arena_limit: args.arena_limit, ..chains::Options::default() },
        without: args.without.clone(),
        ..load::options_for(&args.model, executor.target().map_err(CmdError::BadInput)?)
    });
    let compiled = program.compile(&options)?;
    let artifact = match &args.artifact {
        Some(path) => alike(path, &compiled.artifact)?,
        None => compiled.artifact.clone(),
    };
    let (inputs, outputs) = load::ports(&load::parse_artifact(&args.model, &artifact)?);
    let data = cases(args, &inputs)?;
    let comparison = Runs { args, program: &program, compiled: &compiled, artifact: &artifact }
        .compared(&executor, (&options, &outputs), &data)?;
    args.json.write(&comparison.json(args))?;
    if !args.json.owns_stdout() {
        print_text(&comparison.text(args));
    }
    match comparison.failures() {
        failed if failed.is_empty() => Ok(()),
        failed => Err(CmdError::Failed(failed.join("\n"))),
    }
}

/// An artifact that differs from what was compiled in its constants at most.
fn alike(path: &Path, compiled: &[u8]) -> Result<Vec<u8>, CmdError> {
    let bytes = load::open_artifact(path)?;
    let (given, own) = (load::parse_artifact(path, &bytes)?, load::parse_artifact(path, compiled)?);
    let program = |artifact: &Artifact<'_>, bytes: &[u8]| {
        let header = *artifact.header();
        let start = header.program_offset as usize;
        bytes.get(start..start + header.program_bytes as usize).map(<[u8]>::to_vec)
    };
    let sizes = |artifact: &Artifact<'_>| {
        let header = artifact.header();
        (header.arena_bytes, header.arenas, header.constants_bytes, header.features)
    };
    let same = program(&given, &bytes) == program(&own, compiled)
        && sizes(&given) == sizes(&own)
        && load::ports(&given) == load::ports(&own);
    match same {
        true => Ok(bytes),
        false => Err(CmdError::BadInput(format!(
            "{}: its steps are not those that the program compiles to; compile it with this version, \
             for the target of --on and with the same options",
            path.display()
        ))),
    }
}

/// Per case, the bytes of every input.
fn cases(args: &Args, ports: &[Port]) -> Result<Vec<Vec<Vec<u8>>>, CmdError> {
    let values = match &args.inputs {
        None => Vec::new(),
        Some(path) => vectors::read_inputs(path, ports)?.0,
    };
    let count = run::case_limit(args.cases, vectors::case_count(&values));
    Ok((0..count).map(|case| run::case_bytes(ports, &values, case)).collect())
}

/// What is run in several ways.
struct Runs<'a> {
    args: &'a Args,
    program: &'a Program,
    compiled: &'a Compiled,
    artifact: &'a [u8],
}

impl Runs<'_> {
    fn compared(
        &self,
        executor: &Executor,
        (options, outputs): (&CompileOptions, &[Port]),
        data: &[Vec<Vec<u8>>],
    ) -> Result<Comparison, CmdError> {
        let tolerance = |atol: f64, rtol| Tolerance { atol, rtol };
        let (atol, rtol) = (self.args.atol, self.args.rtol);
        let items = self.items(outputs);
        let outs = &items[items.len() - outputs.len()..];
        let mut comparison = Comparison {
            passes: Sides::new(
                "after all passes",
                "as written",
                outs,
                tolerance(atol.max(PASSES), rtol),
            ),
            host: Sides::new("host", "evaluator", &items, tolerance(atol, rtol)),
            board: None,
            cases: data.len(),
            by_rows: self.compiled.taps.by_rows,
        };
        let host = self.executed(&Executor::Host, data, outputs.len())?;
        if !matches!(executor, Executor::Host) {
            let mut sides = Sides::exact(&executor.to_string(), "host", &items);
            for (case, (board, host)) in
                self.executed(executor, data, outputs.len())?.iter().zip(&host).enumerate()
            {
                sides.add(case, board, host);
            }
            comparison.board = Some(sides);
        }
        let mut written = Module::default();
        let func = written.funcs.push(self.program.specialised(options)?);
        let bar = super::progress(data.len(), "evaluating");
        for (case, (inputs, host)) in data.iter().zip(&host).enumerate() {
            let optimized = &self.compiled.optimized.body;
            let values = self.evaluated(optimized, inputs)?;
            comparison.host.add(case, host, &values);
            let inputs = tensors(&written.funcs[func].body, inputs).map_err(evaluation)?;
            let plain = Evaluator::new(&written).run(func, &inputs).map_err(evaluation)?;
            let plain: Values = plain.iter().map(|t| Some(t.bytes().to_vec())).collect();
            let after = &values[values.len() - outputs.len()..];
            comparison.passes.add(case, after, &plain);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(comparison)
    }

    /// What is compared: the tensors in the order of their steps, then the outputs.
    fn items(&self, outputs: &[Port]) -> Vec<Item> {
        let source = &self.program.source;
        let kernels = &self.compiled.report.kernels;
        let tensor = |tap: &crate::taps::ValueTap| {
            let origin = kernels.get(tap.listed as usize);
            Item {
                name: tap.value.to_string(),
                dtype: tap.dtype,
                dims: tap.dims.iter().map(|&dim| dim.into()).collect(),
                op: tap.kind.to_owned(),
                location: tap.location(source),
                step: Some(tap.step),
                kernel: origin.map(|kernel| format!("{}, {}", kernel.name, kernel.op)),
            }
        };
        let output = |(i, port): (usize, &Port)| Item {
            name: format!("out{i}"),
            dtype: port.dtype,
            dims: port.dims.clone(),
            op: "output".to_owned(),
            location: String::new(),
            step: None,
            kernel: None,
        };
        let outputs = outputs.iter().enumerate().map(output);
        self.compiled.taps.values.iter().map(tensor).chain(outputs).collect()
    }

    /// The items of each case, where the artifact runs.
    fn executed(
        &self,
        executor: &Executor,
        data: &[Vec<Vec<u8>>],
        outputs: usize,
    ) -> Result<Vec<Values>, CmdError> {
        let failed = |text: String| CmdError::Failed(format!("on {executor}: {text}"));
        let taps = &self.compiled.taps;
        let debug = taps.debug_info(&self.program.source, self.artifact);
        let debug = debug.map_err(|e| failed(e.to_string()))?;
        let options = Options { debug, ..Options::within(Duration::from_secs(self.args.timeout)) };
        let job = Job { artifact: self.artifact.to_vec(), cases: data.to_vec(), profile: false };
        let bar = super::spinner(format!("running {} cases on {executor}", data.len()));
        let outcome = executor.run(&[job], &options);
        bar.finish_and_clear();
        let outcome = outcome.map_err(CmdError::Failed)?.into_iter().next();
        let report = match outcome {
            Some(outcome) => outcome.map_err(|e| failed(e.to_string()))?,
            None => return Err(failed("no result".to_owned())),
        };
        let values = |case: Case| {
            let taps = 0..u32::try_from(taps.values.len()).unwrap_or(u32::MAX);
            let mut values: Values = taps.map(|tap| case.tensors.get(&tap).cloned()).collect();
            values.extend(case.outputs.into_iter().map(Some));
            values.resize(self.compiled.taps.values.len() + outputs, None);
            values
        };
        let cases = report.cases.into_iter().map(|case| case.map(values).map_err(failed));
        cases.collect()
    }

    /// The items of one case, from the evaluator.
    fn evaluated(&self, body: &Body, inputs: &[Vec<u8>]) -> Result<Values, CmdError> {
        let inputs = tensors(body, inputs).map_err(evaluation)?;
        let wanted: Vec<ValueId> = self.compiled.taps.values.iter().map(|tap| tap.value).collect();
        let module = Module::default();
        let (results, values) =
            Evaluator::new(&module).values(body, &inputs, &wanted).map_err(evaluation)?;
        let bytes = |tensor: Tensor| tensor.bytes().to_vec();
        let values = values.into_iter().map(|tensor| tensor.map(bytes));
        Ok(values.chain(results.into_iter().map(|tensor| Some(bytes(tensor)))).collect())
    }
}

/// The bytes of every item of a case; nothing for a tensor that was not computed.
type Values = Vec<Option<Vec<u8>>>;

fn evaluation(error: crate::eval::EvalError) -> CmdError {
    CmdError::Failed(format!("the evaluator failed: {error}"))
}

/// The inputs of a function from their bytes.
fn tensors(body: &Body, inputs: &[Vec<u8>]) -> Result<Vec<Tensor>, crate::eval::EvalError> {
    let args = body.blocks[body.entry].args.iter().zip(inputs);
    let tensor = |(&value, bytes): (&ValueId, &Vec<u8>)| match body.ty(value).tensor() {
        Some(ty) => Ok(Tensor::from_bytes(ty, bytes.as_slice())?),
        // The evaluator says what it expects.
        None => Ok(Tensor::from_bytes(&TensorType::fixed(&[0], microhlo_format::DType::I8), [])?),
    };
    args.map(tensor).collect()
}

impl Comparison {
    fn sides(&self) -> impl Iterator<Item = &Sides> {
        [&self.passes, &self.host].into_iter().chain(&self.board)
    }

    fn text(&self, args: &Args) -> String {
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let tensors = self.host.len() - self.passes.len();
        let mut text = format!(
            "{} on {}: {} case{}, {tensors} tensor{} and {} output{} compared\n",
            load::model_name(&args.model),
            args.on,
            self.cases,
            s(self.cases),
            s(tensors),
            self.passes.len(),
            s(self.passes.len()),
        );
        if self.by_rows > 0 {
            text += &format!(
                "{} value{} of layers that run row by row not compared: none is ever whole\n",
                self.by_rows,
                s(self.by_rows)
            );
        }
        for sides in self.sides() {
            text += &sides.summary();
        }
        text
    }

    fn failures(&self) -> Vec<String> {
        self.sides().filter_map(Sides::failure).collect()
    }

    fn json(&self, args: &Args) -> Value {
        json!({
            "model": load::model_name(&args.model),
            "on": args.on,
            "cases": self.cases,
            "by_rows": self.by_rows,
            "passes": self.passes.json(),
            "host": self.host.json(),
            "board": self.board.as_ref().map(Sides::json),
            "equal": self.sides().all(|sides| sides.first().is_none()),
        })
    }
}
