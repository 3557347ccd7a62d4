//! Post-training quantisation: a float program as one with quantised types, from examples of its
//! inputs.
//!
//! Weights become 8-bit integers with a scale per output channel and zero point 0; activations 8-bit
//! integers with one scale and zero point per tensor, from the range that they had on the
//! calibration inputs. The result is StableHLO with `!quant.uniform` types;
//! `docs/integer-arithmetic.md` says what it computes.

mod annotate;
mod bias;
mod equalise;
mod fidelity;
mod matrix;
mod plan;
mod precision;
mod ranges;
mod rounding;
mod search;
mod simulate;
mod tune;
mod values;

use std::collections::HashMap;

use microhlo_format::DType;

pub use self::fidelity::{Fidelity, LayerFidelity, compare};
use self::plan::{Layer, Plan, Weights};
pub use self::precision::Precision;
use self::ranges::Seen;
use self::simulate::{Observer, Pair, Rounding, floats};
use crate::compile::CompileError;
use crate::diag::Span;
use crate::eval::Tensor;
use crate::ir::{Body, Func, Module, QuantType, Type, ValueId, full_range, index_along};
use crate::passes;
use crate::passes::fuse_quant::fuse_quant;
use crate::verify::verify;

#[cfg(test)]
mod tests;

/// What is quantised. See the example of [`quantize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Weights and activations.
    Int8,
    /// Weights only; activations and arithmetic stay floats.
    Int8Weights,
    /// Weights of 8 bits, activations of 16.
    Int16x8,
}

/// The types of inputs and outputs. See the example of [`quantize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// As in the float program.
    Float,
    /// Quantised ones where they are quantised inside.
    Int8,
}

/// How the range of an activation follows from the values seen. See the example of [`quantize`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RangeChoice {
    /// All of them.
    MinMax,
    /// The magnitudes that this share of them does not exceed, 0 to 1.
    Percentile(f64),
    /// The range with the least mean squared error.
    Mse,
    /// The range whose histogram diverges least from that of the values.
    Entropy,
    /// What gives the outputs the least error.
    Best,
}

/// What to do. See the example of [`quantize`].
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is quantised.
    pub mode: Mode,
    /// The types of inputs and outputs.
    pub io: Io,
    /// How ranges are chosen.
    pub range: RangeChoice,
    /// The signal-to-noise ratio that the outputs shall have on the calibration inputs, in dB.
    pub budget: Option<f64>,
    /// What values become whose rounding costs too much.
    pub wide: Precision,
}

/// A quantised program and how near it is to the float one. See the example of [`quantize`].
#[derive(Debug)]
pub struct Quantized {
    /// The program: one function.
    pub module: Module,
    /// Every layer, in order, on the calibration inputs.
    pub layers: Vec<LayerFidelity>,
    /// The operations that still compute with floats, each with its number of uses.
    pub floats: Vec<String>,
    /// The optimised float program that was quantised.
    pub float: Func,
}

