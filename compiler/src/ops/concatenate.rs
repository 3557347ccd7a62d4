//! `concatenate`: joins operands along one dimension.
//!
//! StableHLO specification, section `concatenate`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Joins operands along one dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Concatenate {
    /// The dimension along which the operands follow each other.
    pub dim: i64,
}

impl StructuralOp for Concatenate {
    const NAME: &'static str = "stablehlo.concatenate";
    const SPEC: &'static str = "concatenate";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Concatenate { dim: attrs.int("dimension")? })
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
