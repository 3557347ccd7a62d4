//! Damaged artifacts: refused, or run without touching anything but their arena. Damaged loops may
//! run for ever, so a run is cut off.

mod common;

use common::chains::{Form, Layer, Network, Op, Slides};
use common::{Aligned, Constants, f32_tensor, regions};
use microhlo::{Arena, Model, Run, RunError};
use microhlo_format::kernels::{
    Activation, Branch, ConvF32, ConvI8, ConvI8Mve, ConvI16, ConvI16Mve, DepthwiseI8,
    DepthwiseI8Mve, DepthwiseI16, DepthwiseLayout, DotI8, Map, MapInstr, MapOperand, Move,
    ProductI8, Requant, Rounding, ScaleI8, SoftmaxF32, SumI16, Switch, TableMoveI8, Window,
    WindowDim,
};
use microhlo_format::{
    ArtifactSpec, DType, Kernel, MicroId, MicroOp, Place, Target, TensorSpec, encode, seal,
};
use proptest::prelude::*;

/// Convolution, pooling, a map with a temporary, a transpose and softmax on a 5x5 image; then a
/// loop that runs twice and a choice.
fn sample() -> Vec<u8> {
    let mut constants = Constants::default();
    let weights: Vec<f32> = (0..2 * 2 * 8).map(|i| (i as f32 - 12.0) / 16.0).collect();
    let weights = constants.add_f32(&weights);
    let bias = constants.add_f32(&[0.5, -0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let lowest = constants.add_f32(&[f32::NEG_INFINITY]);
    let two = constants.add_f32(&[2.0]);
    let (x, conv, pool, mapped, temporary) =
        (Place::arena(0), Place::arena(112), Place::arena(304), Place::arena(304), 352);
    let moved = Place::arena(0);
    let (one, zero) = (constants.add(&[1, 0, 0, 0]), constants.add(&[0; 4]));
    let counter = Place::arena(temporary + 16);
    let steps = vec![
        Kernel::conv_f32(ConvF32 {
            input: x,
            weights,
            bias: Some(bias),
            output: conv,
            batch: 1,
            in_h: 5,
            in_w: 5,
            in_c: 1,
            out_h: 4,
            out_w: 4,
            out_c: 3,
            kernel_h: 2,
            kernel_w: 2,
            stride_h: 1,
            stride_w: 1,
            pad_top: 0,
            pad_left: 0,
            dilation_h: 1,
            dilation_w: 1,
            activation: Activation::Max { min: 0.0 },
        }),
        Kernel::window(Window {
            op: MicroId::op(MicroOp::maximum, DType::F32),
            input: conv,
            init: lowest,
            output: pool,
            post: None,
            dims: [window_dim(), window_dim()].into_iter().collect(),
            inner: 3,
            padding_counts: false,
        }),
        map(pool, two, mapped, Place::arena(temporary)),
        Kernel::move_(Move {
            input: mapped,
            output: moved,
            element: 4,
            sizes: [3, 4].into_iter().collect(),
            input_strides: [4, 12].into_iter().collect(),
            output_strides: [16, 4].into_iter().collect(),
        }),
        Kernel::softmax_f32(SoftmaxF32 { input: moved, output: moved, rows: 3, n: 4 }),
        copy(one, counter),
        Kernel::branch(Branch { predicate: Some(counter), when: false, target: Target::step(9) }),
        copy(zero, counter),
        Kernel::branch(Branch { predicate: None, when: true, target: Target::step(6) }),
        Kernel::switch(Switch {
            index: counter,
            first: 0,
            targets: [Target::step(11), Target::step(6)].into_iter().collect(),
        }),
        copy(one, counter),
    ];
    let spec = ArtifactSpec {
        name: "sample".into(),
        compiler: "test".into(),
        inputs: vec![f32_tensor("image", &[5, 5], x)],
        outputs: vec![f32_tensor("scores", &[3, 4], moved)],
        steps,
        constants: constants.0,
        arena_bytes: temporary + 20,
        arena_lower_bound_bytes: 320,
        ..ArtifactSpec::default()
    };
    encode(&spec).unwrap()
}

/// A convolution of 3 by 2 taps with padding, from 4x4x3 to 4x4x5: input, weights, records, output and scratch lie at
/// these places.
fn padded(
    [input, weights, channels, output, scratch]: [Place; 5],
    requant: Requant,
) -> ConvI8<Place> {
    ConvI8 {
        input,
        weights,
        channels,
        shifts: None,
        output,
        scratch,
        batch: 1,
        in_h: 4,
        in_w: 4,
        in_c: 3,
        out_h: 4,
        out_w: 4,
        out_c: 5,
        groups: 1,
        kernel_h: 3,
        kernel_w: 2,
        stride_h: 1,
        stride_w: 1,
        pad_top: 1,
        pad_left: 1,
        dilation_h: 1,
        dilation_w: 1,
        input_zero: 4,
        requant: Some(requant),
    }
}

/// A convolution of bytes with padding, then a depthwise one with a shift per channel, then both
/// by vectors.
fn sample_of_bytes() -> Vec<u8> {
    let mut constants = Constants::default();
    let weights: Vec<u8> = (0..144u8).map(|i| i.wrapping_mul(37)).collect();
    let weights = constants.add(&weights);
    let records: Vec<u8> = (0..8).flat_map(|i| [100, i, 0, 0, 7, i, 0, 2]).collect();
    let records = constants.add(&records);
    let block: Vec<u8> =
        [[100, 3, 0, 0]; 4].into_iter().chain([[7, 9, 0, 2]; 4]).flatten().collect();
    let blocks = constants.add(&[block.clone(), block].concat());
    let shifts = constants.add(&[33, 34, 33, 35, 34, 53]);
    let (x, middle, y) = (Place::arena(0), Place::arena(64), Place::arena(0));
    let requant = Requant { shift: 34, zero: -3, min: -128, max: 127, rounding: Rounding::Up };
    let conv = padded([x, weights, records, middle, Place::arena(160)], requant);
    let depthwise = DepthwiseI8 {
        input: middle,
        weights,
        channels: records,
        shifts: Some(shifts),
        output: y,
        scratch: Some(Place::arena(160)),
        batch: 1,
        in_h: 4,
        in_w: 4,
        channels_count: 5,
        multiplier: 1,
        out_h: 4,
        out_w: 3,
        kernel_h: 3,
        kernel_w: 3,
        stride_h: 1,
        stride_w: 1,
        pad_top: 1,
        pad_left: 0,
        dilation_h: 1,
        dilation_w: 1,
        input_zero: -3,
        requant: Some(Requant { rounding: Rounding::Even, max: 100, ..requant }),
        layout: DepthwiseLayout::Lines(3),
    };
    let scale = ScaleI8 {
        input: y,
        channels: records,
        output: y,
        rows: 12,
        channels_count: 5,
        shift: 3,
        min: -128,
        max: 100,
    };
    let product = ProductI8 {
        lhs: y,
        rhs: y,
        output: y,
        sizes: [12, 5].into_iter().collect(),
        lhs_strides: [5, 1].into_iter().collect(),
        rhs_strides: [5, 1].into_iter().collect(),
        lhs_zero: 1,
        rhs_zero: -2,
        left: 2,
        multiplier: 1 << 28,
        requant,
    };
    let places = Move {
        input: y,
        output: middle,
        element: 1,
        sizes: [12, 5].into_iter().collect(),
        input_strides: [5, 1].into_iter().collect(),
        output_strides: [6, 1].into_iter().collect(),
    };
    let table = constants.add(&[7; 256]);
    let matrices = DotI8 {
        lhs: y,
        rhs: y,
        output: middle,
        scratch: Place::arena(160),
        batch: 2,
        rows: 3,
        columns: 5,
        depth: 6,
        lhs_batch_stride: 30,
        lhs_row_stride: 6,
        lhs_depth_stride: 1,
        rhs_batch_stride: 30,
        rhs_column_stride: 1,
        rhs_depth_stride: 5,
        lhs_zero: 1,
        rhs_zero: -2,
        multiplier: 1 << 28,
        requant: Some(requant),
    };
    let vectors = ConvI8 {
        input: y,
        channels: blocks,
        output: middle,
        in_c: 5,
        in_w: 3,
        requant: Some(Requant { rounding: Rounding::Even, ..requant }),
        ..conv
    };
    let words = DepthwiseI8 { shifts: None, ..depthwise };
    let tensor = |name: &str, dims: &[u32], place| TensorSpec {
        name: name.into(),
        dtype: DType::I8,
        dims: dims.to_vec(),
        place,
    };
    let spec = ArtifactSpec {
        name: "bytes".into(),
        compiler: "test".into(),
        inputs: vec![tensor("image", &[4, 4, 3], x)],
        outputs: vec![tensor("features", &[4, 3, 5], y)],
        steps: vec![
            Kernel::conv_i8(conv),
            Kernel::depthwise_i8(depthwise),
            Kernel::scale_i8(scale),
            Kernel::product_i8(product),
            Kernel::table_move_i8(TableMoveI8::new(places, table)),
            Kernel::dot_i8(matrices),
            Kernel::conv_i8_mve(ConvI8Mve { conv: vectors }),
            Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv: words }),
        ],
        constants: constants.0,
        arena_bytes: 1200,
        arena_lower_bound_bytes: 1200,
        ..ArtifactSpec::default()
    };
    encode(&spec).unwrap()
}

