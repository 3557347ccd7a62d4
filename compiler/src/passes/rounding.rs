//! Divisions by powers of two that round to nearest, in as few operations as they need, and
//! rounding to even that is spelled out (`round_even.rs`).
//!
//! Integer programs spell them in the words of the library that they imitate: gemmlowp's
//! `SaturatingRoundingDoublingHighMul` adds half with the sign of the product and divides towards
//! zero, its `RoundingDivideByPOT` compares the remainder with a threshold. Both are one addition
//! and one arithmetic shift, the second with the sign added:
//!
//! ```text
//! (x + (x >= 0 ? h : 1 - h)) / 2h         = (x + h) >> log2(2h)
//! (x + (x >= 0 ? h : -h)) / 2h            = (x + h + (x >> 63)) >> log2(2h)
//! (x >> e) + ((x & (2^e - 1)) > 2^(e - 1) - 1 + (x < 0))
//!                                         = (x + 2^(e - 1) + (x >> 63)) >> e
//! ```

use microhlo_format::DType;

use super::build::Build;
use super::legalize_quant::range::largest;
use super::rewrite::{Editor, Visit, rewrite};
use super::round_even;
use crate::eval::{Element, Tensor};
use crate::ir::{Body, Constant, OpId, TensorType, ValueId};
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::compare::{Compare, CompareType, Direction};
use crate::ops::{ElementwiseOp, OpKind};

/// Rewrites all rounding divisions. Returns whether anything changed.
pub fn shorten_rounding(body: &mut Body) -> bool {
    rewrite(body, |editor, op| {
        let Some(result) = editor.body.result(op) else { return Visit::Keep };
        let new = match editor.body.ops[op].kind {
            OpKind::Elementwise(ElementwiseOp::Divide) => divided(editor, op),
            OpKind::Elementwise(ElementwiseOp::Add) => remainder_compared(editor, op),
            OpKind::Elementwise(ElementwiseOp::Select) => round_even::rounded(editor, op),
            _ => None,
        };
        match new {
            Some(new) => {
                editor.replace(result, new);
                Visit::Drop
            }
            None => Visit::Keep,
        }
    })
}

/// Integers that do not depend on run-time values: one, or those of a constant that is broadcast.
struct Numbers {
    values: Vec<i64>,
    /// The constant's type and where its dimensions lie; without it there is one value.
    shape: Option<(TensorType, Vec<i64>)>,
}

impl Numbers {
    fn of(body: &Body, value: ValueId) -> Option<Numbers> {
        let ints = |c: &Constant| -> Option<Vec<i64>> {
            let tensor = Tensor::from_constant(c).ok()?;
            tensor.elements().map(|e| i64::try_from(e.as_int()?).ok()).collect()
        };
        let one = |c: &Constant| {
            let scalar = TensorType { dims: Vec::new(), elem: c.ty.elem.clone() };
            ints(&Constant::splat(scalar, c.splat_bytes()?))
        };
        if let Some(c) = body.constant(value) {
            if let Some(values) = one(c) {
                return Some(Numbers { values, shape: None });
            }
            let dims = (0..c.ty.rank() as i64).collect();
            return Some(Numbers { values: ints(c)?, shape: Some((c.ty.clone(), dims)) });
        }
        let op = body.def_op(value)?;
        let OpKind::BroadcastInDim(b) = &body.ops[op].kind else { return None };
        let c = body.constant(body.ops[op].operands[0])?;
        match one(c) {
            Some(values) => Some(Numbers { values, shape: None }),
            None => Some(Numbers { values: ints(c)?, shape: Some((c.ty.clone(), b.dims.clone())) }),
        }
    }

    /// The only number.
    fn single(body: &Body, value: ValueId) -> Option<i64> {
        let numbers = Numbers::of(body, value).filter(|n| n.shape.is_none())?;
        numbers.values.first().copied()
    }

    /// Whether each number is what a function makes of the one in its place in `other`.
    fn are(&self, other: &Numbers, f: impl Fn(i64) -> i64) -> bool {
        let alike = |a: &(TensorType, Vec<i64>), b: &(TensorType, Vec<i64>)| {
            a.0.dims == b.0.dims && a.1 == b.1
        };
        match (&self.shape, &other.shape) {
            (Some(a), Some(b)) if !alike(a, b) => return false,
            // One number stands for all.
            (None, Some(_)) => return other.values.iter().all(|&n| self.values[0] == f(n)),
            (Some(_), None) => return self.values.iter().all(|&n| n == f(other.values[0])),
            _ => {}
        }
        self.values.iter().zip(&other.values).all(|(&a, &b)| a == f(b))
    }

