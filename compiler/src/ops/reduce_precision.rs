//! `reduce_precision`: rounds floats to fewer exponent and mantissa bits.
//!
//! StableHLO specification, section `reduce_precision`.
use microhlo_format::DType;
use microhlo_format::float::Precision;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{ElementType, Type};

/// Rounds floats to fewer exponent and mantissa bits.
#[derive(Clone, Debug, PartialEq)]
pub struct ReducePrecision {
    /// Exponent bits kept.
    pub exponent_bits: i64,
    /// Mantissa bits kept.
    pub mantissa_bits: i64,
}

impl StructuralOp for ReducePrecision {
    const NAME: &'static str = "stablehlo.reduce_precision";
    const SPEC: &'static str = "reduce_precision";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C1")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ReducePrecision {
            exponent_bits: attrs.int("exponent_bits")?,
            mantissa_bits: attrs.int("mantissa_bits")?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.i32("exponent_bits", self.exponent_bits);
        attrs.i32("mantissa_bits", self.mantissa_bits);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(Some(vec![op.operand(0)?.clone()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let operand = op.tensor(0)?;
        let n = self.exponent_bits;
        constraint!(n >= 1, "C2", "exponent_bits must be at least 1, is {n}");
        let n = self.mantissa_bits;
        constraint!(n >= 0, "C3", "mantissa_bits must not be negative, is {n}");
        let quantised = matches!(operand.elem, ElementType::Quant(_));
        if !quantised && !operand.elem.storage().is_float() {
            let text = format!("the operand must be of floats, is {operand}");
            return Err(OpError::constraint("I1", text));
        }
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let input = &inputs[0];
        let dtype = input.dtype();
        let out: Vec<u8> = match Precision::of(dtype) {
            Some(precision) => {
                let rounding = precision.reduced(self.exponent_bits, self.mantissa_bits);
                let size = dtype.size();
                let round = |element: &[u8]| {
                    let bits = element.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
                    rounding.round(bits).to_le_bytes()
                };
                let elements = input.bytes().chunks_exact(size);
                elements.flat_map(|e| round(e).into_iter().take(size)).collect()
            }
            // Other special values: by way of `f32`, which holds every such type.
            None => {
                let Some(precision) = Precision::of(DType::F32) else { return Ok(inputs.to_vec()) };
                let rounding = precision.reduced(self.exponent_bits, self.mantissa_bits);
                let out = input.elements().map(|e| match e {
                    Element::Float(v) => {
                        let bits = rounding.round((v as f32).to_bits().into()) as u32;
                        Element::Float(f32::from_bits(bits).into())
                    }
                    other => other,
                });
                return Ok(vec![Tensor::from_elements(input.ty(), out)?]);
            }
        };
        Ok(vec![Tensor::from_bytes(input.ty(), out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats};

    #[test]
    fn rounds_overflows_and_flushes() {
        let a = floats(&[5], &[1.1, 70000.0, 1e-8, -1e9, f32::INFINITY]);
        let op = ReducePrecision { exponent_bits: 5, mantissa_bits: 2 };
        let out = eval_op(op, std::slice::from_ref(&a), a.ty()).unwrap().to_f32s().unwrap();
        assert_eq!(out, [1.0, f32::INFINITY, 0.0, f32::NEG_INFINITY, f32::INFINITY]);
    }

    #[test]
    fn subnormals_round_in_place_and_stay_with_all_exponent_bits() {
        let tiny = f32::from_bits(0b1011);
        let a = floats(&[3], &[tiny, f32::MAX, f32::NAN]);
        let op = ReducePrecision { exponent_bits: 8, mantissa_bits: 21 };
        let out = eval_op(op, std::slice::from_ref(&a), a.ty()).unwrap().to_f32s().unwrap();
        assert_eq!(out[0].to_bits(), 0b1100);
        assert_eq!(out[1], f32::INFINITY);
        assert!(out[2].is_nan());
    }
}
