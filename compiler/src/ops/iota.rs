//! `iota`: counts up along one dimension.
//!
//! StableHLO specification, section `iota`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Counts up along one dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Iota {
    /// The dimension that counts.
    pub dim: i64,
}

impl StructuralOp for Iota {
    const NAME: &'static str = "stablehlo.iota";
    const SPEC: &'static str = "iota";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Iota { dim: attrs.int("iota_dimension")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("iota_dimension", self.dim);
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
