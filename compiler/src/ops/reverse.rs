//! `reverse`: reverses the order of elements along dimensions.
//!
//! StableHLO specification, section `reverse`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reverses the order of elements along dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Reverse {
    /// Dimensions to reverse.
    pub dims: Vec<i64>,
}

impl StructuralOp for Reverse {
    const NAME: &'static str = "stablehlo.reverse";
    const SPEC: &'static str = "reverse";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Reverse { dims: attrs.ints("dimensions")? })
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
