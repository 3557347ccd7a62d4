//! `reduce`, `reduce_window` and `map` as loops.

use super::Region;
use super::nest::{element, index, nest, part, times, with_element};
use crate::ir::{TensorType, ValueId};
use crate::ops::ElementwiseOp;
use crate::ops::pad::Pad;
use crate::ops::slice::Slice;
use crate::ops::window::Window;
use crate::passes::build::Build;

/// A tensor of zeros for every result, in the element types of the region's first arguments.
fn outputs(b: &mut Build<'_, '_>, values: &[ValueId], dims: &[u64]) -> Option<Vec<ValueId>> {
    let types = values.iter().map(|&v| Some(b.ty(v)?.with_dims(dims)));
    let types = types.collect::<Option<Vec<TensorType>>>()?;
    Some(types.iter().map(|ty| b.number(ty, 0)).collect())
}

/// All tensors with one element replaced.
fn with_elements(
    b: &mut Build<'_, '_>,
    tensors: &[ValueId],
    elements: &[ValueId],
    at: &[ValueId],
) -> Option<Vec<ValueId>> {
    let pairs = tensors.iter().zip(elements);
    pairs.map(|(&tensor, &new)| with_element(b, tensor, new, at)).collect()
}

/// Element by element.
pub fn map(b: &mut Build<'_, '_>, region: &Region, inputs: &[ValueId]) -> Option<Vec<ValueId>> {
    let dims = b.dims(*inputs.first()?)?;
    if region.elementwise {
        return region.tensors(b, inputs, &dims);
    }
    let result = *b.ed.body.returned(region.block).first()?;
    let outs = outputs(b, &[result], &dims)?;
    nest(b, &dims, outs, &mut |b, at, outs| {
        let args = inputs.iter().map(|&x| element(b, x, at)).collect::<Option<Vec<_>>>()?;
        let results = region.scalars(b, &args)?;
        with_elements(b, outs, &results, at)
    })
}

/// Elements ascend row-major, for each result or for all of them at once.
pub fn reduce(
    b: &mut Build<'_, '_>,
    region: &Region,
    operands: &[ValueId],
    gone: &[i64],
) -> Option<Vec<ValueId>> {
    let (inputs, inits) = operands.split_at(operands.len() / 2);
    let inits = region.converted(b, inits, 0)?;
    let sizes = b.dims(*inputs.first()?)?;
    let is_gone = |d: usize| gone.contains(&(d as i64));
    let some = |want: bool| -> Vec<u64> {
        (0..sizes.len()).filter(|&d| is_gone(d) == want).map(|d| sizes[d]).collect()
    };
    let (reduced, kept) = (some(true), some(false));
    // The index of an element from those in the two kinds of dimensions.
    let merged = |gone: &[ValueId], kept: &[ValueId]| -> Vec<ValueId> {
        let (mut gone, mut kept) = (gone.iter(), kept.iter());
        let next = |d| if is_gone(d) { gone.next() } else { kept.next() };
        (0..sizes.len()).filter_map(next).copied().collect()
    };
    if region.elementwise {
        let zeros = vec![b.number(&index(), 0); kept.len()];
        let size = |d: usize| if is_gone(d) { 1 } else { sizes[d] };
        let row: Vec<u64> = (0..sizes.len()).map(size).collect();
        let state = inits.iter().map(|&v| b.broadcast(v, &[], &kept)).collect::<Option<_>>()?;
        return nest(b, &reduced, state, &mut |b, at, state| {
            let at = merged(at, &zeros);
            let rows = inputs.iter().map(|&x| {
                let row = part(b, x, &at, &row)?;
                b.reshape(row, &kept)
            });
            let rows = rows.collect::<Option<Vec<_>>>()?;
            let rows = region.converted(b, &rows, inputs.len())?;
            region.tensors(b, &[state, &rows].concat(), &kept)
        });
    }
    let outs = outputs(b, &inits, &kept)?;
    nest(b, &kept, outs, &mut |b, to, outs| {
        let results = nest(b, &reduced, inits.clone(), &mut |b, at, state| {
            let at = merged(at, to);
            combine(b, region, state, inputs, &at)
        })?;
        with_elements(b, outs, &results, to)
    })
}

/// The accumulators after the elements at an index.
fn combine(
    b: &mut Build<'_, '_>,
    region: &Region,
    state: &[ValueId],
    inputs: &[ValueId],
    at: &[ValueId],
) -> Option<Vec<ValueId>> {
    let elements = inputs.iter().map(|&x| element(b, x, at)).collect::<Option<Vec<_>>>()?;
    let elements = region.converted(b, &elements, inputs.len())?;
    region.scalars(b, &[state, &elements].concat())
}

