//! Decimal text to the bits of an element type; floats are rounded once, to nearest with ties to
//! even.
//!
//! Weights are megabytes of short decimals. [`Decimal`] reads those in one pass; what it leaves is
//! for the slower [`parse_float`].

use std::cmp::Ordering;

use microhlo_format::DType;
use microhlo_format::float::Format;

/// Powers of ten that an `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Most digits that always fit 64 bits.
const MAX_DIGITS: usize = 19;

/// An ordinary decimal: `-128`, `0.412694544`, `1.5e-05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// All digits as one integer.
    mantissa: u64,
    /// The power of ten to multiply `mantissa` with.
    scale: i32,
    /// Whether there is a decimal point.
    pub(crate) point: bool,
    exponent: bool,
    /// Bytes of text.
    pub(crate) len: usize,
}

impl Decimal {
    /// The decimal at the start of `text`. `None` if there is none, if it has more digits than 64
    /// bits hold, or if something follows that may belong to it.
    #[inline]
    pub(crate) fn read(text: &[u8]) -> Option<Decimal> {
        let negative = text.first() == Some(&b'-');
        let start = usize::from(negative);
        let (whole, mut at) = digits(text, 0, start);
        if at == start {
            return None;
        }
        let mut number =
            Decimal { negative, mantissa: whole, scale: 0, point: false, exponent: false, len: 0 };
        let mut count = at - start;
        if text.get(at) == Some(&b'.') {
            let (mantissa, end) = many_digits(text, whole, at + 1);
            let places = end - at - 1;
            (number.mantissa, number.point) = (mantissa, true);
            count += places;
            number.scale = -i32::try_from(places).ok()?;
            at = end;
        }
        if count > MAX_DIGITS {
            return None;
        }
        if let Some(b'e' | b'E') = text.get(at) {
            let (exponent, end) = exponent(text, at + 1)?;
            number.scale += exponent;
            number.exponent = true;
            at = end;
        }
        let more = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-');
        number.len = at;
        (!text.get(at).is_some_and(more)).then_some(number)
    }

    /// The bits of the nearest `dtype`. `None` leaves it to [`parse_float`].
    ///
    /// At most 2^53 times or over an exact power of ten is rounded once to `f64`. That result
    /// rounds to the nearest narrower float of the decimal unless it is a tie between two of them.
    #[inline]
    pub(crate) fn float(&self, dtype: DType) -> Option<u64> {
        let power = POWERS.get(self.scale.unsigned_abs() as usize)?;
        if self.mantissa > 1 << 53 {
            return None;
        }
        let mantissa = self.mantissa as f64;
        let wide = if self.scale < 0 { mantissa / power } else { mantissa * power };
        let signed = if self.negative { -wide } else { wide };
        // Nothing here is as small as the subnormals of types with eight bits of exponent.
        let tie = |mantissa: u32| {
            let dropped = 52 - mantissa;
            wide.to_bits() & ((1 << dropped) - 1) == 1 << (dropped - 1)
        };
        match dtype {
            DType::F64 => Some(signed.to_bits()),
            DType::F32 => (!tie(23)).then(|| u64::from((signed as f32).to_bits())),
            DType::BF16 if !tie(7) => Some(u64::from(Format::of(dtype)?.encode(signed))),
            DType::F16 if !tie(10) && (wide == 0.0 || wide >= F16_LEAST_NORMAL) => {
                Some(u64::from(Format::of(dtype)?.encode(signed)))
            }
            _ => None,
        }
    }

    /// The value, if it is spelled as an integer.
    #[inline]
    pub(crate) fn integer(&self) -> Option<i64> {
        let value = i64::try_from(self.mantissa).ok()?;
        let value = if self.negative { -value } else { value };
        (!self.point && !self.exponent).then_some(value)
    }

    /// The bits of an integer that has at most those of `dtype`, from a byte on. Those of signless
    /// types may be those of either sign, if `signless` is set.
    #[inline]
    pub(crate) fn bits(&self, dtype: DType, signless: bool) -> Option<u64> {
        let unused = 64 - dtype.bits();
        let (least, most) = match dtype.is_signed_integer() {
            true if signless => (i64::MIN >> unused, (u64::MAX >> unused) as i64),
            true => (i64::MIN >> unused, i64::MAX >> unused),
            false => (0, (u64::MAX >> unused) as i64),
        };
        // Of 64 bits, what is an `i64` and not below the least value fits.
        let fits = |&v: &i64| v >= least && (unused == 0 || v <= most);
        self.integer().filter(fits).map(|v| v as u64)
    }
}

/// Least `f16` with all mantissa bits, 2^-14.
const F16_LEAST_NORMAL: f64 = 1.0 / 16384.0;

