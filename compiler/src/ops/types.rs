//! Helpers that many operations' rules share.

use crate::eval::{EvalError, Tensor};
use crate::ir::{Dim, ElementType, TensorType};

use super::{OpError, OpView};

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

/// Labels of the constraints that dimension numbers are in range and that they are unique.
#[derive(Clone, Copy)]
pub struct DimLabels {
    range: Option<&'static str>,
    unique: Option<&'static str>,
}

impl From<Option<&'static str>> for DimLabels {
    /// One constraint says both.
    fn from(label: Option<&'static str>) -> DimLabels {
        DimLabels { range: label, unique: label }
    }
}

impl From<(&'static str, &'static str)> for DimLabels {
    /// The label of the range, and that of uniqueness.
    fn from((range, unique): (&'static str, &'static str)) -> DimLabels {
        DimLabels { range: Some(range), unique: Some(unique) }
    }
}

/// Dimension numbers as indices; fails with the label when one is out of range or repeated.
pub fn dim_list(
    labels: impl Into<DimLabels>,
    what: &str,
    dims: &[i64],
    rank: usize,
) -> Result<Vec<usize>, OpError> {
    let labels = labels.into();
    let fail = |constraint, message: String| OpError { constraint, message };
    let mut out = Vec::with_capacity(dims.len());
    for &d in dims {
        let index = dim_index(d, rank)
            .ok_or_else(|| fail(labels.range, format!("{what} {dims:?} must lie in 0..{rank}")))?;
        if out.contains(&index) {
            return Err(fail(labels.unique, format!("{what} {dims:?} must be unique")));
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

/// Fails unless a list ascends strictly.
pub fn sorted(label: Option<&'static str>, what: &str, dims: &[i64]) -> Result<(), OpError> {
    if dims.is_sorted() {
        return Ok(());
    }
    let message = format!("{what} {dims:?} must be sorted");
    Err(OpError { constraint: label, message })
}

/// Number of components of each index vector of a gather or scatter; `None` if dynamic. An
/// `index_vector_dim` of the rank stands for a trailing dimension of size 1.
pub fn vector_size(indices: &TensorType, vector: i64) -> Option<u64> {
    match dim_index(vector, indices.rank()) {
        Some(d) => indices.dims[d].size(),
        None => Some(1),
    }
}

/// Dimensions of the indices that are not components of index vectors.
pub fn batch_dims(indices: &TensorType, vector: i64) -> Vec<usize> {
    (0..indices.rank()).filter(|&d| d as i64 != vector).collect()
}

/// Index of component `k` of the index vector at a batch position.
pub fn vector_index(batch: &[usize], vector: i64, k: usize) -> Vec<usize> {
    let mut index = batch.to_vec();
    // With no dimension of their own, vectors have one component and need no index.
    match usize::try_from(vector) {
        Ok(at) if at < index.len() || at == index.len() => index.insert(at, k),
        _ => {}
    }
    index
}

/// Labels of the constraints on batching dimensions of `gather` or `scatter`.
pub struct BatchingLabels {
    /// Those of the indices are unique.
    pub unique: &'static str,
    /// Those of the indices are in range.
    pub range: &'static str,
    /// The index vectors' dimension is none of them.
    pub vector: &'static str,
    /// Both lists have one size.
    pub size: &'static str,
    /// Paired dimensions have one size.
    pub dims: &'static str,
}

/// Checks that batching dimensions of the indices pair up with the operand's, which are checked
/// already.
pub fn batching(
    labels: &BatchingLabels,
    indices: &TensorType,
    operand: &TensorType,
    [of_indices, of_operand]: [&[i64]; 2],
    vector: i64,
) -> Result<(), OpError> {
    let what = "batching dimensions of the indices";
    let from = dim_list((labels.range, labels.unique), what, of_indices, indices.rank())?;
    if of_indices.contains(&vector) {
        let text = "index_vector_dim cannot be a batching dimension";
        return Err(OpError::constraint(labels.vector, text));
    }
    let to = dim_list(None, "batching dimensions of the operand", of_operand, operand.rank())?;
    expect_len(Some(labels.size), what, from.len(), to.len())?;
    for (&a, &b) in from.iter().zip(&to) {
        if !indices.dims[a].accepts(operand.dims[b]) {
            let text = format!("batching dimension {a} of {indices} and {b} of {operand} differ");
            return Err(OpError::constraint(labels.dims, text));
        }
    }
    Ok(())
}

/// The integers of a shape or index operand.
pub fn int_list(tensor: &Tensor) -> Result<Vec<i64>, EvalError> {
    let ints = tensor.ints();
    ints.ok_or_else(|| OpError::new(format!("{} must be of integers", tensor.ty())).into())
}

/// The dimensions that a shape operand holds.
pub fn shape_of(tensor: &Tensor) -> Result<Vec<Dim>, EvalError> {
    let sizes = int_list(tensor)?.into_iter().map(|n| sized("a dimension", n.into()));
    Ok(sizes.collect::<Result<_, _>>()?)
}

/// Whether elements are integers of any kind but booleans, or `index`.
fn integers(t: &TensorType) -> bool {
    t.elem == ElementType::Index || t.elem.plain().is_some_and(|d| d.is_integer())
}

/// Fails with the operand's label unless it is of integers.
pub fn expect_integers(label: &'static str, t: &TensorType) -> Result<(), OpError> {
    if integers(t) {
        return Ok(());
    }
    Err(OpError::constraint(label, format!("expected a tensor of integers, found {t}")))
}

/// Checks that operand `i` is a one-dimensional integer tensor of `len` elements. The labels are
/// those of its type and of its size.
pub fn verify_list(
    op: &OpView<'_>,
    i: usize,
    len: usize,
    [ty, size]: [&'static str; 2],
) -> Result<(), OpError> {
    let list = op.tensor(i)?;
    if !integers(list) || list.rank() != 1 {
        let text = format!("operand {i} must be one-dimensional and of integers, is {list}");
        return Err(OpError::constraint(ty, text));
    }
    if list.dims[0].accepts(Dim::Static(len as u64)) {
        return Ok(());
    }
    Err(OpError::constraint(size, format!("operand {i} must hold {len} integers, is {list}")))
}

/// Checks that operand `i` can hold the shape of the result, and does if it is known.
pub fn verify_shape(op: &OpView<'_>, i: usize, labels: [&'static str; 2]) -> Result<(), OpError> {
    let result = op.result_tensor(0)?;
    verify_list(op, i, result.rank(), labels)?;
    let Some(sizes) = op.constant_ints(i) else { return Ok(()) };
    let fits = |(dim, &size): (&Dim, &i64)| {
        u64::try_from(size).is_ok_and(|size| dim.accepts(Dim::Static(size)))
    };
    if result.dims.iter().zip(&sizes).all(fits) {
        return Ok(());
    }
    let text = format!("the shape {sizes:?} is not that of the result {result}");
    Err(OpError::constraint(labels[1], text))
}

/// Fails with the operand's label unless it is of floats, or quantised.
pub fn expect_floats(label: &'static str, what: &str, t: &TensorType) -> Result<(), OpError> {
    match &t.elem {
        ElementType::Quant(_) => Ok(()),
        ElementType::Plain(d) if d.is_float() => Ok(()),
        _ => {
            let text = format!("{what} must be of floats, is {t}");
            Err(OpError::constraint(label, text))
        }
    }
}

/// Fails with the operand's label unless it is of floats or complex numbers, or quantised.
pub fn expect_floats_or_complex(
    label: &'static str,
    what: &str,
    t: &TensorType,
) -> Result<(), OpError> {
    match &t.elem {
        ElementType::Plain(d) if d.is_complex() => Ok(()),
        _ => expect_floats(label, what, t),
    }
}

/// Fails unless the result of an `iota` is of numbers.
pub fn expect_countable(result: &TensorType) -> Result<(), OpError> {
    if result.elem != ElementType::Plain(microhlo_format::DType::I1) {
        return Ok(());
    }
    Err(OpError::new(format!("there is no counting in {result}")))
}

/// Fails unless `precision_config` is left out or has one entry per operand, or one for both.
pub fn expect_precision(label: &'static str, entries: usize) -> Result<(), OpError> {
    if entries <= 2 {
        return Ok(());
    }
    let text = format!("precision_config must have at most 2 entries, has {entries}");
    Err(OpError::constraint(label, text))
}

/// Fails unless the result has a static shape, or one that is static but for one bounded
/// dimension.
pub fn expect_single_bound(result: &TensorType) -> Result<(), OpError> {
    let mut dynamic = result.dims.iter().filter(|d| d.size().is_none());
    match (dynamic.next(), dynamic.next()) {
        (None, _) | (Some(Dim::Dynamic { bound: Some(_) }), None) => Ok(()),
        _ => Err(OpError::new(format!(
            "the result {result} must have a static shape or one bounded dimension; use the \
             operation's dynamic form"
        ))),
    }
}
