//! `async_start` and `async_done`: an operation whose result is waited for later.
//!
//! StableHLO dialect, `AsyncStartOp` and `AsyncDoneOp`. A device has nothing to overlap with, so
//! an operation is done when it starts.
use super::{AttrReader, AttrWriter, OpError, OpKind, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Starts the operation in its region.
#[derive(Clone, Debug, PartialEq)]
pub struct AsyncStart;

/// Whether an operation may be started asynchronously.
fn can_be_async(kind: &OpKind) -> bool {
    matches!(
        kind,
        OpKind::AllGather(_)
            | OpKind::AllReduce(_)
            | OpKind::AllToAll(_)
            | OpKind::CollectiveBroadcast(_)
            | OpKind::CollectivePermute(_)
            | OpKind::CollectiveReduce(_)
            | OpKind::ReduceScatter(_)
            | OpKind::Slice(_)
            | OpKind::DynamicSlice(_)
            | OpKind::DynamicUpdateSlice(_)
    )
}

impl StructuralOp for AsyncStart {
    const NAME: &'static str = "stablehlo.async_start";
    const SPEC: &'static str = "async_start";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(AsyncStart)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(op.op.operands.len(), 1)?;
        let block = op.region(0)?;
        let (args, operands) = (op.region_args(block), op.op.operands.len());
        if args.len() != operands {
            let text = format!("{operands} operands for {} region arguments", args.len());
            return Err(OpError::new(text));
        }
        for (i, arg) in args.into_iter().enumerate() {
            let operand = op.operand(i)?;
            if !arg.accepts(operand) {
                let text = format!("operand {i} is {operand}, the region's argument is {arg}");
                return Err(OpError::new(text));
            }
        }
        Ok(Some(vec![Type::Future(op.region_returns(block).into_iter().cloned().collect())]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let block = &op.body.blocks[op.region(0)?];
        let [inner, last] = *block.ops.as_slice() else {
            return Err(OpError::new("the region must hold one operation and its `return`"));
        };
        let (inner, last) = (&op.body.ops[inner], &op.body.ops[last]);
        if !can_be_async(&inner.kind) {
            let text = "the region must hold a collective operation or a slice, holds";
            return Err(OpError::new(format!("{text} `{}`", inner.kind.name())));
        }
        match last.operands == inner.results {
            true => Ok(()),
            false => Err(OpError::new("the region must return the operation's results")),
        }
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let results = evaluator.region(op.body, op.region(0)?, inputs)?;
        match results.len() {
            1 => Ok(results),
            n => Err(EvalError::unsupported(Self::NAME, format!("a future of {n} values"))),
        }
    }
}

/// Waits for the result of an operation that was started.
#[derive(Clone, Debug, PartialEq)]
pub struct AsyncDone;

impl StructuralOp for AsyncDone {
    const NAME: &'static str = "stablehlo.async_done";
    const SPEC: &'static str = "async_done";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(AsyncDone)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        match op.operand(0)? {
            Type::Future(types) => {
                op.expect_arity(1, types.len())?;
                Ok(Some(types.clone()))
            }
            other => Err(OpError::new(format!("the operand must be a future, is {other}"))),
        }
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Ok(inputs.to_vec())
    }
}
