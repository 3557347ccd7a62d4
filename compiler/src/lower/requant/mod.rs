//! What follows a contraction of integers: the arithmetic that leads from its 32-bit sums back to 8 or 16
//! bits, whoever wrote it. `docs/integer-arithmetic.md` has the formula.
//!
//! The chain is constants added to the sums; a product with constants in 64 bits, half of `2^shift`
//! added, shifted right by it, in one step or two; then constants added and limits, in any number
//! and order. Or the product is one of floats, with limits and a whole number added, rounded to
//! even. Means may also be divided by a constant.

mod floats;
mod mean;

use std::collections::HashSet;

use microhlo_format::DType;
use microhlo_format::kernels::{self, Rounding};

pub use mean::of_mean;

use super::facts::Facts;
use crate::ir::{OpId, ValueId, full_range};
use crate::ops::{ElementwiseOp, OpKind};

/// Most operations of a chain.
const MAX_CHAIN: usize = 32;

/// From the sums of an integer contraction to what is stored.
#[derive(Clone, Debug)]
pub struct Requant {
    /// Added to the sums, one value per channel.
    pub bias: Vec<i64>,
    /// The way back to 8 or 16 bits; without it, sums with bias are stored.
    pub scaled: Option<Scaled>,
    /// The value that the fused kernel computes.
    pub result: ValueId,
}

/// `clamp(min, zero + round(sum * multiplier / 2^shift), max)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaled {
    /// One per channel, from 0 to `2^31 - 1`.
    pub multipliers: Vec<i64>,
    /// One per channel.
    pub shifts: Vec<u8>,
    /// Added after rounding.
    pub zero: i64,
    /// Least result.
    pub min: i64,
    /// Greatest result.
    pub max: i64,
    /// What becomes of products about halfway between two integers.
    pub rounding: Rounding,
}

/// The least shift for which half a result is a multiple of `2^32`, as kernels take it.
const UPPER_WORD: i64 = 33;

impl Scaled {
    /// Makes the shift of the first channel at least [`UPPER_WORD`], and returns by how much sums are to be
    /// shifted left for that.
    pub fn raise_shift(&mut self) -> u8 {
        let Some(shift) = self.shifts.first_mut() else { return 0 };
        let left = (UPPER_WORD as u8).saturating_sub(*shift);
        *shift += left;
        left
    }
}

impl Requant {
    /// Bias and multiplier of a channel, as kernels take them.
    pub fn record(&self, channel: u32) -> (i32, i32) {
        let i = channel as usize;
        let bias = self.bias.get(i).map_or(0, |&b| b as i32);
        let scaled = self.scaled.as_ref().and_then(|s| s.multipliers.get(i));
        (bias, scaled.map_or(0, |&m| m as i32))
    }

    /// The shift of a channel.
    pub fn shift(&self, channel: u32) -> u8 {
        let shifts = self.scaled.as_ref().map(|s| &s.shifts);
        shifts.and_then(|s| s.get(channel as usize)).copied().unwrap_or(33)
    }

    /// Whether channels have different shifts.
    pub fn own_shifts(&self) -> bool {
        self.scaled.as_ref().is_some_and(|s| s.shifts.iter().any(|n| *n != s.shifts[0]))
    }

    /// What is the same for all channels, as kernels take it.
    pub fn params(&self) -> Option<kernels::Requant> {
        let scaled = self.scaled.as_ref()?;
        Some(kernels::Requant {
            shift: self.shift(0),
            zero: scaled.zero as i32,
            min: scaled.min as i8,
            max: scaled.max as i8,
            rounding: scaled.rounding,
        })
    }

    /// The same for kernels with results of 16 bits, which have limits of their own.
    pub fn wide_params(&self) -> (Option<kernels::Requant>, [i32; 2]) {
        let (least, most) = full_range(DType::I16);
        let limits = self.scaled.as_ref().map_or([least, most], |s| [s.min, s.max]);
        let params =
            self.params().map(|params| kernels::Requant { min: i8::MIN, max: i8::MAX, ..params });
        (params, limits.map(|n| n as i32))
    }
}

