//! The numbers that algorithms compute with.

use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::scalar;

/// `f32` and `f64`.
pub trait Real:
    Copy
    + PartialEq
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Zero.
    const ZERO: Self;
    /// One half.
    const HALF: Self;

    /// The nearest number.
    fn from_f64(value: f64) -> Self;
}

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const HALF: f32 = 0.5;

    fn from_f64(value: f64) -> f32 {
        value as f32
    }
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const HALF: f64 = 0.5;

    fn from_f64(value: f64) -> f64 {
        value
    }
}

/// A field element: `f32`, `f64`, and pairs of real and imaginary part.
pub trait Number: Copy {
    /// Zero.
    const ZERO: Self;

    /// Difference.
    fn minus(self, other: Self) -> Self;

    /// Product. That of complex numbers is the plain formula, each operation rounded.
    fn times(self, other: Self) -> Self;

    /// Quotient.
    fn over(self, other: Self) -> Self;

    /// The square root of the real part.
    fn real_root(self) -> Self;

    /// The complex conjugate; a real number is its own.
    fn conjugate(self) -> Self;
}

macro_rules! real {
    ($t:ty, $sqrt:path) => {
        impl Number for $t {
            const ZERO: $t = 0.0;

            #[inline(always)]
            fn minus(self, other: $t) -> $t {
                self - other
            }

            #[inline(always)]
            fn times(self, other: $t) -> $t {
                self * other
            }

            #[inline(always)]
            fn over(self, other: $t) -> $t {
                self / other
            }

            #[inline(always)]
            fn real_root(self) -> $t {
                $sqrt(self)
            }

            #[inline(always)]
            fn conjugate(self) -> $t {
                self
            }
        }

        impl Number for [$t; 2] {
            const ZERO: [$t; 2] = [0.0; 2];

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                [self[0] - other[0], self[1] - other[1]]
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                let ([a, b], [c, d]) = (self, other);
                [a * c - b * d, a * d + b * c]
            }

            fn over(self, other: Self) -> Self {
                Quotient::quotient(self, other)
            }

            fn real_root(self) -> Self {
                [$sqrt(self[0]), 0.0]
            }

            #[inline(always)]
            fn conjugate(self) -> Self {
                [self[0], -self[1]]
            }
        }
    };
}

real!(f32, scalar::sqrt_f32);
real!(f64, scalar::sqrt_f64);

/// Division of complex numbers, by a way of its own for each precision.
trait Quotient: Sized {
    fn quotient(a: Self, b: Self) -> Self;
}

impl Quotient for [f32; 2] {
    /// In `f64`, where nothing overflows, each part rounded once more.
    fn quotient(a: [f32; 2], b: [f32; 2]) -> [f32; 2] {
        let wide = |z: [f32; 2]| [f64::from(z[0]), f64::from(z[1])];
        let ([a, b], [c, d]) = (wide(a), wide(b));
        let norm = c * c + d * d;
        [((a * c + b * d) / norm) as f32, ((b * c - a * d) / norm) as f32]
    }
}

impl Quotient for [f64; 2] {
    /// Smith's method (Communications of the ACM 5, 1962, algorithm 116).
    fn quotient(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
        let ([a, b], [c, d]) = (a, b);
        if c.abs() >= d.abs() {
            let ratio = d / c;
            let norm = c + d * ratio;
            [(a + b * ratio) / norm, (b - a * ratio) / norm]
        } else {
            let ratio = c / d;
            let norm = c * ratio + d;
            [(a * ratio + b) / norm, (b * ratio - a) / norm]
        }
    }
}
