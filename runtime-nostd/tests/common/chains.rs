//! Networks of `i8` layers, as steps one after another and as chains that run row by row.

use microhlo_format::kernels::{
    ConvI8, ConvI8Mve, DepthwiseI8, DepthwiseI8Mve, DepthwiseLayout, DepthwiseTapsI8,
    DepthwiseThreeI8, Feed, PoolI8, Requant, Rounding, Rows, STATE_BYTES, ScaleI8, SumI8, Sums,
    TableI8,
};
use microhlo_format::rows::{MAX_STAGES, OUTSIDE, Stage, least_capacities, links};
use microhlo_format::{AccessKind, ArtifactSpec, DType, Kernel, Place, TensorSpec};

#[path = "random.rs"]
mod reproducible;

pub use reproducible::Random;

/// Height, width and channels of an image.
pub type Size = [u32; 3];

/// What a window does along height and width.
#[derive(Clone, Copy, Debug)]
pub struct Slides {
    pub kernel: [u32; 2],
    pub stride: [u32; 2],
    pub pad: [u32; 2],
    pub dilation: [u32; 2],
}

impl Slides {
    /// One pixel at a time.
    pub const PIXEL: Slides =
        Slides { kernel: [1, 1], stride: [1, 1], pad: [0, 0], dilation: [1, 1] };

    /// A kernel that keeps the size of an image, but for its stride.
    pub fn same(kernel: [u32; 2], stride: u32) -> Slides {
        Slides { kernel, stride: [stride; 2], pad: kernel.map(|k| k / 2), dilation: [1, 1] }
    }
}

/// A layer.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// A convolution to so many channels.
    Conv(u32, Slides),
    /// The same on all pixels as one line, as matrix products are.
    Product(u32),
    Depthwise(Slides),
    /// The sum with an earlier value.
    Sum(usize),
    Table,
    Scale,
    /// Sums of windows.
    Pool(Slides),
    /// Sums of all pixels.
    Mean,
}

/// A layer on a value.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    pub op: Op,
    /// The value it reads: 0 is the input, `i + 1` the result of layer `i`.
    pub of: usize,
    /// Rows that are computed at once.
    pub strip: u32,
    /// Whether the result is there as a whole.
    pub whole: bool,
}

/// Layers one after another; the last one's result is the output.
#[derive(Clone, Debug)]
pub struct Network {
    pub input: Size,
    pub layers: Vec<Layer>,
    /// Whether convolutions are those for M-profile Vector Extension.
    pub mve: bool,
    /// Whether all results are rounded the usual way.
    pub plain: bool,
    /// Seed of the constants.
    pub seed: u64,
}

/// How a network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Step by step.
    Steps,
    /// As one chain.
    Chain,
    /// As one chain whose input is fed.
    Fed,
}

fn slid(size: Size, s: &Slides) -> [u32; 2] {
    [0, 1].map(|d| {
        let reach = (s.kernel[d] - 1) * s.dilation[d] + 1;
        (size[d] + 2 * s.pad[d]).saturating_sub(reach) / s.stride[d] + 1
    })
}

impl Network {
    /// Sizes of all values.
    pub fn sizes(&self) -> Vec<Size> {
        let mut sizes = vec![self.input];
        for layer in &self.layers {
            let size = sizes[layer.of];
            sizes.push(match &layer.op {
                Op::Conv(c, s) => {
                    let [h, w] = slid(size, s);
                    [h, w, *c]
                }
                Op::Product(c) => [size[0], size[1], *c],
                Op::Depthwise(s) | Op::Pool(s) => {
                    let [h, w] = slid(size, s);
                    [h, w, size[2]]
                }
                Op::Sum(_) | Op::Table | Op::Scale => size,
                Op::Mean => [1, 1, size[2]],
            });
        }
        sizes
    }

    /// The artifact.
    pub fn spec(&self, form: Form) -> ArtifactSpec {
        Builder::new(self, form).spec()
    }
}

/// Memory of a network.
struct Builder<'n> {
    network: &'n Network,
    form: Form,
    numbers: Random,
    constants: Vec<u8>,
    arena: u32,
    /// Where each value is.
    places: Vec<Place>,
    kernels: Vec<Kernel<Place>>,
}

fn bytes(size: Size) -> u32 {
    size.iter().product()
}

