//! `uniform_quantize`: conversion of floats, or of other quantised values, to a quantised type.
//!
//! StableHLO specification, section `uniform_quantize`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{ElementType, Type};

/// Conversion of floats, or of other quantised values, to a quantised type.
///
/// Its meaning is that of [`crate::passes::legalize_quant`], which evaluation and compilation run
/// first.
#[derive(Clone, Debug, PartialEq)]
pub struct UniformQuantize;

impl StructuralOp for UniformQuantize {
    const NAME: &'static str = "stablehlo.uniform_quantize";
    const SPEC: &'static str = "uniform_quantize";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(UniformQuantize)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, result) = (op.tensor(0)?, op.result_tensor(0)?);
        let Some(to) = result.elem.quant() else {
            return Err(OpError::new(format!("the result must be quantised, is {result}")));
        };
        constraint!(
            types::same_dims(&operand.dims, &result.dims),
            "C1",
            "operand {operand} and result {result} differ in shape"
        );
        let from = match &operand.elem {
            ElementType::Quant(q) => q.expressed,
            other => other.storage(),
        };
        constraint!(
            from == to.expressed,
            "C2",
            "values of {operand} are {from}, the result expresses {}",
            to.expressed
        );
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Err(EvalError::unsupported(Self::NAME, "quantised types that were not legalised"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use microhlo_format::DType;

    use super::*;
    use crate::ir::{QuantType, TensorType};
    use crate::ops::testing::{check_op, eval_op, floats, ints};

    fn quant(storage: DType, expressed: DType, scale: f64, zero: i64) -> ElementType {
        let storage_range = crate::ir::full_range(storage);
        let (scales, zero_points) = (vec![scale], vec![zero]);
        ElementType::Quant(Arc::new(QuantType {
            storage,
            expressed,
            storage_range,
            axis: None,
            scales,
            zero_points,
        }))
    }

    fn ty(n: u64, elem: ElementType) -> TensorType {
        TensorType { elem, ..TensorType::fixed(&[n], DType::I8) }
    }

    #[test]
    fn clamps_then_rounds_to_even() {
        let x = floats(&[6], &[0.25, 0.75, -0.25, 100.0, -100.0, f32::NAN]);
        let to = ty(6, quant(DType::I8, DType::F32, 0.5, 3));
        let out = eval_op(UniformQuantize, &[x], &to).unwrap();
        assert_eq!(out.ints().unwrap(), [4, 4, 2, 127, -128, 0]);
        assert_eq!(out.ty(), &to);
    }

    #[test]
    fn changes_the_parameters_of_quantised_values() {
        let from = ty(3, quant(DType::I8, DType::F32, 0.5, -128));
        let to = ty(3, quant(DType::U8, DType::F32, 1.0, 7));
        let out = eval_op(UniformQuantize, &[ints(&from, &[-128, 127, -125])], &to).unwrap();
        // 127.5 + 7 and 1.5 + 7 are ties.
        assert_eq!(out.ints().unwrap(), [7, 134, 8]);
    }

    #[test]
    fn shapes_and_expressed_types_must_agree() {
        let to = ty(2, quant(DType::I8, DType::F32, 0.5, 3));
        let float = |n, d| TensorType::fixed(&[n], d);
        let label = |from: TensorType, to: &TensorType| {
            check_op(UniformQuantize, &[from], to).unwrap_err().constraint
        };
        assert_eq!(label(float(3, DType::F32), &to), Some("C1"));
        assert_eq!(label(float(2, DType::F16), &to), Some("C2"));
        assert_eq!(label(float(2, DType::F32), &float(2, DType::I8)), None);
    }
}