/// Follows values from one to its only user, as long as the user is known.
struct Chain<'f, 'b> {
    facts: &'f Facts<'b>,
    dim: usize,
    channels: usize,
    value: ValueId,
    /// The least shift that the kernel takes.
    least_shift: i64,
    /// The type of results, of 8 or 16 bits.
    to: DType,
    absorbed: Vec<OpId>,
}

/// Matches the chain behind the contraction whose result is `sums`, with channels along `dim`. Also
/// returns the operations absorbed.
pub fn of_sums(
    facts: &Facts<'_>,
    sums: ValueId,
    dim: usize,
    channels: usize,
) -> (Requant, Vec<OpId>) {
    of_sums_to(facts, sums, dim, channels, DType::I8)
}

/// The same with results of this type, `i8` or `i16`.
pub fn of_sums_to(
    facts: &Facts<'_>,
    sums: ValueId,
    dim: usize,
    channels: usize,
    to: DType,
) -> (Requant, Vec<OpId>) {
    let absorbed = Vec::new();
    of_chain(Chain { facts, dim, channels, value: sums, least_shift: UPPER_WORD, to, absorbed })
}

/// The same for sums that are the same in all channels and that the kernel can shift left first:
/// the shift may be less than [`UPPER_WORD`].
pub fn of_small_sums(facts: &Facts<'_>, sums: ValueId) -> (Requant, Vec<OpId>) {
    let absorbed = Vec::new();
    let to = DType::I8;
    of_chain(Chain { facts, dim: 0, channels: 1, value: sums, least_shift: 1, to, absorbed })
}

fn of_chain(mut chain: Chain<'_, '_>) -> (Requant, Vec<OpId>) {
    let channels = chain.channels;
    let mut bias = vec![0i64; channels];
    while let Some((op, numbers)) = chain.next_with(&[ElementwiseOp::Add, ElementwiseOp::Subtract])
    {
        let sign = if chain.kind(op) == Some(ElementwiseOp::Add) { 1 } else { -1 };
        let fits = |n: &i64| i32::try_from(*n).is_ok();
        let sum: Vec<i64> = bias.iter().zip(&numbers).map(|(b, n)| b + sign * n).collect();
        if !sum.iter().all(fits) {
            break;
        }
        bias = sum;
        chain.absorb(op);
    }
    let raw = Requant { bias, scaled: None, result: chain.value };
    let before = chain.absorbed.clone();
    let floats = chain.to == DType::I8 && chain.next_convert(DType::F32).is_some();
    match if floats { chain.in_floats() } else { chain.scaled() } {
        Some(scaled) => {
            (Requant { scaled: Some(scaled), result: chain.value, ..raw }, chain.absorbed)
        }
        None => (raw, before),
    }
}

/// Constants added and limits, from a value to its 8-bit form.
pub struct Limits {
    /// Added first, -512 to 511.
    pub zero: i64,
    /// Least result.
    pub min: i64,
    /// Greatest result.
    pub max: i64,
    /// The 8-bit value, or that of 16 bits.
    pub result: ValueId,
}

/// Matches constants added, limits, and the conversion to `i8` or `i16` behind a value. Also returns the
/// operations absorbed.
pub fn limits_of(facts: &Facts<'_>, value: ValueId, to: DType) -> Option<(Limits, Vec<OpId>)> {
    let (absorbed, least_shift) = (Vec::new(), UPPER_WORD);
    let mut chain = Chain { facts, dim: 0, channels: 1, value, least_shift, to, absorbed };
    let (zero, min, max) = chain.stored()?;
    let (least, most) = full_range(to);
    let valid = (-512..=511).contains(&zero) && (least..=most).contains(&min) && max <= most;
    let limits = Limits { zero, min, max, result: chain.value };
    (valid && min <= max).then_some((limits, chain.absorbed))
}

