//! Requantisation in single precision.

use std::cmp::Ordering;

use microhlo_format::DType;
use microhlo_format::kernels::Rounding;

use super::{Chain, Scaled};
use crate::ir::{OpId, ValueId};
use crate::ops::ElementwiseOp;

/// Zero points and limits up to this are exact as floats, in every sum of two.
const MOST: f32 = 512.0;

/// A number added to a value, and limits of the sum.
struct Line {
    zero: Option<f32>,
    min: f32,
    max: f32,
}

impl Line {
    fn limit(&mut self, low: f32, high: f32) {
        self.min = self.min.max(low).min(high);
        self.max = self.max.max(low).min(high);
    }

    /// Sums are rounded in order, so that limits of one part are limits of the sum.
    fn add(&mut self, n: f32) {
        (self.zero, self.min, self.max) = (Some(n), self.min + n, self.max + n);
    }
}

impl Chain<'_, '_> {
    fn floats(&self, value: ValueId) -> Option<Vec<f32>> {
        self.facts.per_channel(value, self.dim, self.channels)
    }

    /// The float that an operand is everywhere.
    fn float(&self, value: ValueId) -> Option<f32> {
        let values = self.floats(value)?;
        values.iter().all(|v| *v == values[0]).then_some(values[0])
    }

    /// The only user, with the operand of a binary operation beside the value.
    fn next_binary(&self) -> Option<(OpId, ElementwiseOp, ValueId)> {
        let user = self.facts.only_user(self.value)?;
        let kind = self.kind(user)?;
        match *self.facts.body.ops[user].operands.as_slice() {
            [a, b] if a == self.value && b != a => Some((user, kind, b)),
            [a, b] if b == self.value && b != a => Some((user, kind, a)),
            _ => None,
        }
    }

    /// From the conversion to floats to that to 8 bits: a product with constants, limits and a whole
    /// number added in any order, rounded to even.
    pub(super) fn in_floats(&mut self) -> Option<Scaled> {
        use ElementwiseOp::{Multiply, RoundNearestEven};
        let floats = self.next_convert(DType::F32)?;
        self.absorb(floats);
        let (product, _, scales) = self.next_binary().filter(|(_, kind, _)| *kind == Multiply)?;
        let factors: Option<Vec<_>> = self.floats(scales)?.into_iter().map(factor).collect();
        let (multipliers, shifts) = factors?.into_iter().unzip();
        self.absorb(product);
        let mut line = Line { zero: None, min: f32::NEG_INFINITY, max: f32::INFINITY };
        while self.add_or_limit(&mut line).is_some() {}
        let rounded = self.facts.only_user(self.value)?;
        if self.kind(rounded) != Some(RoundNearestEven) {
            return None;
        }
        self.absorb(rounded);
        let zero = line.zero.unwrap_or(0.0);
        // What follows is whole: limits only.
        line.zero = Some(zero);
        while self.add_or_limit(&mut line).is_some() {}
        // Rounding keeps order, so that limits before it are those of integers.
        let [min, max] = [line.min, line.max].map(f32::round_ties_even);
        let whole = zero.fract() == 0.0 && zero.abs() < MOST && min <= max;
        // Beyond 8 bits the conversion is left to the target.
        if !whole || min < -128.0 || max > 127.0 {
            return None;
        }
        let last = self.next_convert(DType::I8)?;
        self.absorb(last);
        let (min, max) = self.narrowed(min as i64, max as i64)?;
        let (zero, rounding) = (zero as i64, Rounding::Single);
        Some(Scaled { multipliers, shifts, zero, min, max, rounding })
    }

    /// Takes the next operation if it adds a number, for the first time, or limits.
    fn add_or_limit(&mut self, line: &mut Line) -> Option<()> {
        use ElementwiseOp::{Add, Maximum, Minimum, Subtract};
        if let Some((low, high)) = self.clamped() {
            line.limit(low, high);
            return Some(());
        }
        let (op, kind, other) = self.next_binary()?;
        let first = self.facts.body.ops[op].operands.first() == Some(&self.value);
        let n = self.float(other).filter(|n| !n.is_nan())?;
        match kind {
            Maximum => line.limit(n, f32::INFINITY),
            Minimum => line.limit(f32::NEG_INFINITY, n),
            Add if line.zero.is_none() => line.add(n),
            Subtract if line.zero.is_none() && first => line.add(-n),
            _ => return None,
        }
        self.absorb(op);
        Some(())
    }

    /// Takes a clamp to constants; returns them.
    fn clamped(&mut self) -> Option<(f32, f32)> {
        let op = self.facts.only_user(self.value)?;
        let &[low, x, high] = self.facts.body.ops[op].operands.as_slice() else { return None };
        let clamps = self.kind(op) == Some(ElementwiseOp::Clamp) && x == self.value;
        let (low, high) = (self.float(low)?, self.float(high)?);
        if !clamps || !matches!(low.partial_cmp(&high), Some(Ordering::Less | Ordering::Equal)) {
            return None;
        }
        self.absorb(op);
        Some((low, high))
    }
}

/// A scale as a multiplier of 31 bits and a shift.
fn factor(scale: f32) -> Option<(i64, u8)> {
    let bits = scale.to_bits();
    let exponent = i64::from(bits >> 23);
    let fraction = i64::from(bits & 0x7f_ffff);
    // Positive and normal; the loader checks the rest.
    let shift = 127 + 30 - exponent;
    ((1..255).contains(&exponent) && (33..=53).contains(&shift))
        .then_some((((1 << 23) + fraction) << 7, shift as u8))
}
