//! Narrow floating-point formats as bit patterns: binary16, bfloat16 and the 4- to 8-bit ones.
//!
//! Formats follow IEEE 754 (f16), Google's bfloat16, the OCP 8-bit and microscaling (MX)
//! specifications, and LLVM's `APFloat` for the spelling and special values of the `UZ` variants.

use crate::DType;

/// Which bit patterns are infinities and NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Specials {
    /// The greatest exponent holds infinity and NaN.
    Ieee,
    /// No infinity; NaN is all ones of either sign.
    NanOnly,
    /// No infinity, no negative zero; NaN is the pattern of negative zero.
    NanIsNegativeZero,
    /// Only finite values; conversion saturates, NaN becomes negative zero.
    Finite,
    /// Unsigned powers of two; NaN is all ones, there is no zero.
    ExponentOnly,
}

/// A floating-point format of at most 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    exponent_bits: u32,
    mantissa_bits: u32,
    bias: i32,
    specials: Specials,
}

/// binary16.
pub const F16: Format = Format::new(5, 10, 15, Specials::Ieee);
/// bfloat16.
pub const BF16: Format = Format::new(8, 7, 127, Specials::Ieee);

impl Format {
    const fn new(exponent_bits: u32, mantissa_bits: u32, bias: i32, specials: Specials) -> Format {
        Format { exponent_bits, mantissa_bits, bias, specials }
    }

    /// The format of an element type; `None` for `f32`, `f64` and everything that is no float.
    pub const fn of(dtype: DType) -> Option<Format> {
        use Specials::{ExponentOnly, Finite, Ieee, NanIsNegativeZero, NanOnly};
        Some(match dtype {
            DType::F4E2M1FN => Format::new(2, 1, 1, Finite),
            DType::F6E2M3FN => Format::new(2, 3, 1, Finite),
            DType::F6E3M2FN => Format::new(3, 2, 3, Finite),
            DType::F8E3M4 => Format::new(3, 4, 3, Ieee),
            DType::F8E4M3 => Format::new(4, 3, 7, Ieee),
            DType::F8E4M3FN => Format::new(4, 3, 7, NanOnly),
            DType::F8E4M3FNUZ => Format::new(4, 3, 8, NanIsNegativeZero),
            DType::F8E4M3B11FNUZ => Format::new(4, 3, 11, NanIsNegativeZero),
            DType::F8E5M2 => Format::new(5, 2, 15, Ieee),
            DType::F8E5M2FNUZ => Format::new(5, 2, 16, NanIsNegativeZero),
            DType::F8E8M0FNU => Format::new(8, 0, 127, ExponentOnly),
            DType::F16 => F16,
            DType::BF16 => BF16,
            _ => return None,
        })
    }

    /// The sign bit; 0 for the format that has none.
    const fn sign_bit(self) -> u16 {
        match self.specials {
            Specials::ExponentOnly => 0,
            _ => 1 << (self.exponent_bits + self.mantissa_bits),
        }
    }

    /// The greatest exponent field.
    const fn max_exponent(self) -> u32 {
        (1 << self.exponent_bits) - 1
    }

    /// All bits but the sign.
    const fn magnitude_mask(self) -> u16 {
        ((1u32 << (self.exponent_bits + self.mantissa_bits)) - 1) as u16
    }

    /// The pattern of infinity, or of the value that overflow gives.
    const fn overflow(self) -> u16 {
        match self.specials {
            Specials::Ieee => (self.max_exponent() << self.mantissa_bits) as u16,
            Specials::Finite => self.magnitude_mask(),
            Specials::NanOnly | Specials::NanIsNegativeZero | Specials::ExponentOnly => self.nan(),
        }
    }

    /// The pattern of a quiet NaN, or what stands for it.
    const fn nan(self) -> u16 {
        match self.specials {
            Specials::Ieee => {
                (self.max_exponent() << self.mantissa_bits) as u16 | 1 << (self.mantissa_bits - 1)
            }
            Specials::NanOnly | Specials::ExponentOnly => self.magnitude_mask(),
            Specials::NanIsNegativeZero | Specials::Finite => self.sign_bit(),
        }
    }

    /// The magnitude of the greatest finite value.
    const fn max_finite(self) -> u16 {
        match self.specials {
            Specials::Ieee => self.overflow() - 1,
            Specials::NanOnly | Specials::ExponentOnly => self.magnitude_mask() - 1,
            Specials::Finite | Specials::NanIsNegativeZero => self.magnitude_mask(),
        }
    }

