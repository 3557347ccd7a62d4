//! Random convolutions with `i8` weights, with what they compute, by plain loops.

use microhlo_format::kernels::{
    ConvI8, ConvI8Mve, ConvI16, ConvI16Mve, DepthwiseI8, DepthwiseI8Mve, DepthwiseI16,
    DepthwiseLayout, DepthwiseTapsI8, DepthwiseThreeI8, Requant, Rounding,
};
use microhlo_format::{Kernel, Place};
use proptest::prelude::*;

use super::{Constants, after};

/// Reproducible bytes.
pub fn bytes(seed: u32, n: usize) -> Vec<i8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as i8
        })
        .collect()
}

/// A kernel that computes a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Conv,
    /// Of one channel per group.
    Depthwise,
    ConvMve,
    /// Of one channel per group.
    DepthwiseMve,
    /// Of `i16`.
    ConvI16,
    /// Of `i16`.
    ConvI16Mve,
    /// Of `i16` and one channel per group, by taps.
    DepthwiseI16,
}

impl Form {
    /// Whether activations have 16 bits.
    pub fn is_wide(self) -> bool {
        matches!(self, Form::ConvI16 | Form::ConvI16Mve | Form::DepthwiseI16)
    }
}

/// A convolution; a depthwise one if there is one input channel per group.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u32,
    pub batch: u32,
    pub size: [u32; 2],
    pub groups: u32,
    /// Input and output channels of a group.
    pub channels: [u32; 2],
    pub kernel: [u32; 2],
    pub stride: [u32; 2],
    pub pad: [i32; 2],
    pub dilation: [u32; 2],
    pub output: [u32; 2],
    pub zero: i8,
    pub requant: Option<Requant>,
    /// Whether each channel has its own shift.
    pub shifts: bool,
    /// How many more lines than the kernel's a depthwise one has, if it is computed by lines.
    pub lines: Option<u32>,
}

/// All ways of rounding.
pub fn roundings() -> impl Strategy<Value = Rounding> {
    prop_oneof![
        Just(Rounding::Up),
        Just(Rounding::Even),
        Just(Rounding::Double),
        Just(Rounding::Single)
    ]
}

fn requants() -> impl Strategy<Value = Option<Requant>> {
    let bounds = prop_oneof![2 => Just((-128, 127)), 1 => (-128i8..0, 0i8..=127)];
    let some = (33u8..=53, -140i32..140, bounds, roundings()).prop_map(
        |(shift, zero, (min, max), rounding)| Requant { shift, zero, min, max, rounding },
    );
    let common = (Just(33u8), -140i32..140).prop_map(|(shift, zero)| Requant {
        shift,
        zero,
        min: -128,
        max: 127,
        rounding: Rounding::Up,
    });
    prop_oneof![1 => Just(None), 3 => common.prop_map(Some), 4 => some.prop_map(Some)]
}

/// Cases of up to `groups` groups and channels below the limits.
pub fn cases(groups: u32, channels: [u32; 2]) -> impl Strategy<Value = Case> {
    let pair = |lo: u32, hi: u32| [lo..hi, lo..hi];
    let channels = [1..channels[0], 1..channels[1]];
    let shape = (1u32..3, pair(1, 9), 1..=groups, channels, pair(1, 5), pair(1, 4));
    let rest = ([-1i32..4, -1i32..4], pair(1, 3), pair(1, 9), any::<i8>());
    (any::<u32>(), shape, rest, requants(), any::<bool>(), 0u32..6).prop_map(
        |(seed, shape, rest, requant, shifts, more)| {
            let (batch, size, groups, channels, kernel, stride) = shape;
            let (pad, dilation, output, zero) = rest;
            Case {
                seed,
                batch,
                size,
                groups,
                channels,
                kernel,
                stride,
                pad,
                dilation,
                output,
                zero,
                requant,
                shifts: shifts && requant.is_some(),
                lines: (more < 4).then_some(more),
            }
        },
    )
}

