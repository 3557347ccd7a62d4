//! Decimal text to the bits of a float type, rounded once, to nearest with ties to even.

use std::cmp::Ordering;

use microhlo_format::DType;
use microhlo_format::float::Format;

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
    let (left, right) = (digits(text), digits(&exact));
    left.1.cmp(&right.1).then_with(|| left.0.cmp(&right.0))
}

/// Significant digits without zeros at either end, and the power of ten of the first.
fn digits(text: &str) -> (Vec<u8>, i64) {
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

    #[test]
    fn every_f16_reads_back() {
        let format = Format::of(DType::F16).unwrap();
        for bits in 0..0x7c00 {
            let value = format.decode(bits);
            assert_eq!(parse_float(&format!("{value:?}"), DType::F16), Some(u64::from(bits)));
        }
    }
}
