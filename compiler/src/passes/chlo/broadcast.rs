//! Implicit broadcasts, and constants in the shape of an operand.

use super::super::rewrite::Editor;
use super::build::Build;
use crate::ir::{OpId, TensorType, ValueId};
use crate::ops::chlo::broadcast::Broadcast;
use crate::ops::chlo::constant_like::ConstantLike;

/// Every operand as a `broadcast_in_dim` to the common shape, then the operation itself.
pub fn expand(ed: &mut Editor<'_>, op: OpId, broadcast: &Broadcast) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let types: Vec<TensorType> =
        o.operands.iter().map(|&v| ed.body.ty(v).tensor().cloned()).collect::<Option<_>>()?;
    let dims = broadcast.shape(&types.iter().collect::<Vec<_>>()).ok()?;
    let declared = ed.body.ty(*o.results.first()?).tensor()?.clone();
    let same = types.iter().all(|t| t.dims == dims);
    if !same && dims.iter().any(|d| d.size().is_none()) {
        return None;
    }
    let mut build = Build { ed, span: o.span };
    let mut operands = Vec::new();
    for (&value, ty) in o.operands.iter().zip(&types) {
        let full = TensorType { dims: dims.clone(), elem: ty.elem.clone() };
        operands.push(if full == *ty {
            value
        } else {
            let placed = broadcast.placed(ty.rank(), dims.len()).ok()?;
            build.spread(value, placed, &full)
        });
    }
    Some(build.op(broadcast.kind(), &operands, &TensorType { dims, elem: declared.elem }))
}

/// A constant.
pub fn fill(ed: &mut Editor<'_>, op: OpId, like: &ConstantLike) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let declared = ed.body.ty(*o.results.first()?).tensor()?.clone();
    let dims = ed.body.ty(*o.operands.first()?).tensor()?.dims.clone();
    let ty = TensorType { dims, elem: declared.elem };
    ty.static_dims()?;
    let element = like.encoded(ty.elem.plain()?).ok()?;
    Some(Build { ed, span: o.span }.splat(&ty, &element))
}