impl<'n> Builder<'n> {
    fn new(network: &'n Network, form: Form) -> Builder<'n> {
        let numbers = Random(network.seed);
        Builder {
            network,
            form,
            numbers,
            constants: vec![],
            arena: 0,
            places: vec![],
            kernels: vec![],
        }
    }

    fn constant(&mut self, bytes: &[u8]) -> Place {
        self.constants.resize(self.constants.len().next_multiple_of(16), 0);
        let place = Place::constant(self.constants.len() as u32);
        self.constants.extend_from_slice(bytes);
        place
    }

    fn random(&mut self, count: u32) -> Place {
        let bytes = self.numbers.bytes(count);
        self.constant(&bytes)
    }

    fn allocate(&mut self, bytes: u32) -> Place {
        let place = Place::arena(self.arena);
        self.arena = (self.arena + bytes).next_multiple_of(16);
        place
    }

    /// Bias and multiplier of channels: results vary.
    fn channels(&mut self, count: u32, taps: u32) -> Place {
        let most = (1 << 28) / (taps + 3);
        let bytes: Vec<u8> = (0..count)
            .flat_map(|_| {
                let bias = self.numbers.range(0, 2000) as i32 - 1000;
                let multiplier = self.numbers.range(most / 2, most) as i32;
                [bias.to_le_bytes(), multiplier.to_le_bytes()].concat()
            })
            .collect();
        self.constant(&bytes)
    }

    fn requant(&mut self) -> Requant {
        let zero = self.numbers.range(0, 20) as i32 - 10;
        if self.network.plain {
            return Requant { shift: 33, zero, min: -128, max: 127, rounding: Rounding::Up };
        }
        let (min, max) =
            if self.numbers.range(0, 2) == 0 { (zero as i8, 100) } else { (-128, 127) };
        let rounding = match self.numbers.range(0, 4) {
            0 => Rounding::Even,
            1 => Rounding::Double,
            _ => Rounding::Up,
        };
        let shift = 33 + self.numbers.range(0, 2) as u8;
        Requant { shift, zero, min, max, rounding }
    }

    /// The shifts of so many channels, unless they share one.
    fn shifts(&mut self, count: u32) -> Option<Place> {
        if self.network.plain || self.numbers.range(0, 2) != 0 {
            return None;
        }
        let shifts: Vec<u8> = (0..count).map(|_| 33 + self.numbers.range(0, 3) as u8).collect();
        Some(self.constant(&shifts))
    }

    fn conv(&mut self, from: Size, to: Size, s: &Slides, groups: u32) -> ConvI8<Place> {
        let taps = s.kernel[0] * s.kernel[1] * from[2] / groups;
        let channels = to[2] / groups;
        let weights = self.random(groups * (channels + 9) * (taps + 16));
        let channels_at = self.channels(groups * (channels + 4), taps);
        let shifts = self.shifts(groups * (channels + 4));
        ConvI8 {
            input: Place::arena(0),
            weights,
            channels: channels_at,
            shifts,
            output: Place::arena(0),
            scratch: Place::arena(0),
            batch: 1,
            in_h: from[0],
            in_w: from[1],
            in_c: from[2] / groups,
            out_h: to[0],
            out_w: to[1],
            out_c: channels,
            groups,
            kernel_h: s.kernel[0],
            kernel_w: s.kernel[1],
            stride_h: s.stride[0],
            stride_w: s.stride[1],
            pad_top: s.pad[0] as i32,
            pad_left: s.pad[1] as i32,
            dilation_h: s.dilation[0],
            dilation_w: s.dilation[1],
            input_zero: self.numbers.range(0, 20) as i8 - 10,
            requant: Some(self.requant()),
        }
    }

    fn pool(&mut self, from: Size, to: Size, s: &Slides) -> Kernel<Place> {
        Kernel::pool_i8(PoolI8 {
            input: Place::arena(0),
            output: Place::arena(0),
            batch: 1,
            in_h: from[0],
            in_w: from[1],
            channels: from[2],
            out_h: to[0],
            out_w: to[1],
            kernel_h: s.kernel[0],
            kernel_w: s.kernel[1],
            stride_h: s.stride[0],
            stride_w: s.stride[1],
            pad_top: s.pad[0] as i32,
            pad_left: s.pad[1] as i32,
            input_zero: -3,
            bias: 100,
            left: 4,
            multiplier: (1 << 28) / (s.kernel[0] * s.kernel[1]) as i32,
            requant: self.requant(),
        })
    }

    /// The kernel of a layer, without its operands, results and scratch.
    fn kernel(&mut self, layer: &Layer, from: Size, to: Size) -> Kernel<Place> {
        let at = Place::arena(0);
        let mve = self.network.mve;
        let product = |c: ConvI8<Place>| {
            if mve { Kernel::conv_i8_mve(ConvI8Mve { conv: c }) } else { Kernel::conv_i8(c) }
        };
        match &layer.op {
            Op::Conv(_, s) => product(self.conv(from, to, s, 1)),
            Op::Product(_) => {
                let line = |size: Size| [1, size[0] * size[1], size[2]];
                product(self.conv(line(from), line(to), &Slides::PIXEL, 1))
            }
            Op::Depthwise(s) => {
                // The least number, or some more.
                let more = if self.network.plain { 0 } else { (self.network.seed / 3 % 3) as u32 };
                let lines = s.kernel[0].max(s.kernel[1]) + more;
                let conv = self.conv(from, to, s, from[2]);
                let conv = conv.depthwise(DepthwiseLayout::Lines(lines));
                match self.network.seed % 3 {
                    _ if mve => Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv }),
                    0 if conv.is_three_by_three() => {
                        Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv })
                    }
                    1 => {
                        let layout = DepthwiseLayout::Taps;
                        let conv = DepthwiseI8 { layout, scratch: None, ..conv };
                        Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv })
                    }
                    _ => Kernel::depthwise_i8(conv),
                }
            }
            Op::Sum(_) => Kernel::sum_i8(SumI8 {
                lhs: at,
                rhs: at,
                output: at,
                count: bytes(to),
                lhs_multiplier: 700,
                rhs_multiplier: -500,
                offset: 77,
                shift: 10,
                min: -120,
                max: 127,
            }),
            Op::Table => {
                let table = self.random(256);
                Kernel::table_i8(TableI8 { input: at, table, output: at, count: bytes(to) })
            }
            Op::Scale => {
                let channels = self.channels(to[2], 1 << 20);
                let (rows, channels_count) = (to[0] * to[1], to[2]);
                let (shift, min, max) = (8, -128, 120);
                Kernel::scale_i8(ScaleI8 {
                    input: at,
                    channels,
                    output: at,
                    rows,
                    channels_count,
                    shift,
                    min,
                    max,
                })
            }
            Op::Pool(s) => self.pool(from, to, s),
            Op::Mean => {
                let s = Slides { kernel: [from[0], from[1]], ..Slides::PIXEL };
                self.pool(from, to, &s)
            }
        }
    }

    /// Scratch that a kernel needs, as a whole or for its strips.
    fn scratch(&self, kernel: &Kernel<Place>, stage: Option<&Stage>) -> u32 {
        let mut most = 0;
        let mut see = |access: microhlo_format::Access<Place>| {
            if access.kind == AccessKind::Scratch {
                most = most.max(access.end as u32);
            }
        };
        match stage {
            Some(stage) => kernel.strips(stage, &mut see).expect("strips"),
            None => kernel.accesses(&mut see).expect("valid parameters"),
        }
        most
    }

    fn spec(mut self) -> ArtifactSpec {
        let sizes = self.network.sizes();
        let layers = self.network.layers.clone();
        let drafts: Vec<Kernel<Place>> = layers
            .iter()
            .enumerate()
            .map(|(i, layer)| self.kernel(layer, sizes[layer.of], sizes[i + 1]))
            .collect();
        let stages = self.stages(&drafts, &sizes);
        let input = match self.form {
            Form::Fed => u32::from(stages[0].capacity) * sizes[0][1] * sizes[0][2],
            _ => bytes(sizes[0]),
        };
        let place = self.allocate(input);
        self.places.push(place);
        for (i, (layer, kernel)) in layers.iter().zip(drafts).enumerate() {
            let stage = stages.get(i + usize::from(self.form == Form::Fed));
            let stage = stage.filter(|_| self.form != Form::Steps);
            let scratch = self.scratch(&kernel, stage);
            let scratch = self.allocate(scratch);
            let size = sizes[i + 1];
            let room = match stage {
                Some(stage) if !matches!(layer.op, Op::Mean) => {
                    u32::from(stage.capacity) * bytes(size) / u32::from(stage.rows)
                }
                _ => bytes(size),
            };
            let output = self.allocate(room);
            let other = if let Op::Sum(with) = layer.op { with } else { layer.of };
            let kernel =
                placed(kernel, [self.places[layer.of], self.places[other]], output, scratch);
            self.places.push(output);
            self.kernels.push(kernel);
        }
        self.finish(stages, &sizes)
    }

    /// The stages of the chain, with the least windows.
    fn stages(&self, kernels: &[Kernel<Place>], sizes: &[Size]) -> Vec<Stage> {
        let layers = &self.network.layers;
        let fed = self.form == Form::Fed;
        let mut stages = vec![];
        if fed {
            let rows = self.network.input[0] as u16;
            stages.push(Stage {
                rows,
                strip: 1,
                capacity: 0,
                operands: [OUTSIDE; 2],
                lead: 0,
                settles: false,
                ends: false,
            });
        }
        // Values by their number.
        let mut reads: Vec<([Option<usize>; 2], usize)> = vec![];
        if fed {
            reads.push(([None, None], 0));
        }
        for (i, layer) in layers.iter().enumerate() {
            let other = if let Op::Sum(with) = layer.op { Some(with) } else { None };
            reads.push(([Some(layer.of), other], i + 1));
            let gathers = matches!(layer.op, Op::Mean) && sizes[layer.of][0] > 1;
            let rows = if gathers { sizes[layer.of][0] } else { sizes[i + 1][0] } as u16;
            let strip = (layer.strip as u16).clamp(1, rows);
            let whole = layer.whole || i + 1 == layers.len();
            let capacity = if whole { rows } else { 0 };
            // Convolutions of a row of less than four pixels have other weights.
            let resting = (i as u64 + self.network.seed / 5) % 3;
            let (settles, ends) = (resting == 0, resting == 1);
            let lead =
                if self.network.plain { 0 } else { strip as u8 - u8::from(settles && strip > 1) };
            stages.push(Stage {
                rows,
                strip,
                capacity,
                operands: [OUTSIDE; 2],
                lead,
                settles,
                ends,
            });
        }
        for (stage, operands) in stages.iter_mut().zip(links(&reads)) {
            stage.operands = operands;
        }
        let mut demand = |i: u8, first, count| {
            let Some(step) = usize::from(i).checked_sub(usize::from(fed)) else {
                return Some(Default::default());
            };
            let by = kernels[step].by_rows(stages[usize::from(i)].rows.into()).expect("rows");
            by.shape.demand(first, count)
        };
        let least =
            least_capacities(&stages, &vec![1; stages.len()], &mut demand).expect("a chain");
        for (stage, least) in stages.iter_mut().zip(least) {
            stage.capacity = least;
        }
        assert!(stages.len() <= MAX_STAGES);
        stages
    }

    fn finish(mut self, stages: Vec<Stage>, sizes: &[Size]) -> ArtifactSpec {
        let sums = self.network.layers.iter().enumerate().find(|(_, l)| matches!(l.op, Op::Mean));
        let sums = sums.map(|(i, _)| sizes[i + 1][2]);
        let row_bytes = sizes[0][1] * sizes[0][2];
        let mut steps = vec![];
        if self.form != Form::Steps {
            let state = self.allocate(stages.len() as u32 * STATE_BYTES);
            let sums = sums.map(|count| Sums { place: self.allocate(4 * count), count });
            let feed = (self.form == Form::Fed).then(|| Feed { place: self.places[0], row_bytes });
            steps.push(Kernel::rows(Rows {
                stages: stages.into_iter().collect(),
                state,
                sums,
                feed,
            }));
        }
        steps.append(&mut self.kernels);
        let tensor = |name: &str, place: Place, size: Size| TensorSpec {
            name: name.into(),
            dtype: DType::I8,
            dims: size.to_vec(),
            place,
        };
        let wholes = self.network.layers.iter().enumerate().filter(|(_, layer)| layer.whole);
        let mut outputs: Vec<TensorSpec> =
            wholes.map(|(i, _)| tensor("part", self.places[i + 1], sizes[i + 1])).collect();
        let last = self.network.layers.len();
        outputs.push(tensor("y", self.places[last], sizes[last]));
        let mut input = tensor("x", self.places[0], sizes[0]);
        if self.form == Form::Fed {
            input.place = Place::stream(input.place.offset);
        }
        ArtifactSpec {
            name: "chain".into(),
            compiler: "test".into(),
            inputs: vec![input],
            outputs,
            steps,
            constants: self.constants,
            arena_bytes: self.arena,
            ..ArtifactSpec::default()
        }
    }
}

