//! `reshape`: reinterprets the row-major elements with another shape.
//!
//! StableHLO specification, section `reshape`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reinterprets the row-major elements with another shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape;

impl StructuralOp for Reshape {
    const NAME: &'static str = "stablehlo.reshape";
    const SPEC: &'static str = "reshape";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Reshape)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
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
        types::expect_single_bound(result)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Ok(vec![inputs[0].with_type(op.result_tensor(0)?)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    #[test]
    fn keeps_row_major_order() {
        let a = floats(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        let out = eval_op(Reshape, &[a], &TensorType::fixed(&[3, 2], DType::F32)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(out.dims(), [3, 2]);
    }

    #[test]
    fn element_counts_and_types_must_agree() {
        let t = |n, d| TensorType::fixed(&[n], d);
        let e = check_op(Reshape, &[t(4, DType::F32)], &t(5, DType::F32)).unwrap_err();
        assert_eq!(e.constraint, Some("C2"));
        let e = check_op(Reshape, &[t(4, DType::F32)], &t(4, DType::I32)).unwrap_err();
        assert_eq!(e.constraint, Some("C1"));
    }
}
