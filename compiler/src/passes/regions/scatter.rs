//! `scatter` and `select_and_scatter` as loops.

use microhlo_format::DType;

use super::Region;
use super::apply::{copied, is_elementwise};
use super::nest::{element, index, nest, part, with_part};
use crate::ir::{BlockId, Op, TensorType, Type, ValueId};
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::compare::Direction;
use crate::ops::reduce_window::ReduceWindow;
use crate::ops::scatter::{Scatter, ScatterDims};
use crate::ops::window::Window;
use crate::ops::{ElementwiseOp, types};
use crate::passes::build::Build;

/// Where the update of one index vector goes, dimension by dimension of the operand.
struct Roles<'d> {
    dims: &'d ScatterDims,
    /// Sizes of the operand.
    sizes: Vec<u64>,
    /// Sizes of the updates.
    update: Vec<u64>,
    /// Dimensions of the updates that go over index vectors, and of the indices that they are.
    batch: Vec<(usize, usize)>,
    /// Dimensions of the updates that go over windows, and of the operand that they are.
    windows: Vec<(usize, usize)>,
    /// Those of the windows that are not combined at once.
    single: Vec<(usize, usize)>,
    /// What is combined at once: its sizes, and those of the box that it is of the updates and of
    /// the operand.
    row: Vec<u64>,
    update_box: Vec<u64>,
    operand_box: Vec<u64>,
}

impl<'d> Roles<'d> {
    /// With `at_once`, rows of windows in dimensions that no index moves are combined at once.
    fn new(
        dims: &'d ScatterDims,
        sizes: Vec<u64>,
        update: Vec<u64>,
        indices: &TensorType,
        at_once: bool,
    ) -> Self {
        let is_window = |d: &usize| dims.update_window_dims.contains(&(*d as i64));
        let (over_windows, over_batch): (Vec<usize>, Vec<usize>) =
            (0..update.len()).partition(is_window);
        let batch = over_batch.into_iter().zip(types::batch_dims(indices, dims.index_vector_dim));
        let windows: Vec<_> = over_windows.into_iter().zip(dims.window_dims(sizes.len())).collect();
        let mut roles = Roles {
            dims,
            batch: batch.collect(),
            windows,
            single: Vec::new(),
            row: Vec::new(),
            update_box: vec![1; update.len()],
            operand_box: vec![1; sizes.len()],
            sizes,
            update,
        };
        for (from, to) in roles.windows.clone() {
            if at_once && !roles.is_mapped(to) {
                let size = roles.update[from];
                roles.row.push(size);
                (roles.update_box[from], roles.operand_box[to]) = (size, size);
            } else {
                roles.single.push((from, to));
            }
        }
        roles
    }

    /// Sizes of these dimensions of the updates.
    fn sizes_of(&self, dims: &[(usize, usize)]) -> Vec<u64> {
        dims.iter().map(|&(d, _)| self.update[d]).collect()
    }

    /// Where in the updates and in the operand a row is, of a window that starts somewhere.
    fn places(
        &self,
        b: &mut Build<'_, '_>,
        batch: &[ValueId],
        start: &[ValueId],
        window: &[ValueId],
    ) -> Option<(Vec<ValueId>, Vec<ValueId>)> {
        let zero = b.number(&index(), 0);
        let (mut from, mut to) = (vec![zero; self.update.len()], start.to_vec());
        for (&(d, _), &at) in self.batch.iter().zip(batch) {
            from[d] = at;
        }
        for (&(d, to_dim), &at) in self.single.iter().zip(window) {
            from[d] = at;
            if self.update[d] > 1 {
                to[to_dim] = b.same(ElementwiseOp::Add, &[to[to_dim], at])?;
            }
        }
        Some((from, to))
    }

    /// The rows of tensors in a box at an index.
    fn rows(
        &self,
        b: &mut Build<'_, '_>,
        values: &[ValueId],
        at: &[ValueId],
        sizes: &[u64],
    ) -> Option<Vec<ValueId>> {
        let rows = values.iter().map(|&v| {
            let part = part(b, v, at, sizes)?;
            b.reshape(part, &self.row)
        });
        rows.collect()
    }

    fn is_mapped(&self, dim: usize) -> bool {
        self.dims.scatter_dims_to_operand_dims.contains(&(dim as i64))
    }