impl Chain<'_, '_> {
    fn kind(&self, op: OpId) -> Option<ElementwiseOp> {
        match &self.facts.body.ops[op].kind {
            OpKind::Elementwise(e) => Some(*e),
            _ => None,
        }
    }

    fn absorb(&mut self, op: OpId) {
        self.absorbed.push(op);
        self.value = self.facts.body.ops[op].results[0];
    }

    fn dtype(&self, value: ValueId) -> Option<DType> {
        self.facts.body.ty(value).tensor()?.dtype()
    }

    fn numbers(&self, value: ValueId) -> Option<Vec<i64>> {
        self.facts.per_channel_ints(value, self.dim, self.channels)
    }

    /// The only user, if it is a conversion to this type.
    fn next_convert(&self, to: DType) -> Option<OpId> {
        let user = self.facts.only_user(self.value)?;
        let result = self.facts.body.result(user)?;
        let converts = self.kind(user) == Some(ElementwiseOp::Convert);
        (converts && self.dtype(result) == Some(to)).then_some(user)
    }

    /// The only user, if it is one of these operations of the value and constants per channel.
    /// The value is the first operand, or the operation is commutative.
    fn next_with(&self, kinds: &[ElementwiseOp]) -> Option<(OpId, Vec<i64>)> {
        let user = self.facts.only_user(self.value)?;
        self.constants_of(user, self.value, kinds).map(|numbers| (user, numbers))
    }

    fn constants_of(
        &self,
        user: OpId,
        value: ValueId,
        kinds: &[ElementwiseOp],
    ) -> Option<Vec<i64>> {
        use ElementwiseOp::{ShiftRightArithmetic, Subtract};
        let kind = self.kind(user).filter(|k| kinds.contains(k))?;
        let &[a, b] = self.facts.body.ops[user].operands.as_slice() else { return None };
        if a == value {
            return self.numbers(b);
        }
        let commutes = !matches!(kind, Subtract | ShiftRightArithmetic);
        (b == value && commutes).then(|| self.numbers(a)).flatten()
    }

    /// The rest of the chain, from the conversion to 64 bits to that to 8.
    fn scaled(&mut self) -> Option<Scaled> {
        let wide = self.next_convert(DType::I64)?;
        self.absorb(wide);
        let (product, multipliers) = self.next_with(&[ElementwiseOp::Multiply])?;
        self.absorb(product);
        // Half of two factors is the first step of two.
        let (shifts, rounding, parity) = if let Some(shifts) = self.twice() {
            (shifts, Rounding::Double, None)
        } else if let Some(shifts) = self.half_up() {
            (shifts, Rounding::Up, None)
        } else {
            self.half_even().map(|(shifts, parity)| (shifts, Rounding::Even, Some(parity)))?
        };
        self.limited(multipliers, shifts, rounding, parity)
    }

    /// What follows the shift: limits, and the conversion to 8 bits. Ties to even are those of the
    /// stored result if the zero point has this parity.
    fn limited(
        &mut self,
        multipliers: Vec<i64>,
        shifts: Vec<i64>,
        rounding: Rounding,
        parity: Option<i64>,
    ) -> Option<Scaled> {
        let (zero, min, max) = self.stored()?;
        // Shifting sums left would move the first of two roundings.
        let least = if rounding == Rounding::Double { UPPER_WORD } else { self.least_shift };
        let (least_result, most_result) = full_range(self.to);
        let valid = multipliers.iter().all(|m| (0..1 << 31).contains(m))
            && shifts.iter().all(|s| (least..=53).contains(s))
            && parity.is_none_or(|parity| parity == zero & 1)
            && (-512..=511).contains(&zero)
            && (least_result..=most_result).contains(&min)
            && (min..=most_result).contains(&max);
        let shifts = shifts.iter().map(|&s| s as u8).collect();
        valid.then_some(Scaled { multipliers, shifts, zero, min, max, rounding })
    }

