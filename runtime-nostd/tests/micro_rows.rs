//! Micro-operations by way of one-instruction maps, against independent arithmetic.

mod common;

use std::collections::BTreeSet;

use common::apply_raw;
use microhlo::Kernels;
use microhlo_format::{DType, MicroId, MicroOp};
use proptest::prelude::*;

/// Element types as Rust numbers.
trait Number: Copy + 'static {
    const DTYPE: DType;
    fn bytes(self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($ty:ident = $dtype:ident),*) => {$(
        impl Number for $ty {
            const DTYPE: DType = DType::$dtype;
            fn bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
            fn from_bytes(bytes: &[u8]) -> Self {
                $ty::from_le_bytes(bytes.try_into().unwrap())
            }
        }
    )*};
}

numbers!(i8 = I8, i16 = I16, i32 = I32, i64 = I64, u8 = U8, u16 = U16, u32 = U32, u64 = U64);
numbers!(f32 = F32, f64 = F64);

fn apply<A: Number, R: Number>(op: MicroOp, args: &[&[A]]) -> Vec<R> {
    let args: Vec<Vec<u8>> =
        args.iter().map(|arg| arg.iter().flat_map(|x| x.bytes()).collect()).collect();
    let result = apply_raw(MicroId::op(op, A::DTYPE), &args);
    result.chunks(R::DTYPE.size()).map(R::from_bytes).collect()
}

fn convert<A: Number, R: Number>(values: &[A]) -> Vec<R> {
    let bytes = values.iter().flat_map(|x| x.bytes()).collect();
    let result = apply_raw(MicroId::convert(A::DTYPE, R::DTYPE), &[bytes]);
    result.chunks(R::DTYPE.size()).map(R::from_bytes).collect()
}

#[test]
fn ids_are_unique_and_defined() {
    let ids: BTreeSet<_> = Kernels::ALL.micro.iter().map(|entry| entry.id()).collect();
    assert_eq!(ids.len(), Kernels::ALL.micro.len());
    assert!(ids.iter().all(|id| id.decode().is_some()));
    for op in MicroOp::ALL {
        let rows = ids.iter().filter(|id| id.0 >> 5 == *op as u16).count();
        assert!(rows > 0, "{} has no row", op.text());
    }
}