/// The kernel with places for its operands, which were left at the arena's start.
fn placed(
    kernel: Kernel<Place>,
    operands: [Place; 2],
    output: Place,
    scratch: Place,
) -> Kernel<Place> {
    match kernel {
        Kernel::conv_i8(c) => Kernel::conv_i8(ConvI8 { input: operands[0], output, scratch, ..c }),
        Kernel::conv_i8_mve(c) => {
            let conv = ConvI8 { input: operands[0], output, scratch, ..c.conv };
            Kernel::conv_i8_mve(ConvI8Mve { conv })
        }
        Kernel::depthwise_i8(c) => {
            let scratch = c.scratch.map(|_| scratch);
            Kernel::depthwise_i8(DepthwiseI8 { input: operands[0], output, scratch, ..c })
        }
        Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv }) => {
            let scratch = Some(scratch);
            let conv = DepthwiseI8 { input: operands[0], output, scratch, ..conv };
            Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv })
        }
        Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv }) => {
            let conv = DepthwiseI8 { input: operands[0], output, ..conv };
            Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv })
        }
        Kernel::depthwise_i8_mve(c) => {
            let scratch = Some(scratch);
            let conv = DepthwiseI8 { input: operands[0], output, scratch, ..c.conv };
            Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv })
        }
        Kernel::sum_i8(s) => {
            Kernel::sum_i8(SumI8 { lhs: operands[0], rhs: operands[1], output, ..s })
        }
        Kernel::table_i8(t) => Kernel::table_i8(TableI8 { input: operands[0], output, ..t }),
        Kernel::scale_i8(s) => Kernel::scale_i8(ScaleI8 { input: operands[0], output, ..s }),
        Kernel::pool_i8(p) => Kernel::pool_i8(PoolI8 { input: operands[0], output, ..p }),
        other => other,
    }
}

