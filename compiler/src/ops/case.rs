//! `case`: executes one of several regions.
//!
//! StableHLO specification, section `case`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Executes one of several regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Case;

impl StructuralOp for Case {
    const NAME: &'static str = "stablehlo.case";
    const SPEC: &'static str = "case";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Case)
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
