//! `reduce_precision`: rounds floats to fewer exponent and mantissa bits.
//!
//! StableHLO specification, section `reduce_precision`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

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

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
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
        Err(EvalError::unsupported(Self::NAME, "not evaluated yet"))
    }
}