/// Quantises a function without calls; `cases` are its inputs, one list per case.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile, specialised};
/// use microhlo_compiler::eval::Tensor;
/// use microhlo_compiler::quantize::{self, Io, Mode, Precision, RangeChoice, quantize};
/// use microhlo_compiler::{front, verify::verify};
///
/// let text = "func.func @main(%x: tensor<1x4xf32>) -> tensor<1x2xf32> {
///   %w = stablehlo.constant dense<[[0.5, -1.0], [0.25, 2.0], [-0.75, 1.5], [1.0, 0.5]]>
///     : tensor<4x2xf32>
///   %0 = stablehlo.dot %x, %w : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
///   return %0 : tensor<1x2xf32>
/// }";
/// let (_, module) = front::parse("layer.mlir", text)?;
/// let options = CompileOptions::default();
/// let verified = verify(&module).map_err(|violations| violations[0].clone())?;
/// let func = specialised(verified, &options)?;
/// // Examples of inputs, from which the ranges follow.
/// let case = |i: i32| Tensor::f32s(&[1, 4], &[-1.0, 0.1 * i as f32, 0.5, 1.0 - 0.2 * i as f32]);
/// let cases: Result<Vec<Tensor>, _> = (0..8).map(case).collect();
/// let cases: Vec<Vec<Tensor>> = cases?.into_iter().map(|input| vec![input]).collect();
/// let how = quantize::Options {
///     mode: Mode::Int8,
///     io: Io::Float,
///     range: RangeChoice::MinMax,
///     budget: None,
///     wide: Precision::Int8,
/// };
/// let quantized = quantize(func, &cases, &how)?;
/// assert_eq!(quantized.layers.len(), 1);
/// assert!(quantized.module.to_string().contains("!quant.uniform<i8"));
/// // How near it is to the float program.
/// let fidelity = quantize::compare(&quantized.float, &quantized.module, &cases)?;
/// assert!(fidelity.cases == 8 && fidelity.snr_db > 25.0, "{fidelity:?}");
/// assert!(compile(&quantized.module, &options)?.report.macs == 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    let plan = search::planned(&func, options);
    if cases.is_empty() && options.mode != Mode::Int8Weights {
        let what = "the calibration has no cases; give the inputs of at least one";
        return Err(CompileError::at(func.span, what));
    }
    if plan.layers.is_empty() {
        let what = "there is nothing to quantise: no convolution, matrix product, sum or mean of \
                    f32 values with constant weights (weights that are arguments are constant with \
                    --freeze)";
        return Err(CompileError::at(func.span, what));
    }
    let float = func.clone();
    let mut method = search::best(&func, cases, options)?;
    if options.mode == Mode::Int8 {
        method = precision::widened(&func, cases, options, method)?;
    }
    let (plan, mut trial) = search::fitted(&mut func, cases, options, &method)?;
    if options.mode == Mode::Int8Weights {
        // An addition of its own would cost more than it mends.
        let sums = |l: &Layer| Some((func.body.ops[l.root].results[0], l.weights?.bias));
        let own: Vec<_> = plan.layers.iter().filter_map(sums).filter(|s| s.1.is_none()).collect();
        own.iter().for_each(|(sums, _)| drop(trial.rounding.biases.remove(sums)));
    }
    let layers = fidelity::layers(&float, &plan, &trial);
    let mut types = trial.rounding.types;
    let replaced = bias::apply(&mut func, &plan.layers, &trial.rounding.biases);
    for (old, new) in replaced {
        if let Some(q) = types.remove(&old) {
            types.insert(new, q);
        }
    }
    annotate::annotate(&mut func, &types, &trial.integers);
    if options.io == Io::Int8 {
        narrow_io(&mut func);
    }
    if options.mode != Mode::Int8Weights {
        fuse_quant(&mut func.body);
    }
    passes::dce::dce(&mut func.body);
    let floats = float_ops(&func.body);
    let mut module = Module::default();
    module.funcs.push(func);
    match verify(&module) {
        Ok(_) => Ok(Quantized { module, layers, floats, float }),
        Err(errors) => {
            let first = errors.first().map(|e| CompileError::at(e.span, e.to_string()));
            Err(first.unwrap_or_else(|| CompileError::at(Span::default(), "is not valid")))
        }
    }
}

