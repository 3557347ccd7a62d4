//! `i8` kernels over many shapes: the boards' microkernels give the same bytes as the host's.

#[allow(dead_code, reason = "other tests use the rest")]
mod i8_shapes;

use i8_shapes::{COMMON, Random, Shape};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_format::kernels::{DepthwiseLayout, Requant, Rounding};
use microhlo_qemu::{Job, Outcome};
use microhlo_tests::{COMPLETE, on_board, options, outputs, sampled_cores};

fn requant(random: &mut Random) -> Option<Requant> {
    let shift = random.range(33, 53) as u8;
    let zero = random.range(0, 255) as i32 - 128;
    let any = Requant { shift, zero, ..COMMON };
    match random.range(0, 11) {
        0 => None,
        1..=4 => Some(Requant { zero, ..COMMON }),
        5 | 6 => Some(any),
        7 => Some(Requant { rounding: Rounding::Even, ..any }),
        8 => Some(Requant { rounding: Rounding::Double, ..any }),
        9 => Some(Requant { rounding: Rounding::Single, ..any }),
        _ => Some(Requant { min: random.range(0, 60) as i8 - 60, max: 70, ..any }),
    }
}

/// A convolution of any kind, or a matrix product.
fn conv(random: &mut Random) -> Shape {
    let requant = requant(random);
    let whole = random.range(0, 1);
    let channels = [random.range(1, 9) << (2 * whole), random.range(1, 19)];
    let pad = random.pair(0, 4).map(|pad| pad as i32 - 1);
    let dilation = random.pair(0, 3).map(|wide| if wide == 3 { 2 } else { 1 });
    let shape = Shape {
        batch: random.range(1, 2),
        input: random.pair(1, 9),
        output: random.pair(1, 9),
        groups: if random.range(0, 3) == 0 { random.range(1, 4) } else { 1 },
        channels,
        kernel: random.pair(1, 4),
        stride: random.pair(1, 3),
        pad,
        dilation,
        requant,
        shifts: requant.is_some() && random.range(0, 2) == 0,
        depthwise: false,
        layout: DepthwiseLayout::Taps,
        mve: false,
        wide: false,
        zero: -7,
    };
    if random.range(0, 4) > 0 {
        return shape;
    }
    let rows = [1, random.range(1, 9)];
    let product = Shape::same(rows, [random.range(1, 70), random.range(1, 40)], [1, 1]);
    Shape { requant, shifts: shape.shifts, ..product }
}

fn depthwise(random: &mut Random) -> Shape {
    let shape = conv(random);
    let mut depthwise = Shape {
        groups: random.range(1, 13),
        channels: [1, if random.range(0, 4) == 0 { random.range(2, 3) } else { 1 }],
        kernel: random.pair(1, 5),
        depthwise: true,
        ..shape
    };
    if random.range(0, 1) == 0 {
        depthwise.kernel = [random.range(1, 3), 3];
        depthwise.dilation = [1, 1];
    }
    if random.range(0, 3) == 0 {
        let along = random.range(0, 1) as usize;
        (depthwise.input[along], depthwise.output[along]) = (30, random.range(9, 24));
        depthwise.kernel[along] = random.range(1, 15);
    }
    if random.range(0, 3) == 0 {
        // Results whose taps all lie inside.
        depthwise.pad = [0, 0];
        depthwise.output = [1, random.range(1, 2)];
    }
    let [h, w] = depthwise.kernel;
    depthwise.layout = DepthwiseLayout::Lines(h.max(w) + random.range(0, 8));
    if depthwise.channels == [1, 1] && random.range(0, 2) == 0 {
        depthwise.layout = DepthwiseLayout::Taps;
    }
    depthwise
}

/// A depthwise convolution of three by three taps.
fn three_by_three(random: &mut Random) -> Shape {
    let any = depthwise(random);
    Shape {
        input: random.pair(1, 12),
        output: random.pair(1, 12),
        kernel: [3, 3],
        stride: random.pair(1, 2),
        pad: random.pair(0, 2).map(|pad| pad as i32),
        dilation: [1, 1],
        layout: match any.layout {
            DepthwiseLayout::Lines(lines) => DepthwiseLayout::Lines(lines.max(3)),
            DepthwiseLayout::Taps => DepthwiseLayout::Taps,
        },
        ..any
    }
}

