//! `i8` kernels without weights over random parameters: the boards give the same bytes as the host.

#[allow(dead_code, reason = "other tests use the rest")]
mod i8_shapes;

use i8_shapes::Random;
use microhlo_compiler::cmd::exec::Executor;
use microhlo_format::kernels::{
    DequantizeI8, DotI8, Move, PoolI8, ProductI8, QuantizeF32, Requant, Rounding, SumI8, TableI8,
    TableMoveI8,
};
use microhlo_format::{ArtifactSpec, DType, Kernel, Place, TensorSpec, encode};
use microhlo_qemu::Job;
use microhlo_tests::{COMPLETE, on_board, options, outputs, sampled_cores};

const INPUT: Place = Place::arena(0);

/// A step from `input` random bytes to the bytes behind them.
fn job(random: &mut Random, kernel: Kernel<Place>, [input, output]: [u32; 2]) -> Job {
    job_to(random, kernel, [input, output], Place::arena(input))
}

/// The same to bytes at another place.
fn job_to(random: &mut Random, kernel: Kernel<Place>, sizes: [u32; 2], to: Place) -> Job {
    let (constants, input) = (random.bytes(1024), random.bytes(sizes[0]));
    job_of(kernel, constants, input, (to, sizes[1]))
}

/// The same in an arena of so many bytes.
fn job_with(
    random: &mut Random,
    kernel: Kernel<Place>,
    [input, output]: [u32; 2],
    to: Place,
    arena: u32,
) -> Job {
    let input = random.bytes(input);
    step_of(kernel, Vec::new(), input, (to, output), arena)
}

/// A step from these bytes, with these constants.
fn job_of(
    kernel: Kernel<Place>,
    constants: Vec<u8>,
    input: Vec<u8>,
    (to, output): (Place, u32),
) -> Job {
    let arena = to.offset.max(input.len() as u32) + output;
    step_of(kernel, constants, input, (to, output), arena)
}

fn step_of(
    kernel: Kernel<Place>,
    constants: Vec<u8>,
    input: Vec<u8>,
    (to, output): (Place, u32),
    arena_bytes: u32,
) -> Job {
    let tensor = |name: &str, place, bytes| TensorSpec {
        name: name.into(),
        dtype: DType::U8,
        dims: vec![bytes],
        place,
    };
    let spec = ArtifactSpec {
        name: "step".into(),
        compiler: "test".into(),
        inputs: vec![tensor("x", INPUT, input.len() as u32)],
        outputs: vec![tensor("y", to, output)],
        steps: vec![kernel],
        constants,
        arena_bytes,
        ..ArtifactSpec::default()
    };
    let artifact = encode(&spec).expect("the step is encodable");
    Job { artifact, cases: vec![vec![input]], profile: false }
}

fn requant(random: &mut Random) -> Requant {
    let rounding = match random.range(0, 9) {
        0 => Rounding::Even,
        1 => Rounding::Double,
        _ => Rounding::Up,
    };
    let zero = random.range(0, 255) as i32 - 128;
    let [min, max] = if random.range(0, 1) == 0 { [-128, 127] } else { [-60, 50] };
    Requant { shift: random.range(33, 45) as u8, zero, min, max, rounding }
}

fn sum(random: &mut Random) -> Job {
    let count = random.range(1, 70);
    let mut factor = || random.range(0, 4_000_000) as i32 - 2_000_000;
    let params = SumI8 {
        lhs: INPUT,
        rhs: Place::arena(count),
        output: Place::arena(2 * count),
        count,
        lhs_multiplier: factor(),
        rhs_multiplier: factor(),
        offset: factor(),
        shift: random.range(10, 26) as u8,
        min: -(random.range(0, 127) as i8),
        max: 127,
    };
    job(random, Kernel::sum_i8(params), [2 * count, count])
}

/// A sum with a small shift and multipliers of its size; some are computed in place of the first
/// operand.
fn near_sum(random: &mut Random) -> Job {
    let count = random.range(1, 70);
    let shift = random.range(0, 20) as u8;
    let most = (1u32 << shift).max(2);
    let mut multiplier = || random.range(0, 2 * most - 1) as i32 - most as i32 / 2;
    let (lhs_multiplier, rhs_multiplier) = (multiplier(), multiplier());
    let [min, max] = if random.range(0, 1) == 0 { [-128, 127] } else { [-40, 70] };
    let output = if random.range(0, 2) == 0 { INPUT } else { Place::arena(2 * count) };
    let params = SumI8 {
        lhs: INPUT,
        rhs: Place::arena(count),
        output,
        count,
        lhs_multiplier,
        rhs_multiplier,
        offset: random.range(0, 40 << shift) as i32 - (20 << shift),
        shift,
        min,
        max,
    };
    job_to(random, Kernel::sum_i8(params), [2 * count, count], output)
}

