//! `if`: executes one of two regions.
//!
//! StableHLO specification, section `if`.
use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{TensorType, Type};

/// Executes one of two regions.
#[derive(Clone, Debug, PartialEq)]
pub struct If;

impl StructuralOp for If {
    const NAME: &'static str = "stablehlo.if";
    const SPEC: &'static str = "if";
    const RESULT: [Option<&'static str>; 2] = [Some("C3"), Some("C3")];

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(If)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let results = op.op.results.len();
        op.expect_arity(1, results)?;
        verify_branches(op, ["C1", "C2"]).map(Some)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (pred, boolean) = (op.operand(0)?, Type::Tensor(TensorType::scalar(DType::I1)));
        if *pred != boolean {
            let text = format!("the predicate must be {boolean}, is {pred}");
            return Err(OpError::constraint("I1", text));
        }
        if op.op.regions.len() != 2 {
            let text = format!("expects 2 regions, has {}", op.op.regions.len());
            return Err(OpError::new(text));
        }
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let branch = match inputs[0].at(0) {
            Element::Bool(true) => op.region(0)?,
            _ => op.region(1)?,
        };
        evaluator.region(op.body, branch, &[])
    }
}

/// Branches take nothing and return values of the same types.
pub(super) fn verify_branches(
    op: &OpView<'_>,
    [inputs, outputs]: [&'static str; 2],
) -> Result<Vec<Type>, OpError> {
    let mut all: Vec<Type> = op.region_returns(op.region(0)?).into_iter().cloned().collect();
    for (i, &block) in op.op.regions.iter().enumerate() {
        if !op.region_args(block).is_empty() {
            let text = format!("branch {i} must not have arguments");
            return Err(OpError::constraint(inputs, text));
        }
        let returns = op.region_returns(block);
        let equal =
            returns.len() == all.len() && returns.iter().zip(&all).all(|(a, b)| a.accepts(b));
        if !equal {
            let text = format!("branch {i} must return the same types as branch 0");
            return Err(OpError::constraint(outputs, text));
        }
        for (ty, other) in all.iter_mut().zip(returns) {
            if let (Type::Tensor(a), Type::Tensor(b)) = (ty, other) {
                a.dims.iter_mut().zip(&b.dims).for_each(|(a, &b)| *a = a.either(b));
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_regions, returns_constant};

    #[test]
    fn executes_one_branch() {
        let (yes, no) = (returns_constant(1.0), returns_constant(2.0));
        let ty = [TensorType::scalar(DType::F32)];
        for (pred, want) in [(true, 1.0), (false, 2.0)] {
            let pred = Tensor::scalar(DType::I1, Element::Bool(pred));
            let out = eval_regions(If, &[pred], &ty, &[(&[], &yes), (&[], &no)]).unwrap();
            assert_eq!(out[0].to_f32s().unwrap(), [want]);
        }
    }
}