    /// `(x + 2^(shift - 1)) >> shift`.
    fn half_up(&mut self) -> Option<Vec<i64>> {
        let (add, halves) = self.next_with(&[ElementwiseOp::Add])?;
        let sum = self.facts.body.ops[add].results[0];
        let shift = self.facts.only_user(sum)?;
        let shifts = self.constants_of(shift, sum, &[ElementwiseOp::ShiftRightArithmetic])?;
        let halved = |(s, h): (&i64, &i64)| (1..=62).contains(s) && *h == 1 << (s - 1);
        if !shifts.iter().zip(&halves).all(halved) {
            return None;
        }
        self.absorb(add);
        self.absorb(shift);
        Some(shifts)
    }

    /// `(x + (2^(shift - 1) - 1) + odd) >> shift`, where `odd` is the last bit of `x >> shift`, or
    /// its opposite: the second result says for which parity of the zero point that is even.
    fn half_even(&mut self) -> Option<(Vec<i64>, i64)> {
        use ElementwiseOp::{Add, And, ShiftRightArithmetic, Xor};
        let body = self.facts.body;
        let x = self.value;
        let &[first, second] = self.facts.users(x) else { return None };
        let is_shift = |op: OpId| self.kind(op) == Some(ShiftRightArithmetic);
        let (below, half) = if is_shift(first) { (first, second) } else { (second, first) };
        let shifts = self.constants_of(below, x, &[ShiftRightArithmetic])?;
        let halves = self.constants_of(half, x, &[Add])?;
        let halved = |(s, h): (&i64, &i64)| (1..=62).contains(s) && *h == (1 << (s - 1)) - 1;
        let result = |op: OpId| body.ops[op].results[0];
        let one = |list: Vec<i64>| list.iter().all(|&n| n == 1).then_some(());
        let and = self.facts.only_user(result(below))?;
        one(self.constants_of(and, result(below), &[And])?)?;
        let mut odd = and;
        let mut parity = 0;
        let mut absorbed = vec![below, half, and];
        let next = self.facts.only_user(result(and))?;
        if let Some(list) = self.constants_of(next, result(and), &[Xor]) {
            one(list)?;
            (odd, parity) = (next, 1);
            absorbed.push(next);
        }
        let sum = self.facts.only_user(result(half)).filter(|&op| self.kind(op) == Some(Add))?;
        let operands: HashSet<ValueId> = body.ops[sum].operands.iter().copied().collect();
        let both = operands == HashSet::from([result(half), result(odd)]);
        let last = self.facts.only_user(result(sum))?;
        let again = self.constants_of(last, result(sum), &[ShiftRightArithmetic])?;
        if !both || again != shifts || !shifts.iter().zip(&halves).all(halved) {
            return None;
        }
        self.facts.only_user(result(odd))?;
        self.absorbed.extend(absorbed);
        self.absorb(sum);
        self.absorb(last);
        Some((shifts, parity))
    }