/// A product of two tensors, one of which may repeat elements of rows or rows.
fn product(random: &mut Random) -> Job {
    let (rows, columns) = (random.range(1, 5), random.range(1, 35));
    let count = rows * columns;
    let output = if random.range(0, 2) == 0 { INPUT } else { Place::arena(2 * count) };
    let whole = [columns as i32, 1];
    let [row, column] = whole.map(|stride| stride * i32::from(random.range(0, 2) > 0));
    let mut params = ProductI8 {
        lhs: INPUT,
        rhs: Place::arena(count),
        output,
        sizes: [rows, columns].into_iter().collect(),
        lhs_strides: whole.into_iter().collect(),
        rhs_strides: [row, column].into_iter().collect(),
        lhs_zero: random.next() as i8,
        rhs_zero: random.next() as i8,
        left: if random.range(0, 2) == 0 { random.range(0, 14) as u8 } else { 0 },
        multiplier: random.range(1 << 22, 1 << 30) as i32,
        requant: requant(random),
    };
    if random.range(0, 3) == 0 {
        std::mem::swap(&mut params.lhs_strides, &mut params.rhs_strides);
        params.output = Place::arena(2 * count);
    }
    let to = params.output;
    job_to(random, Kernel::product_i8(params), [2 * count, count], to)
}

/// A batch of matrix products, of operands of either order.
fn dot(random: &mut Random) -> Job {
    let [batch, rows, columns, depth] =
        [random.range(1, 2), random.range(1, 9), random.range(1, 9), random.range(1, 40)];
    let [lhs, rhs] = [rows, columns].map(|n| batch * n * depth);
    let output = (lhs + rhs).next_multiple_of(4);
    let strides = |random: &mut Random, n: u32| {
        if random.range(0, 1) == 0 { (depth as i32, 1) } else { (1, n as i32) }
    };
    let (lhs_row_stride, lhs_depth_stride) = strides(random, rows);
    let (rhs_column_stride, rhs_depth_stride) = strides(random, columns);
    let requant = (random.range(0, 4) > 0).then(|| requant(random));
    let bytes = batch * rows * columns * if requant.is_some() { 1 } else { 4 };
    let mut params = DotI8 {
        lhs: INPUT,
        rhs: Place::arena(lhs),
        output: Place::arena(output),
        scratch: INPUT,
        batch,
        rows,
        columns,
        depth,
        lhs_batch_stride: (rows * depth) as i32,
        lhs_row_stride,
        lhs_depth_stride,
        rhs_batch_stride: (columns * depth) as i32,
        rhs_column_stride,
        rhs_depth_stride,
        lhs_zero: random.next() as i8,
        rhs_zero: random.next() as i8,
        multiplier: random.range(1 << 20, 1 << 27) as i32,
        requant,
    };
    params.scratch = Place::arena((output + bytes).next_multiple_of(4));
    let scratch = (rows.min(columns).next_multiple_of(2) + 4) * depth.next_multiple_of(4) * 2;
    let kernel = Kernel::dot_i8(params);
    job_with(random, kernel, [lhs + rhs, bytes], params.output, params.scratch.offset + scratch)
}

fn table(random: &mut Random) -> Job {
    let count = random.range(1, 70);
    let (table, output) = (Place::constant(0), Place::arena(count));
    let params = TableI8 { input: INPUT, table, output, count };
    job(random, Kernel::table_i8(params), [count, count])
}

/// Parts of rows that go through a table, to rows or to columns.
fn table_move(random: &mut Random) -> Job {
    let (rows, row, gap) = (random.range(1, 5), random.range(1, 40), random.range(0, 3));
    let input = rows * (row + gap);
    let strides = if random.range(0, 2) == 0 { [1, rows] } else { [row, 1] };
    let copy = Move {
        input: INPUT,
        output: Place::arena(input),
        element: 1,
        sizes: [rows, row].into_iter().collect(),
        input_strides: [(row + gap) as i32, 1].into_iter().collect(),
        output_strides: strides.map(|n| n as i32).into_iter().collect(),
    };
    let kernel = Kernel::table_move_i8(TableMoveI8::new(copy, Place::constant(0)));
    job(random, kernel, [input, rows * row])
}

