//! Which values of a float program are quantised, and the pairs of operations that say so.

use std::collections::HashMap;
use std::sync::Arc;

use microhlo_format::{DType, MicroOp};

use super::values;
use crate::diag::Span;
use crate::ir::{
    Body, Constant, ElementType, EntityId, Func, OpId, QuantType, TensorType, ValueId,
};
use crate::lower::facts::{Facts, region_op};
use crate::ops::uniform_dequantize::UniformDequantize;
use crate::ops::uniform_quantize::UniformQuantize;
use crate::ops::{ElementwiseOp, OpKind};

/// Most limits behind a layer's bias.
const MAX_LIMITS: usize = 4;

/// An operation that becomes one of integers.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The convolution, matrix product, sum or mean.
    pub root: OpId,
    /// Its result after bias and limits.
    pub result: ValueId,
    /// The weights and the dimension of their output features, if it has weights.
    pub weights: Option<(ValueId, u32)>,
}

/// What is quantised.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The layers, in the program's order.
    pub layers: Vec<Layer>,
    /// Values that get parameters of their own, each with those that share them.
    pub values: Vec<Vec<ValueId>>,
}

/// Finds the layers of a program. With `weights_only`, no activation is quantised.
pub fn plan(func: &Func, weights_only: bool) -> Plan {
    let facts = Facts::new(&func.body);
    let mut planner = Planner { facts: &facts, layers: Vec::new(), set: HashMap::new() };
    let ops = func.body.blocks[func.body.entry].ops.clone();
    for &op in &ops {
        if let Some(layer) = planner.contraction(op).or_else(|| planner.mean(op)) {
            planner.layers.push(layer);
        }
    }
    if weights_only {
        return Plan { layers: planner.layers, values: Vec::new() };
    }
    for layer in planner.layers.clone() {
        planner.quantise(func.body.ops[layer.root].operands[0]);
        planner.quantise(layer.result);
    }
    for &op in &ops {
        if let Some(layer) = planner.combined(op) {
            planner.quantise(layer.result);
            planner.layers.push(layer);
        }
    }
    for &op in &ops {
        planner.joined(op);
    }
    let order: HashMap<OpId, usize> = ops.iter().enumerate().map(|(i, &op)| (op, i)).collect();
    planner.layers.sort_by_key(|l| order.get(&l.root).copied());
    planner.finish()
}

struct Planner<'f, 'b> {
    facts: &'f Facts<'b>,
    layers: Vec<Layer>,
    /// Quantised values, each with the one whose parameters it shares.
    set: HashMap<ValueId, ValueId>,
}

impl Planner<'_, '_> {
    fn body(&self) -> &Body {
        self.facts.body
    }

    fn is_f32(&self, value: ValueId) -> bool {
        self.body().ty(value).tensor().and_then(TensorType::dtype) == Some(DType::F32)
    }

    /// The value that a value is moved from: moves keep parameters.
    fn origin(&self, mut value: ValueId) -> ValueId {
        while let Some(op) = self.body().def_op(value) {
            let o = &self.body().ops[op];
            match o.kind {
                OpKind::Reshape(_) | OpKind::Transpose(_) | OpKind::Slice(_) => {
                    value = o.operands[0];
                }
                OpKind::ReduceWindow(_) if is_max_pool(self.body(), op) => value = o.operands[0],
                _ => break,
            }
        }
        value
    }

    fn quantise(&mut self, value: ValueId) {
        let origin = self.origin(value);
        if self.body().constant(origin).is_none() {
            self.set.entry(origin).or_insert(origin);
        }
    }

    fn representative(&self, mut value: ValueId) -> ValueId {
        while let Some(&next) = self.set.get(&value).filter(|&&next| next != value) {
            value = next;
        }
        value
    }

    /// A convolution or matrix product with constant weights.
    fn contraction(&self, op: OpId) -> Option<Layer> {
        let o = &self.body().ops[op];
        let (&[lhs, rhs], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
            return None;
        };
        let constant = self.body().constant(rhs).is_some() && self.body().constant(lhs).is_none();
        if ![lhs, rhs, result].iter().all(|&v| self.is_f32(v)) || !constant {
            return None;
        }
        let rank = self.body().ty(rhs).tensor()?.rank();
        let (axis, feature) = match &o.kind {
            OpKind::Convolution(c) if c.batch_group_count == 1 => {
                (c.dims.kernel_output_feature as usize, c.dims.output_feature as usize)
            }
            OpKind::DotGeneral(d) if d.lhs_batching.is_empty() => {
                let mut free = (0..rank).filter(|&i| !d.rhs_contracting.contains(&(i as i64)));
                let axis = free.next().filter(|_| free.next().is_none())?;
                (axis, self.body().ty(result).tensor()?.rank().checked_sub(1)?)
            }
            _ => return None,
        };
        let channels = self.body().ty(result).tensor()?.dims.get(feature)?.size()? as usize;
        let biased = self.biased(result, feature, channels).unwrap_or(result);
        let result = self.limited(biased);
        Some(Layer { root: op, result, weights: Some((rhs, axis as u32)) })
    }

