//! Rows of narrow floats, narrow integers and complex numbers.

mod common;

use common::apply_raw;
use microhlo_format::complex::{self, C64, C128};
use microhlo_format::float::Format;
use microhlo_format::{DType, MicroId, MicroOp};

/// Every bit pattern of a type of at most 16 bits, as stored.
fn patterns(dtype: DType) -> Vec<u8> {
    let bits = (0..1u32 << dtype.bits()).map(|bits| bits as u16);
    bits.flat_map(|bits| bits.to_le_bytes()[..dtype.size()].to_vec()).collect()
}

fn word(bytes: &[u8]) -> u16 {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | u16::from(b))
}

#[test]
fn narrow_floats_convert_by_way_of_single_precision() {
    for &dtype in DType::ALL.iter().filter(|d| d.is_narrow_float()) {
        patterns(dtype).chunks(1 << 13).for_each(|some| hold(dtype, some.to_vec()));
    }
}

fn hold(dtype: DType, all: Vec<u8>) {
    let format = Format::of(dtype).expect("a narrow float");
    let wide = apply_raw(MicroId::convert(dtype, DType::F32), std::slice::from_ref(&all));
    let back = apply_raw(MicroId::convert(DType::F32, dtype), std::slice::from_ref(&wide));
    let values: Vec<f64> =
        wide.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect();
    for ((pattern, value), back) in
        all.chunks(dtype.size()).zip(&values).zip(back.chunks(dtype.size()))
    {
        let expected = format.decode(word(pattern));
        assert!(*value == expected || value.is_nan() && expected.is_nan(), "{dtype}");
        assert!(value.is_nan() || back == pattern, "{dtype} {pattern:?}");
    }
    let thirds: Vec<f64> = values.iter().map(|v| v / 3.0).collect();
    let bytes = thirds.iter().flat_map(|v| v.to_le_bytes()).collect();
    let rounded = apply_raw(MicroId::convert(DType::F64, dtype), &[bytes]);
    for (third, rounded) in thirds.iter().zip(rounded.chunks(dtype.size())) {
        assert_eq!(word(rounded), format.encode(*third), "{dtype} of {third}");
    }
}

#[test]
fn integers_convert_to_narrow_floats_with_one_rounding() {
    // A tie in bf16, and one above it that f32 and f64 cannot hold.
    let (tie, above) = ((1u64 << 62) + (1 << 54), (1u64 << 62) + (1 << 54) + 1);
    let bytes = [tie, above].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    for from in [DType::U64, DType::I64] {
        let out = apply_raw(MicroId::convert(from, DType::BF16), std::slice::from_ref(&bytes));
        assert_eq!(out, [0x80, 0x5e, 0x81, 0x5e], "{from}");
    }
    let minus = (-3i32).to_le_bytes().to_vec();
    let out = apply_raw(MicroId::convert(DType::I32, DType::BF16), &[minus]);
    assert_eq!(out, [0x40, 0xc0]);
}

#[test]
fn narrow_integers_wrap_from_bytes_and_saturate_from_floats() {
    let bytes = |id, x: Vec<u8>| apply_raw(id, &[x]);
    let wrap = |from, to| bytes(MicroId::convert(from, to), vec![0, 1, 3, 8, 0x7f, 0xff]);
    assert_eq!(wrap(DType::I8, DType::I4), [0, 1, 3, 0xf8, 0xff, 0xff]);
    assert_eq!(wrap(DType::I8, DType::I2), [0, 1, 0xff, 0, 0xff, 0xff]);
    assert_eq!(wrap(DType::U8, DType::U4), [0, 1, 3, 8, 15, 15]);
    assert_eq!(wrap(DType::U8, DType::U2), [0, 1, 3, 0, 3, 3]);
    let floats = [-100.0f32, -2.9, f32::NAN, 2.5, 100.0];
    let floats: Vec<u8> = floats.iter().flat_map(|v| v.to_le_bytes()).collect();
    let saturate = |to| bytes(MicroId::convert(DType::F32, to), floats.clone());
    assert_eq!(saturate(DType::I4), [0xf8, 0xfe, 0, 2, 7]);
    assert_eq!(saturate(DType::I2), [0xfe, 0xfe, 0, 1, 1]);
    assert_eq!(saturate(DType::U4), [0, 0, 0, 2, 15]);
    assert_eq!(saturate(DType::U2), [0, 0, 0, 2, 3]);
}

const NUMBERS: [(f64, f64); 6] =
    [(1.0, 2.0), (-0.5, 3.0), (0.0, -0.0), (-4.0, 0.0), (0.25, -7.5), (100.0, 1e-3)];

