//! CHLO's scalar functions against values in 60 digits (`fixtures/special.py`).

use std::collections::BTreeMap;

use microhlo_format::complex::{C64, C128};
use microhlo_format::special as s;

const FIXTURE: &str = include_str!("fixtures/special.txt");

/// Units in the last place between two numbers of one width.
fn ulps(a: f64, b: f64, width: u32) -> u64 {
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    let place = |v: f64| match width {
        32 => {
            let bits = (v as f32).to_bits();
            let magnitude = i64::from(bits & 0x7fff_ffff);
            if bits >> 31 == 0 { magnitude } else { -magnitude }
        }
        _ => {
            let magnitude = (v.to_bits() & (u64::MAX >> 1)) as i64;
            if v.is_sign_negative() { -magnitude } else { magnitude }
        }
    };
    place(a).abs_diff(place(b))
}

fn unary(name: &str, width: u32, x: f64) -> Option<f64> {
    macro_rules! table {
        ($($name:ident: $narrow:ident, $wide:ident;)*) => {
            match (name, width) {
                $((stringify!($name), 32) => f64::from(s::$narrow(x as f32)),
                (stringify!($name), _) => s::$wide(x),)*
                _ => return None,
            }
        };
    }
    Some(table! {
        acos: acos_f32, acos_f64;
        acosh: acosh_f32, acosh_f64;
        asin: asin_f32, asin_f64;
        asinh: asinh_f32, asinh_f64;
        atan: atan_f32, atan_f64;
        atanh: atanh_f32, atanh_f64;
        bessel_i1e: bessel_i1e_f32, bessel_i1e_f64;
        cosh: cosh_f32, cosh_f64;
        digamma: digamma_f32, digamma_f64;
        erf: erf_f32, erf_f64;
        erf_inv: erf_inv_f32, erf_inv_f64;
        erfc: erfc_f32, erfc_f64;
        lgamma: lgamma_f32, lgamma_f64;
        sinh: sinh_f32, sinh_f64;
    })
}

fn binary(name: &str, width: u32, x: f64, y: f64) -> Option<f64> {
    Some(match (name, width) {
        ("polygamma", 32) => s::polygamma_f32(x as f32, y as f32).into(),
        ("polygamma", _) => s::polygamma_f64(x, y),
        ("zeta", 32) => s::zeta_f32(x as f32, y as f32).into(),
        ("zeta", _) => s::zeta_f64(x, y),
        _ => return None,
    })
}

fn complex(name: &str, width: u32, [re, im]: [f64; 2]) -> Option<[f64; 2]> {
    macro_rules! table {
        ($($name:literal: $narrow:ident, $wide:ident;)*) => {
            match (name, width) {
                $(($name, 32) => {
                    let z = s::$narrow(C64::new(re as f32, im as f32)).widen();
                    [z.re, z.im]
                }
                ($name, _) => {
                    let z = s::$wide(C128::new(re, im));
                    [z.re, z.im]
                })*
                _ => return None,
            }
        };
    }
    Some(table! {
        "complex_acos": acos_c64, acos_c128;
        "complex_acosh": acosh_c64, acosh_c128;
        "complex_asin": asin_c64, asin_c128;
        "complex_asinh": asinh_c64, asinh_c128;
        "complex_atan": atan_c64, atan_c128;
        "complex_atanh": atanh_c64, atanh_c128;
        "complex_cosh": cosh_c64, cosh_c128;
        "complex_sinh": sinh_c64, sinh_c128;
    })
}

fn numbers(text: &str, width: u32) -> Vec<f64> {
    let number = |word| {
        let bits = u64::from_str_radix(word, 16).unwrap();
        if width == 32 { f32::from_bits(bits as u32).into() } else { f64::from_bits(bits) }
    };
    text.split_whitespace().map(number).collect()
}

fn computed(name: &str, width: u32, arguments: &[f64]) -> Vec<f64> {
    match *arguments {
        [x] => unary(name, width, x).into_iter().collect(),
        [x, y] => match complex(name, width, [x, y]) {
            Some(z) => z.into(),
            None => binary(name, width, x, y).into_iter().collect(),
        },
        _ => Vec::new(),
    }
}

#[test]
fn functions_are_within_three_units_in_the_last_place() {
    let mut worst: BTreeMap<(String, u32), (u64, String)> = BTreeMap::new();
    for line in FIXTURE.lines() {
        let (left, right) = line.split_once(" -> ").unwrap();
        let mut words = left.splitn(3, ' ');
        let (name, width) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let arguments = numbers(words.next().unwrap(), width);
        let (actual, expected) = (computed(name, width, &arguments), numbers(right, width));
        assert_eq!(actual.len(), expected.len(), "{name}");
        for (&a, &e) in actual.iter().zip(&expected) {
            let distance = ulps(a, e, width);
            let entry = worst.entry((name.into(), width)).or_default();
            if distance >= entry.0 {
                *entry = (distance, format!("{arguments:?}: {a:e}, not {e:e}"));
            }
        }
    }
    assert_eq!(worst.len(), 48, "functions and widths");
    let text: Vec<String> =
        worst.iter().map(|((n, w), (d, t))| format!("{n} f{w}: {d} at {t}")).collect();
    // Those that compute what XLA computes have its error.
    let bound = |(name, width): &(String, u32)| match (name.as_str(), width) {
        ("erf_inv", _) => 8,
        ("sinh" | "cosh", 32) => 48,
        _ => 3,
    };
    assert!(worst.iter().all(|(of, (d, _))| *d <= bound(of)), "{}", text.join("\n"));
}

