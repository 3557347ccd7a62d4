//! `i8` convolutions: inputs are widened to 16 bits once, then read by many channels or taps.
//!
//! A convolution gathers the taps of four pixels, interleaved, and multiplies them with the weights
//! of two channels at a time; a depthwise one keeps lines of four channels. Sums are modulo `2^32`,
//! so that their order does not matter and all targets agree.

mod portable;

use core::ptr::null;

use microhlo_format::Place;
use microhlo_format::kernels::{ConvI8, DepthwiseI8, Requant};

use super::Memory;

pub(super) use portable::{gather, line_outputs, load_line, products};

/// Pixels that are computed together.
pub(super) const LANES: usize = 4;
/// Channels whose lines are kept together.
pub(super) const CHANNELS: usize = 4;

/// One spatial axis.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub input: i32,
    pub output: i32,
    pub kernel: i32,
    pub stride: i32,
    pub pad: i32,
    pub dilation: i32,
    /// Bytes from one input coordinate to the next.
    pub input_step: i32,
    /// Channels from one output coordinate to the next.
    pub output_step: i32,
    /// Weights from one tap to the next, of a depthwise convolution.
    pub weights_step: i32,
}

/// How many of some adjacent coordinates lie before, in and behind the input.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub before: i32,
    pub inside: i32,
    pub behind: i32,
}

impl Axis {
    /// Input coordinate of tap 0 of an output coordinate.
    pub fn origin(&self, output: i32) -> i32 {
        output.wrapping_mul(self.stride).wrapping_sub(self.pad)
    }

    /// Whether an input coordinate exists.
    pub fn has(&self, at: i32) -> bool {
        (at as u32) < self.input as u32
    }

    /// The coordinates `first..first + count`.
    pub fn span(&self, first: i32, count: i32) -> Span {
        let before = (-first).max(0).min(count);
        let end = (self.input - first).max(before).min(count);
        Span { before, inside: end - before, behind: count - end }
    }
}

/// Where the results of sums go, for the channels of a group or of all.
#[derive(Clone, Copy)]
pub(super) struct Results {
    /// Bias and multiplier of each channel.
    pub channels: *const [i32; 2],
    /// Shift of each channel; null if they have none of their own.
    pub shifts: *const u8,
    pub requant: Option<Requant>,
}

impl Results {
    fn new(
        memory: &Memory<'_>,
        channels: Place,
        shifts: Option<Place>,
        requant: Option<Requant>,
    ) -> Results {
        Results {
            channels: memory.read(channels).cast(),
            shifts: shifts.map_or(null(), |place| memory.read(place)),
            requant,
        }
    }

    /// Those of the channels from `count` on.
    fn skip(&self, count: usize) -> Results {
        let mut rest = *self;
        rest.channels = rest.channels.wrapping_add(count);
        if !rest.shifts.is_null() {
            rest.shifts = rest.shifts.wrapping_add(count);
        }
        rest
    }

    /// Bytes of a result.
    pub fn bytes(&self) -> usize {
        if self.requant.is_some() { 1 } else { size_of::<i32>() }
    }

    /// The bias of a channel.
    ///
    /// # Safety
    /// The channel exists.
    unsafe fn bias(&self, channel: usize) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { (*self.channels.add(channel))[0] }
    }

    /// Stores the result of a sum at `output`, the place of the channel's result.
    ///
    /// # Safety
    /// The channel exists, and the place is that of one of its results.
    unsafe fn store(&self, channel: usize, acc: i32, output: *mut u8) {
        // SAFETY: the caller's promise; places of sums are aligned.
        unsafe {
            let Some(requant) = &self.requant else {
                output.cast::<i32>().write(acc);
                return;
            };
            let [_, multiplier] = *self.channels.add(channel);
            let shift =
                if self.shifts.is_null() { requant.shift } else { *self.shifts.add(channel) };
            output.cast::<i8>().write(requant.apply(acc, multiplier, shift));
        }
    }
}

