//! `while`: repeats a body region while a condition region holds.
//!
//! StableHLO specification, section `while`.
use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{TensorType, Type};

/// Repeats a body region while a condition region holds.
#[derive(Clone, Debug, PartialEq)]
pub struct While;

impl StructuralOp for While {
    const NAME: &'static str = "stablehlo.while";
    const SPEC: &'static str = "while";
    const RESULT: [Option<&'static str>; 2] = [Some("C3"), Some("C3")];

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(While)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, n)?;
        (0..n).map(|i| op.operand(i).cloned()).collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (cond, body) = (op.region(0)?, op.region(1)?);
        let boolean = Type::Tensor(TensorType::scalar(DType::I1));
        let returned = op.region_returns(cond);
        let operands = (0..op.op.operands.len()).map(|i| op.operand(i));
        let operands = operands.collect::<Result<Vec<_>, _>>()?;
        let accept = |have: &[&Type]| {
            have.len() == operands.len() && have.iter().zip(&operands).all(|(a, b)| a.accepts(b))
        };
        constraint!(
            accept(&op.region_args(cond)) && returned == [&boolean],
            "C1",
            "the condition must take the operands and return {boolean}"
        );
        constraint!(
            accept(&op.region_args(body)) && accept(&op.region_returns(body)),
            "C2",
            "the body must take and return values of the operands' types"
        );
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let (cond, body) = (op.region(0)?, op.region(1)?);
        let mut state = inputs.to_vec();
        loop {
            evaluator.charge(1)?;
            let go = evaluator.region(op.body, cond, &state)?;
            match go.first().map(|t| t.at(0)) {
                Some(Element::Bool(true)) => {}
                Some(Element::Bool(false)) => return Ok(state),
                _ => return Err(OpError::new("the condition must be a boolean").into()),
            }
            state = evaluator.region(op.body, body, &state)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Evaluator;
    use crate::ops::ElementwiseOp;
    use crate::ops::compare::{Compare, Direction};
    use crate::ops::testing::{binary, eval_regions, floats, module_of, second_unchanged};

    #[test]
    fn repeats_while_the_condition_holds() {
        let scalar = TensorType::scalar(DType::F32);
        let args = [scalar.clone(), scalar.clone()];
        let lt = binary(Compare { direction: Direction::Lt, compare_type: None });
        let add = second_unchanged(ElementwiseOp::Add);
        let inputs = [floats(&[], &[1.]), floats(&[], &[100.])];
        let results = [scalar.clone(), scalar.clone()];
        let out = eval_regions(While, &inputs, &results, &[(&args, &lt), (&args, &add)]).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [101.]);
        assert_eq!(out[1].to_f32s().unwrap(), [100.]);
    }

    #[test]
    fn endless_loops_use_up_the_budget() {
        let scalar = TensorType::scalar(DType::F32);
        let types = [scalar.clone(), scalar.clone()];
        let lt = binary(Compare { direction: Direction::Le, compare_type: None });
        let mul = second_unchanged(ElementwiseOp::Multiply);
        let module = module_of(While.into(), &types, &types, &[(&types, &lt), (&types, &mul)]);
        let zero = floats(&[], &[0.]);
        let mut evaluator = Evaluator::with_budget(&module, 1000);
        let out = evaluator.call("main", &[zero.clone(), zero]);
        assert_eq!(out, Err(EvalError::Budget(1000)));
    }
}