    /// The sum of a value and a constant per channel, if that is the value's only use.
    fn biased(&self, value: ValueId, dim: usize, channels: usize) -> Option<ValueId> {
        let user = self.facts.only_user(value)?;
        let o = &self.body().ops[user];
        let &[a, b] = o.operands.as_slice() else { return None };
        let other = if a == value { b } else { a };
        let adds = o.kind == ElementwiseOp::Add.into();
        (adds && self.facts.per_channel(other, dim, channels).is_some()).then_some(o.results[0])
    }

    /// The value after rectifiers and other limits.
    fn limited(&self, mut value: ValueId) -> ValueId {
        use ElementwiseOp::{Clamp, Maximum, Minimum};
        for _ in 0..MAX_LIMITS {
            let Some(user) = self.facts.only_user(value) else { break };
            let o = &self.body().ops[user];
            let others = o.operands.iter().filter(|&&v| v != value);
            let splats = others.clone().all(|&v| self.facts.splat_f32(v).is_some());
            let limits = matches!(o.kind, OpKind::Elementwise(Maximum | Minimum | Clamp));
            let middle = o.operands.len() != 3 || o.operands[1] == value;
            if !limits || !splats || !middle {
                break;
            }
            value = o.results[0];
        }
        value
    }

    /// A sum over windows or dimensions that is divided by a constant.
    fn mean(&self, op: OpId) -> Option<Layer> {
        let o = &self.body().ops[op];
        let adds = matches!(o.kind, OpKind::Reduce(_) | OpKind::ReduceWindow(_))
            && o.operands.len() == 2
            && region_op(self.body(), *o.regions.first()?) == Some(MicroOp::add);
        let mut value = self.body().result(op).filter(|&v| adds && self.is_f32(v))?;
        // A sum of many terms of a softmax, say, is no mean.
        while let Some(user) = self.facts.only_user(value) {
            let o = &self.body().ops[user];
            let other = o.operands.iter().find(|&&v| v != value);
            let constant = other.is_some_and(|&v| self.facts.splat_f32(v).is_some());
            match &o.kind {
                OpKind::Reshape(_) => value = o.results[0],
                OpKind::Elementwise(ElementwiseOp::Divide) if o.operands[0] == value => {
                    return constant.then(|| self.layer(op, o.results[0]));
                }
                OpKind::Elementwise(ElementwiseOp::Multiply) => {
                    return constant.then(|| self.layer(op, o.results[0]));
                }
                _ => return None,
            }
        }
        None
    }

    fn layer(&self, root: OpId, result: ValueId) -> Layer {
        Layer { root, result: self.limited(result), weights: None }
    }

    /// `add`, `subtract` or `multiply` of two quantised values.
    fn combined(&self, op: OpId) -> Option<Layer> {
        use ElementwiseOp::{Add, Multiply, Subtract};
        let o = &self.body().ops[op];
        let &[a, b] = o.operands.as_slice() else { return None };
        let kind = matches!(o.kind, OpKind::Elementwise(Add | Subtract | Multiply));
        let quantised = |v: ValueId| self.set.contains_key(&self.origin(v));
        let result = self.body().result(op).filter(|&v| self.is_f32(v))?;
        let fits = kind && quantised(a) && quantised(b);
        fits.then(|| Layer { root: op, result: self.limited(result), weights: None })
    }

    /// A concatenation of quantised values, whose parameters become one.
    fn joined(&mut self, op: OpId) {
        let o = &self.body().ops[op];
        if !matches!(o.kind, OpKind::Concatenate(_)) {
            return;
        }
        let parts: Vec<ValueId> = o.operands.iter().map(|&v| self.origin(v)).collect();
        if !parts.iter().all(|v| self.set.contains_key(v)) {
            return;
        }
        let result = o.results[0];
        let first = self.representative(parts[0]);
        for part in parts {
            let other = self.representative(part);
            self.set.insert(other, first);
        }
        let own = self.set.get(&result).map(|_| self.representative(result));
        if let Some(own) = own {
            self.set.insert(own, first);
        }
    }

