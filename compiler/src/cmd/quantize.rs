//! `microhlo quantize`: a float program becomes one of 8-bit integers, from examples of its inputs.

use std::path::{Path, PathBuf};

use microhlo_format::DType;
use serde_json::{Value, json};

use super::function::Function;
use super::load::{self, Program};
use super::text::Table;
use super::vectors::{self, Port};
use super::{CmdError, JsonTarget, print_text, run, write_file};
use crate::compile::CompileOptions;
use crate::eval::Tensor;
use crate::ir::{Func, Module, TensorType, Type};
use crate::quantize::{self, Fidelity, Io, LayerFidelity, Mode, Precision, Quantized, RangeChoice};

/// Quantise a float program after training: weights per channel, activations by calibration.
#[derive(Debug, clap::Args)]
#[command(mut_arg("calibrate", |a| a.required(true)))]
pub struct Args {
    /// The program; its form is told from the content.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Write the quantised program to this file; by default to standard output.
    #[arg(short, long, value_name = "Q.mlir")]
    output: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    function: Function,
    #[command(flatten)]
    json: JsonTarget,
}

/// How a program is quantised: by `quantize`, and by `compile --quantize`.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Inputs that the model will see: arrays `in0`, `in1`, ... with a leading case axis. The more
    /// typical they are, the better the ranges; 100 cases are plenty.
    #[arg(long, value_name = "X.npz")]
    pub calibrate: Option<PathBuf>,
    /// What is quantised: weights and activations, weights alone, or weights of 8 bits and
    /// activations of 16.
    #[arg(long, default_value = "int8", value_name = "int8|int8-weights|int16x8", value_parser = mode)]
    mode: Mode,
    /// The types of inputs and outputs.
    #[arg(long, default_value = "float", value_name = "float|int8", value_parser = io)]
    io: Io,
    /// How the range of an activation is chosen: all values seen, those up to a percentile of the
    /// magnitudes (`percentile:99.9`), the range of the least mean squared error or of the least
    /// divergence, or what does best on cases held out.
    #[arg(
        long,
        default_value = "best",
        value_name = "best|minmax|mse|entropy|percentile:P",
        value_parser = range
    )]
    range: RangeChoice,
    /// The signal-to-noise ratio that the outputs shall have on the calibration inputs, in dB: the
    /// values whose rounding costs most stay wide until they do. Without it only what is nearly
    /// free stays wide.
    #[arg(long, value_name = "DB", value_parser = decibels_wanted)]
    budget: Option<f64>,
    /// What values become whose rounding costs too much.
    #[arg(long, default_value = "float", value_name = "float|int16|int8", value_parser = wide)]
    wide: Precision,
    /// Compare the outputs with the float program's on these inputs too.
    #[arg(long, value_name = "X.npz")]
    validate: Option<PathBuf>,
    /// Calibrate with the first N cases only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// Make inputs whose calibration array has no case axis constants of the program: weights that
    /// it takes as arguments.
    #[arg(long)]
    freeze: bool,
}

fn wide(text: &str) -> Result<Precision, String> {
    match text {
        "float" => Ok(Precision::Float),
        "int16" => Ok(Precision::Int16),
        "int8" => Ok(Precision::Int8),
        _ => Err("wide values are `float`, `int16` or `int8` (none are wide)".to_owned()),
    }
}

fn decibels_wanted(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches("dB").trim_end().parse::<f64>().ok();
    number
        .filter(|db| (0.0..=140.0).contains(db))
        .ok_or_else(|| "a budget is a number of decibels from 0 to 140".to_owned())
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "int8" => Ok(Mode::Int8),
        "int8-weights" => Ok(Mode::Int8Weights),
        "int16x8" => Ok(Mode::Int16x8),
        _ => Err("modes are `int8`, `int8-weights` and `int16x8`".to_owned()),
    }
}

fn io(text: &str) -> Result<Io, String> {
    match text {
        "float" => Ok(Io::Float),
        "int8" => Ok(Io::Int8),
        _ => Err("inputs and outputs are `float` or `int8`".to_owned()),
    }
}

