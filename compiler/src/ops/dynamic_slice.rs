//! `dynamic_slice`: takes a box of fixed sizes at run-time start indices.
//!
//! StableHLO specification, section `dynamic_slice`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Takes a box of fixed sizes at run-time start indices.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicSlice {
    /// Size of each result dimension.
    pub sizes: Vec<i64>,
}

impl StructuralOp for DynamicSlice {
    const NAME: &'static str = "stablehlo.dynamic_slice";
    const SPEC: &'static str = "dynamic_slice";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicSlice { sizes: attrs.ints("slice_sizes")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("slice_sizes", &self.sizes);
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
