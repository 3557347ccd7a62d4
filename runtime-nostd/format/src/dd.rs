//! Numbers of about 104 bits as unevaluated sums of two `f64`, where complex functions cancel.
//!
//! The error-free sums and products are those of Dekker (1971) and Knuth; nothing needs a fused
//! multiply-add. Magnitudes between `2^-400` and `2^400` neither overflow nor lose their tails.

use core::ops::{Add, Div, Mul, Neg, Sub};

/// What complex functions need from their parts: `f64` itself, or [`Dd`].
pub(crate) trait Real:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Exact.
    fn new(x: f64) -> Self;
    /// The exact product of two numbers, as far as the type holds it.
    fn product(a: f64, b: f64) -> Self;
    /// The nearest `f64`.
    fn round(self) -> f64;
    /// `e^x - 1` for `|x| < 700`.
    fn expm1(x: f64) -> Self;
    /// `(m, k)` with `e^x = m * 2^k`; `m` is infinite or zero where the power is far out of range.
    fn exp(self) -> (f64, i32);
    /// Sine and cosine.
    fn sin_cos(self) -> (Self, Self);
    /// Natural logarithm of a positive number.
    fn ln(self) -> Self;
    /// Angle of the point (`x`, `y`), neither both zero nor infinite.
    fn atan2(y: f64, x: f64) -> Self;
}

impl Real for f64 {
    fn new(x: f64) -> f64 {
        x
    }

    fn product(a: f64, b: f64) -> f64 {
        a * b
    }

    fn round(self) -> f64 {
        self
    }

    fn expm1(x: f64) -> f64 {
        libm::expm1(x)
    }

    fn exp(self) -> (f64, i32) {
        (libm::exp(self), 0)
    }

    fn sin_cos(self) -> (f64, f64) {
        libm::sincos(self)
    }

    fn ln(self) -> f64 {
        libm::log(self)
    }

    fn atan2(y: f64, x: f64) -> f64 {
        libm::atan2(y, x)
    }
}

/// The sum of a number and a tail of at most half its last place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dd {
    pub hi: f64,
    pub lo: f64,
}

/// `a + b` exactly.
pub(crate) fn two_sum(a: f64, b: f64) -> Dd {
    let hi = a + b;
    let other = hi - a;
    Dd { hi, lo: (a - (hi - other)) + (b - other) }
}

/// `a + b` exactly where `|a| >= |b|`.
fn quick_sum(a: f64, b: f64) -> Dd {
    let hi = a + b;
    Dd { hi, lo: b - (hi - a) }
}

/// The upper and the lower half of a significand.
#[inline(always)]
fn split(a: f64) -> (f64, f64) {
    let t = 134_217_729.0 * a;
    let hi = t - (t - a);
    (hi, a - hi)
}

/// `a * b` exactly.
pub(crate) fn two_product(a: f64, b: f64) -> Dd {
    let hi = a * b;
    let ((a1, a0), (b1, b0)) = (split(a), split(b));
    Dd { hi, lo: ((a1 * b1 - hi) + a1 * b0 + a0 * b1) + a0 * b0 }
}

impl Add for Dd {
    type Output = Dd;
    fn add(self, other: Dd) -> Dd {
        let (s, t) = (two_sum(self.hi, other.hi), two_sum(self.lo, other.lo));
        let s = quick_sum(s.hi, s.lo + t.hi);
        quick_sum(s.hi, s.lo + t.lo)
    }
}

impl Neg for Dd {
    type Output = Dd;
    fn neg(self) -> Dd {
        Dd { hi: -self.hi, lo: -self.lo }
    }
}

impl Sub for Dd {
    type Output = Dd;
    fn sub(self, other: Dd) -> Dd {
        self + -other
    }
}

impl Mul for Dd {
    type Output = Dd;
    fn mul(self, other: Dd) -> Dd {
        let p = two_product(self.hi, other.hi);
        quick_sum(p.hi, p.lo + (self.hi * other.lo + self.lo * other.hi))
    }
}