/// Convolutions of all kinds.
fn shapes(random: &mut Random) -> Vec<Shape> {
    (0..300)
        .map(|_| conv(random))
        .chain((0..400).map(|i| depthwise(&mut Random(1000 + i))))
        .chain((0..150).map(|i| three_by_three(&mut Random(2000 + i))))
        .collect()
}

fn same_bytes_as_on_the_host(board: &str) {
    let mut random = Random(20);
    let shapes = shapes(&mut random);
    same_bytes(board, shapes, random);
}

fn same_bytes(board: &str, shapes: Vec<Shape>, mut random: Random) {
    let jobs: Vec<Job> = shapes.iter().map(|shape| shape.job(&mut random, false)).collect();
    let run = |name: &str| {
        let executor = Executor::find(name).expect("the board exists");
        executor.run(&jobs, &options()).expect("the board runs")
    };
    let here = shapes.iter().zip(run("host")).enumerate();
    for ((i, (s, here)), there) in on_board(board, here.zip(run(board)).collect()) {
        let what = (s.groups, s.channels, s.kernel, s.output, s.requant, s.shifts);
        assert_eq!(outputs(board, there), outputs("host", here), "job {i} on {board}: {what:?}");
    }
}

/// Results that lie over their operands as far as kernels allow are those that lie apart.
fn same_bytes_over_operands(board: &str, shapes: Vec<Shape>) {
    let distances = |s: Shape| s.distances().into_iter().map(move |bytes| (s.clone(), bytes));
    let over: Vec<(Shape, u32)> = shapes.into_iter().flat_map(distances).collect();
    assert!(over.len() > 50, "{} shapes", over.len());
    let jobs = |over_it: bool| -> Vec<Job> {
        let job = |(i, (shape, bytes)): (usize, &(Shape, u32))| {
            shape.job_at(&mut Random(3000 + i as u64), false, over_it.then_some(*bytes))
        };
        over.iter().enumerate().map(job).collect()
    };
    let run = |name: &str, jobs: &[Job]| {
        let executor = Executor::find(name).expect("the board exists");
        executor.run(jobs, &options()).expect("the board runs")
    };
    let (apart, jobs) = (run("host", &jobs(false)), jobs(true));
    let here = apart.into_iter().zip(run("host", &jobs)).zip(&over);
    for (((apart, here), (s, bytes)), there) in
        on_board(board, here.zip(run(board, &jobs)).collect())
    {
        let what = (s.depthwise, s.channels, s.kernel, s.stride, s.pad, s.input, s.output, bytes);
        let apart = outputs("host", apart);
        assert_eq!(outputs("host", here), apart, "on the host: {what:?}");
        assert_eq!(outputs(board, there), apart, "on {board}: {what:?}");
    }
}

#[test]
fn results_over_operands_are_the_same_on_cortex_m4_and_rv32imac() {
    for board in ["mps2-an386", "virt-rv32"] {
        same_bytes_over_operands(board, shapes(&mut Random(50)));
    }
}

/// The same of 16-bit activations, whose padding is mostly zeros.
fn wide(shape: Shape) -> Shape {
    let zero = if shape.output[0].is_multiple_of(3) { shape.zero } else { 0 };
    let requant = shape.requant.filter(|r: &Requant| r.rounding != Rounding::Single);
    Shape { wide: true, zero, requant, shifts: shape.shifts && requant.is_some(), ..shape }
}

/// Convolutions of 16-bit activations, of all kinds.
fn wide_shapes(random: &mut Random) -> Vec<Shape> {
    let taps = |i: u64| {
        let shape = depthwise(&mut Random(4000 + i));
        Shape { channels: [1, 1], layout: DepthwiseLayout::Taps, ..shape }
    };
    (0..300).map(|_| conv(random)).chain((0..200).map(taps)).map(wide).collect()
}

