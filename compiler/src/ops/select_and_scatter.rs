//! `select_and_scatter`: scatters source elements to the selected element of each window.
//!
//! StableHLO specification, section `select_and_scatter`.

use super::window::Window;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// See the specification: scatters source elements to the selected element of each window.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectAndScatter {
    /// The window.
    pub window: Window,
}

impl StructuralOp for SelectAndScatter {
    const NAME: &'static str = "stablehlo.select_and_scatter";
    const SPEC: &'static str = "select_and_scatter";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(SelectAndScatter { window: Window::read(attrs)? })
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
