//! Contractions of quantised values as sums of products of integers.
//!
//! The sum of `(l - zl) * (r - zr)` is exact in 32 bits (or 64) as long as the number of terms is
//! small enough, which static shapes tell; it stands for the sum times both scales. Where the
//! result type has just that scale, as accumulators do, it is the result. Else the sum is
//! converted to float, scaled, and quantised. The specification's float emulation rounds every
//! product and every partial sum instead, so its results can differ from these by one step.
//!
//! With `zr = 0`, which `dot_general` demands, the contraction is one of the stored integers:
//! `sum(l * r) - zl * sum(r)`, where padding counts as `zl`. The second sum is per output feature
//! and known if the right-hand side is constant.

use microhlo_format::DType;

use super::super::rewrite::{Editor, Visit};
use super::fixed_point::{Term, is_precise, magnitude};
use super::range;
use super::values::{Legalizer, scaling_type};
use crate::eval::{Element, Tensor, for_each_index};
use crate::ir::{Body, OpId, QuantType, TensorType, ValueId};
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::convolution::Convolution;
use crate::ops::dot_general::DotGeneral;
use crate::ops::func::Return;
use crate::ops::pad::Pad;
use crate::ops::reduce::Reduce;
use crate::ops::{ElementwiseOp, OpKind};

/// Largest relative difference of two scales that rounding to `f32` explains.
const SAME_SCALE: f64 = 1.0 / (1u64 << 22) as f64;

/// A contraction of two quantised operands into a quantised result.
struct Contraction {
    kind: OpKind,
    lhs: ValueId,
    rhs: ValueId,
    left: QuantType,
    right: QuantType,
    result: TensorType,
    quant: QuantType,
    /// Dimensions of the right-hand side that are summed over.
    summed: Vec<usize>,
    /// The result dimension of each dimension of the right-hand side that is not.
    kept: Vec<i64>,
    /// Type of the sums.
    sums: DType,
}

pub(super) fn contraction(ed: &mut Editor<'_>, op: OpId) -> Option<Visit> {
    let contraction = Contraction::of(ed.body, op)?;
    let (span, old) = (ed.body.ops[op].span, ed.body.result(op)?);
    let mut lg = Legalizer { ed, span };
    let sum = contraction.sum(&mut lg);
    let new = contraction.rescaled(&mut lg, sum);
    lg.ed.replace(old, new);
    Some(Visit::Drop)
}

impl Contraction {
    /// `None` where integers do not serve: a float operand, wide storage, too many terms.
    fn of(body: &Body, op: OpId) -> Option<Contraction> {
        let o = &body.ops[op];
        let &[lhs, rhs] = o.operands.as_slice() else { return None };
        let (l, r) = (body.ty(lhs).tensor()?, body.ty(rhs).tensor()?);
        let result = body.ty(body.result(op)?).tensor()?.clone();
        let (left, right) = (l.elem.quant()?, r.elem.quant()?);
        let quant = result.elem.quant()?.as_ref().clone();
        let (kind, summed, kept) = roles(&o.kind, l, r, &result)?;
        let terms = summed.iter().map(|&d| r.dims[d].size()).product::<Option<u64>>()?;
        // Integers of 32 bits may be differences of narrow ones.
        let most = |q: &QuantType, value: ValueId| {
            let wide = q.storage.bits() > 16 && q.zero_points.iter().all(|&z| z == 0);
            if wide { range::largest(body, value) } else { magnitude(q) }
        };
        let (most_left, most_right) = (most(left, lhs), most(right, rhs));
        let narrow = most_left < 1 << 16 && most_right < 1 << 16;
        result.static_dims()?;
        let scaled = right.axis.is_none_or(|a| !summed.contains(&(a as usize)));
        if !narrow || !scaled || left.axis.is_some() {
            return None;
        }
        // What is known of constant weights is less than what their type allows.
        let others: Vec<usize> = (0..r.rank()).filter(|d| !summed.contains(d)).collect();
        let known = match r.static_dims() {
            Some(_) if right.zero_points.iter().all(|&z| z == 0) => {
                range::weights(body, rhs, &others).unwrap_or(u64::MAX)
            }
            _ => u64::MAX,
        };
        let right_sum = most_right.checked_mul(terms)?.min(known);
        let largest = most_left.checked_mul(right_sum).filter(|&n| n <= i64::MAX as u64)?;
        let sums = if largest <= i32::MAX as u64 { DType::I32 } else { DType::I64 };
        let (left, right) = (left.as_ref().clone(), right.as_ref().clone());
        Some(Contraction { kind, lhs, rhs, left, right, result, quant, summed, kept, sums })
    }

    fn int(&self, ty: &TensorType) -> TensorType {
        ty.with_dtype(self.sums)
    }

