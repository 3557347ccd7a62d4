//! Layout choice: channels last.
//!
//! Kernels want `[batch, spatial.., features]`, so that a vector of channels is contiguous. Every
//! convolution is rewritten to that layout between transposes; transposes then sink through the
//! operations that follow until they meet their inverse and vanish (canonicalisation composes
//! them), turn into a reshape, or reach a place where they have to be carried out.

use super::rewrite::{Editor, Visit, rewrite};
use crate::ir::{Body, OpId, TensorType, Type, ValueId};
use crate::ops::OpKind;
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::convolution::{ConvDims, Convolution};
use crate::ops::pad::Pad;
use crate::ops::reduce::Reduce;
use crate::ops::reduce_window::ReduceWindow;
use crate::ops::transpose::Transpose;
use crate::ops::window::Window;

/// Rewrites convolutions to channels-last layout and sinks transposes. Returns whether anything
/// changed.
pub fn choose_layout(body: &mut Body) -> bool {
    rewrite(body, |ed, op| {
        let new = match ed.body.ops[op].kind.clone() {
            OpKind::Convolution(c) => channels_last(ed, op, &c),
            _ => sink(ed, op),
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

fn permute(ty: &TensorType, permutation: &[i64]) -> TensorType {
    let dims = permutation.iter().map(|&p| ty.dims[p as usize]).collect();
    TensorType { dims, elem: ty.elem.clone() }
}

/// The permutation that undoes `permutation`.
fn invert(permutation: &[i64]) -> Vec<i64> {
    let mut inverse = vec![0; permutation.len()];
    for (i, &p) in permutation.iter().enumerate() {
        inverse[p as usize] = i as i64;
    }
    inverse
}

fn is_identity(permutation: &[i64]) -> bool {
    permutation.iter().copied().eq(0..permutation.len() as i64)
}

fn transposed(ed: &mut Editor<'_>, v: ValueId, permutation: Vec<i64>, op: OpId) -> Option<ValueId> {
    if is_identity(&permutation) {
        return Some(v);
    }
    // Undo a transpose rather than stack a second one.
    if let Some((source, first)) = transpose_of(ed.body, v) {
        let composed: Vec<i64> = permutation.iter().map(|&p| first[p as usize]).collect();
        return transposed(ed, source, composed, op);
    }
    let ty = permute(ed.body.ty(v).tensor()?, &permutation);
    let span = ed.body.ops[op].span;
    Some(ed.emit(Transpose { permutation }, vec![v], ty, span))
}

fn transpose_of(body: &Body, v: ValueId) -> Option<(ValueId, Vec<i64>)> {
    let def = &body.ops[body.def_op(v)?];
    match &def.kind {
        OpKind::Transpose(t) => Some((def.operands[0], t.permutation.clone())),
        _ => None,
    }
}

fn channels_last(ed: &mut Editor<'_>, op: OpId, c: &Convolution) -> Option<ValueId> {
    let d = &c.dims;
    let mut input = vec![d.input_batch];
    input.extend(&d.input_spatial);
    input.push(d.input_feature);
    let mut kernel = d.kernel_spatial.clone();
    kernel.extend([d.kernel_input_feature, d.kernel_output_feature]);
    let mut output = vec![d.output_batch];
    output.extend(&d.output_spatial);
    output.push(d.output_feature);
    if is_identity(&input) && is_identity(&kernel) && is_identity(&output) {
        return None;
    }
    let o = ed.body.ops[op].clone();
    let result = ed.body.ty(o.results[0]).tensor()?.clone();
    let lhs = transposed(ed, o.operands[0], input, op)?;
    let rhs = transposed(ed, o.operands[1], kernel, op)?;
    let n = d.input_spatial.len() as i64;
    let dims = ConvDims {
        input_batch: 0,
        input_feature: n + 1,
        input_spatial: (1..=n).collect(),
        kernel_input_feature: n,
        kernel_output_feature: n + 1,
        kernel_spatial: (0..n).collect(),
        output_batch: 0,
        output_feature: n + 1,
        output_spatial: (1..=n).collect(),
    };
    let conv = Convolution { dims, ..c.clone() };
    let ty = permute(&result, &output);
    let value = ed.emit(conv, vec![lhs, rhs], ty, o.span);
    transposed(ed, value, invert(&output), op)
}

/// Rewrites `op(transpose(x), ..)` to `transpose(op(x, ..))`.
fn sink(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let (source, permutation) = transpose_of(ed.body, *o.operands.first()?)
        .or_else(|| o.operands.iter().find_map(|&v| transpose_of(ed.body, v)))?;
    let result = ed.body.ty(ed.body.result(op)?).tensor()?.clone();
    match &o.kind {
        OpKind::Elementwise(_) | OpKind::Compare(_) => {
            let operands = untransposed_operands(ed, &o.operands, &permutation, op)?;
            let ty = permute(&result, &invert(&permutation));
            let value = ed.emit(o.kind.clone(), operands, ty, o.span);
            transposed(ed, value, permutation, op)
        }
        OpKind::ReduceWindow(w) => {
            // As for reductions, the elements of a window must keep their order.
            let size = |d: usize| w.window.dimensions.get(d).copied();
            let taps = permutation.iter().enumerate().filter(|&(d, _)| size(d) != Some(1));
            if !taps.map(|(_, &from)| from).is_sorted() {
                return None;
            }
            let inverse = invert(&permutation);
            let kind = ReduceWindow { window: permute_window(&w.window, &inverse) };
            with_region(ed, op, kind.into(), source, permute(&result, &inverse), permutation)
        }
        OpKind::Reduce(r) if o.operands.len() == 2 => {
            let dims: Vec<i64> = r.dims.iter().map(|&d| permutation[d as usize]).collect();
            let kept: Vec<i64> = (0..permutation.len() as i64)
                .filter(|d| !r.dims.contains(d))
                .map(|d| permutation[d as usize])
                .collect();
            // Ascending order of the reduced elements is part of the result's definition, so the
            // reduced dimensions must keep their order.
            if dims.windows(2).any(|w| w[0] > w[1]) {
                return None;
            }
            let mut sorted = kept.clone();
            sorted.sort_unstable();
            let rank_of = |p: i64| sorted.iter().position(|&s| s == p).map(|i| i as i64);
            let outer = kept.iter().map(|&p| rank_of(p)).collect::<Option<Vec<i64>>>()?;
            let ty = permute(&result, &invert(&outer));
            with_region(ed, op, Reduce { dims }.into(), source, ty, outer)
        }
        OpKind::Pad(p) => {
            let inverse = invert(&permutation);
            let pick = |v: &[i64]| inverse.iter().map(|&i| v[i as usize]).collect();
            let kind = Pad { low: pick(&p.low), high: pick(&p.high), interior: pick(&p.interior) };
            let ty = permute(&result, &inverse);
            let value = ed.emit(kind, vec![source, o.operands[1]], ty, o.span);
            transposed(ed, value, permutation, op)
        }
        _ => None,
    }
}

/// Operands of an elementwise operation as they are before `permutation`, if that is free.
fn untransposed_operands(
    ed: &mut Editor<'_>,
    operands: &[ValueId],
    permutation: &[i64],
    op: OpId,
) -> Option<Vec<ValueId>> {
    let free = |body: &Body, v: ValueId| {
        body.constant(v).is_some()
            || transpose_of(body, v).is_some_and(|(_, p)| p == permutation)
            || body.def_op(v).is_some_and(|d| matches!(body.ops[d].kind, OpKind::BroadcastInDim(_)))
            || body.ty(v).tensor().is_some_and(|t| t.rank() == 0)
    };
    if !operands.iter().all(|&v| free(ed.body, v)) {
        return None;
    }
    let inverse = invert(permutation);
    operands.iter().map(|&v| untransposed(ed, v, permutation, &inverse, op)).collect()
}

fn untransposed(
    ed: &mut Editor<'_>,
    v: ValueId,
    permutation: &[i64],
    inverse: &[i64],
    op: OpId,
) -> Option<ValueId> {
    let ty = ed.body.ty(v).tensor()?.clone();
    if ty.rank() == 0 {
        return Some(v);
    }
    let def = ed.body.ops[ed.body.def_op(v)?].clone();
    if let OpKind::BroadcastInDim(b) = &def.kind {
        // Result dimension d of the transposed value is dimension permutation[d] before.
        let dims = b.dims.iter().map(|&d| permutation[d as usize]).collect();
        let ty = permute(&ty, inverse);
        return Some(ed.emit(BroadcastInDim { dims }, def.operands.clone(), ty, def.span));
    }
    transposed(ed, v, inverse.to_vec(), op)
}

fn permute_window(w: &Window, order: &[i64]) -> Window {
    let pick = |v: &[i64]| order.iter().map(|&i| v[i as usize]).collect();
    Window {
        dimensions: pick(&w.dimensions),
        strides: pick(&w.strides),
        base_dilations: pick(&w.base_dilations),
        window_dilations: pick(&w.window_dilations),
        padding: order.iter().map(|&i| w.padding[i as usize]).collect(),
    }
}

/// Emits the operation with its region on `source`, then the transpose.
fn with_region(
    ed: &mut Editor<'_>,
    op: OpId,
    kind: OpKind,
    source: ValueId,
    ty: TensorType,
    permutation: Vec<i64>,
) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    if o.operands.len() != 2 {
        return None;
    }
    let value = ed.emit(kind, vec![source, o.operands[1]], Type::Tensor(ty), o.span);
    if let Some(def) = ed.body.def_op(value) {
        ed.body.ops[def].regions = o.regions;
    }
    transposed(ed, value, permutation, op)
}