/// A product divided by `2^shift` in two steps, as LiteRT does: by `2^31`, rounded to nearest with
/// ties up, then by the rest, with ties away from zero.
pub fn twice(product: i128, shift: u8) -> i128 {
    let high = (product + (1 << 30)).div_euclid(1 << 31);
    let rest = 1i128 << (shift - 31);
    let magnitude = (high.abs() + rest / 2) / rest;
    if high < 0 { -magnitude } else { magnitude }
}

/// `acc * multiplier / 2^shift + zero` by floats of 24 bits, as an integer.
fn single(acc: i32, multiplier: i32, shift: u8, zero: i32) -> i128 {
    let rounded = |x: i128| {
        let bits = 128 - x.unsigned_abs().leading_zeros();
        let unit = 1i128 << bits.saturating_sub(24);
        to_even(x, unit) * unit
    };
    let product = rounded(rounded(acc.into()) * i128::from(multiplier));
    to_even(rounded(product + (i128::from(zero) << shift)), 1 << shift)
}

/// `x / unit`, rounded to nearest, ties to even.
fn to_even(x: i128, unit: i128) -> i128 {
    let (below, rest) = (x.div_euclid(unit), x.rem_euclid(unit));
    below + i128::from(2 * rest > unit || (2 * rest == unit && below % 2 != 0))
}

impl Case {
    pub fn taps(&self) -> u32 {
        self.kernel[0] * self.kernel[1] * self.channels[0]
    }

    pub fn input_len(&self) -> u32 {
        self.batch * self.size[0] * self.size[1] * self.groups * self.channels[0]
    }

    /// Number of results.
    pub fn output_len(&self) -> u32 {
        self.batch * self.output[0] * self.output[1] * self.groups * self.channels[1]
    }

    fn output_bytes(&self, form: Form) -> u32 {
        let result = if form.is_wide() { 2 } else { 1 };
        self.output_len() * if self.requant.is_some() { result } else { 4 }
    }

    /// Limits of results of 16 bits, made of those of 8.
    pub fn wide_limits(&self) -> [i32; 2] {
        let whole = [i32::from(i16::MIN), i32::from(i16::MAX)];
        let limits = self.requant.map(|r| [i32::from(r.min), i32::from(r.max)]);
        limits.filter(|l| *l != [-128, 127]).map_or(whole, |l| l.map(|n| n * 100))
    }

    pub fn weight(&self, group: u32, channel: u32, tap: u32) -> i8 {
        let index = (group * self.channels[1] + channel) * self.taps() + tap;
        bytes(self.seed ^ index.wrapping_mul(77), 1)[0]
    }

    /// Bias, multiplier and shift of a channel. Multipliers are such that results vary, and every
    /// fourth is a power of two, so that there are ties.
    pub fn record(&self, group: u32, channel: u32) -> (i32, i32, u8) {
        let index = group * self.channels[1] + channel;
        let random = |salt: u32| {
            let b = bytes(self.seed ^ (index * 4 + salt).wrapping_mul(991), 4);
            i32::from_le_bytes([b[0] as u8, b[1] as u8, b[2] as u8, b[3] as u8])
        };
        let base = self.requant.map_or(33, |r| r.shift);
        let shift = if self.shifts { 33 + (random(2) as u32 % 21) as u8 } else { base };
        // About 2^-8 for sums of about 2^15.
        let log = u32::from(shift) - 8;
        let whole = 1u32.checked_shl(log).unwrap_or(1 << 30).min(1 << 30);
        let multiplier = match index % 4 {
            0 => whole as i32,
            1 => (random(1) as u32 % (2 * whole - 1)) as i32,
            _ => (whole + (random(1) as u32 % whole)) as i32,
        };
        (random(0) >> 16, multiplier, shift)
    }