    /// The sum of products of differences from the zero points.
    fn sum(&self, lg: &mut Legalizer<'_, '_>) -> ValueId {
        let ty = self.int(&self.result);
        let zero = self.left.zero_points[0];
        // The sums of weights that are computed would have to be, too.
        let computed = zero != 0 && lg.ed.body.constant(self.rhs).is_none();
        if computed || self.right.zero_points.iter().any(|&z| z != 0) {
            let lhs = lg.cast(self.lhs, self.sums);
            let lhs = lg.shift(lhs, &self.left, ElementwiseOp::Subtract);
            let rhs = lg.cast(self.rhs, self.sums);
            let rhs = lg.shift(rhs, &self.right, ElementwiseOp::Subtract);
            return lg.emit(self.kind.clone(), vec![lhs, rhs], ty);
        }
        if zero == 0 {
            return lg.emit(self.kind.clone(), vec![self.lhs, self.rhs], ty);
        }
        let (kind, lhs) = self.padded(lg, zero);
        let sum = lg.emit(kind, vec![lhs, self.rhs], ty.clone());
        let weights = self.weight_sums(lg, zero);
        let dims = BroadcastInDim { dims: self.kept.clone() };
        let weights = lg.emit(dims, vec![weights], ty);
        lg.apply(ElementwiseOp::Subtract, vec![sum, weights])
    }

    /// The left-hand side with its padding made explicit, as values that stand for zero.
    fn padded(&self, lg: &mut Legalizer<'_, '_>, zero: i64) -> (OpKind, ValueId) {
        let OpKind::Convolution(c) = &self.kind else { return (self.kind.clone(), self.lhs) };
        let dilated = c.lhs_dilation.iter().any(|&d| d != 1);
        if !dilated && c.padding.iter().all(|&p| p == (0, 0)) {
            return (self.kind.clone(), self.lhs);
        }
        let ty = lg.tensor(self.lhs);
        let Some(mut dims) = ty.static_dims() else { return (self.kind.clone(), self.lhs) };
        let none = vec![0; dims.len()];
        let mut pad = Pad { low: none.clone(), high: none.clone(), interior: none };
        for (s, &d) in c.dims.input_spatial.iter().enumerate() {
            let d = d as usize;
            (pad.low[d], pad.high[d]) = c.padding[s];
            pad.interior[d] = c.lhs_dilation[s] - 1;
            let n = dims[d] as i64;
            let size = n + (n - 1).max(0) * pad.interior[d] + pad.low[d] + pad.high[d];
            dims[d] = size.max(0) as u64;
        }
        let plain = Convolution {
            padding: vec![(0, 0); c.padding.len()],
            lhs_dilation: vec![1; c.lhs_dilation.len()],
            ..c.clone()
        };
        let value = lg.scalar(self.left.storage, Element::Int(zero.into()));
        let lhs = lg.emit(pad, vec![self.lhs, value], ty.with_dims(&dims));
        (plain.into(), lhs)
    }

    /// The zero point times the sum of the right-hand side's elements over the summed dimensions.
    fn weight_sums(&self, lg: &mut Legalizer<'_, '_>, zero: i64) -> ValueId {
        let rhs = lg.tensor(self.rhs);
        let dims = rhs.dims.iter().enumerate();
        let dims = dims.filter(|(d, _)| !self.summed.contains(d)).map(|(_, &n)| n).collect();
        let ty = self.int(&TensorType { dims, elem: rhs.elem.clone() });
        if let Some(sums) = self.constant_sums(lg.ed.body, &ty, zero) {
            return lg.ed.constant(sums.to_constant(), lg.span);
        }
        let wide = lg.cast(self.rhs, self.sums);
        let start = lg.scalar(self.sums, Element::Int(0));
        let block = lg.ed.body.add_block();
        let scalar = TensorType::scalar(self.sums);
        let args = [(); 2].map(|()| lg.ed.body.add_arg(block, scalar.clone().into()));
        let types = vec![scalar.clone().into()];
        let add =
            lg.ed.body.append(block, ElementwiseOp::Add.into(), args.to_vec(), types, lg.span);
        let sum = lg.ed.body.ops[add].results.clone();
        lg.ed.body.append(block, Return.into(), sum, Vec::new(), lg.span);
        let dims = self.summed.iter().map(|&d| d as i64).collect();
        let (reduce, types) = (Reduce { dims }, vec![ty.clone().into()]);
        let sums = lg.ed.emit_op(reduce.into(), vec![wide, start], types, vec![block], lg.span)[0];
        let factor = lg.spread(sums, self.sums, None, &[Element::Int(zero.into())]);
        lg.apply(ElementwiseOp::Multiply, vec![sums, factor])
    }

