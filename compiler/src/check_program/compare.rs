//! How expectations compare: the rules of the reference interpreter's `check` operations.
//!
//! Stated in StableHLO's `CheckOps` and `StablehloTranslateMain`, summarised with the operations
//! in [`crate::ops::check`].

use microhlo_format::DType;

use crate::eval::{Element, Tensor};

/// When two elements agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Equal as numbers: "not a number" equals nothing, the two zeros are equal.
    Equal,
    /// At most this far apart; equal infinities agree, and "not a number" with itself.
    Within(f64),
    /// A distance in units in the last place within these bounds.
    Ulps {
        /// Least distance.
        min: u64,
        /// Greatest distance.
        max: u64,
    },
    /// Integers equal, floats at most `1e-4` apart: what programs that compute with quantised
    /// types check.
    EqualOrClose,
}

/// The first element that does not agree, and how many do not.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// Row-major position.
    pub position: usize,
    /// The computed element.
    pub actual: Element,
    /// The expected element.
    pub expected: Element,
    /// Number of elements that do not agree.
    pub count: usize,
}

/// Compares computed bytes with the expected value; both have the same type.
pub fn compare(rule: Rule, actual: &[u8], expected: &Tensor) -> Option<Disagreement> {
    let dtype = expected.dtype();
    let size = dtype.size();
    let mut first: Option<Disagreement> = None;
    let pairs = actual.chunks_exact(size).zip(expected.bytes().chunks_exact(size));
    for (position, (a, e)) in pairs.enumerate() {
        if agrees(rule, dtype, a, e) {
            continue;
        }
        match &mut first {
            Some(found) => found.count += 1,
            None => {
                let (actual, expected) = (Element::decode(dtype, a), Element::decode(dtype, e));
                first = Some(Disagreement { position, actual, expected, count: 1 });
            }
        }
    }
    first
}

fn agrees(rule: Rule, dtype: DType, a: &[u8], e: &[u8]) -> bool {
    let (x, y) = (Element::decode(dtype, a), Element::decode(dtype, e));
    match rule {
        Rule::Equal => x == y,
        Rule::Within(tolerance) => within(x, y, tolerance),
        Rule::EqualOrClose => match dtype.is_float() || dtype.is_complex() {
            true => within(x, y, 1e-4),
            false => x == y,
        },
        Rule::Ulps { min, max } => {
            let distance = ulps(dtype, a, e);
            (min..=max).contains(&distance)
        }
    }
}

fn within(a: Element, e: Element, tolerance: f64) -> bool {
    let close = |a: f64, e: f64| a == e || (a.is_nan() && e.is_nan()) || (a - e).abs() <= tolerance;
    match (a, e) {
        (Element::Float(a), Element::Float(e)) => close(a, e),
        (Element::Complex(a, b), Element::Complex(e, f)) => close(a, e) && close(b, f),
        _ => a == e,
    }
}

/// Distance in units in the last place; the larger one of a complex number's two parts. Integers
/// are 0 or infinitely far apart.
fn ulps(dtype: DType, a: &[u8], e: &[u8]) -> u64 {
    let part = match dtype {
        DType::C64 => DType::F32,
        DType::C128 => DType::F64,
        d if d.is_float() => d,
        _ => return if a == e { 0 } else { u64::MAX },
    };
    let parts = a.chunks_exact(part.size()).zip(e.chunks_exact(part.size()));
    parts.map(|(a, e)| float_ulps(part, a, e)).max().unwrap_or(0)
}

fn float_ulps(dtype: DType, a: &[u8], e: &[u8]) -> u64 {
    if a == e {
        return 0;
    }
    let (Element::Float(x), Element::Float(y)) =
        (Element::decode(dtype, a), Element::decode(dtype, e))
    else {
        return u64::MAX;
    };
    if x.is_nan() && y.is_nan() {
        return 0;
    }
    if !x.is_finite() || !y.is_finite() {
        return u64::MAX;
    }
    let sign = if dtype == DType::F8E8M0FNU { 0 } else { 1u64 << (dtype.bits() - 1) };
    let (a, e) = (bits(a), bits(e));
    let (m, n) = (a & !sign, e & !sign);
    match a & sign == e & sign {
        true => m.abs_diff(n),
        false => m.saturating_add(n),
    }
}

fn bits(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;

    fn f32s(values: &[f32]) -> Tensor {
        Tensor::f32s(&[values.len() as u64], values).unwrap()
    }

    fn agree(rule: Rule, a: f32, e: f32) -> bool {
        compare(rule, f32s(&[a]).bytes(), &f32s(&[e])).is_none()
    }

    #[test]
    fn equal_is_equality_of_numbers() {
        assert!(agree(Rule::Equal, -0.0, 0.0));
        assert!(!agree(Rule::Equal, f32::NAN, f32::NAN));
        assert!(!agree(Rule::Equal, 1.0, 1.0f32.next_up()));
    }

    #[test]
    fn ulps_count_representable_numbers() {
        let rule = |max| Rule::Ulps { min: 0, max };
        assert!(agree(rule(3), 1.0, f32::from_bits(1.0f32.to_bits() + 3)));
        assert!(!agree(rule(3), 1.0, f32::from_bits(1.0f32.to_bits() + 4)));
        assert!(agree(rule(0), -0.0, 0.0));
        assert!(agree(rule(2), f32::from_bits(1), -f32::from_bits(1)));
        assert!(!agree(rule(1), f32::from_bits(1), -f32::from_bits(1)));
        assert!(agree(rule(0), f32::NAN, -f32::NAN));
        assert!(!agree(rule(1000), f32::MAX, f32::INFINITY));
        assert!(agree(rule(0), f32::INFINITY, f32::INFINITY));
        assert!(!agree(Rule::Ulps { min: 1, max: 3 }, 1.0, 1.0));
    }

    #[test]
    fn ulps_are_those_of_the_element_type() {
        let ty = TensorType::fixed(&[1], DType::BF16);
        let one = Tensor::from_bytes(&ty, vec![0x80, 0x3f]).unwrap();
        let rule = |max| Rule::Ulps { min: 0, max };
        assert!(compare(rule(1), &[0x81, 0x3f], &one).is_none());
        let found = compare(rule(1), &[0x82, 0x3f], &one).unwrap();
        assert_eq!((found.position, found.count), (0, 1));
    }

    #[test]
    fn closeness_is_absolute() {
        assert!(agree(Rule::Within(1e-3), 1.0, 1.0005));
        assert!(!agree(Rule::Within(1e-3), 1000.0, 1000.5));
        assert!(agree(Rule::Within(1e-3), f32::INFINITY, f32::INFINITY));
        assert!(!agree(Rule::Within(1e-3), f32::INFINITY, f32::NEG_INFINITY));
        assert!(agree(Rule::Within(1e-3), f32::NAN, f32::NAN));
        assert!(!agree(Rule::Within(1e-3), f32::NAN, 0.0));
    }
}
