//! `i8` kernels over many shapes: the boards' microkernels give the same bytes as the host's, and
//! cost no more instructions than they are allowed to.

use microhlo_compiler::cmd::exec::Executor;
use microhlo_format::kernels::{ConvI8, DepthwiseI8, Requant, Rounding};
use microhlo_format::{Access, ArtifactSpec, DType, Kernel, Place, TensorSpec, encode};
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

    fn pair(&mut self, low: u32, high: u32) -> [u32; 2] {
        [self.range(low, high), self.range(low, high)]
    }

    fn bytes(&mut self, n: u32) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}

/// A convolution; of one channel per group it may be a depthwise one.
struct Shape {
    batch: u32,
    input: [u32; 2],
    output: [u32; 2],
    groups: u32,
    /// Input and output channels of a group.
    channels: [u32; 2],
    kernel: [u32; 2],
    stride: [u32; 2],
    pad: [i32; 2],
    dilation: [u32; 2],
    requant: Option<Requant>,
    shifts: bool,
    depthwise: bool,
}

const COMMON: Requant = Requant { shift: 33, zero: 3, min: -128, max: 127, rounding: Rounding::Up };

impl Shape {
    /// One group, stride 1, and as much padding as keeps the size.
    fn same(input: [u32; 2], channels: [u32; 2], kernel: [u32; 2]) -> Shape {
        Shape {
            batch: 1,
            input,
            output: input,
            groups: 1,
            channels,
            kernel,
            stride: [1, 1],
            pad: kernel.map(|k| (k / 2) as i32),
            dilation: [1, 1],
            requant: Some(COMMON),
            shifts: false,
            depthwise: false,
        }
    }

    fn depthwise(input: [u32; 2], channels: u32, kernel: [u32; 2]) -> Shape {
        let same = Shape::same(input, [1, 1], kernel);
        Shape { groups: channels, depthwise: true, ..same }
    }

    fn strided(self, stride: [u32; 2], output: [u32; 2]) -> Shape {
        Shape { stride, output, ..self }
    }

    fn macs(&self) -> u64 {
        let sizes = [self.output, self.kernel, self.channels].concat();
        sizes.iter().map(|&n| u64::from(n)).product::<u64>() * u64::from(self.groups * self.batch)
    }

    fn params(&self) -> ConvI8<u8> {
        ConvI8 {
            input: 0,
            weights: 1,
            channels: 2,
            shifts: self.shifts.then_some(3),
            output: 4,
            scratch: 5,
            batch: self.batch,
            in_h: self.input[0],
            in_w: self.input[1],
            in_c: self.channels[0],
            out_h: self.output[0],
            out_w: self.output[1],
            out_c: self.channels[1],
            groups: self.groups,
            kernel_h: self.kernel[0],
            kernel_w: self.kernel[1],
            stride_h: self.stride[0],
            stride_w: self.stride[1],
            pad_top: self.pad[0],
            pad_left: self.pad[1],
            dilation_h: self.dilation[0],
            dilation_w: self.dilation[1],
            input_zero: -7,
            requant: self.requant,
        }
    }

    fn kernel(&self) -> Kernel<u8> {
        let c = self.params();
        if !self.depthwise {
            return Kernel::conv_i8(c);
        }
        Kernel::depthwise_i8(DepthwiseI8 {
            input: c.input,
            weights: c.weights,
            channels: c.channels,
            shifts: c.shifts,
            output: c.output,
            scratch: c.scratch,
            batch: c.batch,
            in_h: c.in_h,
            in_w: c.in_w,
            channels_count: c.groups,
            out_h: c.out_h,
            out_w: c.out_w,
            kernel_h: c.kernel_h,
            kernel_w: c.kernel_w,
            stride_h: c.stride_h,
            stride_w: c.stride_w,
            pad_top: c.pad_top,
            pad_left: c.pad_left,
            dilation_h: c.dilation_h,
            dilation_w: c.dilation_w,
            input_zero: c.input_zero,
            requant: c.requant,
        })
    }

