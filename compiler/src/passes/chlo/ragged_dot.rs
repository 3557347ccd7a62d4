//! `ragged_dot` as a product per group, from which the group's part is selected.

use super::super::rewrite::Editor;
use super::build::Build;
use crate::ir::{Dim, OpId, TensorType, ValueId};
use crate::ops::ElementwiseOp;
use crate::ops::chlo::ragged_dot::{Mode, RaggedDot};
use crate::ops::compare::Direction;
use crate::ops::concatenate::Concatenate;
use crate::ops::iota::Iota;
use crate::ops::reshape::Reshape;

/// Most groups: each is a product of its own in the program.
const MAX_GROUPS: u64 = 256;

/// The result.
pub fn expand(ed: &mut Editor<'_>, op: OpId, ragged: &RaggedDot) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let &[lhs, rhs, sizes] = o.operands.as_slice() else { return None };
    let types: Vec<TensorType> =
        o.operands.iter().map(|&v| ed.body.ty(v).tensor().cloned()).collect::<Option<_>>()?;
    if types.iter().any(|t| t.static_dims().is_none()) {
        return None;
    }
    let result = ed.body.ty(*o.results.first()?).tensor()?.clone();
    let (mode, dim) = ragged.mode().ok()?;
    let mut build = Build { ed, span: o.span };
    if mode == Mode::Batch {
        return Some(build.op(ragged.dot.clone(), &[lhs, rhs], &result));
    }
    let groups = types[2].dims.last()?.size().filter(|&n| n <= MAX_GROUPS)?;
    let outer = ragged.outer(types[0].rank()).ok()?;
    let ends = ends(&mut build, sizes, groups)?;
    match mode {
        Mode::Free => {
            let rows = Rows { ragged, lhs, rhs, outer, dim };
            rows.expand(&mut build, &types[0], &ends, &result)
        }
        _ => {
            let terms = Terms { ragged, operands: [lhs, rhs], outer, dim };
            terms.expand(&mut build, &types, &ends, &result)
        }
    }
}

/// Position after each group: the running sums of the sizes.
fn ends(build: &mut Build<'_, '_>, sizes: ValueId, groups: u64) -> Option<Vec<ValueId>> {
    let last = build.ed.body.ty(sizes).tensor()?.rank().checked_sub(1)?;
    let mut ends: Vec<ValueId> = Vec::new();
    for g in 0..groups {
        let size = build.take(sizes, last, g, g + 1, true)?;
        ends.push(match ends.last() {
            Some(&before) => build.map(ElementwiseOp::Add, &[before, size])?,
            None => size,
        });
    }
    Some(ends)
}

/// Whether the index of dimension `dim` is before a bound, which may differ over `outer`.
fn before(
    build: &mut Build<'_, '_>,
    bound: ValueId,
    outer: &[usize],
    dim: usize,
    dims: &[Dim],
) -> Option<ValueId> {
    let ty = build.ed.body.ty(bound).tensor()?.clone();
    let full = TensorType { dims: dims.to_vec(), elem: ty.elem.clone() };
    let index = build.op(Iota { dim: dim as i64 }, &[], &full);
    let placed = if ty.rank() == 0 { vec![] } else { outer.iter().map(|&d| d as i64).collect() };
    let bound = build.spread(bound, placed, &full);
    build.compare(Direction::Lt, index, bound)
}

/// Groups of rows.
struct Rows<'r> {
    ragged: &'r RaggedDot,
    lhs: ValueId,
    rhs: ValueId,
    outer: Vec<usize>,
    dim: usize,
}

impl Rows<'_> {
    /// From the last group to the first: rows before its end are its own, or of an earlier one.
    fn expand(
        &self,
        build: &mut Build<'_, '_>,
        lhs: &TensorType,
        ends: &[ValueId],
        result: &TensorType,
    ) -> Option<ValueId> {
        let dot = self.ragged.dot_of_group();
        let group = *self.ragged.group.first()? as usize;
        // The result has the batch dimensions first, then the free ones of the left operand.
        let batching = &dot.lhs_batching;
        let free = (0..lhs.rank() as i64)
            .filter(|d| !batching.contains(d) && !dot.lhs_contracting.contains(d));
        let order: Vec<i64> = batching.iter().copied().chain(free).collect();
        let place = |d: usize| order.iter().position(|&o| o == d as i64);
        let outer: Vec<usize> = self.outer.iter().map(|&d| place(d)).collect::<Option<_>>()?;
        let dim = place(self.dim)?;
        let mut out = build.number(result, 0);
        for (g, &end) in ends.iter().enumerate().rev() {
            let rhs = build.take(self.rhs, group, g as u64, g as u64 + 1, true)?;
            let product = build.op(dot.clone(), &[self.lhs, rhs], result);
            let own = before(build, end, &outer, dim, &result.dims)?;
            out = build.map(ElementwiseOp::Select, &[own, product, out])?;
        }
        Some(out)
    }
}

/// Groups of contracted positions.
struct Terms<'r> {
    ragged: &'r RaggedDot,
    operands: [ValueId; 2],
    outer: Vec<usize>,
    dim: usize,
}

impl Terms<'_> {
    fn expand(
        &self,
        build: &mut Build<'_, '_>,
        types: &[TensorType],
        ends: &[ValueId],
        result: &TensorType,
    ) -> Option<ValueId> {
        let dot = &self.ragged.dot;
        // The right operand's dimension of each batch or contracted one of the left operand.
        let left = [&dot.lhs_batching[..], &dot.lhs_contracting].concat();
        let right = [&dot.rhs_batching[..], &dot.rhs_contracting].concat();
        let across = |d: &usize| {
            let at = left.iter().position(|&l| l == *d as i64)?;
            right.get(at).map(|&r| r as usize)
        };
        let outer = [self.outer.clone(), self.outer.iter().map(across).collect::<Option<_>>()?];
        let dims = [self.dim, across(&self.dim)?];
        let mut one = result.clone();
        one.dims.remove(0);
        let mut stacked = one.clone();
        stacked.dims.insert(0, Dim::Static(1));
        let mut products = Vec::new();
        for (g, &end) in ends.iter().enumerate() {
            let start = g.checked_sub(1).map(|before| ends[before]);
            let mut masked = Vec::new();
            for side in 0..2 {
                let (value, ty) = (self.operands[side], &types[side]);
                let mut own = before(build, end, &outer[side], dims[side], &ty.dims)?;
                if let Some(start) = start {
                    let earlier = before(build, start, &outer[side], dims[side], &ty.dims)?;
                    let later = build.map(ElementwiseOp::Not, &[earlier])?;
                    own = build.map(ElementwiseOp::And, &[own, later])?;
                }
                let zero = build.number(ty, 0);
                masked.push(build.op(ElementwiseOp::Select, &[own, value, zero], ty));
            }
            let product = build.op(dot.clone(), &masked, &one);
            products.push(build.op(Reshape, &[product], &stacked));
        }
        match products.as_slice() {
            [] => Some(build.number(result, 0)),
            all => Some(build.op(Concatenate { dim: 0 }, all, result)),
        }
    }
}