/// Reduces a mathematical result to the type, as wrapping arithmetic does.
macro_rules! integer_tests {
    ($($name:ident: $ty:ident),*) => {$(
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(60))]

            #[test]
            fn $name(a in values::<$ty>(), b in values::<$ty>(), c in values::<$ty>()) {
                let wide = |f: fn(i128, i128) -> i128| -> Vec<$ty> {
                    a.iter().zip(&b).map(|(&a, &b)| f(a as i128, b as i128) as $ty).collect()
                };
                let binary = |op| apply::<$ty, $ty>(op, &[&a, &b]);
                let unary = |op| apply::<$ty, $ty>(op, &[&a]);
                let each = |f: fn(i128) -> i128| -> Vec<$ty> {
                    a.iter().map(|&a| f(a as i128) as $ty).collect()
                };
                let compare = |op| -> Vec<u8> { apply::<$ty, u8>(op, &[&a, &b]) };
                let truth = |f: fn(&$ty, &$ty) -> bool| -> Vec<u8> {
                    a.iter().zip(&b).map(|(a, b)| f(a, b) as u8).collect()
                };
                prop_assert_eq!(binary(MicroOp::add), wide(|a, b| a + b));
                prop_assert_eq!(binary(MicroOp::subtract), wide(|a, b| a - b));
                prop_assert_eq!(binary(MicroOp::multiply), wide(|a, b| a.wrapping_mul(b)));
                let bits = $ty::BITS;
                let high: Vec<$ty> = a.iter().zip(&b).map(|(&a, &b)| {
                    // Halves of the product, as unsigned numbers corrected by the signs.
                    let (low, sign) = (|x: $ty| x as u128 & (u128::MAX >> (128 - bits)), $ty::MIN != 0);
                    let product = low(a).wrapping_mul(low(b)) >> bits;
                    let minus = |negative: bool, x: $ty| if sign && negative { low(x) } else { 0 };
                    let correction = minus((a as i128) < 0, b) + minus((b as i128) < 0, a);
                    product.wrapping_sub(correction) as $ty
                }).collect();
                prop_assert_eq!(binary(MicroOp::mulhi), high);
                prop_assert_eq!(binary(MicroOp::divide), wide(|a, b| if b == 0 { -1 } else { a / b }));
                prop_assert_eq!(binary(MicroOp::remainder), wide(|a, b| if b == 0 { a } else { a % b }));
                prop_assert_eq!(binary(MicroOp::maximum), wide(|a, b| a.max(b)));
                prop_assert_eq!(binary(MicroOp::minimum), wide(|a, b| a.min(b)));
                prop_assert_eq!(binary(MicroOp::and), wide(|a, b| a & b));
                prop_assert_eq!(binary(MicroOp::or), wide(|a, b| a | b));
                prop_assert_eq!(binary(MicroOp::xor), wide(|a, b| a ^ b));
                prop_assert_eq!(unary(MicroOp::not), each(|a| !a));
                prop_assert_eq!(unary(MicroOp::negate), each(|a| -a));
                prop_assert_eq!(unary(MicroOp::abs), each(|a| a.abs()));
                prop_assert_eq!(unary(MicroOp::sign), each(|a| a.signum()));
                prop_assert_eq!(unary(MicroOp::copy), a.clone());
                let bits = $ty::BITS;
                let ones: Vec<$ty> = a.iter().map(|a| a.count_ones() as $ty).collect();
                prop_assert_eq!(unary(MicroOp::popcnt), ones);
                let zeros: Vec<$ty> = a.iter().map(|a| a.leading_zeros() as $ty).collect();
                prop_assert_eq!(unary(MicroOp::count_leading_zeros), zeros);
                let amounts: Vec<$ty> = (0..a.len()).map(|i| (i as u32 % (bits + 3)) as $ty).collect();
                let shift = |op, f: &dyn Fn(i128, u32) -> i128| {
                    let expected: Vec<$ty> = a.iter().zip(&amounts)
                        .map(|(&a, &n)| f(a as i128, n as u32) as $ty).collect();
                    (apply::<$ty, $ty>(op, &[&a, &amounts]), expected)
                };
                let (got, expected) = shift(MicroOp::shift_left, &|a, n| if n < bits { a << n } else { 0 });
                prop_assert_eq!(got, expected);
                let mask = (1i128 << bits) - 1;
                let (got, expected) =
                    shift(MicroOp::shift_right_logical, &|a, n| if n < bits { (a & mask) >> n } else { 0 });
                prop_assert_eq!(got, expected);
                let signed = |a: i128| a << (128 - bits) >> (128 - bits);
                let (got, expected) =
                    shift(MicroOp::shift_right_arithmetic, &|a, n| signed(a) >> n.min(bits - 1));
                prop_assert_eq!(got, expected);
                prop_assert_eq!(compare(MicroOp::eq), truth(|a, b| a == b));
                prop_assert_eq!(compare(MicroOp::ne), truth(|a, b| a != b));
                prop_assert_eq!(compare(MicroOp::lt), truth(|a, b| a < b));
                prop_assert_eq!(compare(MicroOp::le), truth(|a, b| a <= b));
                prop_assert_eq!(compare(MicroOp::gt), truth(|a, b| a > b));
                prop_assert_eq!(compare(MicroOp::ge), truth(|a, b| a >= b));
                let fused = apply::<$ty, $ty>(MicroOp::multiply_add, &[&a, &b, &c]);
                let expected: Vec<$ty> = a.iter().zip(&b).zip(&c)
                    .map(|((&a, &b), &c)| (a as i128).wrapping_mul(b as i128).wrapping_add(c as i128) as $ty)
                    .collect();
                prop_assert_eq!(fused, expected);
                let clamped = apply::<$ty, $ty>(MicroOp::clamp, &[&a, &b, &c]);
                let expected: Vec<$ty> =
                    a.iter().zip(&b).zip(&c).map(|((&lo, &x), &hi)| x.max(lo).min(hi)).collect();
                prop_assert_eq!(clamped, expected);
                let predicate: Vec<u8> = a.iter().zip(&b).map(|(a, b)| (a < b) as u8).collect();
                let raw = |v: &[$ty]| v.iter().flat_map(|x| x.bytes()).collect::<Vec<u8>>();
                let selected =
                    apply_raw(MicroId::op(MicroOp::select, $ty::DTYPE), &[predicate, raw(&a), raw(&b)]);
                prop_assert_eq!(selected, raw(&wide(|a, b| a.min(b))));
            }
        }
    )*};
}

/// Lists of numbers with the extremes.
fn values<T: Arbitrary + Limits>() -> impl Strategy<Value = Vec<T>> {
    let number = prop_oneof![any::<T>(), prop::sample::select(T::limits())];
    prop::collection::vec(number, 20)
}

