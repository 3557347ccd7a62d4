//! `uniform_dequantize`: the floats that quantised values stand for.
//!
//! StableHLO specification, section `uniform_dequantize`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{ElementType, TensorType, Type};

/// The floats that quantised values stand for: `(value - zero_point) * scale`.
///
/// Its meaning is that of [`crate::passes::legalize_quant`], which evaluation and compilation run
/// first.
#[derive(Clone, Debug, PartialEq)]
pub struct UniformDequantize;

impl StructuralOp for UniformDequantize {
    const NAME: &'static str = "stablehlo.uniform_dequantize";
    const SPEC: &'static str = "uniform_dequantize";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(UniformDequantize)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        let operand = op.tensor(0)?;
        let Some(from) = operand.elem.quant() else {
            return Err(OpError::new(format!("the operand must be quantised, is {operand}")));
        };
        let elem = ElementType::Plain(from.expressed);
        Ok(Some(vec![TensorType { dims: operand.dims.clone(), elem }.into()]))
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
        Err(EvalError::unsupported(Self::NAME, "quantised types that were not legalised"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use microhlo_format::DType;

    use super::*;
    use crate::ir::{QuantType, full_range};
    use crate::ops::testing::{check_op, eval_op, ints};

    fn per_axis(axis: u32) -> ElementType {
        ElementType::Quant(Arc::new(QuantType {
            storage: DType::I8,
            expressed: DType::F32,
            storage_range: full_range(DType::I8),
            axis: Some(axis),
            scales: vec![0.5, 2.0],
            zero_points: vec![-128, 1],
        }))
    }

    #[test]
    fn every_slice_has_its_parameters() {
        let from = TensorType { elem: per_axis(1), ..TensorType::fixed(&[2, 2], DType::I8) };
        let to = TensorType::fixed(&[2, 2], DType::F32);
        // The difference of value and zero point exceeds the storage type.
        let out = eval_op(UniformDequantize, &[ints(&from, &[127, 127, -128, -128])], &to).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [127.5, 252.0, 0.0, -258.0]);
    }

    #[test]
    fn the_result_has_the_expressed_type() {
        let from = TensorType { elem: per_axis(0), ..TensorType::fixed(&[2], DType::I8) };
        let half = TensorType::fixed(&[2], DType::F16);
        assert!(check_op(UniformDequantize, std::slice::from_ref(&from), &half).is_err());
        assert!(check_op(UniformDequantize, std::slice::from_ref(&half), &half).is_err());
    }
}
