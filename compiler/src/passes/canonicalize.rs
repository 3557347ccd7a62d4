//! Canonicalisation: local rewrites that never change a bit of any result and never cost more.
//!
//! Each rule is a function from an operation to the value that replaces it. Rules terminate: each
//! removes an operation, shortens a chain, or replaces a kind by one that no rule turns back.

use super::rewrite::{Editor, Visit, rewrite};
use crate::eval::Element;
use crate::ir::{Body, ConstData, Constant, Dim, OpId, TensorType, ValueId};
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::dot_general::DotGeneral;
use crate::ops::reshape::Reshape;
use crate::ops::transpose::Transpose;
use crate::ops::{ElementwiseOp, OpKind};

/// Applies all rules to every operation once. Returns whether anything changed.
pub fn canonicalize(body: &mut Body) -> bool {
    rewrite(body, |editor, op| {
        if let OpKind::OptimizationBarrier(_) = editor.body.ops[op].kind {
            return forward_all(editor, op);
        }
        let Some(result) = editor.body.result(op) else { return Visit::Keep };
        match simplify(editor, op) {
            Some(new) => {
                editor.replace(result, new);
                Visit::Drop
            }
            None => Visit::Keep,
        }
    })
}

fn forward_all(editor: &mut Editor<'_>, op: OpId) -> Visit {
    let pairs: Vec<_> = {
        let o = &editor.body.ops[op];
        o.results.iter().copied().zip(o.operands.iter().copied()).collect()
    };
    for (old, new) in pairs {
        editor.replace(old, new);
    }
    Visit::Drop
}

fn simplify(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    if let Some(empty) = empty(ed, op) {
        return Some(empty);
    }
    match ed.body.ops[op].kind.clone() {
        OpKind::Dot(_) => Some(dot_to_dot_general(ed, op)),
        OpKind::DotGeneral(_) | OpKind::Convolution(_) => products_of_nothing(ed, op),
        OpKind::Broadcast(_) => prefix_broadcast(ed, op),
        OpKind::BroadcastInDim(b) => broadcast(ed, op, &b),
        OpKind::Reshape(_) => reshape(ed, op),
        OpKind::Transpose(t) => transpose(ed, op, &t),
        OpKind::Slice(s) => {
            let whole = s.start.iter().all(|&x| x == 0) && s.strides.iter().all(|&x| x == 1);
            whole.then(|| same_type(ed.body, op)).flatten()
        }
        OpKind::Concatenate(_) if ed.body.ops[op].operands.len() == 1 => same_type(ed.body, op),
        OpKind::BitcastConvert(_) => same_type(ed.body, op),
        OpKind::Pad(p) => {
            let none = |v: &[i64]| v.iter().all(|&x| x == 0);
            (none(&p.low) && none(&p.high) && none(&p.interior))
                .then(|| same_type(ed.body, op))
                .flatten()
        }
        OpKind::Elementwise(e) => neutral(ed.body, op, e)
            .or_else(|| without_sign_of_zero(ed, op, e))
            .or_else(|| sink_broadcast(ed, op, e)),
        _ => None,
    }
}

/// A constant in place of an operation that computes a tensor without elements.
fn empty(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    if matches!(ed.body.ops[op].kind, OpKind::Constant(_) | OpKind::CustomCall(_)) {
        return None;
    }
    let ty = ed.body.ty(ed.body.result(op)?).tensor()?.clone();
    let span = ed.body.ops[op].span;
    (ty.elements() == Some(0)).then(|| ed.constant(Constant::dense(ty, Vec::new()), span))
}

/// The sums of no products: zeros, in place of a contraction of tensors without elements.
fn products_of_nothing(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = &ed.body.ops[op];
    let empty = |v: &ValueId| ed.body.ty(*v).tensor().and_then(TensorType::elements) == Some(0);
    if !o.operands.iter().any(empty) {
        return None;
    }
    let span = o.span;
    let ty = ed.body.ty(ed.body.result(op)?).tensor()?.clone();
    ty.static_dims()?;
    let zero = vec![0; ty.dtype()?.size()];
    Some(ed.constant(Constant::splat(ty, &zero), span))
}

/// The first operand, if the operation does not change its type.
fn same_type(body: &Body, op: OpId) -> Option<ValueId> {
    let operand = *body.ops[op].operands.first()?;
    (body.ty(operand) == body.ty(body.result(op)?)).then_some(operand)
}

fn dot_to_dot_general(ed: &mut Editor<'_>, op: OpId) -> ValueId {
    let o = ed.body.ops[op].clone();
    let lhs_rank = ed.body.ty(o.operands[0]).tensor().map_or(1, TensorType::rank);
    let precision = match &o.kind {
        OpKind::Dot(d) => d.precision.clone(),
        _ => Vec::new(),
    };
    let kind = DotGeneral {
        lhs_batching: Vec::new(),
        rhs_batching: Vec::new(),
        lhs_contracting: vec![lhs_rank as i64 - 1],
        rhs_contracting: vec![0],
        precision,
        algorithm: None,
    };
    let ty = ed.body.ty(o.results[0]).clone();
    ed.emit(kind, o.operands.clone(), ty, o.span)
}

