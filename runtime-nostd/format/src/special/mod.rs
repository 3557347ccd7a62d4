//! Scalar functions of CHLO beyond those of StableHLO, the same ones for the host's evaluator and
//! the device's kernels.
//!
//! Inverse and hyperbolic functions, error functions and the logarithm of the gamma function are
//! those of the `libm` crate in the operand's precision. The others are computed in `f64` and
//! rounded once where the operand is `f32`: they are rare, and `f32` would lose most of its digits
//! near their zeros. The exception is [`erf_inv_f32`], which normal random numbers are made with.

mod bessel;
mod complex;
#[allow(clippy::excessive_precision, reason = "coefficients are written as published")]
mod erf_inv;
#[allow(clippy::excessive_precision, reason = "coefficients are written as published")]
mod gamma;

pub use bessel::bessel_i1e_f64;
pub use complex::{
    acos_c64, acos_c128, acosh_c64, acosh_c128, asin_c64, asin_c128, asinh_c64, asinh_c128,
    atan_c64, atan_c128, atanh_c64, atanh_c128, cosh_c64, cosh_c128, sinh_c64, sinh_c128,
    square_c64, square_c128,
};
pub use erf_inv::{erf_inv_f32, erf_inv_f64};
pub use gamma::{digamma_f64, polygamma_f64, zeta_f64};

use crate::scalar::from_libm;

from_libm! {
    /// Angle in `[0, pi]` with the cosine `x`; NaN outside `[-1, 1]`.
    acos_f32, acos_f64 = acosf, acos;
    /// Angle in `[-pi/2, pi/2]` with the sine `x`; NaN outside `[-1, 1]`.
    asin_f32, asin_f64 = asinf, asin;
    /// The `y` with `sinh(y) = x`.
    asinh_f32, asinh_f64 = asinhf, asinh;
    /// Angle in `[-pi/2, pi/2]` with the tangent `x`.
    atan_f32, atan_f64 = atanf, atan;
    /// The `y` with `tanh(y) = x`; infinite at -1 and 1, NaN beyond.
    atanh_f32, atanh_f64 = atanhf, atanh;
    /// `2 / sqrt(pi)` times the integral of `exp(-t^2)` from 0 to `x`.
    erf_f32, erf_f64 = erff, erf;
    /// `1 - erf(x)` without cancellation.
    erfc_f32, erfc_f64 = erfcf, erfc;
    /// Logarithm of the absolute value of the gamma function; infinite at its poles.
    lgamma_f32, lgamma_f64 = lgammaf, lgamma;
}

/// The `y >= 0` with `cosh(y) = x`; NaN below 1.
pub fn acosh_f32(x: f32) -> f32 {
    // The library's function is defined from 1 on only.
    if x < 1.0 { f32::NAN } else { libm::acoshf(x) }
}

/// The `y >= 0` with `cosh(y) = x`; NaN below 1.
pub fn acosh_f64(x: f64) -> f64 {
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

/// `exp(x + log(1/2)) + exp(-x + log(1/2))`: CHLO's decomposition, which loses up to `|x|` / 2
/// units in the last place where `libm` loses one, but gives what XLA gives.
pub fn cosh_f32(x: f32) -> f32 {
    libm::expf(x - core::f32::consts::LN_2) + libm::expf(-x - core::f32::consts::LN_2)
}

/// `(exp(x) + exp(-x)) / 2`.
pub fn cosh_f64(x: f64) -> f64 {
    libm::cosh(x)
}

/// `exp(x + log(1/2)) - exp(-x + log(1/2))`, and by way of `expm1` between -1 and 1: CHLO's
/// decomposition, as [`cosh_f32`].
pub fn sinh_f32(x: f32) -> f32 {
    if libm::fabsf(x) < 1.0 {
        let e = libm::expm1f(x);
        return 0.5 * (e + e / (e + 1.0));
    }
    libm::expf(x - core::f32::consts::LN_2) - libm::expf(-x - core::f32::consts::LN_2)
}

/// `(exp(x) - exp(-x)) / 2`.
pub fn sinh_f64(x: f64) -> f64 {
    libm::sinh(x)
}

/// See [`bessel_i1e_f64`], rounded once.
pub fn bessel_i1e_f32(x: f32) -> f32 {
    bessel_i1e_f64(x.into()) as f32
}

/// See [`digamma_f64`], rounded once.
pub fn digamma_f32(x: f32) -> f32 {
    digamma_f64(x.into()) as f32
}

/// See [`polygamma_f64`], rounded once.
pub fn polygamma_f32(n: f32, x: f32) -> f32 {
    polygamma_f64(n.into(), x.into()) as f32
}

/// See [`zeta_f64`], rounded once.
pub fn zeta_f32(x: f32, q: f32) -> f32 {
    zeta_f64(x.into(), q.into()) as f32
}

/// The polynomial with these coefficients, highest power first, by Horner's rule.
fn polynomial(x: f64, coefficients: &[f64]) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}
