//! `after_all` and `create_token`: values that stand for the order of side effects.
//!
//! StableHLO specification, section `after_all`; `create_token` is deprecated in favour of it.
use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// What stands for a token where values are tensors: a boolean that nothing looks at.
pub fn token() -> Tensor {
    Tensor::scalar(DType::I1, Element::Bool(false))
}

/// Fails unless operand `i` is a token.
pub(super) fn expect_token(op: &OpView<'_>, i: usize) -> Result<(), OpError> {
    match op.operand(i)? {
        Type::Token => Ok(()),
        other => Err(OpError::new(format!("operand {i} must be a token, is {other}"))),
    }
}

/// A token after other tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct AfterAll;

impl StructuralOp for AfterAll {
    const NAME: &'static str = "stablehlo.after_all";
    const SPEC: &'static str = "after_all";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(AfterAll)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, 1)?;
        (0..n).try_for_each(|i| expect_token(op, i))?;
        Ok(Some(vec![Type::Token]))
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
        Ok(vec![token()])
    }
}

/// A token after nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateToken;

impl StructuralOp for CreateToken {
    const NAME: &'static str = "stablehlo.create_token";
    const SPEC: &'static str = "(deprecated: `after_all` of nothing)";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(CreateToken)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(0, 1)?;
        Ok(Some(vec![Type::Token]))
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
        Ok(vec![token()])
    }
}