    /// The start of the window of an index vector: one index per dimension of the operand.
    fn start(
        &self,
        b: &mut Build<'_, '_>,
        indices: ValueId,
        batch: &[ValueId],
    ) -> Option<Vec<ValueId>> {
        let zero = b.number(&index(), 0);
        let mut start = vec![zero; self.sizes.len()];
        let vector = usize::try_from(self.dims.index_vector_dim).ok()?;
        let rank = b.ty(indices)?.rank();
        for (k, &d) in self.dims.scatter_dims_to_operand_dims.iter().enumerate() {
            let mut at = batch.to_vec();
            if vector < rank {
                at.insert(vector, b.number(&index(), k as i64));
            }
            let value = element(b, indices, &at)?;
            let d = usize::try_from(d).ok()?;
            *start.get_mut(d)? = self.narrowed(b, value, d)?;
        }
        let pairs = self.dims.input_batching_dims.iter();
        for (&to, &from) in pairs.zip(&self.dims.scatter_indices_batching_dims) {
            let at = self.batch.iter().position(|&(_, dim)| dim as i64 == from)?;
            *start.get_mut(usize::try_from(to).ok()?)? = batch[at];
        }
        Some(start)
    }

    /// An index as `i32`, moved to just outside of the operand if it is far from it.
    fn narrowed(&self, b: &mut Build<'_, '_>, value: ValueId, dim: usize) -> Option<ValueId> {
        let ty = b.ty(value)?;
        let dtype = ty.dtype()?;
        let mut value = value;
        // Sums of narrower ones with an index of a window may wrap, but then are negative.
        if dtype.bits() == 64 || dtype == DType::U32 {
            let window = self.windows.iter().find(|&&(_, d)| d == dim);
            let reach = window.map_or(1, |&(d, _)| self.update[d]) as i64;
            let least = b.number(&ty, if dtype.is_signed_integer() { -reach } else { 0 });
            let most = b.number(&ty, i64::try_from(self.sizes[dim]).ok()?);
            value = b.op(ElementwiseOp::Clamp, &[least, value, most], ty);
        }
        b.convert(value, DType::I32)
    }

    /// Whether an index lies in the operand; nothing if it always does.
    fn inside(&self, b: &mut Build<'_, '_>, at: &[ValueId]) -> Option<Option<ValueId>> {
        let mut all: Option<ValueId> = None;
        for d in (0..at.len()).filter(|&d| self.is_mapped(d)) {
            let (zero, end) = (b.number(&index(), 0), b.number(&index(), self.sizes[d] as i64));
            for test in
                [b.compare(Direction::Ge, at[d], zero)?, b.compare(Direction::Lt, at[d], end)?]
            {
                all = Some(match all {
                    Some(all) => b.same(ElementwiseOp::And, &[all, test])?,
                    None => test,
                });
            }
        }
        Some(all)
    }
}

/// Updates in the order of the indices, each row-major; elements outside of the operand are
/// skipped. Windows of whole rows are combined at once if the region is elementwise.
pub fn scatter(
    b: &mut Build<'_, '_>,
    region: &Region,
    operands: &[ValueId],
    dims: &ScatterDims,
) -> Option<Vec<ValueId>> {
    let n = operands.len() / 2;
    let (inputs, rest) = operands.split_at(n);
    let (&indices, updates) = rest.split_first()?;
    let state = region.converted(b, inputs, 0)?;
    let (sizes, update) = (b.dims(*inputs.first()?)?, b.dims(*updates.first()?)?);
    i32::try_from(*sizes.iter().max().unwrap_or(&1)).ok()?;
    let roles = Roles::new(dims, sizes, update, &b.ty(indices)?, region.elementwise);
    let (batches, singles) = (roles.sizes_of(&roles.batch), roles.sizes_of(&roles.single));
    nest(b, &batches, state, &mut |b, batch, state| {
        let start = roles.start(b, indices, batch)?;
        nest(b, &singles, state.to_vec(), &mut |b, window, state| {
            let (from, to) = roles.places(b, batch, &start, window)?;
            let old = roles.rows(b, state, &to, &roles.operand_box)?;
            let next = roles.rows(b, updates, &from, &roles.update_box)?;
            let next = region.converted(b, &next, n)?;
            let inside = roles.inside(b, &to)?;
            let new = updated(b, region, &old, &next, inside, &roles.row)?;
            let pairs = state.iter().zip(new);
            pairs.map(|(&s, new)| with_part(b, s, new, &to, &roles.operand_box)).collect()
        })
    })
}