    fn finish(self) -> Plan {
        let mut groups: HashMap<ValueId, Vec<ValueId>> = HashMap::new();
        for &value in self.set.keys() {
            groups.entry(self.representative(value)).or_default().push(value);
        }
        let mut values: Vec<Vec<ValueId>> = groups.into_values().collect();
        for group in &mut values {
            group.sort_by_key(|v| v.index());
        }
        values.sort_by_key(|g| g[0].index());
        Plan { layers: self.layers, values }
    }
}

/// Whether an operation takes maxima over windows.
fn is_max_pool(body: &Body, op: OpId) -> bool {
    let o = &body.ops[op];
    let region = o.regions.first().and_then(|&r| region_op(body, r));
    o.operands.len() == 2 && region == Some(MicroOp::maximum)
}

/// Parameters by value.
pub type Types = HashMap<ValueId, Arc<QuantType>>;

/// Puts a `uniform_quantize` and a `uniform_dequantize` behind every value that has parameters, and
/// makes constants that have some constants of a quantised type. Returns the value that stands for
/// each of them afterwards.
pub fn annotate(func: &mut Func, types: &Types) -> HashMap<ValueId, ValueId> {
    let entry = func.body.entry;
    let ops = std::mem::take(&mut func.body.blocks[entry].ops);
    let mut editor = Annotator { body: &mut func.body, out: Vec::new(), made: HashMap::new() };
    let span = ops.first().map_or_else(Span::default, |&op| editor.body.ops[op].span);
    for arg in editor.body.blocks[entry].args.clone() {
        editor.pair(arg, types, span);
    }
    for op in ops {
        editor.resolve(op);
        editor.out.push(op);
        let o = &editor.body.ops[op];
        let (results, span) = (o.results.clone(), o.span);
        for result in results {
            editor.pair(result, types, span);
        }
    }
    let Annotator { out, made, .. } = editor;
    func.body.blocks[entry].ops = out;
    made
}

struct Annotator<'b> {
    body: &'b mut Body,
    out: Vec<OpId>,
    made: HashMap<ValueId, ValueId>,
}

impl Annotator<'_> {
    /// Makes an operation and those nested in it use what stands for their operands.
    fn resolve(&mut self, op: OpId) {
        let regions = self.body.ops[op].regions.clone();
        let inner = regions.into_iter().flat_map(|r| self.body.walk(r)).collect::<Vec<_>>();
        for op in std::iter::once(op).chain(inner) {
            for operand in &mut self.body.ops[op].operands {
                *operand = self.made.get(operand).copied().unwrap_or(*operand);
            }
        }
    }

    fn emit(
        &mut self,
        kind: OpKind,
        operands: Vec<ValueId>,
        ty: TensorType,
        span: Span,
    ) -> ValueId {
        let op = self.body.make_op(kind, operands, vec![ty.into()], Vec::new(), span);
        self.out.push(op);
        self.body.ops[op].results[0]
    }

    /// What stands for a value from here on, if it has parameters.
    fn pair(&mut self, value: ValueId, types: &Types, span: Span) {
        let Some(q) = types.get(&value) else { return };
        let Some(ty) = self.body.ty(value).tensor().cloned() else { return };
        let elem = ElementType::Quant(Arc::clone(q));
        let quantised = TensorType { dims: ty.dims.clone(), elem };
        let stored = self.body.constant(value).and_then(|c| stored(c, quantised.clone(), q));
        let stored = match stored {
            Some(constant) => {
                let kind = crate::ops::constant::Constant { value: constant.into() };
                self.emit(kind.into(), Vec::new(), quantised, span)
            }
            None => self.emit(UniformQuantize.into(), vec![value], quantised, span),
        };
        let float = self.emit(UniformDequantize.into(), vec![stored], ty, span);
        self.made.insert(value, float);
    }
}

/// A float constant as the nearest one of a quantised type.
fn stored(constant: &Constant, ty: TensorType, q: &QuantType) -> Option<Constant> {
    let stored = values::stored(&ty, q, &constant.to_f32s()?);
    let bytes: Vec<u8> = stored.into_iter().map(|n| n as i8 as u8).collect();
    Some(Constant::dense(ty, bytes))
}
