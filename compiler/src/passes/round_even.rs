//! Rounding to even that is spelled with `floor`, as one operation.
//!
//! TensorFlow's quantiser writes, without an operation for it,
//!
//! ```text
//! f = floor(x); rest = x - f; odd = f - 2 * floor(x / 2)
//! r = rest > 0.5 or (rest == 0.5 and odd == 1) ? f + 1 : f
//! r == 0 ? 0 : r
//! ```
//!
//! which is `round_nearest_even(x)`, but that it is never -0: adding +0 makes the same of it.

use super::rewrite::Editor;
use super::rounding::{beside, elementwise};
use crate::ir::{Body, OpId, ValueId};
use crate::ops::compare::{Compare, Direction};
use crate::ops::{ElementwiseOp, OpKind};

/// What replaces the last selection of such a rounding.
pub(super) fn rounded(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let body = &*ed.body;
    let &[test, zero, value] = body.ops[op].operands.as_slice() else { return None };
    let is_zero = compared(body, test, Direction::Eq, 0.0)? == value && is(body, zero, 0.0);
    let x = spelled(body, value).filter(|_| is_zero)?;
    let (ty, span) = (body.ty(x).clone(), body.ops[op].span);
    let rounded = ed.emit(ElementwiseOp::RoundNearestEven, vec![x], ty.clone(), span);
    Some(ed.emit(ElementwiseOp::Add, vec![rounded, zero], ty, span))
}

/// Whether a value is this number everywhere.
fn is(body: &Body, value: ValueId, wanted: f32) -> bool {
    let bytes = body.constant(value).filter(|c| c.ty.dtype() == Some(microhlo_format::DType::F32));
    bytes.and_then(|c| c.splat_bytes()) == Some(&wanted.to_le_bytes())
}

/// What is compared with a number.
fn compared(body: &Body, test: ValueId, relation: Direction, number: f32) -> Option<ValueId> {
    let op = &body.ops[body.def_op(test)?];
    let OpKind::Compare(Compare { direction, .. }) = op.kind else { return None };
    let &[a, b] = op.operands.as_slice() else { return None };
    let mirrored = direction == Direction::Lt && relation == Direction::Gt;
    if direction == relation && is(body, b, number) {
        return Some(a);
    }
    ((mirrored || direction == Direction::Eq && relation == direction) && is(body, a, number))
        .then_some(b)
}

/// The operand beside a number.
fn with(body: &Body, value: ValueId, kind: ElementwiseOp, number: f32) -> Option<ValueId> {
    match *elementwise(body, value, kind)? {
        [a, b] if is(body, b, number) => Some(a),
        [a, b] if is(body, a, number) => Some(b),
        _ => None,
    }
}

/// `x`, of a selection between its floor and one more.
fn spelled(body: &Body, value: ValueId) -> Option<ValueId> {
    use ElementwiseOp::{Add, And, Floor, Multiply, Or, Select, Subtract};
    let &[up, more, floor] = elementwise(body, value, Select)? else { return None };
    let &[x] = elementwise(body, floor, Floor)? else { return None };
    let is_rest = |v: ValueId| elementwise(body, v, Subtract) == Some(&[x, floor]);
    let beyond = |test: ValueId| compared(body, test, Direction::Gt, 0.5).is_some_and(is_rest);
    let halfway = |test: ValueId| compared(body, test, Direction::Eq, 0.5).is_some_and(is_rest);
    let is_even_part = |v: ValueId| {
        let half = with(body, v, Multiply, 2.0).and_then(|v| elementwise(body, v, Floor));
        half.and_then(|half| with(body, *half.first()?, Multiply, 0.5)) == Some(x)
    };
    let odd = |test: ValueId| {
        let difference = compared(body, test, Direction::Eq, 1.0)?;
        let &[whole, even] = elementwise(body, difference, Subtract)? else { return None };
        (whole == floor && is_even_part(even)).then_some(())
    };
    let cases = elementwise(body, up, Or)?;
    let found = cases.iter().any(|&case| {
        let both = beside(cases, case).and_then(|other| elementwise(body, other, And));
        let tie = |both: &[ValueId]| {
            both.iter().any(|&v| halfway(v) && beside(both, v).and_then(odd).is_some())
        };
        beyond(case) && both.is_some_and(tie)
    });
    (found && with(body, more, Add, 1.0) == Some(floor)).then_some(x)
}
