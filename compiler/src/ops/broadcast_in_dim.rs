//! `broadcast_in_dim`: repeats the operand along new or unit dimensions.
//!
//! StableHLO specification, section `broadcast_in_dim`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Repeats the operand along new or unit dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct BroadcastInDim {
    /// Result dimension of each operand dimension.
    pub dims: Vec<i64>,
}

impl StructuralOp for BroadcastInDim {
    const NAME: &'static str = "stablehlo.broadcast_in_dim";
    const SPEC: &'static str = "broadcast_in_dim";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(BroadcastInDim { dims: attrs.ints("broadcast_dimensions")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("broadcast_dimensions", &self.dims);
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