    /// The result of a sum, exactly as the format says.
    fn result(&self, acc: i32, multiplier: i32, shift: u8, wide: bool) -> Vec<u8> {
        let Some(r) = self.requant else { return acc.to_le_bytes().to_vec() };
        let (product, one) = (i128::from(acc) * i128::from(multiplier), 1i128 << shift);
        let mut y = i128::from(r.zero) + (product + one / 2).div_euclid(one);
        let tie = product.rem_euclid(one) == one / 2;
        match r.rounding {
            Rounding::Up => {}
            Rounding::Even if tie && y.rem_euclid(2) == 1 => y -= 1,
            Rounding::Even => {}
            Rounding::Double => y = i128::from(r.zero) + twice(product, shift),
            Rounding::Single => y = single(acc, multiplier, shift, r.zero),
        }
        if wide {
            let [min, max] = self.wide_limits();
            return (y.clamp(min.into(), max.into()) as i16).to_le_bytes().to_vec();
        }
        vec![y.clamp(i128::from(r.min), i128::from(r.max)) as i8 as u8]
    }

    /// The input coordinate of a tap, if it is inside.
    fn tap(&self, d: usize, out: u32, tap: u32) -> Option<u32> {
        let at = (out * self.stride[d] + tap * self.dilation[d]) as i32 - self.pad[d];
        (at >= 0 && at < self.size[d] as i32).then_some(at as u32)
    }

    fn sum<T: Copy + Into<i32>>(&self, input: &[T], [b, y, x, g, c]: [u32; 5]) -> i32 {
        let [in_c, _] = self.channels;
        let mut acc = self.record(g, c).0;
        for tap in 0..self.taps() {
            let (position, channel) = (tap / in_c, tap % in_c);
            let (row, column) = (position / self.kernel[1], position % self.kernel[1]);
            let value = match (self.tap(0, y, row), self.tap(1, x, column)) {
                (Some(y), Some(x)) => {
                    let pixel = (b * self.size[0] + y) * self.size[1] + x;
                    input[((pixel * self.groups + g) * in_c + channel) as usize].into()
                }
                _ => i32::from(self.zero),
            };
            acc = acc.wrapping_add(value * i32::from(self.weight(g, c, tap)));
        }
        acc
    }

    /// The results by plain loops.
    pub fn naive<T: Copy + Into<i32>>(&self, input: &[T]) -> Vec<u8> {
        let wide = size_of::<T>() == 2;
        let mut results = Vec::new();
        let mut pixels = Vec::new();
        for b in 0..self.batch {
            for y in 0..self.output[0] {
                pixels.extend((0..self.output[1]).map(|x| [b, y, x]));
            }
        }
        for [b, y, x] in pixels {
            for index in 0..self.groups * self.channels[1] {
                let (g, c) = (index / self.channels[1], index % self.channels[1]);
                let (_, multiplier, shift) = self.record(g, c);
                let acc = self.sum(input, [b, y, x, g, c]);
                results.extend(self.result(acc, multiplier, shift, wide));
            }
        }
        results
    }

