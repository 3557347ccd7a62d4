//! Comparing outputs with expected values within a tolerance.

use microhlo_format::DType;

use crate::eval::Element;

/// How far a float may be off: `|actual - expected| <= atol + rtol * |expected|`. Integers and
/// booleans must be equal whatever the tolerance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Absolute part.
    pub atol: f64,
    /// Part relative to the expected value.
    pub rtol: f64,
}

/// The differences between values and their expectations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Elements compared.
    pub elements: usize,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Largest difference relative to the expected value, where that is not zero.
    pub max_rel: f64,
    /// Elements beyond the tolerance.
    pub beyond: usize,
    /// The first of them.
    pub first: Option<Mismatch>,
}

/// An element beyond the tolerance.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The case.
    pub case: usize,
    /// Row-major position within the case.
    pub position: usize,
    /// The computed value as text.
    pub actual: String,
    /// The expected value as text.
    pub expected: String,
}

impl Difference {
    /// Takes in the elements of one case. Both slices hold as many elements of type `dtype`.
    pub fn add(
        &mut self,
        case: usize,
        dtype: DType,
        actual: &[u8],
        expected: &[u8],
        tolerance: Tolerance,
    ) {
        let size = dtype.size();
        let pairs = actual.chunks_exact(size).zip(expected.chunks_exact(size));
        for (position, (a, e)) in pairs.enumerate() {
            self.elements += 1;
            if a == e {
                continue;
            }
            let (a, e) = (Element::decode(dtype, a), Element::decode(dtype, e));
            let (difference, magnitude) = distance(a, e);
            self.max_abs = larger(self.max_abs, difference);
            if magnitude > 0.0 {
                self.max_rel = larger(self.max_rel, difference / magnitude);
            }
            let allowed = match dtype.is_float() || dtype.is_complex() {
                true => tolerance.atol + tolerance.rtol * magnitude,
                false => 0.0,
            };
            if difference <= allowed {
                continue;
            }
            self.beyond += 1;
            self.first.get_or_insert_with(|| Mismatch {
                case,
                position,
                actual: show(dtype, a),
                expected: show(dtype, e),
            });
        }
    }
}

/// The larger of two, where "not a number" counts as infinitely large.
fn larger(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::INFINITY } else { a.max(b) }
}

/// The distance of two values and the magnitude of the second one, which is 0 where it is not
/// finite: no tolerance is relative to infinity.
fn distance(a: Element, e: Element) -> (f64, f64) {
    let (difference, magnitude) = raw_distance(a, e);
    (difference, if magnitude.is_finite() { magnitude } else { 0.0 })
}

fn raw_distance(a: Element, e: Element) -> (f64, f64) {
    match (a, e) {
        (Element::Float(a), Element::Float(e)) => (float_distance(a, e), e.abs()),
        (Element::Complex(a, b), Element::Complex(e, f)) => {
            (float_distance(a, e).max(float_distance(b, f)), e.hypot(f))
        }
        _ => match (a.as_int(), e.as_int()) {
            (Some(a), Some(e)) => ((a - e).unsigned_abs() as f64, e.unsigned_abs() as f64),
            _ => (f64::INFINITY, 0.0),
        },
    }
}

fn float_distance(a: f64, e: f64) -> f64 {
    if a == e || (a.is_nan() && e.is_nan()) {
        return 0.0;
    }
    let difference = (a - e).abs();
    if difference.is_nan() { f64::INFINITY } else { difference }
}

/// An element as text, floats with as many digits as their type tells apart.
pub fn show(dtype: DType, element: Element) -> String {
    match element {
        Element::Float(x) if dtype.size() <= 4 => format!("{:?}", x as f32),
        Element::Complex(re, im) if dtype == DType::C64 => {
            format!("({:?}, {:?})", re as f32, im as f32)
        }
        Element::Bool(b) => b.to_string(),
        Element::Int(i) => i.to_string(),
        Element::Float(x) => format!("{x:?}"),
        Element::Complex(re, im) => format!("({re:?}, {im:?})"),
    }
}

/// Index of the largest of the elements, the first of equal ones. "Not a number" is never it.
pub fn argmax(dtype: DType, bytes: &[u8]) -> Option<usize> {
    let value = |bytes: &[u8]| match Element::decode(dtype, bytes) {
        Element::Float(x) => Some(x),
        Element::Complex(..) => None,
        other => other.as_int().map(|i| i as f64),
    };
    let mut best: Option<(usize, f64)> = None;
    for (i, bytes) in bytes.chunks_exact(dtype.size()).enumerate() {
        let x = value(bytes)?;
        if best.is_none_or(|(_, b)| x > b) && !x.is_nan() {
            best = Some((i, x));
        }
    }
    best.map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn compare(dtype: DType, a: &[u8], e: &[u8], atol: f64, rtol: f64) -> Difference {
        let mut difference = Difference::default();
        difference.add(0, dtype, a, e, Tolerance { atol, rtol });
        difference
    }

    #[test]
    fn floats_have_a_tolerance() {
        let (a, e) = (f32s(&[1.0, 2.25, -0.0]), f32s(&[1.0, 2.0, 0.0]));
        let d = compare(DType::F32, &a, &e, 0.25, 0.0);
        assert_eq!((d.max_abs, d.max_rel, d.beyond), (0.25, 0.125, 0));
        let d = compare(DType::F32, &a, &e, 0.2, 0.0);
        assert_eq!(d.first.map(|m| (m.case, m.position)), Some((0, 1)));
        assert_eq!(compare(DType::F32, &a, &e, 0.0, 0.125).beyond, 0);
    }

    #[test]
    fn not_a_number_equals_itself_only() {
        let (nan, one) = (f32s(&[f32::NAN]), f32s(&[1.0]));
        let other_nan = f32s(&[f32::from_bits(0xffc0_0001)]);
        assert_eq!(compare(DType::F32, &nan, &other_nan, 0.0, 0.0).beyond, 0);
        assert_eq!(compare(DType::F32, &nan, &one, 1e9, 1e9).beyond, 1);
        assert_eq!(compare(DType::F32, &one, &nan, 1e9, 1e9).max_abs, f64::INFINITY);
        let inf = f32s(&[f32::INFINITY]);
        assert_eq!(compare(DType::F32, &one, &inf, 1e9, 1e9).beyond, 1);
        assert_eq!(compare(DType::F32, &inf, &one, 1e9, 0.0).beyond, 1);
        assert_eq!(compare(DType::F32, &inf, &f32s(&[f32::NEG_INFINITY]), 1e9, 0.0).beyond, 1);
    }

    #[test]
    fn integers_are_exact() {
        let d = compare(DType::I8, &[1, 0xff], &[1, 0], 5.0, 5.0);
        assert_eq!((d.beyond, d.max_abs), (1, 1.0));
        assert_eq!(d.first.map(|m| m.actual), Some("-1".to_owned()));
    }

    #[test]
    fn argmax_is_the_first_largest() {
        assert_eq!(argmax(DType::F32, &f32s(&[f32::NAN, 1.0, 3.0, 3.0])), Some(2));
        assert_eq!(argmax(DType::I8, &[0x80, 0xff, 0xfe]), Some(1));
        assert_eq!(argmax(DType::I8, &[]), None);
    }
}
