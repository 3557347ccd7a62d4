//! Scalar float functions, the same ones for the host's evaluator and the device's kernels.
//!
//! The transcendental functions are the `libm` crate's: plain IEEE 754 operations in a fixed
//! order, so that every target computes the same bits. Nothing here fuses a multiplication with
//! an addition. Semantics are those of the StableHLO specification's sections of the same names.

/// Functions of both precisions that are those of the `libm` crate.
macro_rules! from_libm {
    ($($(#[$doc:meta])* $name32:ident, $name64:ident = $libm32:ident, $libm64:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name32(x: f32) -> f32 {
            libm::$libm32(x)
        }

        $(#[$doc])*
        #[inline]
        pub fn $name64(x: f64) -> f64 {
            libm::$libm64(x)
        }
    )*};
}

pub(crate) use from_libm;

from_libm! {
    /// Absolute value; clears the sign of NaN too.
    abs_f32, abs_f64 = fabsf, fabs;
    /// Cube root.
    cbrt_f32, cbrt_f64 = cbrtf, cbrt;
    /// Least integer not below `x`.
    ceil_f32, ceil_f64 = ceilf, ceil;
    /// Cosine of an angle in radians.
    cos_f32, cos_f64 = cosf, cos;
    /// `e` to the power `x`.
    exp_f32, exp_f64 = expf, exp;
    /// `exp(x) - 1` without cancellation.
    expm1_f32, expm1_f64 = expm1f, expm1;
    /// Greatest integer not above `x`.
    floor_f32, floor_f64 = floorf, floor;
    /// Natural logarithm; NaN below zero.
    log_f32, log_f64 = logf, log;
    /// `log(1 + x)` without cancellation.
    log1p_f32, log1p_f64 = log1pf, log1p;
    /// Nearest integer, ties away from zero.
    round_away_f32, round_away_f64 = roundf, round;
    /// Nearest integer, ties to even.
    round_even_f32, round_even_f64 = rintf, rint;
    /// Sine of an angle in radians.
    sin_f32, sin_f64 = sinf, sin;
    /// Correctly rounded square root; NaN below zero.
    sqrt_f32, sqrt_f64 = sqrtf, sqrt;
    /// Tangent of an angle in radians.
    tan_f32, tan_f64 = tanf, tan;
    /// Hyperbolic tangent.
    tanh_f32, tanh_f64 = tanhf, tanh;
}

macro_rules! per_width {
    ($ty:ident, $fabs:ident, $sqrt:ident, $exp:ident, $fmod:ident, $pow:ident, $atan2:ident;
     $add:ident, $sub:ident, $mul:ident, $div:ident, $neg:ident, $rsqrt:ident, $logistic:ident,
     $sign:ident, $max:ident, $min:ident, $rem:ident, $power:ident, $angle:ident,
     $clamp:ident, $finite:ident, $max_key:ident, $from_max_key:ident, $min_key:ident,
     $from_min_key:ident, $uint:ident, $int:ident) => {
        /// Sum.
        #[inline]
        pub fn $add(a: $ty, b: $ty) -> $ty {
            a + b
        }

        /// Difference.
        #[inline]
        pub fn $sub(a: $ty, b: $ty) -> $ty {
            a - b
        }

        /// Product.
        #[inline]
        pub fn $mul(a: $ty, b: $ty) -> $ty {
            a * b
        }

        /// Quotient.
        #[inline]
        pub fn $div(a: $ty, b: $ty) -> $ty {
            a / b
        }

        /// Negation; flips the sign of NaN too.
        #[inline]
        pub fn $neg(x: $ty) -> $ty {
            -x
        }

        /// `1 / sqrt(x)`, rounded after each of the two steps.
        #[inline]
        pub fn $rsqrt(x: $ty) -> $ty {
            1.0 / libm::$sqrt(x)
        }

        /// `1 / (1 + exp(-x))`, as `exp(x) / (1 + exp(x))` below zero, where the former would
        /// overflow; rounded after each step.
        #[inline]
        pub fn $logistic(x: $ty) -> $ty {
            let power = libm::$exp(-libm::$fabs(x));
            (if x < 0.0 { power } else { 1.0 }) / (1.0 + power)
        }

        /// -1, 0 or 1; signed zeros and NaN are kept.
        #[inline]
        pub fn $sign(x: $ty) -> $ty {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x
            }
        }

        /// An integer that orders floats as `maximum` does: negative infinity is 0, -0 comes right
        /// before +0, and every NaN, of either sign, lies above infinity.
        ///
        /// Flipping the magnitude bits of negative numbers makes bit patterns compare like signed
        /// integers; the shift by the pattern of negative infinity wraps negative NaNs to the top.
        #[inline]
        pub fn $max_key(x: $ty) -> $uint {
            const LOWEST: $int = ordered($ty::NEG_INFINITY.to_bits() as $int);
            const fn ordered(bits: $int) -> $int {
                bits ^ ((bits >> ($int::BITS - 1)) as $uint >> 1) as $int
            }
            ordered(x.to_bits() as $int).wrapping_sub(LOWEST) as $uint
        }

        /// The inverse of the function that gives `maximum` its order.
        #[inline]
        pub fn $from_max_key(key: $uint) -> $ty {
            const LOWEST: $uint =
                $ty::NEG_INFINITY.to_bits() ^ (($int::MIN >> ($int::BITS - 1)) as $uint >> 1);
            let ordered = key.wrapping_add(LOWEST) as $int;
            $ty::from_bits(
                (ordered ^ ((ordered >> ($int::BITS - 1)) as $uint >> 1) as $int) as $uint,
            )
        }

        /// An integer that falls as floats rise, so that the largest one is that of their
        /// `minimum`; NaNs lie above all else.
        #[inline]
        pub fn $min_key(x: $ty) -> $uint {
            $max_key(-x)
        }

        /// The inverse of the function that gives `minimum` its order.
        #[inline]
        pub fn $from_min_key(key: $uint) -> $ty {
            -$from_max_key(key)
        }

        /// IEEE 754-2019 `maximum`: NaN if either operand is NaN, and -0 is less than +0. A NaN
        /// keeps its bits.
        ///
        /// Compares integers: no branch for special values, and no library call without an FPU.
        #[inline]
        pub fn $max(a: $ty, b: $ty) -> $ty {
            if $max_key(a) >= $max_key(b) { a } else { b }
        }

        /// IEEE 754-2019 `minimum`: NaN if either operand is NaN, and -0 is less than +0. A NaN
        /// keeps its bits.
        #[inline]
        pub fn $min(a: $ty, b: $ty) -> $ty {
            if $min_key(a) >= $min_key(b) { a } else { b }
        }

        /// Remainder of the division truncated toward zero; has the sign of `a`.
        #[inline]
        pub fn $rem(a: $ty, b: $ty) -> $ty {
            crate::fmod::$fmod(a, b)
        }

        /// `a` to the power `b`.
        #[inline]
        pub fn $power(a: $ty, b: $ty) -> $ty {
            libm::$pow(a, b)
        }

        /// Angle of the point (`x`, `y`) in radians.
        #[inline]
        pub fn $angle(y: $ty, x: $ty) -> $ty {
            libm::$atan2(y, x)
        }

        /// `min(max(x, low), high)` with the `maximum` and `minimum` of this module.
        #[inline]
        pub fn $clamp(low: $ty, x: $ty, high: $ty) -> $ty {
            $min($max(low, x), high)
        }

        /// Whether `x` is neither infinite nor NaN.
        #[inline]
        pub fn $finite(x: $ty) -> bool {
            x.is_finite()
        }
    };
}

