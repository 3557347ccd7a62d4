//! Operations whose regions the kernels do not run, as loops.
//!
//! A kernel that combines elements runs its region as scalar code of a limited length
//! (`is_scalar_code`). [`scalar`] brings regions into that form where a rewrite does; here,
//! what remains becomes `while` loops that apply the region in the order that is documented for the
//! kernel, so that every bit is the same. A region that is elementwise and only too long, or has too
//! many tensors, is applied to all results of a reduction at once.

mod apply;
mod nest;
mod reduce;
pub mod scalar;
mod scatter;
mod sort;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

pub use apply::{is_elementwise, lifted};

use super::build::Build;
use super::rewrite::{Editor, Visit, rewrite};
use crate::ir::{BlockId, Body, OpId, ValueId};
use crate::lower::facts::Facts;
use crate::lower::region::is_scalar_code;
use crate::ops::OpKind;

/// Whether an operation's regions combine or compare elements.
fn combines(kind: &OpKind) -> bool {
    matches!(
        kind,
        OpKind::Map(_)
            | OpKind::Reduce(_)
            | OpKind::ReduceWindow(_)
            | OpKind::Scatter(_)
            | OpKind::SelectAndScatter(_)
            | OpKind::Sort(_)
    )
}

/// Turns operations whose regions no kernel runs into loops, also those in such regions. Returns
/// whether anything changed.
pub fn region_loops(body: &mut Body) -> bool {
    let mut changed = false;
    loop {
        let facts = Facts::new(body);
        let misfits = body.walk(body.entry).into_iter().filter(|&op| {
            let map = matches!(body.ops[op].kind, OpKind::Map(_));
            map || (combines(&body.ops[op].kind) && !is_scalar_code(&facts, op))
        });
        let misfits: HashSet<OpId> = misfits.collect();
        if misfits.is_empty() || !unroll(body, &misfits, true) {
            return changed;
        }
        changed = true;
    }
}

/// Turns these operations into loops, those with elementwise regions into loops over tensors if
/// `lift` says so. Operations of static shapes only; others stay.
fn unroll(body: &mut Body, ops: &HashSet<OpId>, lift: bool) -> bool {
    let mut changed = false;
    rewrite(body, |ed, op| {
        if !ops.contains(&op) {
            return Visit::Keep;
        }
        let Some(new) = expand(ed, op, lift) else { return Visit::Keep };
        let old = ed.body.ops[op].results.clone();
        for (old, new) in old.into_iter().zip(new) {
            ed.replace(old, new);
        }
        changed = true;
        Visit::Drop
    });
    changed
}

/// Turns all operations that combine elements into loops.
#[cfg(test)]
pub(super) fn all_as_loops(body: &mut Body, lift: bool) {
    loop {
        let all = body.walk(body.entry).into_iter().filter(|&op| combines(&body.ops[op].kind));
        if !unroll(body, &all.collect(), lift) {
            return;
        }
    }
}

/// The values that replace an operation's results.
fn expand(ed: &mut Editor<'_>, op: OpId, lift: bool) -> Option<Vec<ValueId>> {
    let o = ed.body.ops[op].clone();
    let types = o.results.iter().map(|&v| ed.body.ty(v).tensor().cloned());
    let types = types.collect::<Option<Vec<_>>>()?;
    // Those that combine slices are not in the specification.
    let args = o.regions.iter().flat_map(|&block| &ed.body.blocks[block].args);
    let scalar = |&v: &ValueId| ed.body.ty(v).tensor().is_some_and(|t| t.rank() == 0);
    let region = args.copied().all(|v| scalar(&v)).then_some(*o.regions.last()?)?;
    let region = Region::new(ed.body, region, lift);
    let mut b = Build::new(ed, o.span);
    if types.iter().all(|ty| ty.elements() == Some(0)) {
        return Some(types.iter().map(|ty| b.number(ty, 0)).collect());
    }
    match &o.kind {
        OpKind::Map(_) => reduce::map(&mut b, &region, &o.operands),
        OpKind::Reduce(r) => reduce::reduce(&mut b, &region, &o.operands, &r.dims),
        OpKind::ReduceWindow(w) => reduce::window(&mut b, &region, &o.operands, &w.window),
        OpKind::Scatter(s) => scatter::scatter(&mut b, &region, &o.operands, &s.dims),
        OpKind::SelectAndScatter(s) => scatter::select_and_scatter(&mut b, &o, &s.window),
        OpKind::Sort(s) => sort::sort(&mut b, &region, &o.operands, s.dim),
        _ => None,
    }
}

/// A region to apply.
struct Region {
    block: BlockId,
    /// Whether it can be applied to all elements of tensors at once.
    elementwise: bool,
}

impl Region {
    fn new(body: &Body, block: BlockId, lift: bool) -> Region {
        Region { block, elementwise: lift && is_elementwise(body, block) }
    }

    /// What it returns for scalars.
    fn scalars(&self, b: &mut Build<'_, '_>, args: &[ValueId]) -> Option<Vec<ValueId>> {
        apply::copied(b, self.block, args)
    }

    /// What it returns for each element of tensors, if it is elementwise.
    fn tensors(
        &self,
        b: &mut Build<'_, '_>,
        args: &[ValueId],
        dims: &[u64],
    ) -> Option<Vec<ValueId>> {
        apply::lifted(b, self.block, args, dims)
    }

    /// Values in the element types of its arguments from number `first` on.
    fn converted(
        &self,
        b: &mut Build<'_, '_>,
        values: &[ValueId],
        first: usize,
    ) -> Option<Vec<ValueId>> {
        let args = b.ed.body.blocks[self.block].args.clone();
        let pairs = values.iter().zip(args.get(first..)?);
        pairs.map(|(&v, &arg)| b.convert(v, b.ty(arg)?.dtype()?)).collect()
    }
}
