//! Requantisation in integers: sums of integers times ratios of scales, rounded once.
//!
//! `dequantize` and `quantize` in between two quantised types multiply by the ratio of their
//! scales. The ratio becomes `multiplier / 2^shift` with a multiplier below `2^31`, the product is
//! exact in 64 bits, and it is rounded to nearest, ties to even. The float computation that the
//! specification writes rounds three times to 24 bits, so that it can differ where the exact
//! result is next to a tie. One shift serves all channels where that is precise enough, and it is
//! 33 where it can be: `docs/integer-arithmetic.md` says why.

use microhlo_format::DType;

use super::range;
use super::values::Legalizer;
use crate::eval::Element;
use crate::ir::{QuantType, TensorType, ValueId};
use crate::ops::ElementwiseOp;

/// Bits of a multiplier, without its sign.
const BITS: i32 = 31;

/// Integers and what one of them counts in steps of the result.
pub(super) struct Term {
    /// Differences of stored integers and zero points, or products of such.
    pub(super) value: ValueId,
    /// Their largest magnitude.
    pub(super) largest: u64,
    /// One ratio for all elements or one per index of `axis`.
    pub(super) ratios: Vec<f64>,
    /// Dimension of the ratios.
    pub(super) axis: Option<u32>,
}

/// Largest distance of a stored integer from its zero point.
pub(super) fn magnitude(q: &QuantType) -> u64 {
    let (min, max) = q.storage_range;
    let far = |&z: &i64| z.abs_diff(min).max(z.abs_diff(max));
    q.zero_points.iter().map(far).max().unwrap_or(0)
}

/// Whether values of an expressed type are requantised in integers. Those of narrow floats are
/// what the specification's floats make of them, which is several steps away.
pub(super) fn is_precise(expressed: DType) -> bool {
    matches!(expressed, DType::F32 | DType::F64)
}

/// The shift that kernels are quickest at: half of the product's upper word.
const QUICK_SHIFT: i32 = 33;

/// Bits of a sum of products of narrow integers: it, half a step and rounded multipliers fit 32.
const NARROW_BITS: i32 = 29;

/// Most that rounded multipliers may move a result, in steps of it: at most one result in 2,048
/// is then so near to a tie that it comes out differently.
const TOLERANCE: f64 = 1.0 / 4096.0;

/// Multipliers of the terms and their common shift, for one index of the axis.
struct Factors {
    multipliers: Vec<i64>,
    shift: i32,
    /// Whether a result can lie exactly between two integers.
    ties: bool,
}

/// The largest shift that keeps the multipliers of all ratios below `2^31`.
fn finest_shift(ratios: impl Iterator<Item = f64>) -> Option<i32> {
    let greatest = ratios.fold(0f64, |a, r| a.max(r.abs()));
    if !greatest.is_normal() {
        return None;
    }
    // 2^exponent is above the greatest ratio, and at most twice as large.
    let exponent = ((greatest.to_bits() >> 52) as i32 - 1022).min(BITS);
    Some(BITS - exponent)
}

/// A shift for all channels, if one is precise enough for each.
fn common_shift(channels: &[Vec<f64>], largest: &[u64]) -> Option<i32> {
    let finest = finest_shift(channels.iter().flatten().copied())?;
    let sum: f64 = largest.iter().map(|&n| n as f64).sum();
    let precise = |shift: i32| shift <= finest && sum / 2f64.powi(shift + 1) <= TOLERANCE;
    [QUICK_SHIFT, finest].into_iter().find(|&shift| precise(shift))
}

/// A shift at which all sums, with half a step, fit 32 bits, if one is precise enough.
fn narrow_shift(channels: &[Vec<f64>], largest: &[u64]) -> Option<i32> {
    let steps = |ratios: &Vec<f64>| {
        ratios.iter().zip(largest).map(|(r, &n)| r.abs() * n as f64).sum::<f64>()
    };
    let most = channels.iter().map(steps).fold(1.0, f64::max);
    let shift = (NARROW_BITS - most.log2().ceil() as i32).min(NARROW_BITS - 1);
    let error: f64 = largest.iter().map(|&n| n as f64).sum::<f64>() / 2f64.powi(shift + 1);
    (shift >= 1 && error <= TOLERANCE).then_some(shift)
}

