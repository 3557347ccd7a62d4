//! `dynamic_reshape`: reinterprets elements with a run-time shape.
//!
//! StableHLO specification, section `dynamic_reshape`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reinterprets elements with a run-time shape.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicReshape;

impl StructuralOp for DynamicReshape {
    const NAME: &'static str = "stablehlo.dynamic_reshape";
    const SPEC: &'static str = "dynamic_reshape";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicReshape)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, result) = (op.tensor(0)?, op.result_tensor(0)?);
        constraint!(
            operand.elem.plain() == result.elem.plain(),
            "C1",
            "operand {operand} and result {result} differ in element type"
        );
        if let (Some(a), Some(b)) = (operand.elements(), result.elements()) {
            constraint!(a == b, "C2", "{operand} has {a} elements, {result} has {b}");
        }
        types::verify_shape(op, 1, ["I2", "C4"])?;
        if let (Some(have), Some(sizes)) = (operand.elements(), op.constant_ints(1)) {
            let want = sizes.iter().map(|&n| i128::from(n)).product::<i128>();
            constraint!(
                i128::from(have) == want,
                "C2",
                "{operand} has {have} elements, the shape {sizes:?} has {want}"
            );
        }
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let dims = types::shape_of(&inputs[1])?;
        Ok(vec![inputs[0].with_type(&types::with_dims(inputs[0].ty(), dims))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_op, floats, i64s};
    use microhlo_format::DType;

    #[test]
    fn takes_the_shape_from_an_operand() {
        let inputs = [floats(&[2, 3], &[1., 2., 3., 4., 5., 6.]), i64s(&[1], &[6])];
        let out = eval_op(DynamicReshape, &inputs, &TensorType::fixed(&[6], DType::F32)).unwrap();
        assert_eq!(out.dims(), [6]);
        let inputs = [inputs[0].clone(), i64s(&[1], &[7])];
        assert!(eval_op(DynamicReshape, &inputs, &TensorType::fixed(&[7], DType::F32)).is_err());
    }
}
