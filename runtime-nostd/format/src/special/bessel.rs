//! Modified Bessel function of order one.

/// `exp(-|x|) I1(x)`, the exponentially scaled modified Bessel function of the first kind of order
/// one.
///
/// Up to 8 the power series (Abramowitz and Stegun, 9.6.10), whose terms are all positive; beyond,
/// the Chebyshev series of `exp(-x) I1(x) sqrt(x)` in `16 / x - 1`, the range of Cephes' `i1e`,
/// with coefficients computed in 60 digits by `tests/fixtures/special.py`.
pub fn bessel_i1e_f64(x: f64) -> f64 {
    let magnitude = libm::fabs(x);
    let value = if magnitude <= 8.0 {
        0.5 * magnitude * power_series(0.25 * x * x) * libm::exp(-magnitude)
    } else {
        chebyshev(16.0 / magnitude - 1.0, &LARGE) / libm::sqrt(magnitude)
    };
    libm::copysign(value, x)
}

/// The sum of `z^k / (k! (k + 1)!)`, for `z` up to 16.
fn power_series(z: f64) -> f64 {
    (1..=24u8).rev().map(f64::from).fold(1.0, |sum, k| 1.0 + z / (k * (k + 1.0)) * sum)
}

/// `c0 + c1 T1(t) + c2 T2(t) + ...` by Clenshaw's recurrence.
fn chebyshev(t: f64, coefficients: &[f64]) -> f64 {
    let (mut before, mut last) = (0.0, 0.0);
    let Some((first, rest)) = coefficients.split_first() else { return 0.0 };
    for c in rest.iter().rev() {
        (before, last) = (last, 2.0 * t * last - before + c);
    }
    t * last - before + first
}

const LARGE: [f64; 26] = [
    0.38928811750914005,
    -0.009761097491361469,
    -0.00011058893876262371,
    -3.882564808877691e-06,
    -2.512236237870209e-07,
    -2.6314688468895196e-08,
    -3.835380385964237e-09,
    -5.589743462196584e-10,
    -1.8974958123505413e-11,
    3.2526035830154884e-11,
    1.4125807436613782e-11,
    2.0356285441470896e-12,
    -7.198551776245908e-13,
    -4.0835511110921974e-13,
    -2.1015418427726643e-14,
    4.272440016711951e-14,
    1.0420276984128802e-14,
    -3.8144030724370075e-15,
    -1.8803547755107825e-15,
    3.3082023109209285e-16,
    2.96262899764595e-16,
    -3.209525921993424e-17,
    -4.6503053684893586e-17,
    4.414348323071708e-18,
    7.517296310842105e-18,
    -9.314178867326884e-19,
];
