//! Regions applied to values: copied, or as operations on whole tensors.

use std::collections::HashMap;

use crate::ir::{BlockId, Body, Constant, OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::constant::Constant as ConstantOp;
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// Whether a region computes scalars from scalars, element by element.
pub fn is_elementwise(body: &Body, block: BlockId) -> bool {
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

/// What an elementwise region returns for each element of tensors of one shape.
pub fn lifted(
    b: &mut Build<'_, '_>,
    block: BlockId,
    args: &[ValueId],
    dims: &[u64],
) -> Option<Vec<ValueId>> {
    let formal = b.ed.body.blocks[block].args.iter().copied();
    let mut values: HashMap<ValueId, ValueId> = formal.zip(args.iter().copied()).collect();
    for inner in b.ed.body.blocks[block].ops.clone() {
        let inner = b.ed.body.ops[inner].clone();
        let mut operands = Vec::new();
        for v in inner.operands {
            operands.push(repeated(b, &mut values, v, dims)?);
        }
        if let OpKind::Return(_) = inner.kind {
            return Some(operands);
        }
        let result = *inner.results.first()?;
        let ty = b.ty(result)?.with_dims(dims);
        let kind = match &inner.kind {
            OpKind::Constant(c) => {
                let value = Constant::splat(ty.clone(), c.value.splat_bytes()?);
                ConstantOp { value: value.into() }.into()
            }
            kind => kind.clone(),
        };
        let new = b.op(kind, &operands, ty);
        values.insert(result, new);
    }
    None
}

/// The tensor that stands for a scalar of the region: a value from outside is repeated.
fn repeated(
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

/// Copies the operations of a region to here. Gives what it returns for the arguments.
pub fn copied(b: &mut Build<'_, '_>, block: BlockId, args: &[ValueId]) -> Option<Vec<ValueId>> {
    let formal = b.ed.body.blocks[block].args.clone();
    let (end, ops) = b.ed.body.blocks[block].ops.split_last().map(|(&e, o)| (e, o.to_vec()))?;
    let mut copier = Copier { values: formal.into_iter().zip(args.iter().copied()).collect() };
    for op in ops {
        let new = copier.op(b.ed, op);
        b.ed.place(new);
    }
    let returned = b.ed.body.ops[end].operands.clone();
    Some(returned.into_iter().map(|v| copier.value(b.ed, v)).collect())
}

/// Copies operations within a body.
struct Copier {
    values: HashMap<ValueId, ValueId>,
}

impl Copier {
    fn value(&self, ed: &Editor<'_>, value: ValueId) -> ValueId {
        self.values.get(&value).copied().unwrap_or_else(|| ed.resolve(value))
    }

    fn op(&mut self, ed: &mut Editor<'_>, op: OpId) -> OpId {
        let old = ed.body.ops[op].clone();
        let operands = old.operands.iter().map(|&v| self.value(ed, v)).collect();
        let types = old.results.iter().map(|&v| ed.body.ty(v).clone()).collect();
        let regions = old.regions.iter().map(|&block| self.block(ed, block)).collect();
        let new = ed.body.make_op(old.kind, operands, types, regions, old.span);
        ed.body.ops[new].attrs = old.attrs;
        self.values.extend(old.results.into_iter().zip(ed.body.ops[new].results.clone()));
        new
    }

    fn block(&mut self, ed: &mut Editor<'_>, block: BlockId) -> BlockId {
        let new = ed.body.add_block();
        for arg in ed.body.blocks[block].args.clone() {
            let ty = ed.body.ty(arg).clone();
            self.values.insert(arg, ed.body.add_arg(new, ty));
        }
        for op in ed.body.blocks[block].ops.clone() {
            let copy = self.op(ed, op);
            ed.body.blocks[new].ops.push(copy);
        }
        new
    }
}
