//! `gather`: slices at run-time start indices, arranged by index positions.
//!
//! StableHLO specification, section `gather`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor, linear};
use crate::ir::{Attr, Dict, Dim, TensorType, Type};

/// Roles of dimensions in a gather, named as in the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatherDims {
    /// Result dimensions that index into slices.
    pub offset_dims: Vec<i64>,
    /// Operand dimensions of slice size 1 that are dropped.
    pub collapsed_slice_dims: Vec<i64>,
    /// Operand dimensions that are batched with the start indices.
    pub operand_batching_dims: Vec<i64>,
    /// The matching dimensions of the start indices.
    pub start_indices_batching_dims: Vec<i64>,
    /// Operand dimension of each component of an index vector.
    pub start_index_map: Vec<i64>,
    /// The dimension of the start indices that holds index vectors.
    pub index_vector_dim: i64,
}

impl GatherDims {
    /// Reads the fields of `#stablehlo.gather<...>`.
    pub fn read(attrs: &mut AttrReader<'_>) -> Result<GatherDims, OpError> {
        let mut f = attrs.fields("dimension_numbers")?;
        Ok(GatherDims {
            offset_dims: f.opt_ints("offset_dims")?.unwrap_or_default(),
            collapsed_slice_dims: f.opt_ints("collapsed_slice_dims")?.unwrap_or_default(),
            operand_batching_dims: f.opt_ints("operand_batching_dims")?.unwrap_or_default(),
            start_indices_batching_dims: f
                .opt_ints("start_indices_batching_dims")?
                .unwrap_or_default(),
            start_index_map: f.opt_ints("start_index_map")?.unwrap_or_default(),
            index_vector_dim: f.opt_int("index_vector_dim")?.unwrap_or(0),
        })
    }

    /// Writes `#stablehlo.gather<...>`.
    pub fn write(&self, attrs: &mut AttrWriter) {
        let mut fields = Dict::default();
        for (name, list) in [
            ("offset_dims", &self.offset_dims),
            ("collapsed_slice_dims", &self.collapsed_slice_dims),
            ("operand_batching_dims", &self.operand_batching_dims),
            ("start_indices_batching_dims", &self.start_indices_batching_dims),
            ("start_index_map", &self.start_index_map),
        ] {
            if !list.is_empty() {
                fields.push(name, Attr::DenseInts(list.clone()));
            }
        }
        fields.push("index_vector_dim", Attr::i64(self.index_vector_dim));
        attrs.attr("dimension_numbers", Attr::Struct("stablehlo.gather".into(), fields));
    }
}

/// Slices of an operand at run-time start indices.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    /// Roles of dimensions.
    pub dims: GatherDims,
    /// Size of a slice in each operand dimension.
    pub slice_sizes: Vec<i64>,
    /// A promise about the start indices; not used.
    pub indices_are_sorted: bool,
}

impl StructuralOp for Gather {
    const NAME: &'static str = "stablehlo.gather";
    const SPEC: &'static str = "gather";
    const RESULT: [Option<&'static str>; 2] = [Some("C23"), Some("C22")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Gather {
            dims: GatherDims::read(attrs)?,
            slice_sizes: attrs.ints("slice_sizes")?,
            indices_are_sorted: attrs.opt_bool("indices_are_sorted")?.unwrap_or(false),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.dims.write(attrs);
        attrs.ints("slice_sizes", &self.slice_sizes);
        attrs.bool("indices_are_sorted", self.indices_are_sorted);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        let (operand, indices) = (op.tensor(0)?, op.tensor(1)?);
        let sizes: Vec<Dim> = self
            .slice_sizes
            .iter()
            .map(|&s| types::sized("a slice size", s.into()))
            .collect::<Result<_, _>>()
            .map_err(|e| OpError { constraint: Some("C21"), ..e })?;
        self.dims.check(operand, indices, &sizes)?;
        let dims = self.dims.result(indices, &sizes)?;
        Ok(Some(vec![types::with_dims(operand, dims).into()]))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Ok(vec![self.dims.eval(&inputs[0], &inputs[1], &self.slice_sizes)?])
    }
}

const BATCHING: types::BatchingLabels =
    types::BatchingLabels { unique: "C13", range: "C14", vector: "C15", size: "C16", dims: "C17" };