/// Convolutions of 16-bit activations with padding, by vectors and without, then a depthwise one with a shift per
/// channel, and the sum of both.
fn sample_of_words() -> Vec<u8> {
    let mut constants = Constants::default();
    let weights: Vec<u8> = (0..180u8).map(|i| i.wrapping_mul(37)).collect();
    let weights = constants.add(&weights);
    let records: Vec<u8> = (0..12).flat_map(|i| [100, i, 0, 0, 7, i, 0, 2]).collect();
    let records = constants.add(&records);
    let shifts = constants.add(&[33, 34, 33, 35, 34, 53]);
    let (x, middle, y) = (Place::arena(0), Place::arena(192), Place::arena(384));
    let requant = Requant { shift: 34, zero: 0, min: -128, max: 127, rounding: Rounding::Up };
    let conv = padded([x, weights, records, middle, Place::arena(576)], requant);
    let groups = ConvI8 {
        input: middle,
        shifts: Some(shifts),
        output: y,
        in_c: 1,
        out_c: 1,
        groups: 5,
        kernel_w: 3,
        requant: Some(Requant { rounding: Rounding::Even, ..requant }),
        ..conv
    };
    let (min, max) = (-30000, 32767);
    let vectors = ConvI8 { output: y, scratch: Place::arena(800), ..conv };
    let depthwise = groups.depthwise(DepthwiseLayout::Taps);
    let sum = SumI16 {
        lhs: middle,
        rhs: y,
        output: y,
        count: 80,
        lhs_multiplier: 1 << 28,
        rhs_multiplier: -(1 << 29),
        shift: 30,
        min,
        max,
    };
    let tensor = |name: &str, dims: &[u32], place| TensorSpec {
        name: name.into(),
        dtype: DType::I16,
        dims: dims.to_vec(),
        place,
    };
    let spec = ArtifactSpec {
        name: "words".into(),
        compiler: "test".into(),
        inputs: vec![tensor("image", &[4, 4, 3], x)],
        outputs: vec![tensor("features", &[4, 4, 5], y)],
        steps: vec![
            Kernel::conv_i16_mve(ConvI16Mve { conv: vectors, min, max }),
            Kernel::conv_i16(ConvI16 { conv, min, max }),
            Kernel::depthwise_i16(DepthwiseI16 { conv: depthwise, min, max }),
            Kernel::sum_i16(sum),
        ],
        constants: constants.0,
        arena_bytes: 1600,
        arena_lower_bound_bytes: 1600,
        ..ArtifactSpec::default()
    };
    encode(&spec).unwrap()
}

