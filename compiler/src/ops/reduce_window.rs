//! `reduce_window`: folds each window with a region.
//!
//! StableHLO specification, section `reduce_window`.

use super::window::Window;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// See the specification: folds each window with a region.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceWindow {
    /// The window.
    pub window: Window,
}

impl StructuralOp for ReduceWindow {
    const NAME: &'static str = "stablehlo.reduce_window";
    const SPEC: &'static str = "reduce_window";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(ReduceWindow { window: Window::read(attrs)? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.window.write(attrs);
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
