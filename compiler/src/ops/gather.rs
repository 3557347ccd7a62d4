//! `gather`: slices at run-time start indices, arranged by index positions.
//!
//! StableHLO specification, section `gather`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Attr, Dict, Type};

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