    /// Emits the numbers, as a value of type `ty`.
    fn emit(&self, b: &mut Build<'_, '_>, ty: &TensorType) -> Option<ValueId> {
        let Some((small, dims)) = &self.shape else { return Some(b.number(ty, self.values[0])) };
        let dtype = ty.dtype()?;
        let small = TensorType { dims: small.dims.clone(), elem: ty.elem.clone() };
        let mut bytes = vec![0; self.values.len() * dtype.size()];
        for (&n, place) in self.values.iter().zip(bytes.chunks_exact_mut(dtype.size())) {
            Element::small(dtype, n).encode(dtype, place);
        }
        let numbers = b.ed.constant(Constant::dense(small, bytes), b.span);
        Some(b.op(BroadcastInDim { dims: dims.clone() }, &[numbers], ty.clone()))
    }
}

pub(super) fn elementwise(body: &Body, value: ValueId, kind: ElementwiseOp) -> Option<&[ValueId]> {
    let op = &body.ops[body.def_op(value)?];
    matches!(op.kind, OpKind::Elementwise(e) if e == kind).then_some(op.operands.as_slice())
}

/// The other operand of a binary operation.
pub(super) fn beside(operands: &[ValueId], value: ValueId) -> Option<ValueId> {
    match *operands {
        [a, b] if a == value => Some(b),
        [a, b] if b == value => Some(a),
        _ => None,
    }
}

/// The operands of a comparison, such that the first one is greater (or, perhaps, equal) where it
/// holds.
fn greater(body: &Body, value: ValueId) -> Option<(ValueId, ValueId)> {
    let op = &body.ops[body.def_op(value)?];
    let OpKind::Compare(Compare { direction, compare_type }) = op.kind else { return None };
    let signed = compare_type.is_none_or(|t| t == CompareType::Signed);
    match (direction, op.operands.as_slice()) {
        (Direction::Gt | Direction::Ge, &[a, b]) if signed => Some((a, b)),
        (Direction::Lt | Direction::Le, &[a, b]) if signed => Some((b, a)),
        _ => None,
    }
}