/// A convolution.
pub(super) struct Conv {
    pub axes: [Axis; 2],
    /// Bytes of one image's input.
    pub image: usize,
    pub in_c: i32,
    pub out_c: usize,
    pub groups: u32,
    /// Kernel positions of a run.
    pub run: i32,
    pub swizzled: bool,
    pub zero: i8,
    pub input: *const i8,
    pub output: *mut u8,
    pub scratch: *mut i16,
    pub weights: *const i8,
    pub results: Results,
    /// Pairs of taps.
    pub pairs: usize,
    /// Pixels that are computed together.
    pub lanes: usize,
}

impl Conv {
    /// The convolution of accepted parameters: all sizes fit in an `i32`.
    pub fn new(p: &ConvI8<Place>, memory: &Memory<'_>) -> Conv {
        let pixel = p.groups as i32 * p.in_c as i32;
        let (kernel, stride) = ([p.kernel_h, p.kernel_w], [p.stride_h, p.stride_w]);
        let (pad, dilation) = ([p.pad_top, p.pad_left], [p.dilation_h, p.dilation_w]);
        let axis = |d: usize, input: u32, output: u32, input_step: i32| Axis {
            input: input as i32,
            output: output as i32,
            kernel: kernel[d] as i32,
            stride: stride[d] as i32,
            pad: pad[d],
            dilation: dilation[d] as i32,
            input_step,
            output_step: 0,
            weights_step: 0,
        };
        let row = p.in_w as i32 * pixel;
        Conv {
            axes: [axis(0, p.in_h, p.out_h, row), axis(1, p.in_w, p.out_w, pixel)],
            image: p.in_h as usize * row as usize,
            in_c: p.in_c as i32,
            out_c: p.out_c as usize,
            groups: p.groups,
            run: if p.groups == 1 && p.dilation_w == 1 { p.kernel_w as i32 } else { 1 },
            swizzled: p.run() & 3 == 0,
            zero: p.input_zero,
            input: memory.read(p.input).cast(),
            output: memory.write(p.output),
            scratch: memory.write(p.scratch).cast(),
            weights: memory.read(p.weights).cast(),
            results: Results::new(memory, p.channels, p.shifts, p.requant),
            pairs: p.tap_pairs() as usize,
            lanes: p.lanes() as usize,
        }
    }

    /// An output pixel.
    pub fn pixel(&self, index: u32) -> Pixel {
        let [h, w] = &self.axes;
        let (height, width) = ((h.output as u32).max(1), (w.output as u32).max(1));
        let (row, x) = (index / width, index % width);
        let (image, y) = (row / height, row % height);
        let bytes = self.groups as usize * self.out_c * self.results.bytes();
        Pixel {
            image: self.input.wrapping_add(image as usize * self.image),
            y: h.origin(y as i32),
            x: w.origin(x as i32),
            output: self.output.wrapping_add(index as usize * bytes),
        }
    }

    /// The parts of a group.
    pub fn group(&self, group: u32) -> Group {
        let packed = (self.out_c + (self.out_c & 1)) * group as usize;
        Group {
            input: group as usize * self.in_c as usize,
            output: group as usize * self.out_c * self.results.bytes(),
            weights: self.weights.wrapping_add(packed * self.pairs * 2),
            results: self.results.skip(packed),
        }
    }
}

/// An output pixel of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Pixel {
    /// The input's image.
    pub image: *const i8,
    /// Row of the first tap.
    pub y: i32,
    /// Column of the first tap.
    pub x: i32,
    /// Its results.
    pub output: *mut u8,
}

/// Channels of a convolution that belong together.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// Bytes from a pixel of the input to its first channel.
    pub input: usize,
    /// Bytes from a pixel of the output to its first channel.
    pub output: usize,
    pub weights: *const i8,
    pub results: Results,
}

