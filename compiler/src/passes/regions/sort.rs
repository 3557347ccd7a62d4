//! `sort` as a sort of fewer tensors, or as loops.

use microhlo_format::DType;
use microhlo_format::kernels::MAX_REGION_OPERANDS;

use super::Region;
use super::nest::{element, index, nest, plus, with_element, with_part};
use crate::ir::{BlockId, TensorType, Type, ValueId};
use crate::ops::ElementwiseOp;
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::compare::Direction;
use crate::ops::gather::{Gather, GatherDims};
use crate::ops::sort::Sort;
use crate::passes::build::Build;

/// Sorts the numbers of the elements, and gathers all operands in that order.
pub fn sort(
    b: &mut Build<'_, '_>,
    region: &Region,
    operands: &[ValueId],
    dim: i64,
) -> Option<Vec<ValueId>> {
    let ty = b.ty(*operands.first()?)?.with_dtype(DType::I32);
    let sizes = ty.static_dims()?;
    let dim = usize::try_from(if dim < 0 { dim + sizes.len() as i64 } else { dim }).ok()?;
    let n = *sizes.get(dim)?;
    if n < 2 {
        return Some(operands.to_vec());
    }
    let used = compared(b, region.block, operands.len());
    let fewer = operands.len() > MAX_REGION_OPERANDS && used.len() < MAX_REGION_OPERANDS;
    let order = if fewer {
        by_keys(b, region.block, operands, &used, dim)?
    } else {
        by_loops(b, region, operands, dim)?
    };
    operands.iter().map(|&v| reordered(b, v, order, dim)).collect()
}

/// Numbers of the tensors that a comparator looks at.
fn compared(b: &Build<'_, '_>, block: BlockId, n: usize) -> Vec<usize> {
    let body = &*b.ed.body;
    let args = &body.blocks[block].args;
    let ops = body.walk(block);
    let used = |v: ValueId| ops.iter().any(|&op| body.ops[op].operands.contains(&v));
    (0..n).filter(|&i| used(args[2 * i]) || used(args[2 * i + 1])).collect()
}

/// The order of the elements, from a sort of the tensors that the comparator looks at.
fn by_keys(
    b: &mut Build<'_, '_>,
    block: BlockId,
    operands: &[ValueId],
    used: &[usize],
    dim: usize,
) -> Option<ValueId> {
    let mut keys: Vec<ValueId> = used.iter().map(|&i| operands[i]).collect();
    let ty = b.ty(*operands.first()?)?.with_dtype(DType::I32);
    let numbers = b.iota(ty.static_dims()?[dim], DType::I32);
    keys.push(b.op(BroadcastInDim { dims: vec![dim as i64] }, &[numbers], ty));
    // The arguments of the others go.
    let args = std::mem::take(&mut b.ed.body.blocks[block].args);
    let mut kept: Vec<ValueId> =
        used.iter().flat_map(|&i| [args[2 * i], args[2 * i + 1]]).collect();
    for (i, &arg) in kept.iter().enumerate() {
        b.ed.body.values[arg].def = crate::ir::Def::Arg(block, i as u32);
    }
    std::mem::swap(&mut b.ed.body.blocks[block].args, &mut kept);
    for _ in 0..2 {
        b.ed.body.add_arg(block, index().into());
    }
    let types: Vec<Type> = b.types(&keys);
    let kind = Sort { dim: dim as i64, stable: true };
    b.ed.emit_op(kind.into(), keys, types, vec![block], b.span).pop()
}

/// The order of the elements, line by line.
fn by_loops(
    b: &mut Build<'_, '_>,
    region: &Region,
    operands: &[ValueId],
    dim: usize,
) -> Option<ValueId> {
    let ty = b.ty(*operands.first()?)?.with_dtype(DType::I32);
    let sizes = ty.static_dims()?;
    let n = i32::try_from(sizes[dim]).ok()?;
    let line: Vec<u64> = (0..sizes.len()).map(|d| if d == dim { sizes[d] } else { 1 }).collect();
    let lines: Vec<u64> = (0..sizes.len()).map(|d| if d == dim { 1 } else { sizes[d] }).collect();
    let none = b.number(&ty, 0);
    let orders = nest(b, &lines, vec![none], &mut |b, at, orders| {
        let sorter = Sorter { region, operands, at, dim, n };
        let order = sorter.line(b)?;
        Some(vec![with_part(b, orders[0], order, at, &line)?])
    })?;
    orders.first().copied()
}

/// A merge sort of one line, from the bottom up: the order of the `sort` kernel, so that a
/// comparator that is no order gives the same, too.
struct Sorter<'s> {
    region: &'s Region,
    operands: &'s [ValueId],
    /// Where the line starts.
    at: &'s [ValueId],
    dim: usize,
    n: i32,
}