#[test]
fn poles_zeros_and_infinities() {
    let inf = f64::INFINITY;
    for pole in [0.0, -0.0, -1.0, -2.0, -1e300] {
        assert!(s::digamma_f64(pole).is_nan());
        assert_eq!(s::lgamma_f64(pole), inf);
        assert_eq!(s::zeta_f64(2.0, pole), inf);
        assert!(s::zeta_f64(3.0, pole).is_nan());
    }
    assert_eq!(s::digamma_f64(inf), inf);
    assert!(s::digamma_f64(-inf).is_nan());
    assert_eq!((s::erf_inv_f64(1.0), s::erf_inv_f64(-1.0)), (inf, -inf));
    assert_eq!((s::erf_inv_f32(1.0), s::erf_inv_f32(-1.0)), (f32::INFINITY, f32::NEG_INFINITY));
    assert!(s::erf_inv_f64(1.5).is_nan() && s::erf_inv_f32(-1.5).is_nan());
    assert_eq!((s::bessel_i1e_f64(inf), s::bessel_i1e_f64(0.0)), (0.0, 0.0));
    assert!([0.5, -2.0, -1e9, -inf].iter().all(|&x| s::acosh_f64(x).is_nan()));
    assert!([0.5, -2.0, -1e9].iter().all(|&x| s::acosh_f32(x).is_nan()));
    assert_eq!(
        (s::sinh_f32(-0.0).to_bits(), s::cosh_f32(f32::NEG_INFINITY)),
        (1 << 31, f32::INFINITY)
    );
    assert_eq!((s::zeta_f64(1.0, 2.0), s::zeta_f64(3.0, inf)), (inf, 0.0));
    assert_eq!(s::zeta_f64(2.0, 1e-310), inf);
    assert!(s::zeta_f64(0.5, 2.0).is_nan() && s::zeta_f64(2.5, -0.5).is_nan());
    assert!(s::polygamma_f64(-1.0, 2.0).is_nan() && s::polygamma_f64(1.5, 2.0).is_nan());
    assert_eq!(s::polygamma_f64(0.0, 3.0), s::digamma_f64(3.0));
}

#[test]
fn negative_arguments_by_recurrence() {
    // f(x) = f(x + 1) - 1 / x^.. from the tested positive range.
    let (x, third) = (-2.75, 0.25);
    let poles = [-2.75, -1.75, -0.75];
    let psi = poles.iter().fold(s::digamma_f64(third), |f, p| f - 1.0 / p);
    assert!((s::digamma_f64(x) - psi).abs() < 1e-14);
    for n in [2.0, 3.0] {
        let zeta: f64 = s::zeta_f64(n, third) + poles.map(|p: f64| p.powf(-n)).iter().sum::<f64>();
        assert!((s::zeta_f64(n, x) / zeta - 1.0).abs() < 1e-14, "{n}");
    }
}

#[test]
fn complex_branch_cuts_follow_the_sign_of_zero() {
    use std::f64::consts::{FRAC_PI_2, PI};
    let at = |f: fn(C128) -> C128, [re, im]: [f64; 2]| {
        let z = f(C128::new(re, im));
        [z.re, z.im]
    };
    assert_eq!(at(s::acos_c128, [2.0, 0.0])[0], 0.0);
    assert!(at(s::acos_c128, [2.0, 0.0])[1] < 0.0 && at(s::acos_c128, [2.0, -0.0])[1] > 0.0);
    assert_eq!(
        (at(s::acos_c128, [-2.0, 0.0])[0], at(s::asin_c128, [2.0, -0.0])[0]),
        (PI, FRAC_PI_2)
    );
    assert_eq!(at(s::acosh_c128, [-1e300, -1e-300]), [s::acosh_f64(1e300), -PI]);
    assert_eq!(at(s::acos_c128, [-1.0, 0.0])[0], PI);
    assert_eq!(at(s::acosh_c128, [1.0, 0.0]), [0.0, 0.0]);
    assert_eq!(at(s::atanh_c128, [2.0, 0.0])[1], FRAC_PI_2);
    assert_eq!(at(s::atanh_c128, [2.0, -0.0])[1], -FRAC_PI_2);
    assert_eq!(at(s::atanh_c128, [1.0, 0.0])[0], f64::INFINITY);
    assert_eq!(at(s::atan_c128, [f64::INFINITY, 1.0]), [FRAC_PI_2, 0.0]);
    assert_eq!(at(s::asinh_c128, [f64::NEG_INFINITY, 1.0]), [f64::NEG_INFINITY, 0.0]);
    assert!(at(s::asin_c128, [f64::NAN, 1.0]).iter().all(|v| v.is_nan()));
    assert_eq!(at(s::cosh_c128, [0.0, 0.0]), [1.0, 0.0]);
    assert!(at(s::sinh_c128, [709.9, 1.0]).iter().all(|v| v.is_finite()));
}
