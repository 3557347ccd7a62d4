//! Sums of two 8-bit tensors that a program rescales in its own way, by the kernel for such sums.
//!
//! Programs round each operand to a common scale, add, and round again, which the kernel does in one
//! step. The two are the same function of two bytes if they agree on all 65,536 pairs, and that is
//! what is tested: the operands' parts are tabulated, whatever they are made of.

use super::facts::Facts;
use super::pointwise_i8::Sum;
use super::requant::{self, Requant};
use super::{scale_i8, table};
use crate::ir::{OpId, ValueId};
use crate::ops::OpKind;

/// A 32-bit function of one 8-bit tensor.
struct Term {
    input: ValueId,
    /// The results for -128 to 127.
    results: Vec<i64>,
    ops: Vec<OpId>,
}

/// The numbers of a kernel for `clamp(min, (lhs * x + rhs * y + offset) >> shift, max)`.
#[derive(Debug, PartialEq)]
struct Line {
    multipliers: [i64; 2],
    offset: i64,
    shift: u8,
}

/// The sum whose addition is `root`, and the operations absorbed. `order` sorts operations as the
/// program does.
pub fn find(
    facts: &Facts<'_>,
    root: OpId,
    order: impl Fn(&mut Vec<OpId>),
) -> Option<(Sum, Vec<OpId>)> {
    let o = &facts.body.ops[root];
    let (&[lhs, rhs], &[sums]) = (o.operands.as_slice(), o.results.as_slice()) else { return None };
    let (requant, tail) = requant::of_sums(facts, sums, 0, 1);
    let scaled = requant.scaled.as_ref()?;
    let (lhs, rhs) = (term(facts, lhs, &order)?, term(facts, rhs, &order)?);
    let line = line(&requant, [&lhs.results, &rhs.results])?;
    let [left, right] = line.multipliers;
    let sum = Sum {
        root,
        terms: [(lhs.input, left as i32), (rhs.input, right as i32)],
        offset: line.offset as i32,
        shift: line.shift,
        min: scaled.min as i8,
        max: scaled.max as i8,
        result: requant.result,
    };
    let mut ops = [vec![root], lhs.ops, rhs.ops, tail].concat();
    ops.sort_unstable();
    let all = ops.len();
    ops.dedup();
    (ops.len() == all).then_some((sum, ops))
}

fn term(facts: &Facts<'_>, value: ValueId, order: impl Fn(&mut Vec<OpId>)) -> Option<Term> {
    let last = facts.body.def_op(value)?;
    if !matches!(facts.body.ops[last].kind, OpKind::Elementwise(_)) {
        return None;
    }
    facts.only_user(value)?;
    let (input, mut ops) = table::grown(facts, last, false, |v| facts.splat(v).is_some())?;
    order(&mut ops);
    let bytes = table::tabulated(facts, &ops, input, value, None)?;
    let (words, _) = bytes.as_chunks::<4>();
    let results: Vec<i64> = words.iter().map(|&w| i64::from(i32::from_le_bytes(w))).collect();
    // The table is that of unsigned bytes.
    let results = [results.get(128..)?, results.get(..128)?].concat();
    Some(Term { input, results, ops })
}

/// The numbers that give what a program does, for all pairs of bytes.
fn line(requant: &Requant, terms: [&[i64]; 2]) -> Option<Line> {
    let scaled = requant.scaled.as_ref()?;
    let params = requant.params()?;
    let (bias, multiplier) = requant.record(0);
    let largest: u64 = terms.iter().filter_map(|t| t.iter().map(|n| n.unsigned_abs()).max()).sum();
    if terms.iter().any(|t| t.len() != 256) || largest + u64::from(bias.unsigned_abs()) >= 1 << 31 {
        return None;
    }
    let result = |x: usize, y: usize| {
        let sum = terms[0][x] + terms[1][y] + i64::from(bias);
        i64::from(params.apply(sum as i32, multiplier, params.shift))
    };
    let results: Vec<i64> = (0..256).flat_map(|x| (0..256).map(move |y| result(x, y))).collect();
    let unit = f64::from(multiplier) / (1u64 << params.shift) as f64;
    let steps = terms.map(|t| (t[255] - t[0]) as f64 / 255.0 * unit);
    (0..=31).rev().find_map(|shift| {
        let multipliers = steps.map(|s| (s * f64::from(1u32 << shift)).round() as i64);
        let offset = offset(&results, multipliers, shift, [scaled.min, scaled.max])?;
        let most = multipliers.iter().fold(offset.abs(), |sum, m| sum + 128 * m.abs());
        (most < 1 << 31).then_some(Line { multipliers, offset, shift })
    })
}

/// The offset that gives these results, in the order of pairs.
fn offset(results: &[i64], [left, right]: [i64; 2], shift: u8, range: [i64; 2]) -> Option<i64> {
    let wide = 1i64 << 40;
    if [left, right].iter().any(|m| m.abs() >= 1 << 24) {
        return None;
    }
    let sum = |pair: i64| left * (pair / 256 - 128) + right * (pair % 256 - 128);
    let points = (0i64..).zip(results).map(|(pair, &y)| (sum(pair), y));
    let (least, most) = scale_i8::offsets(points, shift, range, wide);
    (-wide < least && least <= most && most < wide).then(|| least + (most - least) / 2)
}
