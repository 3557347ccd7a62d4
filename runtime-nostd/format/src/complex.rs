//! Scalar functions of complex numbers, the same ones for the host's evaluator and the device's
//! kernels.
//!
//! `complex<f32>` functions compute in `f64` and round once per part, `complex<f64>` functions in
//! `Dd` where parts cancel, so that both parts are within 3 ULP. Sums, differences and products
//! are the plain formulas in the element's own precision. Special values follow Annex G of C11.

use crate::dd::{Dd, Real, exponent, scale, two_product, two_sum};

/// A complex number, in memory as an element is: real part first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Complex<T> {
    /// Real part.
    pub re: T,
    /// Imaginary part.
    pub im: T,
}

/// `complex<f32>`.
pub type C64 = Complex<f32>;
/// `complex<f64>`.
pub type C128 = Complex<f64>;

impl<T> Complex<T> {
    /// The number with these parts.
    pub const fn new(re: T, im: T) -> Complex<T> {
        Complex { re, im }
    }
}

impl C64 {
    /// The same number; exact.
    pub fn widen(self) -> C128 {
        C128::new(f64::from(self.re), f64::from(self.im))
    }
}

impl C128 {
    /// Each part rounded to nearest even.
    pub fn narrow(self) -> C64 {
        C64::new(self.re as f32, self.im as f32)
    }
}

macro_rules! arithmetic {
    ($t:ident: $add:ident, $sub:ident, $mul:ident, $neg:ident, $multiply_add:ident, $max:ident,
     $min:ident) => {
        /// Sum.
        #[inline]
        pub fn $add(a: $t, b: $t) -> $t {
            $t::new(a.re + b.re, a.im + b.im)
        }

        /// Difference.
        #[inline]
        pub fn $sub(a: $t, b: $t) -> $t {
            $t::new(a.re - b.re, a.im - b.im)
        }

        /// Product: each product and each sum of the formula is rounded.
        #[inline]
        pub fn $mul(a: $t, b: $t) -> $t {
            $t::new(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)
        }

        /// Negation of both parts.
        #[inline]
        pub fn $neg(z: $t) -> $t {
            $t::new(-z.re, -z.im)
        }

        /// `c + a * b`, each operation rounded.
        #[inline]
        pub fn $multiply_add(a: $t, b: $t, c: $t) -> $t {
            $add(c, $mul(a, b))
        }

        /// The lexicographically greater of (real, imaginary); `b` if they are not ordered.
        #[inline]
        pub fn $max(a: $t, b: $t) -> $t {
            if (a.re, a.im) >= (b.re, b.im) { a } else { b }
        }

        /// The lexicographically smaller of (real, imaginary); `b` if they are not ordered.
        #[inline]
        pub fn $min(a: $t, b: $t) -> $t {
            if (a.re, a.im) <= (b.re, b.im) { a } else { b }
        }
    };
}

arithmetic! { C64: add_c64, sub_c64, mul_c64, neg_c64, multiply_add_c64, max_c64, min_c64 }
arithmetic! { C128: add_c128, sub_c128, mul_c128, neg_c128, multiply_add_c128, max_c128, min_c128 }

