//! `i8` kernels without weights: sums, tables, sums over windows; against plain loops.

mod common;

use common::{Aligned, one_step, run};
use microhlo::{LoadError, Model, ParamError, StepError};
use microhlo_format::kernels::{PoolI8, Requant, Rounding, ScaleI8, SumI8, TableI8, TableMoveI8};
use microhlo_format::{ArtifactSpec, Kernel, Place, encode};
use proptest::prelude::*;

/// A step from `n` bytes at the start of the arena to `output` bytes behind them.
fn spec(kernel: Kernel<Place>, n: u32, output: u32, constants: Vec<u8>) -> ArtifactSpec {
    let mut spec = one_step(kernel, n, (n, output), constants);
    spec.arena_bytes = n + output;
    spec
}

fn signed(bytes: &[u8]) -> Vec<i64> {
    bytes.iter().map(|&b| i64::from(b as i8)).collect()
}

fn sum(n: u32, factors: [i32; 2], offset: i32, shift: u8, range: [i8; 2]) -> SumI8<Place> {
    SumI8 {
        lhs: Place::arena(0),
        rhs: Place::arena(n),
        output: Place::arena(2 * n),
        count: n,
        lhs_multiplier: factors[0],
        rhs_multiplier: factors[1],
        offset,
        shift,
        min: range[0],
        max: range[1],
    }
}

fn pool(size: [u32; 2], output: [u32; 2], channels: u32) -> PoolI8<Place> {
    PoolI8 {
        input: Place::arena(0),
        output: Place::arena(size[0] * size[1] * channels * 2),
        batch: 2,
        in_h: size[0],
        in_w: size[1],
        channels,
        out_h: output[0],
        out_w: output[1],
        kernel_h: 1,
        kernel_w: 1,
        stride_h: 1,
        stride_w: 1,
        pad_top: 0,
        pad_left: 0,
        input_zero: 0,
        bias: 0,
        left: 0,
        multiplier: 1 << 30,
        requant: Requant { shift: 33, zero: 0, min: -128, max: 127, rounding: Rounding::Up },
    }
}

/// A pool as the specification of its parameters says.
fn naive_pool(p: &PoolI8<Place>, input: &[i64]) -> Vec<u8> {
    let at = |b: u32, y: i32, x: i32, c: u32| {
        let inside = (0..p.in_h as i32).contains(&y) && (0..p.in_w as i32).contains(&x);
        if !inside {
            return i64::from(p.input_zero);
        }
        input[(((b * p.in_h + y as u32) * p.in_w + x as u32) * p.channels + c) as usize]
    };
    let mut out = Vec::new();
    for b in 0..p.batch {
        for (y, x) in (0..p.out_h).flat_map(|y| (0..p.out_w).map(move |x| (y, x))) {
            let (top, first) =
                ((y * p.stride_h) as i32 - p.pad_top, (x * p.stride_w) as i32 - p.pad_left);
            for c in 0..p.channels {
                let mut acc = i64::from(p.bias);
                for (i, j) in (0..p.kernel_h).flat_map(|i| (0..p.kernel_w).map(move |j| (i, j))) {
                    acc += at(b, top + i as i32, first + j as i32, c);
                }
                let half = 1i64 << (p.requant.shift - 1);
                let scaled = ((acc << p.left) * i64::from(p.multiplier) + half) >> p.requant.shift;
                out.push((scaled + i64::from(p.requant.zero)).clamp(-128, 127) as u8);
            }
        }
    }
    out
}

