//! `map` as the operations of its region on whole tensors.

use std::collections::HashMap;

use crate::ir::{BlockId, Constant, OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::constant::Constant as ConstantOp;
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// Applies the region's operations to whole tensors, if all of them are elementwise.
pub(super) fn inline(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let block = *o.regions.first()?;
    if !is_elementwise(ed, block) {
        return None;
    }
    let dims = ed.body.ty(*o.operands.first()?).tensor()?.static_dims()?;
    let args = ed.body.blocks[block].args.clone();
    let mut values: HashMap<ValueId, ValueId> = args.into_iter().zip(o.operands).collect();
    let mut b = Build::new(ed, o.span);
    let (ret, ops) =
        b.ed.body.blocks[block].ops.clone().split_last().map(|(l, r)| (*l, r.to_vec()))?;
    for inner in ops {
        let inner = b.ed.body.ops[inner].clone();
        let result = *inner.results.first()?;
        let ty = b.ty(result)?.with_dims(&dims);
        let new = match &inner.kind {
            OpKind::Constant(c) => {
                let value = Constant::splat(ty, c.value.splat_bytes()?);
                b.op(ConstantOp { value: value.into() }, &[], b.ty(result)?.with_dims(&dims))
            }
            kind => {
                let mut operands = Vec::new();
                for v in inner.operands {
                    operands.push(outer(&mut b, &mut values, v, &dims)?);
                }
                b.op(kind.clone(), &operands, ty)
            }
        };
        values.insert(result, new);
    }
    let returned = *b.ed.body.ops[ret].operands.first()?;
    outer(&mut b, &mut values, returned, &dims)
}

/// The tensor that stands for a scalar of the region: a value from outside is repeated.
fn outer(
    b: &mut Build<'_, '_>,
    values: &mut HashMap<ValueId, ValueId>,
    value: ValueId,
    dims: &[u64],
) -> Option<ValueId> {
    if let Some(&known) = values.get(&value) {
        return Some(known);
    }
    let repeated = b.broadcast(value, &[], dims)?;
    values.insert(value, repeated);
    Some(repeated)
}

fn is_elementwise(ed: &Editor<'_>, block: BlockId) -> bool {
    let body = &ed.body;
    let scalar = |v: &ValueId| body.ty(*v).tensor().is_some_and(|t| t.rank() == 0);
    body.blocks[block].ops.iter().all(|&op| {
        let o = &body.ops[op];
        let kind = matches!(
            o.kind,
            OpKind::Elementwise(_)
                | OpKind::Compare(_)
                | OpKind::Constant(_)
                | OpKind::BitcastConvert(_)
                | OpKind::ReducePrecision(_)
                | OpKind::Return(_)
        );
        kind && o.operands.iter().chain(&o.results).all(scalar)
    })
}