trait Limits: Clone + std::fmt::Debug + 'static {
    fn limits() -> Vec<Self>;
}

macro_rules! limits {
    ($($ty:ident),*) => {$(
        impl Limits for $ty {
            fn limits() -> Vec<$ty> {
                vec![$ty::MIN, $ty::MAX, 0, 1, !0]
            }
        }
    )*};
}

limits!(i8, i16, i32, i64, u8, u16, u32, u64);

integer_tests!(
    rows_of_i8: i8, rows_of_i16: i16, rows_of_i32: i32, rows_of_i64: i64,
    rows_of_u8: u8, rows_of_u16: u16, rows_of_u32: u32, rows_of_u64: u64
);

#[test]
fn integer_powers() {
    let power = |a: &[i32], b: &[i32]| apply::<i32, i32>(MicroOp::power, &[a, b]);
    assert_eq!(
        power(&[3, -2, 0, 1, -1, -1, 7], &[4, 3, 0, -9, -3, -2, -1]),
        [81, -8, 1, 1, -1, 1, 0]
    );
    assert_eq!(apply::<u8, u8>(MicroOp::power, &[&[2, 3], &[8, 5]]), [0, 243]);
}

#[test]
fn truth_tables() {
    let (a, b) = ([0, 0, 1, 1], [0, 1, 0, 1]);
    let table = |op| apply_raw(MicroId::op(op, DType::I1), &[a.to_vec(), b.to_vec()]);
    for op in [MicroOp::and, MicroOp::multiply, MicroOp::minimum] {
        assert_eq!(table(op), [0, 0, 0, 1], "{}", op.text());
    }
    for op in [MicroOp::or, MicroOp::add, MicroOp::maximum] {
        assert_eq!(table(op), [0, 1, 1, 1], "{}", op.text());
    }
    assert_eq!(table(MicroOp::xor), [0, 1, 1, 0]);
    assert_eq!(table(MicroOp::eq), [1, 0, 0, 1]);
    assert_eq!(table(MicroOp::ne), [0, 1, 1, 0]);
    assert_eq!(table(MicroOp::lt), [0, 1, 0, 0]);
    assert_eq!(table(MicroOp::le), [1, 1, 0, 1]);
    assert_eq!(table(MicroOp::gt), [0, 0, 1, 0]);
    assert_eq!(table(MicroOp::ge), [1, 0, 1, 1]);
    assert_eq!(apply_raw(MicroId::op(MicroOp::not, DType::I1), &[a.to_vec()]), [1, 1, 0, 0]);
}

/// Numbers where floats misbehave.
const SPECIAL: [f32; 13] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.5,
    -3.5,
    f32::MIN_POSITIVE / 4.0,
    f32::MAX,
    f32::MIN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    16_777_217.0,
];

fn pairs() -> (Vec<f32>, Vec<f32>) {
    SPECIAL.iter().flat_map(|&a| SPECIAL.iter().map(move |&b| (a, b))).unzip()
}

/// Equal bits, or both NaN: payloads of NaNs differ between targets.
fn same(got: &[f32], expected: impl Iterator<Item = f32>) {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let equal = got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan());
        assert!(equal, "element {i}: {got} instead of {expected}");
    }
}

#[test]
fn float_arithmetic() {
    let (a, b) = pairs();
    let binary = |op| apply::<f32, f32>(op, &[&a, &b]);
    let each = |f: fn(f32, f32) -> f32| {
        a.iter().zip(&b).map(move |(&a, &b)| f(a, b)).collect::<Vec<_>>().into_iter()
    };
    same(&binary(MicroOp::add), each(|a, b| a + b));
    same(&binary(MicroOp::subtract), each(|a, b| a - b));
    same(&binary(MicroOp::multiply), each(|a, b| a * b));
    same(&binary(MicroOp::divide), each(|a, b| a / b));
    same(&binary(MicroOp::remainder), each(|a, b| a % b));
    let order = |a: f32, b: f32, larger: bool| {
        if a.is_nan() || b.is_nan() {
            f32::NAN
        } else if (a.total_cmp(&b).is_gt()) == larger {
            a
        } else {
            b
        }
    };
    let ordered = |larger| a.iter().zip(&b).map(move |(&a, &b)| order(a, b, larger));
    same(&binary(MicroOp::maximum), ordered(true));
    same(&binary(MicroOp::minimum), ordered(false));
    let fused = apply::<f32, f32>(MicroOp::multiply_add, &[&a, &b, &a]);
    same(&fused, a.iter().zip(&b).map(|(&a, &b)| a + a * b));
    let product: f32 = 1.000_000_1 * 1.000_000_1;
    let rounded =
        apply::<f32, f32>(MicroOp::multiply_add, &[&[1.000_000_1], &[1.000_000_1], &[-1.0]]);
    same(&rounded, [product - 1.0].into_iter());
}

