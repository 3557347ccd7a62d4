//! Loops over the elements of tensors.

use microhlo_format::DType;

use crate::ir::{TensorType, ValueId};
use crate::ops::ElementwiseOp;
use crate::ops::compare::Direction;
use crate::ops::dynamic_slice::DynamicSlice;
use crate::ops::dynamic_update_slice::DynamicUpdateSlice;
use crate::passes::build::Build;

/// What an iteration makes of the state, at an index.
pub type Step<'s, 'b> =
    dyn FnMut(&mut Build<'_, 'b>, &[ValueId], &[ValueId]) -> Option<Vec<ValueId>> + 's;

/// The type of indices.
pub fn index() -> TensorType {
    TensorType::scalar(DType::I32)
}

/// Takes a step at every index below `sizes`, in row-major order.
pub fn nest<'b>(
    b: &mut Build<'_, 'b>,
    sizes: &[u64],
    state: Vec<ValueId>,
    step: &mut Step<'_, 'b>,
) -> Option<Vec<ValueId>> {
    if sizes.contains(&0) {
        return Some(state);
    }
    level(b, sizes, &mut Vec::new(), state, step)
}

/// The loops of the dimensions that `at` lacks.
fn level<'b>(
    b: &mut Build<'_, 'b>,
    sizes: &[u64],
    at: &mut Vec<ValueId>,
    state: Vec<ValueId>,
    step: &mut Step<'_, 'b>,
) -> Option<Vec<ValueId>> {
    let Some(&size) = sizes.get(at.len()) else { return step(b, at, &state) };
    let zero = b.number(&index(), 0);
    if size == 1 {
        at.push(zero);
        let state = level(b, sizes, at, state, step);
        at.pop();
        return state;
    }
    let end = i64::from(i32::try_from(size).ok()?);
    let state = [vec![zero], state].concat();
    let below = |b: &mut Build<'_, 'b>, state: &[ValueId]| {
        let end = b.number(&index(), end);
        b.compare(Direction::Lt, state[0], end)
    };
    let mut results = b.repeat(state, below, |b, state| {
        let (&counter, state) = state.split_first()?;
        at.push(counter);
        let state = level(b, sizes, at, state.to_vec(), step);
        at.pop();
        let next = plus(b, counter, 1)?;
        Some([vec![next], state?].concat())
    })?;
    results.remove(0);
    Some(results)
}

/// An index a number further.
pub fn plus(b: &mut Build<'_, '_>, at: ValueId, n: i64) -> Option<ValueId> {
    if n == 0 {
        return Some(at);
    }
    let n = b.number(&index(), n);
    b.same(ElementwiseOp::Add, &[at, n])
}

/// An index times a number.
pub fn times(b: &mut Build<'_, '_>, at: ValueId, n: i64) -> Option<ValueId> {
    if n == 1 {
        return Some(at);
    }
    let n = b.number(&index(), n);
    b.same(ElementwiseOp::Multiply, &[at, n])
}

/// The box of these sizes at an index.
pub fn part(
    b: &mut Build<'_, '_>,
    value: ValueId,
    at: &[ValueId],
    sizes: &[u64],
) -> Option<ValueId> {
    let ty = b.ty(value)?;
    if ty.static_dims()? == sizes {
        return Some(value);
    }
    let kind = DynamicSlice { sizes: sizes.iter().map(|&n| n as i64).collect() };
    let operands = [&[value], at].concat();
    Some(b.op(kind, &operands, ty.with_dims(sizes)))
}

/// The element at an index, as a scalar.
pub fn element(b: &mut Build<'_, '_>, value: ValueId, at: &[ValueId]) -> Option<ValueId> {
    let one = part(b, value, at, &vec![1; at.len()])?;
    b.reshape(one, &[])
}

/// The value with other elements, in the shape of the box of these sizes or less, at an index.
pub fn with_part(
    b: &mut Build<'_, '_>,
    value: ValueId,
    new: ValueId,
    at: &[ValueId],
    sizes: &[u64],
) -> Option<ValueId> {
    let new = b.reshape(new, sizes)?;
    let ty = b.ty(value)?;
    if ty.static_dims()? == sizes {
        return Some(new);
    }
    let operands = [&[value, new], at].concat();
    Some(b.op(DynamicUpdateSlice, &operands, ty))
}

/// The value with another element at an index.
pub fn with_element(
    b: &mut Build<'_, '_>,
    value: ValueId,
    new: ValueId,
    at: &[ValueId],
) -> Option<ValueId> {
    with_part(b, value, new, at, &vec![1; at.len()])
}
