//! Products of two computed `i8` tensors against plain loops.

mod common;

use common::{Aligned, one_step, run};
use microhlo::{LoadError, Model, ParamError, StepError};
use microhlo_format::kernels::{DotI8, ProductI8, Requant, Rounding};
use microhlo_format::{ArtifactSpec, Kernel, Place, encode};
use proptest::prelude::*;

const USUAL: Requant = Requant { shift: 33, zero: 3, min: -128, max: 127, rounding: Rounding::Up };

/// A step of two operands at the start of the arena, results behind them, scratch behind those.
fn spec(kernel: Kernel<Place>, [lhs, rhs, output, scratch]: [u32; 4]) -> ArtifactSpec {
    let to = (lhs + rhs).next_multiple_of(4);
    let mut spec = one_step(kernel, lhs + rhs, (to, output), Vec::new());
    spec.arena_bytes = (to + output).next_multiple_of(4) + scratch;
    spec
}

fn requants() -> impl Strategy<Value = Requant> {
    let rounding = prop_oneof![
        4 => Just(Rounding::Up),
        1 => Just(Rounding::Even),
        1 => Just(Rounding::Double),
        1 => Just(Rounding::Single),
    ];
    (33u8..42, -128i32..128, any::<bool>(), rounding).prop_map(|(shift, zero, whole, rounding)| {
        let (min, max) = if whole { (-128, 127) } else { (-50, 70) };
        Requant { shift, zero, min, max, rounding }
    })
}

fn product(sizes: &[u32], rhs_strides: &[i32]) -> ProductI8<Place> {
    let n: u32 = sizes.iter().product();
    let mut stride = n as i32;
    let lhs_strides = sizes.iter().map(|&size| {
        stride /= size as i32;
        stride
    });
    ProductI8 {
        lhs: Place::arena(0),
        rhs: Place::arena(n),
        output: Place::arena((2 * n).next_multiple_of(4)),
        sizes: sizes.iter().copied().collect(),
        lhs_strides: lhs_strides.collect(),
        rhs_strides: rhs_strides.iter().copied().collect(),
        lhs_zero: -7,
        rhs_zero: 100,
        left: 0,
        multiplier: 1 << 25,
        requant: USUAL,
    }
}

/// The second operand of a product and of a sum, by index.
fn at(bytes: &[u8], index: i64, zero: i8) -> i32 {
    i32::from(bytes[index as usize] as i8) - i32::from(zero)
}

fn dot([batch, rows, columns, depth]: [u32; 4]) -> DotI8<Place> {
    let (lhs, rhs) = (batch * rows * depth, batch * columns * depth);
    let output = (lhs + rhs).next_multiple_of(4);
    DotI8 {
        lhs: Place::arena(0),
        rhs: Place::arena(lhs),
        output: Place::arena(output),
        scratch: Place::arena((output + 4 * batch * rows * columns).next_multiple_of(4)),
        batch,
        rows,
        columns,
        depth,
        lhs_batch_stride: (rows * depth) as i32,
        lhs_row_stride: depth as i32,
        lhs_depth_stride: 1,
        rhs_batch_stride: (columns * depth) as i32,
        rhs_column_stride: depth as i32,
        rhs_depth_stride: 1,
        lhs_zero: 3,
        rhs_zero: -128,
        multiplier: 1 << 24,
        requant: Some(USUAL),
    }
}

fn dot_spec(p: DotI8<Place>) -> ArtifactSpec {
    let (results, bytes) = (p.batch * p.rows * p.columns, if p.requant.is_some() { 1 } else { 4 });
    let kept = p.rows.min(p.columns).next_multiple_of(2) + 4;
    let scratch = kept * p.depth.next_multiple_of(4) * 2;
    let (lhs, rhs) = (p.batch * p.rows * p.depth, p.batch * p.columns * p.depth);
    let mut spec = spec(Kernel::dot_i8(p), [lhs, rhs, results * bytes, scratch]);
    spec.arena_bytes = p.scratch.offset + scratch;
    spec
}