/// Elements of a window ascend row-major, those in the padding are initial values.
pub fn window(
    b: &mut Build<'_, '_>,
    region: &Region,
    operands: &[ValueId],
    window: &Window,
) -> Option<Vec<ValueId>> {
    let (inputs, inits) = operands.split_at(operands.len() / 2);
    let ty = b.ty(*inputs.first()?)?;
    let out = window.output(&ty.dims).ok()?;
    let out = out.iter().map(|d| d.size()).collect::<Option<Vec<u64>>>()?;
    let taps: Vec<u64> = window.dimensions.iter().map(|&n| n.unsigned_abs()).collect();
    let pairs = inputs.iter().zip(inits);
    let inputs = pairs.map(|(&x, &init)| padded(b, x, init, window)).collect::<Option<Vec<_>>>()?;
    let inits = region.converted(b, inits, 0)?;
    if region.elementwise {
        let state = inits.iter().map(|&v| b.broadcast(v, &[], &out)).collect::<Option<_>>()?;
        return nest(b, &taps, state, &mut |b, tap, state| {
            let elements = inputs.iter().map(|&x| under_tap(b, x, tap, window, &out));
            let elements = elements.collect::<Option<Vec<_>>>()?;
            let elements = region.converted(b, &elements, inputs.len())?;
            region.tensors(b, &[state, &elements].concat(), &out)
        });
    }
    let outs = outputs(b, &inits, &out)?;
    nest(b, &out, outs, &mut |b, to, outs| {
        let starts = to.iter().zip(&window.strides).map(|(&i, &stride)| times(b, i, stride));
        let starts = starts.collect::<Option<Vec<_>>>()?;
        let results = nest(b, &taps, inits.clone(), &mut |b, tap, state| {
            let mut at = Vec::new();
            for (d, &start) in starts.iter().enumerate() {
                at.push(moved(b, start, tap[d], taps[d], window.window_dilations[d])?);
            }
            combine(b, region, state, &inputs, &at)
        })?;
        with_elements(b, outs, &results, to)
    })
}

/// The index of a tap of a window of `size` taps at a distance, that starts at an index.
fn moved(
    b: &mut Build<'_, '_>,
    start: ValueId,
    tap: ValueId,
    size: u64,
    distance: i64,
) -> Option<ValueId> {
    if size == 1 {
        return Some(start);
    }
    let tap = times(b, tap, distance)?;
    b.same(ElementwiseOp::Add, &[start, tap])
}

/// The elements under one tap of all windows.
fn under_tap(
    b: &mut Build<'_, '_>,
    value: ValueId,
    tap: &[ValueId],
    window: &Window,
    out: &[u64],
) -> Option<ValueId> {
    let distances = tap.iter().zip(&window.window_dilations);
    let at = distances.map(|(&i, &n)| times(b, i, n)).collect::<Option<Vec<_>>>()?;
    let strides = &window.strides;
    let extent = |(&n, &s): (&u64, &i64)| (n - 1) * s.unsigned_abs() + 1;
    let sizes: Vec<u64> = out.iter().zip(strides).map(extent).collect();
    let part = part(b, value, &at, &sizes)?;
    if sizes == out {
        return Some(part);
    }
    let limit = sizes.iter().map(|&n| n as i64).collect();
    let kind = Slice { start: vec![0; out.len()], limit, strides: strides.clone() };
    let ty = b.ty(part)?.with_dims(out);
    Some(b.op(kind, &[part], ty))
}

/// A tensor padded and dilated as a window says.
fn padded(
    b: &mut Build<'_, '_>,
    value: ValueId,
    init: ValueId,
    window: &Window,
) -> Option<ValueId> {
    let kind = Pad {
        low: window.padding.iter().map(|p| p.0).collect(),
        high: window.padding.iter().map(|p| p.1).collect(),
        interior: window.base_dilations.iter().map(|d| d - 1).collect(),
    };
    let none = |list: &[i64]| list.iter().all(|&n| n == 0);
    if none(&kind.low) && none(&kind.high) && none(&kind.interior) {
        return Some(value);
    }
    let ty = b.ty(value)?;
    let size = |(d, &n): (usize, &u64)| {
        let n = i128::from(n);
        let inside = n + (n - 1).max(0) * i128::from(kind.interior[d]);
        u64::try_from(inside + i128::from(kind.low[d]) + i128::from(kind.high[d])).ok()
    };
    let dims = ty.static_dims()?.iter().enumerate().map(size).collect::<Option<Vec<u64>>>()?;
    Some(b.op(kind, &[value, init], ty.with_dims(&dims)))
}
