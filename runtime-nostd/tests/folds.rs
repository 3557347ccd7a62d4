//! Reductions of `f32`: their order, and special values, bit for bit.

mod common;

use common::{Constants, after, f32_bytes, f32_values, one_step, run};
use microhlo_format::kernels::{Reduce, Window, WindowDim};
use microhlo_format::{DType, Kernel, MicroId, MicroOp, Place};
use proptest::prelude::*;

/// Values whose sums depend on the order, zeros of both signs, and infinities and NaNs of both.
fn value() -> impl Strategy<Value = f32> {
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN, 1.0, -1.0];
    prop_oneof![
        8 => (-1e6f32..1e6).prop_map(|x| x * x * x),
        4 => -1.0f32..1.0,
        1 => prop::sample::select(special.to_vec()),
        1 => Just(0.0),
        1 => Just(-0.0),
    ]
}

/// The definition of IEEE 754-2019 `maximum`.
fn maximum(a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() {
        f32::NAN
    } else if a == b {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

fn minimum(a: f32, b: f32) -> f32 {
    -maximum(-a, -b)
}

type Apply = fn(f32, f32) -> f32;

fn reducer() -> impl Strategy<Value = (MicroOp, Apply, f32)> {
    let all: [(MicroOp, Apply, f32); 4] = [
        (MicroOp::add, |a, b| a + b, -0.0),
        (MicroOp::multiply, |a, b| a * b, 1.0),
        (MicroOp::maximum, maximum, f32::NEG_INFINITY),
        (MicroOp::minimum, minimum, f32::INFINITY),
    ];
    prop::sample::select(all.to_vec())
}

/// Bits, with all NaNs the same one.
fn bits(values: &[f32]) -> Vec<u32> {
    let bits = |x: &f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    values.iter().map(bits).collect()
}

fn input(rows: usize, columns: usize, channels: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(value(), rows * columns * channels)
}

fn shape() -> impl Strategy<Value = ([usize; 3], Vec<f32>)> {
    (1usize..6, 1usize..6, 1usize..10)
        .prop_flat_map(|(h, w, c)| input(h, w, c).prop_map(move |x| ([h, w, c], x)))
}

proptest! {
    #[test]
    fn channels_are_folded_in_order(([h, w, c], x) in shape(), (op, apply, init) in reducer()) {
        let expected: Vec<f32> = (0..c)
            .map(|channel| (0..h * w).fold(init, |acc, pixel| apply(acc, x[pixel * c + channel])))
            .collect();
        let mut constants = Constants::default();
        let bytes = x.len() as u32 * 4;
        let output = (after(bytes), c as u32 * 4);
        let (row, pixel) = ((w * c * 4) as i32, (c * 4) as i32);
        let step = Kernel::reduce(Reduce {
            op: MicroId::op(op, DType::F32),
            input: Place::arena(0),
            init: constants.add_f32(&[init]),
            output: Place::arena(output.0),
            post: None,
            sizes: [c as u32].into_iter().collect(),
            strides: [4].into_iter().collect(),
            reduce: [h as u32, w as u32].into_iter().collect(),
            reduce_strides: [row, pixel].into_iter().collect(),
        });
        let got = run(&one_step(step, bytes, output, constants.0), &f32_bytes(&x)).unwrap();
        prop_assert_eq!(bits(&f32_values(&got)), bits(&expected));
    }

    #[test]
    fn pools_are_folded_in_order(
        ([h, w, c], x) in shape(), (op, apply, init) in reducer(),
        window in 1u32..4, stride in 1u32..3, pad in 0i32..2,
    ) {
        let dim = |input: usize| WindowDim {
            input: input as u32,
            output: (input as u32 + 1) / stride + 1,
            window,
            stride,
            pad,
            base_dilation: 1,
            window_dilation: 1,
        };
        let taps = |out: u32, input: usize| {
            let start = (out * stride) as i32 - pad;
            (start..start + window as i32).filter(move |at| (0..input as i32).contains(at))
        };
        let mut expected = Vec::new();
        for y in 0..dim(h).output {
            for z in 0..dim(w).output {
                for channel in 0..c {
                    let mut acc = init;
                    for i in taps(y, h) {
                        for j in taps(z, w) {
                            acc = apply(acc, x[(i as usize * w + j as usize) * c + channel]);
                        }
                    }
                    expected.push(acc);
                }
            }
        }
        let mut constants = Constants::default();
        let bytes = x.len() as u32 * 4;
        let output = (after(bytes), expected.len() as u32 * 4);
        let step = Kernel::window(Window {
            op: MicroId::op(op, DType::F32),
            input: Place::arena(0),
            init: constants.add_f32(&[init]),
            output: Place::arena(output.0),
            post: None,
            dims: [dim(h), dim(w)].into_iter().collect(),
            inner: c as u32,
            padding_counts: false,
        });
        let got = run(&one_step(step, bytes, output, constants.0), &f32_bytes(&x)).unwrap();
        prop_assert_eq!(bits(&f32_values(&got)), bits(&expected));
    }
}
