//! Integer scalar functions. Results are exact or wrapped by the caller to the type's width.

use microhlo_format::DType;

use crate::eval::wrap;

/// An integer with its type.
#[derive(Clone, Copy)]
pub struct Int {
    /// Value, in the range of the type.
    pub v: i128,
    /// Type.
    pub ty: DType,
}

impl Int {
    fn with(self, v: i128) -> Int {
        Int { v, ty: self.ty }
    }

    /// The bits as an unsigned number.
    fn unsigned(self) -> u128 {
        self.v as u128 & (u128::MAX >> (128 - self.ty.bits()))
    }

    /// The bits as a signed number.
    fn signed(self) -> i128 {
        let shift = 128 - self.ty.bits();
        self.v << shift >> shift
    }
}

pub(super) fn add(a: Int, b: Int) -> Int {
    a.with(a.v + b.v)
}

pub(super) fn subtract(a: Int, b: Int) -> Int {
    a.with(a.v - b.v)
}

pub(super) fn multiply(a: Int, b: Int) -> Int {
    a.with(a.v.wrapping_mul(b.v))
}

/// Upper half of the product in twice the width.
pub(super) fn mulhi(a: Int, b: Int) -> Int {
    let bits = a.ty.bits();
    a.with(match a.ty.is_signed_integer() {
        true => (a.v * b.v) >> bits,
        false => ((a.unsigned() * b.unsigned()) >> bits) as i128,
    })
}

/// Truncates toward zero. Division by zero gives all ones, as XLA does; the specification leaves
/// it open. The least value divided by -1 wraps.
pub(super) fn divide(a: Int, b: Int) -> Int {
    a.with(if b.v == 0 { -1 } else { a.v / b.v })
}

/// Sign of the dividend. The remainder by zero is the dividend, as in XLA.
pub(super) fn remainder(a: Int, b: Int) -> Int {
    a.with(if b.v == 0 { a.v } else { a.v % b.v })
}

pub(super) fn maximum(a: Int, b: Int) -> Int {
    a.with(a.v.max(b.v))
}

pub(super) fn minimum(a: Int, b: Int) -> Int {
    a.with(a.v.min(b.v))
}

pub(super) fn and(a: Int, b: Int) -> Int {
    a.with(a.v & b.v)
}

pub(super) fn or(a: Int, b: Int) -> Int {
    a.with(a.v | b.v)
}

pub(super) fn xor(a: Int, b: Int) -> Int {
    a.with(a.v ^ b.v)
}

pub(super) fn not(a: Int) -> Int {
    a.with(!a.v)
}

pub(super) fn negate(a: Int) -> Int {
    a.with(-a.v)
}

pub(super) fn abs(a: Int) -> Int {
    a.with(a.v.abs())
}

pub(super) fn sign(a: Int) -> Int {
    a.with(a.v.signum())
}

pub(super) fn popcnt(a: Int) -> Int {
    a.with(i128::from(a.unsigned().count_ones()))
}

pub(super) fn count_leading_zeros(a: Int) -> Int {
    a.with(i128::from(a.unsigned().leading_zeros() - (128 - a.ty.bits())))
}

/// The shift amount, or `None` at or beyond the width. Amounts are read as unsigned numbers.
fn amount(a: Int, b: Int) -> Option<u32> {
    let bits = u128::from(a.ty.bits());
    if b.unsigned() < bits { Some(b.unsigned() as u32) } else { None }
}

pub(super) fn shift_left(a: Int, b: Int) -> Int {
    a.with(amount(a, b).map_or(0, |n| a.v << n))
}

pub(super) fn shift_right_logical(a: Int, b: Int) -> Int {
    a.with(amount(a, b).map_or(0, |n| (a.unsigned() >> n) as i128))
}

pub(super) fn shift_right_arithmetic(a: Int, b: Int) -> Int {
    a.with(a.signed() >> amount(a, b).unwrap_or(127))
}

/// Integer power modulo 2^width. Negative exponents give the truncated reciprocal: 1 and -1 have
/// exact ones, everything else gives 0.
pub(super) fn power(a: Int, b: Int) -> Int {
    if b.v < 0 {
        return a.with(match a.v {
            1 => 1,
            -1 => 1 - 2 * (b.v & 1),
            _ => 0,
        });
    }
    let (mut base, mut exponent, mut out) = (a.v, b.v, 1i128);
    while exponent > 0 {
        if exponent & 1 == 1 {
            out = wrap(a.ty, out.wrapping_mul(base));
        }
        base = wrap(a.ty, base.wrapping_mul(base));
        exponent >>= 1;
    }
    a.with(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn i8(v: i128) -> Int {
        Int { v, ty: DType::I8 }
    }

    fn wrapped(x: Int) -> i128 {
        wrap(x.ty, x.v)
    }

    #[test]
    fn division_corner_cases() {
        assert_eq!(wrapped(divide(i8(-128), i8(-1))), -128);
        assert_eq!(wrapped(divide(i8(-7), i8(2))), -3);
        assert_eq!(wrapped(divide(i8(5), i8(0))), -1);
        assert_eq!(wrapped(remainder(i8(-7), i8(2))), -1);
        assert_eq!(wrapped(remainder(i8(-128), i8(-1))), 0);
        assert_eq!(wrapped(remainder(i8(5), i8(0))), 5);
        let u = |v| Int { v, ty: DType::U8 };
        assert_eq!(wrapped(divide(u(200), u(0))), 255);
    }

    #[test]
    fn shifts_beyond_the_width() {
        assert_eq!(wrapped(shift_left(i8(-1), i8(6))), -64);
        assert_eq!(wrapped(shift_left(i8(-1), i8(8))), 0);
        assert_eq!(wrapped(shift_left(i8(1), i8(-1))), 0);
        assert_eq!(wrapped(shift_right_arithmetic(i8(-128), i8(9))), -1);
        assert_eq!(wrapped(shift_right_arithmetic(i8(-128), i8(3))), -16);
        assert_eq!(wrapped(shift_right_logical(i8(-128), i8(6))), 2);
        assert_eq!(wrapped(shift_right_logical(i8(-128), i8(8))), 0);
    }

    #[test]
    fn bits_are_counted_within_the_width() {
        assert_eq!(count_leading_zeros(i8(0)).v, 8);
        assert_eq!(count_leading_zeros(i8(-1)).v, 0);
        assert_eq!(popcnt(i8(-1)).v, 8);
        assert_eq!(popcnt(Int { v: 5, ty: DType::I64 }).v, 2);
    }

    #[test]
    fn powers_wrap_and_invert() {
        assert_eq!(wrapped(power(i8(3), i8(5))), -13);
        assert_eq!(wrapped(power(i8(-1), i8(-3))), -1);
        assert_eq!(wrapped(power(i8(2), i8(-1))), 0);
        assert_eq!(wrapped(power(i8(0), i8(0))), 1);
    }
}