#[test]
fn float_comparisons_and_predicates() {
    let (a, b) = pairs();
    let compare = |op| apply::<f32, u8>(op, &[&a, &b]);
    let each = |f: fn(&f32, &f32) -> bool| -> Vec<u8> {
        a.iter().zip(&b).map(|(a, b)| f(a, b) as u8).collect()
    };
    assert_eq!(compare(MicroOp::eq), each(|a, b| a == b));
    assert_eq!(compare(MicroOp::ne), each(|a, b| a != b));
    assert_eq!(compare(MicroOp::lt), each(|a, b| a < b));
    assert_eq!(compare(MicroOp::le), each(|a, b| a <= b));
    assert_eq!(compare(MicroOp::gt), each(|a, b| a > b));
    assert_eq!(compare(MicroOp::ge), each(|a, b| a >= b));
    let total = compare(MicroOp::total_lt);
    let index = |a: f32, b: f32| a.to_bits() == 0x8000_0000 && b.to_bits() == 0;
    let zeros = a.iter().zip(&b).position(|(&a, &b)| index(a, b)).unwrap();
    assert_eq!(total[zeros], 1, "-0 is less than +0 in the total order");
    // The total order of keys with one zero and one NaN.
    fn key(x: f32) -> f32 {
        if x.is_nan() { f32::from_bits(0x7fc0_0000) } else { x + 0.0 }
    }
    assert_eq!(compare(MicroOp::sort_lt), each(|&a, &b| key(a).total_cmp(&key(b)).is_lt()));
    let finite = apply::<f32, u8>(MicroOp::is_finite, &[&SPECIAL]);
    assert_eq!(finite, SPECIAL.map(|x| x.is_finite() as u8));
}

