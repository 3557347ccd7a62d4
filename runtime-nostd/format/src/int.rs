//! Scalar integer functions, the same ones for the host's evaluator and the device's kernels.
//!
//! Arithmetic wraps. Cases that the StableHLO specification leaves to the implementation follow
//! XLA: division by zero gives all ones, a remainder by zero the dividend, the smallest number
//! divided by -1 itself, and shifts by the width or more shift everything out.

/// A two's complement integer of 8 to 64 bits.
pub trait Int: Copy + PartialOrd {
    /// Sum.
    fn add(self, other: Self) -> Self;
    /// Difference.
    fn subtract(self, other: Self) -> Self;
    /// Product.
    fn multiply(self, other: Self) -> Self;
    /// Upper half of the product in twice the width.
    fn mulhi(self, other: Self) -> Self;
    /// Quotient, rounded toward zero.
    fn divide(self, other: Self) -> Self;
    /// Remainder with the sign of the dividend.
    fn remainder(self, other: Self) -> Self;
    /// Power; a negative exponent gives the quotient 1 / base^-exponent rounded toward zero, with
    /// 0 for a base of 0.
    fn power(self, exponent: Self) -> Self;
    /// Negation.
    fn negate(self) -> Self;
    /// Absolute value; the smallest number is its own.
    fn abs(self) -> Self;
    /// -1, 0 or 1.
    fn sign(self) -> Self;
    /// Complement.
    fn not(self) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// Bitwise exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Left shift by an unsigned amount.
    fn shift_left(self, amount: Self) -> Self;
    /// Right shift by an unsigned amount that copies the top bit, for unsigned types too.
    fn shift_right_arithmetic(self, amount: Self) -> Self;
    /// Right shift by an unsigned amount that brings in zeros.
    fn shift_right_logical(self, amount: Self) -> Self;
    /// Leading zero bits.
    fn count_leading_zeros(self) -> Self;
    /// One bits.
    fn popcnt(self) -> Self;
    /// Larger number.
    fn maximum(self, other: Self) -> Self;
    /// Smaller number.
    fn minimum(self, other: Self) -> Self;

    /// `minimum(maximum(low, x), high)`.
    #[inline]
    fn clamp(low: Self, x: Self, high: Self) -> Self {
        low.maximum(x).minimum(high)
    }

    /// `c + a * b`.
    #[inline]
    fn multiply_add(self, b: Self, c: Self) -> Self {
        c.add(self.multiply(b))
    }
}