/// A depthwise convolution.
pub(super) struct Depthwise {
    pub across: Axis,
    pub along: Axis,
    pub zero: i8,
    pub channels: usize,
    pub batch: u32,
    /// Bytes of one image's input.
    pub image: usize,
    /// Results of one image.
    pub results_image: usize,
    pub input: *const i8,
    pub output: *mut u8,
    pub weights: *const i8,
    /// Lines, `[slot][channel][line]`.
    pub lines: *mut i16,
    /// Values of a line.
    pub line: usize,
    /// Weights of four channels, `[channel][line of the kernel][row]`.
    pub rows: *mut i16,
    /// Values of a row of weights.
    pub row: usize,
    pub results: Results,
}

impl Depthwise {
    /// The convolution of accepted parameters: all sizes fit in an `i32`.
    pub fn new(p: &DepthwiseI8<Place>, memory: &Memory<'_>) -> Depthwise {
        let channels = p.channels_count as i32;
        let (in_w, out_w) = (p.in_w as i32, p.out_w as i32);
        let height = Axis {
            input: p.in_h as i32,
            output: p.out_h as i32,
            kernel: p.kernel_h as i32,
            stride: p.stride_h as i32,
            pad: p.pad_top,
            dilation: p.dilation_h as i32,
            input_step: in_w * channels,
            output_step: out_w * channels,
            weights_step: p.kernel_w as i32,
        };
        let width = Axis {
            input: in_w,
            output: out_w,
            kernel: p.kernel_w as i32,
            stride: p.stride_w as i32,
            pad: p.pad_left,
            dilation: p.dilation_w as i32,
            input_step: channels,
            output_step: channels,
            weights_step: 1,
        };
        let (across, along) = if p.vertical() { (width, height) } else { (height, width) };
        let (lines, row) = p.lines();
        let line = p.line().unwrap_or_default() as usize;
        let scratch: *mut i16 = memory.write(p.scratch).cast();
        Depthwise {
            across,
            along,
            zero: p.input_zero,
            channels: p.channels_count as usize,
            batch: p.batch,
            image: height.input as usize * height.input_step as usize,
            results_image: height.output as usize * height.output_step as usize,
            input: memory.read(p.input).cast(),
            output: memory.write(p.output),
            weights: memory.read(p.weights).cast(),
            lines: scratch,
            line,
            rows: scratch.wrapping_add(CHANNELS * lines as usize * line),
            row: row as usize,
            results: Results::new(memory, p.channels, p.shifts, p.requant),
        }
    }

    /// Taps of a channel.
    pub fn taps(&self) -> usize {
        self.across.kernel as usize * self.along.kernel as usize
    }

    /// Where a line lies, the first of four channels.
    pub fn slot(&self, line: i32, tap: i32) -> *mut i16 {
        let slot = if self.across.dilation == 1 {
            let kernel = (self.across.kernel as u32).max(1);
            line.wrapping_add(self.across.pad) as u32 % kernel
        } else {
            tap as u32
        };
        self.lines.wrapping_add(slot as usize * CHANNELS * self.line)
    }

    /// Values of a line from the first to the last tap.
    pub fn values(&self) -> i32 {
        let a = &self.along;
        (a.output - 1) * a.stride + (a.kernel - 1) * a.dilation + 1
    }
}

/// One to four channels of an image of a depthwise convolution.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// The first channel's input.
    pub input: *const i8,
    /// The first channel's results.
    pub output: *mut u8,
    /// The first channel's weights.
    pub weights: *const i8,
    pub results: Results,
    /// Number of channels.
    pub lanes: usize,
}

impl Depthwise {
    /// The block of an image that begins with `channel`.
    pub fn block(&self, image: u32, channel: usize) -> Block {
        let (image, bytes) = (image as usize, self.results.bytes());
        let output = (image * self.results_image + channel) * bytes;
        Block {
            input: self.input.wrapping_add(image * self.image + channel),
            output: self.output.wrapping_add(output),
            weights: self.weights.wrapping_add(channel * self.taps()),
            results: self.results.skip(channel),
            lanes: self.channels.saturating_sub(channel).min(CHANNELS),
        }
    }
}