    /// The exact value of a bit pattern.
    pub fn decode(self, bits: u16) -> f64 {
        let magnitude = bits & self.magnitude_mask();
        let negative = bits & self.sign_bit() != 0;
        let exponent = u32::from(magnitude) >> self.mantissa_bits;
        let mantissa = u32::from(magnitude) & ((1 << self.mantissa_bits) - 1);
        let value = match self.specials {
            Specials::Ieee if exponent == self.max_exponent() => {
                if mantissa == 0 {
                    f64::INFINITY
                } else {
                    f64::NAN
                }
            }
            Specials::NanOnly | Specials::ExponentOnly if magnitude == self.magnitude_mask() => {
                f64::NAN
            }
            Specials::NanIsNegativeZero if negative && magnitude == 0 => return f64::NAN,
            Specials::ExponentOnly => power_of_two(exponent as i32 - self.bias),
            _ => {
                let scale =
                    power_of_two(exponent.max(1) as i32 - self.bias - self.mantissa_bits as i32);
                let hidden = if exponent == 0 { 0 } else { 1 << self.mantissa_bits };
                f64::from(mantissa + hidden) * scale
            }
        };
        if negative { -value } else { value }
    }

    /// The bit pattern nearest to a value, ties to even, rounded once.
    pub fn encode(self, value: f64) -> u16 {
        let negative = value.is_sign_negative();
        let sign = if negative { self.sign_bit() } else { 0 };
        if value.is_nan() {
            // The sign of an IEEE NaN survives; the other formats have one NaN per sign at most.
            return match self.specials {
                Specials::Ieee | Specials::NanOnly => self.nan() | sign,
                _ => self.nan(),
            };
        }
        if self.specials == Specials::ExponentOnly {
            return self.encode_power(value);
        }
        let magnitude = if value.is_infinite() { u64::MAX } else { self.round(libm::fabs(value)) };
        let magnitude = if magnitude > u64::from(self.max_finite()) {
            self.overflow()
        } else {
            magnitude as u16
        };
        match self.specials {
            // These have one zero; its pattern with a sign is NaN, which overflow gives too.
            Specials::NanIsNegativeZero if magnitude & self.magnitude_mask() == 0 => magnitude,
            _ => magnitude | sign,
        }
    }

    /// Rounds a finite non-negative value to the format's grid; the pattern, unbounded above.
    fn round(self, value: f64) -> u64 {
        let bits = value.to_bits();
        let exponent = (bits >> 52) as i32 - 1023;
        if exponent < -1022 {
            return 0; // An f64 subnormal is below half of every narrow format's least value.
        }
        let significand = bits & ((1 << 52) - 1) | 1 << 52;
        let field = exponent + self.bias;
        // Bits dropped: all below the mantissa, and more for a subnormal result.
        let drop = 52 - self.mantissa_bits as i32 + (1 - field).max(0);
        if drop > 54 {
            return 0;
        }
        let kept = significand >> drop;
        let rest = significand & ((1 << drop) - 1);
        let half = 1u64 << (drop - 1);
        let up = rest > half || rest == half && kept & 1 == 1;
        let rounded = kept + u64::from(up);
        // The hidden bit adds one to the exponent field; a carry out of the mantissa does as well.
        if field >= 1 { rounded + (((field - 1) as u64) << self.mantissa_bits) } else { rounded }
    }

    /// Rounds to a power of two.
    fn encode_power(self, value: f64) -> u16 {
        // NaN never gets here; zero becomes the least power.
        if value <= 0.0 || value.is_infinite() {
            return if value == 0.0 { 0 } else { self.nan() };
        }
        let bits = value.to_bits();
        let exponent = (bits >> 52) as i32 - 1023;
        let mantissa = bits & ((1 << 52) - 1);
        let half = 1u64 << 51;
        // Ties between powers go to the even exponent field.
        let field = exponent + self.bias;
        let up = mantissa > half || mantissa == half && field & 1 == 1;
        let field = field + i32::from(up);
        if field > 254 { self.nan() } else { field.max(0) as u16 }
    }
}

