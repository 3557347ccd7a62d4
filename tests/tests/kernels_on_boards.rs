//! `f32` kernels over many shapes: the boards' microkernels give the same bits as the host's.

use microhlo_compiler::cmd::exec::Executor;
use microhlo_format::algorithms::fft;
use microhlo_format::kernels::{
    Activation, Cholesky, ConvF32, DepthwiseF32, DotF32, Fft, HybridF32, TriangularSolve,
};
use microhlo_format::{ArtifactSpec, DType, Kernel, Place, TensorSpec, encode};
use microhlo_qemu::Job;
use microhlo_tests::{on_board, options, outputs, sampled_cores};

/// Reproducible numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// A number from `low` to `high`.
    fn range(&mut self, low: u32, high: u32) -> u32 {
        low + self.next() % (high - low + 1)
    }

    fn floats(&mut self, n: u32) -> Vec<u8> {
        (0..n)
            .flat_map(|_| (self.range(0, 1 << 23) as f32 / (1 << 22) as f32 - 1.0).to_le_bytes())
            .collect()
    }

    fn activation(&mut self) -> Activation {
        match self.next() % 4 {
            0 => Activation::None,
            1 => Activation::Clamp { min: 0.0, max: 0.5 },
            _ => Activation::Max { min: 0.0 },
        }
    }
}

/// The constants and the places of one step.
struct Layout {
    constants: Vec<u8>,
    input: u32,
    output: u32,
    /// Bytes of scratch after the result.
    scratch: u32,
}

impl Layout {
    fn constant(&mut self, bytes: &[u8]) -> Place {
        self.constants.resize(self.constants.len().next_multiple_of(16), 0);
        let place = Place::constant(self.constants.len() as u32);
        self.constants.extend_from_slice(bytes);
        place
    }

    fn result(&self) -> Place {
        Place::arena((self.input * 4).next_multiple_of(16))
    }

    fn scratch_place(&self) -> Place {
        Place::arena((self.result().offset + self.output * 4).next_multiple_of(16))
    }

    /// A job of one step on random input.
    fn job(self, random: &mut Random, step: Kernel<Place>) -> Job {
        let tensor = |name: &str, n, place| TensorSpec {
            name: name.into(),
            dtype: DType::F32,
            dims: vec![n],
            place,
        };
        let result = self.result();
        let arena_bytes = self.scratch_place().offset + self.scratch;
        let spec = ArtifactSpec {
            name: "step".into(),
            compiler: "test".into(),
            inputs: vec![tensor("x", self.input, Place::arena(0))],
            outputs: vec![tensor("y", self.output, result)],
            steps: vec![step],
            constants: self.constants,
            arena_bytes,
            ..ArtifactSpec::default()
        };
        let artifact = encode(&spec).expect("the step is encodable");
        Job { artifact, cases: vec![vec![random.floats(self.input)]], profile: false }
    }
}

/// Random sizes of a sliding kernel over two dimensions.
struct Slide {
    input: [u32; 2],
    output: [u32; 2],
    kernel: [u32; 2],
    stride: [u32; 2],
    pad: [i32; 2],
    dilation: [u32; 2],
}

impl Slide {
    fn new(random: &mut Random) -> Slide {
        let mut pair = |low, high| [random.range(low, high), random.range(low, high)];
        let (input, output, kernel) = (pair(1, 9), pair(1, 9), pair(1, 4));
        let (stride, pad, wide) = (pair(1, 3), pair(0, 4), pair(0, 3));
        Slide {
            input,
            output,
            kernel,
            stride,
            pad: pad.map(|pad| pad as i32 - 1),
            dilation: wide.map(|wide| if wide == 3 { 2 } else { 1 }),
        }
    }
}

/// A convolution, by the kernel that `kernel` makes of it with this number of weights.
fn conv_by(
    random: &mut Random,
    kernel: impl Fn(&mut Random, &mut Layout, ConvF32<Place>, u32) -> Kernel<Place>,
) -> Job {
    let s = Slide::new(random);
    let (batch, in_c, out_c) = (random.range(1, 2), random.range(1, 9), random.range(1, 20));
    let mut layout = Layout {
        constants: Vec::new(),
        input: batch * s.input[0] * s.input[1] * in_c,
        output: batch * s.output[0] * s.output[1] * out_c,
        scratch: 0,
    };
    let packed = out_c.next_multiple_of(8);
    let bias = layout.constant(&random.floats(packed));
    let conv = ConvF32 {
        input: Place::arena(0),
        weights: bias,
        bias: (!random.next().is_multiple_of(3)).then_some(bias),
        output: layout.result(),
        batch,
        in_h: s.input[0],
        in_w: s.input[1],
        in_c,
        out_h: s.output[0],
        out_w: s.output[1],
        out_c,
        kernel_h: s.kernel[0],
        kernel_w: s.kernel[1],
        stride_h: s.stride[0],
        stride_w: s.stride[1],
        pad_top: s.pad[0],
        pad_left: s.pad[1],
        dilation_h: s.dilation[0],
        dilation_w: s.dilation[1],
        activation: random.activation(),
    };
    let step = kernel(random, &mut layout, conv, packed * s.kernel[0] * s.kernel[1] * in_c);
    layout.job(random, step)
}

