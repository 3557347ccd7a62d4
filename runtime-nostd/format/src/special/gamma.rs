//! Derivatives of the logarithm of the gamma function, and the Hurwitz zeta function.

use core::f64::consts::PI;

use super::polynomial;

/// Derivative of the logarithm of the gamma function; NaN at the poles 0, -1, -2, ... and at minus
/// infinity.
///
/// Reflection for negative numbers, recurrence into `[1, 2]`, where the rational approximation of
/// the Boost library (`digamma_imp_1_2`, 53 bits; J. Maddock, 2006) is exact about the zero, or
/// the asymptotic series from 10 on (Abramowitz and Stegun, 6.3.18).
pub fn digamma_f64(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    if x <= -1.0 {
        // psi(x) = psi(1 - x) - pi / tan(pi x), with a period of 1.
        let fraction = x - libm::rint(x);
        if fraction == 0.0 || x == f64::NEG_INFINITY {
            return f64::NAN;
        }
        shift = -PI / libm::tan(PI * fraction);
        x = 1.0 - x;
    }
    if x == 0.0 {
        return f64::NAN;
    }
    if x >= 10.0 {
        return shift + digamma_large(x);
    }
    while x > 2.0 {
        x -= 1.0;
        shift += 1.0 / x;
    }
    while x < 1.0 {
        shift -= 1.0 / x;
        x += 1.0;
    }
    if x.is_nan() { x } else { shift + digamma_1_2(x) }
}

/// `log(x) - 1 / 2x - sum of B2k / (2k x^2k)`.
fn digamma_large(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        1.0 / 12.0,
        -691.0 / 32760.0,
        1.0 / 132.0,
        -1.0 / 240.0,
        1.0 / 252.0,
        -1.0 / 120.0,
        1.0 / 12.0,
        0.0,
    ];
    if x == f64::INFINITY {
        return x;
    }
    libm::log(x) - 0.5 / x - polynomial(1.0 / (x * x), &TERMS)
}

fn digamma_1_2(x: f64) -> f64 {
    /// The zero at 1.46163..., in three parts.
    const ROOT: [f64; 3] = [
        1_569_415_565.0 / 1_073_741_824.0,
        381_566_830.0 / 1_073_741_824.0 / 1_073_741_824.0,
        9.016_312_093_258_695e-20,
    ];
    const Y: f64 = 0.995_581_626_892_089_8;
    const P: [f64; 6] = [
        -0.002_071_332_116_774_595_2,
        -0.045_251_321_448_739_056,
        -0.289_191_264_447_747_84,
        -0.650_318_537_708_965_1,
        -0.325_550_311_868_044_9,
        0.254_798_510_611_315_5,
    ];
    const Q: [f64; 7] = [
        -5.578_984_132_167_551e-7,
        0.002_128_498_701_782_114_5,
        0.054_151_797_245_674_225,
        0.435_935_296_926_659_7,
        1.460_624_290_976_351_5,
        2.076_711_702_373_047,
        1.0,
    ];
    let g = ROOT.iter().fold(x, |g, part| g - part);
    let r = polynomial(x - 1.0, &P) / polynomial(x - 1.0, &Q);
    g * Y + g * r
}

/// Derivative number `n` of [`digamma_f64`]; NaN unless `n` is 0, 1, 2, ...
pub fn polygamma_f64(n: f64, x: f64) -> f64 {
    if n == 0.0 {
        return digamma_f64(x);
    }
    if !(n > 0.0 && n == libm::floor(n)) {
        return f64::NAN;
    }
    let sign = if is_even(n) { -1.0 } else { 1.0 };
    let (factorial, zeta) = (libm::tgamma(n + 1.0), zeta_f64(n + 1.0, x));
    let product = if factorial.is_finite() {
        factorial * zeta
    } else {
        // Together they may be in range.
        libm::copysign(libm::exp(libm::lgamma(n + 1.0) + libm::log(libm::fabs(zeta))), zeta)
    };
    sign * product
}

fn is_even(n: f64) -> bool {
    n == 2.0 * libm::floor(n / 2.0)
}

/// Hurwitz zeta function: the sum of `(q + k)^-x` over k = 0, 1, 2, ...
///
/// Defined for `x > 1`, for negative `q` only where `x` is an integer. Infinite at `x = 1`, and at
/// the poles `q = 0, -1, -2, ...` for even `x`; NaN at those for other `x`, as in XLA.
pub fn zeta_f64(x: f64, q: f64) -> f64 {
    if x == 1.0 && !q.is_nan() {
        return f64::INFINITY;
    }
    let integer = x == libm::floor(x);
    if x.is_nan() || x <= 1.0 || q.is_nan() {
        return f64::NAN;
    }
    if q > 0.0 {
        return zeta_positive(x, q);
    }
    let fraction = -q - libm::floor(-q);
    if fraction == 0.0 {
        return if integer && is_even(x) { f64::INFINITY } else { f64::NAN };
    }
    if !integer || q == f64::NEG_INFINITY {
        return f64::NAN;
    }
    // The terms of negative base are those of two series of positive base, with the sign of an
    // odd power: from `fraction` up to `-q`.
    let below = zeta_positive(x, fraction) - zeta_positive(x, 1.0 - q);
    let above = zeta_positive(x, 1.0 - fraction);
    if is_even(x) { above + below } else { above - below }
}

/// Direct sum while `q + k` is less than `x + 16`, unless its terms vanish before, then the
/// Euler-Maclaurin formula (Abramowitz and Stegun, 23.1.30) with as many terms as in Cephes'
/// `zeta`.
fn zeta_positive(x: f64, q: f64) -> f64 {
    /// `(2k)! / B2k`.
    const SCALES: [f64; 12] = [
        12.0,
        -720.0,
        30_240.0,
        -1_209_600.0,
        47_900_160.0,
        -1_307_674_368_000.0 / 691.0,
        74_724_249_600.0,
        -10_670_622_842_880_000.0 / 3617.0,
        5_109_094_217_170_944_000.0 / 43_867.0,
        -802_857_662_698_291_200_000.0 / 174_611.0,
        14_101_100_039_391_805_440_000.0 / 77_683.0,
        -1_693_824_136_731_743_669_452_800_000.0 / 236_364_091.0,
    ];
    let (mut base, mut power) = (q, libm::pow(q, -x));
    if power == f64::INFINITY || q == f64::INFINITY {
        return power;
    }
    let mut sum = Sum { value: power, error: 0.0 };
    let mut k = 0.0;
    while base < x + 16.0 {
        k += 1.0;
        base = q + k;
        // The rounding of the base, which the power multiplies.
        let lost = (q - (base - k)) + (k - (base - (base - k)));
        power = libm::pow(base, -x);
        power -= power * (x * lost / base);
        sum.add(power);
        if power <= f64::EPSILON / 4.0 * sum.value {
            return sum.value + sum.error;
        }
    }
    sum.add(power * base / (x - 1.0));
    sum.add(-0.5 * power);
    let (mut product, mut k) = (1.0, 0.0);
    for scale in &SCALES {
        product *= x + k;
        power /= base;
        let term = product * power / scale;
        sum.add(term);
        if libm::fabs(term) <= f64::EPSILON / 4.0 * libm::fabs(sum.value) {
            break;
        }
        product *= x + k + 1.0;
        power /= base;
        k += 2.0;
    }
    sum.value + sum.error
}

/// A sum with the rounding errors of its additions (T. J. Dekker's two-sum).
struct Sum {
    value: f64,
    error: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let total = self.value + term;
        let shift = total - self.value;
        self.error += (self.value - (total - shift)) + (term - shift);
        self.value = total;
    }
}
