//! `sort`: sorts operands together along one dimension by a comparator region.
//!
//! StableHLO specification, section `sort`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Sorts operands together along one dimension by a comparator region.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// The dimension to sort along; negative ones count from the end.
    pub dim: i64,
    /// Whether equal elements keep their order.
    pub stable: bool,
}

impl StructuralOp for Sort {
    const NAME: &'static str = "stablehlo.sort";
    const SPEC: &'static str = "sort";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Sort {
            dim: attrs.opt_int("dimension")?.unwrap_or(-1),
            stable: attrs.opt_bool("is_stable")?.unwrap_or(false),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("dimension", self.dim);
        attrs.bool("is_stable", self.stable);
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