/// Exact and nearest values in `f32`, in integer operations only: what cores without an FPU for
/// `f64` compute.
impl Format {
    /// The exact value of a bit pattern.
    pub const fn decode_f32(self, bits: u16) -> f32 {
        let magnitude = (bits & self.magnitude_mask()) as u32;
        let sign = if bits & self.sign_bit() != 0 { 1 << 31 } else { 0 };
        let exponent = magnitude >> self.mantissa_bits;
        let mantissa = magnitude & ((1 << self.mantissa_bits) - 1);
        let nan = match self.specials {
            Specials::Ieee => exponent == self.max_exponent() && mantissa != 0,
            Specials::NanOnly | Specials::ExponentOnly => {
                bits & self.magnitude_mask() == self.nan()
            }
            Specials::NanIsNegativeZero => bits == self.sign_bit(),
            Specials::Finite => false,
        };
        if nan {
            let sign = if let Specials::NanIsNegativeZero = self.specials { 0 } else { sign };
            return f32::from_bits(sign | f32::NAN.to_bits());
        }
        if let Specials::ExponentOnly = self.specials {
            return f32::from_bits(if exponent == 0 { 1 << 22 } else { exponent << 23 });
        }
        if let Specials::Ieee = self.specials
            && exponent == self.max_exponent()
        {
            return f32::from_bits(sign | f32::INFINITY.to_bits());
        }
        f32::from_bits(sign | self.finite_bits(exponent, mantissa))
    }

    /// The `f32` pattern of a finite magnitude.
    const fn finite_bits(self, exponent: u32, mantissa: u32) -> u32 {
        let widened = mantissa << (23 - self.mantissa_bits);
        if exponent > 0 {
            return ((exponent as i32 - self.bias + 127) as u32) << 23 | widened;
        }
        if mantissa == 0 {
            return 0;
        }
        // A subnormal number is normal in `f32` unless the exponents have one range.
        let shift = widened.leading_zeros() - 8;
        let field = 128 - self.bias - shift as i32;
        if field < 1 { widened } else { (field as u32) << 23 | (widened << shift) & 0x7f_ffff }
    }

    /// The bit pattern nearest to a value, ties to even.
    pub const fn encode_f32(self, value: f32) -> u16 {
        let bits = value.to_bits();
        let sign = if bits >> 31 != 0 { self.sign_bit() } else { 0 };
        if value.is_nan() {
            return match self.specials {
                Specials::Ieee | Specials::NanOnly => self.nan() | sign,
                _ => self.nan(),
            };
        }
        let magnitude = bits & 0x7fff_ffff;
        if let Specials::ExponentOnly = self.specials {
            return self.encode_power_f32(bits);
        }
        let rounded =
            if magnitude == f32::INFINITY.to_bits() { u32::MAX } else { self.round_f32(magnitude) };
        let rounded =
            if rounded > self.max_finite() as u32 { self.overflow() } else { rounded as u16 };
        match self.specials {
            Specials::NanIsNegativeZero if rounded & self.magnitude_mask() == 0 => rounded,
            _ => rounded | sign,
        }
    }

    /// Rounds a finite magnitude to the format's grid; the pattern, unbounded above.
    const fn round_f32(self, magnitude: u32) -> u32 {
        let (exponent, significand) = normal(magnitude);
        let field = exponent + self.bias;
        let below = if field < 1 { 1 - field } else { 0 };
        let drop = 23 - self.mantissa_bits as i32 + below;
        if drop > 25 {
            return 0;
        }
        let kept = if drop > 24 { 0 } else { significand >> drop };
        let rest = significand - (if drop > 24 { 0 } else { kept << drop });
        let half = 1u32 << (drop - 1);
        let up = rest > half || rest == half && kept & 1 == 1;
        let rounded = kept + up as u32;
        if field >= 1 { rounded + (((field - 1) as u32) << self.mantissa_bits) } else { rounded }
    }

    /// Rounds to a power of two.
    const fn encode_power_f32(self, bits: u32) -> u16 {
        if bits << 1 == 0 {
            return 0;
        }
        if bits >> 31 != 0 || bits == f32::INFINITY.to_bits() {
            return self.nan();
        }
        let (exponent, significand) = normal(bits);
        let mantissa = significand & 0x7f_ffff;
        let field = exponent + self.bias;
        let up = mantissa > 1 << 22 || mantissa == 1 << 22 && field & 1 == 1;
        let field = field + up as i32;
        if field > 254 {
            self.nan()
        } else if field < 0 {
            0
        } else {
            field as u16
        }
    }
}