/// Appends the digits at `at` to those of `value`, and says where they end. The value has wrapped
/// if they are too many.
#[inline]
fn digits(text: &[u8], value: u64, at: usize) -> (u64, usize) {
    let (mut value, mut at) = (value, at);
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (value, at)
}

/// As [`digits`], faster where there are at least eight.
#[inline]
fn many_digits(text: &[u8], value: u64, at: usize) -> (u64, usize) {
    match text.get(at..).and_then(|rest| rest.first_chunk()).and_then(eight_digits) {
        Some(eight) => digits(text, value.wrapping_mul(100_000_000).wrapping_add(eight), at + 8),
        None => digits(text, value, at),
    }
}

/// The value of eight digits: all bytes at once, then neighbouring pairs are joined three times
/// (D. Lemire, "Number Parsing at a Gigabyte per Second", 2021, section 5).
#[inline]
fn eight_digits(text: &[u8; 8]) -> Option<u64> {
    let bytes = u64::from_le_bytes(*text);
    let high = 0xf0f0_f0f0_f0f0_f0f0;
    // 0x30 to 0x39 keep their upper half when 6 is added.
    let sums = bytes.wrapping_add(0x0606_0606_0606_0606);
    if bytes & high != 0x3030_3030_3030_3030 || sums & high != 0x3030_3030_3030_3030 {
        return None;
    }
    let pairs = (bytes & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// A signed exponent of at most three digits, and where it ends.
fn exponent(text: &[u8], at: usize) -> Option<(i32, usize)> {
    let minus = text.get(at) == Some(&b'-');
    let start = at + usize::from(minus || text.get(at) == Some(&b'+'));
    let (mut value, mut at) = (0, start);
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        if at - start == 3 {
            return None;
        }
        value = value * 10 + i32::from(digit - b'0');
        at += 1;
    }
    (at > start).then_some((if minus { -value } else { value }, at))
}

/// Appends elements, as long as they are ordinary decimals and a comma follows each. `bits` gives
/// the bits of an element of `size` bytes, or refuses it. Returns the number of elements, and the
/// bytes of text up to behind the last comma.
#[inline]
pub(crate) fn read_many(
    text: &[u8],
    size: usize,
    bits: impl Fn(&Decimal) -> Option<u64>,
    out: &mut Vec<u8>,
) -> (u64, usize) {
    let blanks = |mut at: usize| {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = text.get(at) {
            at += 1;
        }
        at
    };
    let (mut count, mut end) = (0, 0);
    loop {
        let start = blanks(end);
        let rest = text.get(start..).unwrap_or_default();
        let Some((len, value)) = Decimal::read(rest).and_then(|n| Some((n.len, bits(&n)?))) else {
            return (count, end);
        };
        let comma = blanks(start + len);
        if text.get(comma) != Some(&b',') {
            return (count, end);
        }
        push(out, value, size);
        (count, end) = (count + 1, comma + 1);
    }
}

/// Appends the `size` low bytes of `bits`.
#[inline]
pub(crate) fn push(out: &mut Vec<u8>, bits: u64, size: usize) {
    let bytes = bits.to_le_bytes();
    // Constant lengths spare a call each.
    match size {
        1 => out.push(bytes[0]),
        2 => out.extend_from_slice(&bytes[..2]),
        4 => out.extend_from_slice(&bytes[..4]),
        size => out.extend_from_slice(&bytes[..size.min(8)]),
    }
}

/// The bits of the decimal number `text` as `dtype`; `None` if it is no number or `dtype` no real
/// float type.
pub(crate) fn parse_float(text: &str, dtype: DType) -> Option<u64> {
    match dtype {
        DType::F64 => text.parse::<f64>().ok().map(f64::to_bits),
        DType::F32 => text.parse::<f32>().ok().map(|v| u64::from(v.to_bits())),
        narrow => {
            let format = Format::of(narrow)?;
            let wide = text.parse::<f64>().ok()?;
            Some(u64::from(encode_once(text, wide, format)))
        }
    }
}

/// Encodes `text`, whose nearest `f64` is `wide`, as if it had been rounded only once.
fn encode_once(text: &str, wide: f64, format: Format) -> u16 {
    let (below, above) = (wide.next_down(), wide.next_up());
    if wide == 0.0 || !wide.is_finite() || format.encode(below) == format.encode(above) {
        return format.encode(wide);
    }
    // `wide` is at or beside a tie, where the rounding to `f64` decides. Rounding to odd keeps on
    // which side of the tie the text is: ties end in an even digit.
    let other = match (compare(text, wide), wide > 0.0) {
        (Ordering::Equal, _) => return format.encode(wide),
        (Ordering::Greater, true) | (Ordering::Less, false) => above,
        (Ordering::Less, true) | (Ordering::Greater, false) => below,
    };
    format.encode(if wide.to_bits() & 1 == 1 { wide } else { other })
}

/// Orders the magnitude of the decimal `text` against `|value|`, exactly.
fn compare(text: &str, value: f64) -> Ordering {
    // 800 fractional digits hold every f64 exactly.
    let exact = format!("{:.800e}", value.abs());
    let (left, right) = (significant(text), significant(&exact));
    left.1.cmp(&right.1).then_with(|| left.0.cmp(&right.0))
}

/// Significant digits without zeros at either end, and the power of ten of the first.
fn significant(text: &str) -> (Vec<u8>, i64) {
    let text = text.trim_start_matches(['-', '+']);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    let zeros = all.iter().take_while(|&&d| d == b'0').count();
    let end = all.iter().rposition(|&d| d != b'0').map_or(zeros, |i| i + 1);
    let power = exponent + whole.len() as i64 - 1 - zeros as i64;
    (all[zeros..end].to_vec(), power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FLOATS: [DType; 4] = [DType::F32, DType::F64, DType::F16, DType::BF16];

    fn check(dtype: DType, cases: &[(&str, u64)]) {
        for (text, bits) in cases {
            assert_eq!(parse_float(text, dtype), Some(*bits), "{text} as {dtype}");
        }
    }

    #[test]
    fn small_formats_round_to_nearest_even() {
        check(
            DType::F16,
            &[
                ("1.0", 0x3c00),
                ("-2.0", 0xc000),
                ("65504.0", 0x7bff),
                ("65519.99", 0x7bff),
                ("65520.0", 0x7c00),
                ("5.9604644775390625e-8", 0x0001),
                ("2.98023223876953125e-8", 0x0000),
                ("2.9802322387695313e-8", 0x0001),
                ("1.0e300", 0x7c00),
                ("1.0e-300", 0),
                ("-0.0", 0x8000),
                ("6.103515625e-05", 0x0400),
                ("6.0975551605224609375e-05", 0x03ff),
            ],
        );
        check(
            DType::BF16,
            &[
                ("1.0", 0x3f80),
                ("3.14159274", 0x4049),
                ("3.4e38", 0x7f80),
                ("1.0e-45", 0),
                ("9.2e-41", 1),
            ],
        );
        check(DType::F8E4M3FN, &[("448.0", 0x7e), ("465.0", 0x7f), ("1.0", 0x38), ("-1.0", 0xb8)]);
        check(DType::F8E5M2, &[("57344.0", 0x7b), ("65536.0", 0x7c), ("1.0", 0x3c)]);
        check(DType::F8E4M3FNUZ, &[("240.0", 0x7f), ("-0.0", 0), ("1.0", 0x40), ("1.0e9", 0x80)]);
        check(DType::F4E2M1FN, &[("6.0", 7), ("100.0", 7), ("-0.5", 9), ("1.0", 2)]);
        check(DType::F8E8M0FNU, &[("1.0", 127), ("0.5", 126)]);
    }

    #[test]
    fn rounding_happens_once() {
        // A hair above the tie between 1 and the next f16; the nearest f64 is the tie itself.
        check(
            DType::F16,
            &[
                ("1.00048828125", 0x3c00),
                ("1.00048828125000000000001", 0x3c01),
                ("1.00146484375", 0x3c02),
                ("1.00146484374999999999999", 0x3c01),
                ("-1.00048828125000000000001", 0xbc01),
                ("-1.00146484374999999999999", 0xbc01),
            ],
        );
    }

    /// What [`Decimal`] makes of all of `text`, if anything.
    fn quick(text: &str, dtype: DType) -> Option<u64> {
        let number = Decimal::read(text.as_bytes())?;
        assert_eq!(number.len, text.len(), "{text}");
        number.float(dtype)
    }

    proptest! {
        #[test]
        fn ordinary_decimals_are_rounded_as_the_exact_parser_does(
            bits: u32, whole in 0u64..70_000, places: u64, precision in 1usize..18,
        ) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            let texts = [
                format!("{value:.precision$e}"),
                format!("{value:?}"),
                format!("{}", f64::from(value)),
                format!("{whole}.{places:0precision$}"),
                format!("-0.000{places}"),
            ];
            for (text, dtype) in texts.iter().flat_map(|text| FLOATS.map(|dtype| (text, dtype))) {
                if let Some(bits) = quick(text, dtype) {
                    prop_assert_eq!(Some(bits), parse_float(text, dtype), "{} as {}", text, dtype);
                }
            }
        }

        #[test]
        fn integers_are_read_as_the_standard_library_does(value: i64) {
            let text = format!("{value}, 5");
            let read = Decimal::read(text.as_bytes()).and_then(|number| number.integer());
            match value.unsigned_abs() < 10u64.pow(18) {
                true => prop_assert_eq!(read, Some(value)),
                false => prop_assert!(read.is_none_or(|read| read == value)),
            }
        }
    }

    #[test]
    fn integers_fit_their_type() {
        let bits = |text: &str, dtype, signless| {
            Decimal::read(text.as_bytes()).and_then(|number| number.bits(dtype, signless))
        };
        let all = |v: i64| Some(v as u64);
        assert_eq!(bits("-128", DType::I8, false), all(-128));
        assert_eq!(bits("-129", DType::I8, true), None);
        assert_eq!(
            [bits("127", DType::I8, false), bits("128", DType::I8, false)],
            [all(127), None]
        );
        assert_eq!([bits("255", DType::I8, true), bits("256", DType::I8, true)], [all(255), None]);
        assert_eq!([bits("255", DType::U8, false), bits("256", DType::U8, true)], [all(255), None]);
        assert_eq!([bits("-1", DType::U8, true), bits("-0", DType::U8, true)], [None, Some(0)]);
        assert_eq!(bits("9223372036854775807", DType::I64, false), all(i64::MAX));
        assert_eq!(bits("9223372036854775807", DType::U64, false), all(i64::MAX));
        assert_eq!([bits("1.0", DType::I32, true), bits("1e3", DType::I32, true)], [None; 2]);
    }

    #[test]
    fn ordinary_decimals_take_the_quick_way() {
        for text in ["0.412694544", "-1.64448321", "2.5e-3", "1.000000e+00", "-0.0", "3.", "17"] {
            for dtype in [DType::F32, DType::F64, DType::BF16] {
                assert_eq!(quick(text, dtype), parse_float(text, dtype), "{text} as {dtype}");
            }
        }
        assert_eq!(quick("0.4126", DType::F16), parse_float("0.4126", DType::F16));
        assert_eq!(quick("1e-05", DType::F32), Some(u64::from(1e-5f32.to_bits())));
    }

    #[test]
    fn ties_are_left_to_the_exact_parser() {
        // 2^24 + 1, between two f32 that are 2 apart.
        assert_eq!(quick("16777217", DType::F32), None);
        assert_eq!(quick("65520.0", DType::F16), None);
        // A subnormal, whose ties are elsewhere.
        assert_eq!(quick("2.98023223876953125e-8", DType::F16), None);
        assert_eq!(quick("1.00390625", DType::BF16), None);
    }

    #[test]
    fn what_is_no_ordinary_decimal_is_left() {
        let texts = [
            "",
            "-",
            "+1.0",
            ".5",
            "-.5",
            "nan",
            "inf",
            "0x7F80",
            "1.5f",
            "1..5",
            "1.5.",
            "1e",
            "1e+",
            "1e1000",
            "1-2",
            "1_000",
            "12345678901234567890",
            "0.12345678901234567890",
        ];
        for text in texts {
            assert_eq!(Decimal::read(text.as_bytes()), None, "{text}");
        }
        let length = |text: &str| Decimal::read(text.as_bytes()).map(|number| number.len);
        assert_eq!(length("-0 }"), Some(2));
        assert_eq!(length("0.412694544, "), Some(11));
        assert_eq!(length("1.5]"), Some(3));
    }

    #[test]
    fn elements_are_taken_up_to_the_first_unusual_one() {
        let read = |text: &'static str| {
            let mut out = Vec::new();
            let integer = |number: &Decimal| number.integer().map(|v| v as u64);
            let (count, len) = read_many(text.as_bytes(), 2, integer, &mut out);
            (count, &text[..len], out)
        };
        let bytes = [1, 0, 254, 255];
        assert_eq!(read("1 ,\n -2, x, 3"), (2, "1 ,\n -2,", bytes.into()));
        // What ends a list is not for this function.
        assert_eq!(read("1, -2, 3]"), (2, "1, -2,", bytes.into()));
        assert_eq!(read("1, -2, 3"), (2, "1, -2,", bytes.into()));
        assert_eq!(read("1, -2,"), (2, "1, -2,", bytes.into()));
        assert_eq!(read("1.5, 2"), (0, "", Vec::new()));
        assert_eq!(read(""), (0, "", Vec::new()));
    }

    #[test]
    fn eight_digits_at_once() {
        assert_eq!(eight_digits(b"12345678"), Some(12_345_678));
        assert_eq!(eight_digits(b"99999999"), Some(99_999_999));
        for text in [b"1234567.", b"/2345678", b":2345678", b"1234567e", b"1\xb0345678"] {
            assert_eq!(eight_digits(text), None);
        }
    }

    #[test]
    fn every_f16_reads_back() {
        let format = Format::of(DType::F16).unwrap();
        for bits in 0..0x7c00 {
            let value = format.decode(bits);
            assert_eq!(parse_float(&format!("{value:?}"), DType::F16), Some(u64::from(bits)));
        }
    }
}