fn bytes_c64(numbers: &[C64]) -> Vec<u8> {
    numbers.iter().flat_map(|z| [z.re.to_le_bytes(), z.im.to_le_bytes()]).flatten().collect()
}

fn bytes_c128(numbers: &[C128]) -> Vec<u8> {
    numbers.iter().flat_map(|z| [z.re.to_le_bytes(), z.im.to_le_bytes()]).flatten().collect()
}

#[test]
fn complex_rows_are_their_functions() {
    let wide: Vec<C128> = NUMBERS.iter().map(|&(re, im)| C128::new(re, im)).collect();
    let narrow: Vec<C64> = wide.iter().map(|z| z.narrow()).collect();
    type Unary = (MicroOp, fn(C64) -> C64, fn(C128) -> C128);
    let unary: [Unary; 8] = [
        (MicroOp::negate, complex::neg_c64, complex::neg_c128),
        (MicroOp::exponential, complex::exp_c64, complex::exp_c128),
        (MicroOp::log_plus_one, complex::log1p_c64, complex::log1p_c128),
        (MicroOp::sqrt, complex::sqrt_c64, complex::sqrt_c128),
        (MicroOp::rsqrt, complex::rsqrt_c64, complex::rsqrt_c128),
        (MicroOp::tanh, complex::tanh_c64, complex::tanh_c128),
        (MicroOp::logistic, complex::logistic_c64, complex::logistic_c128),
        (MicroOp::copy, |z| z, |z| z),
    ];
    for (op, f, g) in unary {
        let expected = bytes_c64(&narrow.iter().map(|&z| f(z)).collect::<Vec<_>>());
        assert_eq!(apply_raw(MicroId::op(op, DType::C64), &[bytes_c64(&narrow)]), expected);
        let expected = bytes_c128(&wide.iter().map(|&z| g(z)).collect::<Vec<_>>());
        assert_eq!(apply_raw(MicroId::op(op, DType::C128), &[bytes_c128(&wide)]), expected);
    }
    let mut turned = wide.clone();
    turned.rotate_left(1);
    type Binary = (MicroOp, fn(C128, C128) -> C128);
    let binary: [Binary; 6] = [
        (MicroOp::add, complex::add_c128),
        (MicroOp::subtract, complex::sub_c128),
        (MicroOp::multiply, complex::mul_c128),
        (MicroOp::divide, complex::div_c128),
        (MicroOp::maximum, complex::max_c128),
        (MicroOp::power, complex::pow_c128),
    ];
    for (op, f) in binary {
        let pairs: Vec<C128> = wide.iter().zip(&turned).map(|(&a, &b)| f(a, b)).collect();
        let args = [bytes_c128(&wide), bytes_c128(&turned)];
        assert_eq!(apply_raw(MicroId::op(op, DType::C128), &args), bytes_c128(&pairs));
    }
}

#[test]
fn complex_numbers_have_parts_and_an_order() {
    let numbers = [C64::new(3.0, -4.0), C64::new(0.0, 2.0)];
    let bytes = bytes_c64(&numbers);
    let floats = |bytes: Vec<u8>| -> Vec<f32> {
        bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
    };
    let unary = |id| floats(apply_raw(id, std::slice::from_ref(&bytes)));
    assert_eq!(unary(MicroId::convert(DType::C64, DType::F32)), [3.0, 0.0]);
    assert_eq!(unary(MicroId::op(MicroOp::imag, DType::C64)), [-4.0, 2.0]);
    assert_eq!(unary(MicroId::op(MicroOp::abs, DType::C64)), [5.0, 2.0]);
    let parts =
        [[3.0f32, 0.0], [-4.0, 2.0]].map(|p| p.iter().flat_map(|x| x.to_le_bytes()).collect());
    assert_eq!(apply_raw(MicroId::op(MicroOp::complex, DType::C64), &parts), bytes);
    let other = bytes_c64(&[C64::new(3.0, 1.0), C64::new(0.0, 2.0)]);
    let compare = |op| apply_raw(MicroId::op(op, DType::C64), &[bytes.clone(), other.clone()]);
    assert_eq!(compare(MicroOp::eq), [0, 1]);
    assert_eq!(compare(MicroOp::ne), [1, 0]);
    assert_eq!(compare(MicroOp::lt), [1, 0]);
    assert_eq!(compare(MicroOp::le), [1, 1]);
    assert_eq!(compare(MicroOp::gt), [0, 0]);
    assert_eq!(compare(MicroOp::ge), [0, 1]);
    let predicate = vec![1, 0];
    let chosen = MicroId::op(MicroOp::select, DType::C64);
    let out = apply_raw(chosen, &[predicate, bytes.clone(), other]);
    assert_eq!(out, bytes_c64(&[numbers[0], C64::new(0.0, 2.0)]));
}