/// A chain with a kernel of each kind and few rows.
fn sample_of_rows(form: Form) -> Vec<u8> {
    let layer = |op, of, strip| Layer { op, of, strip, whole: false };
    let network = Network {
        input: [6, 4, 2],
        layers: vec![
            layer(Op::Conv(2, Slides::same([3, 3], 1)), 0, 1),
            layer(Op::Depthwise(Slides::same([3, 3], 1)), 1, 2),
            layer(Op::Sum(1), 2, 1),
            layer(Op::Scale, 3, 1),
            layer(Op::Mean, 4, 2),
        ],
        mve: false,
        plain: false,
        seed: 4,
    };
    encode(&network.spec(form)).unwrap()
}

fn window_dim() -> WindowDim {
    WindowDim {
        input: 4,
        output: 2,
        window: 2,
        stride: 2,
        pad: 0,
        base_dilation: 1,
        window_dilation: 1,
    }
}

fn copy(input: Place, output: Place) -> Kernel<Place> {
    let (input_strides, output_strides) = ([4].into_iter().collect(), [4].into_iter().collect());
    Kernel::move_(Move {
        input,
        output,
        element: 4,
        sizes: [1].into_iter().collect(),
        input_strides,
        output_strides,
    })
}

fn map(input: Place, factor: Place, output: Place, scratch: Place) -> Kernel<Place> {
    let dense = |place| MapOperand { place, strides: [4].into_iter().collect() };
    let operation = |op, dst, args| MapInstr { op: MicroId::op(op, DType::F32), dst, args };
    Kernel::map(Map {
        sizes: [12].into_iter().collect(),
        inputs: [dense(input), MapOperand { place: factor, strides: [0].into_iter().collect() }]
            .into_iter()
            .collect(),
        outputs: [dense(output)].into_iter().collect(),
        scratch: Some(scratch),
        temps: 1,
        temp_size: 4,
        tile: 4,
        code: [operation(MicroOp::tanh, 3, [0, 0, 0]), operation(MicroOp::multiply, 2, [3, 1, 0])]
            .into_iter()
            .collect(),
    })
}

