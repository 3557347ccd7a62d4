//! Inverse and hyperbolic functions of complex numbers, in `f64`.
//!
//! Branch cuts and signs of zeros are those of C99, Annex G. `complex<f32>` is computed in `f64`
//! and rounded once.

use core::f64::consts::{FRAC_PI_2, LN_2, PI};

use crate::complex::{C64, C128};

/// Real and imaginary part.
type C = [f64; 2];

macro_rules! functions {
    ($($(#[$doc:meta])* $narrow:ident, $wide:ident = $function:ident;)*) => {$(
        $(#[$doc])*
        pub fn $narrow(z: C64) -> C64 {
            $wide(z.widen()).narrow()
        }

        $(#[$doc])*
        pub fn $wide(z: C128) -> C128 {
            let [re, im] = $function([z.re, z.im]);
            C128::new(re, im)
        }
    )*};
}

functions! {
    /// Inverse cosine.
    acos_c64, acos_c128 = acos;
    /// Inverse hyperbolic cosine with a real part of at least 0.
    acosh_c64, acosh_c128 = acosh;
    /// Inverse sine.
    asin_c64, asin_c128 = asin;
    /// Inverse hyperbolic sine.
    asinh_c64, asinh_c128 = asinh;
    /// Inverse tangent.
    atan_c64, atan_c128 = atan;
    /// Inverse hyperbolic tangent.
    atanh_c64, atanh_c128 = atanh;
    /// Hyperbolic cosine.
    cosh_c64, cosh_c128 = cosh;
    /// Hyperbolic sine.
    sinh_c64, sinh_c128 = sinh;
    /// Product with itself.
    square_c64, square_c128 = square;
}

/// Squares of numbers up to here, and sums of a few of them, are finite.
const LARGE: f64 = 1e153;
/// Squares of numbers from here on are normal.
const SMALL: f64 = 6e-154;

fn asin([re, im]: C) -> C {
    let w = inverse(libm::fabs(re), libm::fabs(im));
    [libm::copysign(w.asin, re), libm::copysign(w.log, im)]
}

fn acos([re, im]: C) -> C {
    let w = inverse(libm::fabs(re), libm::fabs(im));
    let angle = if re.is_sign_negative() { PI - w.acos } else { w.acos };
    [angle, libm::copysign(w.log, if im.is_sign_negative() { 1.0 } else { -1.0 })]
}

/// Inverse hyperbolic sine: `asinh(z) = -i asin(i z)`.
fn asinh([re, im]: C) -> C {
    let w = inverse(libm::fabs(im), libm::fabs(re));
    [libm::copysign(w.log, re), libm::copysign(w.asin, im)]
}

fn acosh(z: C) -> C {
    let [angle, log] = acos(z);
    [libm::fabs(log), libm::copysign(angle, z[1])]
}

/// Inverse tangent: `atan(z) = -i atanh(i z)`.
fn atan([re, im]: C) -> C {
    let [log, angle] = inverse_tanh(libm::fabs(im), libm::fabs(re));
    [libm::copysign(angle, re), libm::copysign(log, im)]
}

/// Inverse hyperbolic tangent.
fn atanh([re, im]: C) -> C {
    let [log, angle] = inverse_tanh(libm::fabs(re), libm::fabs(im));
    [libm::copysign(log, re), libm::copysign(angle, im)]
}

/// Hyperbolic sine: `sinh(x) cos(y) + i cosh(x) sin(y)`.
fn sinh([re, im]: C) -> C {
    let (s, c) = (libm::sin(im), libm::cos(im));
    if im == 0.0 {
        return [libm::sinh(re), im];
    }
    if libm::fabs(re) > 700.0 && re.is_finite() {
        let half = libm::exp(libm::fabs(re) / 2.0);
        return [libm::copysign(half / 2.0, re) * c * half, half / 2.0 * s * half];
    }
    [libm::sinh(re) * c, libm::cosh(re) * s]
}

/// Hyperbolic cosine: `cosh(x) cos(y) + i sinh(x) sin(y)`.
fn cosh([re, im]: C) -> C {
    let (s, c) = (libm::sin(im), libm::cos(im));
    if im == 0.0 {
        return [libm::cosh(re), libm::copysign(0.0, re) * im];
    }
    if libm::fabs(re) > 700.0 && re.is_finite() {
        let half = libm::exp(libm::fabs(re) / 2.0);
        return [half / 2.0 * c * half, libm::copysign(half / 2.0, re) * s * half];
    }
    [libm::cosh(re) * c, libm::sinh(re) * s]
}

/// Product with itself: `(x - y) (x + y) + 2 i x y`.
fn square([re, im]: C) -> C {
    // With equal parts the sum may overflow where the product is 0.
    let equal = re.is_finite() && libm::fabs(re) == libm::fabs(im);
    [if equal { 0.0 } else { (re - im) * (re + im) }, 2.0 * (re * im)]
}

/// Parts of the inverse functions of a number in the first quadrant.
struct Inverse {
    /// Real part of the inverse sine.
    asin: f64,
    /// Real part of the inverse cosine.
    acos: f64,
    /// Imaginary part of the inverse sine, minus that of the inverse cosine.
    log: f64,
}

/// T. E. Hull, T. F. Fairgrieve, P. T. P. Tang, "Implementing the complex arcsine and arccosine
/// functions using exception handling", ACM TOMS 23 (1997): `x` and `y` are the absolute values of
/// the real and the imaginary part.
fn inverse(x: f64, y: f64) -> Inverse {
    if !x.is_finite() || !y.is_finite() {
        return inverse_of_special(x, y);
    }
    let range = SMALL..=LARGE;
    if !(range.contains(&y) && x <= LARGE) {
        return inverse_of_extreme(x, y);
    }
    let (r, s) = (libm::hypot(x + 1.0, y), libm::hypot(x - 1.0, y));
    let a = 0.5 * (r + s);
    let b = x / a;
    let (asin, acos) = if b <= 0.6417 {
        (libm::asin(b), libm::acos(b))
    } else {
        // The other leg of the triangle with hypotenuse `a`.
        let apx = a + x;
        let leg = if x <= 1.0 {
            libm::sqrt(0.5 * apx * (y * y / (r + (x + 1.0)) + (s + (1.0 - x))))
        } else {
            y * libm::sqrt(0.5 * (apx / (r + (x + 1.0)) + apx / (s + (x - 1.0))))
        };
        (libm::atan2(x, leg), libm::atan2(leg, x))
    };
    let log = if a <= 1.5 {
        let am1 = if x < 1.0 {
            0.5 * (y * y / (r + (x + 1.0)) + y * y / (s + (1.0 - x)))
        } else {
            0.5 * (y * y / (r + (x + 1.0)) + (s + (x - 1.0)))
        };
        libm::log1p(am1 + libm::sqrt(am1 * (a + 1.0)))
    } else {
        libm::log(a + libm::sqrt(a * a - 1.0))
    };
    Inverse { asin, acos, log }
}

/// [`inverse`] where squares overflow or underflow; Table of the paper's exceptional cases.
fn inverse_of_extreme(x: f64, y: f64) -> Inverse {
    let xm1 = x - 1.0;
    if y <= f64::EPSILON * libm::fabs(xm1) && x < 1.0 {
        let leg = libm::sqrt((1.0 - x) * (1.0 + x));
        return Inverse { asin: libm::asin(x), acos: libm::acos(x), log: y / leg };
    }
    if x > 1.0 && y <= f64::EPSILON * xm1 {
        let large = x > LARGE;
        let leg = if large { x } else { libm::sqrt(xm1 * (x + 1.0)) };
        let log = if large { LN_2 + libm::log(x) } else { libm::log1p(xm1 + leg) };
        return Inverse { asin: FRAC_PI_2, acos: y / leg, log };
    }
    if y < SMALL {
        let root = libm::sqrt(y);
        return Inverse { asin: FRAC_PI_2 - root, acos: root, log: root };
    }
    // Both are far above 1 or `y` alone is: the logarithm of 2 |z|.
    let ratio = if x < y { x / y } else { y / x };
    let log = LN_2 + libm::log(if x < y { y } else { x }) + 0.5 * libm::log1p(ratio * ratio);
    Inverse { asin: libm::atan2(x, y), acos: libm::atan2(y, x), log }
}

/// [`inverse`] with an infinity or NaN.
fn inverse_of_special(x: f64, y: f64) -> Inverse {
    let infinite = x == f64::INFINITY || y == f64::INFINITY;
    let log = if infinite { f64::INFINITY } else { f64::NAN };
    if x.is_nan() || y.is_nan() {
        // Zero is the only real part whose angle is known whatever the imaginary part.
        let known = x == 0.0;
        let asin = if known { 0.0 } else { f64::NAN };
        let acos = if known { FRAC_PI_2 } else { f64::NAN };
        return Inverse { asin, acos, log };
    }
    Inverse { asin: libm::atan2(x, y), acos: libm::atan2(y, x), log }
}

/// Inverse hyperbolic tangent of a number in the first quadrant:
/// `log1p(4 x / ((1 - x)^2 + y^2)) / 4 + i atan2(2 y, (1 - x) (1 + x) - y^2) / 2`
/// (W. Kahan, "Branch cuts for complex elementary functions", 1987).
fn inverse_tanh(x: f64, y: f64) -> C {
    if x.is_nan() || y.is_nan() {
        let log = if x == 0.0 || y == f64::INFINITY { 0.0 } else { f64::NAN };
        let angle = if x == f64::INFINITY { FRAC_PI_2 } else { f64::NAN };
        return [if x == f64::INFINITY { 0.0 } else { log }, angle];
    }
    if x > LARGE || y > LARGE {
        // x / |z|^2 without the square.
        let h = libm::hypot(x / 2.0, y / 2.0);
        let log = if h == f64::INFINITY { 0.0 } else { x / h / h / 4.0 };
        return [log, FRAC_PI_2];
    }
    let square = if y < SMALL { 0.0 } else { y * y };
    let xm1 = 1.0 - x;
    let log = if xm1 == 0.0 && y < 1e-8 {
        // log(4 / y^2) / 4
        if y == 0.0 { f64::INFINITY } else { 0.5 * (LN_2 - libm::log(y)) }
    } else {
        0.25 * libm::log1p(4.0 * x / (xm1 * xm1 + square))
    };
    let angle = 0.5 * libm::atan2(2.0 * y, xm1 * (1.0 + x) - square);
    [log, angle]
}
