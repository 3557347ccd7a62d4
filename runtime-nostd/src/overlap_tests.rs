//! Kernels at the distance that they report, and at one byte less.
//!
//! The loader refuses the latter, so kernels run here with a check that accepts everything.

use microhlo_format::kernels::{
    ConvI8, ConvI8Mve, DepthwiseI8, DepthwiseLayout, Map, MapInstr, MapOperand, Move, PoolI8,
    ProductI8, Requant, Rounding, SoftmaxI8, SumI8, TableI8, TableMoveI8,
};
use microhlo_format::{Access, AccessKind, ArtifactSpec, DType, Kernel, Place, TensorSpec, encode};
use std::vec::Vec;

use crate::registry::{KernelEntry, Kernels};
use crate::{Model, kernels, micro};

mod float;
mod reductions;

const ACCEPTING: &[KernelEntry] = &{
    const fn accepting(entry: KernelEntry) -> KernelEntry {
        KernelEntry { check: |_, _| Ok(()), ..entry }
    }
    [
        accepting(kernels::conv_f32::ENTRY),
        accepting(kernels::conv_i8::ENTRY),
        accepting(kernels::conv_i8_mve::ENTRY),
        accepting(kernels::depthwise_f32::ENTRY),
        accepting(kernels::depthwise_i8::ENTRY),
        accepting(kernels::hybrid_f32::ENTRY),
        accepting(kernels::map::ENTRY),
        accepting(kernels::move_::ENTRY),
        accepting(kernels::pool_i8::ENTRY),
        accepting(kernels::product_i8::ENTRY),
        accepting(kernels::reduce::ENTRY),
        accepting(kernels::softmax_i8::ENTRY),
        accepting(kernels::sum_i8::ENTRY),
        accepting(kernels::table_i8::ENTRY),
        accepting(kernels::table_move_i8::ENTRY),
        accepting(kernels::window::ENTRY),
    ]
};

static KERNELS: Kernels =
    Kernels { kernels: ACCEPTING, micro: &[micro::add::I8, micro::add::I32, micro::xor::I8] };

