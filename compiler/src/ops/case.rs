//! `case`: executes one of several regions.
//!
//! StableHLO specification, section `case`.
use microhlo_format::DType;

use super::if_op::verify_branches;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{TensorType, Type};

/// Executes one of several regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Case;

impl StructuralOp for Case {
    const NAME: &'static str = "stablehlo.case";
    const SPEC: &'static str = "case";
    const RESULT: [Option<&'static str>; 2] = [Some("C4"), Some("C4")];

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Case)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let results = op.op.results.len();
        op.expect_arity(1, results)?;
        verify_branches(op, ["C2", "C3"]).map(Some)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (index, want) = (op.operand(0)?, Type::Tensor(TensorType::scalar(DType::I32)));
        if *index != want {
            let text = format!("the index must be {want}, is {index}");
            return Err(OpError::constraint("I1", text));
        }
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        // An index out of range selects the last branch.
        let branches = &op.op.regions;
        let index = inputs[0].at(0).as_int().and_then(|i| usize::try_from(i).ok());
        let chosen = index.and_then(|i| branches.get(i)).or(branches.last());
        let block = *chosen.ok_or_else(|| OpError::constraint("C1", "there is no branch"))?;
        evaluator.region(op.body, block, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_regions, ints, returns_constant};

    #[test]
    fn indices_out_of_range_take_the_last_branch() {
        let branches = [0.0, 1.0, 2.0].map(returns_constant);
        let [a, b, c] = &branches;
        let ty = [TensorType::scalar(DType::F32)];
        for (index, want) in [(0, 0.0), (1, 1.0), (2, 2.0), (3, 2.0), (-1, 2.0)] {
            let index = ints(&TensorType::scalar(DType::I32), &[index]);
            let out = eval_regions(Case, &[index], &ty, &[(&[], a), (&[], b), (&[], c)]).unwrap();
            assert_eq!(out[0].to_f32s().unwrap(), [want]);
        }
    }
}