/// A network of up to so many layers.
pub fn random(seed: u64, most: u32, mve: bool) -> Network {
    let mut numbers = Random(seed);
    let mut range = |low, high| numbers.range(low, high);
    let input = [range(3, 14), range(4, 7), range(1, 6)];
    let mut network = Network { input, layers: vec![], mve, plain: false, seed };
    let mut sizes = vec![input];
    for _ in 0..range(1, most) {
        let of = sizes.len() - 1;
        let size = sizes[of];
        let (kernel, dilation) = ([range(1, 4), 1 + 2 * range(0, 1)], [range(1, 2), 1]);
        let reach = (kernel[0] - 1) * dilation[0] + 1;
        let pad = [range(0, 2).min(reach - 1), kernel[1] / 2];
        let slides = Slides { kernel, stride: [range(1, 2), 1], pad, dilation };
        // No row is made of padding alone.
        let alone = Slides { dilation: [1, 1], ..slides };
        let sees = |s: &Slides| {
            let reach = (s.kernel[0] - 1) * s.dilation[0] + 1;
            let last = (slid(size, s)[0] - 1) * s.stride[0];
            size[0] + 2 * s.pad[0] >= reach && s.pad[0] < reach && last < size[0] + s.pad[0]
        };
        let (fits, pools) = (sees(&slides), sees(&alone));
        let like = (0..of).rev().find(|&i| sizes[i] == size);
        let op = match range(0, 8) {
            0 | 1 if fits => Op::Conv(range(1, 9), slides),
            2 | 3 if fits => Op::Depthwise(slides),
            4 if pools => Op::Pool(alone),
            5 => Op::Table,
            6 => Op::Scale,
            7 => Op::Product(range(1, 9)),
            _ => like.map_or(Op::Conv(range(1, 9), Slides::PIXEL), Op::Sum),
        };
        network.layers.push(Layer { op, of, strip: range(1, 3), whole: range(0, 5) == 0 });
        sizes = network.sizes();
    }
    if range(0, 1) == 0 {
        let of = sizes.len() - 1;
        network.layers.push(Layer { op: Op::Mean, of, strip: range(1, 3), whole: false });
    }
    network
}