macro_rules! int {
    ($ty:ident, $signed:ident, $unsigned:ident, $wide:ident, $abs:expr, $sign:expr, $inverse:expr) => {
        impl Int for $ty {
            #[inline]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline]
            fn subtract(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline]
            fn multiply(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            #[inline]
            fn mulhi(self, other: Self) -> Self {
                ((self as $wide * other as $wide) >> $ty::BITS) as $ty
            }

            #[inline]
            fn divide(self, other: Self) -> Self {
                if other == 0 { !0 } else { self.wrapping_div(other) }
            }

            #[inline]
            fn remainder(self, other: Self) -> Self {
                if other == 0 { self } else { self.wrapping_rem(other) }
            }

            fn power(self, exponent: Self) -> Self {
                let inverse: Option<Self> = $inverse(self, exponent);
                if let Some(result) = inverse {
                    return result;
                }
                let (mut base, mut left, mut result) = (self, exponent, 1);
                while left != 0 {
                    if left & 1 == 1 {
                        result = base.multiply(result);
                    }
                    base = base.multiply(base);
                    left >>= 1;
                }
                result
            }

            #[inline]
            fn negate(self) -> Self {
                self.wrapping_neg()
            }

            #[inline]
            fn abs(self) -> Self {
                $abs(self)
            }

            #[inline]
            fn sign(self) -> Self {
                $sign(self)
            }

            #[inline]
            fn not(self) -> Self {
                !self
            }

            #[inline]
            fn and(self, other: Self) -> Self {
                self & other
            }

            #[inline]
            fn or(self, other: Self) -> Self {
                self | other
            }

            #[inline]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }

            #[inline]
            fn shift_left(self, amount: Self) -> Self {
                let amount = amount as $unsigned;
                if amount < $ty::BITS as $unsigned { self.wrapping_shl(amount as u32) } else { 0 }
            }

            #[inline]
            fn shift_right_arithmetic(self, amount: Self) -> Self {
                let amount = (amount as $unsigned).min($ty::BITS as $unsigned - 1);
                (self as $signed).wrapping_shr(amount as u32) as $ty
            }

            #[inline]
            fn shift_right_logical(self, amount: Self) -> Self {
                let amount = amount as $unsigned;
                if amount < $ty::BITS as $unsigned {
                    (self as $unsigned).wrapping_shr(amount as u32) as $ty
                } else {
                    0
                }
            }

            #[inline]
            fn count_leading_zeros(self) -> Self {
                self.leading_zeros() as $ty
            }

            #[inline]
            fn popcnt(self) -> Self {
                self.count_ones() as $ty
            }

            #[inline]
            fn maximum(self, other: Self) -> Self {
                self.max(other)
            }

            #[inline]
            fn minimum(self, other: Self) -> Self {
                self.min(other)
            }
        }
    };
}

macro_rules! signed {
    ($($ty:ident / $unsigned:ident / $wide:ident),*) => {$(
        int!($ty, $ty, $unsigned, $wide, $ty::wrapping_abs, $ty::signum, |base: $ty, exponent: $ty| {
            match base {
                _ if exponent >= 0 => None,
                1 => Some(1),
                -1 => Some(if exponent & 1 == 0 { 1 } else { -1 }),
                _ => Some(0),
            }
        });
    )*};
}

macro_rules! unsigned {
    ($($ty:ident / $signed:ident / $wide:ident),*) => {$(
        int!($ty, $signed, $ty, $wide, core::convert::identity, |x: $ty| (x != 0) as $ty, |_, _| None);
    )*};
}

signed!(i8 / u8 / i16, i16 / u16 / i32, i32 / u32 / i64, i64 / u64 / i128);
unsigned!(u8 / i8 / u16, u16 / i16 / u32, u32 / i32 / u64, u64 / i64 / u128);

#[cfg(test)]
mod tests {
    use super::Int;

    #[test]
    fn division_never_traps() {
        assert_eq!(7i32.divide(0), -1);
        assert_eq!(7u8.divide(0), 255);
        assert_eq!(i64::MIN.divide(-1), i64::MIN);
        assert_eq!(i8::MIN.remainder(-1), 0);
        assert_eq!((-7i16).remainder(0), -7);
        assert_eq!((-7i16).remainder(2), -1);
    }

    #[test]
    fn shifts_saturate() {
        assert_eq!(1i8.shift_left(8), 0);
        assert_eq!(1u64.shift_left(63), 1 << 63);
        assert_eq!((-128i8).shift_right_arithmetic(100), -1);
        assert_eq!(0x80u8.shift_right_arithmetic(7), 0xff);
        assert_eq!((-1i32).shift_right_logical(31), 1);
        assert_eq!((-1i32).shift_right_logical(-1), 0);
    }

    #[test]
    fn powers() {
        assert_eq!(3i32.power(5), 243);
        assert_eq!(2u8.power(9), 0);
        assert_eq!((-1i8).power(-3), -1);
        assert_eq!(5i8.power(-1), 0);
        assert_eq!(0i8.power(0), 1);
    }

    #[test]
    fn extremes() {
        assert_eq!(Int::abs(i32::MIN), i32::MIN);
        assert_eq!(i8::MIN.negate(), i8::MIN);
        assert_eq!(0u16.count_leading_zeros(), 16);
        assert_eq!((-1i64).popcnt(), 64);
        assert_eq!(<i16 as Int>::clamp(0, 9, 6), 6);
    }
}
