//! `reduce_precision`: rounds floats to fewer exponent and mantissa bits.
//!
//! StableHLO specification, section `reduce_precision`.
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
        let out = input.elements().map(|e| match e {
            Element::Float(v) => Element::Float(self.round(v)),
            other => other,
        });
        Ok(vec![Tensor::from_elements(input.ty(), out)?])
    }
}

impl ReducePrecision {
    /// Rounds the mantissa to nearest even, then maps exponents beyond the range to infinity and
    /// those below the normal range to zero.
    fn round(&self, v: f64) -> f64 {
        if !v.is_finite() || v == 0.0 {
            return v;
        }
        let drop = (52 - self.mantissa_bits).clamp(0, 52) as u32;
        let bits = v.to_bits();
        let rounded = match drop {
            0 => v,
            _ => {
                let even = bits >> drop & 1;
                let up = (1u64 << (drop - 1)) - 1 + even;
                f64::from_bits((bits + up) >> drop << drop)
            }
        };
        let bias = (1i64 << (self.exponent_bits.clamp(1, 11) - 1)) - 1;
        let exponent = (rounded.to_bits() >> 52 & 0x7ff) as i64 - 1023;
        if exponent > bias {
            f64::INFINITY.copysign(v)
        } else if exponent < 1 - bias {
            0f64.copysign(v)
        } else {
            rounded
        }
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
}