    /// `(h + 2^(e - 1) + (h >> 63)) >> e` of `h = (x + 2^30) >> 31`, as `passes/rounding` leaves it:
    /// a shift by `31 + e`.
    fn twice(&mut self) -> Option<Vec<i64>> {
        use ElementwiseOp::{Add, ShiftRightArithmetic};
        let body = self.facts.body;
        let all = |list: Vec<i64>, n: i64| list.iter().all(|&x| x == n).then_some(());
        let result = |op: OpId| body.ops[op].results[0];
        let (add, halves) = self.next_with(&[Add])?;
        all(halves, 1 << 30)?;
        let first = self.facts.only_user(result(add))?;
        all(self.constants_of(first, result(add), &[ShiftRightArithmetic])?, 31)?;
        let h = result(first);
        let &[a, b] = self.facts.users(h) else { return None };
        let (half, sign) = if self.kind(a) == Some(Add) { (a, b) } else { (b, a) };
        let halves = self.constants_of(half, h, &[Add])?;
        all(self.constants_of(sign, h, &[ShiftRightArithmetic])?, 63)?;
        let sum = self.facts.only_user(result(half)).filter(|&op| self.kind(op) == Some(Add))?;
        let operands: HashSet<ValueId> = body.ops[sum].operands.iter().copied().collect();
        let both = operands == HashSet::from([result(half), result(sign)]);
        let last = self.facts.only_user(result(sum))?;
        let shifts = self.constants_of(last, result(sum), &[ShiftRightArithmetic])?;
        let halved = |(s, h): (&i64, &i64)| (1..=30).contains(s) && *h == 1 << (s - 1);
        self.facts.only_user(result(sign))?;
        if !both || !shifts.iter().zip(&halves).all(halved) {
            return None;
        }
        for op in [add, first, half, sign, sum, last] {
            self.absorb(op);
        }
        Some(shifts.iter().map(|e| e + 31).collect())
    }

    /// Constants added and limits, as one addition and one clamp, up to the 8-bit value and
    /// through limits on that.
    fn stored(&mut self) -> Option<(i64, i64, i64)> {
        let (zero, min, max) = self.limits()?;
        let last = self.next_convert(self.to)?;
        let (least, most) = full_range(self.to);
        if min < least || max > most {
            return None;
        }
        self.absorb(last);
        let (min, max) = self.narrowed(min, max)?;
        Some((zero, min, max))
    }

    /// Takes limits of an 8-bit value; returns them within those before.
    fn narrowed(&mut self, mut min: i64, mut max: i64) -> Option<(i64, i64)> {
        use ElementwiseOp::{Maximum, Minimum};
        while let Some((op, numbers)) = self.next_with(&[Maximum, Minimum])
            && let Some(n) = same(&numbers)
        {
            match self.kind(op)? {
                Maximum => (min, max) = (min.max(n), max.max(n)),
                _ => (min, max) = (min.min(n), max.min(n)),
            }
            self.absorb(op);
        }
        Some((min, max))
    }

    /// Constants added and limits, as one addition and one clamp.
    fn limits(&mut self) -> Option<(i64, i64, i64)> {
        use ElementwiseOp::{Add, Clamp, Maximum, Minimum};
        let wide = 1i64 << 40;
        let (mut zero, mut min, mut max) = (0i64, -wide, wide);
        for _ in 0..MAX_CHAIN {
            if self.next_convert(self.to).is_some() {
                break;
            }
            if let Some(op) = self.next_convert(DType::I32) {
                // 31 bits of product remain after the shift, so that nothing wraps.
                self.absorb(op);
            } else if let Some((op, numbers)) = self.next_with(&[Add, Maximum, Minimum]) {
                let n = same(&numbers).filter(|n| n.abs() < 1 << 20)?;
                match self.kind(op)? {
                    Add => (zero, min, max) = (zero + n, min + n, max + n),
                    Maximum => (min, max) = (min.max(n), max.max(n)),
                    _ => (min, max) = (min.min(n), max.min(n)),
                }
                self.absorb(op);
            } else {
                let op =
                    self.facts.only_user(self.value).filter(|&o| self.kind(o) == Some(Clamp))?;
                let &[low, x, high] = self.facts.body.ops[op].operands.as_slice() else {
                    return None;
                };
                let (low, high) = (same(&self.numbers(low)?)?, same(&self.numbers(high)?)?);
                if x != self.value || low > high {
                    return None;
                }
                (min, max) = (min.clamp(low, high), max.clamp(low, high));
                self.absorb(op);
            }
        }
        Some((zero, min, max))
    }
}

/// The number that all of a list are.
fn same(numbers: &[i64]) -> Option<i64> {
    let first = *numbers.first()?;
    numbers.iter().all(|&n| n == first).then_some(first)
}