proptest! {
    #[test]
    fn products_are_exact(
        sizes in prop::collection::vec(1u32..7, 1..4),
        repeated in prop::collection::vec(any::<bool>(), 3),
        requant in requants(),
        zeros in any::<[i8; 2]>(),
        (left, multiplier) in (0u8..15, 1i32..i32::MAX),
        (swapped, seed) in (any::<bool>(), any::<u32>()),
    ) {
        let mut p = product(&sizes, &[]);
        p.rhs_strides = p.lhs_strides.clone();
        for (stride, repeat) in p.rhs_strides.iter_mut().zip(&repeated) {
            *stride *= i32::from(!repeat);
        }
        (p.lhs_zero, p.rhs_zero) = (zeros[0], zeros[1]);
        (p.left, p.multiplier, p.requant) = (left, multiplier, requant);
        if swapped {
            std::mem::swap(&mut p.lhs_strides, &mut p.rhs_strides);
            std::mem::swap(&mut p.lhs, &mut p.rhs);
        }
        let n: u32 = sizes.iter().product();
        let bytes = common::i8_cases::bytes(seed, 2 * n as usize);
        let bytes: Vec<u8> = bytes.iter().map(|&b| b as u8).collect();
        let got = run(&spec(Kernel::product_i8(p.clone()), [n, n, n, 0]), &bytes).unwrap();
        for (i, &y) in got.iter().enumerate() {
            let mut rest = i as u32;
            let (mut l, mut r) = (i64::from(p.lhs.offset), i64::from(p.rhs.offset));
            for d in (0..sizes.len()).rev() {
                let index = i64::from(rest % sizes[d]);
                rest /= sizes[d];
                l += index * i64::from(p.lhs_strides[d]);
                r += index * i64::from(p.rhs_strides[d]);
            }
            let product = at(&bytes, l, p.lhs_zero) * at(&bytes, r, p.rhs_zero);
            prop_assert_eq!(y as i8, requant.apply(product << left, multiplier, requant.shift));
        }
    }

    #[test]
    fn matrix_products_are_exact(
        sizes in (1u32..4, 1u32..11, 1u32..11, 1u32..20),
        requant in prop::option::of(requants()),
        zeros in any::<[i8; 2]>(),
        order in any::<[bool; 2]>(),
        seed in any::<u32>(),
    ) {
        let (batch, rows, columns, depth) = sizes;
        let mut p = DotI8 { requant, ..dot([batch, rows, columns, depth]) };
        (p.lhs_zero, p.rhs_zero) = (zeros[0], zeros[1]);
        // Factors of a sum adjacent, or rows.
        if order[0] {
            (p.lhs_row_stride, p.lhs_depth_stride) = (1, rows as i32);
        }
        if order[1] {
            (p.rhs_column_stride, p.rhs_depth_stride) = (1, columns as i32);
        }
        let spec = dot_spec(p);
        let all = (p.rhs.offset + batch * columns * depth) as usize;
        let bytes = common::i8_cases::bytes(seed, all);
        let bytes: Vec<u8> = bytes.iter().map(|&b| b as u8).collect();
        let mut wanted = Vec::new();
        for (b, (i, j)) in (0..batch).flat_map(|b| {
            (0..rows).flat_map(move |i| (0..columns).map(move |j| (b, (i, j))))
        }) {
            let of = |n: u32, stride: i32| i64::from(n) * i64::from(stride);
            let l = of(b, p.lhs_batch_stride) + of(i, p.lhs_row_stride);
            let r = i64::from(p.rhs.offset)
                + of(b, p.rhs_batch_stride) + of(j, p.rhs_column_stride);
            let sum: i32 = (0..depth)
                .map(|k| {
                    at(&bytes, l + of(k, p.lhs_depth_stride), p.lhs_zero)
                        * at(&bytes, r + of(k, p.rhs_depth_stride), p.rhs_zero)
                })
                .sum();
            match &requant {
                Some(r) => wanted.push(r.apply(sum, p.multiplier, r.shift) as u8),
                None => wanted.extend(sum.to_le_bytes()),
            }
        }
        prop_assert_eq!(run(&spec, &bytes).unwrap(), wanted);
    }
}