    /// Records and shifts of channels such that results vary.
    fn constants(&self, random: &mut Random, operand: u8, bytes: u32) -> Vec<u8> {
        let shift = self.requant.map_or(33, |requant| u32::from(requant.shift));
        match operand {
            2 => (0..bytes / 8)
                .flat_map(|_| {
                    let bias = random.range(0, 4000) as i32 - 2000;
                    let log = (shift - 8 - random.range(0, 1)).min(30);
                    let whole = 1u32 << log;
                    let exact = random.range(0, 3) == 0;
                    let more = if exact { 0 } else { random.next() & (whole - 1) };
                    [bias.to_le_bytes(), (whole | more).to_le_bytes()].concat()
                })
                .collect(),
            3 => (0..bytes).map(|_| random.range(33, 53) as u8).collect(),
            _ => random.bytes(bytes),
        }
    }

    /// A job of this step on random input.
    fn job(&self, random: &mut Random, profile: bool) -> Job {
        let kernel = self.kernel();
        let mut extents = Vec::new();
        kernel
            .accesses(&mut |access: Access<u8>| extents.push((access.place, access.end as u32)))
            .expect("valid parameters");
        let mut places = [Place::arena(0); 6];
        let (mut constants, mut arena) = (Vec::new(), 0u32);
        for &(operand, bytes) in &extents {
            places[usize::from(operand)] = if (1..=3).contains(&operand) {
                constants.resize(constants.len().next_multiple_of(16), 0);
                let place = Place::constant(constants.len() as u32);
                constants.extend(self.constants(random, operand, bytes));
                place
            } else {
                let place = Place::arena(arena);
                arena = (arena + bytes).next_multiple_of(16);
                place
            };
        }
        let tensor = |name: &str, operand: u8| TensorSpec {
            name: name.into(),
            dtype: DType::U8,
            dims: extents.iter().filter(|e| e.0 == operand).map(|e| e.1).collect(),
            place: places[usize::from(operand)],
        };
        let spec = ArtifactSpec {
            name: "step".into(),
            compiler: "test".into(),
            inputs: vec![tensor("x", 0)],
            outputs: vec![tensor("y", 4)],
            steps: vec![kernel.map_places(&mut |operand| places[usize::from(operand)])],
            constants,
            arena_bytes: arena,
            ..ArtifactSpec::default()
        };
        let artifact = encode(&spec).expect("the step is encodable");
        let input = random.bytes(spec.inputs[0].dims[0]);
        Job { artifact, cases: vec![vec![input]], profile }
    }
}