/// Widths of the fields of a float whose special values are those of IEEE 754.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    exponent_bits: u32,
    mantissa_bits: u32,
}

impl Precision {
    /// The widths of an element type; `None` for one with other special values.
    pub const fn of(dtype: DType) -> Option<Precision> {
        let (exponent_bits, mantissa_bits) = match dtype {
            DType::F32 => (8, 23),
            DType::F64 => (11, 52),
            _ => match Format::of(dtype) {
                Some(Format { exponent_bits, mantissa_bits, specials: Specials::Ieee, .. }) => {
                    (exponent_bits, mantissa_bits)
                }
                _ => return None,
            },
        };
        Some(Precision { exponent_bits, mantissa_bits })
    }

    /// What rounding to fewer bits needs; at least one exponent bit stays.
    pub fn reduced(self, exponent_bits: i64, mantissa_bits: i64) -> Reduced {
        let (exponents, mantissas) = (self.exponent_bits, self.mantissa_bits);
        let bias = |bits: u32| (1u64 << (bits - 1)) - 1;
        let exponent_bits = exponent_bits.clamp(1, exponents.into()) as u32;
        let infinity = ((1u64 << exponents) - 1) << mantissas;
        let (overflow, least) = if exponent_bits == exponents {
            (infinity, 0)
        } else {
            let (wide, narrow) = (bias(exponents), bias(exponent_bits));
            ((wide + narrow + 1) << mantissas, (wide - narrow + 1) << mantissas)
        };
        Reduced {
            magnitude: (1u64 << (exponents + mantissas)) - 1,
            infinity,
            drop: mantissas - mantissa_bits.clamp(0, mantissas.into()) as u32,
            overflow,
            least,
        }
    }
}

/// Constants of rounding bit patterns to fewer exponent and mantissa bits, as `reduce_precision`
/// does: to nearest even on the pattern, then to infinity or zero where the exponent does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduced {
    /// All bits but the sign.
    pub magnitude: u64,
    /// The pattern of infinity.
    pub infinity: u64,
    /// Mantissa bits that go.
    pub drop: u32,
    /// The least magnitude that becomes infinity.
    pub overflow: u64,
    /// The least magnitude that does not become zero.
    pub least: u64,
}

impl Reduced {
    /// The pattern rounded; NaN stays what it is.
    pub fn round(&self, bits: u64) -> u64 {
        let magnitude = bits & self.magnitude;
        if magnitude > self.infinity {
            return bits;
        }
        let rounded = match self.drop {
            0 => magnitude,
            drop => {
                let odd = magnitude >> drop & 1;
                (magnitude + ((1 << (drop - 1)) - 1) + odd) >> drop << drop
            }
        };
        let bounded = if rounded >= self.overflow { self.infinity } else { rounded };
        let bounded = if rounded < self.least { 0 } else { bounded };
        bounded | bits & !self.magnitude
    }
}

/// Exponent, and significand of 24 bits, of a magnitude other than zero.
const fn normal(magnitude: u32) -> (i32, u32) {
    let field = magnitude >> 23;
    if field > 0 {
        return (field as i32 - 127, magnitude & 0x7f_ffff | 1 << 23);
    }
    let shift = magnitude.leading_zeros() as i32 - 8;
    (-126 - shift, if shift < 24 { magnitude << shift } else { 0 })
}

/// The integer rounded to odd in the 24 bits of an `f32`, so that rounding again to a narrower
/// type is as if done once.
pub const fn odd_f32(negative: bool, magnitude: u64) -> f32 {
    let drop = (64 - magnitude.leading_zeros()).saturating_sub(24);
    let kept = magnitude >> drop;
    let sticky = (kept << drop != magnitude) as u64;
    // Both factors are exact, and so is the product.
    let value = (kept | sticky) as f32 * f32::from_bits((drop + 127) << 23);
    if negative { -value } else { value }
}

/// `2^n` for exponents of normal `f64` numbers.
fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

/// The nearest `f16`, ties to even.
pub fn f16_from_f32(x: f32) -> u16 {
    F16.encode_f32(x)
}

/// The exact value of an `f16`.
pub fn f16_to_f32(bits: u16) -> f32 {
    F16.decode_f32(bits)
}