fn conv(random: &mut Random) -> Job {
    conv_by(random, |random, layout, conv, weights| {
        let weights = layout.constant(&random.floats(weights));
        Kernel::conv_f32(ConvF32 { weights, ..conv })
    })
}

/// A convolution whose weights are bytes.
fn hybrid(random: &mut Random) -> Job {
    conv_by(random, |random, layout, conv, weights| {
        let bytes: Vec<u8> = (0..weights).map(|_| random.next() as u8).collect();
        let (weights, count) = (layout.constant(&bytes), weights / conv.out_c.next_multiple_of(8));
        let scales = layout.constant(&random.floats(conv.out_c.next_multiple_of(8)));
        layout.scratch = count * 32;
        let (conv, scratch) = (ConvF32 { weights, ..conv }, layout.scratch_place());
        Kernel::hybrid_f32(HybridF32 { conv, scales, scratch, depthwise: false })
    })
}

fn depthwise(random: &mut Random) -> Job {
    let s = Slide::new(random);
    let (batch, channels) = (random.range(1, 2), random.range(1, 26));
    let mut layout = Layout {
        constants: Vec::new(),
        input: batch * s.input[0] * s.input[1] * channels,
        output: batch * s.output[0] * s.output[1] * channels,
        scratch: 0,
    };
    let packed = channels.next_multiple_of(8);
    let weights = layout.constant(&random.floats(packed * s.kernel[0] * s.kernel[1]));
    let bias = layout.constant(&random.floats(packed));
    let step = Kernel::depthwise_f32(DepthwiseF32 {
        input: Place::arena(0),
        weights,
        bias: (!random.next().is_multiple_of(3)).then_some(bias),
        output: layout.result(),
        batch,
        in_h: s.input[0],
        in_w: s.input[1],
        channels,
        out_h: s.output[0],
        out_w: s.output[1],
        kernel_h: s.kernel[0],
        kernel_w: s.kernel[1],
        stride_h: s.stride[0],
        stride_w: s.stride[1],
        pad_top: s.pad[0],
        pad_left: s.pad[1],
        dilation_h: s.dilation[0],
        dilation_w: s.dilation[1],
        activation: random.activation(),
    });
    layout.job(random, step)
}

fn dot(random: &mut Random) -> Job {
    let (batch, m, n, k) =
        (random.range(1, 2), random.range(1, 6), random.range(1, 20), random.range(1, 13));
    let row = n + random.range(0, 2);
    let (input, output) = (batch * m * k, batch * m * n);
    let mut layout = Layout { constants: Vec::new(), input, output, scratch: 0 };
    let rhs = layout.constant(&random.floats(batch * k * row));
    let bias = layout.constant(&random.floats(n));
    let step = Kernel::dot_f32(DotF32 {
        lhs: Place::arena(0),
        rhs,
        bias: random.next().is_multiple_of(2).then_some(bias),
        output: layout.result(),
        batch,
        m,
        n,
        k,
        lhs_batch_stride: (m * k * 4) as i32,
        lhs_row_stride: (k * 4) as i32,
        rhs_batch_stride: (k * row * 4) as i32,
        rhs_row_stride: (row * 4) as i32,
        activation: random.activation(),
    });
    layout.job(random, step)
}

