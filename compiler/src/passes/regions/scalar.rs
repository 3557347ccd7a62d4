//! Regions that combine elements in the form that kernels run: operations on scalars, without
//! branches.

use std::collections::HashSet;

use microhlo_format::DType;

use super::combines;
use crate::ir::{BlockId, Body, OpId, TensorType, ValueId};
use crate::ops::compare::Direction;
use crate::ops::{ElementwiseOp, OpKind};
use crate::passes::build::Build;
use crate::passes::rewrite::{Editor, Visit, rewrite};

/// Most operations of the branches of a choice that are both computed.
const MAX_SPECULATED: usize = 32;

/// Turns operations on single elements into operations on scalars, and choices between such values
/// into `select`, in regions that combine elements. Returns whether anything changed.
pub fn scalar_regions(body: &mut Body) -> bool {
    let all = body.walk(body.entry).into_iter();
    let combining = all.filter(|&op| combines(&body.ops[op].kind));
    let regions = combining.flat_map(|op| &body.ops[op].regions);
    let inside: HashSet<OpId> = regions.flat_map(|&region| body.walk(region)).collect();
    if inside.is_empty() {
        return false;
    }
    rewrite(body, |ed, op| {
        if !inside.contains(&op) {
            return Visit::Keep;
        }
        let Some(new) = simplified(ed, op) else { return Visit::Keep };
        let old = ed.body.ops[op].results.clone();
        for (old, new) in old.into_iter().zip(new) {
            ed.replace(old, new);
        }
        Visit::Drop
    })
}

/// Whether a value is a tensor of one element.
fn is_single(body: &Body, value: ValueId) -> bool {
    body.ty(value).tensor().is_some_and(|t| t.elements() == Some(1))
}

fn simplified(ed: &mut Editor<'_>, op: OpId) -> Option<Vec<ValueId>> {
    match ed.body.ops[op].kind {
        OpKind::If(_) | OpKind::Case(_) => selected(ed, op),
        _ => single(ed, op).map(|v| vec![v]),
    }
}

/// The value of an operation on single elements.
fn single(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let ty = ed.body.ty(ed.body.result(op)?).tensor()?.clone();
    let dims = ty.static_dims()?;
    if !is_single(ed.body, ed.body.result(op)?) {
        return None;
    }
    match o.kind {
        // All elements of these are elements of the operand, of which there is one.
        OpKind::Broadcast(_)
        | OpKind::BroadcastInDim(_)
        | OpKind::DynamicSlice(_)
        | OpKind::Reshape(_)
        | OpKind::Reverse(_)
        | OpKind::Slice(_)
        | OpKind::Transpose(_) => {
            let source = only_element(ed.body, *o.operands.first()?)?;
            // A reshape of the operand itself is what this becomes.
            let same = matches!(o.kind, OpKind::Reshape(_)) && source == o.operands[0];
            (!same).then(|| Build::new(ed, o.span).reshape(source, &dims))?
        }
        OpKind::DynamicUpdateSlice(_) => {
            let update = *o.operands.get(1)?;
            is_single(ed.body, update).then(|| Build::new(ed, o.span).reshape(update, &dims))?
        }
        OpKind::Elementwise(_) | OpKind::Compare(_) | OpKind::ReducePrecision(_)
            if !dims.is_empty() && o.operands.iter().all(|&v| is_single(ed.body, v)) =>
        {
            let mut b = Build::new(ed, o.span);
            let operands = o.operands.iter().map(|&v| b.reshape(v, &[]));
            let operands = operands.collect::<Option<Vec<_>>>()?;
            let scalar = b.op(o.kind, &operands, ty.with_dims(&[]));
            b.reshape(scalar, &dims)
        }
        _ => None,
    }
}

/// The one element that all elements of a value are.
fn only_element(body: &Body, value: ValueId) -> Option<ValueId> {
    if is_single(body, value) {
        return Some(value);
    }
    let op = &body.ops[body.def_op(value)?];
    match op.kind {
        OpKind::Broadcast(_)
        | OpKind::BroadcastInDim(_)
        | OpKind::Reshape(_)
        | OpKind::Reverse(_)
        | OpKind::Slice(_)
        | OpKind::Transpose(_) => only_element(body, *op.operands.first()?),
        _ => None,
    }
}

/// The results of a choice between branches that can all be computed.
fn selected(ed: &mut Editor<'_>, op: OpId) -> Option<Vec<ValueId>> {
    let o = ed.body.ops[op].clone();
    let &[choice] = o.operands.as_slice() else { return None };
    let count: usize = o.regions.iter().map(|&block| ed.body.blocks[block].ops.len()).sum();
    let pure = o.regions.iter().all(|&block| is_pure(ed.body, block));
    if count > MAX_SPECULATED || !pure || !o.results.iter().all(|&v| is_single(ed.body, v)) {
        return None;
    }
    let returned: Vec<Vec<ValueId>> =
        o.regions.iter().map(|&block| ed.body.returned(block).to_vec()).collect();
    for &block in &o.regions {
        ed.splice(block);
    }
    let mut b = Build::new(ed, o.span);
    let (last, others) = returned.split_last()?;
    let mut results = last.clone();
    for (i, values) in others.iter().enumerate().rev() {
        let test = match o.kind {
            OpKind::Case(_) => {
                let number = b.number(&TensorType::scalar(DType::I32), i as i64);
                b.compare(Direction::Eq, choice, number)?
            }
            _ => choice,
        };
        for (result, &value) in results.iter_mut().zip(values) {
            let ty = b.ty(value)?;
            *result = b.op(ElementwiseOp::Select, &[test, value, *result], ty);
        }
    }
    Some(results)
}

/// Whether the operations of a block can be computed where their results are not needed.
fn is_pure(body: &Body, block: BlockId) -> bool {
    body.blocks[block].ops.iter().all(|&op| {
        matches!(
            body.ops[op].kind,
            OpKind::Elementwise(_)
                | OpKind::BitcastConvert(_)
                | OpKind::Broadcast(_)
                | OpKind::BroadcastInDim(_)
                | OpKind::Compare(_)
                | OpKind::Constant(_)
                | OpKind::ReducePrecision(_)
                | OpKind::Reshape(_)
                | OpKind::Return(_)
                | OpKind::Reverse(_)
                | OpKind::Slice(_)
                | OpKind::Transpose(_)
        )
    })
}