fn prefix_broadcast(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let from = ed.body.ty(o.operands[0]).tensor()?.rank() as i64;
    let result = ed.body.ty(o.results[0]).tensor()?.clone();
    let to = result.rank() as i64;
    let kind = BroadcastInDim { dims: (to - from..to).collect() };
    Some(ed.emit(kind, o.operands.clone(), result, o.span))
}

fn broadcast(ed: &mut Editor<'_>, op: OpId, b: &BroadcastInDim) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let (operand, result) = (o.operands[0], ed.body.ty(o.results[0]).tensor()?.clone());
    let from = ed.body.ty(operand).tensor()?.clone();
    if from == result && b.dims.iter().copied().eq(0..from.rank() as i64) {
        return Some(operand);
    }
    // A broadcast of a broadcast, or of a reshape that only inserts or removes ones, is one
    // broadcast of the inner operand.
    if let Some(inner_op) = ed.body.def_op(operand) {
        let inner = ed.body.ops[inner_op].clone();
        let dims = match &inner.kind {
            OpKind::BroadcastInDim(first) => {
                Some(first.dims.iter().map(|&d| b.dims[d as usize]).collect())
            }
            OpKind::Reshape(_) => {
                let source = ed.body.ty(inner.operands[0]).tensor()?;
                inserted_ones(source, &from)
                    .map(|map| map.iter().map(|&d| b.dims[d]).collect::<Vec<i64>>())
            }
            _ => None,
        };
        if let Some(dims) = dims {
            return Some(ed.emit(BroadcastInDim { dims }, inner.operands, result, o.span));
        }
    }
    // A broadcast that repeats nothing and keeps the order is a reshape.
    let ordered = b.dims.windows(2).all(|w| w[0] < w[1]);
    if ordered && from.elements().is_some() && from.elements() == result.elements() {
        return Some(ed.emit(Reshape, vec![operand], result, o.span));
    }
    None
}

/// If `to` is `from` with dimensions of size one inserted, the position of each dimension.
fn inserted_ones(from: &TensorType, to: &TensorType) -> Option<Vec<usize>> {
    let mut map = Vec::new();
    let mut next = 0;
    for dim in &from.dims {
        while to.dims.get(next)? != dim {
            if to.dims[next] != Dim::Static(1) {
                return None;
            }
            next += 1;
        }
        map.push(next);
        next += 1;
    }
    to.dims[next..].iter().all(|d| *d == Dim::Static(1)).then_some(map)
}

fn reshape(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let (operand, result) = (o.operands[0], ed.body.ty(o.results[0]).tensor()?.clone());
    if ed.body.ty(operand).tensor() == Some(&result) {
        return Some(operand);
    }
    if let Some(c) = ed.body.constant(operand) {
        let value = Constant { ty: result, data: c.data.clone() };
        return Some(ed.constant(value, o.span));
    }
    let inner = ed.body.ops[ed.body.def_op(operand)?].clone();
    match inner.kind {
        OpKind::Reshape(_) => Some(ed.emit(Reshape, inner.operands, result, o.span)),
        _ => None,
    }
}

fn transpose(ed: &mut Editor<'_>, op: OpId, t: &Transpose) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let (operand, result) = (o.operands[0], ed.body.ty(o.results[0]).tensor()?.clone());
    if t.permutation.windows(2).all(|w| w[0] < w[1]) {
        return Some(operand);
    }
    // Moving only dimensions of size one is a reshape.
    let from = ed.body.ty(operand).tensor()?.clone();
    let mut wide = t.permutation.iter().filter(|&&p| from.dims[p as usize] != Dim::Static(1));
    let mut last = -1;
    if wide.all(|&p| std::mem::replace(&mut last, p) < p) && from.elements().is_some() {
        return Some(ed.emit(Reshape, vec![operand], result, o.span));
    }
    if let Some(ConstData::Splat(e)) = ed.body.constant(operand).map(|c| c.data.clone()) {
        return Some(ed.constant(Constant::splat(result, &e), o.span));
    }
    let inner = ed.body.ops[ed.body.def_op(operand)?].clone();
    match inner.kind {
        OpKind::Transpose(first) => {
            let permutation =
                t.permutation.iter().map(|&p| first.permutation[p as usize]).collect();
            Some(ed.emit(Transpose { permutation }, inner.operands, result, o.span))
        }
        _ => None,
    }
}

