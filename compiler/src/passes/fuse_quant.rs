//! Operations on floats between `uniform_dequantize` and `uniform_quantize` as quantised ones.
//!
//! Exporters write a quantised network as the float network with a quantise and dequantise pair
//! around each operation. What such a group means is one quantised operation:
//!
//! - a convolution or matrix product of dequantised operands, with its bias and rectifier;
//! - `add`, `subtract` and `multiply` of two dequantised values, broadcast ones as well;
//! - a matrix product of two values;
//! - the mean over windows;
//! - a concatenation of values of other scales than its result's;
//! - what only moves elements.
//!
//! **This pass changes results** as batch norm folding does: sums that were rounded to `f32` are
//! exact, and a bias is rounded to the unit of the sums, as it is in every integer program.

use std::sync::Arc;

use microhlo_format::{DType, MicroOp};

use super::rewrite::{Editor, Visit, rewrite};
use crate::eval::Element;
use crate::ir::{
    BlockId, Body, Constant, Dim, ElementType, EntityId, OpId, QuantType, TensorType, ValueId,
    full_range, index_along,
};
use crate::lower::facts::{Constants, Facts, region_op};
use crate::ops::bitcast_convert::BitcastConvert;
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::concatenate::Concatenate;
use crate::ops::func::Return;
use crate::ops::reshape::Reshape;
use crate::ops::uniform_dequantize::UniformDequantize;
use crate::ops::uniform_quantize::UniformQuantize;
use crate::ops::{ElementwiseOp, OpKind};

/// Most terms of a sum of 8-bit products that 32 bits hold.
const MAX_TERMS: u64 = 1 << 15;

/// Most operations of a group behind its first.
const MAX_LIMITS: usize = 4;

/// Rewrites groups of operations. Returns whether anything changed.
pub fn fuse_quant(body: &mut Body) -> bool {
    if !body.ops.values().any(|o| matches!(o.kind, OpKind::UniformDequantize(_))) {
        return false;
    }
    let uses = Uses::of(body);
    rewrite(body, |ed, op| {
        let new = match ed.body.ops[op].kind {
            OpKind::UniformQuantize(_) => Group { ed, uses: &uses, op }.requantised(),
            OpKind::Convolution(_) | OpKind::DotGeneral(_) if !uses.is_fused(ed.body, op) => {
                Group { ed, uses: &uses, op }.dequantised_sums()
            }
            OpKind::Reshape(_)
            | OpKind::Transpose(_)
            | OpKind::Slice(_)
            | OpKind::Concatenate(_) => moved(ed, op),
            OpKind::ReduceWindow(_) => max_pool(ed, op),
            _ => None,
        };
        match (new, ed.body.result(op)) {
            (Some(new), Some(old)) => {
                ed.replace(old, new);
                Visit::Drop
            }
            _ => Visit::Keep,
        }
    })
}

/// The only users of the values that a body had before the pass.
struct Uses(Vec<Option<OpId>>);

impl Uses {
    fn of(body: &Body) -> Uses {
        let facts = Facts::new(body);
        Uses(body.values.ids().map(|v| facts.only_user(v)).collect())
    }

    fn only(&self, value: ValueId) -> Option<OpId> {
        self.0.get(value.index()).copied().flatten()
    }

    /// Whether a contraction leads to a `uniform_quantize` that takes it along.
    fn is_fused(&self, body: &Body, op: OpId) -> bool {
        let mut value = body.result(op);
        for _ in 0..=MAX_LIMITS {
            let Some(user) = value.and_then(|v| self.only(v)) else { return false };
            match body.ops[user].kind {
                OpKind::UniformQuantize(_) => return true,
                OpKind::Elementwise(_) => value = body.result(user),
                _ => return false,
            }
        }
        false
    }
}

fn quant(body: &Body, value: ValueId) -> Option<Arc<QuantType>> {
    body.ty(value).tensor()?.elem.quant().cloned()
}

/// The quantised value behind a dequantised one.
fn source(body: &Body, value: ValueId) -> Option<ValueId> {
    let op = body.def_op(value)?;
    matches!(body.ops[op].kind, OpKind::UniformDequantize(_)).then(|| body.ops[op].operands[0])
}