/// Floats of all kinds, most of them in the range of the results.
fn quantize(random: &mut Random) -> Job {
    let count = random.range(1, 70);
    let (input, output) = (INPUT, Place::arena(4 * count));
    let scale = random.range(1, 1000) as f32 / 500.0;
    let zero = random.range(0, 255) as f32 - 128.0;
    let tabulated = random.range(0, 1) == 0;
    let (min, max) = if tabulated { (-100, 60) } else { (-128, 127) };
    let mut params = QuantizeF32 { input, thresholds: None, output, count, scale, zero, min, max };
    let constants = params.pack_thresholds();
    params.thresholds = tabulated.then_some(Place::constant(0));
    let near = (0..count).map(|_| match random.range(0, 3) {
        0 => f32::from_bits(random.next() << 1 | random.range(0, 1)),
        1 => (random.range(0, 255) as f32 - 127.5 - zero) * scale,
        _ => (random.range(0, 10_000) as f32 / 30.0 - 166.0) * scale,
    });
    let input = near.flat_map(f32::to_le_bytes).collect();
    job_of(Kernel::quantize_f32(params), constants, input, (output, count))
}

fn dequantize(random: &mut Random) -> Job {
    let count = random.range(1, 70);
    let to = count.next_multiple_of(4);
    let table = (random.range(0, 1) == 0).then_some(Place::constant(0));
    let zero = random.range(0, 255) as i32 - 128;
    let scale = random.range(1, 1000) as f32 / 500.0;
    let (input, output) = (INPUT, Place::arena(to));
    let params = DequantizeI8 { input, table, output, count, zero, scale };
    let sizes = [count, 4 * count];
    job_to(random, Kernel::dequantize_i8(params), sizes, output)
}

fn pool(random: &mut Random) -> Job {
    let (size, output, batch) = (random.pair(1, 9), random.pair(1, 5), random.range(1, 2));
    let (kernel, stride, channels) = (random.pair(1, 6), random.pair(1, 3), random.range(1, 37));
    let pad = random.pair(0, 4).map(|n| n as i32 - 1);
    let long = random.range(0, 9) == 0;
    let (in_w, kernel_w) = if long { (300, 290) } else { (size[1], kernel[1]) };
    let [input, results] =
        [size[0] * in_w, output[0] * output[1]].map(|pixels| batch * pixels * channels);
    let params = PoolI8 {
        input: INPUT,
        output: Place::arena(input),
        batch,
        in_h: size[0],
        in_w,
        channels,
        out_h: output[0],
        out_w: output[1],
        kernel_h: kernel[0],
        kernel_w,
        stride_h: stride[0],
        stride_w: stride[1],
        pad_top: pad[0],
        pad_left: pad[1],
        input_zero: random.next() as i8,
        bias: random.range(0, 2000) as i32 - 1000,
        left: random.range(0, 4) as u8,
        multiplier: random.range(1 << 29, i32::MAX as u32) as i32,
        requant: requant(random),
    };
    job(random, Kernel::pool_i8(params), [input, results])
}

fn same_bytes_as_on_the_host(board: &str) {
    let mut random = Random(40);
    let jobs: Vec<Job> = (0..1000)
        .map(|i| match i % 10 {
            0 => sum(&mut random),
            1 if i % 20 == 1 => table(&mut random),
            1 => table_move(&mut random),
            2 => pool(&mut random),
            3 => quantize(&mut random),
            4 => dequantize(&mut random),
            5 => product(&mut random),
            6 | 7 => dot(&mut random),
            _ => near_sum(&mut random),
        })
        .collect();
    let run = |name: &str| {
        let executor = Executor::find(name).expect("the board exists");
        executor.run(&jobs, &options()).expect("the board runs")
    };
    let here = run("host").into_iter().enumerate();
    for ((i, here), there) in on_board(board, here.zip(run(board)).collect()) {
        assert_eq!(outputs(board, there), outputs("host", here), "job {i} on {board}");
    }
}

#[test]
fn kernels_give_the_same_bytes() {
    for board in COMPLETE {
        same_bytes_as_on_the_host(board);
    }
}

#[test]
fn other_boards_kernels_give_the_same_bytes() {
    for board in sampled_cores() {
        same_bytes_as_on_the_host(&board);
    }
}
