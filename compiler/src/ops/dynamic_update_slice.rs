//! `dynamic_update_slice`: replaces a box at run-time start indices.
//!
//! StableHLO specification, section `dynamic_update_slice`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Replaces a box at run-time start indices.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicUpdateSlice;

impl StructuralOp for DynamicUpdateSlice {
    const NAME: &'static str = "stablehlo.dynamic_update_slice";
    const SPEC: &'static str = "dynamic_update_slice";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicUpdateSlice)
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
