//! `scatter`: combines update slices into operands at run-time indices.
//!
//! StableHLO specification, section `scatter`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dict, Type};

/// Roles of dimensions in a scatter, named as in the specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScatterDims {
    /// Update dimensions that index into windows.
    pub update_window_dims: Vec<i64>,
    /// Operand dimensions of window size 1 that updates lack.
    pub inserted_window_dims: Vec<i64>,
    /// Operand dimensions that are batched with the scatter indices.
    pub input_batching_dims: Vec<i64>,
    /// The matching dimensions of the scatter indices.
    pub scatter_indices_batching_dims: Vec<i64>,
    /// Operand dimension of each component of an index vector.
    pub scatter_dims_to_operand_dims: Vec<i64>,
    /// The dimension of the scatter indices that holds index vectors.
    pub index_vector_dim: i64,
}

/// Operands with update slices combined in by a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Scatter {
    /// Roles of dimensions.
    pub dims: ScatterDims,
    /// A promise about the indices; not used.
    pub indices_are_sorted: bool,
    /// A promise about the indices; not used.
    pub unique_indices: bool,
}

impl StructuralOp for Scatter {
    const NAME: &'static str = "stablehlo.scatter";
    const SPEC: &'static str = "scatter";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let mut f = attrs.fields("scatter_dimension_numbers")?;
        let dims = ScatterDims {
            update_window_dims: f.opt_ints("update_window_dims")?.unwrap_or_default(),
            inserted_window_dims: f.opt_ints("inserted_window_dims")?.unwrap_or_default(),
            input_batching_dims: f.opt_ints("input_batching_dims")?.unwrap_or_default(),
            scatter_indices_batching_dims: f
                .opt_ints("scatter_indices_batching_dims")?
                .unwrap_or_default(),
            scatter_dims_to_operand_dims: f
                .opt_ints("scatter_dims_to_operand_dims")?
                .unwrap_or_default(),
            index_vector_dim: f.opt_int("index_vector_dim")?.unwrap_or(0),
        };
        Ok(Scatter {
            dims,
            indices_are_sorted: attrs.opt_bool("indices_are_sorted")?.unwrap_or(false),
            unique_indices: attrs.opt_bool("unique_indices")?.unwrap_or(false),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        let mut fields = Dict::default();
        for (name, list) in [
            ("update_window_dims", &self.dims.update_window_dims),
            ("inserted_window_dims", &self.dims.inserted_window_dims),
            ("input_batching_dims", &self.dims.input_batching_dims),
            ("scatter_indices_batching_dims", &self.dims.scatter_indices_batching_dims),
            ("scatter_dims_to_operand_dims", &self.dims.scatter_dims_to_operand_dims),
        ] {
            if !list.is_empty() {
                fields.push(name, Attr::DenseInts(list.clone()));
            }
        }
        fields.push("index_vector_dim", Attr::i64(self.dims.index_vector_dim));
        let numbers = Attr::Struct("stablehlo.scatter".into(), fields);
        attrs.attr("scatter_dimension_numbers", numbers);
        attrs.bool("indices_are_sorted", self.indices_are_sorted);
        attrs.bool("unique_indices", self.unique_indices);
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}
