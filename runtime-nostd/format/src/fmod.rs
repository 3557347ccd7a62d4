//! The exact remainder of a truncated float division.
//!
//! The `libm` crate's function contains assertions whose panics stay in the firmware; this one has
//! none.

macro_rules! fmod {
    ($(#[$doc:meta])* $name:ident, $float:ident, $bits:ident, $mantissa:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(x: $float, y: $float) -> $float {
            const SIGN: $bits = 1 << ($bits::BITS - 1);
            const HIDDEN: $bits = 1 << $mantissa;
            // Biased exponent, at least 1, and integral significand: the value is
            // significand * 2^(exponent - bias - mantissa bits).
            let parts = |magnitude: $bits| match magnitude >> $mantissa {
                0 => (1, magnitude),
                exponent => (exponent, magnitude & (HIDDEN - 1) | HIDDEN),
            };
            if !x.is_finite() || y.is_nan() || y == 0.0 {
                return $float::NAN;
            }
            let sign = x.to_bits() & SIGN;
            let (a, b) = (x.to_bits() & !SIGN, y.to_bits() & !SIGN);
            if a < b {
                return x;
            }
            let ((mut exponent, significand), (least, divisor)) = (parts(a), parts(b));
            // A subnormal divisor's significand can be much smaller, hence a whole division first.
            let Some(mut rest) = significand.checked_rem(divisor) else { return $float::NAN };
            while exponent > least && rest != 0 {
                rest <<= 1;
                exponent -= 1;
                if rest >= divisor {
                    rest -= divisor;
                }
            }
            if rest == 0 {
                return $float::from_bits(sign);
            }
            // Normalise, down to the subnormal range, where the exponent field is 0.
            while rest < HIDDEN && exponent > 1 {
                rest <<= 1;
                exponent -= 1;
            }
            let field = if rest < HIDDEN { 0 } else { exponent };
            $float::from_bits(sign | field << $mantissa | rest & (HIDDEN - 1))
        }
    };
}

fmod! {
    /// `x - trunc(x / y) * y`, exact, with the sign of `x`.
    fmod_f32, f32, u32, 23
}
fmod! {
    /// `x - trunc(x / y) * y`, exact, with the sign of `x`.
    fmod_f64, f64, u64, 52
}

#[cfg(test)]
mod tests {
    use super::{fmod_f32, fmod_f64};
    use proptest::prelude::*;

    fn same_f32(x: f32, y: f32) -> bool {
        let (got, expected) = (fmod_f32(x, y), libm::fmodf(x, y));
        got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan())
    }

    fn same_f64(x: f64, y: f64) -> bool {
        let (got, expected) = (fmod_f64(x, y), libm::fmod(x, y));
        got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan())
    }

    #[test]
    fn special_values() {
        let special = [0.0, -0.0, 1.0, -3.5, 7.25, 1e-45, 1e-39, f32::MAX, f32::MIN_POSITIVE];
        let special = special.into_iter().chain([f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        for x in special.clone() {
            for y in special.clone() {
                assert!(same_f32(x, y), "{x} % {y}");
                assert!(same_f64(f64::from(x), f64::from(y)), "{x} % {y}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn any_bits(x: u32, y: u32, near in 0u32..64) {
            prop_assert!(same_f32(f32::from_bits(x), f32::from_bits(y)));
            prop_assert!(same_f32(f32::from_bits(x), f32::from_bits(x.wrapping_add(near))));
        }

        #[test]
        fn any_bits_f64(x: u64, y: u64, near in 0u64..64) {
            prop_assert!(same_f64(f64::from_bits(x), f64::from_bits(y)));
            prop_assert!(same_f64(f64::from_bits(x), f64::from_bits(x.wrapping_add(near))));
        }
    }
}
