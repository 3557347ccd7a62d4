//! `batch_norm_inference`: normalises with given mean and variance.
//!
//! StableHLO specification, section `batch_norm_inference`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Normalises with given mean and variance.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormInference {
    /// Added to the variance; an `f32` value.
    pub epsilon: f64,
    /// The feature dimension.
    pub feature_index: i64,
}

impl StructuralOp for BatchNormInference {
    const NAME: &'static str = "stablehlo.batch_norm_inference";
    const SPEC: &'static str = "batch_norm_inference";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(BatchNormInference {
            epsilon: attrs.float("epsilon")?,
            feature_index: attrs.int("feature_index")?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.f32("epsilon", self.epsilon);
        attrs.int("feature_index", self.feature_index);
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