impl GatherDims {
    /// Rank of the result.
    pub(super) fn result_rank(&self, indices: &TensorType) -> usize {
        self.offset_dims.len() + types::batch_dims(indices, self.index_vector_dim).len()
    }

    /// Checks the specification's constraints on roles, shapes and slice sizes.
    pub(super) fn check(
        &self,
        operand: &TensorType,
        indices: &TensorType,
        sizes: &[Dim],
    ) -> Result<(), OpError> {
        types::expect_integers("I2", indices)?;
        let rank = operand.rank();
        let offsets = self.offset_dims.len();
        let (collapsed, batching) = (&self.collapsed_slice_dims, &self.operand_batching_dims);
        constraint!(
            rank == offsets + collapsed.len() + batching.len(),
            "C1",
            "{operand} has {rank} dimensions, the roles account for {}",
            offsets + collapsed.len() + batching.len()
        );
        let vector = self.index_vector_dim;
        constraint!(
            0 <= vector && vector <= indices.rank() as i64,
            "C2",
            "index_vector_dim {vector} must lie in 0..={}",
            indices.rank()
        );
        let mapped = self.start_index_map.len();
        let components = types::vector_size(indices, vector);
        constraint!(
            components.is_none_or(|n| n == mapped as u64),
            "C3",
            "index vectors have {components:?} components, start_index_map {mapped}"
        );
        types::sorted(Some("C4"), "offset_dims", &self.offset_dims)?;
        let both = [&collapsed[..], batching].concat();
        for (label, what, list) in
            [("C8", "collapsed_slice_dims", collapsed), ("C11", "operand_batching_dims", batching)]
        {
            let inside = list.iter().all(|&d| types::dim_index(d, rank).is_some());
            if !inside {
                let text = format!("{what} {list:?} must lie in 0..{rank}");
                return Err(OpError::constraint(label, text));
            }
        }
        types::dim_list(Some("C6"), "collapsed and batching dimensions", &both, rank)?;
        types::sorted(Some("C7"), "collapsed_slice_dims", collapsed)?;
        types::sorted(Some("C10"), "operand_batching_dims", batching)?;
        types::expect_len(Some("C20"), "slice_sizes", sizes.len(), rank)?;
        for &d in &both {
            let size = sizes[d as usize].size();
            if size.is_some_and(|n| n > 1) {
                let label = if collapsed.contains(&d) { "C9" } else { "C12" };
                let size = sizes[d as usize];
                let text =
                    format!("the slice size of dropped dimension {d} must be 0 or 1, is {size}");
                return Err(OpError::constraint(label, text));
            }
        }
        let pairs = [&self.start_indices_batching_dims[..], batching];
        types::batching(&BATCHING, indices, operand, pairs, vector)?;
        let starts = [&self.start_index_map[..], batching].concat();
        types::dim_list(("C19", "C18"), "start_index_map", &starts, rank)?;
        for (d, (size, dim)) in sizes.iter().zip(&operand.dims).enumerate() {
            if let (Some(size), Some(dim)) = (size.size(), dim.size()) {
                constraint!(
                    size <= dim,
                    "C21",
                    "slice size {size} exceeds dimension {d} of {operand}"
                );
            }
        }
        let result = self.result_rank(indices);
        types::dim_list(("C5", "C4"), "offset_dims", &self.offset_dims, result)?;
        Ok(())
    }

    /// Dimensions of the result.
    pub(super) fn result(&self, indices: &TensorType, sizes: &[Dim]) -> Result<Vec<Dim>, OpError> {
        let batch = types::batch_dims(indices, self.index_vector_dim);
        let mut batch = batch.into_iter().map(|d| indices.dims[d]);
        let dropped = |d: &usize| {
            let d = *d as i64;
            self.collapsed_slice_dims.contains(&d) || self.operand_batching_dims.contains(&d)
        };
        let mut offsets = (0..sizes.len()).filter(|d| !dropped(d)).map(|d| sizes[d]);
        let rank = offsets.clone().count() + batch.len();
        let dims = (0..rank as i64).map(|d| match self.offset_dims.contains(&d) {
            true => offsets.next(),
            false => batch.next(),
        });
        dims.collect::<Option<_>>().ok_or_else(|| OpError::new("dimension roles do not add up"))
    }