/// The nearest `bf16`, ties to even.
pub fn bf16_from_f32(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 & 0x8000 | 0x7fc0;
    }
    // Adding just under half of the last kept bit, plus that bit, rounds to nearest even.
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// The exact value of a `bf16`.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_landmarks() {
        for (bits, value) in [
            (0x3c00u16, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960464477539063e-8),
            (0x0400, 6.103515625e-5),
            (0x7c00, f64::INFINITY),
        ] {
            assert_eq!(F16.decode(bits), value);
            assert_eq!(F16.encode(value), bits);
        }
        assert_eq!(F16.encode(65519.9), 0x7bff);
        assert_eq!(F16.encode(65520.0), 0x7c00);
        assert_eq!(F16.encode(-0.0), 0x8000);
        assert_eq!(F16.encode(2.9802322387695312e-8), 0, "a tie goes to even zero");
        assert_eq!(F16.encode(2.99e-8), 1);
    }

    #[test]
    fn bfloat_rounds_to_even() {
        assert_eq!(bf16_from_f32(1.0), 0x3f80);
        assert_eq!(bf16_from_f32(f32::from_bits(0x3f80_8000)), 0x3f80);
        assert_eq!(bf16_from_f32(f32::from_bits(0x3f81_8000)), 0x3f82);
        assert_eq!(bf16_from_f32(f32::MAX), 0x7f80);
        assert!(bf16_to_f32(bf16_from_f32(f32::NAN)).is_nan());
        for bits in (0..=u32::MAX).step_by(65_521) {
            let x = f32::from_bits(bits);
            if !x.is_nan() {
                assert_eq!(bf16_from_f32(x), BF16.encode(f64::from(x)), "{x:e}");
            }
        }
    }

    /// Every pattern, and in between: a step that meets ties and their neighbours.
    #[test]
    fn single_and_double_precision_agree() {
        for &dtype in DType::ALL {
            let Some(format) = Format::of(dtype) else { continue };
            for bits in 0..1u32 << dtype.bits() {
                let (narrow, wide) = (format.decode_f32(bits as u16), format.decode(bits as u16));
                let same = f64::from(narrow).to_bits() == wide.to_bits();
                assert!(same, "{dtype} {bits:#x}: {narrow} and {wide}");
            }
            let steps = (0..=u32::MAX).step_by(0x0000_1fff);
            let ties = (0..1u32 << 16)
                .flat_map(|high| [0, 1, 0x7fff, 0x8000, 0x8001].map(|low| high << 16 | low));
            for x in steps.chain(ties).map(f32::from_bits) {
                let (narrow, wide) = (format.encode_f32(x), format.encode(f64::from(x)));
                assert_eq!(narrow, wide, "{dtype} of {x:e}");
            }
        }
    }

    #[test]
    fn integers_round_once_through_odd() {
        let tie = (1u64 << 62) + (1 << 54);
        assert_eq!(bf16_from_f32(odd_f32(false, tie)), bf16_from_f32((1u64 << 62) as f32));
        let above = bf16_from_f32(odd_f32(false, tie + 1));
        assert_eq!(above, bf16_from_f32((1u64 << 62) as f32) + 1);
        assert_eq!(odd_f32(true, 3), -3.0);
        assert_eq!(odd_f32(false, 0), 0.0);
    }

    #[test]
    fn every_pattern_of_every_format_survives() {
        for &dtype in DType::ALL {
            let Some(format) = Format::of(dtype) else { continue };
            for bits in 0..1u32 << dtype.bits() {
                let bits = bits as u16;
                let value = format.decode(bits);
                if value.is_nan() {
                    assert!(format.decode(format.encode(value)).is_nan());
                } else {
                    assert_eq!(format.encode(value), bits, "{dtype} {bits:#x} = {value}");
                }
            }
        }
    }

    #[test]
    fn formats_without_infinity_overflow_as_documented() {
        let fn8 = Format::of(DType::F8E4M3FN).unwrap();
        assert_eq!(fn8.decode(0x7e), 448.0);
        assert_eq!(fn8.encode(1e6), 0x7f);
        let uz = Format::of(DType::F8E4M3FNUZ).unwrap();
        assert_eq!(uz.encode(-1e6), 0x80);
        assert_eq!(uz.encode(-0.0), 0);
        let f4 = Format::of(DType::F4E2M1FN).unwrap();
        assert_eq!(f4.encode(-100.0), 0xf);
    }
}