#[test]
fn chlo_functions_are_the_shared_ones() {
    use microhlo_format::special as s;
    let values = [0.25f32, -0.75, 1.5, 3.25, -0.0, f32::INFINITY, f32::NAN];
    let wide = values.map(f64::from);
    macro_rules! check {
        ($($op:ident, $narrow:ident, $wide:ident;)*) => {$(
            same(&apply(MicroOp::$op, &[&values]), values.into_iter().map(s::$narrow));
            let got: Vec<f64> = apply(MicroOp::$op, &[&wide]);
            let bits = |v: f64| if v.is_nan() { 1 } else { v.to_bits() };
            assert!(got.iter().map(|v| bits(*v)).eq(wide.iter().map(|v| bits(s::$wide(*v)))));
        )*};
    }
    check! {
        acos, acos_f32, acos_f64;
        acosh, acosh_f32, acosh_f64;
        asin, asin_f32, asin_f64;
        asinh, asinh_f32, asinh_f64;
        atan, atan_f32, atan_f64;
        atanh, atanh_f32, atanh_f64;
        bessel_i1e, bessel_i1e_f32, bessel_i1e_f64;
        cosh, cosh_f32, cosh_f64;
        digamma, digamma_f32, digamma_f64;
        erf, erf_f32, erf_f64;
        erf_inv, erf_inv_f32, erf_inv_f64;
        erfc, erfc_f32, erfc_f64;
        lgamma, lgamma_f32, lgamma_f64;
        sinh, sinh_f32, sinh_f64;
    }
    let (a, b) = ([2.0f32, 1.0, 3.0, 0.0], [1.5f32, 2.5, -0.5, 4.0]);
    let both = |f: fn(f32, f32) -> f32| (0..4).map(move |i| f(a[i], b[i]));
    same(&apply(MicroOp::zeta, &[&a, &b]), both(s::zeta_f32));
    same(&apply(MicroOp::polygamma, &[&a, &b]), both(s::polygamma_f32));
    let wide = apply::<f64, f64>(MicroOp::zeta, &[&[2.0], &[1.0]]);
    assert!((wide[0] - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-15);
    let wide = apply::<f64, f64>(MicroOp::polygamma, &[&[1.0], &[1.0]]);
    assert!((wide[0] - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-15);
}

#[test]
fn float_functions() {
    let unary = |op| apply::<f32, f32>(op, &[&SPECIAL]);
    let exact = |op, f: fn(f32) -> f32| same(&unary(op), SPECIAL.into_iter().map(f));
    exact(MicroOp::abs, f32::abs);
    exact(MicroOp::negate, |x| -x);
    exact(MicroOp::ceil, f32::ceil);
    exact(MicroOp::floor, f32::floor);
    exact(MicroOp::round_nearest_afz, f32::round);
    exact(MicroOp::round_nearest_even, f32::round_ties_even);
    exact(MicroOp::sqrt, f32::sqrt);
    exact(MicroOp::sign, |x| if x == 0.0 || x.is_nan() { x } else { x.signum() });
    let x: Vec<f32> = (-40..40).map(|i| i as f32 / 8.0 + 0.03).collect();
    let near = |op, f: fn(f64) -> f64| {
        for (got, &x) in apply::<f32, f32>(op, &[&x]).iter().zip(&x) {
            let expected = f(f64::from(x));
            let nan = got.is_nan() && expected.is_nan();
            let error = (f64::from(*got) - expected).abs();
            assert!(nan || error <= 3e-7 * expected.abs().max(0.1), "{}({x})", op.text());
        }
    };
    near(MicroOp::cbrt, f64::cbrt);
    near(MicroOp::cosine, f64::cos);
    near(MicroOp::exponential, f64::exp);
    near(MicroOp::exponential_minus_one, f64::exp_m1);
    near(MicroOp::log, f64::ln);
    near(MicroOp::log_plus_one, f64::ln_1p);
    near(MicroOp::logistic, |x| 1.0 / (1.0 + (-x).exp()));
    near(MicroOp::rsqrt, |x| 1.0 / x.sqrt());
    near(MicroOp::sine, f64::sin);
    near(MicroOp::tan, f64::tan);
    near(MicroOp::tanh, f64::tanh);
    let (a, b) = ([1.5f32, 2.0, 0.5], [3.0f32, -1.5, 0.25]);
    let power = apply::<f32, f32>(MicroOp::power, &[&a, &b]);
    let angle = apply::<f32, f32>(MicroOp::atan2, &[&a, &b]);
    for i in 0..3 {
        let (a, b) = (f64::from(a[i]), f64::from(b[i]));
        assert!((f64::from(power[i]) - a.powf(b)).abs() < 1e-6);
        assert!((f64::from(angle[i]) - a.atan2(b)).abs() < 1e-6);
    }
    let clamp = apply::<f64, f64>(
        MicroOp::clamp,
        &[&[0.0, 0.0, -1.0], &[7.0, -7.0, 0.5], &[6.0, 6.0, 1.0]],
    );
    assert_eq!(clamp, [6.0, 0.0, 0.5]);
}

#[test]
fn conversions() {
    assert_eq!(convert::<i32, i8>(&[300, -129, 5]), [44, 127, 5]);
    assert_eq!(convert::<i8, u32>(&[-1, 7]), [u32::MAX, 7]);
    assert_eq!(convert::<u8, i64>(&[255]), [255]);
    assert_eq!(convert::<f32, i8>(&[300.0, -300.0, f32::NAN, -1.9, 1.9]), [127, -128, 0, -1, 1]);
    assert_eq!(convert::<f32, u8>(&[-5.0, 255.9, f32::INFINITY]), [0, 255, 255]);
    assert_eq!(convert::<f64, i64>(&[1e300, -1e300]), [i64::MAX, i64::MIN]);
    assert_eq!(
        convert::<i32, f32>(&[16_777_217, -16_777_219, i32::MAX]),
        [16_777_216.0, -16_777_220.0, 2_147_483_648.0]
    );
    assert_eq!(convert::<u64, f32>(&[u64::MAX]), [18_446_744_073_709_551_615.0f32]);
    assert_eq!(convert::<f64, f32>(&[0.1, 1e300]), [0.1, f32::INFINITY]);
    let truth = MicroId::convert(DType::F32, DType::I1);
    let bytes: Vec<u8> =
        [0.0f32, -0.0, 0.5, f32::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(apply_raw(truth, &[bytes]), [0, 0, 1, 1]);
    let number = MicroId::convert(DType::I1, DType::I16);
    assert_eq!(apply_raw(number, &[vec![0, 1]]), [0, 0, 1, 0]);
    let half = MicroId::convert(DType::F32, DType::F16);
    assert_eq!(apply_raw(half, &[1.5f32.to_le_bytes().to_vec()]), 0x3e00u16.to_le_bytes());
    let brain = MicroId::convert(DType::BF16, DType::F32);
    assert_eq!(apply_raw(brain, &[0x3fc0u16.to_le_bytes().to_vec()]), 1.5f32.to_le_bytes());
}
