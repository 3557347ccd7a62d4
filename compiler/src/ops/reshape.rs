//! `reshape`: reinterprets the row-major elements with another shape.
//!
//! StableHLO specification, section `reshape`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reinterprets the row-major elements with another shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape;

impl StructuralOp for Reshape {
    const NAME: &'static str = "stablehlo.reshape";
    const SPEC: &'static str = "reshape";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Reshape)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

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
