//! `microhlo quantize`: a float program becomes one of 8-bit integers, from examples of its inputs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::text::Table;
use super::vectors::{self, Values};
use super::{CmdError, JsonTarget, load, print_text, run, write_file};
use crate::compile::CompileOptions;
use crate::eval::Tensor;
use crate::ir::{Func, TensorType};
use crate::passes::bind_shapes::Size;
use crate::quantize::{self, Fidelity, Io, Mode, Quantized, RangeChoice};

/// Quantise a float program after training: weights per channel, activations by calibration.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The program; its form is told from the content.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Inputs that the model will see: arrays `in0`, `in1`, ... with a leading case axis. The more
    /// typical they are, the better the ranges; 100 cases are plenty.
    #[arg(long, value_name = "X.npz")]
    calibrate: PathBuf,
    /// Write the quantised program to this file; by default to standard output.
    #[arg(short, long, value_name = "Q.mlir")]
    output: Option<PathBuf>,
    /// What is quantised: weights and activations, or weights alone.
    #[arg(long, default_value = "int8", value_name = "int8|int8-weights", value_parser = mode)]
    mode: Mode,
    /// The types of inputs and outputs.
    #[arg(long, default_value = "float", value_name = "float|int8", value_parser = io)]
    io: Io,
    /// How the range of an activation is chosen: all values seen, those up to a percentile of the
    /// magnitudes (`percentile:99.9`), or the range of the least mean squared error.
    #[arg(long, default_value = "minmax", value_name = "minmax|mse|percentile:P", value_parser = range)]
    range: RangeChoice,
    /// Compare the outputs with the float program's on these inputs too.
    #[arg(long, value_name = "X.npz")]
    validate: Option<PathBuf>,
    /// Calibrate with the first N cases only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cases: Option<u64>,
    /// The function to quantise; by default `main` or the only public one.
    #[arg(long, alias = "entry", value_name = "NAME")]
    function: Option<String>,
    /// The size of a symbolic dimension, or the shape of an argument: `m=8`, `arg0=8x16`.
    #[arg(long, value_name = "NAME=SIZE")]
    shape: Vec<Size>,
    #[command(flatten)]
    json: JsonTarget,
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "int8" => Ok(Mode::Int8),
        "int8-weights" => Ok(Mode::Int8Weights),
        _ => Err("modes are `int8` and `int8-weights`".to_owned()),
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
        (_, Some(p)) => percent(p)
            .map(|p| RangeChoice::Percentile(p / 100.0))
            .ok_or_else(|| "a percentile is a number from 50 to 100".to_owned()),
        _ => Err("ranges are `minmax`, `mse` or `percentile:P`".to_owned()),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let program = load::open_program(&args.model)?;
    let (entry, sizes) = (args.function.clone(), args.shape.clone());
    let options = CompileOptions { entry, sizes, ..CompileOptions::default() };
    let func = program.specialised(&options)?;
    let mut cases = read_cases(&func, &args.calibrate)?;
    cases.truncate(args.cases.map_or(usize::MAX, |n| n as usize));
    let options = quantize::Options { mode: args.mode, io: args.io, range: args.range };
    let at = |e: &crate::compile::CompileError| program.error(e);
    let quantised = quantize::quantize(func, &cases, &options).map_err(|e| at(&e))?;
    let compare = |cases: &[Vec<Tensor>]| {
        quantize::compare(&quantised.float, &quantised.module, cases).map_err(|e| at(&e))
    };
    let mut sets = vec![("calibration", compare(&cases)?)];
    if let Some(path) = &args.validate {
        sets.push(("validation", compare(&read_cases(&quantised.float, path)?)?));
    }
    let text = quantised.module.to_string();
    match &args.output {
        Some(path) => write_file(path, text.as_bytes())?,
        None if args.json.owns_stdout() => {}
        None => print_text(&text),
    }
    if args.output.is_some() && !args.json.owns_stdout() {
        print_text(&summary(&quantised, &sets));
    }
    args.json.write(&report(&quantised, &sets))
}

/// The inputs of every case of a file.
fn read_cases(func: &Func, path: &Path) -> Result<Vec<Vec<Tensor>>, CmdError> {
    let body = &func.body;
    let types = body.blocks[body.entry].args.iter().map(|&v| body.ty(v));
    let ports = run::ports(types, "in")?;
    let values: Vec<Values> = match vectors::shaped_cases(path, &ports)? {
        Some(cases) => vectors::read_cases(path, "in", &ports, &cases)?,
        None => vectors::read(path, "in", &ports)?,
    };
    let tensors = |case: usize| {
        ports.iter().zip(&values).map(move |(port, values)| {
            let bytes = values.case(case).unwrap_or_default();
            Tensor::from_bytes(&TensorType::fixed(&port.dims, port.dtype), bytes)
                .map_err(|e| CmdError::BadInput(format!("{}: {e}", path.display())))
        })
    };
    (0..vectors::case_count(&values)).map(|case| tensors(case).collect()).collect()
}

fn decibels(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.1} dB") } else { "exact".to_owned() }
}

fn summary(quantised: &Quantized, sets: &[(&str, Fidelity)]) -> String {
    let mut table = Table::new(2);
    table.row(["layer", "result", "signal to noise", "largest error"]);
    for layer in &quantised.layers {
        let error = format!("{:.3e}", layer.largest);
        table.row([layer.name.clone(), layer.ty.clone(), decibels(layer.snr_db), error]);
    }
    let mut text = table.render();
    for (name, f) in sets {
        text.push_str(&format!(
            "{name}: {} cases, outputs {} against the float program, largest error {:.3e}, same \
             argmax in {} of {}\n",
            f.cases,
            decibels(f.snr_db),
            f.largest,
            f.same_argmax,
            f.rows
        ));
    }
    text
}

fn report(quantised: &Quantized, sets: &[(&str, Fidelity)]) -> Value {
    let finite = |x: f64| if x.is_finite() { json!(x) } else { Value::Null };
    let layers: Vec<Value> = quantised
        .layers
        .iter()
        .map(|l| {
            json!({ "name": l.name, "type": l.ty, "snr_db": finite(l.snr_db), "max_error": l.largest })
        })
        .collect();
    let mut out = json!({ "layers": layers });
    for (name, f) in sets {
        out[*name] = json!({
            "cases": f.cases, "snr_db": finite(f.snr_db), "max_error": f.largest,
            "same_argmax": f.same_argmax, "rows": f.rows,
        });
    }
    out
}
