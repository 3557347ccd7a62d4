//! `map`: applies a region to corresponding elements.
//!
//! StableHLO specification, section `map`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Applies a region to corresponding elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// All dimensions in order.
    pub dims: Vec<i64>,
}

impl StructuralOp for Map {
    const NAME: &'static str = "stablehlo.map";
    const SPEC: &'static str = "map";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Map { dims: attrs.ints("dimensions")? })
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