impl Factors {
    fn of(ratios: &[f64], largest: &[u64], shift: i32) -> Option<Factors> {
        if !(1..=62).contains(&shift) {
            return None;
        }
        let exact: Vec<f64> = ratios.iter().map(|r| r * (1u64 << shift) as f64).collect();
        let multipliers: Vec<i64> = exact.iter().map(|v| v.round_ties_even() as i64).collect();
        let bound = multipliers
            .iter()
            .zip(largest)
            .try_fold(0u64, |sum, (&m, &n)| sum.checked_add(m.unsigned_abs().checked_mul(n)?))?;
        if bound >= 1 << 62 {
            return None;
        }
        let is_exact = exact.iter().zip(&multipliers).all(|(&e, &m)| e == m as f64);
        let ties = is_exact && can_tie(&multipliers, largest, shift);
        Some(Factors { multipliers, shift, ties })
    }
}

/// Whether a sum of multiples of exact multipliers can be an odd multiple of half a step.
fn can_tie(multipliers: &[i64], largest: &[u64], shift: i32) -> bool {
    let all = multipliers.iter().fold(0, |bits, m| bits | m);
    let (zeros, half) = (all.trailing_zeros(), shift as u32 - 1);
    match largest {
        _ if zeros > half => false,
        // Half a step is this many times the only multiplier's odd part.
        [one] => *one >= 1 << (half - zeros),
        _ => true,
    }
}

impl Legalizer<'_, '_> {
    /// The sum of terms as values of a quantised type; `None` if it does not fit 64 bits, or the
    /// parameters vary along different dimensions.
    pub(super) fn requantised(&mut self, terms: &[Term], ty: &TensorType) -> Option<ValueId> {
        let q = ty.elem.quant()?.clone();
        let mut axes = terms.iter().map(|t| t.axis).chain([q.axis]).flatten();
        let axis = axes.next();
        if axes.any(|other| Some(other) != axis) {
            return None;
        }
        let n = terms.iter().map(|t| t.ratios.len()).max()?;
        let largest: Vec<u64> = terms.iter().map(|t| t.largest).collect();
        let channel = |i| terms.iter().map(|t| pick(&t.ratios, i)).collect();
        let channels: Vec<Vec<f64>> = (0..n).map(channel).collect::<Option<_>>()?;
        let small = q.storage.bits() <= 16;
        let narrow = narrow_shift(&channels, &largest).filter(|_| small);
        let wide = if narrow.is_some() { DType::I32 } else { DType::I64 };
        let common = narrow.or_else(|| common_shift(&channels, &largest));
        let factors: Vec<Factors> = channels
            .iter()
            .map(|ratios| {
                let shift = common.or_else(|| finest_shift(ratios.iter().copied()))?;
                Factors::of(ratios, &largest, shift)
            })
            .collect::<Option<_>>()?;
        let mut sum: Option<ValueId> = None;
        for (i, term) in terms.iter().enumerate() {
            let value = self.cast(term.value, wide);
            let product =
                self.with(ElementwiseOp::Multiply, value, axis, &factors, |f| f.multipliers[i]);
            sum = Some(match sum {
                None => product,
                Some(sum) => self.apply(ElementwiseOp::Add, vec![sum, product]),
            });
        }
        let rounded = self.rounded(sum?, axis, &factors, &q);
        let result = self.shift(rounded, &q, ElementwiseOp::Add);
        Some(self.saturated(result, ty))
    }

    /// The sum divided by `2^shift`, rounded to nearest; ties give an even stored integer.
    fn rounded(
        &mut self,
        sum: ValueId,
        axis: Option<u32>,
        factors: &[Factors],
        q: &QuantType,
    ) -> ValueId {
        use ElementwiseOp::{Add, And, ShiftRightArithmetic, Xor};
        if !factors.iter().any(|f| f.ties) {
            let half = self.with(Add, sum, axis, factors, |f| 1 << (f.shift - 1));
            return self.with(ShiftRightArithmetic, half, axis, factors, |f| f.shift.into());
        }
        // Half a step less one, and one more if the integer below is odd.
        let below = self.with(ShiftRightArithmetic, sum, axis, factors, |f| f.shift.into());
        let dtype = self.tensor(below).elem.storage();
        let one = self.spread(below, dtype, None, &[Element::Int(1)]);
        let mut odd = self.apply(And, vec![below, one]);
        if q.zero_points.iter().any(|z| z % 2 != 0) {
            let parity: Vec<Element> =
                q.zero_points.iter().map(|z| Element::Int((z & 1).into())).collect();
            let dtype = self.tensor(odd).elem.storage();
            let parity = self.spread(odd, dtype, q.axis, &parity);
            odd = self.apply(Xor, vec![odd, parity]);
        }
        let half = self.with(Add, sum, axis, factors, |f| (1 << (f.shift - 1)) - 1);
        let half = self.apply(Add, vec![half, odd]);
        self.with(ShiftRightArithmetic, half, axis, factors, |f| f.shift.into())
    }

