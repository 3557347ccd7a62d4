//! Complex scalar functions beyond those of `num-complex`.

/// A complex number; `complex<f32>` is computed in double precision and rounded once.
pub type C = num_complex::Complex64;

/// `exp(z) - 1` without cancellation near zero.
pub(super) fn expm1(z: C) -> C {
    // exp(x) cos(y) - 1 = expm1(x) cos(y) - 2 sin(y/2)^2
    let half = libm::sin(z.im / 2.0);
    let re = libm::expm1(z.re) * libm::cos(z.im) - 2.0 * half * half;
    C::new(re, libm::exp(z.re) * libm::sin(z.im))
}

/// `log(1 + z)` without cancellation near zero.
pub(super) fn log1p(z: C) -> C {
    // |1 + z|^2 = 1 + (x (2 + x) + y^2)
    let re = if libm::fabs(z.re) < 0.5 && libm::fabs(z.im) < 0.5 {
        0.5 * libm::log1p(z.re * (2.0 + z.re) + z.im * z.im)
    } else {
        libm::log(libm::hypot(1.0 + z.re, z.im))
    };
    C::new(re, libm::atan2(z.im, 1.0 + z.re))
}

pub(super) fn logistic(z: C) -> C {
    (C::new(1.0, 0.0) + (-z).exp()).inv()
}

/// Principal cube root.
pub(super) fn cbrt(z: C) -> C {
    z.cbrt()
}

/// `z / |z|`, and zero for zero.
pub(super) fn sign(z: C) -> C {
    let norm = libm::hypot(z.re, z.im);
    if norm == 0.0 { z } else { C::new(z.re / norm, z.im / norm) }
}

/// `-i log((x + i y) / sqrt(x^2 + y^2))`.
pub(super) fn atan2(y: C, x: C) -> C {
    let i = C::new(0.0, 1.0);
    -i * ((x + i * y) / (x * x + y * y).sqrt()).ln()
}

pub(super) fn power(a: C, b: C) -> C {
    if b.re == 0.0 && b.im == 0.0 {
        return C::new(1.0, 0.0);
    }
    if a.re == 0.0 && a.im == 0.0 {
        return if b.re > 0.0 { C::new(0.0, 0.0) } else { C::new(f64::NAN, f64::NAN) };
    }
    a.powc(b)
}

/// The lexicographically greater of (real, imaginary).
pub(super) fn maximum(a: C, b: C) -> C {
    if (a.re, a.im) >= (b.re, b.im) { a } else { b }
}

/// The lexicographically smaller of (real, imaginary).
pub(super) fn minimum(a: C, b: C) -> C {
    if (a.re, a.im) <= (b.re, b.im) { a } else { b }
}