/// `x op c` that is exactly `x`.
fn neutral(body: &Body, op: OpId, e: ElementwiseOp) -> Option<ValueId> {
    let o = &body.ops[op];
    if e == ElementwiseOp::Convert {
        return same_type(body, op);
    }
    let &[a, b] = o.operands.as_slice() else { return None };
    if let Some(value) = neutral_integer(body, e, a, b) {
        return Some(value);
    }
    let is = |v: ValueId, want: f32| match body.constant(v) {
        Some(c) if c.ty.dtype() == Some(microhlo_format::DType::F32) => {
            c.splat_bytes() == Some(&want.to_le_bytes())
        }
        _ => false,
    };
    let (right, left): (Option<f32>, Option<f32>) = match e {
        ElementwiseOp::Maximum => (Some(f32::NEG_INFINITY), Some(f32::NEG_INFINITY)),
        ElementwiseOp::Minimum => (Some(f32::INFINITY), Some(f32::INFINITY)),
        ElementwiseOp::Multiply => (Some(1.0), Some(1.0)),
        ElementwiseOp::Divide => (Some(1.0), None),
        // x - (+0) and x + (-0) are x, also for x = -0; x + (+0) is not.
        ElementwiseOp::Subtract => (Some(0.0), None),
        ElementwiseOp::Add => (Some(-0.0), Some(-0.0)),
        _ => (None, None),
    };
    if right.is_some_and(|c| is(b, c)) {
        return Some(a);
    }
    if left.is_some_and(|c| is(a, c)) {
        return Some(b);
    }
    None
}

/// The conversion to integers of `x + 0` as that of `x`.
fn without_sign_of_zero(ed: &mut Editor<'_>, op: OpId, e: ElementwiseOp) -> Option<ValueId> {
    let body = &*ed.body;
    let result = body.ty(body.result(op)?).tensor()?.clone();
    if e != ElementwiseOp::Convert || !result.dtype()?.is_integer() {
        return None;
    }
    let sum = &body.ops[body.def_op(body.ops[op].operands[0])?];
    let &[a, b] = sum.operands.as_slice() else { return None };
    let zero = |v: ValueId| {
        let c = body.constant(v).filter(|c| c.ty.dtype() == Some(microhlo_format::DType::F32));
        c.and_then(|c| c.splat_bytes()) == Some(&0f32.to_le_bytes())
    };
    let x = match sum.kind {
        OpKind::Elementwise(ElementwiseOp::Add) if zero(b) => a,
        OpKind::Elementwise(ElementwiseOp::Add) if zero(a) => b,
        _ => return None,
    };
    let span = ed.body.ops[op].span;
    Some(ed.emit(e, vec![x], result, span))
}

/// `x op c` that is exactly `x`, of integers.
fn neutral_integer(body: &Body, e: ElementwiseOp, a: ValueId, b: ValueId) -> Option<ValueId> {
    use ElementwiseOp::{
        Add, Divide, Multiply, Or, ShiftLeft, ShiftRightArithmetic, ShiftRightLogical, Subtract,
        Xor,
    };
    let is = |v: ValueId, want: i64| {
        let c = body.constant(v).filter(|c| c.ty.dtype().is_some_and(|d| d.is_integer()))?;
        let element = Element::decode(c.ty.dtype()?, c.splat_bytes()?);
        (element.as_int() == Some(want.into())).then_some(())
    };
    match e {
        Add | Or | Xor => is(b, 0).map(|()| a).or_else(|| is(a, 0).map(|()| b)),
        Subtract | ShiftLeft | ShiftRightArithmetic | ShiftRightLogical => is(b, 0).map(|()| a),
        Multiply => is(b, 1).map(|()| a).or_else(|| is(a, 1).map(|()| b)),
        Divide => is(b, 1).map(|()| a),
        _ => None,
    }
}

/// `op(broadcast(c1), broadcast(c2))` of constants is `broadcast(op(c1, c2))`, computed small.
fn sink_broadcast(ed: &mut Editor<'_>, op: OpId, e: ElementwiseOp) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let result = ed.body.ty(o.results[0]).tensor()?.clone();
    let mut shape: Option<(BroadcastInDim, TensorType)> = None;
    for &v in &o.operands {
        if ed.body.constant(v).is_some_and(|c| c.splat_bytes().is_some()) {
            continue;
        }
        let def = &ed.body.ops[ed.body.def_op(v)?];
        let OpKind::BroadcastInDim(b) = &def.kind else { return None };
        ed.body.constant(def.operands[0])?;
        let small = ed.body.ty(def.operands[0]).tensor()?.clone();
        match &shape {
            Some((first, ty)) if first != b || ty.dims != small.dims => return None,
            _ => shape = Some((b.clone(), small)),
        }
    }
    let (b, small) = shape?;
    let mut operands = Vec::new();
    for &v in &o.operands {
        let splat =
            ed.body.constant(v).and_then(|c| Some((c.ty.clone(), c.splat_bytes()?.to_vec())));
        operands.push(match splat {
            Some((ty, e)) => {
                let ty = TensorType { dims: small.dims.clone(), elem: ty.elem };
                ed.constant(Constant::splat(ty, &e), o.span)
            }
            None => ed.body.ops[ed.body.def_op(v)?].operands[0],
        });
    }
    let ty = TensorType { dims: small.dims.clone(), elem: result.elem.clone() };
    let inner = ed.emit(e, operands, ty, o.span);
    Some(ed.emit(b, vec![inner], result, o.span))
}
