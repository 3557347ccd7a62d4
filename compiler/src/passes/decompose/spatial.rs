//! Convolutions of more than three spatial dimensions: the sum over the positions in the first
//! spatial dimension of the kernel, ascending, of convolutions in the others.
//!
//! The windows' positions in that dimension become part of the batch.

use microhlo_format::DType;

use crate::ir::{OpId, TensorType, ValueId};
use crate::ops::ElementwiseOp::Add;
use crate::ops::convolution::{ConvDims, Convolution};
use crate::ops::pad::Pad;
use crate::ops::slice::Slice;
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// Most spatial dimensions that kernels know.
const MAX_SPATIAL: usize = 3;

/// Most positions of a kernel in its first dimension, each a convolution of its own.
const MAX_TAPS: u64 = 64;

/// A convolution with one spatial dimension less; `None` if there are few enough.
pub(super) fn reduced(ed: &mut Editor<'_>, op: OpId, c: &Convolution) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let (&[lhs, rhs], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    if c.dims.input_spatial.len() <= MAX_SPATIAL {
        return None;
    }
    let out = ed.body.ty(result).tensor()?.clone();
    let mut b = Build::new(ed, o.span);
    // Narrow floats add up in `f32` and are rounded once, as in other convolutions.
    if let Some(narrow) = out.dtype().filter(|d| d.is_float() && d.bits() < 32) {
        let (lhs, rhs) = (b.convert(lhs, DType::F32)?, b.convert(rhs, DType::F32)?);
        let sum = sum_of_positions(&mut b, c, [lhs, rhs], &out.with_dtype(DType::F32))?;
        return b.convert(sum, narrow);
    }
    sum_of_positions(&mut b, c, [lhs, rhs], &out)
}

fn sum_of_positions(
    b: &mut Build<'_, '_>,
    c: &Convolution,
    [lhs, rhs]: [ValueId; 2],
    out: &TensorType,
) -> Option<ValueId> {
    let (out_dims, kernel) = (out.static_dims()?, b.dims(rhs)?);
    let windows = *out_dims.get(usize::try_from(c.dims.output_spatial[0]).ok()?)?;
    let taps = *kernel.get(usize::try_from(c.dims.kernel_spatial[0]).ok()?)?;
    if taps == 0 || taps > MAX_TAPS || out_dims.contains(&0) {
        return None;
    }
    let lhs = ordered(b, lhs, c.dims.input_batch, &c.dims.input_spatial, c.dims.input_feature)?;
    let spatial = &c.dims.kernel_spatial;
    let rhs = ordered(
        b,
        rhs,
        spatial[0],
        &[&spatial[1..], &[c.dims.kernel_input_feature]].concat(),
        c.dims.kernel_output_feature,
    )?;
    let lhs = padded(b, lhs, c)?;
    let inner = inner(c);
    // Batch, windows, the other spatial dimensions, features.
    let mut order = vec![c.dims.output_batch];
    order.extend(&c.dims.output_spatial);
    order.push(c.dims.output_feature);
    let sizes: Vec<u64> = order.iter().map(|&d| out_dims[d as usize]).collect();
    let mut merged = vec![sizes[0] * windows];
    merged.extend(&sizes[2..]);
    let mut sum = None;
    for tap in 0..taps {
        let at = if c.reversal[0] { taps - 1 - tap } else { tap };
        let input = positions(b, lhs, c, tap, windows)?;
        let weights = b.slice(rhs, 0, at, at + 1)?;
        let weights = b.reshape(weights, &b.dims(rhs)?[1..])?;
        let part = b.op(inner.clone(), &[input, weights], out.with_dims(&merged));
        sum = Some(match sum {
            Some(sum) => b.same(Add, &[sum, part])?,
            None => part,
        });
    }
    let whole = b.reshape(sum?, &sizes)?;
    let mut back = vec![0; order.len()];
    for (i, &d) in order.iter().enumerate() {
        back[d as usize] = i;
    }
    b.transpose(whole, &back)
}

/// A value with one dimension first and one last.
fn ordered(
    b: &mut Build<'_, '_>,
    value: ValueId,
    first: i64,
    middle: &[i64],
    last: i64,
) -> Option<ValueId> {
    let order = [&[first], middle, &[last]].concat();
    let order: Option<Vec<usize>> = order.iter().map(|&d| usize::try_from(d).ok()).collect();
    b.transpose(value, &order?)
}

/// The input with the padding and dilation of the first spatial dimension.
fn padded(b: &mut Build<'_, '_>, lhs: ValueId, c: &Convolution) -> Option<ValueId> {
    let (low, high) = c.padding[0];
    let dilation = c.lhs_dilation[0];
    if (low, high, dilation) == (0, 0, 1) {
        return Some(lhs);
    }
    let ty = b.ty(lhs)?;
    let mut dims = ty.static_dims()?;
    let n = i64::try_from(dims[1]).ok()?;
    let spread = if n == 0 { 0 } else { (n - 1).checked_mul(dilation)?.checked_add(1)? };
    dims[1] = u64::try_from(spread.checked_add(low)?.checked_add(high)?).ok()?;
    let mut pad =
        Pad { low: vec![0; dims.len()], high: vec![0; dims.len()], interior: vec![0; dims.len()] };
    (pad.low[1], pad.high[1], pad.interior[1]) = (low, high, dilation - 1);
    let zero = b.number(&TensorType { dims: Vec::new(), elem: ty.elem.clone() }, 0);
    Some(b.op(pad, &[lhs, zero], ty.with_dims(&dims)))
}

/// What position `tap` of the kernel meets in each window, the windows in the batch.
fn positions(
    b: &mut Build<'_, '_>,
    lhs: ValueId,
    c: &Convolution,
    tap: u64,
    windows: u64,
) -> Option<ValueId> {
    let ty = b.ty(lhs)?;
    let mut dims = ty.static_dims()?;
    let start = i64::try_from(tap).ok()?.checked_mul(c.rhs_dilation[0])?;
    let stride = c.strides[0];
    let reach = i64::try_from(windows).ok()?.checked_sub(1)?.checked_mul(stride)?;
    let mut slice = Slice {
        start: vec![0; dims.len()],
        limit: dims.iter().map(|&n| n as i64).collect(),
        strides: vec![1; dims.len()],
    };
    slice.start[1] = start;
    slice.limit[1] = start.checked_add(reach)?.checked_add(1)?;
    slice.strides[1] = stride;
    dims[1] = windows;
    let part = b.op(slice, &[lhs], ty.with_dims(&dims));
    let mut merged = vec![dims[0] * windows];
    merged.extend(&dims[2..]);
    b.reshape(part, &merged)
}

/// The convolution in the other spatial dimensions, channels last.
fn inner(c: &Convolution) -> Convolution {
    let n = c.dims.input_spatial.len() as i64 - 1;
    Convolution {
        dims: ConvDims {
            input_batch: 0,
            input_feature: n + 1,
            input_spatial: (1..=n).collect(),
            kernel_input_feature: n,
            kernel_output_feature: n + 1,
            kernel_spatial: (0..n).collect(),
            output_batch: 0,
            output_feature: n + 1,
            output_spatial: (1..=n).collect(),
        },
        strides: c.strides[1..].to_vec(),
        padding: c.padding[1..].to_vec(),
        lhs_dilation: c.lhs_dilation[1..].to_vec(),
        rhs_dilation: c.rhs_dilation[1..].to_vec(),
        reversal: c.reversal[1..].to_vec(),
        feature_group_count: c.feature_group_count,
        batch_group_count: c.batch_group_count,
        precision: c.precision.clone(),
    }
}