impl Sorter<'_> {
    /// Merges runs of one element, then of two, and so on.
    fn line(&self, b: &mut Build<'_, '_>) -> Option<ValueId> {
        let start = b.iota(self.n.unsigned_abs().into(), DType::I32);
        let state = vec![b.number(&index(), 1), start];
        let n = i64::from(self.n);
        let sorted = b.repeat(
            state,
            |b, state| {
                // A width that is doubled beyond the largest number is negative.
                let (zero, n) = (b.number(&index(), 0), b.number(&index(), n));
                let (least, most) = (
                    b.compare(Direction::Gt, state[0], zero)?,
                    b.compare(Direction::Lt, state[0], n)?,
                );
                b.same(ElementwiseOp::And, &[least, most])
            },
            |b, state| {
                let &[width, order] = state else { return None };
                let merged = self.pass(b, width, order)?;
                Some(vec![b.same(ElementwiseOp::Add, &[width, width])?, merged])
            },
        )?;
        sorted.get(1).copied()
    }

    /// Merges pairs of runs of `width` elements.
    fn pass(&self, b: &mut Build<'_, '_>, width: ValueId, order: ValueId) -> Option<ValueId> {
        // Positions in two runs, their ends, and what is merged.
        let zero = b.number(&index(), 0);
        let state = vec![zero, zero, zero, zero, order];
        let n = self.n.unsigned_abs().into();
        let merged = nest(b, &[n], state, &mut |b, to, state| {
            let &[x, x_end, y, y_end, merged] = state else { return None };
            let to = *to.first()?;
            let done = b.compare(Direction::Ge, to, y_end)?;
            let [middle, end] = self.runs(b, to, width)?;
            let next = [(to, x), (middle, x_end), (middle, y), (end, y_end)];
            let next = next
                .map(|(new, old)| Some(b.op(ElementwiseOp::Select, &[done, new, old], index())));
            let [Some(x), Some(x_end), Some(y), Some(y_end)] = next else { return None };
            let (later, from) = self.step(b, order, [x, x_end, y, y_end])?;
            let merged = with_element(b, merged, from, &[to])?;
            let y_step = b.convert(later, DType::I32)?;
            let y = b.same(ElementwiseOp::Add, &[y, y_step])?;
            let x_step = b.same(ElementwiseOp::Subtract, &[x, y_step])?;
            let x = plus(b, x_step, 1)?;
            Some(vec![x, x_end, y, y_end, merged])
        })?;
        merged.get(4).copied()
    }

    /// Where the two runs from a position on end.
    fn runs(&self, b: &mut Build<'_, '_>, from: ValueId, width: ValueId) -> Option<[ValueId; 2]> {
        let n = b.number(&index(), self.n.into());
        // Not `from + width`, which may be too large a number.
        let mut end = |from: ValueId| {
            let left = b.same(ElementwiseOp::Subtract, &[n, from])?;
            let run = b.same(ElementwiseOp::Minimum, &[left, width])?;
            b.same(ElementwiseOp::Add, &[from, run])
        };
        let middle = end(from)?;
        Some([middle, end(middle)?])
    }

    /// Whether the later run's element comes next, and the number of the element that does.
    fn step(
        &self,
        b: &mut Build<'_, '_>,
        order: ValueId,
        [x, x_end, y, y_end]: [ValueId; 4],
    ) -> Option<(ValueId, ValueId)> {
        let (has_x, has_y) =
            (b.compare(Direction::Lt, x, x_end)?, b.compare(Direction::Lt, y, y_end)?);
        let (a, c) = (element(b, order, &[x])?, element(b, order, &[y])?);
        let both = b.same(ElementwiseOp::And, &[has_x, has_y])?;
        // Of one run alone, nothing is compared.
        let less = b.choose(both, |b| self.less(b, c, a), vec![has_y])?;
        let later = *less.first()?;
        let from = b.op(ElementwiseOp::Select, &[later, c, a], index());
        Some((later, from))
    }

    /// Whether element `c` of the line comes before element `a`.
    fn less(&self, b: &mut Build<'_, '_>, c: ValueId, a: ValueId) -> Option<Vec<ValueId>> {
        let mut args = Vec::new();
        for &operand in self.operands {
            for number in [c, a] {
                let mut at = self.at.to_vec();
                *at.get_mut(self.dim)? = number;
                args.push(element(b, operand, &at)?);
            }
        }
        self.region.scalars(b, &args)
    }
}

/// The elements of every line in an order.
fn reordered(b: &mut Build<'_, '_>, value: ValueId, order: ValueId, dim: usize) -> Option<ValueId> {
    let ty: TensorType = b.ty(value)?;
    let others: Vec<i64> = (0..ty.rank()).filter(|&d| d != dim).map(|d| d as i64).collect();
    let kind = Gather {
        dims: GatherDims {
            offset_dims: Vec::new(),
            collapsed_slice_dims: vec![dim as i64],
            operand_batching_dims: others.clone(),
            start_indices_batching_dims: others,
            start_index_map: vec![dim as i64],
            index_vector_dim: ty.rank() as i64,
        },
        slice_sizes: vec![1; ty.rank()],
        indices_are_sorted: false,
    };
    Some(b.op(kind, &[value, order], ty))
}
