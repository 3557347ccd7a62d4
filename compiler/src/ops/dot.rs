//! `dot`: matrix product of rank 1 and 2, the older form of `dot_general`.
//!
//! StableHLO specification, section `dot`.

use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Matrix product of rank 1 and 2, the older form of `dot_general`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dot {
    /// One precision name per operand, or none.
    pub precision: Vec<Arc<str>>,
}

impl StructuralOp for Dot {
    const NAME: &'static str = "stablehlo.dot";
    const SPEC: &'static str = "dot";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Dot { precision: attrs.precision()? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.precision(&self.precision);
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
