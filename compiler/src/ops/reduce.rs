//! `reduce`: folds dimensions with a region.
//!
//! StableHLO specification, section `reduce`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Folds dimensions with a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// Dimensions that disappear.
    pub dims: Vec<i64>,
}

impl StructuralOp for Reduce {
    const NAME: &'static str = "stablehlo.reduce";
    const SPEC: &'static str = "reduce";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Reduce { dims: attrs.ints("dimensions")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("dimensions", &self.dims);
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