/// Reproducible bytes.
fn bytes(seed: u32, count: usize) -> Vec<u8> {
    // Seeds that follow each other give other first bytes.
    let mut state = seed.wrapping_mul(0x9e37_79b9);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Operands of kernels: what is read and written, scratch, and constants from here on.
const INPUT: u8 = 0;
const OUTPUT: u8 = 1;
const SCRATCH: u8 = 2;
const CONSTANTS: u8 = 3;
/// Bias and multiplier of channels.
const RECORDS: u8 = 4;

/// Biases and multipliers, one by one or four by four, such that results vary.
fn records(count: usize, fours: bool) -> Vec<u8> {
    let word = |i: usize| -> i32 {
        let multiplier = (i / if fours { 4 } else { 1 }) % 2 == 1;
        if multiplier { 1 << 27 } else { 16 * (i as i32 % 50 - 25) }
    };
    (0..count / 4).flat_map(|i| word(i).to_le_bytes()).collect()
}

fn accesses(kernel: &Kernel<u8>) -> Vec<Access<u8>> {
    let mut all = Vec::new();
    kernel.accesses(&mut |access| all.push(access)).expect("valid parameters");
    all
}

/// The results of a kernel on some input, with the input so many bytes behind the output, which is
/// `apart` from where a shorter distance is measured.
fn run(kernel: &Kernel<u8>, behind: i64, seed: u32) -> Vec<u8> {
    const START: u32 = 64;
    let all = accesses(kernel);
    let len = |operand: u8| all.iter().filter(|a| a.place == operand).map(|a| a.end).max();
    // Reversed strides begin behind the first byte.
    let starts = all.iter().filter(|a| a.place == INPUT).map(|a| a.start).min();
    let before = starts.unwrap().unsigned_abs() as u32;
    let (input, output) = (len(INPUT).unwrap() as u32 + before, len(OUTPUT).unwrap() as u32);
    let from = (i64::from(START) + behind) as u32;
    let scratch = (START + output).max(from + input).next_multiple_of(16);
    let mut constants = Vec::new();
    let mut places = [from + before, START, scratch].map(Place::arena).to_vec();
    for operand in CONSTANTS..8 {
        constants.resize(constants.len().next_multiple_of(16), 0);
        places.push(Place::constant(constants.len() as u32));
        let count = len(operand).unwrap_or(0) as usize;
        if operand == RECORDS && !matches!(kernel, Kernel::sum_i8(_) | Kernel::table_i8(_)) {
            constants.extend(records(count, matches!(kernel, Kernel::conv_i8_mve(_))));
        } else {
            constants.extend(bytes(u32::from(operand), count));
        }
    }
    let tensor = |place, bytes| TensorSpec {
        name: "t".into(),
        dtype: DType::U8,
        dims: std::vec![bytes],
        place,
    };
    let spec = ArtifactSpec {
        inputs: std::vec![tensor(Place::arena(from), input)],
        outputs: std::vec![tensor(places[1], output)],
        steps: std::vec![kernel.map_places(&mut |operand| places[usize::from(operand)])],
        constants,
        arena_bytes: scratch + len(SCRATCH).unwrap_or(0) as u32,
        ..ArtifactSpec::default()
    };
    let artifact = encode(&spec).expect("encodable");
    let mut memory = std::vec![0; artifact.len() + 16];
    let start = memory.as_ptr().align_offset(16);
    memory[start..start + artifact.len()].copy_from_slice(&artifact);
    let artifact = &memory[start..start + artifact.len()];
    let model = Model::load_with(artifact, &KERNELS).expect("it loads");
    let mut arena = std::vec![0; model.arena_bytes() + 16];
    let start = arena.as_ptr().align_offset(16);
    let arena = &mut arena[start..];
    let mut results = std::vec![0; output as usize];
    model.run(arena, &[&bytes(seed, input as usize)], &mut [&mut results]).expect("it runs");
    results
}

/// Runs a kernel apart, at its distance, and one byte nearer: the first two agree, and for some input
/// the last one does not.
fn check(kernel: &Kernel<u8>) {
    check_by(kernel, 1);
}

/// The same, so many bytes nearer.
fn check_by(kernel: &Kernel<u8>, nearer: i64) {
    let all = accesses(kernel);
    let input = all.iter().find(|a| a.place == INPUT && a.kind == AccessKind::Read).unwrap();
    let (least, only) = input.overlap.least().expect("results may lie over the operand");
    let far = 1 << 16;
    let mut wrong = [0; 2];
    for seed in 0..20 {
        let apart = run(kernel, far, seed);
        assert_eq!(run(kernel, least.into(), seed), apart, "{kernel:?} at {least}");
        wrong[0] += usize::from(run(kernel, i64::from(least) - nearer, seed) != apart);
        if only {
            wrong[1] += usize::from(run(kernel, i64::from(least) + 1, seed) != apart);
        } else {
            assert_eq!(run(kernel, i64::from(least) + 1, seed), apart, "{kernel:?}");
        }
        if let Some(row) = input.overlap.row() {
            assert_eq!(run(kernel, row.into(), seed), apart, "{kernel:?} a row of {row} behind");
        }
    }
    assert!(wrong[0] > 0, "{kernel:?}: less than {least} would do");
    assert!(!only || wrong[1] > 0, "{kernel:?}: more than {least} would do");
}

const REQUANT: Requant =
    Requant { shift: 36, zero: 3, min: -128, max: 127, rounding: Rounding::Up };

fn conv(size: [u32; 2], channels: [u32; 2], kernel: u32, stride: u32) -> ConvI8<u8> {
    ConvI8 {
        input: INPUT,
        weights: CONSTANTS,
        channels: RECORDS,
        shifts: None,
        output: OUTPUT,
        scratch: SCRATCH,
        batch: 1,
        in_h: size[0],
        in_w: size[1],
        in_c: channels[0],
        out_h: size[0].div_ceil(stride),
        out_w: size[1].div_ceil(stride),
        out_c: channels[1],
        groups: 1,
        kernel_h: kernel,
        kernel_w: kernel,
        stride_h: stride,
        stride_w: stride,
        pad_top: (kernel as i32 - 1) / 2,
        pad_left: (kernel as i32 - 1) / 2,
        dilation_h: 1,
        dilation_w: 1,
        input_zero: 5,
        requant: Some(REQUANT),
    }
}

fn depthwise(size: [u32; 2], channels: u32, stride: u32) -> DepthwiseI8<u8> {
    let c = ConvI8 { groups: channels, ..conv(size, [1, 1], 3, stride) };
    c.depthwise(DepthwiseLayout::Lines(3))
}

#[test]
fn convolutions_at_their_distance() {
    for (size, channels, kernel, stride) in [
        ([8, 8], [16, 16], 3, 1),
        ([7, 5], [3, 8], 3, 1),
        ([25, 5], [64, 64], 1, 1),
        ([6, 6], [8, 16], 1, 1),
        ([12, 12], [3, 8], 3, 2),
        ([9, 11], [8, 64], 3, 2),
        ([5, 5], [4, 4], 5, 1),
        // Less than four pixels of many products.
        ([2, 1], [32, 64], 1, 1),
        ([1, 3], [24, 48], 1, 1),
    ] {
        check(&Kernel::conv_i8(conv(size, channels, kernel, stride)));
    }
    let padded = ConvI8 { batch: 3, ..conv([4, 5], [3, 7], 3, 1) };
    check(&Kernel::conv_i8(padded));
    let sums = ConvI8 { requant: None, ..conv([5, 7], [4, 4], 3, 1) };
    // Sums are words.
    let input = accesses(&Kernel::conv_i8(sums)).remove(0);
    let (least, _) = input.overlap.least().unwrap();
    let kernel = Kernel::conv_i8(sums);
    assert_eq!(run(&kernel, least.into(), 9), run(&kernel, 1 << 16, 9));
    assert_ne!(run(&kernel, i64::from(least) - 1, 9), run(&kernel, 1 << 16, 9));
}

/// Less than four pixels of few products all read their taps before any of their results is written.
#[test]
fn few_pixels_anywhere_on_their_operand() {
    for (size, channels, kernel) in
        [([1, 3], [8, 16], 1), ([3, 1], [6, 7], 3), ([1, 2], [7, 12], 3), ([1, 1], [64, 12], 1)]
    {
        let kernel = Kernel::conv_i8(conv(size, channels, kernel, 1));
        assert_eq!(accesses(&kernel)[0].overlap.least(), Some((0, false)), "{kernel:?}");
        for behind in [0, 1, 2, 5, 8] {
            assert_eq!(run(&kernel, behind, 9), run(&kernel, 1 << 16, 9), "{kernel:?} at {behind}");
        }
    }
}

/// One distance for pixels that are gathered and for those that are read where they lie, on cores that
/// compute two of them together; computers would do with a pixel of results less.
#[test]
fn vector_convolutions_at_their_distance() {
    for (size, channels) in [([6, 6], [8, 16]), ([5, 5], [16, 16])] {
        let conv = conv(size, channels, 1, 1);
        check_by(&Kernel::conv_i8_mve(ConvI8Mve { conv }), i64::from(conv.out_c) + 1);
    }
}

#[test]
fn depthwise_convolutions_in_place() {
    for (size, channels, stride) in
        [([8, 8], 8, 1), ([25, 5], 64, 1), ([12, 12], 16, 2), ([5, 9], 12, 1), ([9, 17], 8, 2)]
    {
        check(&Kernel::depthwise_i8(depthwise(size, channels, stride)));
    }
    // Every second row.
    let apart = DepthwiseI8 { dilation_h: 2, out_h: 5, pad_top: 0, ..depthwise([9, 9], 8, 1) };
    check(&Kernel::depthwise_i8(apart));
    let row = |c: DepthwiseI8<u8>| accesses(&Kernel::depthwise_i8(c))[0].overlap.row();
    assert_eq!([row(depthwise([5, 9], 12, 1)), row(depthwise([12, 12], 16, 2))], [Some(108), None]);
    let overlap = |kernel: Kernel<u8>| accesses(&kernel)[0].overlap.least();
    // Channels that are left over, columns of another number of rows, more outputs than inputs, and sums.
    assert_eq!(overlap(Kernel::depthwise_i8(depthwise([5, 9], 6, 1))), None);
    let c = depthwise([25, 6], 4, 2);
    assert_eq!(overlap(Kernel::depthwise_i8(c)), None);
    let c = depthwise([5, 5], 4, 1);
    let wider = DepthwiseI8 { out_w: 7, pad_left: 2, ..c };
    assert_eq!(overlap(Kernel::depthwise_i8(wider)), None);
    assert_eq!(overlap(Kernel::depthwise_i8(DepthwiseI8 { requant: None, ..c })), None);
}

#[test]
fn pooling_at_its_distance() {
    let pool = |[in_h, in_w]: [u32; 2], [out_h, out_w]: [u32; 2], kernel, stride, pad| PoolI8 {
        input: INPUT,
        output: OUTPUT,
        batch: 1,
        in_h,
        in_w,
        channels: 10,
        out_h,
        out_w,
        kernel_h: kernel,
        kernel_w: kernel,
        stride_h: stride,
        stride_w: stride,
        pad_top: pad,
        pad_left: pad,
        input_zero: 0,
        bias: 7,
        left: 2,
        multiplier: 1 << 30,
        requant: REQUANT,
    };
    for p in [
        pool([8, 8], [4, 4], 2, 2, 0),
        pool([6, 6], [6, 6], 3, 1, 1),
        pool([7, 5], [1, 1], 7, 1, 0),
    ] {
        check(&Kernel::pool_i8(p));
    }
}

#[test]
fn elementwise_kernels_in_place_or_behind() {
    let sum = SumI8 {
        lhs: INPUT,
        rhs: CONSTANTS,
        output: OUTPUT,
        count: 37,
        lhs_multiplier: 3000,
        rhs_multiplier: 2000,
        offset: 100,
        shift: 12,
        min: -128,
        max: 127,
    };
    check(&Kernel::sum_i8(sum));
    let table = TableI8 { input: INPUT, table: CONSTANTS, output: OUTPUT, count: 37 };
    check(&Kernel::table_i8(table));
    for stride in [1, 0] {
        let product = ProductI8 {
            lhs: INPUT,
            rhs: CONSTANTS,
            output: OUTPUT,
            sizes: [37].into_iter().collect(),
            lhs_strides: [1].into_iter().collect(),
            rhs_strides: [stride].into_iter().collect(),
            lhs_zero: 3,
            rhs_zero: -5,
            left: 0,
            multiplier: 1 << 26,
            requant: Requant { shift: 33, zero: -9, min: -128, max: 127, rounding: Rounding::Up },
        };
        check(&Kernel::product_i8(product));
    }
    let softmax = SoftmaxI8 {
        input: INPUT,
        output: OUTPUT,
        scratch: SCRATCH,
        rows: 5,
        n: 12,
        input_zero: 3,
        input_scale: 0.02,
        output_scale: 1.0 / 256.0,
        output_zero: -128.0,
        min: -128.0,
        max: 127.0,
    };
    check(&Kernel::softmax_i8(softmax));
}

/// A copy with these sizes, and strides of operand and result, in elements.
fn moved<const N: usize>(
    element: u8,
    sizes: [u32; N],
    input: [i32; N],
    output: [i32; N],
) -> Kernel<u8> {
    let bytes = |strides: [i32; N]| strides.map(|s| s * i32::from(element)).into_iter().collect();
    Kernel::move_(Move {
        input: INPUT,
        output: OUTPUT,
        element,
        sizes: sizes.into_iter().collect(),
        input_strides: bytes(input),
        output_strides: bytes(output),
    })
}

fn distance(kernel: &Kernel<u8>) -> Option<(u32, bool)> {
    accesses(kernel)[0].overlap.least()
}

#[test]
fn copies_at_their_distance() {
    let looked_up = |kernel| match kernel {
        Kernel::move_(copy) => Kernel::table_move_i8(TableMoveI8::new(copy, CONSTANTS)),
        other => other,
    };
    for (kernel, bytes) in [
        // Parts of rows, and of columns, closed up: at once, and element by element.
        (moved(1, [7, 5], [9, 1], [5, 1]), 0),
        (moved(1, [4, 3, 2], [24, 4, 1], [6, 2, 1]), 0),
        (moved(1, [6, 2], [2, 1], [2, 1]), 0),
        // Transposed, repeated, groups of rows in another order.
        (moved(1, [3, 8], [1, 3], [8, 1]), 14),
        (moved(1, [4, 6], [0, 1], [6, 1]), 18),
        (moved(1, [2, 3, 4], [4, 8, 1], [12, 4, 1]), 8),
    ] {
        let table = looked_up(kernel.clone());
        for kernel in [kernel, table] {
            assert_eq!(distance(&kernel), Some((bytes, false)), "{kernel:?}");
            check(&kernel);
        }
    }
    check_by(&moved(4, [3, 5], [1, 3], [5, 1]), 4);
    check_by(&moved(2, [2, 4, 3], [3, 6, 1], [12, 3, 1]), 2);
    // The element at which it starts is the last one.
    let reversed = moved(1, [9], [-1], [1]);
    assert_eq!(distance(&reversed), Some((8, false)));
    check(&reversed);
    // No memory of a microcontroller is as large.
    assert_eq!(distance(&moved(1, [1 << 30], [1], [1])), None);
}

/// A sum of an operand and a constant.
fn mapped<const N: usize>(sizes: [u32; N], strides: [i32; N], constant: [i32; N]) -> Kernel<u8> {
    let operand =
        |place, strides: [i32; N]| MapOperand { place, strides: strides.into_iter().collect() };
    Kernel::map(Map {
        sizes: sizes.into_iter().collect(),
        inputs: [operand(INPUT, strides), operand(CONSTANTS, constant)].into_iter().collect(),
        outputs: [operand(OUTPUT, strides)].into_iter().collect(),
        scratch: None,
        temps: 0,
        temp_size: 0,
        tile: 4,
        code: [MapInstr { op: micro::add::I8.id, dst: 2, args: [0, 1, 0] }].into_iter().collect(),
    })
}

#[test]
fn maps_in_place_or_behind() {
    for kernel in [
        mapped([30], [1], [0]),
        mapped([5, 6], [6, 1], [0, 1]),
        mapped([2, 3, 7], [21, 7, 1], [0, 1, 0]),
        mapped([4, 1, 5], [5, 0, 1], [1, 0, 0]),
    ] {
        assert_eq!(distance(&kernel), Some((0, false)), "{kernel:?}");
        check(&kernel);
    }
    // Another order than that in memory.
    let transposed = mapped([6, 5], [1, 6], [0, 1]);
    assert_eq!(distance(&transposed), Some((0, true)));
    check(&transposed);
}
