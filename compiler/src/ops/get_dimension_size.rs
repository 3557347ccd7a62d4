//! `get_dimension_size`: size of a dimension as an `i32` scalar.
//!
//! StableHLO specification, section `get_dimension_size`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Size of a dimension as an `i32` scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct GetDimensionSize {
    /// The dimension measured.
    pub dim: i64,
}

impl StructuralOp for GetDimensionSize {
    const NAME: &'static str = "stablehlo.get_dimension_size";
    const SPEC: &'static str = "get_dimension_size";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(GetDimensionSize { dim: attrs.int("dimension")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("dimension", self.dim);
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