/// The quantised value behind a dequantised one, and how it is broadcast, if it is.
fn spread_source(body: &Body, value: ValueId) -> Option<(ValueId, Option<BroadcastInDim>)> {
    if let Some(stored) = source(body, value) {
        return Some((stored, None));
    }
    let op = body.def_op(value)?;
    let OpKind::BroadcastInDim(dims) = &body.ops[op].kind else { return None };
    Some((source(body, *body.ops[op].operands.first()?)?, Some(dims.clone())))
}

fn with_quant(ty: &TensorType, quant: QuantType) -> TensorType {
    TensorType { dims: ty.dims.clone(), elem: ElementType::Quant(Arc::new(quant)) }
}

/// The type of 32-bit sums.
fn accumulator(scale: f64) -> QuantType {
    QuantType {
        storage: DType::I32,
        expressed: DType::F32,
        storage_range: full_range(DType::I32),
        axis: None,
        scales: vec![scale],
        zero_points: vec![0],
    }
}

/// `move(dequantize(x))` as `dequantize(move(x))`, so that what follows sees the quantised value.
fn moved(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let from: Vec<ValueId> =
        o.operands.iter().map(|&v| source(ed.body, v)).collect::<Option<_>>()?;
    let q = quant(ed.body, *from.first()?).filter(|q| q.axis.is_none())?;
    if !from.iter().all(|&v| quant(ed.body, v).as_ref() == Some(&q)) {
        return None;
    }
    let ty = ed.body.ty(o.results[0]).tensor()?.clone();
    let stored = ed.emit(o.kind, from, with_quant(&ty, (*q).clone()), o.span);
    Some(ed.emit(UniformDequantize, vec![stored], ty, o.span))
}

