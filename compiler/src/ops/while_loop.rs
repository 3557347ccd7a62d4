//! `while`: repeats a body region while a condition region holds.
//!
//! StableHLO specification, section `while`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Repeats a body region while a condition region holds.
#[derive(Clone, Debug, PartialEq)]
pub struct While;

impl StructuralOp for While {
    const NAME: &'static str = "stablehlo.while";
    const SPEC: &'static str = "while";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(While)
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
