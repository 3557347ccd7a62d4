//! `top_k` as a stable sort with the positions, of which the first are taken.

use microhlo_format::DType;

use super::super::rewrite::Editor;
use super::build::Build;
use crate::ir::{OpId, TensorType, ValueId};
use crate::ops::chlo::top_k::TopK;
use crate::ops::compare::{Compare, CompareType, Direction};
use crate::ops::func::Return;
use crate::ops::iota::Iota;
use crate::ops::sort::Sort;

/// Values and positions.
pub fn expand(ed: &mut Editor<'_>, op: OpId, top: &TopK) -> Option<Vec<ValueId>> {
    let o = ed.body.ops[op].clone();
    let &[operand] = o.operands.as_slice() else { return None };
    let ty = ed.body.ty(operand).tensor()?.clone();
    ty.static_dims()?;
    let last = ty.rank().checked_sub(1)?;
    let positions = ty.with_dtype(DType::I32);
    let block = comparator(ed, &ty, op, top)?;
    let mut build = Build { ed, span: o.span };
    let iota = build.op(Iota { dim: last as i64 }, &[], &positions);
    let sort = Sort { dim: last as i64, stable: true };
    let types = vec![ty.into(), positions.into()];
    let sorted = build.ed.emit_op(sort.into(), vec![operand, iota], types, vec![block], o.span);
    sorted.into_iter().map(|v| build.take(v, last, 0, top.k, false)).collect()
}

/// Whether an element comes before another.
fn comparator(
    ed: &mut Editor<'_>,
    ty: &TensorType,
    op: OpId,
    top: &TopK,
) -> Option<crate::ir::BlockId> {
    let dtype = ty.dtype()?;
    let span = ed.body.ops[op].span;
    let block = ed.body.add_block();
    let mut args = Vec::new();
    for dtype in [dtype, dtype, DType::I32, DType::I32] {
        args.push(ed.body.add_arg(block, TensorType::scalar(dtype).into()));
    }
    let compare = Compare {
        direction: if top.largest { Direction::Gt } else { Direction::Lt },
        compare_type: dtype.is_float().then_some(CompareType::TotalOrder),
    };
    let boolean = TensorType::scalar(DType::I1).into();
    let before = ed.body.append(block, compare.into(), args[..2].to_vec(), vec![boolean], span);
    let before = ed.body.ops[before].results.clone();
    ed.body.append(block, Return.into(), before, vec![], span);
    Some(block)
}