/// Maxima of dequantised values over windows, which are those of stored ones.
fn max_pool(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let (&[operand, init], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    let from = source(ed.body, operand)?;
    let q = quant(ed.body, from).filter(|q| q.axis.is_none())?;
    let least = (q.storage_range.0 - q.zero_points[0]) as f64 * q.scales[0];
    let start = Constants { body: ed.body }.splat_f32(init)?;
    let takes_max = region_op(ed.body, *o.regions.first()?) == Some(MicroOp::maximum);
    if !takes_max || f64::from(start) > least {
        return None;
    }
    let ty = ed.body.ty(result).tensor()?.clone();
    let scalar = with_quant(&TensorType::scalar(q.storage), (*q).clone());
    let mut bytes = vec![0; q.storage.size()];
    Element::small(q.storage, q.storage_range.0).encode(q.storage, &mut bytes);
    let start = ed.constant(Constant::splat(scalar.clone(), &bytes), o.span);
    let region = binary_region(ed.body, ElementwiseOp::Maximum, &scalar, op);
    let types = vec![with_quant(&ty, (*q).clone()).into()];
    let stored = ed.emit_op(o.kind, vec![from, start], types, vec![region], o.span);
    Some(ed.emit(UniformDequantize, vec![*stored.first()?], ty, o.span))
}

/// The region of a reduction by an operation on two scalars, in place of that of `op`.
fn binary_region(body: &mut Body, kind: ElementwiseOp, scalar: &TensorType, op: OpId) -> BlockId {
    let span = body.ops[op].span;
    let block = body.add_block();
    let args = [(); 2].map(|()| body.add_arg(block, scalar.clone().into())).to_vec();
    let op = body.append(block, kind.into(), args, vec![scalar.clone().into()], span);
    let result = body.ops[op].results.clone();
    body.append(block, Return.into(), result, Vec::new(), span);
    block
}

/// A limit on floats.
enum Limit {
    Least(f32),
    Most(f32),
}

/// A group of operations that ends with `op`.
struct Group<'e, 'b> {
    ed: &'e mut Editor<'b>,
    uses: &'e Uses,
    op: OpId,
}

/// Exact sums of a contraction of quantised operands.
struct Sums {
    value: ValueId,
    ty: TensorType,
    /// Dimension of the output features, and their number.
    feature: (usize, usize),
    scales: Vec<f64>,
}

impl Group<'_, '_> {
    fn emit(&mut self, kind: impl Into<OpKind>, operands: Vec<ValueId>, ty: TensorType) -> ValueId {
        let span = self.ed.body.ops[self.op].span;
        self.ed.emit(kind, operands, ty, span)
    }

    fn def(&self, value: ValueId) -> Option<(OpId, OpKind)> {
        let op = self.ed.body.def_op(value)?;
        Some((op, self.ed.body.ops[op].kind.clone()))
    }

    /// The group that a `uniform_quantize` ends, as operations on stored integers.
    fn requantised(&mut self) -> Option<ValueId> {
        let o = &self.ed.body.ops[self.op];
        let (&[operand], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
            return None;
        };
        let ty = self.ed.body.ty(result).tensor()?.clone();
        let q = ty.elem.quant().filter(|q| q.axis.is_none() && q.expressed == DType::F32)?.clone();
        self.uses.only(operand).or_else(|| source(self.ed.body, operand).map(|_| self.op))?;
        let (value, limits) = self.limits(operand)?;
        let new = match self.def(value)? {
            (op, OpKind::UniformDequantize(_)) => {
                let from = self.ed.body.ops[op].operands[0];
                self.emit(UniformQuantize, vec![from], ty.clone())
            }
            (op, OpKind::Elementwise(e)) => match self.combined(op, e, &ty) {
                Some(new) => new,
                None if e == ElementwiseOp::Add => self.biased_sums(op, &ty)?,
                None => self.mean(op, e, &ty)?,
            },
            (op, OpKind::Convolution(_) | OpKind::DotGeneral(_)) => {
                let sums = self.sums(op).map(|sums| sums.value);
                let sums = sums.or_else(|| self.products(op))?;
                self.emit(UniformQuantize, vec![sums], ty.clone())
            }
            (op, OpKind::Concatenate(c)) => self.joined(op, c, &ty)?,
            _ => return None,
        };
        self.limited(new, &ty, &q, limits)
    }

    /// A concatenation of dequantised values, each requantised before.
    fn joined(&mut self, op: OpId, kind: Concatenate, ty: &TensorType) -> Option<ValueId> {
        let body = &*self.ed.body;
        let q = ty.elem.quant()?.clone();
        let part = |&v: &ValueId| {
            let from = source(body, v)?;
            quant(body, from).filter(|q| q.axis.is_none())?;
            let dims = body.ty(from).tensor()?.dims.clone();
            Some((from, TensorType { dims, elem: ElementType::Quant(Arc::clone(&q)) }))
        };
        let parts: Vec<_> = body.ops[op].operands.iter().map(part).collect::<Option<_>>()?;
        let parts =
            parts.into_iter().map(|(v, ty)| self.emit(UniformQuantize, vec![v], ty)).collect();
        Some(self.emit(kind, parts, ty.clone()))
    }

    /// Looks through rectifiers and other limits, which are returned first one last.
    fn limits(&self, mut value: ValueId) -> Option<(ValueId, Vec<Limit>)> {
        use ElementwiseOp::{Clamp, Maximum, Minimum};
        let body = &*self.ed.body;
        let facts = Constants { body };
        let number = |v: ValueId| facts.splat_f32(v).filter(|n| !n.is_nan());
        let mut limits = Vec::new();
        for _ in 0..MAX_LIMITS {
            let Some((op, OpKind::Elementwise(e))) = self.def(value) else { break };
            let operands = body.ops[op].operands.as_slice();
            let next = match (e, operands) {
                (Maximum | Minimum, &[a, b]) => {
                    let (x, n) = match (number(a), number(b)) {
                        (_, Some(n)) => (a, n),
                        (Some(n), _) => (b, n),
                        _ => break,
                    };
                    limits.push(if e == Maximum { Limit::Least(n) } else { Limit::Most(n) });
                    x
                }
                (Clamp, &[low, x, high]) => {
                    let (Some(low), Some(high)) = (number(low), number(high)) else { break };
                    limits.extend([Limit::Most(high), Limit::Least(low)]);
                    x
                }
                _ => break,
            };
            self.uses.only(next).or_else(|| source(body, next).map(|_| op))?;
            value = next;
        }
        Some((value, limits))
    }

    /// Limits on stored integers: quantisation keeps the order of values.
    fn limited(
        &mut self,
        mut value: ValueId,
        ty: &TensorType,
        q: &QuantType,
        limits: Vec<Limit>,
    ) -> Option<ValueId> {
        let (least, most) = q.storage_range;
        let stored = |n: f32| {
            let steps = (f64::from(n) / q.scales[0]).round_ties_even() + q.zero_points[0] as f64;
            steps.clamp(least as f64, most as f64) as i64
        };
        for limit in limits.into_iter().rev() {
            let (op, n, idle) = match limit {
                Limit::Least(n) => (ElementwiseOp::Maximum, stored(n), least),
                Limit::Most(n) => (ElementwiseOp::Minimum, stored(n), most),
            };
            if n != idle {
                let mut bytes = vec![0; q.storage.size()];
                Element::small(q.storage, n).encode(q.storage, &mut bytes);
                let span = self.ed.body.ops[self.op].span;
                let bound = self.ed.constant(Constant::splat(ty.clone(), &bytes), span);
                value = self.emit(op, vec![value, bound], ty.clone());
            }
        }
        Some(value)
    }

    /// `add`, `subtract` or `multiply` of two dequantised values.
    fn combined(&mut self, op: OpId, kind: ElementwiseOp, ty: &TensorType) -> Option<ValueId> {
        use ElementwiseOp::{Add, Multiply, Subtract};
        let body = &*self.ed.body;
        let &[a, b] = body.ops[op].operands.as_slice() else { return None };
        let sources = [spread_source(body, a)?, spread_source(body, b)?];
        let narrow = |&(v, _): &(ValueId, _)| {
            quant(body, v).is_some_and(|q| q.axis.is_none() && q.storage.bits() <= 16)
        };
        if !matches!(kind, Add | Subtract | Multiply) || !sources.iter().all(narrow) {
            return None;
        }
        let sources = sources.map(|(value, spread)| {
            let Some((dims, q)) = spread.zip(quant(self.ed.body, value)) else { return value };
            self.emit(dims, vec![value], with_quant(ty, (*q).clone()))
        });
        Some(self.emit(kind, sources.to_vec(), ty.clone()))
    }

    /// A contraction with a constant bias.
    fn biased_sums(&mut self, op: OpId, ty: &TensorType) -> Option<ValueId> {
        let &[a, b] = self.ed.body.ops[op].operands.as_slice() else { return None };
        let is_sum = |v: ValueId| {
            let def = self.def(v);
            matches!(def, Some((_, OpKind::Convolution(_) | OpKind::DotGeneral(_))))
        };
        let (sums, bias) = if is_sum(a) { (a, b) } else { (b, a) };
        if !is_sum(sums) {
            return None;
        }
        let root = self.uses.only(sums).and_then(|_| self.ed.body.def_op(sums))?;
        let (feature, channels) = self.feature(root)?;
        let bias = Constants { body: self.ed.body }.per_channel(bias, feature, channels)?;
        let sums = self.sums(root)?;
        let steps: Vec<f64> = bias
            .iter()
            .enumerate()
            .map(|(i, &b)| (f64::from(b) / sums.scales[i % sums.scales.len()]).round_ties_even())
            .collect();
        if !steps.iter().all(|s| s.abs() < f64::from(i32::MAX)) {
            return None;
        }
        let bytes: Vec<u8> = steps.iter().flat_map(|&s| (s as i32).to_le_bytes()).collect();
        let q = sums.ty.elem.quant()?;
        let vector =
            TensorType { dims: vec![Dim::Static(channels as u64)], elem: sums.ty.elem.clone() };
        let vector = with_quant(&vector, QuantType { axis: q.axis.map(|_| 0), ..(**q).clone() });
        let span = self.ed.body.ops[self.op].span;
        let bias = self.ed.constant(Constant::dense(vector, bytes), span);
        let dims = vec![sums.feature.0 as i64];
        let bias = self.emit(BroadcastInDim { dims }, vec![bias], sums.ty.clone());
        let biased = self.emit(ElementwiseOp::Add, vec![sums.value, bias], sums.ty.clone());
        Some(self.emit(UniformQuantize, vec![biased], ty.clone()))
    }

    /// A sum over windows or dimensions, times or divided by a constant: the stored integers' sum
    /// in 32 bits, with a scale that is that much smaller.
    fn mean(&mut self, op: OpId, kind: ElementwiseOp, ty: &TensorType) -> Option<ValueId> {
        use ElementwiseOp::{Divide, Multiply};
        let body = &*self.ed.body;
        let &[a, b] = body.ops[op].operands.as_slice() else { return None };
        let number = |v: ValueId| Constants { body }.splat_f32(v).map(f64::from);
        let (sum, factor) = match (kind, number(a), number(b)) {
            (Divide, _, Some(n)) => (a, n.recip()),
            (Multiply, _, Some(n)) => (a, n),
            (Multiply, Some(n), _) => (b, n),
            _ => return None,
        };
        if !(factor.is_normal() && factor > 0.0) {
            return None;
        }
        let mut reshapes = Vec::new();
        let mut sum = self.uses.only(sum).map(|_| sum)?;
        while let (op, OpKind::Reshape(_)) = self.def(sum)? {
            reshapes.push(body.ty(sum).tensor()?.clone());
            sum = body.ops[op].operands[0];
            self.uses.only(sum)?;
        }
        let (sum, scale) = self.integer_sum(body.def_op(sum)?)?;
        let scaled = with_quant(self.ed.body.ty(sum).tensor()?, accumulator(scale * factor));
        let of_sum = TensorType { dims: scaled.dims.clone(), elem: ty.elem.clone() };
        let scaled = self.emit(BitcastConvert, vec![sum], scaled);
        let mut value = self.emit(UniformQuantize, vec![scaled], of_sum);
        for shape in reshapes.iter().rev() {
            let ty = TensorType { dims: shape.dims.clone(), elem: ty.elem.clone() };
            value = self.emit(Reshape, vec![value], ty);
        }
        Some(value)
    }

    /// A reduction that adds dequantised 8-bit values to zero, as one of integers, and its scale.
    fn integer_sum(&mut self, root: OpId) -> Option<(ValueId, f64)> {
        let o = self.ed.body.ops[root].clone();
        let (&[operand, init], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
            return None;
        };
        let from = source(self.ed.body, operand)?;
        let q = quant(self.ed.body, from)?;
        let adds = matches!(o.kind, OpKind::Reduce(_) | OpKind::ReduceWindow(_))
            && region_op(self.ed.body, *o.regions.first()?) == Some(MicroOp::add);
        let zero = Constants { body: self.ed.body }.splat_f32(init) == Some(0.0);
        let terms = self.ed.body.ty(from).tensor()?.elements()?;
        let narrow = q.axis.is_none() && q.storage.bits() <= 16 && q.expressed == DType::F32;
        if !adds || !zero || !narrow || terms >= 1 << (30 - q.storage.bits()) {
            return None;
        }
        let acc = accumulator(q.scales[0]);
        let wide = with_quant(self.ed.body.ty(from).tensor()?, acc.clone());
        let ty = with_quant(self.ed.body.ty(result).tensor()?, acc.clone());
        let scalar = with_quant(&TensorType::scalar(DType::I32), acc);
        let wide = self.emit(UniformQuantize, vec![from], wide);
        let start = self.ed.constant(Constant::splat(scalar.clone(), &[0; 4]), o.span);
        let block = binary_region(self.ed.body, ElementwiseOp::Add, &scalar, root);
        let sum = self.ed.emit_op(o.kind, vec![wide, start], vec![ty.into()], vec![block], o.span);
        Some((*sum.first()?, q.scales[0]))
    }

    /// A contraction whose result is used as floats.
    fn dequantised_sums(&mut self) -> Option<ValueId> {
        let ty = self.ed.body.ty(self.ed.body.result(self.op)?).tensor()?.clone();
        let sums = self.sums(self.op).map(|sums| sums.value);
        let sums = sums.or_else(|| self.products(self.op))?;
        Some(self.emit(UniformDequantize, vec![sums], ty))
    }

    /// The matrix product of two quantised values, exact in 32 bits: one of their distances from the zero
    /// points, as a quantised right-hand side has none.
    fn products(&mut self, root: OpId) -> Option<ValueId> {
        let o = self.ed.body.ops[root].clone();
        let OpKind::DotGeneral(dot) = &o.kind else { return None };
        let (lhs, rhs) =
            (source(self.ed.body, o.operands[0])?, source(self.ed.body, o.operands[1])?);
        let (l, r) = (quant(self.ed.body, lhs)?, quant(self.ed.body, rhs)?);
        let dims = &self.ed.body.ty(rhs).tensor()?.dims;
        let terms = dot.rhs_contracting.iter().map(|&d| dims.get(d as usize)?.size());
        let fits =
            |q: &QuantType| q.axis.is_none() && q.storage == DType::I8 && q.expressed == DType::F32;
        // A distance is at most 255.
        if !fits(&l) || !fits(&r) || terms.product::<Option<u64>>()? > MAX_TERMS {
            return None;
        }
        let distance = |group: &mut Self, value: ValueId, q: &QuantType| -> Option<ValueId> {
            let wide = with_quant(group.ed.body.ty(value).tensor()?, accumulator(q.scales[0]));
            Some(group.emit(UniformQuantize, vec![value], wide))
        };
        let operands = vec![distance(self, lhs, &l)?, distance(self, rhs, &r)?];
        let sums = accumulator(l.scales[0] * r.scales[0]);
        let ty = with_quant(self.ed.body.ty(o.results[0]).tensor()?, sums);
        Some(self.emit(o.kind, operands, ty))
    }

    /// The dimension of a contraction's output features, and their number.
    fn feature(&self, root: OpId) -> Option<(usize, usize)> {
        let body = &*self.ed.body;
        let o = &body.ops[root];
        let ty = body.ty(*o.results.first()?).tensor()?;
        let weights = body.ty(*o.operands.get(1)?).tensor()?;
        let dim = match &o.kind {
            OpKind::Convolution(c) => usize::try_from(c.dims.output_feature).ok()?,
            OpKind::DotGeneral(d) => {
                let matrix =
                    d.lhs_batching.is_empty() && d.rhs_contracting.len() + 1 == weights.rank();
                matrix.then(|| ty.rank().checked_sub(1))??
            }
            _ => return None,
        };
        Some((dim, ty.dims.get(dim)?.size()? as usize))
    }

    /// Whether per-axis parameters of the weights are those of output features.
    fn is_feature_axis(&self, root: OpId, axis: u32) -> bool {
        match &self.ed.body.ops[root].kind {
            OpKind::Convolution(c) => i64::from(axis) == c.dims.kernel_output_feature,
            OpKind::DotGeneral(d) => !d.rhs_contracting.contains(&i64::from(axis)),
            _ => false,
        }
    }

    /// The largest sum of magnitudes of 16-bit weights that go into one output feature; inputs
    /// multiply it to what 32 bits hold if it has 16.
    fn largest_sum(&self, weights: ValueId) -> Option<u64> {
        let constant = self.ed.body.constant(weights)?;
        let (bytes, dims) = (constant.to_bytes(), constant.ty.static_dims()?);
        let axis = constant.ty.elem.quant()?.axis? as usize;
        let channel = index_along(&dims, axis);
        let mut sums = vec![0u64; *dims.get(axis)? as usize];
        for (i, pair) in bytes.chunks_exact(2).enumerate() {
            let n = i16::from_le_bytes([pair[0], pair[1]]);
            *sums.get_mut(channel(i))? += u64::from(n.unsigned_abs());
        }
        sums.into_iter().max()
    }

    /// The contraction of the quantised operands, exact in 32 bits.
    fn sums(&mut self, root: OpId) -> Option<Sums> {
        let o = self.ed.body.ops[root].clone();
        let (lhs, rhs) =
            (source(self.ed.body, o.operands[0])?, source(self.ed.body, o.operands[1])?);
        let (l, r) = (quant(self.ed.body, lhs)?, quant(self.ed.body, rhs)?);
        self.ed.body.constant(rhs)?;
        let feature = self.feature(root)?;
        let weights = self.ed.body.ty(rhs).tensor()?.elements()?;
        let terms = weights / (feature.1 as u64).max(1);
        let plain = l.axis.is_none()
            && r.axis.is_none_or(|a| self.is_feature_axis(root, a))
            && r.zero_points.iter().all(|&z| z == 0)
            && [&l, &r].iter().all(|q| q.expressed == DType::F32)
            && l.storage == r.storage;
        let fits = match l.storage {
            DType::I8 => terms <= MAX_TERMS,
            DType::I16 => self.largest_sum(rhs).is_some_and(|sum| sum < 1 << 16),
            _ => false,
        };
        if !plain || !fits {
            return None;
        }
        let scales: Vec<f64> = r.scales.iter().map(|s| l.scales[0] * s).collect();
        let q = QuantType {
            axis: r.axis.map(|_| feature.0 as u32),
            zero_points: vec![0; scales.len()],
            scales: scales.clone(),
            ..accumulator(1.0)
        };
        let ty = with_quant(self.ed.body.ty(o.results[0]).tensor()?, q);
        let value = self.emit(o.kind, vec![lhs, rhs], ty.clone());
        Some(Sums { value, ty, feature, scales })
    }
}
