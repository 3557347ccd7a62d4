//! `real_dynamic_slice`: takes a strided box of run-time extent.
//!
//! StableHLO specification, section `real_dynamic_slice` (removed from newer versions).
use super::slice::Slice;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Takes a strided box of run-time extent.
#[derive(Clone, Debug, PartialEq)]
pub struct RealDynamicSlice;

impl StructuralOp for RealDynamicSlice {
    const NAME: &'static str = "stablehlo.real_dynamic_slice";
    const SPEC: &'static str = "real_dynamic_slice";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(RealDynamicSlice)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(4, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, result) = (op.tensor(0)?, op.result_tensor(0)?);
        constraint!(
            operand.elem == result.elem && operand.rank() == result.rank(),
            "C1",
            "operand {operand} and result {result} must have one element type and rank"
        );
        for (i, label) in [(1, "I2"), (2, "I3"), (3, "I4")] {
            types::verify_list(op, i, operand.rank(), [label, "C2"])?;
        }
        let same = (2..4).all(|i| op.operand(1) == op.operand(i));
        constraint!(same, "C2", "starts, limits and strides must have one type");
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let list = |i: usize| types::int_list(&inputs[i]);
        let slice = Slice { start: list(1)?, limit: list(2)?, strides: list(3)? };
        Ok(vec![slice.apply(&inputs[0])?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_op, floats, i64s};
    use microhlo_format::DType;

    #[test]
    fn takes_bounds_from_operands() {
        let n = |v| i64s(&[1], &[v]);
        let inputs = [floats(&[4], &[1., 2., 3., 4.]), n(1), n(4), n(2)];
        let out = eval_op(RealDynamicSlice, &inputs, &TensorType::fixed(&[2], DType::F32)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [2., 4.]);
    }
}