fn load(spec: &ArtifactSpec) -> Result<(), LoadError> {
    Model::load(Aligned::new(&encode(spec).unwrap()).bytes()).map(|_| ())
}

fn fails(error: StepError) -> Result<(), LoadError> {
    Err(LoadError::Step { step: 0, offset: 64, error })
}

#[test]
fn products_that_make_no_sense_are_refused() {
    let changed = |change: &dyn Fn(&mut ProductI8<Place>)| {
        let mut p = product(&[4, 8], &[8, 1]);
        change(&mut p);
        load(&spec(Kernel::product_i8(p), [32, 32, 32, 0]))
    };
    let params = |error| fails(StepError::Params(error));
    assert_eq!(changed(&|_| ()), Ok(()));
    // In place of an operand with the same elements, or before it.
    assert_eq!(changed(&|p| p.output = p.lhs), Ok(()));
    assert_eq!(changed(&|p| p.output = p.rhs), Ok(()));
    assert_eq!(changed(&|p| p.output = Place::arena(33)), fails(StepError::Overlap));
    let repeats = |p: &mut ProductI8<Place>| (p.output, p.rhs_strides[0]) = (p.rhs, 0);
    assert_eq!(changed(&repeats), fails(StepError::Overlap));
    assert_eq!(changed(&|p| p.rhs_strides[0] = 24), fails(StepError::OutOfBounds));
    assert_eq!(changed(&|p| p.rhs_strides[0] = -33), fails(StepError::OutOfBounds));
    assert_eq!(changed(&|p| p.rhs_strides.truncate(1)), params(ParamError::Mismatch));
    assert_eq!(changed(&|p| p.sizes[0] = u32::MAX), params(ParamError::Overflow));
    assert_eq!(changed(&|p| p.left = 15), params(ParamError::BadCode));
    assert_eq!(changed(&|p| p.requant.shift = 32), params(ParamError::BadCode));
    let none = |p: &mut ProductI8<Place>| {
        (p.sizes, p.lhs_strides, p.rhs_strides) = Default::default();
    };
    assert_eq!(changed(&none), params(ParamError::BadCode));
}

#[test]
fn matrix_products_that_make_no_sense_are_refused() {
    let changed = |change: &dyn Fn(&mut DotI8<Place>)| {
        let mut p = dot([2, 5, 3, 6]);
        change(&mut p);
        load(&ArtifactSpec { steps: vec![Kernel::dot_i8(p)], ..dot_spec(dot([2, 5, 3, 6])) })
    };
    let params = |error| fails(StepError::Params(error));
    assert_eq!(changed(&|_| ()), Ok(()));
    assert_eq!(changed(&|p| p.output = Place::arena(0)), fails(StepError::Overlap));
    assert_eq!(changed(&|p| p.scratch = p.output), fails(StepError::Overlap));
    assert_eq!(changed(&|p| p.scratch.offset += 4), fails(StepError::OutOfBounds));
    assert_eq!(changed(&|p| p.scratch.offset -= 2), fails(StepError::Misaligned));
    assert_eq!(changed(&|p| p.depth = 9), fails(StepError::Overlap));
    assert_eq!(changed(&|p| p.lhs_row_stride = -1), fails(StepError::OutOfBounds));
    assert_eq!(changed(&|p| p.columns = 0), params(ParamError::Zero));
    assert_eq!(changed(&|p| p.depth = u32::MAX), params(ParamError::Overflow));
    let shift = |p: &mut DotI8<Place>| p.requant = Some(Requant { shift: 54, ..USUAL });
    assert_eq!(changed(&shift), params(ParamError::BadCode));
}