/// A transform of any kind and length along rows.
fn transform(random: &mut Random) -> Job {
    let kind = fft::Kind::ALL[random.range(0, 3) as usize];
    let n = if random.range(0, 9) == 0 { 67 } else { random.range(1, 48) };
    let plan = fft::Plan::new(kind, n).expect("a short line");
    let real_in = u32::from(kind != fft::Kind::RealForward) + 1;
    let real_out = u32::from(kind != fft::Kind::RealInverse) + 1;
    let (row_in, row_out) = (plan.inputs() * real_in, plan.outputs() * real_out);
    let rows = random.range(1, 3);
    let scratch = plan.stages_len() * 16;
    let (input, output) = (rows * row_in, rows * row_out);
    let mut layout = Layout { constants: Vec::new(), input, output, scratch };
    let table: Vec<u8> =
        fft::table(&plan).iter().flatten().flat_map(|&v| (v as f32).to_le_bytes()).collect();
    let step = Kernel::fft_f32(Fft {
        input: Place::arena(0),
        output: layout.result(),
        table: layout.constant(&table),
        scratch: layout.scratch_place(),
        dtype: DType::F32,
        kind: kind as u8,
        n,
        convolution: plan.convolution,
        radices: plan.radices.clone(),
        input_stride: 4 * real_in as i32,
        output_stride: 4 * real_out as i32,
        sizes: [rows].into_iter().collect(),
        input_strides: [4 * row_in as i32].into_iter().collect(),
        output_strides: [4 * row_out as i32].into_iter().collect(),
    });
    layout.job(random, step)
}

/// Factors of `f32` or complex matrices, most of which are NaN: the others' bits must agree.
fn factors(random: &mut Random) -> Job {
    let (batch, n, complex) = (random.range(1, 2), random.range(1, 5), random.range(0, 1));
    let count = batch * n * n * (complex + 1);
    let layout = Layout { constants: Vec::new(), input: count, output: count, scratch: 0 };
    let dtype = if complex == 1 { DType::C64 } else { DType::F32 };
    let lower = random.range(0, 1) == 1;
    let (input, output) = (Place::arena(0), layout.result());
    let params = Cholesky { input, output, dtype, batch, n, lower };
    let step =
        if complex == 1 { Kernel::cholesky_c64(params) } else { Kernel::cholesky_f32(params) };
    layout.job(random, step)
}

/// Systems with a constant matrix.
fn systems(random: &mut Random) -> Job {
    let (batch, n, count) = (random.range(1, 2), random.range(1, 5), random.range(1, 4));
    let complex = random.range(0, 1);
    let values = batch * n * count * (complex + 1);
    let mut layout = Layout { constants: Vec::new(), input: values, output: values, scratch: 0 };
    let matrix = layout.constant(&random.floats(batch * n * n * (complex + 1)));
    let mut flag = || random.range(0, 1) == 1;
    let params = TriangularSolve {
        matrix,
        rhs: Place::arena(0),
        output: layout.result(),
        dtype: if complex == 1 { DType::C64 } else { DType::F32 },
        batch,
        n,
        count,
        left_side: flag(),
        lower: flag(),
        unit_diagonal: flag(),
        transpose: flag(),
        conjugate: flag(),
    };
    let step = match complex {
        1 => Kernel::triangular_solve_c64(params),
        _ => Kernel::triangular_solve_f32(params),
    };
    layout.job(random, step)
}

/// The floats of every case and output as bits. Which NaN a step makes, such as of the root of a
/// negative number, is the target's own.
fn bits(outputs: Vec<Vec<Vec<u8>>>) -> Vec<u32> {
    let bytes: Vec<u8> = outputs.into_iter().flatten().flatten().collect();
    let floats = bytes.as_chunks::<4>().0.iter().map(|&float| f32::from_le_bytes(float));
    floats.map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
}

fn same_bits_as_on_the_host(board: &str) {
    let mut random = Random(20);
    let mut jobs: Vec<Job> = (0..250).map(|_| conv(&mut random)).collect();
    jobs.extend((0..120).map(|_| depthwise(&mut random)));
    jobs.extend((0..40).map(|_| hybrid(&mut random)));
    jobs.extend((0..80).map(|_| dot(&mut random)));
    jobs.extend((0..60).map(|_| transform(&mut random)));
    jobs.extend((0..40).map(|_| factors(&mut random)));
    jobs.extend((0..40).map(|_| systems(&mut random)));
    let run = |name: &str| {
        let executor = Executor::find(name).expect("the board exists");
        executor.run(&jobs, &options()).expect("the board runs")
    };
    let outcomes = run("host").into_iter().enumerate().zip(run(board)).collect();
    for ((i, here), there) in on_board(board, outcomes) {
        let (there, here) = (bits(outputs(board, there)), bits(outputs("host", here)));
        assert_eq!(there, here, "job {i} on {board}");
    }
}

#[test]
fn cortex_m4f_kernels_give_the_same_bits() {
    same_bits_as_on_the_host("mps2-an386");
}

#[test]
fn rv32imac_kernels_give_the_same_bits() {
    same_bits_as_on_the_host("virt-rv32");
}

#[test]
fn kernels_give_the_same_bits_on_the_other_boards() {
    for board in sampled_cores() {
        same_bits_as_on_the_host(&board);
    }
}
