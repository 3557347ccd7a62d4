//! Lowering of sums of two 16-bit tensors, each times a constant, that are rounded once.

use microhlo_format::kernels::SumI16;
use microhlo_format::{DType, Kernel};

use super::cluster;
use super::facts::Facts;
use super::requant;
use super::{Lowered, Lowerer};
use crate::ir::{OpId, ValueId};
use crate::ops::{ElementwiseOp, OpKind};

/// A sum of 16-bit tensors, each times a constant, shifted right and limited.
#[derive(Clone, Debug)]
pub struct WideSum {
    /// The shift.
    pub root: OpId,
    /// Tensors and what they are multiplied with.
    pub terms: [(ValueId, i32); 2],
    shift: u8,
    limits: [i32; 2],
    result: ValueId,
}

/// An expression whose operations only the sum needs.
struct Expression<'f, 'b> {
    facts: &'f Facts<'b>,
    ops: Vec<OpId>,
}

impl Expression<'_, '_> {
    /// The operands of an operation of this kind that makes a value, which nothing else uses.
    fn operands(&mut self, value: ValueId, kind: ElementwiseOp) -> Option<&[ValueId]> {
        let (op, OpKind::Elementwise(found)) = self.facts.def(value)? else { return None };
        self.facts.only_user(value)?;
        if *found != kind {
            return None;
        }
        self.ops.push(op);
        Some(&self.facts.body.ops[op].operands)
    }

    /// A value and a constant that are combined by a commutative operation.
    fn with_constant(&mut self, value: ValueId, kind: ElementwiseOp) -> Option<(ValueId, i64)> {
        let &[a, b] = self.operands(value, kind)? else { return None };
        match (constant(self.facts, a), constant(self.facts, b)) {
            (None, Some(n)) => Some((a, n)),
            (Some(n), None) => Some((b, n)),
            _ => None,
        }
    }

    /// A 16-bit tensor times a constant, in 64 bits.
    fn term(&mut self, value: ValueId) -> Option<(ValueId, i32)> {
        let (wide, n) = self.with_constant(value, ElementwiseOp::Multiply)?;
        let &[x] = self.operands(wide, ElementwiseOp::Convert)? else { return None };
        let narrow = cluster::dtype(self.facts.body, x) == Some(DType::I16);
        Some((x, i32::try_from(n).ok().filter(|_| narrow)?))
    }
}

/// The integer that all elements of a value are.
fn constant(facts: &Facts<'_>, value: ValueId) -> Option<i64> {
    facts.splat(value)?;
    facts.per_channel_ints(value, 0, 1)?.first().copied()
}

/// The sum whose shift is `root`, and the operations absorbed: `(x * l + y * r + 2^(shift - 1)) >> shift`
/// in 64 bits, limits, and the conversion to 16.
pub fn find(facts: &Facts<'_>, root: OpId) -> Option<(WideSum, Vec<OpId>)> {
    let o = &facts.body.ops[root];
    let (&[value, by], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    if cluster::dtype(facts.body, value) != Some(DType::I64) {
        return None;
    }
    let shift = constant(facts, by).filter(|s| (17..=48).contains(s))?;
    let mut expression = Expression { facts, ops: vec![root] };
    let (sum, half) = expression.with_constant(value, ElementwiseOp::Add)?;
    let &[a, b] = expression.operands(sum, ElementwiseOp::Add)? else { return None };
    let terms = [expression.term(a)?, expression.term(b)?];
    let (limits, tail) = requant::limits_of(facts, result, DType::I16)?;
    if half != 1 << (shift - 1) || limits.zero != 0 {
        return None;
    }
    let ops = [expression.ops, tail].concat();
    let block = facts.block(root);
    let (least, most) = (limits.min as i32, limits.max as i32);
    let sum =
        WideSum { root, terms, shift: shift as u8, limits: [least, most], result: limits.result };
    ops.iter().all(|&op| facts.block(op) == block).then_some((sum, ops))
}

impl Lowerer<'_> {
    /// A sum of two 16-bit tensors.
    pub(super) fn sum_i16(&mut self, sum: &WideSum) -> Lowered<()> {
        let span = self.span(sum.root);
        let [(lhs, lhs_multiplier), (rhs, rhs_multiplier)] = sum.terms;
        let (lhs, rhs) = (self.dense(lhs, span)?, self.dense(rhs, span)?);
        let (output, _, dims) = self.result(sum.result, sum.root)?;
        let (count, shift, [min, max]) = (dims.iter().product(), sum.shift, sum.limits);
        #[rustfmt::skip]
        let params = SumI16 {
            lhs, rhs, output, count, lhs_multiplier, rhs_multiplier, shift, min, max,
        };
        self.step(Kernel::sum_i16(params), sum.root);
        self.name_step("add+requantize");
        Ok(())
    }
}
