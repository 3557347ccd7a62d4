//! What an operation's rules may look at.

use crate::ir::{BlockId, Body, Op, TensorType, Type, ValueId};

use super::OpError;

/// An operation within its body.
#[derive(Clone, Copy)]
pub struct OpView<'a> {
    /// The body that holds the operation and its regions.
    pub body: &'a Body,
    /// The operation.
    pub op: &'a Op,
}

impl<'a> OpView<'a> {
    /// Type of operand `i`.
    pub fn operand(&self, i: usize) -> Result<&'a Type, OpError> {
        let value = self.op.operands.get(i);
        value.map(|&v| self.body.ty(v)).ok_or_else(|| {
            OpError::new(format!(
                "expects at least {} operands, has {}",
                i + 1,
                self.op.operands.len()
            ))
        })
    }

    /// Tensor type of operand `i`.
    pub fn tensor(&self, i: usize) -> Result<&'a TensorType, OpError> {
        let ty = self.operand(i)?;
        ty.tensor().ok_or_else(|| OpError::new(format!("operand {i} must be a tensor, is {ty}")))
    }

    /// The integers that operand `i` is known to hold.
    pub fn constant_ints(&self, i: usize) -> Option<Vec<i64>> {
        let constant = self.body.constant(*self.op.operands.get(i)?)?;
        super::attrs::dense_ints(constant)
    }

    /// Type of result `i`.
    pub fn result(&self, i: usize) -> Result<&'a Type, OpError> {
        let value = self.op.results.get(i);
        value.map(|&v| self.body.ty(v)).ok_or_else(|| {
            OpError::new(format!(
                "expects at least {} results, has {}",
                i + 1,
                self.op.results.len()
            ))
        })
    }

    /// Tensor type of result `i`.
    pub fn result_tensor(&self, i: usize) -> Result<&'a TensorType, OpError> {
        let ty = self.result(i)?;
        ty.tensor().ok_or_else(|| OpError::new(format!("result {i} must be a tensor, is {ty}")))
    }

    /// Fails unless there are exactly these many operands and results.
    pub fn expect_arity(&self, operands: usize, results: usize) -> Result<(), OpError> {
        if self.op.operands.len() != operands {
            let n = self.op.operands.len();
            return Err(OpError::new(format!("expects {operands} operands, has {n}")));
        }
        if self.op.results.len() != results {
            let n = self.op.results.len();
            return Err(OpError::new(format!("expects {results} results, has {n}")));
        }
        Ok(())
    }

    /// Block of region `i`.
    pub fn region(&self, i: usize) -> Result<BlockId, OpError> {
        let n = self.op.regions.len();
        let missing = || OpError::new(format!("expects at least {} regions, has {n}", i + 1));
        self.op.regions.get(i).copied().ok_or_else(missing)
    }

    /// Types of a region's block arguments.
    pub fn region_args(&self, block: BlockId) -> Vec<&'a Type> {
        self.body.blocks[block].args.iter().map(|&v| self.body.ty(v)).collect()
    }

    /// Types that a region returns.
    pub fn region_returns(&self, block: BlockId) -> Vec<&'a Type> {
        self.body.returned(block).iter().map(|&v: &ValueId| self.body.ty(v)).collect()
    }
}
