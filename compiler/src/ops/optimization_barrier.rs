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
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C1")];

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(OptimizationBarrier)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, n)?;
        (0..n).map(|i| op.operand(i).cloned()).collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Ok(inputs.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats};

    #[test]
    fn passes_its_operand_on() {
        let a = floats(&[2], &[1., 2.]);
        assert_eq!(eval_op(OptimizationBarrier, std::slice::from_ref(&a), a.ty()).unwrap(), a);
    }
}