/// Names of the operations that compute floats, the most frequent first.
fn float_ops(body: &Body) -> Vec<String> {
    use crate::ops::OpKind;
    let mut counts: HashMap<&'static str, usize> = HashMap::new();
    for op in body.walk(body.entry) {
        let o = &body.ops[op];
        let float = |&v: &ValueId| {
            let dtype = body.ty(v).tensor().and_then(crate::ir::TensorType::dtype);
            dtype.is_some_and(|d| !d.is_integer() && d != DType::I1)
        };
        let moves = matches!(
            o.kind,
            OpKind::Constant(_)
                | OpKind::UniformDequantize(_)
                | OpKind::BroadcastInDim(_)
                | OpKind::Reshape(_)
                | OpKind::Transpose(_)
                | OpKind::Slice(_)
                | OpKind::Return(_)
                | OpKind::FuncReturn(_)
        );
        if !moves && o.results.iter().any(float) {
            let name = o.kind.name();
            *counts.entry(name.strip_prefix("stablehlo.").unwrap_or(name)).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts.into_iter().map(|(name, n)| format!("{n} {name}")).collect()
}

/// Makes arguments constants: weights that a program takes from outside.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, specialised};
/// use microhlo_compiler::eval::Tensor;
/// use microhlo_compiler::{front, quantize::freeze, verify::verify};
///
/// let text = "func.func @main(%w: tensor<2xf32>, %x: tensor<2xf32>) -> tensor<2xf32> {
///   %0 = stablehlo.multiply %x, %w : tensor<2xf32>
///   return %0 : tensor<2xf32>
/// }";
/// let (_, module) = front::parse("weighted.mlir", text)?;
/// let verified = verify(&module).map_err(|violations| violations[0].clone())?;
/// let mut func = specialised(verified, &CompileOptions::default())?;
/// freeze(&mut func, vec![(0, Tensor::f32s(&[2], &[3.0, 4.0])?)]);
/// assert_eq!(func.arguments().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn freeze(func: &mut Func, constants: Vec<(usize, Tensor)>) {
    let entry = func.body.entry;
    let args = func.body.blocks[entry].args.clone();
    let mut replaced = HashMap::new();
    let mut made = Vec::new();
    for (i, tensor) in &constants {
        let Some(&arg) = args.get(*i) else { continue };
        let kind = crate::ops::constant::Constant { value: tensor.to_constant().into() };
        let ty = func.body.ty(arg).clone();
        let op = func.body.make_op(kind.into(), Vec::new(), vec![ty], Vec::new(), func.span);
        replaced.insert(arg, func.body.ops[op].results[0]);
        made.push(op);
    }
    func.body.replace_uses(&replaced);
    func.body.blocks[entry].ops.splice(0..0, made);
    let kept = |i: &usize| !constants.iter().any(|(c, _)| c == i);
    let rest: Vec<usize> = (0..args.len()).filter(kept).collect();
    func.arg_attrs = rest.iter().filter_map(|&i| func.arg_attrs.get(i).cloned()).collect();
    func.arg_names = rest.iter().filter_map(|&i| func.arg_names.get(i).cloned()).collect();
    func.body.blocks[entry].args = rest.iter().map(|&i| args[i]).collect();
    for (at, &i) in rest.iter().enumerate() {
        func.body.values[args[i]].def = crate::ir::Def::Arg(entry, at as u32);
    }
}

/// Symmetric, with a scale per output channel: the largest magnitude is 127 steps. They are stored in
/// the type of the inputs that they meet, as the specification demands.
fn weight_type(
    body: &Body,
    layer: &Layer,
    weights: &Weights,
    storage: DType,
) -> Result<QuantType, CompileError> {
    let (span, axis) = (body.ops[layer.root].span, weights.axis);
    let constant =
        body.constant(weights.value).and_then(|c| Some((c.to_f32s()?, c.ty.static_dims()?)));
    let (values, dims) =
        constant.ok_or_else(|| CompileError::at(span, "the weights are not constant"))?;
    let count = dims.get(axis as usize).copied().unwrap_or(1).max(1) as usize;
    let channel = index_along(&dims, axis as usize);
    let mut largest = vec![0f32; count];
    for (i, x) in values.iter().enumerate() {
        if !x.is_finite() {
            return Err(CompileError::at(span, format!("the weights hold {x}")));
        }
        let slot = &mut largest[channel(i)];
        *slot = slot.max(x.abs());
    }
    let scale =
        |m: f32| if m > 0.0 { f64::from(m / 127.0).max(f64::from(f32::MIN_POSITIVE)) } else { 1.0 };
    let storage_range = if storage == DType::I8 { full_range(storage) } else { (-127, 127) };
    Ok(QuantType {
        storage,
        expressed: DType::F32,
        storage_range,
        axis: Some(axis),
        scales: largest.into_iter().map(scale).collect(),
        zero_points: vec![0; count],
    })
}

/// Keeps what values were, in two runs: ranges first.
struct Calibration<'c> {
    func: &'c Func,
    seen: HashMap<ValueId, Seen>,
    counting: bool,
}