fn range(text: &str) -> Result<RangeChoice, String> {
    let percent = |p: &str| p.parse::<f64>().ok().filter(|p| (50.0..=100.0).contains(p));
    match (text, text.strip_prefix("percentile:")) {
        ("minmax", _) => Ok(RangeChoice::MinMax),
        ("mse", _) => Ok(RangeChoice::Mse),
        ("entropy", _) => Ok(RangeChoice::Entropy),
        ("best", _) => Ok(RangeChoice::Best),
        (_, Some(p)) => percent(p)
            .map(|p| RangeChoice::Percentile(p / 100.0))
            .ok_or_else(|| "a percentile is a number from 50 to 100".to_owned()),
        _ => Err("ranges are `best`, `minmax`, `mse`, `entropy` or `percentile:P`".to_owned()),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let program = load::open_program(&args.model)?;
    let options = args.function.of(CompileOptions::default());
    let done = args.how.apply(&program, &options)?;
    done.warn();
    let text = done.quantised.module.to_string();
    match &args.output {
        Some(path) => write_file(path, text.as_bytes())?,
        None if args.json.owns_stdout() => {}
        None => print_text(&text),
    }
    if args.output.is_some() && !args.json.owns_stdout() {
        print_text(&done.summary());
    }
    args.json.write(&done.json())
}

/// A quantised program, and how near it is on sets of cases.
pub struct Done {
    /// The program.
    pub quantised: Quantized,
    sets: Vec<(&'static str, Fidelity)>,
    warnings: Vec<String>,
}

/// Fewer cases than this seldom show what values a model will meet.
const FEW_CASES: usize = 4;

impl How {
    /// Quantises the entry of a program.
    ///
    /// # Errors
    /// The calibration does not fit the program, or the program cannot be quantised.
    pub fn apply(&self, program: &Program, options: &CompileOptions) -> Result<Done, CmdError> {
        let Some(calibrate) = &self.calibrate else {
            let text =
                "quantising needs inputs to calibrate with; give them with --calibrate X.npz";
            return Err(CmdError::BadInput(text.to_owned()));
        };
        let mut func = program.specialised(options)?;
        let ports = ports(&func)?;
        let inputs = read_inputs(&ports, calibrate)?;
        let at = |e: &crate::compile::CompileError| program.error(e);
        let frozen = if self.freeze { inputs.unchanging() } else { Vec::new() };
        let constants = frozen.iter().filter_map(|&i| Some((i, inputs.first(i)?))).collect();
        quantize::freeze(&mut func, constants);
        let mut cases = inputs.without(&frozen);
        cases.truncate(self.cases.map_or(usize::MAX, |n| n as usize));
        let options = quantize::Options {
            mode: self.mode,
            io: self.io,
            range: self.range,
            budget: self.budget,
            wide: self.wide,
        };
        let quantised = quantize::quantize(func, &cases, &options).map_err(|e| at(&e))?;
        let compare = |cases: &[Vec<Tensor>]| {
            quantize::compare(&quantised.float, &quantised.module, cases).map_err(|e| at(&e))
        };
        let mut sets = vec![("calibration", compare(&cases)?)];
        if let Some(path) = &self.validate {
            sets.push(("validation", compare(&read_inputs(&ports, path)?.without(&frozen))?));
        }
        let warnings = self.warnings(cases.len(), &quantised.module);
        Ok(Done { quantised, sets, warnings })
    }

    /// What may not be as it was meant.
    fn warnings(&self, cases: usize, quantised: &Module) -> Vec<String> {
        let mut warnings = Vec::new();
        if cases < FEW_CASES && self.mode != Mode::Int8Weights {
            warnings.push(format!(
                "only {} {} to calibrate with: values beyond what was seen are cut off; give more, \
                 100 are plenty",
                cases,
                if cases == 1 { "case" } else { "cases" }
            ));
        }
        if self.io == Io::Int8 {
            warnings.extend(floats(quantised).map(|name| {
                format!(
                    "{name} stays float in spite of --io int8: what it meets is not quantised, or \
                     kept wide (--wide int8 keeps nothing wide)"
                )
            }));
        }
        warnings
    }
}

/// The inputs and outputs of the one function that are floats.
fn floats(module: &Module) -> impl Iterator<Item = String> {
    let float = |ty: &Type| {
        let dtype = ty.tensor().and_then(TensorType::dtype);
        dtype.is_some_and(DType::is_float)
    };
    let named = move |what: &str, types: Vec<&Type>| -> Vec<String> {
        let floats = types.into_iter().enumerate().filter(|(_, ty)| float(ty));
        floats.map(|(i, _)| format!("{what} {i}")).collect()
    };
    let of = |func: &Func| {
        let args = func.body.blocks[func.body.entry].args.iter().map(|&arg| func.body.ty(arg));
        let inputs = named("input", args.collect());
        [inputs, named("output", func.results.iter().collect())].concat()
    };
    module.funcs.values().flat_map(of).collect::<Vec<_>>().into_iter()
}

fn ports(func: &Func) -> Result<Vec<Port>, CmdError> {
    let body = &func.body;
    run::ports(body.blocks[body.entry].args.iter().map(|&v| body.ty(v)), "in")
}

/// The inputs of every case of a file.
struct Inputs {
    cases: Vec<Vec<Tensor>>,
    /// Whether an input has a value per case.
    varies: Vec<bool>,
}

impl Inputs {
    /// The inputs with one value for all of several cases.
    fn unchanging(&self) -> Vec<usize> {
        let some = self.varies.iter().any(|&v| v);
        (0..self.varies.len()).filter(|&i| some && !self.varies[i]).collect()
    }

    fn first(&self, input: usize) -> Option<Tensor> {
        self.cases.first()?.get(input).cloned()
    }

    /// The cases without some of the inputs.
    fn without(self, inputs: &[usize]) -> Vec<Vec<Tensor>> {
        let kept = |case: Vec<Tensor>| {
            let all = case.into_iter().enumerate();
            all.filter(|(i, _)| !inputs.contains(i)).map(|(_, t)| t).collect()
        };
        self.cases.into_iter().map(kept).collect()
    }
}

fn read_inputs(ports: &[Port], path: &Path) -> Result<Inputs, CmdError> {
    let (values, _) = vectors::read_inputs(path, ports)?;
    let tensors = |case: usize| {
        ports.iter().zip(&values).map(move |(port, values)| {
            let bytes = values.case(case).unwrap_or_default();
            Tensor::from_bytes(&TensorType::fixed(&port.dims, port.dtype), bytes)
                .map_err(|e| CmdError::BadInput(format!("{}: {e}", path.display())))
        })
    };
    let count = vectors::case_count(&values);
    let cases = (0..count).map(|case| tensors(case).collect()).collect::<Result<_, _>>()?;
    Ok(Inputs { cases, varies: values.iter().map(|v| v.cases().is_some()).collect() })
}

fn decibels(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.1} dB") } else { "exact".to_owned() }
}

impl Done {
    /// Prints what may not be as it was meant.
    pub fn warn(&self) {
        for warning in &self.warnings {
            eprintln!("warning: {warning}");
        }
    }

    /// A table of the layers, and a line for each set of cases.
    pub fn summary(&self) -> String {
        let mut table = Table::new(2);
        table.row(["layer", "result", "held as", "signal to noise", "largest error"]);
        for layer in &self.quantised.layers {
            let error = format!("{:.3e}", layer.largest);
            let held = layer.held.to_owned();
            table.row([layer.name.clone(), layer.ty.clone(), held, decibels(layer.snr_db), error]);
        }
        let mut text = table.render();
        if !self.quantised.floats.is_empty() {
            text.push_str(&format!("in floats: {}\n", self.quantised.floats.join(", ")));
        }
        for (name, f) in &self.sets {
            text.push_str(&format!(
                "{name}: {} cases, outputs {} against the float program, largest error {:.3e}, \
                 same argmax in {} of {}\n",
                f.cases,
                decibels(f.snr_db),
                f.largest,
                f.same_argmax,
                f.rows
            ));
        }
        text
    }

    /// The same as JSON.
    pub fn json(&self) -> Value {
        let finite = |x: f64| if x.is_finite() { json!(x) } else { Value::Null };
        let layer = |l: &LayerFidelity| {
            json!({
                "name": l.name, "type": l.ty, "held_as": l.held, "snr_db": finite(l.snr_db),
                "max_error": l.largest,
            })
        };
        let layers: Vec<Value> = self.quantised.layers.iter().map(layer).collect();
        let mut out = json!({
            "layers": layers, "floats": self.quantised.floats, "warnings": self.warnings,
        });
        for (name, f) in &self.sets {
            out[*name] = json!({
                "cases": f.cases, "snr_db": finite(f.snr_db), "max_error": f.largest,
                "same_argmax": f.same_argmax, "rows": f.rows,
            });
        }
        out
    }
}
