//! Means that are divided by a constant.

use microhlo_format::DType;
use microhlo_format::kernels::Rounding;

use super::{Chain, Requant, same};
use crate::ir::{OpId, ValueId};
use crate::lower::facts::Facts;
use crate::ops::{ElementwiseOp, OpKind};

/// Matches `(s + half of n with the sign of s) / n` behind sums that are at most `largest` in
/// magnitude, then what follows [`of_sums`]: to nearest, halves away from zero.
pub fn of_mean(facts: &Facts<'_>, sums: ValueId, largest: i64) -> Option<(Requant, Vec<OpId>)> {
    let absorbed = Vec::new();
    let to = DType::I8;
    let mut chain = Chain { facts, dim: 0, channels: 1, value: sums, least_shift: 1, to, absorbed };
    let divisor = chain.mean()?;
    // A multiplier that is a little too large moves halves away from zero, and nothing else: sums
    // are whole, so that all others are half a sum or more from there.
    let shift = 30 + i64::from(divisor.ilog2());
    let multiplier = (1i64 << shift) / divisor + 1;
    let excess = (multiplier * divisor).checked_sub(1 << shift)?.checked_mul(largest)?;
    if excess >= 1 << (shift - 1) || largest.checked_add(divisor)? >= 1 << 31 {
        return None;
    }
    let scaled = chain.limited(vec![multiplier], vec![shift], Rounding::Up, None)?;
    let requant = Requant { bias: vec![0], scaled: Some(scaled), result: chain.value };
    Some((requant, chain.absorbed))
}

impl Chain<'_, '_> {
    /// `(s + half of n with the sign of s) / n`, the division towards zero; `n` is returned.
    fn mean(&mut self) -> Option<i64> {
        use ElementwiseOp::{Add, Divide, Select, Subtract};
        let body = self.facts.body;
        let s = self.value;
        let operands = |op: OpId| body.ops[op].operands.as_slice();
        let one = |v: ValueId| same(&self.numbers(v)?);
        // What is added, by the sign.
        let moved = |v: ValueId| -> Option<i64> {
            let &[a, b] = operands(self.facts.def(v)?.0) else { return None };
            match self.kind(self.facts.def(v)?.0)? {
                Add if a == s => one(b),
                Add if b == s => one(a),
                Subtract if a == s => one(b).map(|n| -n),
                _ => None,
            }
        };
        let users = self.facts.users(s);
        let of_kind = |kind| users.iter().copied().find(|&op| self.kind(op) == Some(kind));
        let test =
            users.iter().copied().find(|&op| matches!(body.ops[op].kind, OpKind::Compare(_)))?;
        let select = self.facts.only_user(body.ops[test].results[0])?;
        let &[_, yes, no] = operands(select) else { return None };
        let chosen = body.ops[select].results[0];
        let (sum, yes, no) = match (one(yes), one(no)) {
            (Some(yes), Some(no)) => (of_kind(Add)?, yes, no),
            _ => (select, moved(yes)?, moved(no)?),
        };
        let added = sum == select || operands(sum).contains(&chosen);
        let total = body.ops[sum].results[0];
        let division = self.facts.only_user(total)?;
        let divisor = one(*operands(division).get(1)?)?;
        let whole = self.kind(select) == Some(Select)
            && self.kind(division) == Some(Divide)
            && operands(division).first() == Some(&total)
            && added
            && (2..1 << 20).contains(&divisor)
            && self.positive(test, s)? == (yes > 0)
            && yes.abs() == divisor / 2
            && yes == -no;
        let mut absorbed: Vec<OpId> = users.to_vec();
        absorbed.extend([select, sum]);
        absorbed.sort_unstable();
        absorbed.dedup();
        let inside = |op: &OpId| {
            let mut results = body.ops[*op].results.iter();
            results.all(|&v| self.facts.users(v).iter().all(|u| absorbed.contains(u)))
        };
        if !whole || !absorbed.iter().all(|op| *op == sum || inside(op)) {
            return None;
        }
        self.absorbed.extend(absorbed);
        self.absorb(division);
        Some(divisor)
    }

    /// Whether a comparison with zero holds for positive values, rather than for negative ones.
    fn positive(&self, test: OpId, value: ValueId) -> Option<bool> {
        use crate::ops::compare::Direction::{Ge, Gt, Le, Lt};
        let OpKind::Compare(c) = &self.facts.body.ops[test].kind else { return None };
        let &[a, b] = self.facts.body.ops[test].operands.as_slice() else { return None };
        let zero = |v: ValueId| self.numbers(v).is_some_and(|n| n.iter().all(|&n| n == 0));
        match c.direction {
            Gt | Ge if a == value && zero(b) => Some(true),
            Lt | Le if b == value && zero(a) => Some(true),
            Lt | Le if a == value && zero(b) => Some(false),
            Gt | Ge if b == value && zero(a) => Some(false),
            _ => None,
        }
    }
}
