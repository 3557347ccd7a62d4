//! `slice`: takes a strided box.
//!
//! StableHLO specification, section `slice`.

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Takes a strided box.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// First index of each dimension.
    pub start: Vec<i64>,
    /// One past the last index of each dimension.
    pub limit: Vec<i64>,
    /// Step of each dimension.
    pub strides: Vec<i64>,
}

impl StructuralOp for Slice {
    const NAME: &'static str = "stablehlo.slice";
    const SPEC: &'static str = "slice";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Slice {
            start: attrs.ints("start_indices")?,
            limit: attrs.ints("limit_indices")?,
            strides: attrs.ints("strides")?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("start_indices", &self.start);
        attrs.ints("limit_indices", &self.limit);
        attrs.ints("strides", &self.strides);
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