per_width! {
    f32, fabsf, sqrtf, expf, fmod_f32, powf, atan2f;
    add_f32, sub_f32, mul_f32, div_f32, neg_f32, rsqrt_f32, logistic_f32, sign_f32, max_f32,
    min_f32, rem_f32, pow_f32, atan2_f32, clamp_f32, is_finite_f32, max_key_f32,
    from_max_key_f32, min_key_f32, from_min_key_f32, u32, i32
}

per_width! {
    f64, fabs, sqrt, exp, fmod_f64, pow, atan2;
    add_f64, sub_f64, mul_f64, div_f64, neg_f64, rsqrt_f64, logistic_f64, sign_f64, max_f64,
    min_f64, rem_f64, pow_f64, atan2_f64, clamp_f64, is_finite_f64, max_key_f64,
    from_max_key_f64, min_key_f64, from_min_key_f64, u64, i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maximum_and_minimum_order_zeros_and_propagate_nan() {
        assert_eq!(max_f32(-0.0, 0.0).to_bits(), 0);
        assert_eq!(max_f32(0.0, -0.0).to_bits(), 0);
        assert_eq!(min_f32(0.0, -0.0).to_bits(), 0x8000_0000);
        assert!(max_f32(f32::NAN, 1.0).is_nan() && max_f32(1.0, f32::NAN).is_nan());
        assert!(min_f64(f64::NAN, f64::NEG_INFINITY).is_nan());
        assert_eq!(max_f32(-3.5, -3.5), -3.5);
    }

    #[test]
    fn keys_order_floats_and_turn_back_into_them() {
        let rising =
            [f32::NEG_INFINITY, f32::MIN, -1.0, -1e-45, -0.0, 0.0, 1e-45, 2.5, f32::INFINITY];
        for pair in rising.windows(2) {
            assert!(max_key_f32(pair[0]) < max_key_f32(pair[1]), "{pair:?}");
            assert!(min_key_f32(pair[0]) > min_key_f32(pair[1]), "{pair:?}");
        }
        for nan in [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff].map(f32::from_bits) {
            assert!(max_key_f32(nan) > max_key_f32(f32::INFINITY));
            assert!(min_key_f32(nan) > min_key_f32(f32::NEG_INFINITY));
            assert!(max_f32(nan, 1.0).is_nan() && min_f32(f32::INFINITY, nan).is_nan());
        }
        for bits in
            [0u32, 1, 0x3f80_0000, 0x7f80_0000, 0x7fc0_0001, 0x8000_0000, 0xff80_0000, u32::MAX]
        {
            let x = f32::from_bits(bits);
            assert_eq!(from_max_key_f32(max_key_f32(x)).to_bits(), bits);
            assert_eq!(from_min_key_f32(min_key_f32(x)).to_bits(), bits);
        }
        let x = -f64::NAN;
        assert!(max_f64(x, 1.0).is_nan() && min_f64(1.0, x).is_nan());
        assert_eq!(from_max_key_f64(max_key_f64(-2.5)), -2.5);
        assert_eq!(from_min_key_f64(min_key_f64(f64::NEG_INFINITY)), f64::NEG_INFINITY);
    }

    #[test]
    fn rounding_modes_differ_on_ties() {
        assert_eq!(round_even_f32(2.5), 2.0);
        assert_eq!(round_away_f32(2.5), 3.0);
        assert_eq!(round_even_f32(-3.5), -4.0);
        assert_eq!(round_away_f64(-2.5), -3.0);
        assert_eq!(round_even_f32(-0.25).to_bits(), 0x8000_0000);
    }

    #[test]
    fn sign_keeps_zeros() {
        assert_eq!(sign_f32(-0.0).to_bits(), 0x8000_0000);
        assert_eq!(sign_f32(-7.0), -1.0);
        assert!(sign_f32(f32::NAN).is_nan());
    }

    #[test]
    fn known_values() {
        assert_eq!(logistic_f32(0.0), 0.5);
        assert_eq!(logistic_f32(-200.0), 0.0);
        assert_eq!(rsqrt_f32(4.0), 0.5);
        assert_eq!(rem_f32(-7.5, 2.0), -1.5);
        assert_eq!(clamp_f32(0.0, 9.0, 6.0), 6.0);
    }
}