    /// Combines integers with a number of their factors.
    fn with(
        &mut self,
        op: ElementwiseOp,
        value: ValueId,
        axis: Option<u32>,
        factors: &[Factors],
        number: impl Fn(&Factors) -> i64,
    ) -> ValueId {
        let numbers: Vec<Element> =
            factors.iter().map(|f| Element::Int(number(f).into())).collect();
        let dtype = self.tensor(value).elem.storage();
        let numbers = self.spread(value, dtype, axis, &numbers);
        self.apply(op, vec![value, numbers])
    }

    /// A quantised value as a term of a result with the given scales; `None` where only floats
    /// serve.
    pub(super) fn term(&mut self, value: ValueId, sign: f64, to: &QuantType) -> Option<Term> {
        let q = self.tensor(value).elem.quant()?.clone();
        let fits = q.storage.bits() <= 16 || q.zero_points.iter().all(|&z| z == 0);
        if !fits || !is_precise(q.expressed) || q.expressed != to.expressed {
            return None;
        }
        let (from, per) = (&q.scales, &to.scales);
        let n = from.len().max(per.len());
        let ratio = |i: usize| Some(sign * pick(from, i)? / pick(per, i)?);
        let ratios = (0..n).map(ratio).collect::<Option<_>>()?;
        let axis = q.axis.or(to.axis);
        let largest = magnitude(&q).min(range::largest(self.ed.body, value));
        Some(Term { value: self.centred(value, &q), largest, ratios, axis })
    }
}

/// Number `i` of a list, or its only one.
fn pick(list: &[f64], i: usize) -> Option<f64> {
    match list {
        [one] => Some(*one),
        many => many.get(i).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finest(ratios: &[f64], largest: &[u64]) -> Option<Factors> {
        Factors::of(ratios, largest, finest_shift(ratios.iter().copied())?)
    }

    #[test]
    fn multipliers_have_31_bits() {
        let f = finest(&[0.75, 0.1], &[255, 255]).unwrap();
        assert_eq!((f.multipliers[0], f.shift, f.ties), (3 << 29, 31, false));
        let f = finest(&[0.5], &[1 << 31]).unwrap();
        assert_eq!((f.multipliers[0], f.shift, f.ties), (1 << 30, 31, true));
        let f = finest(&[3.0, -1.0], &[255, 255]).unwrap();
        assert_eq!((f.multipliers, f.shift), (vec![3 << 29, -(1 << 29)], 29));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(finest(&[1e-30], &[255]).is_none(), "the shift");
        assert!(finest(&[1e30], &[255]).is_none(), "the multiplier");
        assert!(finest(&[1.0], &[1 << 33]).is_none(), "the product");
        assert!(finest(&[0.0], &[1]).is_none());
    }

    #[test]
    fn ties_need_integers_large_enough() {
        // 3 / 2^10: half a step is 2^9 thirds.
        let ratio = [3.0 / 1024.0];
        assert!(!finest(&ratio, &[511]).unwrap().ties);
        assert!(finest(&ratio, &[512]).unwrap().ties);
        assert!(!finest(&[2.0], &[1 << 20]).unwrap().ties);
    }

    #[test]
    fn narrow_sums_fit_32_bits() {
        let shift = narrow_shift(&[vec![0.5, 1.0]], &[255, 255]).unwrap();
        assert_eq!(shift, 20);
        let f = Factors::of(&[0.5, 1.0], &[255, 255], shift).unwrap();
        assert!(255 * (f.multipliers[0] + f.multipliers[1]) + (1 << shift) < 1 << 31);
        assert!(narrow_shift(&[vec![0.5]], &[1 << 20]).is_none(), "not precise");
        assert!(narrow_shift(&[vec![1e9]], &[255]).is_none(), "too large");
    }

    #[test]
    fn channels_share_the_quick_shift_if_it_is_precise() {
        let shift = |ratios: &[f64], n| {
            let channels: Vec<Vec<f64>> = ratios.iter().map(|&r| vec![r]).collect();
            common_shift(&channels, &[n])
        };
        assert_eq!(shift(&[0.01, 0.001], 1 << 20), Some(33));
        assert_eq!(shift(&[0.01, 0.001], 1 << 23), Some(37));
        assert_eq!(shift(&[0.4], 255), Some(32), "the multiplier would exceed 31 bits");
        assert_eq!(shift(&[0.4, 0.001], 1 << 24), None);
    }
}