fn requant(random: &mut Random) -> Option<Requant> {
    let shift = random.range(33, 53) as u8;
    let zero = random.range(0, 255) as i32 - 128;
    let any = Requant { shift, zero, ..COMMON };
    match random.range(0, 10) {
        0 => None,
        1..=4 => Some(Requant { zero, ..COMMON }),
        5 | 6 => Some(any),
        7 => Some(Requant { rounding: Rounding::Even, ..any }),
        8 => Some(Requant { rounding: Rounding::Double, ..any }),
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
        channels: [1, 1],
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
    depthwise
}

fn same_bytes_as_on_the_host(board: &str) {
    let mut random = Random(20);
    let shapes: Vec<Shape> = (0..300)
        .map(|_| conv(&mut random))
        .chain((0..200).map(|i| depthwise(&mut Random(1000 + i))))
        .collect();
    let jobs: Vec<Job> = shapes.iter().map(|shape| shape.job(&mut random, false)).collect();
    let run = |name: &str| {
        let executor = Executor::find(name).expect("the board exists");
        executor.run(&jobs, &options()).expect("the board runs")
    };
    for (i, (there, here)) in run(board).into_iter().zip(run("host")).enumerate() {
        let s = &shapes[i];
        let what = (s.groups, s.channels, s.kernel, s.output, s.requant, s.shifts);
        assert_eq!(outputs(board, there), outputs("host", here), "job {i} on {board}: {what:?}");
    }
}

#[test]
fn cortex_m4_kernels_give_the_same_bytes() {
    same_bytes_as_on_the_host("mps2-an386");
}

#[test]
fn rv32imac_kernels_give_the_same_bytes() {
    same_bytes_as_on_the_host("virt-rv32");
}

/// A shape that is counted, and the most instructions per multiply-accumulate on Cortex-M4 and RV32.
type Counted = (&'static str, Shape, [f64; 2]);

/// Shapes of keyword spotting, image classification and anomaly detection.
fn counted() -> Vec<Counted> {
    let stem = Shape::same([49, 10], [1, 64], [10, 4]).strided([2, 2], [25, 5]);
    let stem = Shape { pad: [4, 1], ..stem };
    let same = Shape::same;
    let halved = Shape::depthwise([24, 24], 32, [3, 3]).strided([2, 2], [12, 12]);
    let line = Shape::depthwise([28, 1], 128, [5, 1]).strided([1, 1], [24, 1]);
    vec![
        ("1x1 64-64 on 25x5", same([25, 5], [64, 64], [1, 1]), [0.97, 3.01]),
        ("3x3 16-16 on 32x32", same([32, 32], [16, 16], [3, 3]), [0.98, 3.15]),
        ("3x3 64-64 on 8x8", same([8, 8], [64, 64], [3, 3]), [0.87, 2.76]),
        ("3x3 3-16 on 32x32", same([32, 32], [3, 16], [3, 3]), [1.65, 4.68]),
        ("10x4 1-64 stride 2", stem, [1.2, 3.59]),
        ("1x1 128-128 on 3x3", same([3, 3], [128, 128], [1, 1]), [1.06, 3.71]),
        ("product 640-128", same([1, 1], [640, 128], [1, 1]), [1.27, 3.68]),
        ("product 128-128", same([1, 1], [128, 128], [1, 1]), [1.42, 4.0]),
        ("depthwise 3x3 64 on 25x5", Shape::depthwise([25, 5], 64, [3, 3]), [2.06, 5.86]),
        ("depthwise 3x3 8 on 48x48", Shape::depthwise([48, 48], 8, [3, 3]), [1.81, 4.96]),
        ("depthwise 3x3 32 stride 2", halved, [3.28, 7.98]),
        ("depthwise 3x3 128 on 6x6", Shape::depthwise([6, 6], 128, [3, 3]), [3.15, 8.73]),
        ("depthwise 5x1 128 on 28", Shape { pad: [0, 0], ..line }, [6.2, 21.7]),
    ]
}

/// Instructions per multiply-accumulate of each counted shape.
fn count(board: &str) -> Vec<(Counted, f64)> {
    let mut random = Random(3);
    let shapes = counted();
    let jobs: Vec<Job> = shapes.iter().map(|(_, s, _)| s.job(&mut random, true)).collect();
    let executor = Executor::find(board).expect("the board exists");
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    let per_mac = |shape: &Shape, outcome: microhlo_qemu::Outcome| {
        let mut report = outcome.expect("the job runs");
        let case = report.cases.remove(0).expect("the case runs");
        case.kernels[0].instructions as f64 / shape.macs() as f64
    };
    shapes
        .into_iter()
        .zip(outcomes)
        .map(|(counted, outcome)| {
            let figure = per_mac(&counted.1, outcome);
            (counted, figure)
        })
        .collect()
}

fn as_fast_as_they_shall_be(board: &str, target: usize) {
    let mut slow = Vec::new();
    for ((name, _, most), figure) in count(board) {
        let most = most[target];
        println!("{name:28} {figure:7.3} of at most {most:.2} instructions per MAC");
        if figure > most {
            slow.push(name);
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

#[test]
fn cortex_m4_kernels_are_as_fast_as_they_shall_be() {
    as_fast_as_they_shall_be("mps2-an386", 0);
}

#[test]
fn rv32imac_kernels_are_as_fast_as_they_shall_be() {
    as_fast_as_they_shall_be("virt-rv32", 1);
}
