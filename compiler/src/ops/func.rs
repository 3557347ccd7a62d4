//! `func.call` and the terminators `func.return` and `stablehlo.return`.
//!
//! MLIR's func dialect; the StableHLO specification calls these "functions" and "return".
use std::sync::Arc;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Calls a function of the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Name of the function.
    pub callee: Arc<str>,
}

impl StructuralOp for Call {
    const NAME: &'static str = "func.call";
    const SPEC: &'static str = "(MLIR func dialect)";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Call { callee: attrs.symbol("callee")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("callee", crate::ir::Attr::Symbol(Arc::clone(&self.callee)));
    }

    fn infer(&self, _op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        // The callee is not visible from the body; module verification compares the types.
        Ok(None)
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        evaluator.call(&self.callee, inputs)
    }
}

/// Ends a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FuncReturn;

impl StructuralOp for FuncReturn {
    const NAME: &'static str = "func.return";
    const SPEC: &'static str = "(MLIR func dialect)";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(FuncReturn)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(op.op.operands.len(), 0)?;
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
        Err(EvalError::unsupported(Self::NAME, "it ends a function"))
    }
}

/// Ends a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Return;

impl StructuralOp for Return {
    const NAME: &'static str = "stablehlo.return";
    const SPEC: &'static str = "return";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Return)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(op.op.operands.len(), 0)?;
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
        Err(EvalError::unsupported(Self::NAME, "it ends a region"))
    }
}