/// Bytes on both sides of the arena that no run may touch.
const GUARD: usize = 4096;
const ARENA: usize = 1 << 16;

/// Runs an artifact, if it loads, with an arena of exactly its size between guards; the outputs.
fn run(file: &Aligned) -> Option<Vec<u8>> {
    let model = Model::load(file.bytes()).ok()?;
    let needed = model.arena_bytes();
    if needed > ARENA {
        return None;
    }
    let mut memory = Box::new(Arena([0x5a; ARENA + 2 * GUARD]));
    let (_, rest) = memory.0.split_at_mut(GUARD);
    let mut run = model.start(&mut rest[..needed]).expect("the arena is large and aligned");
    for i in 0..model.input_count() {
        let len = match run.input_mut(i) {
            Err(RunError::Streamed { .. }) => continue,
            input => input.expect("the input was proved").bytes_mut().len(),
        };
        let bytes: Vec<u8> =
            (0..len.div_ceil(4)).flat_map(|i| (i as f32 / 8.0).to_le_bytes()).take(len).collect();
        run.set_input(i, &bytes).expect("the length is the input's");
    }
    for _ in 0..200 {
        match run.step() {
            Err(RunError::Unfed { .. }) => feed(&mut run),
            step if step.expect("proved steps run").is_none() => break,
            _ => {}
        }
    }
    let output = match model.output_count() {
        _ if !run.is_finished() => Vec::new(),
        0 => Vec::new(),
        _ => run.output(0).expect("the output was proved").bytes().to_vec(),
    };
    assert!(memory.0[..GUARD].iter().all(|&b| b == 0x5a), "written below the arena");
    assert!(memory.0[GUARD + needed..].iter().all(|&b| b == 0x5a), "written above the arena");
    Some(output)
}

/// Feeds a row, of the size that the error says.
fn feed(run: &mut Run<'_>) {
    let rows = [7; 1 << 16];
    if let Err(RunError::RowSize { row, .. }) = run.feed(&rows) {
        let _ = rows.get(..row).map(|row| run.feed(row));
    }
}

#[test]
fn the_sample_of_rows_runs() {
    let [steps, chain, fed] = [Form::Steps, Form::Chain, Form::Fed].map(|form| {
        let output = run(&Aligned::new(&sample_of_rows(form))).expect("the sample is valid");
        (form, output)
    });
    assert_eq!(steps.1, chain.1);
    assert!(fed.1.len() == 2 && steps.1.iter().any(|&b| b != 0), "{fed:?}");
}

#[test]
fn the_sample_runs() {
    let output = run(&Aligned::new(&sample())).expect("the sample is valid");
    let rows: Vec<f32> =
        common::f32_values(&output).chunks(4).map(|row| row.iter().sum()).collect();
    assert!(rows.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "softmax rows add up: {rows:?}");
}

