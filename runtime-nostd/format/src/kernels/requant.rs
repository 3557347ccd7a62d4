//! How sums of `i8` products become 8-bit results.

use serde::Serialize;

use crate::{Field, Fields, ParamError};

/// How a product divided by a power of two becomes an integer, where it lies about halfway between
/// two. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Rounding {
    /// Halfway cases become the greater integer.
    Up,
    /// Halfway cases become the integer that is even as it is stored.
    Even,
    /// The product is moved away from zero by `2^30` before it is rounded: what two roundings give,
    /// one of the product divided by `2^31` and one of that divided by the rest, half away from
    /// zero. So do LiteRT's `MultiplyByQuantizedMultiplier`, and TOSA's `RESCALE` with
    /// `DOUBLE_ROUND`.
    Double,
    /// In single precision: the sum, its product with `multiplier / 2^shift`, and that plus the zero
    /// point, each rounded to 24 significant bits with ties to even; then to an integer, with ties to
    /// even.
    Single,
}

impl<'b> Field<'b> for Rounding {
    fn take(fields: &mut Fields<'b>) -> Rounding {
        match fields.take::<u32>() {
            0 => Rounding::Up,
            1 => Rounding::Even,
            2 => Rounding::Double,
            3 => Rounding::Single,
            _ => {
                fields.fail();
                Rounding::Up
            }
        }
    }
}

impl Rounding {
    /// Whether a result depends on all bits of its product, so that kernels with vectors store sums
    /// and finish them one by one. See the example of [`Requant::apply`].
    pub fn needs_sums(self) -> bool {
        matches!(self, Rounding::Even | Rounding::Single)
    }
}

/// How a sum becomes a stored result.
///
/// With the channel's `multiplier` and `shift`, the result of the sum `acc` is
/// `clamp(min, zero + floor((acc * multiplier + 2^(shift - 1)) / 2^shift), max)`, the product
/// exact: `acc * multiplier / 2^shift`, rounded to the nearest integer, ties towards positive.
/// [`Rounding::Double`] adds `2^30` to the product of `acc >= 0` and subtracts it from others.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Requant {
    /// The shift of all channels that have none of their own, 33 to 53.
    pub shift: u8,
    /// Zero point of the result, -512 to 511.
    pub zero: i32,
    /// Smallest result.
    pub min: i8,
    /// Largest result.
    pub max: i8,
    /// What becomes of products about halfway between two results.
    pub rounding: Rounding,
}

impl Requant {
    /// The result of a sum. Shifts outside of 33 to 53 give some result, too.
    ///
    /// ```
    /// use microhlo_format::kernels::{Requant, Rounding};
    ///
    /// // Sums are divided by 2^10; stored integers have the zero point -3.
    /// let (multiplier, shift) = (1 << 30, 40);
    /// let up = Requant { shift, zero: -3, min: -128, max: 127, rounding: Rounding::Up };
    /// assert_eq!(up.apply(1024, multiplier, shift), 1 - 3);
    /// // Halfway between two results, of which one is even.
    /// assert_eq!((up.steps(1536, multiplier, shift), up.apply(1536, multiplier, shift)), (2 - 3, 2 - 3));
    /// let even = Requant { rounding: Rounding::Even, ..up };
    /// assert_eq!(even.apply(1536, multiplier, shift), 1 - 3);
    /// assert!(even.rounding.needs_sums() && !up.rounding.needs_sums());
    /// // Sums of less than 512 never come to lie there.
    /// assert!(Requant::may_tie(multiplier, shift, 512) && !Requant::may_tie(multiplier, shift, 511));
    /// assert_eq!(up.apply(1 << 20, multiplier, shift), 127);
    /// ```
    #[inline(always)]
    pub fn apply(&self, acc: i32, multiplier: i32, shift: u8) -> i8 {
        if self.rounding == Rounding::Single {
            return self.limited(self.single(acc, multiplier, shift));
        }
        self.limited(self.steps(acc, multiplier, shift))
    }

