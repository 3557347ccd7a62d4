//! Helpers that many operations' rules share.

use crate::eval::{EvalError, Tensor};
use crate::ir::{Dim, TensorType};

use super::OpError;

/// Fails unless all tensors have one shape.
pub fn same_shapes(tensors: &[Tensor]) -> Result<(), EvalError> {
    let Some((first, rest)) = tensors.split_first() else { return Ok(()) };
    match rest.iter().find(|t| t.dims() != first.dims()) {
        None => Ok(()),
        Some(other) => {
            let text = format!("shapes of {} and {} differ", first.ty(), other.ty());
            Err(OpError::new(text).into())
        }
    }
}

/// A dimension number as an index, if it is one of `rank`.
pub fn dim_index(dim: i64, rank: usize) -> Option<usize> {
    usize::try_from(dim).ok().filter(|&d| d < rank)
}

/// Dimension numbers as indices; fails with the label when one is out of range or repeated.
pub fn dim_list(
    label: Option<&'static str>,
    what: &str,
    dims: &[i64],
    rank: usize,
) -> Result<Vec<usize>, OpError> {
    let fail = |text: String| OpError { constraint: label, message: text };
    let mut out = Vec::with_capacity(dims.len());
    for &d in dims {
        let index = dim_index(d, rank)
            .ok_or_else(|| fail(format!("{what} {dims:?} must lie in 0..{rank}")))?;
        if out.contains(&index) {
            return Err(fail(format!("{what} {dims:?} must be unique")));
        }
        out.push(index);
    }
    Ok(out)
}

/// A single dimension number as an index.
pub fn one_dim(
    label: Option<&'static str>,
    what: &str,
    dim: i64,
    rank: usize,
) -> Result<usize, OpError> {
    Ok(dim_list(label, what, &[dim], rank)?[0])
}

/// Fails unless a per-dimension list has `rank` entries.
pub fn expect_len(
    label: Option<&'static str>,
    what: &str,
    len: usize,
    rank: usize,
) -> Result<(), OpError> {
    if len == rank {
        return Ok(());
    }
    let message = format!("{what} must have {rank} entries, has {len}");
    Err(OpError { constraint: label, message })
}

/// A static dimension of a signed size; fails when it is negative.
pub fn sized(what: &str, size: i128) -> Result<Dim, OpError> {
    let n = u64::try_from(size);
    n.map(Dim::Static).map_err(|_| OpError::new(format!("{what} would be {size}")))
}

/// Whether the shapes can be equal at run time.
pub fn same_dims(a: &[Dim], b: &[Dim]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, &b)| a.accepts(b))
}

/// The same element type with other dimensions.
pub fn with_dims(ty: &TensorType, dims: Vec<Dim>) -> TensorType {
    TensorType { dims, elem: ty.elem.clone() }
}
