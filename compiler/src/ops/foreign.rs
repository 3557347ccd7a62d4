//! Operations of other dialects, kept as they are written.
//!
//! A program that TensorFlow or another framework printed before everything was legalised mixes
//! them with StableHLO. They can be read, printed, listed and left to the host
//! ([`crate::partition`]), but neither compiled nor evaluated.
use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Dict, Type};

/// An operation of another dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// Full name, for example `tf.Conv2D`.
    pub name: Arc<str>,
    /// Inherent attributes, those written in `<{...}>`.
    pub properties: Dict,
    /// Where it is written, if the program is not text: a byte offset, and the location that the
    /// writer recorded.
    pub place: Option<Arc<str>>,
}

impl StructuralOp for Foreign {
    const NAME: &'static str = "(operation of another dialect)";
    const SPEC: &'static str = "(none)";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Err(OpError::new("is no name of an operation"))
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attrs.0.extend(self.properties.0.iter().cloned());
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Err(OpError::new(format!("`{}` is not an operation of StableHLO", self.name)))
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let why = format!("`{}` is not an operation of StableHLO", self.name);
        Err(EvalError::unsupported(Self::NAME, why))
    }
}
