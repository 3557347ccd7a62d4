//! What values a program computes on given inputs, operation by operation.

use std::collections::HashMap;
use std::sync::Arc;

use microhlo_format::DType;

use super::values;
use crate::compile::CompileError;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Body, Func, Module, OpId, QuantType, ValueId};
use crate::ops::OpKind;

/// Bins of a histogram of magnitudes.
const BINS: usize = 2048;

/// The values of a run.
pub type Values = HashMap<ValueId, Tensor>;

/// Runs the entry block of a function without calls and returns every value of it.
///
/// Quantised values are kept as the floats that they stand for.
///
/// # Errors
/// An operation cannot be evaluated; the error has its place in the source.
pub fn run(func: &Func, inputs: &[Tensor]) -> Result<Values, CompileError> {
    let body = &func.body;
    let module = Module::default();
    let block = &body.blocks[body.entry];
    let mut values: Values = block.args.iter().copied().zip(inputs.iter().cloned()).collect();
    for &op in &block.ops {
        let o = &body.ops[op];
        if matches!(o.kind, OpKind::FuncReturn(_) | OpKind::Return(_)) {
            break;
        }
        let results = evaluate(body, &module, op, &values)
            .map_err(|e| CompileError::at(o.span, format!("`{}`: {e}", o.kind.name())))?;
        values.extend(o.results.iter().copied().zip(results));
    }
    Ok(values)
}

fn evaluate(
    body: &Body,
    module: &Module,
    op: OpId,
    values: &Values,
) -> Result<Vec<Tensor>, EvalError> {
    let o = &body.ops[op];
    let known = |v: &ValueId| {
        let missing = || EvalError::UnknownFunction(format!("the value {v}"));
        values.get(v).cloned().ok_or_else(missing)
    };
    let quant = |v: ValueId| body.ty(v).tensor().and_then(|t| t.elem.quant());
    match &o.kind {
        OpKind::Constant(c) if quant(o.results[0]).is_some() => {
            Ok(vec![floats_of(&Tensor::from_constant(&c.value)?, quant(o.results[0]))?])
        }
        OpKind::UniformDequantize(_) => Ok(vec![known(&o.operands[0])?]),
        OpKind::UniformQuantize(_) => {
            let x = known(&o.operands[0])?;
            Ok(vec![quant(o.results[0]).map_or(Ok(x.clone()), |q| nearest(&x, q))?])
        }
        _ => {
            let inputs: Vec<Tensor> = o.operands.iter().map(known).collect::<Result<_, _>>()?;
            let inner = o.regions.iter().flat_map(|&r| body.walk(r));
            let captured = inner.flat_map(|op| &body.ops[op].operands);
            let outside =
                captured.filter_map(|v| Some((*v, values.get(v)?.clone()))).collect::<Vec<_>>();
            Evaluator::with_budget(module, u64::MAX).fold(body, op, &inputs, outside)
        }
    }
}

/// The floats that stored integers stand for.
fn floats_of(stored: &Tensor, quant: Option<&Arc<QuantType>>) -> Result<Tensor, EvalError> {
    let ints = stored.ints().unwrap_or_default();
    let floats = match quant {
        None => ints.iter().map(|&n| n as f32).collect(),
        Some(q) => values::floats(stored.ty(), q, &ints),
    };
    Tensor::f32s(&dims(stored), &floats)
}

/// The nearest floats that a quantised type has.
fn nearest(x: &Tensor, q: &QuantType) -> Result<Tensor, EvalError> {
    let floats = x.to_f32s().unwrap_or_default();
    let stored = values::stored(x.ty(), q, &floats);
    Tensor::f32s(&dims(x), &values::floats(x.ty(), q, &stored))
}

fn dims(x: &Tensor) -> Vec<u64> {
    x.dims().iter().map(|&d| d as u64).collect()
}

/// What a value was over all calibration cases.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Least element.
    pub min: f32,
    /// Greatest element.
    pub max: f32,
    /// Elements by magnitude, in steps of `limit / BINS`; filled in a second pass.
    bins: Vec<u64>,
    limit: f32,
}

impl Seen {
    /// Nothing was seen yet.
    pub fn nothing() -> Seen {
        Seen { min: f32::INFINITY, max: f32::NEG_INFINITY, bins: Vec::new(), limit: 0.0 }
    }

    /// Widens the range. An element that is no number is returned.
    pub fn widen(&mut self, elements: &[f32]) -> Option<f32> {
        for &x in elements {
            if !x.is_finite() {
                return Some(x);
            }
            (self.min, self.max) = (self.min.min(x), self.max.max(x));
        }
        None
    }

    /// Joins the range with another value's.
    pub fn join(&mut self, other: &Seen) {
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
    }

    /// Counts elements, after all ranges are known.
    pub fn count(&mut self, elements: &[f32]) {
        if self.bins.is_empty() {
            self.bins = vec![0; BINS];
            self.limit = self.min.abs().max(self.max.abs()).max(f32::MIN_POSITIVE);
        }
        for x in elements {
            let bin = (x.abs() / self.limit * BINS as f32) as usize;
            self.bins[bin.min(BINS - 1)] += 1;
        }
    }

    /// The magnitude that `share` of the elements do not exceed.
    pub fn percentile(&self, share: f64) -> f32 {
        let total: u64 = self.bins.iter().sum();
        let wanted = (total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (i, n) in self.bins.iter().enumerate() {
            seen += n;
            if seen >= wanted {
                return self.limit * (i + 1) as f32 / BINS as f32;
            }
        }
        self.limit
    }

    /// The magnitude at which clipping makes the least mean squared error, with steps of
    /// `width(magnitude)`.
    pub fn least_error(&self, width: impl Fn(f32) -> f32) -> f32 {
        let centre = |i: usize| self.limit * (i as f32 + 0.5) / BINS as f32;
        let error = |clip: f32| -> f64 {
            let rounding = f64::from(width(clip)).powi(2) / 12.0;
            let of = |(i, &n): (usize, &u64)| {
                let beyond = f64::from((centre(i) - clip).max(0.0));
                n as f64 * (if beyond > 0.0 { beyond * beyond } else { rounding })
            };
            self.bins.iter().enumerate().map(of).sum()
        };
        let candidates = (16..=128).map(|k| self.limit * k as f32 / 128.0);
        let mut best = (self.limit, error(self.limit));
        for clip in candidates {
            let e = error(clip);
            if e < best.1 {
                best = (clip, e);
            }
        }
        best.0
    }
}

/// The elements of a float tensor, or `None` for another type.
pub fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    (tensor.ty().dtype() == Some(DType::F32)).then(|| tensor.to_f32s()).flatten()
}