    /// The same before it is limited, if the rounding is not [`Rounding::Single`].
    /// See the example of [`Requant::apply`].
    #[inline(always)]
    pub fn steps(&self, acc: i32, multiplier: i32, shift: u8) -> i32 {
        let mut product = i64::from(acc).wrapping_mul(i64::from(multiplier));
        let shift = u32::from(shift);
        if self.rounding == Rounding::Double {
            product = product.wrapping_add(if acc < 0 { -(1 << 30) } else { 1 << 30 });
        }
        // Half of the divisor is a multiple of 2^32, so the low word of the product matters to
        // nothing but whether it is a tie. The high words add up to less than 2^31.
        let high = ((product >> 32) as i32).wrapping_add(self.offset(shift));
        let below = shift & 31;
        let mut y = high.wrapping_shr(below);
        let even = self.rounding == Rounding::Even;
        if even && product as u32 == 0 && high & !(-1i32).wrapping_shl(below) == 0 {
            y &= !1;
        }
        y
    }

    #[inline(always)]
    fn limited(&self, y: i32) -> i8 {
        y.max(i32::from(self.min)).min(i32::from(self.max)) as i8
    }

    /// The integer that single precision gives. Its errors are less than 2^-12 of a step for results
    /// of less than ten bits, so that they matter only this near to halfway between two.
    fn single(&self, acc: i32, multiplier: i32, shift: u8) -> i32 {
        let shift = u32::from(shift).clamp(1, 63);
        let product = i64::from(acc).wrapping_mul(i64::from(multiplier));
        let half = i64::from(self.zero.wrapping_mul(2).wrapping_add(1)).wrapping_shl(shift - 1);
        let sum = product.wrapping_add(half);
        let fraction = (sum.wrapping_shl(64 - shift) >> 32) as u32;
        if fraction.wrapping_add(1 << 20) < 1 << 21 {
            return step_by_step(acc, multiplier, shift, self.zero);
        }
        (sum >> shift) as i32
    }

    /// Zero point and half a result, in units of `2^32` of the product.
    #[inline(always)]
    #[doc(hidden)]
    pub fn offset(&self, shift: u32) -> i32 {
        self.zero.wrapping_mul(2).wrapping_add(1).wrapping_shl(shift.wrapping_sub(33))
    }

    /// Whether the product of a sum of at most `bound` in magnitude can lie halfway between two
    /// results. If not for any channel, [`Rounding::Even`] makes no difference and costs time.
    /// See the example of [`Requant::apply`].
    pub fn may_tie(multiplier: i32, shift: u8, bound: u64) -> bool {
        let zeros = multiplier.trailing_zeros();
        let half = u32::from(shift).saturating_sub(1).saturating_sub(zeros);
        multiplier != 0 && 1u64.checked_shl(half).is_some_and(|least| least <= bound)
    }

    #[inline(never)]
    pub(super) fn check(&self) -> Result<(), ParamError> {
        let fits = (33..=53).contains(&self.shift) && (-512..=511).contains(&self.zero);
        if fits && self.min <= self.max { Ok(()) } else { Err(ParamError::BadCode) }
    }
}

/// `acc * multiplier / 2^shift + zero` in single precision, as an integer.
#[inline(never)]
fn step_by_step(acc: i32, multiplier: i32, shift: u32, zero: i32) -> i32 {
    let product = rounded(i64::from(acc)).wrapping_mul(i64::from(multiplier));
    let sum = rounded(product).wrapping_add(i64::from(zero).wrapping_shl(shift));
    let sum = rounded(sum);
    let below = (1i64 << (shift - 1)) - 1 + ((sum >> shift) & 1);
    (sum.wrapping_add(below) >> shift) as i32
}

/// A number rounded to 24 significant bits, ties to even.
fn rounded(x: i64) -> i64 {
    let magnitude = x.unsigned_abs();
    let excess = 40u32.saturating_sub(magnitude.leading_zeros());
    if excess == 0 {
        return x;
    }
    let below = (1u64 << (excess - 1)) - 1 + ((magnitude >> excess) & 1);
    let magnitude = (magnitude.wrapping_add(below) >> excess << excess) as i64;
    if x < 0 { magnitude.wrapping_neg() } else { magnitude }
}
