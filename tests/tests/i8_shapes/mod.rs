//! Convolutions with `i8` weights as steps of one kernel, for tests on boards.

use microhlo_format::kernels::{
    ConvI8, ConvI8Mve, ConvI16, ConvI16Mve, DepthwiseI8, DepthwiseI8Mve, DepthwiseI16,
    DepthwiseLayout, DepthwiseTapsI8, DepthwiseThreeI8, Requant, Rounding,
};
use microhlo_format::{Access, ArtifactSpec, DType, Kernel, Overlap, Place, TensorSpec, encode};
use microhlo_qemu::Job;

#[path = "../../../runtime-nostd/tests/common/random.rs"]
mod random;

pub use random::Random;

/// A convolution; of one channel per group it may be a depthwise one.
#[derive(Clone)]
pub struct Shape {
    pub batch: u32,
    pub input: [u32; 2],
    pub output: [u32; 2],
    pub groups: u32,
    /// Input and output channels of a group.
    pub channels: [u32; 2],
    pub kernel: [u32; 2],
    pub stride: [u32; 2],
    pub pad: [i32; 2],
    pub dilation: [u32; 2],
    pub requant: Option<Requant>,
    pub shifts: bool,
    pub depthwise: bool,
    /// How it is computed if it is a depthwise one.
    pub layout: DepthwiseLayout,
    /// Whether the kernel is that for M-profile Vector Extension.
    pub mve: bool,
    /// Whether activations have 16 bits; a depthwise one is computed by taps then.
    pub wide: bool,
    /// What padding counts as.
    pub zero: i8,
}

/// The usual requantisation.
pub const COMMON: Requant =
    Requant { shift: 33, zero: 3, min: -128, max: 127, rounding: Rounding::Up };

impl Shape {
    /// One group, stride 1, and as much padding as keeps the size.
    pub fn same(input: [u32; 2], channels: [u32; 2], kernel: [u32; 2]) -> Shape {
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
            layout: DepthwiseLayout::Lines(kernel[0].max(kernel[1])),
            mve: false,
            wide: false,
            zero: -7,
        }
    }

    pub fn depthwise(input: [u32; 2], channels: u32, kernel: [u32; 2]) -> Shape {
        let same = Shape::same(input, [1, 1], kernel);
        Shape { groups: channels, depthwise: true, ..same }
    }

    pub fn strided(self, stride: [u32; 2], output: [u32; 2]) -> Shape {
        Shape { stride, output, ..self }
    }

    pub fn macs(&self) -> u64 {
        let sizes = [self.output, self.kernel, self.channels].concat();
        sizes.iter().map(|&n| u64::from(n)).product::<u64>() * u64::from(self.groups * self.batch)
    }

    pub fn params(&self) -> ConvI8<u8> {
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
            input_zero: self.zero,
            requant: self.requant,
        }
    }

    pub fn kernel(&self) -> Kernel<u8> {
        if self.wide {
            return self.wide_kernel();
        }
        if !self.depthwise {
            let c = self.params();
            let mve = || Kernel::conv_i8_mve(ConvI8Mve { conv: c });
            return if self.mve { mve() } else { Kernel::conv_i8(c) };
        }
        let depthwise = self.depthwise_params(self.layout);
        if self.mve {
            Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv: depthwise })
        } else if depthwise.is_by_taps() {
            Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: depthwise })
        } else if depthwise.is_three_by_three() {
            Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: depthwise })
        } else {
            Kernel::depthwise_i8(depthwise)
        }
    }

    /// The kernel of 16-bit activations, whose results are limited to less if those of 8 bits are.
    fn wide_kernel(&self) -> Kernel<u8> {
        let mut conv = self.params();
        let limits = self.requant.map_or([-128, 127], |r| [r.min, r.max].map(i32::from));
        let [min, max] =
            if limits == [-128, 127] { [-32768, 32767] } else { limits.map(|n| n * 99) };
        conv.requant = conv.requant.map(|r| Requant { min: -128, max: 127, ..r });
        if !self.depthwise && self.mve {
            return Kernel::conv_i16_mve(ConvI16Mve { conv, min, max });
        }
        if !self.depthwise {
            return Kernel::conv_i16(ConvI16 { conv, min, max });
        }
        let conv = conv.depthwise(DepthwiseLayout::Taps);
        Kernel::depthwise_i16(DepthwiseI16 { conv, min, max })
    }

    pub fn depthwise_params(&self, layout: DepthwiseLayout) -> DepthwiseI8<u8> {
        self.params().depthwise(layout)
    }

    /// Records and shifts of channels such that results vary.
    pub fn constants(&self, random: &mut Random, operand: u8, bytes: u32) -> Vec<u8> {
        let shift = self.requant.map_or(33, |requant| u32::from(requant.shift));
        let mut record = |_: u32| {
            let bias = random.range(0, 4000) as i32 - 2000;
            let log = (shift - 8 - random.range(0, 1)).min(30);
            let whole = 1u32 << log;
            let exact = random.range(0, 3) == 0;
            let more = if exact { 0 } else { random.next() & (whole - 1) };
            [bias.to_le_bytes(), (whole | more).to_le_bytes()]
        };
        match operand {
            2 if self.mve && !self.depthwise => (0..bytes / 32)
                .flat_map(|_| {
                    let block = [0, 1, 2, 3].map(&mut record);
                    [block.map(|r| r[0]), block.map(|r| r[1])].concat().concat()
                })
                .collect(),
            2 => (0..bytes / 8).flat_map(|c| record(c).concat()).collect(),
            3 => (0..bytes).map(|_| random.range(33, 53) as u8).collect(),
            _ => random.bytes(bytes),
        }
    }

    /// How far the operand may start behind the result that lies over it: the least, and a row, or four pixels of a
    /// result that may lie anywhere from there on. None if it may not, or if the kernel has no such parameters.
    pub fn distances(&self) -> Vec<u32> {
        let mut overlap = Overlap::NEVER;
        let visit = &mut |access: Access<u8>| {
            overlap = if access.place == 0 { access.overlap } else { overlap };
        };
        let valid = self.kernel().accesses(visit).is_ok();
        let Some((least, only)) = overlap.least().filter(|_| valid) else { return Vec::new() };
        let fours = 4 * self.groups * self.channels[1] * if self.wide { 2 } else { 1 };
        let further = if only { overlap.row() } else { Some(least.max(fours)) };
        [least].into_iter().chain(further.filter(|&bytes| bytes != least)).collect()
    }

    /// A job of this step on random input.
    pub fn job(&self, random: &mut Random, profile: bool) -> Job {
        self.job_at(random, profile, None)
    }

    /// The same with the operand so many bytes behind the result, if that is given.
    pub fn job_at(&self, random: &mut Random, profile: bool, behind: Option<u32>) -> Job {
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
        if let Some(bytes) = behind {
            places[4] = Place::arena(arena);
            places[0] = Place::arena(arena + bytes);
            let end = |(operand, bytes): &(u8, u32)| places[usize::from(*operand)].offset + bytes;
            let both = extents.iter().filter(|e| e.0 == 0 || e.0 == 4);
            arena = both.map(end).max().unwrap_or(arena);
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