/// Whether the board's flash has room for a runner with the kernels.
fn has_wide(board: &str) -> bool {
    let shape = Shape { wide: true, ..Shape::same([1, 1], [1, 1], [1, 1]) };
    let executor = Executor::find(board).expect("the board exists");
    let outcomes = executor.run(&[shape.job(&mut Random(1), false)], &options());
    let held = |outcome: &Outcome| !matches!(outcome, Err(e) if e.is_not_on_board());
    let has = outcomes.expect("the board runs").iter().all(held);
    assert!(has || !COMPLETE.contains(&board), "{board} has all kernels");
    has
}

#[test]
fn kernels_of_sixteen_bits_give_the_same_bytes() {
    let boards = ["mps2-an386", "virt-rv32"].map(str::to_owned);
    for board in boards.into_iter().chain(sampled_cores()).filter(|board| has_wide(board)) {
        let mut random = Random(70);
        let shapes = wide_shapes(&mut random);
        same_bytes(&board, shapes, random);
    }
}

#[test]
fn results_of_sixteen_bits_over_operands_are_the_same() {
    for board in ["mps2-an386", "virt-rv32"] {
        same_bytes_over_operands(board, wide_shapes(&mut Random(80)));
    }
}

#[test]
fn results_over_operands_are_the_same_with_mve() {
    let mut random = Random(60);
    let shapes =
        (0..200).map(|_| conv(&mut random)).chain((0..200).map(|i| depthwise(&mut Random(i))));
    same_bytes_over_operands("mps3-an547", shapes.map(|s| Shape { mve: true, ..s }).collect());
}

/// Convolutions of 16-bit activations with constants laid out for vectors.
fn wide_vectors(seed: u64) -> Vec<Shape> {
    let mut random = Random(seed);
    let edges: Vec<Shape> = (0..300).map(|_| mve(&mut random)).collect();
    let shapes = wide_shapes(&mut random).into_iter().chain(edges.into_iter().map(wide));
    shapes.map(|s| Shape { mve: !s.depthwise, ..s }).collect()
}

#[test]
fn cortex_m55_kernels_of_sixteen_bits_give_the_same_bytes() {
    same_bytes("mps3-an547", wide_vectors(90), Random(91));
}

#[test]
fn results_of_sixteen_bits_over_operands_are_the_same_with_mve() {
    same_bytes_over_operands("mps3-an547", wide_vectors(92));
}

#[test]
fn cortex_m4_kernels_give_the_same_bytes() {
    same_bytes_as_on_the_host("mps2-an386");
}

#[test]
fn rv32imac_kernels_give_the_same_bytes() {
    same_bytes_as_on_the_host("virt-rv32");
}

#[test]
fn other_boards_kernels_give_the_same_bytes() {
    for board in sampled_cores() {
        same_bytes_as_on_the_host(&board);
    }
}

/// A convolution with the edges of vectors of 16 taps, of blocks of four channels and of pairs of
/// pixels.
fn mve(random: &mut Random) -> Shape {
    let mut shape = conv(random);
    if random.range(0, 2) == 0 {
        shape.channels[0] = random.range(1, 5) * 8 + random.range(0, 1);
    }
    if random.range(0, 2) == 0 {
        let line = random.range(0, 1) as usize;
        (shape.kernel[line], shape.input[line], shape.output[line]) = (1, 1, 1);
        (shape.pad, shape.dilation) = ([0, 0], [1, 1]);
        let along = 1 - line;
        shape.input[along] = shape.stride[along] * shape.output[along] + random.range(0, 3);
        shape.kernel[along] = shape.kernel[along].min(shape.input[along]);
    }
    if random.range(0, 4) == 0 {
        shape = Shape { input: [1, 1], output: [1, 1], kernel: [1, 1], pad: [0, 0], ..shape };
    }
    Shape { mve: true, ..shape }
}

#[test]
fn cortex_m55_kernels_give_the_same_bytes() {
    let mut random = Random(30);
    let depthwise = |i: u64| {
        let shape = depthwise(&mut Random(2000 + i));
        // More channels than a vector has words for.
        let groups = shape.groups * (1 + i as u32 % 4);
        let lines = shape.kernel[0].max(shape.kernel[1]);
        let layout = DepthwiseLayout::Lines(lines);
        Shape { groups, channels: [1, 1], layout, mve: true, ..shape }
    };
    let shapes = (0..600).map(|_| mve(&mut random)).chain((0..500).map(depthwise)).collect();
    same_bytes("mps3-an547", shapes, random);
}