    /// Gathers slices of the given sizes.
    pub(super) fn eval(
        &self,
        operand: &Tensor,
        indices: &Tensor,
        slice_sizes: &[i64],
    ) -> Result<Tensor, EvalError> {
        let sizes = slice_sizes.iter().map(|&s| types::sized("a slice size", s.into()));
        let sizes = sizes.collect::<Result<Vec<Dim>, _>>()?;
        self.check(operand.ty(), indices.ty(), &sizes)?;
        let ty = types::with_dims(operand.ty(), self.result(indices.ty(), &sizes)?);
        let rank = operand.dims().len();
        let kept: Vec<usize> = (0..rank)
            .filter(|&d| {
                let d = d as i64;
                !self.collapsed_slice_dims.contains(&d) && !self.operand_batching_dims.contains(&d)
            })
            .collect();
        let batch_dims = types::batch_dims(indices.ty(), self.index_vector_dim);
        let is_integer = indices.dtype().is_integer();
        if !is_integer {
            return Err(OpError::new("start indices must be integers").into());
        }
        operand.rearrange(&ty, |index| {
            let (mut batch, mut offset) = (Vec::new(), Vec::new());
            for (d, &i) in index.iter().enumerate() {
                let to =
                    if self.offset_dims.contains(&(d as i64)) { &mut offset } else { &mut batch };
                to.push(i);
            }
            let mut at = vec![0usize; rank];
            for (k, &d) in self.start_index_map.iter().enumerate() {
                let start = indices.element(&types::vector_index(&batch, self.index_vector_dim, k));
                let d = d as usize;
                // Starts are clamped so that the slice lies inside of the operand.
                let last = operand.dims()[d] as i128 - i128::from(slice_sizes[d]);
                at[d] = start.as_int().unwrap_or(0).clamp(0, last.max(0)) as usize;
            }
            let pairs = self.operand_batching_dims.iter().zip(&self.start_indices_batching_dims);
            for (&to, &from) in pairs {
                let position = batch_dims.iter().position(|&d| d as i64 == from);
                at[to as usize] = position.map_or(0, |p| batch[p]);
            }
            for (&d, &o) in kept.iter().zip(&offset) {
                at[d] += o;
            }
            linear(operand.dims(), &at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_op, eval_op, floats, i64s};
    use microhlo_format::DType;

    fn rows() -> Gather {
        Gather {
            dims: GatherDims {
                offset_dims: vec![1],
                collapsed_slice_dims: vec![0],
                start_index_map: vec![0],
                index_vector_dim: 1,
                ..GatherDims::default()
            },
            slice_sizes: vec![1, 2],
            indices_are_sorted: false,
        }
    }

    #[test]
    fn takes_rows_and_clamps() {
        let a = floats(&[3, 2], &[0., 1., 10., 11., 20., 21.]);
        let ty = TensorType::fixed(&[3, 2], DType::F32);
        let out = eval_op(rows(), &[a, i64s(&[3, 1], &[2, 0, 9])], &ty).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [20., 21., 0., 1., 20., 21.]);
    }

    #[test]
    fn batching_dimensions_move_together() {
        let a = floats(&[2, 3], &[0., 1., 2., 10., 11., 12.]);
        let op = Gather {
            dims: GatherDims {
                collapsed_slice_dims: vec![1],
                operand_batching_dims: vec![0],
                start_indices_batching_dims: vec![0],
                start_index_map: vec![1],
                index_vector_dim: 1,
                ..GatherDims::default()
            },
            slice_sizes: vec![1, 1],
            indices_are_sorted: false,
        };
        let ty = TensorType::fixed(&[2], DType::F32);
        let out = eval_op(op, &[a, i64s(&[2, 1], &[2, 1])], &ty).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [2., 11.]);
    }

    #[test]
    fn slices_must_fit() {
        let t = |dims: &[u64], d| TensorType::fixed(dims, d);
        let types = [t(&[3, 2], DType::F32), t(&[3, 1], DType::I64)];
        let op = Gather { slice_sizes: vec![1, 3], ..rows() };
        let e = check_op(op, &types, &t(&[3, 3], DType::F32)).unwrap_err();
        assert_eq!(e.constraint, Some("C21"));
    }
}
