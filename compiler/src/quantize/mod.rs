//! Post-training quantisation: a float program as one with quantised types, from examples of its
//! inputs.
//!
//! Weights become 8-bit integers with a scale per output channel and zero point 0; activations 8-bit
//! integers with one scale and zero point per tensor, from the range that they had on the
//! calibration inputs. The result is StableHLO with `!quant.uniform` types;
//! `docs/integer-arithmetic.md` says what it computes.

mod annotate;
mod fidelity;
mod observe;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use microhlo_format::DType;

use self::annotate::{Layer, Plan, Types};
pub use self::fidelity::{Fidelity, LayerFidelity, compare};
use self::observe::{Seen, floats};
use crate::compile::CompileError;
use crate::diag::Span;
use crate::eval::Tensor;
use crate::ir::{Body, Func, Module, QuantType, Type, ValueId, full_range};
use crate::passes;
use crate::passes::fuse_quant::fuse_quant;
use crate::verify::verify;

#[cfg(test)]
mod tests;

/// What is quantised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Weights and activations.
    Int8,
    /// Weights only; activations and arithmetic stay floats.
    Int8Weights,
}

/// The types of inputs and outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// As in the float program.
    Float,
    /// Quantised ones where they are quantised inside.
    Int8,
}

/// How the range of an activation follows from the values seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RangeChoice {
    /// All of them.
    MinMax,
    /// The magnitudes that this share of them does not exceed, 0 to 1.
    Percentile(f64),
    /// The range with the least mean squared error.
    Mse,
}

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is quantised.
    pub mode: Mode,
    /// The types of inputs and outputs.
    pub io: Io,
    /// How ranges are chosen.
    pub range: RangeChoice,
}

/// A quantised program and how near it is to the float one.
#[derive(Debug)]
pub struct Quantized {
    /// The program: one function.
    pub module: Module,
    /// Every layer, in order, on the calibration inputs.
    pub layers: Vec<LayerFidelity>,
    /// The optimised float program that was quantised.
    pub float: Func,
}

/// Quantises a function without calls; `cases` are its inputs, one list per case.
///
/// # Errors
/// The program has nothing to quantise, an operation cannot be evaluated, or a value of the
/// calibration run is no number or an input never changes.
pub fn quantize(
    mut func: Func,
    cases: &[Vec<Tensor>],
    options: &Options,
) -> Result<Quantized, CompileError> {
    passes::run(&mut func, &mut |_, _| ());
    let plan = annotate::plan(&func, options.mode == Mode::Int8Weights);
    if plan.layers.is_empty() {
        let what = "there is nothing to quantise: no convolution, matrix product, sum or mean of \
                    f32 values with constant weights";
        return Err(CompileError::at(func.span, what));
    }
    let types = types(&func, &plan, cases, options)?;
    let float = func.clone();
    let made = annotate::annotate(&mut func, &types);
    let layers = fidelity::layers(&float, &func, &plan, &made, cases)?;
    if options.io == Io::Int8 {
        narrow_io(&mut func);
    }
    if options.mode == Mode::Int8 {
        fuse_quant(&mut func.body);
    }
    passes::dce::dce(&mut func.body);
    let mut module = Module::default();
    module.funcs.push(func);
    match verify(&module) {
        Ok(_) => Ok(Quantized { module, layers, float }),
        Err(errors) => {
            let first = errors.first().map(|e| CompileError::at(e.span, e.to_string()));
            Err(first.unwrap_or_else(|| CompileError::at(Span::default(), "is not valid")))
        }
    }
}

/// The parameters of all quantised values.
fn types(
    func: &Func,
    plan: &Plan,
    cases: &[Vec<Tensor>],
    options: &Options,
) -> Result<Types, CompileError> {
    let mut types = Types::new();
    for layer in &plan.layers {
        if let Some((weights, axis)) = layer.weights {
            types.insert(weights, Arc::new(weight_type(&func.body, layer, weights, axis)?));
        }
    }
    let seen = calibrate(func, plan, cases, options)?;
    for (group, seen) in plan.values.iter().zip(&seen) {
        let q = Arc::new(activation_type(seen, options.range));
        types.extend(group.iter().map(|&v| (v, Arc::clone(&q))));
    }
    Ok(types)
}

/// Symmetric, with a scale per output channel: the largest magnitude is 127 steps.
fn weight_type(
    body: &Body,
    layer: &Layer,
    weights: ValueId,
    axis: u32,
) -> Result<QuantType, CompileError> {
    let span = body.ops[layer.root].span;
    let constant = body.constant(weights).and_then(|c| Some((c.to_f32s()?, c.ty.static_dims()?)));
    let (values, dims) =
        constant.ok_or_else(|| CompileError::at(span, "the weights are not constant"))?;
    let count = dims.get(axis as usize).copied().unwrap_or(1).max(1) as usize;
    let inner: u64 = dims.iter().skip(axis as usize + 1).product();
    let mut largest = vec![0f32; count];
    for (i, x) in values.iter().enumerate() {
        if !x.is_finite() {
            return Err(CompileError::at(span, format!("the weights hold {x}")));
        }
        let slot = &mut largest[(i / inner.max(1) as usize) % count];
        *slot = slot.max(x.abs());
    }
    let scale =
        |m: f32| if m > 0.0 { f64::from(m / 127.0).max(f64::from(f32::MIN_POSITIVE)) } else { 1.0 };
    Ok(QuantType {
        storage: DType::I8,
        expressed: DType::F32,
        storage_range: full_range(DType::I8),
        axis: Some(axis),
        scales: largest.into_iter().map(scale).collect(),
        zero_points: vec![0; count],
    })
}