impl Observer for Calibration<'_> {
    fn computed(
        &mut self,
        value: ValueId,
        pairs: &[Pair],
        _how: &mut Rounding,
    ) -> Result<(), CompileError> {
        let Some(seen) = self.seen.get_mut(&value) else { return Ok(()) };
        for elements in pairs.iter().filter_map(|pair| floats(&pair.float)) {
            if self.counting {
                seen.count(&elements);
            } else if let Some(x) = seen.widen(&elements) {
                return Err(not_finite(self.func, value, x));
            }
        }
        Ok(())
    }
}

/// What the groups of values that share parameters were, over all cases.
fn calibrate(func: &Func, plan: &Plan, cases: &[Vec<Tensor>]) -> Result<Vec<Seen>, CompileError> {
    let all = plan.values.iter().flatten().map(|&v| (v, Seen::nothing())).collect();
    let mut calibration = Calibration { func, seen: all, counting: false };
    for counting in [false, true] {
        calibration.counting = counting;
        simulate::run(func, cases, &mut Rounding::default(), &mut calibration)?;
    }
    let mut seen = calibration.seen;
    let constant =
        plan.values.iter().flatten().find(|v| seen.get(v).is_some_and(Seen::is_constant));
    if let Some(&value) = constant.filter(|_| !cases.is_empty()) {
        return Err(never_changes(func, value));
    }
    let mut joined = |group: &Vec<ValueId>| {
        let parts = group.iter().filter_map(|v| seen.remove(v));
        let all = parts.reduce(|mut a, b| {
            a.join(&b);
            a
        });
        all.unwrap_or_else(Seen::nothing)
    };
    Ok(plan.values.iter().map(&mut joined).collect())
}

fn never_changes(func: &Func, value: ValueId) -> CompileError {
    let (body, advice) = (&func.body, "give inputs as the model will see them");
    match body.def_op(value) {
        Some(op) => {
            let what = format!(
                "`{}` computes the same number everywhere on the calibration inputs, which says \
                 nothing of the range of {}; {advice}",
                body.ops[op].kind.name(),
                body.ty(value)
            );
            CompileError::at(body.ops[op].span, what)
        }
        None => {
            let i = argument(body, value);
            let what = format!(
                "input {i} never changes over the calibration inputs (array `in{i}`), which says \
                 nothing of its range; {advice}"
            );
            CompileError::at(func.span, what)
        }
    }
}

fn argument(body: &Body, value: ValueId) -> usize {
    body.blocks[body.entry].args.iter().position(|&v| v == value).unwrap_or(0)
}

fn not_finite(func: &Func, value: ValueId, x: f32) -> CompileError {
    let body = &func.body;
    match body.def_op(value) {
        Some(op) => {
            let name = body.ops[op].kind.name();
            let what = format!(
                "`{name}` computes {x} on the calibration inputs; no integer stands for that, so \
                 take out the cases that lead to it"
            );
            CompileError::at(body.ops[op].span, what)
        }
        None => {
            let i = argument(body, value);
            let what = format!(
                "input {i} of the calibration holds {x} (array `in{i}`); take out the cases that do"
            );
            CompileError::at(func.span, what)
        }
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