impl Div for Dd {
    type Output = Dd;
    fn div(self, other: Dd) -> Dd {
        let first = self.hi / other.hi;
        let rest = self - other.times(first);
        let second = rest.hi / other.hi;
        let rest = rest - other.times(second);
        quick_sum(first, second) + Dd::new(rest.hi / other.hi)
    }
}

impl Dd {
    fn times(self, factor: f64) -> Dd {
        let p = two_product(self.hi, factor);
        quick_sum(p.hi, p.lo + self.lo * factor)
    }

    /// Exact multiplication by a power of two.
    fn shifted(self, power: f64) -> Dd {
        Dd { hi: self.hi * power, lo: self.lo * power }
    }

    /// Square root of a positive number.
    pub(crate) fn sqrt(self) -> Dd {
        let root = libm::sqrt(self.hi);
        let rest = self - two_product(root, root);
        quick_sum(root, rest.hi / (2.0 * root))
    }

    /// `e^r - 1` for `|r| <= 0.35`, by Taylor's series at `r / 16` and four doublings.
    #[inline(never)]
    fn small_expm1(self) -> Dd {
        let r = self.shifted(1.0 / 16.0);
        let mut sum = Dd::new(1.0);
        for n in (2..=15).rev() {
            sum = Dd::new(1.0) + r * sum / Dd::new(f64::from(n));
        }
        let mut e = r * sum;
        for _ in 0..4 {
            e = e.shifted(2.0) + e * e;
        }
        e
    }

    /// `(e^r - 1, k)` with `x = r + k ln 2`.
    #[inline(always)]
    fn reduced_expm1(self) -> (Dd, i32) {
        let (r, k) = self.reduced();
        (r.small_expm1(), k)
    }

    /// `(r, k)` with `x = r + k ln 2`: a call of its own, whose stack does not add to that of what follows.
    #[inline(never)]
    fn reduced(self) -> (Dd, i32) {
        // ln 2 in three parts, the first of 33 bits (fdlibm).
        const LN2: [f64; 3] =
            [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10, 1.161_222_722_936_253_2e-26];
        let k = libm::rint(self.hi * core::f64::consts::LOG2_E);
        let r = self - Dd::new(k * LN2[0]) - two_product(k, LN2[1]) - Dd::new(k * LN2[2]);
        (r, k as i32)
    }

    /// The remainder of a division by a quarter turn, and the quotient.
    #[inline(never)]
    fn quarter(self) -> (Dd, i32) {
        // A quarter turn in four parts, the first three of 33 bits (fdlibm).
        const TURN: [f64; 4] = [
            1.570_796_326_734_125_6,
            6.077_100_506_303_966e-11,
            2.022_266_248_711_166_5e-21,
            8.478_427_660_368_9e-32,
        ];
        let k = libm::rint(self.hi * core::f64::consts::FRAC_2_PI);
        let r = TURN.iter().fold(self, |r, part| r - two_product(k, *part));
        (r, k as i32)
    }

    /// Sine (`first` = 1) or cosine (`first` = 0) within an eighth turn, by Taylor's series.
    fn series(self, first: u32) -> Dd {
        let square = -(self * self);
        let mut sum = Dd::new(1.0);
        for n in (1..=14).rev() {
            let n = 2 * n + first;
            sum = Dd::new(1.0) + square * sum / Dd::new(f64::from(n * (n - 1)));
        }
        if first == 1 { self * sum } else { sum }
    }
}

/// Beyond this, angles are reduced in `f64` only.
const LARGE_ANGLE: f64 = 1.6e6;

impl Real for Dd {
    fn new(x: f64) -> Dd {
        Dd { hi: x, lo: 0.0 }
    }

    fn product(a: f64, b: f64) -> Dd {
        two_product(a, b)
    }

    fn round(self) -> f64 {
        self.hi + self.lo
    }

    fn expm1(x: f64) -> Dd {
        let (e, k) = Dd::new(x).reduced_expm1();
        if k == 0 {
            return e;
        }
        let power = scale(1.0, k);
        e.shifted(power) + two_sum(power, -1.0)
    }

