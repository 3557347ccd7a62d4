//! How large integers of a program can be: types, and sums of products with known weights, tell.

use microhlo_format::DType;

use crate::eval::{Element, Tensor, for_each_index};
use crate::ir::{Body, OpId, ValueId};
use crate::ops::{ElementwiseOp, OpKind};

/// Operations that a value is followed through.
const MAX_DEPTH: usize = 16;

/// A bound on the magnitude of a value's stored integers; `u64::MAX` if it is not of integers.
pub(crate) fn largest(body: &Body, value: ValueId) -> u64 {
    followed(body, value, MAX_DEPTH)
}

fn followed(body: &Body, value: ValueId, depth: usize) -> u64 {
    let Some(ty) = body.ty(value).tensor() else { return u64::MAX };
    let any = of_type(ty.elem.storage());
    let known = depth.checked_sub(1).and_then(|depth| defined(body, body.def_op(value)?, depth));
    known.unwrap_or(u64::MAX).min(any)
}

fn of_type(dtype: DType) -> u64 {
    match dtype.bits() {
        _ if !dtype.is_integer() => u64::MAX,
        bits if dtype.is_signed_integer() => 1 << (bits - 1),
        bits => u64::MAX >> (64 - bits),
    }
}

fn defined(body: &Body, op: OpId, depth: usize) -> Option<u64> {
    let o = &body.ops[op];
    let operand = |i: usize| Some(followed(body, *o.operands.get(i)?, depth));
    match &o.kind {
        OpKind::Constant(_) => {
            let tensor = Tensor::from_constant(body.constant(*o.results.first()?)?).ok()?;
            tensor.elements().map(magnitude).try_fold(0, |most, n| Some(most.max(n?)))
        }
        OpKind::BroadcastInDim(_) | OpKind::Reshape(_) | OpKind::Transpose(_) => operand(0),
        OpKind::Elementwise(ElementwiseOp::Convert) => operand(0),
        OpKind::Elementwise(ElementwiseOp::Add | ElementwiseOp::Subtract) => {
            operand(0)?.checked_add(operand(1)?)
        }
        OpKind::Elementwise(ElementwiseOp::Multiply) => operand(0)?.checked_mul(operand(1)?),
        OpKind::Elementwise(ElementwiseOp::ShiftRightArithmetic) => {
            // Towards negative infinity, so of -1 nothing is left but -1.
            let least = constant(body, o.operands.get(1).copied()?)?.min()?;
            Some(operand(0)?.checked_shr(u32::try_from(least).ok()?)?.checked_add(1)?)
        }
        OpKind::Convolution(c) => {
            let feature = usize::try_from(c.dims.kernel_output_feature).ok()?;
            weights(body, o.operands.get(1).copied()?, &[feature])?.checked_mul(operand(0)?)
        }
        OpKind::DotGeneral(d) => {
            let rank = body.ty(*o.operands.get(1)?).tensor()?.rank();
            let summed = |i: &usize| d.rhs_contracting.contains(&(*i as i64));
            let kept: Vec<usize> = (0..rank).filter(|i| !summed(i)).collect();
            let known = weights(body, o.operands.get(1).copied()?, &kept);
            known.or_else(|| terms(body, op)?.checked_mul(operand(1)?))?.checked_mul(operand(0)?)
        }
        _ => None,
    }
}

/// The integers of a constant, perhaps broadcast.
fn constant(body: &Body, value: ValueId) -> Option<impl Iterator<Item = i128>> {
    let source = match &body.ops[body.def_op(value)?].kind {
        OpKind::BroadcastInDim(_) => *body.ops[body.def_op(value)?].operands.first()?,
        _ => value,
    };
    let elements = Tensor::from_constant(body.constant(source)?).ok()?;
    let list: Option<Vec<i128>> = elements.elements().map(Element::as_int).collect();
    Some(list?.into_iter())
}

fn magnitude(element: Element) -> Option<u64> {
    u64::try_from(element.as_int()?.unsigned_abs()).ok()
}

/// Products of a sum of a matrix product.
fn terms(body: &Body, op: OpId) -> Option<u64> {
    let (OpKind::DotGeneral(d), rhs) = (&body.ops[op].kind, *body.ops[op].operands.get(1)?) else {
        return None;
    };
    let dims = &body.ty(rhs).tensor()?.dims;
    d.rhs_contracting.iter().map(|&i| dims.get(i as usize)?.size()).product()
}

/// The largest sum of magnitudes of constant weights over the dimensions that are not kept.
pub(super) fn weights(body: &Body, value: ValueId, kept: &[usize]) -> Option<u64> {
    let weights = Tensor::from_constant(body.constant(value)?).ok()?;
    let dims: Vec<usize> =
        kept.iter().map(|&d| weights.dims().get(d).copied()).collect::<Option<_>>()?;
    let mut sums = vec![0u64; dims.iter().product()];
    let mut elements = weights.elements();
    let added = for_each_index(weights.dims(), |index| {
        let at: Vec<usize> = kept.iter().map(|&d| index[d]).collect();
        let n = elements.next().and_then(magnitude).ok_or(())?;
        let slot = sums.get_mut(crate::eval::linear(&dims, &at)).ok_or(())?;
        *slot = slot.saturating_add(n);
        Ok::<(), ()>(())
    });
    added.ok()?;
    sums.into_iter().max()
}