proptest! {
    #[test]
    fn sums_are_exact(
        pairs in prop::collection::vec(any::<[u8; 2]>(), 1..50),
        factors in prop::array::uniform2(-2_000_000i32..2_000_000),
        offset in -100_000_000i32..100_000_000,
        shift in 0u8..32,
        (min, max) in (-128i8..0, 0i8..=127),
    ) {
        let n = pairs.len() as u32;
        let p = sum(n, factors, offset, shift, [min, max]);
        let bytes: Vec<u8> =
            pairs.iter().map(|p| p[0]).chain(pairs.iter().map(|p| p[1])).collect();
        let mut spec = one_step(Kernel::sum_i8(p), 2 * n, (2 * n, n), Vec::new());
        spec.arena_bytes = 3 * n;
        let x = signed(&bytes);
        let wanted: Vec<u8> = (0..n as usize)
            .map(|i| {
                let [l, r] = factors.map(i64::from);
                let y = (x[i] * l + x[n as usize + i] * r + i64::from(offset)) >> shift;
                y.clamp(min.into(), max.into()) as u8
            })
            .collect();
        prop_assert_eq!(run(&spec, &bytes).unwrap(), wanted);
    }

    #[test]
    fn channels_are_scaled_exactly(
        factors in prop::collection::vec(any::<[i32; 2]>(), 1..9),
        rows in 1u32..9,
        shift in 0u8..32,
        (min, max) in (-128i8..0, 0i8..=127),
        seed in any::<u32>(),
    ) {
        let channels = factors.len() as u32;
        let n = rows * channels;
        let p = ScaleI8 {
            input: Place::arena(0),
            channels: Place::constant(0),
            output: Place::arena(n),
            rows,
            channels_count: channels,
            shift,
            min,
            max,
        };
        let bytes: Vec<u8> =
            common::i8_cases::bytes(seed, n as usize).iter().map(|&b| b as u8).collect();
        let records = factors.iter().flatten().flat_map(|f| f.to_le_bytes()).collect();
        let spec = spec(Kernel::scale_i8(p), n, n, records);
        let wanted: Vec<u8> = bytes
            .iter()
            .zip(factors.iter().cycle())
            .map(|(&x, &[multiplier, offset])| {
                let y = i32::from(x as i8).wrapping_mul(multiplier).wrapping_add(offset) >> shift;
                y.clamp(min.into(), max.into()) as u8
            })
            .collect();
        prop_assert_eq!(run(&spec, &bytes).unwrap(), wanted);
    }

    #[test]
    fn pools_are_exact(
        size in prop::array::uniform2(1u32..8),
        output in prop::array::uniform2(1u32..6),
        kernel in prop::array::uniform2(1u32..6),
        stride in prop::array::uniform2(1u32..4),
        pad in prop::array::uniform2(-2i32..4),
        channels in 1u32..11,
        (zero, bias, multiplier) in (any::<i8>(), -5000i32..5000, 0i32..i32::MAX),
        (left, seed) in (0u8..16, any::<u32>()),
    ) {
        let p = PoolI8 {
            kernel_h: kernel[0],
            kernel_w: kernel[1],
            stride_h: stride[0],
            stride_w: stride[1],
            pad_top: pad[0],
            pad_left: pad[1],
            input_zero: zero,
            bias,
            left,
            multiplier,
            requant: Requant { zero: i32::from(zero) / 2, ..pool(size, output, 1).requant },
            ..pool(size, output, channels)
        };
        let (n, m) = (p.output.offset, 2 * output[0] * output[1] * channels);
        let bytes: Vec<u8> = common::i8_cases::bytes(seed, n as usize)
            .iter()
            .map(|&b| b as u8)
            .collect();
        let got = run(&spec(Kernel::pool_i8(p), n, m, Vec::new()), &bytes).unwrap();
        prop_assert_eq!(got, naive_pool(&p, &signed(&bytes)));
    }
}

#[test]
fn a_table_maps_every_byte() {
    let table: Vec<u8> = (0..=255u8).map(|b| b.wrapping_mul(7) ^ 0x55).collect();
    let p = TableI8 {
        input: Place::arena(0),
        table: Place::constant(0),
        output: Place::arena(256),
        count: 256,
    };
    let all: Vec<u8> = (0..=255).rev().collect();
    let got = run(&spec(Kernel::table_i8(p), 256, 256, table.clone()), &all).unwrap();
    let wanted: Vec<u8> = all.iter().map(|&b| table[usize::from(b)]).collect();
    assert_eq!(got, wanted);
}

/// Rows of three bytes, which may be read backwards, to the second to fourth byte of rows of five.
fn table_move(strides: [i32; 2]) -> Kernel<Place> {
    Kernel::table_move_i8(TableMoveI8 {
        input: Place::arena(if strides[1] < 0 { 2 } else { 0 }),
        table: Place::constant(0),
        output: Place::arena(13),
        sizes: [4, 3].into_iter().collect(),
        input_strides: strides.into_iter().collect(),
        output_strides: [5, 1].into_iter().collect(),
    })
}

#[test]
fn bytes_change_places_through_a_table() {
    let table: Vec<u8> = (0..=255u8).map(|b| b.wrapping_mul(7) ^ 0x55).collect();
    let input: Vec<u8> = (0..12).map(|i| 251 - 19 * i as u8).collect();
    for (strides, at) in [([3, 1], [0, 1, 2]), ([3, -1], [2, 1, 0])] {
        let kernel = table_move(strides);
        let got = run(&spec(kernel, 12, 20, table.clone()), &input).unwrap();
        for (row, from) in got.chunks(5).zip(input.chunks(3)) {
            let wanted = at.map(|i: usize| table[usize::from(from[i])]);
            assert_eq!(row[1..4], wanted, "{strides:?}");
        }
    }
    let error = |kernel, constants: usize| {
        let spec = spec(kernel, 12, 20, vec![0; constants]);
        match Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()) {
            Err(LoadError::Step { error, .. }) => Some(error),
            loaded => loaded.map(|_| None).expect("no other error"),
        }
    };
    assert_eq!(error(table_move([3, 1]), 256), None);
    assert_eq!(error(table_move([3, 1]), 255), Some(StepError::OutOfBounds));
    assert_eq!(error(table_move([40, 1]), 256), Some(StepError::OutOfBounds));
}