    /// Parameters without places.
    pub fn conv(&self) -> ConvI8<()> {
        ConvI8 {
            input: (),
            weights: (),
            channels: (),
            shifts: self.shifts.then_some(()),
            output: (),
            scratch: (),
            batch: self.batch,
            in_h: self.size[0],
            in_w: self.size[1],
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

    /// The same with one channel per group.
    pub fn depthwise(&self) -> DepthwiseI8<()> {
        let c = self.conv();
        let layout = match self.lines {
            None if c.out_c == 1 => DepthwiseLayout::Taps,
            more => DepthwiseLayout::Lines(self.kernel[0].max(self.kernel[1]) + more.unwrap_or(0)),
        };
        c.depthwise(layout)
    }

    /// The convolution as a step of a kernel with its constants: input at 0, output and scratch
    /// after it.
    pub fn step(&self, form: Form) -> Step {
        let mut constants = Constants::default();
        let short = |(bias, multiplier, _): (i32, i32, u8)| (bias, multiplier);
        let (mut conv, mut dw) = (self.conv(), self.depthwise());
        let [min, max] = self.wide_limits();
        if form.is_wide() {
            conv.requant = conv.requant.map(|r| Requant { min: -128, max: 127, ..r });
            dw = conv.depthwise(DepthwiseLayout::Taps);
        }
        let each = self.channels[1];
        let mve = ConvI8Mve { conv };
        let [weights, channels, shifts] = match form {
            Form::Depthwise | Form::DepthwiseMve | Form::DepthwiseI16 => [
                dw.pack_weights(&mut |c, tap| self.weight(c / each, c % each, tap)),
                dw.pack_channels(&mut |c| short(self.record(c / each, c % each))),
                dw.pack_shifts(&mut |c| self.record(c / each, c % each).2),
            ],
            Form::Conv | Form::ConvI16 => [
                match form {
                    Form::Conv => conv.pack_weights(&mut |g, c, tap| self.weight(g, c, tap)),
                    _ => ConvI16 { conv, min, max }
                        .pack_weights(&mut |g, c, tap| self.weight(g, c, tap)),
                },
                conv.pack_channels(&mut |g, c| short(self.record(g, c))),
                conv.pack_shifts(&mut |g, c| self.record(g, c).2),
            ],
            Form::ConvMve | Form::ConvI16Mve => [
                match form {
                    Form::ConvMve => mve.pack_weights(&mut |g, c, tap| self.weight(g, c, tap)),
                    _ => ConvI16Mve { conv, min, max }
                        .pack_weights(&mut |g, c, tap| self.weight(g, c, tap)),
                },
                mve.pack_channels(&mut |g, c| short(self.record(g, c))),
                mve.pack_shifts(&mut |g, c| self.record(g, c).2),
            ],
        };
        let [weights, channels] = [constants.add(&weights), constants.add(&channels)];
        let shifts = self.shifts.then(|| constants.add(&shifts));
        let bytes = self.output_bytes(form);
        let input = self.input_len() * if form.is_wide() { 2 } else { 1 };
        let output = Place::arena(after(input));
        let scratch = Place::arena(after(output.offset + bytes));
        let places = [Some(Place::arena(0)), Some(weights), Some(channels)];
        let mut places = places.into_iter().chain(self.shifts.then_some(shifts)).flatten();
        let mut rest = [output, scratch].into_iter();
        let mut place = |()| places.next().or_else(|| rest.next()).expect("a place for each");
        use microhlo_format::kernels::Params;
        let kernel = match form {
            Form::Depthwise => {
                let depthwise = dw.map_places(&mut place);
                if depthwise.is_by_taps() {
                    Kernel::depthwise_taps_i8(DepthwiseTapsI8 { conv: depthwise })
                } else if depthwise.is_three_by_three() && self.seed.is_multiple_of(2) {
                    Kernel::depthwise_three_i8(DepthwiseThreeI8 { conv: depthwise })
                } else {
                    Kernel::depthwise_i8(depthwise)
                }
            }
            Form::Conv => Kernel::conv_i8(conv.map_places(&mut place)),
            Form::ConvMve => Kernel::conv_i8_mve(mve.map_places(&mut place)),
            Form::ConvI16 => {
                Kernel::conv_i16(ConvI16 { conv: conv.map_places(&mut place), min, max })
            }
            Form::ConvI16Mve => {
                let conv = conv.map_places(&mut place);
                Kernel::conv_i16_mve(ConvI16Mve { conv, min, max })
            }
            Form::DepthwiseI16 => {
                Kernel::depthwise_i16(DepthwiseI16 { conv: dw.map_places(&mut place), min, max })
            }
            Form::DepthwiseMve => {
                Kernel::depthwise_i8_mve(DepthwiseI8Mve { conv: dw.map_places(&mut place) })
            }
        };
        let mut end = 0;
        let mut grow = |access: microhlo_format::Access<Place>| {
            if access.place.region == microhlo_format::Region::Arena {
                end = end.max(access.place.offset + access.end as u32);
            }
        };
        kernel.accesses(&mut grow).expect("valid parameters");
        Step { kernel, constants: constants.0, output: (output.offset, bytes), arena_bytes: end }
    }
}

/// A step on an input at 0.
pub struct Step {
    pub kernel: Kernel<Place>,
    pub constants: Vec<u8>,
    /// Offset and length of the results.
    pub output: (u32, u32),
    pub arena_bytes: u32,
}
