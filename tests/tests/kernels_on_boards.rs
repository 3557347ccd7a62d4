//! `f32` kernels over many shapes: the boards' microkernels give the same bits as the host's.

use microhlo_compiler::cmd::exec::Executor;
use microhlo_format::kernels::{Activation, ConvF32, DepthwiseF32, DotF32};
use microhlo_format::{ArtifactSpec, DType, Kernel, Place, TensorSpec, encode};
use microhlo_qemu::Job;
use microhlo_tests::{options, outputs};

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

    /// A job of one step on random input.
    fn job(self, random: &mut Random, step: Kernel<Place>) -> Job {
        let tensor = |name: &str, n, place| TensorSpec {
            name: name.into(),
            dtype: DType::F32,
            dims: vec![n],
            place,
        };
        let result = self.result();
        let spec = ArtifactSpec {
            name: "step".into(),
            compiler: "test".into(),
            inputs: vec![tensor("x", self.input, Place::arena(0))],
            outputs: vec![tensor("y", self.output, result)],
            steps: vec![step],
            constants: self.constants,
            arena_bytes: result.offset + self.output * 4,
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

fn conv(random: &mut Random) -> Job {
    let s = Slide::new(random);
    let (batch, in_c, out_c) = (random.range(1, 2), random.range(1, 9), random.range(1, 20));
    let mut layout = Layout {
        constants: Vec::new(),
        input: batch * s.input[0] * s.input[1] * in_c,
        output: batch * s.output[0] * s.output[1] * out_c,
    };
    let packed = out_c.next_multiple_of(8);
    let weights = layout.constant(&random.floats(packed * s.kernel[0] * s.kernel[1] * in_c));
    let bias = layout.constant(&random.floats(packed));
    let step = Kernel::conv_f32(ConvF32 {
        input: Place::arena(0),
        weights,
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
    });
    layout.job(random, step)
}

fn depthwise(random: &mut Random) -> Job {
    let s = Slide::new(random);
    let (batch, channels) = (random.range(1, 2), random.range(1, 26));
    let mut layout = Layout {
        constants: Vec::new(),
        input: batch * s.input[0] * s.input[1] * channels,
        output: batch * s.output[0] * s.output[1] * channels,
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
    let mut layout = Layout { constants: Vec::new(), input: batch * m * k, output: batch * m * n };
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

fn same_bits_as_on_the_host(board: &str) {
    let mut random = Random(20);
    let mut jobs: Vec<Job> = (0..250).map(|_| conv(&mut random)).collect();
    jobs.extend((0..120).map(|_| depthwise(&mut random)));
    jobs.extend((0..80).map(|_| dot(&mut random)));
    let run = |name: &str| {
        let executor = Executor::find(name).expect("the board exists");
        executor.run(&jobs, &options()).expect("the board runs")
    };
    for (i, (there, here)) in run(board).into_iter().zip(run("host")).enumerate() {
        let (there, here) = (outputs(board, there), outputs("host", here));
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
