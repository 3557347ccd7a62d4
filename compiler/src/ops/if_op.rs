//! `if`: executes one of two regions.
//!
//! StableHLO specification, section `if`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Executes one of two regions.
#[derive(Clone, Debug, PartialEq)]
pub struct If;

impl StructuralOp for If {
    const NAME: &'static str = "stablehlo.if";
    const SPEC: &'static str = "if";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(If)
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