/// A network of depthwise and pointwise layers of whole blocks of channels, as rows of few pixels are most
/// often: each layer is the size that kernels have assembly for.
pub fn separable(seed: u64) -> Network {
    let mut numbers = Random(seed + 1);
    let mut range = |low, high| numbers.range(low, high);
    let input = [range(4, 11), range(4, 9), 4 * range(1, 3)];
    let mut layers = vec![];
    for of in 0..range(1, 4) as usize {
        let (stride, pad) = ([1 + range(0, 3) / 3, 1 + range(0, 3) / 3], [range(0, 1), 1]);
        let slides = Slides { kernel: [3, 3], stride, pad, dilation: [1, 1] };
        let ops = [Op::Depthwise(slides), Op::Conv(4 * range(1, 4), Slides::PIXEL)];
        let ops = ops.into_iter().enumerate();
        layers.extend(ops.map(|(i, op)| Layer {
            op,
            of: 2 * of + i,
            strip: range(1, 2),
            whole: false,
        }));
    }
    // Of every third seed depthwise layers are those of a kernel of their own.
    let network = Network { input, layers, mve: false, plain: false, seed: seed * 3 };
    // Convolutions of a row of less than four pixels have other weights.
    let fits = network.sizes().iter().all(|size| size[0] > 2 && size[1] > 3);
    if fits { network } else { separable(seed + 1000) }
}
