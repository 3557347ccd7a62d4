//! `dynamic_pad`: pads by run-time amounts.
//!
//! StableHLO specification, section `dynamic_pad`.
use super::pad::Pad;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Pads by run-time amounts.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicPad;

impl StructuralOp for DynamicPad {
    const NAME: &'static str = "stablehlo.dynamic_pad";
    const SPEC: &'static str = "dynamic_pad";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicPad)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(5, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, value, result) = (op.tensor(0)?, op.tensor(1)?, op.result_tensor(0)?);
        constraint!(value.rank() == 0, "I2", "the padding value must be a scalar, is {value}");
        constraint!(
            operand.elem == value.elem && operand.elem == result.elem,
            "C1",
            "operand {operand}, padding value {value} and result {result} must have one element type"
        );
        constraint!(
            operand.rank() == result.rank(),
            "C4",
            "operand {operand} and result {result} must have one rank"
        );
        for (i, label) in [(2, "I3"), (3, "I4"), (4, "I5")] {
            types::verify_list(op, i, operand.rank(), [label, "C2"])?;
        }
        let interior = op.constant_ints(4);
        if let Some(list) = interior.as_ref().filter(|list| list.iter().any(|&n| n < 0)) {
            let text = format!("interior padding {list:?} must not be negative");
            return Err(OpError::constraint("C3", text));
        }
        let (Some(low), Some(high), Some(interior)) =
            (op.constant_ints(2), op.constant_ints(3), interior)
        else {
            return Ok(());
        };
        let pad = super::pad::Pad { low, high, interior };
        for (d, (from, to)) in operand.dims.iter().zip(&result.dims).enumerate() {
            let Some(n) = from.size() else { continue };
            let size = pad.size(d, n.into());
            let fits = u64::try_from(size).is_ok_and(|n| to.accepts(crate::ir::Dim::Static(n)));
            constraint!(fits, "C4", "dimension {d} of the result must be {size}, is {to}");
        }
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let list = |i: usize| types::int_list(&inputs[i]);
        let pad = Pad { low: list(2)?, high: list(3)?, interior: list(4)? };
        if pad.interior.iter().any(|&i| i < 0) {
            return Err(OpError::constraint("C3", "interior padding must not be negative").into());
        }
        Ok(vec![pad.apply(&inputs[0], &inputs[1])?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_op, floats, i64s};
    use microhlo_format::DType;

    #[test]
    fn takes_amounts_from_operands() {
        let n = |v| i64s(&[1], &[v]);
        let inputs = [floats(&[2], &[1., 2.]), floats(&[], &[0.]), n(1), n(0), n(1)];
        let out = eval_op(DynamicPad, &inputs, &TensorType::fixed(&[4], DType::F32)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [0., 1., 0., 2.]);
    }
}