/// Elements combined with their updates, unless they do not lie inside.
fn updated(
    b: &mut Build<'_, '_>,
    region: &Region,
    old: &[ValueId],
    updates: &[ValueId],
    inside: Option<ValueId>,
    dims: &[u64],
) -> Option<Vec<ValueId>> {
    let args = [old, updates].concat();
    match (region.elementwise, inside) {
        (true, None) => region.tensors(b, &args, dims),
        (true, Some(inside)) => {
            let new = region.tensors(b, &args, dims)?;
            let pairs = new.into_iter().zip(old);
            let select =
                |(new, &old)| Some(b.op(ElementwiseOp::Select, &[inside, new, old], b.ty(old)?));
            pairs.map(select).collect()
        }
        (false, None) => region.scalars(b, &args),
        (false, Some(inside)) => b.choose(inside, |b| region.scalars(b, &args), old.to_vec()),
    }
}

/// A window reduction that gives where each window's element is, and a scatter to there.
///
/// The reduction carries the selected element and its position, -1 if there is none. Elements in the
/// padding have position -1 and are not looked at.
pub fn select_and_scatter(b: &mut Build<'_, '_>, op: &Op, window: &Window) -> Option<Vec<ValueId>> {
    let (&[operand, source, init], &[select, scatter]) =
        (op.operands.as_slice(), op.regions.as_slice())
    else {
        return None;
    };
    let (ty, out) = (b.ty(operand)?, b.ty(source)?);
    let dims = ty.static_dims()?;
    let count = i32::try_from(ty.elements()?).ok()?;
    let (places, none) = (positions(b, &dims)?, b.number(&index(), -1));
    let block = selection(b, select, &ty)?;
    let types: Vec<Type> = vec![out.clone().into(), out.with_dtype(DType::I32).into()];
    let operands = vec![operand, places, init, none];
    let kind = ReduceWindow { window: window.clone() };
    let selected = b.ed.emit_op(kind.into(), operands, types, vec![block], b.span);
    let flat = [count as u64];
    let input = b.broadcast(init, &[], &flat)?;
    let kind = Scatter {
        dims: ScatterDims {
            inserted_window_dims: vec![0],
            scatter_dims_to_operand_dims: vec![0],
            index_vector_dim: out.rank() as i64,
            ..ScatterDims::default()
        },
        indices_are_sorted: false,
        unique_indices: false,
    };
    let accumulator = b.ty(*b.ed.body.returned(scatter).first()?)?.with_dims(&flat);
    let operands = vec![input, *selected.get(1)?, source];
    let types = vec![accumulator.into()];
    let result = b.ed.emit_op(kind.into(), operands, types, vec![scatter], b.span);
    Some(vec![b.reshape(*result.first()?, &dims)?])
}

/// The row-major position of every element.
fn positions(b: &mut Build<'_, '_>, dims: &[u64]) -> Option<ValueId> {
    let ty = TensorType::fixed(dims, DType::I32);
    let mut sum = b.number(&ty, 0);
    let mut stride = 1;
    for (d, &size) in dims.iter().enumerate().rev() {
        let along = b.iota(size, DType::I32);
        let stride_of = b.number(&TensorType::fixed(&[size], DType::I32), stride);
        let along = b.same(ElementwiseOp::Multiply, &[along, stride_of])?;
        let along = b.op(BroadcastInDim { dims: vec![d as i64] }, &[along], ty.clone());
        sum = b.same(ElementwiseOp::Add, &[sum, along])?;
        stride *= i64::try_from(size).ok()?;
    }
    Some(sum)
}

/// The region that keeps the selected one of two elements with its position.
fn selection(b: &mut Build<'_, '_>, select: BlockId, ty: &TensorType) -> Option<BlockId> {
    let (element, place) = (Type::from(ty.with_dims(&[])), Type::from(index()));
    let args = [element.clone(), place.clone(), element, place];
    let elementwise = is_elementwise(b.ed.body, select);
    b.block(&args, |b, args| {
        let &[best, found, next, at] = args else { return None };
        let zero = b.number(&index(), 0);
        let inside = b.compare(Direction::Ge, at, zero)?;
        let any = b.compare(Direction::Ge, found, zero)?;
        let keep = if elementwise {
            let keep = *copied(b, select, &[best, next])?.first()?;
            b.same(ElementwiseOp::And, &[any, keep])?
        } else {
            let no = b.number(&TensorType::scalar(DType::I1), 0);
            let both = b.same(ElementwiseOp::And, &[any, inside])?;
            *b.choose(both, |b| copied(b, select, &[best, next]), vec![no])?.first()?
        };
        let other = b.same(ElementwiseOp::Not, &[keep])?;
        let take = b.same(ElementwiseOp::And, &[inside, other])?;
        let mut pick = |on_true, on_false| {
            Some(b.op(ElementwiseOp::Select, &[take, on_true, on_false], b.ty(on_false)?))
        };
        Some(vec![pick(next, best)?, pick(at, found)?])
    })
}