/// The two widths of each function, from one definition over the precision of its intermediate
/// results.
macro_rules! functions {
    ($($(#[$doc:meta])* $narrow:ident, $wide:ident = $function:ident($($arg:ident),*);)*) => {$(
        $(#[$doc])*
        pub fn $narrow($($arg: C64),*) -> C64 {
            $function::<f64>($($arg.widen()),*).narrow()
        }

        $(#[$doc])*
        pub fn $wide($($arg: C128),*) -> C128 {
            $function::<Dd>($($arg),*)
        }
    )*};
}

functions! {
    /// `-i log((x + i y) / sqrt(x^2 + y^2))`.
    atan2_c64, atan2_c128 = atan2(y, x);
    /// Principal cube root.
    cbrt_c64, cbrt_c128 = cbrt(z);
    /// Cosine.
    cos_c64, cos_c128 = cos(z);
    /// Quotient; of a number and zero, infinite as Annex G of C11 says.
    div_c64, div_c128 = div(a, b);
    /// `e` to the power `z`.
    exp_c64, exp_c128 = exp(z);
    /// `exp(z) - 1` without cancellation.
    expm1_c64, expm1_c128 = expm1(z);
    /// Natural logarithm, with the cut along the negative real numbers.
    log_c64, log_c128 = log(z);
    /// `log(1 + z)` without cancellation.
    log1p_c64, log1p_c128 = log1p(z);
    /// `1 / (1 + exp(-z))`.
    logistic_c64, logistic_c128 = logistic(z);
    /// `a` to the power `b`: 1 for an exponent of zero, else `exp(b log(a))`.
    pow_c64, pow_c128 = pow(a, b);
    /// `1 / sqrt(z)`.
    rsqrt_c64, rsqrt_c128 = rsqrt(z);
    /// `z / |z|`, and zero for zero.
    sign_c64, sign_c128 = sign(z);
    /// Sine.
    sin_c64, sin_c128 = sin(z);
    /// Square root with a real part that is not negative.
    sqrt_c64, sqrt_c128 = sqrt(z);
    /// Tangent.
    tan_c64, tan_c128 = tan(z);
    /// Hyperbolic tangent.
    tanh_c64, tanh_c128 = tanh(z);
}

/// Magnitude.
pub fn abs_c64(z: C64) -> f32 {
    libm::hypot(f64::from(z.re), f64::from(z.im)) as f32
}

/// Magnitude.
pub fn abs_c128(z: C128) -> f64 {
    libm::hypot(z.re, z.im)
}

fn is_finite(z: C128) -> bool {
    z.re.is_finite() && z.im.is_finite()
}

fn is_zero(z: C128) -> bool {
    z.re == 0.0 && z.im == 0.0
}

/// The part of greater magnitude.
fn largest(z: C128) -> f64 {
    libm::fmax(libm::fabs(z.re), libm::fabs(z.im))
}

/// `m * factor * 2^k`, also where `m` is infinite and the factor zero.
fn scaled((m, k): (f64, i32), factor: f64) -> f64 {
    if factor == 0.0 && !m.is_nan() { factor } else { scale(m * factor, k) }
}

/// Half the exponent of the power of two that brings a finite number other than zero near 1.
fn half_exponent(z: C128) -> i32 {
    let e = exponent(largest(z));
    // Subnormal numbers come up to the normal ones.
    let e = if e == -1023 { exponent(largest(times(z, 60))) - 60 } else { e };
    e >> 1
}

/// `z * 2^k`.
fn times(z: C128, k: i32) -> C128 {
    C128::new(scale(z.re, k), scale(z.im, k))
}

/// `|z|^2` of a number near 1.
fn norm<R: Real>(z: C128) -> R {
    R::product(z.re, z.re) + R::product(z.im, z.im)
}

fn exp<R: Real>(z: C128) -> C128 {
    if z.im == 0.0 {
        return C128::new(libm::exp(z.re), z.im);
    }
    let m = R::new(z.re).exp();
    let (sin, cos) = libm::sincos(z.im);
    C128::new(scaled(m, cos), scaled(m, sin))
}

fn expm1<R: Real>(z: C128) -> C128 {
    if z.im == 0.0 {
        return C128::new(libm::expm1(z.re), z.im);
    }
    let near = libm::fabs(z.re) < 700.0 && z.im.is_finite();
    let power = exp::<R>(z);
    if !near {
        return C128::new(power.re - 1.0, power.im);
    }
    // exp(x) cos(y) - 1 = expm1(x) cos(y) - 2 sin(y/2)^2
    let (half, _) = R::new(z.im / 2.0).sin_cos();
    let (_, cos) = R::new(z.im).sin_cos();
    let re = R::expm1(z.re) * cos - R::new(2.0) * half * half;
    C128::new(re.round(), power.im)
}

/// `log |z|`.
fn log_abs(z: C128) -> f64 {
    let k = 2 * half_exponent(z);
    if (-400..400).contains(&k) {
        let (a, b) = (two_product(z.re, z.re), two_product(z.im, z.im));
        let (a, b) = if a.hi >= b.hi { (a, b) } else { (b, a) };
        if a.hi > 0.2 && a.hi < 4.0 {
            // |z|^2 - 1, added up from the largest terms.
            let rest = two_sum(a.hi, -1.0) + Dd::new(b.hi) + Dd::new(a.lo) + Dd::new(b.lo);
            if rest.hi > -0.6 {
                return 0.5 * (libm::log1p(rest.hi) + rest.lo / (1.0 + rest.hi));
            }
        }
        let square = a + b;
        return 0.5 * (libm::log(square.hi) + square.lo / square.hi);
    }
    let near = times(z, -k);
    libm::log(libm::hypot(near.re, near.im)) + f64::from(k) * core::f64::consts::LN_2
}

fn log<R: Real>(z: C128) -> C128 {
    let angle = libm::atan2(z.im, z.re);
    if !is_finite(z) || is_zero(z) {
        return C128::new(libm::log(libm::hypot(z.re, z.im)), angle);
    }
    C128::new(log_abs(z), angle)
}

fn log1p<R: Real>(z: C128) -> C128 {
    let more = C128::new(1.0 + z.re, z.im);
    let far = !is_finite(z) || largest(z) > 1e150 || z.re < -0.5;
    if far {
        return log::<R>(more);
    }
    // |1 + z|^2 - 1 = 2 x + x^2 + y^2
    let (a, b) = (two_product(z.re, z.re), two_product(z.im, z.im));
    let rest = two_sum(2.0 * z.re, b.hi) + Dd::new(a.hi) + Dd::new(b.lo) + Dd::new(a.lo);
    if rest.hi <= -0.6 {
        return log::<R>(more);
    }
    let re = 0.5 * (libm::log1p(rest.hi) + rest.lo / (1.0 + rest.hi));
    C128::new(re, libm::atan2(z.im, more.re))
}

/// Magnitudes of the greater and of the smaller part of the root of a finite number other than
/// zero, the greater being the real part unless `z.re` is negative; `|z| 2^-2k`, and `k`.
fn root(z: C128) -> (f64, f64, f64, i32) {
    let k = half_exponent(z);
    let near = times(z, -2 * k);
    let size: Dd = norm::<Dd>(near).sqrt();
    let half = size + Dd::new(libm::fabs(near.re));
    let a = Dd { hi: half.hi * 0.5, lo: half.lo * 0.5 }.sqrt().round();
    let a = scale(a, k);
    (a, libm::fabs(z.im) / (2.0 * a), size.round(), k)
}

fn sqrt<R: Real>(z: C128) -> C128 {
    if z.im.is_infinite() {
        return C128::new(f64::INFINITY, z.im);
    }
    if z.re.is_infinite() {
        let zero = if z.im.is_nan() { z.im } else { 0.0 };
        let (a, b) = if z.re > 0.0 { (z.re, zero) } else { (zero, f64::INFINITY) };
        return C128::new(a, libm::copysign(b, z.im));
    }
    if z.re.is_nan() || z.im.is_nan() {
        return C128::new(f64::NAN, f64::NAN);
    }
    if is_zero(z) {
        return C128::new(0.0, z.im);
    }
    let (a, b, ..) = root(z);
    let (re, im) = if z.re >= 0.0 { (a, b) } else { (b, a) };
    C128::new(re, libm::copysign(im, z.im))
}

fn rsqrt<R: Real>(z: C128) -> C128 {
    if !is_finite(z) || is_zero(z) {
        return div::<R>(C128::new(1.0, 0.0), sqrt::<R>(z));
    }
    let (a, b, size, k) = root(z);
    let (re, im) = if z.re >= 0.0 { (a, b) } else { (b, a) };
    C128::new(scale(re / size, -2 * k), -libm::copysign(scale(im / size, -2 * k), z.im))
}

/// `exp(p) (cos(q) + i sin(q))`.
fn polar<R: Real>(p: R, q: R) -> C128 {
    let m = p.exp();
    let (sin, cos) = q.sin_cos();
    C128::new(scaled(m, cos.round()), scaled(m, sin.round()))
}

/// `log |z|` and the angle of a finite number other than zero.
fn log_polar<R: Real>(z: C128) -> (R, R) {
    let k = 2 * half_exponent(z);
    let near = times(z, -k);
    // ln 2 in two parts, the product of the first with a small integer being exact.
    let (high, low) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
    let shift = R::new(f64::from(k) * high) + R::product(f64::from(k), low);
    (norm::<R>(near).ln() / R::new(2.0) + shift, R::atan2(z.im, z.re))
}

fn cbrt<R: Real>(z: C128) -> C128 {
    if !is_finite(z) || is_zero(z) {
        let size = libm::cbrt(libm::hypot(z.re, z.im));
        let (sin, cos) = libm::sincos(libm::atan2(z.im, z.re) / 3.0);
        return C128::new(scaled((size, 0), cos), scaled((size, 0), sin));
    }
    let (size, angle) = log_polar::<R>(z);
    polar(size / R::new(3.0), angle / R::new(3.0))
}

fn pow<R: Real>(a: C128, b: C128) -> C128 {
    if is_zero(b) {
        return C128::new(1.0, 0.0);
    }
    if is_zero(a) {
        return if b.re > 0.0 { C128::new(0.0, 0.0) } else { C128::new(f64::NAN, f64::NAN) };
    }
    if !is_finite(a) || !is_finite(b) {
        return exp::<R>(mul_c128(b, log::<R>(a)));
    }
    let (size, angle) = log_polar::<R>(a);
    let (c, d) = (R::new(b.re), R::new(b.im));
    polar(c * size - d * angle, c * angle + d * size)
}

fn div<R: Real>(a: C128, b: C128) -> C128 {
    if !is_finite(a) || !is_finite(b) || is_zero(b) {
        return div_special(a, b);
    }
    if is_zero(a) {
        return C128::new(a.re * b.re + a.im * b.im, a.im * b.re - a.re * b.im);
    }
    let (k, l) = (2 * half_exponent(a), 2 * half_exponent(b));
    let (a, b) = (times(a, -k), times(b, -l));
    let size = norm::<R>(b);
    let re = (R::product(a.re, b.re) + R::product(a.im, b.im)) / size;
    let im = (R::product(a.im, b.re) - R::product(a.re, b.im)) / size;
    C128::new(scale(re.round(), k - l), scale(im.round(), k - l))
}

/// Division where an operand is not finite or the divisor is zero (C11, G.5.1).
fn div_special(a: C128, b: C128) -> C128 {
    let infinite = |z: C128| z.re.is_infinite() || z.im.is_infinite();
    // An infinite part becomes 1, a finite one 0.
    let direction = |x: f64| libm::copysign(if x.is_infinite() { 1.0 } else { 0.0 }, x);
    let nan = |z: C128| z.re.is_nan() && z.im.is_nan();
    if is_zero(b) && !nan(a) {
        let infinity = libm::copysign(f64::INFINITY, b.re);
        return C128::new(infinity * a.re, infinity * a.im);
    }
    if infinite(a) && is_finite(b) {
        let (x, y) = (direction(a.re), direction(a.im));
        let (re, im) = (x * b.re + y * b.im, y * b.re - x * b.im);
        return C128::new(f64::INFINITY * re, f64::INFINITY * im);
    }
    if infinite(b) && is_finite(a) {
        let (x, y) = (direction(b.re), direction(b.im));
        return C128::new(0.0 * (a.re * x + a.im * y), 0.0 * (a.im * x - a.re * y));
    }
    C128::new(f64::NAN, f64::NAN)
}

fn sign<R: Real>(z: C128) -> C128 {
    if is_zero(z) {
        return z;
    }
    if z.re.is_nan() || z.im.is_nan() {
        return C128::new(f64::NAN, f64::NAN);
    }
    if !is_finite(z) {
        let size = libm::hypot(z.re, z.im);
        return C128::new(z.re / size, z.im / size);
    }
    let near = times(z, -2 * half_exponent(z));
    let size = norm::<Dd>(near).sqrt();
    C128::new((Dd::new(near.re) / size).round(), (Dd::new(near.im) / size).round())
}

/// Hyperbolic sine and cosine of `|x| < 350`.
fn hyperbolic<R: Real>(x: f64) -> (R, R) {
    hyperbolic_of(R::expm1(libm::fabs(x)), x)
}

/// The same from `exp(|x|) - 1`: a call of its own, whose stack does not add to that of computing this.
#[inline(never)]
fn hyperbolic_of<R: Real>(less: R, x: f64) -> (R, R) {
    let (one, two) = (R::new(1.0), R::new(2.0));
    let power = less + one;
    let sinh = (less + less / power) / two;
    (if x < 0.0 { -sinh } else { sinh }, (power + one / power) / two)
}

/// `sin * cosh(y)` and `cos * sinh(y)`.
fn product<R: Real>((sin, cos): (f64, f64), y: f64) -> C128 {
    if !(-30.0..30.0).contains(&y) {
        let (m, k) = R::new(libm::fabs(y)).exp();
        let signed = libm::copysign(m, y);
        return C128::new(scaled((m, k - 1), sin), scaled((signed, k - 1), cos));
    }
    let (sinh, cosh) = hyperbolic::<R>(y);
    // A zero keeps its sign.
    let sinh = if y == 0.0 { y } else { sinh.round() };
    C128::new(sin * cosh.round(), cos * sinh)
}

fn sin<R: Real>(z: C128) -> C128 {
    product::<R>(libm::sincos(z.re), z.im)
}

fn cos<R: Real>(z: C128) -> C128 {
    // cos(x + iy) = cos(x) cosh(y) - i sin(x) sinh(y)
    let (sin, cos) = libm::sincos(z.re);
    product::<R>((cos, -sin), z.im)
}

fn tanh<R: Real>(z: C128) -> C128 {
    if z.im == 0.0 {
        return C128::new(libm::tanh(z.re), z.im);
    }
    if z.re == 0.0 {
        return C128::new(z.re, libm::tan(z.im));
    }
    if z.re.is_nan() || !z.im.is_finite() && !z.re.is_infinite() {
        return C128::new(f64::NAN, f64::NAN);
    }
    let (sin, cos) = R::new(z.im).sin_cos();
    if libm::fabs(z.re) > 20.0 {
        // What is left of the real part is below a tenth of its last place.
        let im = scaled(R::new(-2.0 * libm::fabs(z.re)).exp(), 4.0 * (sin * cos).round());
        let im = if z.im.is_finite() { im } else { 0.0 };
        return C128::new(libm::copysign(1.0, z.re), im);
    }
    let (sinh, cosh) = hyperbolic::<R>(z.re);
    let size = sinh * sinh + cos * cos;
    C128::new((sinh * cosh / size).round(), (sin * cos / size).round())
}

fn tan<R: Real>(z: C128) -> C128 {
    // tan(z) = -i tanh(i z)
    let t = tanh::<R>(C128::new(-z.im, z.re));
    C128::new(t.im, -t.re)
}

fn logistic<R: Real>(z: C128) -> C128 {
    if z.im == 0.0 {
        return C128::new(crate::scalar::logistic_f64(z.re), z.im);
    }
    if z.re < -40.0 {
        return exp::<R>(z);
    }
    if z.re > 40.0 {
        let power = exp::<R>(neg_c128(z));
        return C128::new(1.0, -power.im);
    }
    if !is_finite(z) {
        return C128::new(f64::NAN, f64::NAN);
    }
    // (e^x + cos(y) + i sin(y)) / (2 (cosh(x) + cos(y)))
    let (sin, _) = R::new(z.im).sin_cos();
    let (_, half) = R::new(z.im / 2.0).sin_cos();
    let (sinh, _) = hyperbolic::<R>(z.re / 2.0);
    let size = R::new(4.0) * (sinh * sinh + half * half);
    // e^x + cos(y) = expm1(x) + 2 cos(y/2)^2
    let re = R::expm1(z.re) + R::new(2.0) * half * half;
    C128::new((re / size).round(), (sin / size).round())
}

fn atan2<R: Real>(y: C128, x: C128) -> C128 {
    let size = libm::fmax(largest(x), largest(y));
    if !is_finite(x) || !is_finite(y) || size == 0.0 {
        let along = C128::new(x.re - y.im, x.im + y.re);
        let across = sqrt::<R>(add_c128(mul_c128(x, x), mul_c128(y, y)));
        let log = log::<R>(div::<R>(along, across));
        return C128::new(log.im, -log.re);
    }
    let k = -exponent(size);
    let (x, y) = (times(x, k), times(y, k));
    // With w = (x + iy) / sqrt(x^2 + y^2): |w|^4 = |x + iy|^2 / |x - iy|^2, and the angle of w is
    // half that of (x + iy) / (x - iy) or opposite to it.
    let more = C128::new(x.re - y.im, x.im + y.re);
    let difference = 4.0 * (R::product(x.im, y.re) - R::product(x.re, y.im)).round();
    let square = |a: f64, b: f64| {
        let sum = R::new(a) + R::new(b);
        sum * sum
    };
    let above = square(x.re, -y.im) + square(x.im, y.re);
    let below = square(x.re, y.im) + square(x.im, -y.re);
    let im = log_ratio(difference, above.round(), below.round()) / -4.0;
    let across = 2.0 * (R::product(x.re, y.re) + R::product(x.im, y.im)).round();
    let along = (norm::<R>(x) - norm::<R>(y)).round();
    let half = libm::atan2(across, along) / 2.0;
    let square = add_c128(mul_c128(x, x), mul_c128(y, y));
    let w = div::<R>(more, sqrt::<R>(square));
    let (sin, cos) = libm::sincos(half);
    let opposite = w.re * cos + w.im * sin < 0.0;
    let turned = half - libm::copysign(core::f64::consts::PI, half);
    C128::new(if opposite { turned } else { half }, im)
}

/// `log(a / b)` with `difference = a - b`.
fn log_ratio(difference: f64, a: f64, b: f64) -> f64 {
    if libm::fabs(difference) < 0.5 * b { libm::log1p(difference / b) } else { libm::log(a / b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    fn z(re: f64, im: f64) -> C128 {
        C128::new(re, im)
    }

    /// Equal with the signs of zeros, or both NaN.
    fn same(a: C128, b: C128) -> bool {
        let part = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        part(a.re, b.re) && part(a.im, b.im)
    }

    #[test]
    fn roots_of_special_values() {
        for (x, root) in [
            (z(0.0, -0.0), z(0.0, -0.0)),
            (z(-0.0, 0.0), z(0.0, 0.0)),
            (z(-4.0, 0.0), z(0.0, 2.0)),
            (z(-4.0, -0.0), z(0.0, -2.0)),
            (z(-INF, 1.0), z(0.0, INF)),
            (z(INF, -1.0), z(INF, -0.0)),
            (z(NAN, INF), z(INF, INF)),
            (z(NAN, 1.0), z(NAN, NAN)),
        ] {
            assert!(same(sqrt_c128(x), root), "{x:?}: {:?}", sqrt_c128(x));
        }
        assert!(same(rsqrt_c128(z(4.0, 0.0)), z(0.5, -0.0)));
        let tiny = f64::from_bits(1);
        assert!(same(sqrt_c128(z(tiny, 0.0)), z(libm::sqrt(tiny), 0.0)));
        assert!(same(sqrt_c128(z(1e308, 0.0)), z(1e154, 0.0)));
    }

    #[test]
    fn quotients_of_special_values() {
        assert!(same(div_c128(z(1.0, 0.0), z(0.0, 0.0)), z(INF, NAN)));
        assert!(same(div_c128(z(INF, 1.0), z(2.0, 1.0)), z(INF, -INF)));
        assert!(same(div_c128(z(1.0, 1.0), z(INF, 0.0)), z(0.0, 0.0)));
        assert!(same(div_c128(z(0.0, 0.0), z(3.0, 4.0)), z(0.0, 0.0)));
        let huge = z(f64::MAX, f64::MAX);
        assert!(same(div_c128(huge, huge), z(1.0, 0.0)));
        assert!(same(div_c64(C64::new(6.0, 4.0), C64::new(2.0, 0.0)).widen(), z(3.0, 2.0)));
    }

    #[test]
    fn exponentials_of_special_values() {
        assert!(same(exp_c128(z(-INF, 1.0)), z(0.0, 0.0)));
        assert!(same(exp_c128(z(0.0, -0.0)), z(1.0, -0.0)));
        assert!(exp_c128(z(0.0, INF)).re.is_nan());
        assert!(exp_c128(z(709.8, 1.5)).re.is_finite());
        assert!(same(expm1_c128(z(0.0, 0.0)), z(0.0, 0.0)));
        assert!(same(log_c128(z(0.0, 0.0)), z(-INF, 0.0)));
        assert!(same(log_c128(z(-1.0, -0.0)), z(0.0, -core::f64::consts::PI)));
        assert!(same(tanh_c128(z(INF, 1.0)), z(1.0, 0.0)));
        assert!(same(tanh_c128(z(-0.0, 0.0)), z(-0.0, 0.0)));
        assert!(same(logistic_c128(z(0.0, 0.0)), z(0.5, 0.0)));
    }

    #[test]
    fn powers_of_zero_and_signs_of_nan() {
        assert!(same(pow_c128(z(0.0, 0.0), z(0.0, 0.0)), z(1.0, 0.0)));
        assert!(same(pow_c128(z(0.0, 0.0), z(2.0, 1.0)), z(0.0, 0.0)));
        assert!(pow_c128(z(0.0, 0.0), z(-1.0, 0.0)).re.is_nan());
        assert!(same(sign_c128(z(NAN, 0.0)), z(NAN, NAN)));
        assert!(same(sign_c128(z(0.0, -3.0)), z(0.0, -1.0)));
        assert_eq!(abs_c64(C64::new(f32::MAX, 0.0)), f32::MAX);
    }
}