    fn exp(self) -> (f64, i32) {
        if !(-1500.0..1500.0).contains(&self.hi) {
            return (libm::exp(self.hi), 0);
        }
        let (e, k) = self.reduced_expm1();
        ((Dd::new(1.0) + e).round(), k)
    }

    fn sin_cos(self) -> (Dd, Dd) {
        if !(-LARGE_ANGLE..LARGE_ANGLE).contains(&self.hi) {
            let (sin, cos) = libm::sincos(self.hi);
            return (Dd::new(sin + cos * self.lo), Dd::new(cos - sin * self.lo));
        }
        let (r, k) = self.quarter();
        let (sin, cos) = (r.series(1), r.series(0));
        match k & 3 {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        }
    }

    fn ln(self) -> Dd {
        // One step of Newton's method for e^y = x.
        let y = libm::log(self.hi);
        let (e, k) = Dd::new(-y).reduced_expm1();
        let power = scale(1.0, k);
        let rest = self.shifted(power) * (Dd::new(1.0) + e) - Dd::new(1.0);
        Dd::new(y) + rest - Dd::new(rest.hi * rest.hi / 2.0)
    }

    fn atan2(y: f64, x: f64) -> Dd {
        let angle = libm::atan2(y, x);
        // Scaled, so that products neither overflow nor vanish.
        let k = -exponent(libm::fmax(libm::fabs(x), libm::fabs(y)));
        let (x, y) = (scale(x, k), scale(y, k));
        let (sin, cos) = Dd::new(angle).sin_cos();
        // The rest is the angle of the point turned back, and tiny.
        let across = cos.times(y) - sin.times(x);
        let along = cos.times(x) + sin.times(y);
        Dd::new(angle) + Dd::new(across.hi / along.hi)
    }
}

/// The exponent `e` of a positive normal number in `2^e <= x < 2^(e + 1)`; -1023 for smaller ones.
pub(crate) fn exponent(x: f64) -> i32 {
    (x.to_bits() >> 52 & 0x7ff) as i32 - 1023
}

/// `x * 2^k`, for `|k| < 3000`.
pub(crate) fn scale(x: f64, k: i32) -> f64 {
    let power = |k: i32| f64::from_bits(((k + 1023) as u64) << 52);
    if (-1022..=1023).contains(&k) {
        return x * power(k);
    }
    let third = k.clamp(-3000, 3000) / 3;
    x * power(third) * power(third) * power(k.clamp(-3000, 3000) - 2 * third)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The constants as sums of two `f64`, from 40 digits.
    fn close(x: Dd, hi: f64, lo: f64) -> bool {
        let error = (x - Dd { hi, lo }).hi;
        libm::fabs(error) <= 1e-30 * libm::fabs(hi)
    }

    #[test]
    fn functions_have_a_hundred_bits() {
        let e = Dd::expm1(1.0) + Dd::new(1.0);
        assert!(close(e, core::f64::consts::E, 1.445_646_891_729_250_2e-16), "{e:?}");
        let ln2 = Dd::new(2.0).ln();
        assert!(close(ln2, core::f64::consts::LN_2, 2.319_046_813_846_299_6e-17), "{ln2:?}");
        let quarter = Dd::atan2(1.0, 0.0);
        let pi_2 = core::f64::consts::FRAC_PI_2;
        assert!(close(quarter, pi_2, 6.123_233_995_736_766e-17), "{quarter:?}");
        let (sin, cos) = Dd::new(3.0).sin_cos();
        let one = sin * sin + cos * cos;
        assert!(close(one, 1.0, 0.0), "{one:?}");
        let root = Dd::new(2.0).sqrt();
        assert!(close(root * root, 2.0, 0.0));
        let third = Dd::new(1.0) / Dd::new(3.0);
        assert!(close(third.times(3.0), 1.0, 0.0));
    }

    #[test]
    fn scales_reach_every_exponent() {
        assert_eq!(scale(1.0, -1074), f64::from_bits(1));
        assert_eq!(scale(f64::from_bits(1), 2097), scale(1.0, 1023));
        assert_eq!(scale(3.0, 10), 3072.0);
        assert_eq!(exponent(6.0), 2);
    }
}
