//! `broadcast`: prepends dimensions, the older form of `broadcast_in_dim`.
//!
//! StableHLO specification, section `broadcast`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Prepends dimensions, the older form of `broadcast_in_dim`.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// Sizes of the new leading dimensions.
    pub sizes: Vec<i64>,
}

impl StructuralOp for Broadcast {
    const NAME: &'static str = "stablehlo.broadcast";
    const SPEC: &'static str = "broadcast";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Broadcast { sizes: attrs.ints("broadcast_sizes")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("broadcast_sizes", &self.sizes);
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