#[test]
fn records_of_channels_are_read_whole() {
    let scaled = |change: &dyn Fn(&mut ScaleI8<Place>), constants: usize| {
        let mut p = ScaleI8 {
            input: Place::arena(0),
            channels: Place::constant(0),
            output: Place::arena(64),
            rows: 16,
            channels_count: 4,
            shift: 31,
            min: -1,
            max: 1,
        };
        change(&mut p);
        let spec = spec(Kernel::scale_i8(p), 64, 64, vec![0; constants]);
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    let params = |error| fails(StepError::Params(error));
    assert_eq!(scaled(&|_| (), 32), Ok(()));
    assert_eq!(scaled(&|p| p.output = p.input, 32), Ok(()));
    assert_eq!(scaled(&|_| (), 28), fails(StepError::OutOfBounds));
    assert_eq!(scaled(&|p| p.rows = 17, 32), fails(StepError::OutOfBounds));
    assert_eq!(scaled(&|p| p.output = Place::arena(63), 32), fails(StepError::Overlap));
    assert_eq!(scaled(&|p| p.channels = Place::constant(2), 40), fails(StepError::Misaligned));
    assert_eq!(scaled(&|p| p.shift = 32, 32), params(ParamError::BadCode));
    assert_eq!(scaled(&|p| p.min = 2, 32), params(ParamError::BadCode));
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let load = |kernel: Kernel<Place>, constants| {
        let spec = spec(kernel, 64, 64, constants);
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    let params = |error| fails(StepError::Params(error));
    let sums = |change: &dyn Fn(&mut SumI8<Place>)| {
        let mut p = sum(32, [1 << 20, 1 << 20], 0, 20, [-128, 127]);
        change(&mut p);
        load(Kernel::sum_i8(p), Vec::new())
    };
    assert_eq!(sums(&|_| ()), Ok(()));
    // In place of an operand, exactly.
    assert_eq!(sums(&|p| p.output = p.rhs), Ok(()));
    assert_eq!(sums(&|p| p.output = Place::arena(31)), fails(StepError::Overlap));
    assert_eq!(sums(&|p| p.count = 33), fails(StepError::Overlap));
    assert_eq!(sums(&|p| p.rhs = Place::arena(97)), fails(StepError::OutOfBounds));
    assert_eq!(sums(&|p| p.shift = 32), params(ParamError::BadCode));
    assert_eq!(sums(&|p| p.min = 127), Ok(()));
    assert_eq!(sums(&|p| (p.min, p.max) = (1, 0)), params(ParamError::BadCode));
    // 128 * 2^24 is just too much.
    assert_eq!(sums(&|p| p.lhs_multiplier = 15 << 20), params(ParamError::Overflow));
    assert_eq!(sums(&|p| p.lhs_multiplier = (15 << 20) - 1), Ok(()));
    assert_eq!(sums(&|p| p.offset = i32::MIN), params(ParamError::Overflow));

    let table = TableI8 {
        input: Place::arena(0),
        table: Place::constant(0),
        output: Place::arena(64),
        count: 64,
    };
    assert_eq!(load(Kernel::table_i8(table), vec![0; 256]), Ok(()));
    assert_eq!(load(Kernel::table_i8(table), vec![0; 255]), fails(StepError::OutOfBounds));

    let pools = |change: &dyn Fn(&mut PoolI8<Place>)| {
        let mut p = PoolI8 { output: Place::arena(64), ..pool([2, 4], [2, 4], 4) };
        change(&mut p);
        load(Kernel::pool_i8(p), Vec::new())
    };
    assert_eq!(pools(&|_| ()), Ok(()));
    // Windows of one element are read before their result is written, others are not.
    assert_eq!(pools(&|p| p.output = Place::arena(0)), Ok(()));
    assert_eq!(pools(&|p| p.output = Place::arena(4)), fails(StepError::Overlap));
    let wide = |p: &mut PoolI8<Place>| (p.output, p.kernel_w, p.pad_left) = (Place::arena(0), 3, 1);
    assert_eq!(pools(&wide), fails(StepError::Overlap));
    assert_eq!(pools(&|p| p.out_h = 3), fails(StepError::OutOfBounds));
    assert_eq!(pools(&|p| p.kernel_w = 0), params(ParamError::Zero));
    assert_eq!(pools(&|p| p.channels = u32::MAX), params(ParamError::Overflow));
    assert_eq!(pools(&|p| p.left = 32), params(ParamError::BadCode));
    assert_eq!(pools(&|p| p.requant.shift = 32), params(ParamError::BadCode));
}
