//! `optimization_barrier`: returns its operands.
//!
//! StableHLO specification, section `optimization_barrier`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Returns its operands.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizationBarrier;

impl StructuralOp for OptimizationBarrier {
    const NAME: &'static str = "stablehlo.optimization_barrier";
    const SPEC: &'static str = "optimization_barrier";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(OptimizationBarrier)
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
