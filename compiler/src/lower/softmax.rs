//! Recognition of softmax: `exp(x - max(x)) / sum(exp(x - max(x)))` over the innermost dimension.

use microhlo_format::{DType, MicroOp};

use super::facts::{Facts, region_op};
use crate::ir::{OpId, ValueId};
use crate::ops::{ElementwiseOp, OpKind};

/// A softmax over the innermost dimension.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    /// The operand.
    pub input: ValueId,
    /// The result of the division.
    pub result: ValueId,
}

/// Matches a softmax whose maximum is the reduction `max`; also returns its operations.
pub fn find(facts: &Facts<'_>, max: OpId) -> Option<(Softmax, Vec<OpId>)> {
    let body = facts.body;
    let input = *body.ops[max].operands.first()?;
    let last = body.ty(input).tensor()?.rank().checked_sub(1)?;
    is_row_reduction(facts, max, MicroOp::maximum, f32::NEG_INFINITY, last)?;
    let spread = spread_to(facts, body.result(max)?, input)?;
    let subtract = facts.only_user(spread)?;
    is(facts, subtract, ElementwiseOp::Subtract, input, spread)?;
    let exponent = facts.only_user(body.result(subtract)?)?;
    facts.elementwise(body.result(exponent)?, ElementwiseOp::Exponential)?;
    let e = body.result(exponent)?;
    let &[u1, u2] = facts.users(e) else { return None };
    let (sum, divide) =
        if matches!(body.ops[u1].kind, OpKind::Reduce(_)) { (u1, u2) } else { (u2, u1) };
    is_row_reduction(facts, sum, MicroOp::add, 0.0, last)?;
    let total = spread_to(facts, body.result(sum)?, e)?;
    is(facts, divide, ElementwiseOp::Divide, e, total)?;
    (facts.only_user(total)? == divide).then_some(())?;
    let softmax = Softmax { input, result: body.result(divide)? };
    Some((softmax, vec![max, subtract, exponent, sum, divide]))
}

fn is(facts: &Facts<'_>, op: OpId, kind: ElementwiseOp, a: ValueId, b: ValueId) -> Option<()> {
    facts.elementwise(facts.body.result(op)?, kind)?;
    (facts.body.ops[op].operands == [a, b]).then_some(())
}

fn is_row_reduction(
    facts: &Facts<'_>,
    op: OpId,
    micro: MicroOp,
    init: f32,
    last: usize,
) -> Option<()> {
    let o = &facts.body.ops[op];
    let OpKind::Reduce(r) = &o.kind else { return None };
    let &[x, start] = o.operands.as_slice() else { return None };
    let f32s = facts.body.ty(x).tensor()?.dtype() == Some(DType::F32);
    // -0.0 starts a sum as well as +0.0 does: exponentials are never -0.
    let starts = facts.splat_f32(start)? == init;
    let fits = r.dims == [last as i64] && region_op(facts.body, o.regions[0])? == micro;
    (f32s && starts && fits).then_some(())
}

/// Follows a row value through views of single use to the broadcast with the shape of `like`.
fn spread_to(facts: &Facts<'_>, mut value: ValueId, like: ValueId) -> Option<ValueId> {
    let body = facts.body;
    let shape = body.ty(like).tensor()?;
    let row_rank = body.ty(value).tensor()?.rank();
    loop {
        let user = facts.only_user(value)?;
        value = body.result(user)?;
        match &body.ops[user].kind {
            OpKind::Reshape(_) => {}
            OpKind::BroadcastInDim(b) if body.ty(value).tensor()? == shape => {
                // The row index must map to the same row: leading dimensions in order.
                let dims = b.dims.iter().take(row_rank).copied();
                return dims.eq(0..row_rank as i64).then_some(value);
            }
            _ => return None,
        }
    }
}