    fn constant_sums(&self, body: &Body, ty: &TensorType, zero: i64) -> Option<Tensor> {
        let rhs = Tensor::from_constant(body.constant(self.rhs)?).ok()?;
        let kept: Vec<usize> = (0..rhs.dims().len()).filter(|d| !self.summed.contains(d)).collect();
        let dims: Vec<usize> = kept.iter().map(|&d| rhs.dims()[d]).collect();
        let mut sums = vec![0i128; dims.iter().product()];
        let mut elements = rhs.elements();
        let added = for_each_index(rhs.dims(), |index| {
            let at: Vec<usize> = kept.iter().map(|&d| index[d]).collect();
            let value = elements.next().and_then(Element::as_int).ok_or(())?;
            let slot = sums.get_mut(crate::eval::linear(&dims, &at)).ok_or(())?;
            *slot += value * i128::from(zero);
            Ok::<(), ()>(())
        });
        added.ok()?;
        Tensor::from_elements(ty, sums.into_iter().map(Element::Int)).ok()
    }

    /// The sums as values of the result type.
    fn rescaled(&self, lg: &mut Legalizer<'_, '_>, sum: ValueId) -> ValueId {
        let dtype = scaling_type(self.quant.expressed);
        let left = self.left.scales[0];
        let products: Vec<f64> = self.right.scales.iter().map(|s| left * s).collect();
        if self.is_accumulator(&products) {
            return lg.saturated(sum, &self.result);
        }
        let axis = self.right.axis.and_then(|axis| {
            let before = self.summed.iter().filter(|&&d| d < axis as usize).count();
            u32::try_from(*self.kept.get(axis as usize - before)?).ok()
        });
        if let Some(new) = self.fixed_point(lg, sum, axis, &products) {
            return new;
        }
        let float = lg.cast(sum, dtype);
        let value = lg.scale(float, axis, &products, ElementwiseOp::Multiply);
        lg.quantized(value, &self.result)
    }

    /// The sums times ratios of scales, in integers.
    fn fixed_point(
        &self,
        lg: &mut Legalizer<'_, '_>,
        value: ValueId,
        axis: Option<u32>,
        sums: &[f64],
    ) -> Option<ValueId> {
        if !is_precise(self.quant.expressed) || self.sums != DType::I32 {
            return None;
        }
        let to = &self.quant.scales;
        let n = sums.len().max(to.len());
        let ratio = |i: usize| sums[i % sums.len()] / to[i % to.len()];
        let ratios = (0..n).map(ratio).collect();
        let largest = range::largest(lg.ed.body, value).min(i32::MAX as u64);
        let axis = axis.or(self.quant.axis);
        lg.requantised(&[Term { value, largest, ratios, axis }], &self.result)
    }

    /// Whether the result type has the scales of the sums and no zero point.
    fn is_accumulator(&self, scales: &[f64]) -> bool {
        let one = |i: usize| scales[i % scales.len()];
        self.quant.zero_points.iter().all(|&z| z == 0)
            && (scales.len() == 1 || scales.len() == self.quant.scales.len())
            && self.quant.scales.iter().enumerate().all(|(i, s)| {
                let ratio = s / one(i);
                (ratio - 1.0).abs() <= SAME_SCALE
            })
    }
}

/// The operation as one on plain types, the dimensions of the right-hand side that it sums over,
/// and the result dimensions of the others.
fn roles(
    kind: &OpKind,
    lhs: &TensorType,
    rhs: &TensorType,
    result: &TensorType,
) -> Option<(OpKind, Vec<usize>, Vec<i64>)> {
    match kind {
        OpKind::Convolution(c) => {
            let kept = c.dims.kernel_output_feature as usize;
            let summed = (0..rhs.rank()).filter(|&d| d != kept).collect();
            Some((kind.clone(), summed, vec![c.dims.output_feature]))
        }
        OpKind::DotGeneral(d) => dot_roles(d, rhs, result),
        OpKind::Dot(d) => {
            let general = d.general(lhs.rank(), rhs.rank()).ok()?;
            dot_roles(&general, rhs, result)
        }
        _ => None,
    }
}

fn dot_roles(
    d: &DotGeneral,
    rhs: &TensorType,
    result: &TensorType,
) -> Option<(OpKind, Vec<usize>, Vec<i64>)> {
    let has = |list: &[i64], d: usize| list.contains(&(d as i64));
    let summed: Vec<usize> = (0..rhs.rank()).filter(|&i| has(&d.rhs_contracting, i)).collect();
    let batches = d.rhs_batching.len();
    let free = rhs.rank().checked_sub(batches + summed.len())?;
    // The right-hand side's free dimensions come last in the result.
    let mut next = result.rank().checked_sub(free)? as i64;
    let mut kept = Vec::new();
    for i in (0..rhs.rank()).filter(|i| !summed.contains(i)) {
        match d.rhs_batching.iter().position(|&b| b == i as i64) {
            Some(batch) => kept.push(batch as i64),
            None => {
                kept.push(next);
                next += 1;
            }
        }
    }
    Some((d.clone().into(), summed, kept))
}
