//! The kernels that are generic over element types, against plain loops.

mod common;

use common::{Constants, after, f32_bytes, f32_values, one_step, run};
use microhlo_format::kernels::{
    ConvAny, ConvDim, DotAny, Fill, Map, MapInstr, MapOperand, Move, Post, Reduce, SoftmaxF32,
    SoftmaxI8, Window, WindowDim,
};
use microhlo_format::{DType, Kernel, MicroId, MicroOp, Place};
use proptest::prelude::*;

fn i32_op(op: MicroOp) -> MicroId {
    MicroId::op(op, DType::I32)
}

fn bytes(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn values(bytes: &[u8]) -> Vec<i32> {
    bytes.chunks_exact(4).map(|c| i32::from_le_bytes(c.try_into().unwrap())).collect()
}

fn list<T: Clone, const N: usize>(values: &[T]) -> heapless::Vec<T, N> {
    values.iter().cloned().collect()
}

/// Distinct values.
fn ramp(n: usize) -> Vec<i32> {
    (0..n as i32).map(|i| i * 7 - 50).collect()
}

type Apply = fn(i32, i32) -> i32;

/// An operation that reductions apply. Subtraction tells the order and the initial value; the
/// others are folded many elements at a time.
fn reducer() -> impl Strategy<Value = (MicroOp, Apply)> {
    let all: [(MicroOp, Apply); 4] = [
        (MicroOp::subtract, i32::wrapping_sub),
        (MicroOp::add, i32::wrapping_add),
        (MicroOp::maximum, i32::max),
        (MicroOp::minimum, i32::min),
    ];
    prop::sample::select(all.to_vec())
}

/// All indices of a shape, row-major.
fn indices(sizes: &[u32]) -> Vec<Vec<u32>> {
    sizes.iter().fold(vec![vec![]], |all, &size| {
        all.iter().flat_map(|i| (0..size).map(move |j| [&i[..], &[j]].concat())).collect()
    })
}

fn offset(index: &[u32], strides: &[i32]) -> i32 {
    index.iter().zip(strides).map(|(&i, &s)| i as i32 * s).sum()
}

/// Sizes and a permutation of dense strides, some dimensions reversed or repeated; with the offset
/// that makes all element numbers nonnegative and the number of elements.
fn layout() -> impl Strategy<Value = (Vec<u32>, Vec<i32>, i32, usize)> {
    (1usize..5).prop_flat_map(|rank| {
        let sizes = prop::collection::vec(1u32..7, rank);
        let kinds = prop::collection::vec(0..4u8, rank);
        let order = Just((0..rank).collect::<Vec<_>>()).prop_shuffle();
        (sizes, kinds, order).prop_map(|(sizes, kinds, order)| {
            let mut strides = vec![0; sizes.len()];
            let (mut dense, mut start) = (1, 0);
            for &d in &order {
                match kinds[d] {
                    0 => continue,
                    1 => {
                        strides[d] = -dense;
                        start += dense * (sizes[d] as i32 - 1);
                    }
                    _ => strides[d] = dense,
                }
                dense *= sizes[d] as i32;
            }
            (sizes, strides, start, dense as usize)
        })
    })
}

fn in_bytes(strides: &[i32]) -> Vec<i32> {
    strides.iter().map(|s| s * 4).collect()
}

/// Dense byte strides.
fn dense(sizes: &[u32]) -> Vec<i32> {
    let mut strides = vec![4; sizes.len()];
    for d in (1..sizes.len()).rev() {
        strides[d - 1] = strides[d] * sizes[d] as i32;
    }
    strides
}

proptest! {
    #[test]
    fn moves_follow_strides((sizes, strides, start, len) in layout(), element in 0usize..5) {
        let element = [1usize, 2, 4, 8, 16][element];
        let input: Vec<u8> = (0..len * element).map(|i| (i * 31 + i / 255) as u8).collect();
        let scaled = |strides: &[i32]| strides.iter().map(|s| s * element as i32).collect::<Vec<_>>();
        let output_strides = dense(&sizes).iter().map(|s| s / 4).collect::<Vec<_>>();
        let count = sizes.iter().product::<u32>() as usize;
        let mut expected = Vec::new();
        for index in indices(&sizes) {
            let at = (start + offset(&index, &strides)) as usize * element;
            expected.extend_from_slice(&input[at..at + element]);
        }
        let output = (after(input.len() as u32), (count * element) as u32);
        let step = Kernel::move_(Move {
            input: Place::arena(start as u32 * element as u32),
            output: Place::arena(output.0),
            element: element as u8,
            input_strides: list(&scaled(&strides)),
            output_strides: list(&scaled(&output_strides)),
            sizes: list(&sizes),
        });
        let got = run(&one_step(step, input.len() as u32, output, vec![]), &input).unwrap();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn maps_follow_strides_and_tiles((sizes, strides, start, len) in layout(), tile in 1u32..7) {
        let input = ramp(len);
        let count = sizes.iter().product::<u32>();
        let expected: Vec<i32> = indices(&sizes)
            .iter()
            .map(|index| {
                let x = input[(start + offset(index, &strides)) as usize];
                (x * x - 3).max(x)
            })
            .collect();
        let bytes_in = len as u32 * 4;
        let output = (after(bytes_in), count * 4);
        let scratch = after(output.0 + output.1);
        let mut constants = Constants::default();
        let three = constants.add(&3i32.to_le_bytes());
        let operand = |place, strides: &[i32]| MapOperand { place, strides: list(strides) };
        let instr = |op, dst, args| MapInstr { op: i32_op(op), dst, args };
        let step = Kernel::map(Map {
            inputs: list(&[
                operand(Place::arena(start as u32 * 4), &in_bytes(&strides)),
                operand(three, &vec![0; sizes.len()]),
            ]),
            outputs: list(&[operand(Place::arena(output.0), &dense(&sizes))]),
            scratch: Some(Place::arena(scratch)),
            temps: 2,
            temp_size: 4,
            tile,
            code: list(&[
                instr(MicroOp::multiply, 3, [0, 0, 0]),
                instr(MicroOp::subtract, 4, [3, 1, 0]),
                instr(MicroOp::maximum, 2, [4, 0, 0]),
            ]),
            sizes: list(&sizes),
        });
        let mut spec = one_step(step, bytes_in, output, constants.0);
        spec.arena_bytes = scratch + 2 * tile * 4;
        prop_assert_eq!(values(&run(&spec, &bytes(&input)).unwrap()), expected);
    }

    #[test]
    fn reductions_follow_strides(
        (sizes, strides, start, len) in layout(), cut in 0usize..5, mean: bool,
        (op, apply) in reducer(),
    ) {
        let cut = cut.min(sizes.len());
        let input = ramp(len);
        let reduced = indices(&sizes[cut..]);
        let expected: Vec<i32> = indices(&sizes[..cut])
            .iter()
            .map(|kept| {
                let sum = reduced.iter().fold(1000i32, |acc, inner| {
                    let at = start + offset(kept, &strides[..cut]) + offset(inner, &strides[cut..]);
                    apply(acc, input[at as usize])
                });
                if mean { sum / 4 } else { sum }
            })
            .collect();
        let mut constants = Constants::default();
        let init = constants.add(&1000i32.to_le_bytes());
        let four = constants.add(&4i32.to_le_bytes());
        let output = (after(len as u32 * 4), expected.len() as u32 * 4);
        let step = Kernel::reduce(Reduce {
            op: i32_op(op),
            input: Place::arena(start as u32 * 4),
            init,
            output: Place::arena(output.0),
            post: mean.then_some(Post { op: i32_op(MicroOp::divide), operand: four }),
            sizes: list(&sizes[..cut]),
            strides: list(&in_bytes(&strides[..cut])),
            reduce: list(&sizes[cut..]),
            reduce_strides: list(&in_bytes(&strides[cut..])),
        });
        let got = run(&one_step(step, len as u32 * 4, output, constants.0), &bytes(&input)).unwrap();
        prop_assert_eq!(values(&got), expected);
    }

    #[test]
    fn dot_any_contracts(
        m in 1u32..5, n in 1u32..5, k in 0u32..6, l in 1u32..4, transposed: bool,
    ) {
        // lhs [m, k, l], rhs [k, l, n] or [n, k, l].
        let lhs = ramp((m * k * l) as usize);
        let rhs: Vec<i32> = ramp((k * l * n) as usize).iter().map(|x| x ^ 0x55).collect();
        let rhs_strides =
            if transposed { [l as i32, 1, (k * l) as i32] } else { [(l * n) as i32, n as i32, 1] };
        let mut expected = Vec::new();
        for i in 0..m {
            for j in 0..n {
                let products = indices(&[k, l]);
                expected.push(products.iter().fold(0i32, |acc, at| {
                    let a = lhs[((i * k + at[0]) * l + at[1]) as usize];
                    let b = rhs[offset(&[at[0], at[1], j], &rhs_strides) as usize];
                    acc.wrapping_add(a.wrapping_mul(b))
                }));
            }
        }
        let mut constants = Constants::default();
        let rhs = constants.add(&bytes(&rhs));
        let output = (after(lhs.len() as u32 * 4), expected.len() as u32 * 4);
        let step = Kernel::dot_any(DotAny {
            op: i32_op(MicroOp::multiply_add),
            lhs: Place::arena(0),
            rhs,
            output: Place::arena(output.0),
            sizes: list(&[m, n]),
            lhs_strides: list(&in_bytes(&[(k * l) as i32, 0])),
            rhs_strides: list(&in_bytes(&[0, rhs_strides[2]])),
            contract: list(&[k, l]),
            lhs_contract_strides: list(&in_bytes(&[l as i32, 1])),
            rhs_contract_strides: list(&in_bytes(&rhs_strides[..2])),
        });
        let spec = one_step(step, lhs.len() as u32 * 4, output, constants.0);
        prop_assert_eq!(values(&run(&spec, &bytes(&lhs)).unwrap()), expected);
    }
}

/// One dimension of windows and convolutions.
#[derive(Clone, Copy, Debug)]
struct Dim {
    input: u32,
    output: u32,
    kernel: u32,
    stride: u32,
    pad: i32,
    input_dilation: u32,
    kernel_dilation: u32,
    reverse: bool,
}

impl Dim {
    fn at(&self, output: u32, tap: u32) -> Option<u32> {
        let at = (output * self.stride + tap * self.kernel_dilation) as i32 - self.pad;
        let inside = at >= 0 && at % self.input_dilation as i32 == 0;
        let at = at / self.input_dilation as i32;
        (inside && at < self.input as i32).then_some(at as u32)
    }
}

fn dims(rank: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Dim>> {
    let dim = (1u32..5, 1u32..4, 1u32..4, 1u32..4, -2i32..4, 1u32..3, 1u32..3, any::<bool>())
        .prop_map(
            |(input, output, kernel, stride, pad, input_dilation, kernel_dilation, reverse)| Dim {
                input,
                output,
                kernel,
                stride,
                pad,
                input_dilation,
                kernel_dilation,
                reverse,
            },
        );
    prop::collection::vec(dim, rank)
}

/// The input pixel under a tap, row-major.
fn pixel(dims: &[Dim], out: &[u32], tap: &[u32]) -> Option<u32> {
    dims.iter()
        .zip(out)
        .zip(tap)
        .try_fold(0, |pixel, ((dim, &out), &tap)| Some(pixel * dim.input + dim.at(out, tap)?))
}

fn sizes(dims: &[Dim], f: fn(&Dim) -> u32) -> Vec<u32> {
    dims.iter().map(f).collect()
}

proptest! {
    #[test]
    fn windows_slide(
        dims in dims(0..4), inner in 1u32..7, padding_counts: bool, mean: bool,
        (op, apply) in reducer(),
    ) {
        let pixels = sizes(&dims, |d| d.input).iter().product::<u32>();
        let input = ramp((pixels * inner) as usize);
        let mut expected = Vec::new();
        for out in indices(&sizes(&dims, |d| d.output)) {
            for c in 0..inner {
                let taps = indices(&sizes(&dims, |d| d.kernel));
                let sum = taps.iter().fold(5i32, |acc, tap| match pixel(&dims, &out, tap) {
                    Some(pixel) => apply(acc, input[(pixel * inner + c) as usize]),
                    None if padding_counts => apply(acc, 5),
                    None => acc,
                });
                expected.push(if mean { sum / 3 } else { sum });
            }
        }
        let mut constants = Constants::default();
        let init = constants.add(&5i32.to_le_bytes());
        let three = constants.add(&3i32.to_le_bytes());
        let output = (after(input.len() as u32 * 4), expected.len() as u32 * 4);
        let step = Kernel::window(Window {
            op: i32_op(op),
            input: Place::arena(0),
            init,
            output: Place::arena(output.0),
            post: mean.then_some(Post { op: i32_op(MicroOp::divide), operand: three }),
            dims: dims
                .iter()
                .map(|d| WindowDim {
                    input: d.input,
                    output: d.output,
                    window: d.kernel,
                    stride: d.stride,
                    pad: d.pad,
                    base_dilation: d.input_dilation,
                    window_dilation: d.kernel_dilation,
                })
                .collect(),
            inner,
            padding_counts,
        });
        let spec = one_step(step, input.len() as u32 * 4, output, constants.0);
        prop_assert_eq!(values(&run(&spec, &bytes(&input)).unwrap()), expected);
    }

    #[test]
    fn conv_any_convolves(
        dims in dims(1..4), batch in 1u32..3, groups in 1u32..3, in_c in 1u32..4, out_c in 1u32..4,
    ) {
        let image = sizes(&dims, |d| d.input).iter().product::<u32>();
        let taps = indices(&sizes(&dims, |d| d.kernel));
        let input = ramp((batch * image * groups * in_c) as usize);
        let weights: Vec<i32> =
            ramp(taps.len() * (in_c * groups * out_c) as usize).iter().map(|x| x ^ 0x33).collect();
        let mut expected = Vec::new();
        for b in 0..batch {
            for out in indices(&sizes(&dims, |d| d.output)) {
                for channel in 0..groups * out_c {
                    let group = channel / out_c;
                    let mut acc = 0i32;
                    for tap in &taps {
                        let Some(pixel) = pixel(&dims, &out, tap) else { continue };
                        let stored = dims.iter().zip(tap).fold(0, |at, (d, &t)| {
                            at * d.kernel + if d.reverse { d.kernel - 1 - t } else { t }
                        });
                        for i in 0..in_c {
                            let x = ((b * image + pixel) * groups + group) * in_c + i;
                            let w = (stored * in_c + i) * groups * out_c + channel;
                            let product = input[x as usize].wrapping_mul(weights[w as usize]);
                            acc = acc.wrapping_add(product);
                        }
                    }
                    expected.push(acc);
                }
            }
        }
        let mut constants = Constants::default();
        let weights = constants.add(&bytes(&weights));
        let output = (after(input.len() as u32 * 4), expected.len() as u32 * 4);
        let step = Kernel::conv_any(ConvAny {
            op: i32_op(MicroOp::multiply_add),
            input: Place::arena(0),
            weights,
            output: Place::arena(output.0),
            batch,
            groups,
            in_c,
            out_c,
            spatial: dims
                .iter()
                .map(|d| ConvDim {
                    input: d.input,
                    output: d.output,
                    kernel: d.kernel,
                    stride: d.stride,
                    pad: d.pad,
                    input_dilation: d.input_dilation,
                    kernel_dilation: d.kernel_dilation,
                    reverse: d.reverse,
                })
                .collect(),
        });
        let spec = one_step(step, input.len() as u32 * 4, output, constants.0);
        prop_assert_eq!(values(&run(&spec, &bytes(&input)).unwrap()), expected);
    }

    #[test]
    fn softmax_is_the_documented_sequence(rows in 1u32..4, n in 1u32..12, seed: u32) {
        let input: Vec<f32> = (0..rows * n)
            .map(|i| (i.wrapping_mul(seed | 1) >> 20) as f32 / 256.0 - 8.0)
            .collect();
        let mut expected = Vec::new();
        for row in input.chunks(n as usize) {
            let max = row.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
            let powers: Vec<f32> =
                row.iter().map(|&x| microhlo_format::scalar::exp_f32(x - max)).collect();
            let sum = powers.iter().fold(0.0, |sum, e| sum + e);
            expected.extend(powers.iter().map(|e| e / sum));
        }
        let bytes = rows * n * 4;
        let place = |offset| Place::arena(offset);
        let step = |y| Kernel::softmax_f32(SoftmaxF32 { input: place(0), output: place(y), rows, n });
        for y in [0, after(bytes)] {
            let got = run(&one_step(step(y), bytes, (y, bytes), vec![]), &f32_bytes(&input)).unwrap();
            prop_assert_eq!(f32_values(&got), expected.clone());
        }
    }
}

proptest! {
    #[test]
    fn softmax_of_bytes_is_the_documented_sequence(
        rows in 1u32..4,
        n in 1u32..12,
        x in prop::collection::vec(any::<i8>(), 33),
        zero in -140i32..140,
        scales in (0.001f32..0.5, 0.002f32..0.02),
    ) {
        let (input_scale, output_scale) = scales;
        let (output_zero, min, max) = (-128.0, -120.0, 100.0);
        let input = &x[..(rows * n) as usize];
        let mut expected = Vec::new();
        for row in input.chunks(n as usize) {
            let row: Vec<f32> =
                row.iter().map(|&x| (i32::from(x) - zero) as f32 * input_scale).collect();
            let max_x = row.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
            let powers: Vec<f32> =
                row.iter().map(|&x| microhlo_format::scalar::exp_f32(x - max_x)).collect();
            let sum = powers.iter().fold(0.0, |sum, e| sum + e);
            let scaled = powers.iter().map(|e| e / sum / output_scale + output_zero);
            expected.extend(scaled.map(|y| y.max(min).min(max).round_ties_even() as i8 as u8));
        }
        let bytes = rows * n;
        let room = bytes.next_multiple_of(4);
        let step = |y| Kernel::softmax_i8(SoftmaxI8 {
            input: Place::arena(0),
            output: Place::arena(y),
            scratch: Place::arena(2 * room),
            rows,
            n,
            input_zero: zero,
            input_scale,
            output_scale,
            output_zero,
            min,
            max,
        });
        for y in [0, room] {
            let mut spec = one_step(step(y), bytes, (y, bytes), vec![]);
            spec.arena_bytes = 2 * room + 4 * n;
            let input: Vec<u8> = input.iter().map(|&x| x as u8).collect();
            prop_assert_eq!(run(&spec, &input).unwrap(), expected.clone());
        }
    }
}

#[test]
fn fills_repeat_an_element() {
    for element in [1u8, 2, 4, 8, 16] {
        let value: Vec<u8> = (0..element).map(|i| i * 3 + 1).collect();
        let mut constants = Constants::default();
        let place = constants.add(&value);
        let output = Place::arena(16);
        let step = Kernel::fill(Fill { value: place, output, element, count: 5 });
        let spec = one_step(step, 16, (16, 5 * u32::from(element)), constants.0);
        assert_eq!(run(&spec, &[0; 16]).unwrap(), value.repeat(5));
    }
}

#[test]
fn empty_maps_moves_and_reductions_do_nothing_or_give_the_initial_value() {
    let mut constants = Constants::default();
    let init = constants.add(&9i32.to_le_bytes());
    let step = Kernel::reduce(Reduce {
        op: i32_op(MicroOp::add),
        input: Place::arena(0),
        init,
        output: Place::arena(16),
        post: None,
        sizes: list(&[2]),
        strides: list(&[4]),
        reduce: list(&[0]),
        reduce_strides: list(&[4]),
    });
    let got = run(&one_step(step, 16, (16, 8), constants.0), &[0; 16]).unwrap();
    assert_eq!(values(&got), [9, 9]);
    let step = Kernel::move_(Move {
        input: Place::arena(0),
        output: Place::arena(0),
        element: 4,
        sizes: list(&[3, 0]),
        input_strides: list(&[4, 4]),
        output_strides: list(&[4, 4]),
    });
    let got = run(&one_step(step, 16, (0, 16), vec![]), &[7; 16]).unwrap();
    assert_eq!(got, [7; 16]);
}
