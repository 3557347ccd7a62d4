//! `bitcast_convert`: reinterprets the bits of elements.
//!
//! StableHLO specification, section `bitcast_convert`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reinterprets the bits of elements.
#[derive(Clone, Debug, PartialEq)]
pub struct BitcastConvert;

impl StructuralOp for BitcastConvert {
    const NAME: &'static str = "stablehlo.bitcast_convert";
    const SPEC: &'static str = "bitcast_convert";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(BitcastConvert)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

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