/// What the sample of the kernels with regions computes: input element `i` is `i / 8`.
#[test]
fn the_sample_of_regions_runs() {
    let output = run(&Aligned::new(&regions::sample())).expect("the sample is valid");
    // The first index is 0, the others are the bits of positive floats, which saturate to row 4.
    // Row 2 takes twice the first update, the second one lies outside. The maxima, descending,
    // are those of row 2; each is the last of its window and goes to the place of the selected
    // element; then they replace the row that their first position names, clamped.
    let row = [4.0, 3.625, 3.25, 2.875, 2.5];
    let values = common::f32_values(&output);
    assert_eq!(values.len(), 20);
    assert_eq!(values[10..15], row, "{values:?}");
}

#[test]
fn the_sample_of_bytes_runs() {
    let output = run(&Aligned::new(&sample_of_bytes())).expect("the sample is valid");
    let distinct: std::collections::BTreeSet<u8> = output.iter().copied().collect();
    assert!(output.len() == 60 && distinct.len() > 8, "{output:?}");
}

#[test]
fn the_sample_of_words_runs() {
    let output = run(&Aligned::new(&sample_of_words())).expect("the sample is valid");
    let distinct: std::collections::BTreeSet<&[u8]> = output.chunks(2).collect();
    assert!(output.len() == 160 && distinct.len() > 8, "{output:?}");
}

#[test]
fn every_single_byte_error_is_refused() {
    let good = sample();
    for at in 0..good.len() {
        for flip in 1..=255 {
            let mut bad = good.clone();
            bad[at] ^= flip;
            assert!(Model::load(Aligned::new(&bad).bytes()).is_err(), "byte {at} ^ {flip:#x}");
        }
    }
}

#[test]
fn every_single_byte_error_with_a_right_checksum_is_refused_or_harmless() {
    let all: Vec<u8> = (1..=255).collect();
    let some = [1, 2, 4, 8, 16, 32, 64, 128, 255];
    let rows = [Form::Chain, Form::Fed].map(|form| (sample_of_rows(form), &some[..]));
    let others = [sample(), regions::sample(), sample_of_bytes(), sample_of_words()]
        .map(|good| (good, &all[..]));
    for (good, flips) in others.into_iter().chain(rows) {
        let (mut refused, mut ran) = (0, 0);
        for at in 0..good.len() {
            for &flip in flips {
                let mut bad = good.clone();
                bad[at] ^= flip;
                seal(&mut bad);
                let file = Aligned::new(&bad);
                match run(&file) {
                    Some(_) => ran += 1,
                    None => refused += 1,
                }
                assert_eq!(file.bytes(), bad, "byte {at} ^ {flip:#x} changed the artifact");
            }
        }
        assert!(refused > 1000 && ran > 1000, "{refused} refused, {ran} ran");
    }
}

#[test]
fn truncated_and_extended_artifacts_are_refused() {
    let good = sample();
    for len in 0..good.len() {
        assert!(Model::load(Aligned::new(&good[..len]).bytes()).is_err(), "{len} bytes");
        let mut sealed = good[..len].to_vec();
        seal(&mut sealed);
        assert!(Model::load(Aligned::new(&sealed).bytes()).is_err(), "{len} bytes, sealed");
    }
    for extra in 1..40 {
        let mut longer = good.clone();
        longer.resize(good.len() + extra, 0);
        assert!(Model::load(Aligned::new(&longer).bytes()).is_err(), "{extra} more");
        seal(&mut longer);
        assert!(Model::load(Aligned::new(&longer).bytes()).is_err(), "{extra} more, sealed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_edits_are_refused_or_harmless(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        kind in 0..6,
    ) {
        let mut bad = match kind {
            0 => sample(),
            1 => regions::sample(),
            2 => sample_of_rows(Form::Chain),
            3 => sample_of_rows(Form::Fed),
            4 => sample_of_words(),
            _ => sample_of_bytes(),
        };
        for (at, value) in edits {
            let at = at.index(bad.len());
            bad[at] = value;
        }
        seal(&mut bad);
        let file = Aligned::new(&bad);
        run(&file);
        prop_assert_eq!(file.bytes(), bad);
    }
}