/// Whether a comparison holds for positive `x` (rather than for negative ones); zero may count as
/// either.
fn is_positive(body: &Body, test: ValueId, x: ValueId) -> Option<bool> {
    let (a, b) = greater(body, test)?;
    let zero = |v: ValueId| Numbers::single(body, v) == Some(0);
    match (a == x && zero(b), b == x && zero(a)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// What is chosen by the sign of `x`: for positive ones, and for negative ones.
fn by_sign(body: &Body, value: ValueId, x: ValueId) -> Option<(ValueId, ValueId)> {
    let &[test, yes, no] = elementwise(body, value, ElementwiseOp::Select)? else { return None };
    Some(if is_positive(body, test, x)? { (yes, no) } else { (no, yes) })
}

/// Whether a value is one where `x` is negative and zero elsewhere; at zero it may be either.
fn is_sign(body: &Body, value: ValueId, x: ValueId) -> bool {
    if let Some(&[test]) = elementwise(body, value, ElementwiseOp::Convert) {
        return is_positive(body, test, x) == Some(false);
    }
    let numbers = by_sign(body, value, x)
        .map(|(yes, no)| (Numbers::single(body, yes), Numbers::single(body, no)));
    numbers == Some((Some(0), Some(1)))
}

fn signed(body: &Body, value: ValueId) -> Option<(TensorType, u32)> {
    let ty = body.ty(value).tensor()?.clone();
    let dtype =
        ty.dtype().filter(|d| matches!(d, DType::I8 | DType::I16 | DType::I32 | DType::I64))?;
    Some((ty, dtype.bits()))
}

/// `(x + half of the divisor with the sign of x) / divisor`, which is a power of two.
fn divided(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let body = &*ed.body;
    signed(body, body.result(op)?)?;
    let &[sum, by] = body.ops[op].operands.as_slice() else { return None };
    let divisor = Numbers::single(body, by).filter(|n| *n > 1 && n.count_ones() == 1)?;
    let half = divisor / 2;
    let operands = elementwise(body, sum, ElementwiseOp::Add)?;
    let (x, least) = operands.iter().find_map(|&x| {
        let (yes, no) = by_sign(body, beside(operands, x)?, x)?;
        let halved = Numbers::single(body, yes) == Some(half);
        halved.then_some((x, Numbers::single(body, no)?))
    })?;
    let away = match least + half {
        0 => true,
        1 => false,
        _ => return None,
    };
    let halves = Numbers { values: vec![half], shape: None };
    let shifts = Numbers { values: vec![i64::from(divisor.trailing_zeros())], shape: None };
    Rounded { x, halves, shifts, away }.emit(ed, op)
}

/// `(x + half + sign) >> shift`, the sign of `x` as 0 or -1 if `away` asks for it.
struct Rounded {
    x: ValueId,
    halves: Numbers,
    shifts: Numbers,
    away: bool,
}

impl Rounded {
    /// Emits the result of the operation that it replaces, unless the sum might overflow.
    fn emit(self, ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
        use ElementwiseOp::{Add, ShiftRightArithmetic};
        let (ty, bits) = signed(ed.body, self.x)?;
        let most = self.halves.values.iter().max().and_then(|&n| u64::try_from(n).ok())?;
        let sum = largest(ed.body, self.x).checked_add(most)?;
        if sum >= 1 << (bits - 1) {
            return None;
        }
        let span = ed.body.ops[op].span;
        let mut b = Build::new(ed, span);
        let half = self.halves.emit(&mut b, &ty)?;
        let mut sum = b.same(Add, &[self.x, half])?;
        if self.away {
            let last = b.number(&ty, i64::from(bits) - 1);
            let sign = b.same(ShiftRightArithmetic, &[self.x, last])?;
            sum = b.same(Add, &[sum, sign])?;
        }
        let shift = self.shifts.emit(&mut b, &ty)?;
        b.same(ShiftRightArithmetic, &[sum, shift])
    }
}

/// A shift, plus one if the remainder exceeds a threshold.
fn remainder_compared(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let body = &*ed.body;
    let (_, bits) = signed(body, body.result(op)?)?;
    let operands = body.ops[op].operands.as_slice();
    let (x, shifts) = operands.iter().find_map(|&v| rounded_up(body, v, beside(operands, v)?))?;
    if shifts.values.iter().all(|&n| n == 0) {
        return Some(x);
    }
    if !shifts.values.iter().all(|n| (1..i64::from(bits) - 1).contains(n)) {
        return None;
    }
    let values = shifts.values.iter().map(|n| 1i64 << (n - 1)).collect();
    let halves = Numbers { values, shape: shifts.shape.clone() };
    Rounded { x, halves, shifts, away: true }.emit(ed, op)
}

/// The value that `floor` is the shift of, and the shifts, if `more` is one where the remainder
/// exceeds the threshold.
fn rounded_up(body: &Body, floor: ValueId, more: ValueId) -> Option<(ValueId, Numbers)> {
    let &[test] = elementwise(body, more, ElementwiseOp::Convert)? else { return None };
    let op = &body.ops[body.def_op(test)?];
    let strict = matches!(&op.kind, OpKind::Compare(c) if matches!(c.direction, Direction::Gt | Direction::Lt));
    let (rest, threshold) = greater(body, test).filter(|_| strict)?;
    let remainder = |x: ValueId, shifts| remainder_of(body, [rest, threshold], x, shifts);
    let shifted = match elementwise(body, floor, ElementwiseOp::ShiftRightArithmetic) {
        Some(&[x, by]) => Numbers::of(body, by).and_then(|shifts| remainder(x, shifts)),
        _ => None,
    };
    // A shift by nothing has been removed.
    shifted.or_else(|| remainder(floor, Numbers { values: vec![0], shape: None }))
}

/// `x` and its shifts, if `rest` is what the shifts remove and `threshold` half of that.
fn remainder_of(
    body: &Body,
    [rest, threshold]: [ValueId; 2],
    x: ValueId,
    shifts: Numbers,
) -> Option<(ValueId, Numbers)> {
    let in_range = shifts.values.iter().all(|n| (0..63).contains(n));
    let mask = match elementwise(body, rest, ElementwiseOp::And) {
        Some(operands) => Numbers::of(body, beside(operands, x)?)?,
        None => Numbers::of(body, rest).filter(|n| n.values == [0])?,
    };
    let half = match elementwise(body, threshold, ElementwiseOp::Add) {
        Some(&[a, b]) if is_sign(body, a, x) => Numbers::of(body, b)?,
        Some(&[a, b]) if is_sign(body, b, x) => Numbers::of(body, a)?,
        _ if is_sign(body, threshold, x) => Numbers { values: vec![0], shape: None },
        _ => return None,
    };
    let masks = in_range && mask.are(&shifts, |n| (1 << n) - 1);
    (masks && half.are(&shifts, |n| ((1 << n) - 1) >> 1)).then_some((x, shifts))
}