/// The ranges of the groups of values that share parameters, over all cases.
fn calibrate(
    func: &Func,
    plan: &Plan,
    cases: &[Vec<Tensor>],
    options: &Options,
) -> Result<Vec<Seen>, CompileError> {
    let mut seen: Vec<Vec<Seen>> =
        plan.values.iter().map(|g| vec![Seen::nothing(); g.len()]).collect();
    let passes = if options.range == RangeChoice::MinMax { 1 } else { 2 };
    for pass in 0..passes {
        for case in cases {
            let values = observe::run(func, case)?;
            for (group, seen) in plan.values.iter().zip(&mut seen) {
                for (value, seen) in group.iter().zip(seen) {
                    let Some(elements) = values.get(value).and_then(floats) else { continue };
                    if pass == 1 {
                        seen.count(&elements);
                    } else if let Some(x) = seen.widen(&elements) {
                        return Err(not_finite(func, *value, x));
                    }
                }
            }
        }
    }
    for (i, &arg) in func.body.blocks[func.body.entry].args.iter().enumerate() {
        let constant = |(v, s): (&ValueId, &Seen)| *v == arg && s.min == s.max;
        let mut all = plan.values.iter().flatten().zip(seen.iter().flatten());
        if !cases.is_empty() && all.any(constant) {
            let what = format!(
                "input {i} never changes over the calibration inputs, which says nothing of its \
                 range; give inputs as the model will see them"
            );
            return Err(CompileError::at(func.span, what));
        }
    }
    let join = |group: Vec<Seen>| {
        group.into_iter().reduce(|mut a, b| {
            a.join(&b);
            a
        })
    };
    Ok(seen.into_iter().filter_map(join).collect())
}

fn not_finite(func: &Func, value: ValueId, x: f32) -> CompileError {
    let body = &func.body;
    match body.def_op(value) {
        Some(op) => {
            let name = body.ops[op].kind.name();
            let what = format!("`{name}` computes {x} on the calibration inputs");
            CompileError::at(body.ops[op].span, what)
        }
        None => {
            let args = &body.blocks[body.entry].args;
            let i = args.iter().position(|&v| v == value).unwrap_or(0);
            CompileError::at(func.span, format!("input {i} of the calibration holds {x}"))
        }
    }
}

/// One scale and zero point for a range that includes 0, so that 0 is exact.
fn activation_type(seen: &Seen, choice: RangeChoice) -> QuantType {
    let clip = match choice {
        RangeChoice::MinMax => f32::INFINITY,
        RangeChoice::Percentile(share) => seen.percentile(share),
        RangeChoice::Mse => {
            let both = seen.min < 0.0 && seen.max > 0.0;
            seen.least_error(|clip| clip * if both { 2.0 } else { 1.0 } / 255.0)
        }
    };
    let (min, max) = (seen.min.max(-clip).min(0.0), seen.max.min(clip).max(0.0));
    let range = f64::from(max) - f64::from(min);
    let scale = if range > 0.0 { f64::from((range / 255.0) as f32) } else { 1.0 };
    let zero = (-128.0 - f64::from(min) / scale).round().clamp(-128.0, 127.0);
    QuantType {
        storage: DType::I8,
        expressed: DType::F32,
        storage_range: full_range(DType::I8),
        axis: None,
        scales: vec![scale.max(f64::from(f32::MIN_POSITIVE))],
        zero_points: vec![zero as i64],
    }
}

/// Makes arguments and results quantised where the program quantises them first, or dequantises
/// them last.
fn narrow_io(func: &mut Func) {
    use crate::ops::OpKind;
    let entry = func.body.entry;
    let block = func.body.blocks[entry].clone();
    for &arg in &block.args {
        let users: Vec<_> = block
            .ops
            .iter()
            .copied()
            .filter(|&op| func.body.ops[op].operands.contains(&arg))
            .collect();
        let &[user] = users.as_slice() else { continue };
        if !matches!(func.body.ops[user].kind, OpKind::UniformQuantize(_)) {
            continue;
        }
        let result = func.body.ops[user].results[0];
        func.body.values[arg].ty = func.body.ty(result).clone();
        func.body.replace_uses(&HashMap::from([(result, arg)]));
        func.body.blocks[entry].ops.retain(|&op| op != user);
    }
    let Some(&last) = block.ops.last() else { return };
    for i in 0..func.body.ops[last].operands.len() {
        let value = func.body.ops[last].operands[i];
        let Some(op) = func.body.def_op(value) else { continue };
        if matches!(func.body.ops[op].kind, OpKind::UniformDequantize(_)) {
            let stored = func.body.ops[op].operands[0];
            func.body.ops[last].operands[i] = stored;
            let ty: Type = func.body.ty(stored).clone();
            func.results[i] = ty;
        }
    }
}
