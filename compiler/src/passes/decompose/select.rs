//! Older indexing operations in terms of `gather` and `slice`.

use crate::ir::{OpId, ValueId};
use crate::ops::gather::{Gather, GatherDims};
use crate::ops::set_dimension_size::SetDimensionSize;
use crate::ops::torch_index_select::TorchIndexSelect;
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// A gather of one index per slice; indices out of range are clamped, as `gather` does.
pub(super) fn torch_index_select(
    ed: &mut Editor<'_>,
    op: OpId,
    select: &TorchIndexSelect,
) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let &[operand, indices] = o.operands.as_slice() else { return None };
    let mut b = Build::new(ed, o.span);
    let (dims, index_dims) = (b.dims(operand)?, b.dims(indices)?);
    let batch = usize::try_from(select.batch_dims).ok()?;
    let dim = usize::try_from(select.dim).ok()?;
    let picked = index_dims.len().checked_sub(batch)?;
    let mut slice_sizes: Vec<i64> = dims.iter().map(|&n| n as i64).collect();
    slice_sizes[..batch].fill(1);
    *slice_sizes.get_mut(dim)? = 1;
    let after = dim + 1..dims.len();
    let offset_dims = (batch..dim).chain(after.map(|d| d + picked - 1));
    let batching: Vec<i64> = (0..batch as i64).collect();
    let kind = Gather {
        dims: GatherDims {
            offset_dims: offset_dims.map(|d| d as i64).collect(),
            collapsed_slice_dims: vec![select.dim],
            operand_batching_dims: batching.clone(),
            start_indices_batching_dims: batching,
            start_index_map: vec![select.dim],
            index_vector_dim: index_dims.len() as i64,
        },
        slice_sizes,
        indices_are_sorted: false,
    };
    let mut result = dims[..dim].to_vec();
    result.extend(&index_dims[batch..]);
    result.extend(&dims[dim + 1..]);
    let ty = b.ty(operand)?.with_dims(&result);
    Some(b.op(kind, &[operand, indices], ty))
}

/// The first elements of the dimension, where their number is known.
pub(super) fn set_dimension_size(
    ed: &mut Editor<'_>,
    op: OpId,
    set: &SetDimensionSize,
) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let &[operand, size] = o.operands.as_slice() else { return None };
    let dim = usize::try_from(set.dim).ok()?;
    let declared = ed.body.ty(*o.results.first()?).tensor()?.dims.get(dim)?.size();
    let constant = ed.body.constant(size).and_then(|c| crate::ops::attrs::dense_ints(c));
    let constant = constant.and_then(|v| u64::try_from(*v.first()?).ok());
    Build::new(ed, o.span).slice(operand, dim, 0, constant.or(declared)?)
}
