//! How near a quantised program is to the float one.

use microhlo_format::DType;

use super::plan::Plan;
use super::search::Trial;
use super::simulate::floats;
use super::values;
use crate::compile::CompileError;
use crate::eval::{Evaluator, Tensor};
use crate::ir::{Func, Module};
use crate::passes::legalize_quant::legalized;

/// Sums of squares of a signal and of its errors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noise {
    signal: f64,
    /// Sum of squared errors.
    pub error: f64,
    /// Largest absolute error.
    pub largest: f64,
}

impl Noise {
    /// Adds values and what came of them.
    pub(crate) fn add(&mut self, wanted: &[f32], got: &[f32]) {
        for (&w, &g) in wanted.iter().zip(got) {
            let (w, e) = (f64::from(w), f64::from(w) - f64::from(g));
            self.signal += w * w;
            self.error += e * e;
            self.largest = self.largest.max(e.abs());
        }
    }

    /// In decibels; infinite without errors.
    pub(crate) fn ratio(&self) -> f64 {
        10.0 * (self.signal / self.error).log10()
    }
}

/// A layer of a quantised program. See the example of [`quantize`](super::quantize).
#[derive(Clone, Debug, PartialEq)]
pub struct LayerFidelity {
    /// The operation's name and its number among the layers.
    pub name: String,
    /// Shape and element type of its result.
    pub ty: String,
    /// How its result is held: `int8`, `int16` or `float`; `sums` are 32-bit integers that floats
    /// are made of.
    pub held: &'static str,
    /// Signal-to-noise ratio of its result against the float program, in dB.
    pub snr_db: f64,
    /// Largest absolute difference.
    pub largest: f64,
}

/// A quantised program's outputs against the float program's. See the example of [`quantize`](super::quantize).
#[derive(Clone, Debug, PartialEq)]
pub struct Fidelity {
    /// Cases compared.
    pub cases: usize,
    /// Signal-to-noise ratio of all float outputs, in dB.
    pub snr_db: f64,
    /// Largest absolute difference of a float output.
    pub largest: f64,
    /// Rows of the first output whose greatest element is at the same place.
    pub same_argmax: usize,
    /// Rows of the first output.
    pub rows: usize,
}

/// The layers with their errors.
pub(super) fn layers(float: &Func, plan: &Plan, trial: &Trial) -> Vec<LayerFidelity> {
    let types = &trial.rounding.types;
    let held = |layer: &super::plan::Layer| {
        let storage = types.get(&layer.result).map(|q| q.storage);
        let integer = layer.weights.is_some_and(|w| types.contains_key(&w.value));
        match storage {
            Some(DType::I8) => "int8",
            Some(_) => "int16",
            None if integer => "sums",
            None => "float",
        }
    };
    let named = |(i, (layer, noise)): (usize, (&super::plan::Layer, &Noise))| {
        let kind = float.body.ops[layer.root].kind.name();
        LayerFidelity {
            name: format!("{i}:{}", kind.strip_prefix("stablehlo.").unwrap_or(kind)),
            ty: float.body.ty(layer.result).to_string(),
            held: held(layer),
            snr_db: noise.ratio(),
            largest: noise.largest,
        }
    };
    plan.layers.iter().zip(&trial.noise).enumerate().map(named).collect()
}

/// Runs the float function and a quantised module, as it will run on the device, and compares
/// their outputs. See the example of [`quantize`](super::quantize).
///
/// # Errors
/// An operation cannot be evaluated.
pub fn compare(
    float: &Func,
    quantised: &Module,
    cases: &[Vec<Tensor>],
) -> Result<Fidelity, CompileError> {
    let mut reference = Module::default();
    let id = reference.funcs.push(float.clone());
    let plain = legalized(quantised).unwrap_or_else(|| quantised.clone());
    let span = float.span;
    let entry = |m: &Module| m.entry().ok_or_else(|| CompileError::at(span, "no entry function"));
    let (own, typed) = (entry(&plain)?, &quantised.funcs[entry(quantised)?]);
    let failed = |e: crate::eval::EvalError| CompileError::at(span, e.to_string());
    let mut noise = Noise::default();
    let (mut same_argmax, mut rows) = (0, 0);
    for case in cases {
        let wanted = Evaluator::new(&reference).run(id, case).map_err(failed)?;
        let inputs: Vec<Tensor> = case
            .iter()
            .zip(&typed.body.blocks[typed.body.entry].args)
            .map(|(x, &arg)| stored(x, typed.body.ty(arg)))
            .collect();
        let got = Evaluator::new(&plain).run(own, &inputs).map_err(failed)?;
        for (i, (wanted, got)) in wanted.iter().zip(&got).enumerate() {
            let (Some(w), Some(g)) = (floats(wanted), outputs(got, typed.results.get(i))) else {
                continue;
            };
            noise.add(&w, &g);
            if i == 0 {
                let n = wanted.dims().last().copied().unwrap_or(1).max(1);
                let pairs = w.chunks(n).zip(g.chunks(n));
                rows += w.len() / n;
                same_argmax += pairs.filter(|(w, g)| argmax(w) == argmax(g)).count();
            }
        }
    }
    let (snr_db, largest) = (noise.ratio(), noise.largest);
    Ok(Fidelity { cases: cases.len(), snr_db, largest, same_argmax, rows })
}

fn argmax(row: &[f32]) -> usize {
    let better = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
    (0..row.len()).fold(0, better)
}

/// A float input as an argument of this type takes it.
fn stored(x: &Tensor, ty: &crate::ir::Type) -> Tensor {
    let quant = ty.tensor().and_then(|t| t.elem.quant());
    let (Some(q), Some(elements)) = (quant, floats(x)) else { return x.clone() };
    let stored = values::stored(x.ty(), q, &elements);
    let bytes = values::bytes(q, &stored);
    let dims: Vec<u64> = x.dims().iter().map(|&d| d as u64).collect();
    let ty = crate::ir::TensorType::fixed(&dims, q.storage);
    Tensor::from_bytes(&ty, bytes).unwrap_or_else(|_| x.clone())
}

/// The floats that an output stands for.
fn outputs(x: &Tensor, ty: Option<&crate::ir::Type>) -> Option<Vec<f32>> {
    let quant = ty.and_then(|t| t.tensor()).and_then(|t| t.elem.quant());
    match (quant, x.ints()) {
        (Some(q), Some(ints)) => Some(values::floats(x.ty(), q, &ints)),
        _ => floats(x),
    }
}
