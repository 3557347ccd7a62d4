//! `i8` convolutions: inputs are widened to 16 bits once, then read by many channels or taps.
//!
//! A convolution gathers the taps of four pixels, interleaved, and multiplies them with the weights
//! of two channels at a time; a depthwise one keeps lines of four channels. Sums are modulo `2^32`,
//! so that their order does not matter and all targets agree.

/// Begins assembly that needs the DSP extension: functions without a body of Rust do not inherit the
/// target's, and where it is an option the target does not have it.
#[cfg(all(cortex_m_dsp, not(armv8m)))]
macro_rules! dsp {
    () => {
        ""
    };
}

#[cfg(all(cortex_m_dsp, armv8m))]
macro_rules! dsp {
    () => {
        ".cpu cortex-m33"
    };
}

mod depthwise;
#[cfg(cortex_m_dsp)]
mod dsp_any;
#[cfg(cortex_m_dsp)]
mod dsp_clamp;
#[cfg(cortex_m_dsp)]
mod dsp_conv;
#[cfg(cortex_m_dsp)]
mod dsp_depthwise;
#[cfg(cortex_m_dsp)]
mod dsp_dot;
#[cfg(cortex_m_dsp)]
mod dsp_double;
#[cfg(cortex_m_dsp)]
mod dsp_gather;
#[cfg(cortex_m_dsp)]
mod dsp_product;
#[cfg(cortex_m_dsp)]
mod dsp_taps;
mod lanes;
#[cfg(cortex_m_mla)]
mod mla;
#[cfg(cortex_m_muls)]
mod muls;
mod portable;
#[cfg(rv32_tiles)]
mod rv32;
mod tiles;

use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};

use microhlo_format::Place;
use microhlo_format::kernels::{ConvI8, DepthwiseI8, DepthwiseLayout, Parts, Requant};

use super::{Memory, has, rounded};

pub(super) use depthwise::{PixelTaps, by_lines, by_taps, three_by_three};
#[cfg(cortex_m_dsp)]
pub(super) use dsp;
#[cfg(cortex_m_dsp)]
pub(super) use dsp_clamp::clamp;
#[cfg(cortex_m_dsp)]
pub(super) use dsp_conv::{block_sums, complete_conv, pixels};
#[cfg(cortex_m_dsp)]
pub(super) use dsp_dot::{dot_columns, dot_sums, widened};
#[cfg(cortex_m_dsp)]
pub(super) use dsp_product::product_fours;
pub(super) use lanes::gather_pixel;
pub(super) use portable::Common;
#[cfg(not(any(cortex_m_dsp, rv32_tiles)))]
pub(super) use portable::block_sums;
#[cfg(not(cortex_m_dsp))]
pub(super) use portable::complete_conv;
#[cfg(not(any(cortex_m_dsp, rv32_tiles)))]
pub(super) use portable::pixels;
#[cfg(not(rv32_tiles))]
pub(super) use portable::sums_1x2;
#[cfg(rv32_tiles)]
pub(super) use rv32::{pixels, sum_fours, wide_pixels, wide_square};
pub(super) use tiles::add_taps;
#[cfg(not(cortex_m_dsp))]
pub(super) use tiles::dot_4x2;

/// Pixels that are computed together.
pub(super) const LANES: usize = 4;
/// Channels whose lines are kept together.
pub(super) const CHANNELS: usize = 4;

/// The same reference, but the compiler does not know that it is: what a loop reads through it is read when it is
/// needed. Else it would be read before the loop and kept on the stack.
#[cfg(cortex_m_dsp)]
#[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written")]
#[inline(always)]
fn again<T>(value: &T) -> &T {
    let mut value: *const T = value;
    // SAFETY: nothing is done.
    unsafe {
        core::arch::asm!("/* {} */", inout(reg) value, options(nomem, nostack, preserves_flags));
    }
    // SAFETY: the reference that was given.
    unsafe { &*value }
}

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

/// Taps of four channels, in lines at equal distances, and their weights.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Taps {
    /// Bytes from a tap to the next one, and from its weights.
    pub step: usize,
    pub next: usize,
    /// Bytes from behind the taps of a line to those of the next line, and from behind their weights.
    pub skip: usize,
    pub weights_skip: usize,
    /// Bytes of the weights of a line, which has at least one tap.
    pub bytes: usize,
    /// Lines, at least one.
    pub lines: usize,
    /// The first tap; null if all lie outside the image.
    pub from: *const i8,
    pub weights: *const i8,
}

impl Taps {
    pub const NONE: Taps = Taps {
        step: 0,
        next: 0,
        skip: 0,
        weights_skip: 0,
        bytes: 0,
        lines: 0,
        from: null(),
        weights: null(),
    };
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

    /// The taps of an output coordinate whose first tap is at `first`.
    pub fn taps(&self, first: i32) -> Span {
        if self.dilation == 1 {
            return self.span(first, self.kernel);
        }
        let dilation = (self.dilation as u32).max(1);
        // How many taps lie before a coordinate.
        let below =
            |at: i32| (((at - first).max(0) as u32).div_ceil(dilation) as i32).min(self.kernel);
        let (before, end) = (below(0), below(self.input));
        Span { before, inside: end - before, behind: self.kernel - end }
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
    pub(super) fn skip(&self, count: usize) -> Results {
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
    pub(super) unsafe fn bias(&self, channel: usize) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { (*self.channels.add(channel))[0] }
    }

    /// Bias, multiplier and shift of a channel.
    ///
    /// # Safety
    /// The channel exists.
    pub(super) unsafe fn record(&self, channel: usize, requant: &Requant) -> ([i32; 2], u8) {
        // SAFETY: the caller's promise.
        unsafe {
            let own = !self.shifts.is_null();
            let shift = if own { *self.shifts.add(channel) } else { requant.shift };
            (*self.channels.add(channel), shift)
        }
    }

    /// As [`Results::store`], by the linked parts.
    ///
    /// # Safety
    /// As for [`Results::store`].
    #[allow(dead_code, reason = "targets without assembly do not need it")]
    unsafe fn store_of<const PARTS: u32>(&self, channel: usize, acc: i32, output: *mut u8) {
        if has(PARTS, Parts::ROUNDINGS) {
            // SAFETY: the caller's promise.
            unsafe { self.store(channel, acc, output) };
        } else if let Some(requant) = self.requant {
            let requant = rounded::<PARTS>(&requant);
            // SAFETY: the caller's promise.
            unsafe {
                let ([_, multiplier], shift) = self.record(channel, &requant);
                output.cast::<i8>().write(requant.apply(acc, multiplier, shift));
            }
        }
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
            let ([_, multiplier], shift) = self.record(channel, requant);
            output.cast::<i8>().write(requant.apply(acc, multiplier, shift));
        }
    }
}

/// A convolution.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    pub axes: [Axis; 2],
    /// Bytes of one image's input.
    pub image: usize,
    pub in_c: i32,
    pub out_c: usize,
    pub groups: u32,
    /// Output pixels.
    pub pixels: u32,
    /// Kernel positions of a run.
    pub run: i32,
    pub swizzled: bool,
    pub zero: i8,
    pub input: *const i8,
    pub output: *mut u8,
    pub scratch: *mut i16,
    pub weights: *const i8,
    pub results: Results,
    /// Bytes of an output pixel.
    pub output_step: usize,
    /// Pairs of taps.
    pub pairs: usize,
    /// Whether the last pair has only one.
    pub odd: bool,
    /// Pixels that are computed together.
    pub lanes: usize,
}

impl Conv {
    /// The convolution of accepted parameters, where it is to be: all sizes fit in an `i32`.
    pub fn place<'v>(
        to: &'v mut MaybeUninit<Conv>,
        p: &ConvI8<Place>,
        memory: &Memory<'_>,
    ) -> &'v mut Conv {
        let pixel = p.groups as i32 * p.in_c as i32;
        let (kernel, stride) = ([p.kernel_h, p.kernel_w], [p.stride_h, p.stride_w]);
        let (pad, dilation) = ([p.pad_top, p.pad_left], [p.dilation_h, p.dilation_w]);
        let axis = |d: usize, [input, output]: [u32; 2], input_step: i32| Axis {
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
        // A convolution that sees one pixel at a time has one long row.
        let pointwise = (kernel, stride, pad) == ([1, 1], [1, 1], [0, 0])
            && (p.in_h, p.in_w) == (p.out_h, p.out_w);
        let (mut heights, mut widths) = ([p.in_h, p.out_h], [p.in_w, p.out_w]);
        if pointwise {
            (heights, widths) = ([1; 2], [p.pixels(); 2]);
        }
        let row = widths[0] as i32 * pixel;
        let results = Results::new(memory, p.channels, p.shifts, p.requant);
        to.write(Conv {
            axes: [axis(0, heights, row), axis(1, widths, pixel)],
            image: heights[0] as usize * row as usize,
            in_c: p.in_c as i32,
            out_c: p.out_c as usize,
            groups: p.groups,
            pixels: p.pixels(),
            run: if p.groups == 1 && p.dilation_w == 1 { p.kernel_w as i32 } else { 1 },
            swizzled: p.run() & 3 == 0,
            zero: p.input_zero,
            input: memory.read(p.input).cast(),
            output: memory.write(p.output),
            scratch: memory.write(p.scratch).cast(),
            weights: memory.read(p.weights).cast(),
            output_step: p.groups as usize * p.out_c as usize * results.bytes(),
            results,
            pairs: p.tap_pairs() as usize,
            odd: p.taps() & 1 != 0,
            lanes: p.lanes() as usize,
        })
    }

    /// Whether results lie on the input.
    #[allow(dead_code, reason = "targets that copy all taps before do not need it")]
    pub fn overlaps(&self) -> bool {
        let [h, w] = &self.axes;
        let images = self.pixels / (h.output as u32).wrapping_mul(w.output as u32).max(1);
        let (input, output) = (self.input.addr(), self.output.addr());
        input < output + self.pixels as usize * self.output_step
            && output < input + images as usize * self.image
    }

    /// Whether results of pixels, which read one each, lie so far before the input that of four pixels no result lies
    /// on what these read or later ones.
    #[allow(dead_code, reason = "only RV32 reads pixels in place")]
    pub fn is_behind(&self) -> bool {
        let (read, written) = (self.axes[1].input_step as usize, self.output_step);
        written <= read && self.output.addr() + self.lanes * written <= self.input.addr()
    }

    /// An output pixel.
    pub fn pixel(&self, index: u32) -> Pixel {
        let [h, w] = &self.axes;
        let (height, width) = ((h.output as u32).max(1), (w.output as u32).max(1));
        let (row, column) = (index / width, index % width);
        let (image, row) = (row / height, row % height);
        Pixel {
            image: self.input.wrapping_add(image as usize * self.image),
            y: h.origin(row as i32),
            x: w.origin(column as i32),
            rows: h.output - row as i32,
            columns: w.output - column as i32,
            output: self.output.wrapping_add(index as usize * self.output_step),
        }
    }

    /// A pixel, which becomes the one after it.
    pub fn next(&self, pixel: &mut Pixel) -> Pixel {
        let this = *pixel;
        self.skip::<{ u32::MAX }>(pixel, 1);
        this
    }

    /// Goes on by so many pixels, not beyond the first one of the next row.
    #[inline(always)]
    pub fn skip<const PARTS: u32>(&self, pixel: &mut Pixel, count: i32) {
        let [_, w] = &self.axes;
        pixel.output = pixel.output.wrapping_add(count as usize * self.output_step);
        pixel.x = pixel.x.wrapping_add(count * w.stride);
        pixel.columns -= count;
        if pixel.columns == 0 {
            self.next_row::<PARTS>(pixel);
        }
    }

    /// Goes from the end of a row to the next one. A call of its own, as a loop over pixels would keep all that this
    /// needs on the stack.
    #[inline(never)]
    fn next_row<const PARTS: u32>(&self, pixel: &mut Pixel) {
        let [h, w] = &self.axes;
        (pixel.columns, pixel.x) = (w.output, -w.pad);
        pixel.y = pixel.y.wrapping_add(h.stride);
        pixel.rows -= 1;
        if has(PARTS, Parts::IMAGES) && pixel.rows == 0 {
            (pixel.rows, pixel.y) = (h.output, -h.pad);
            pixel.image = pixel.image.wrapping_add(self.image);
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
    /// Rows from here to the end of the image.
    rows: i32,
    /// Pixels from here to the end of the row.
    pub columns: i32,
    /// Its results.
    pub output: *mut u8,
}

impl Pixel {
    /// The first tap, which may lie outside the image.
    #[allow(dead_code, reason = "targets without assembly do not need it")]
    fn at(&self, conv: &Conv, group: &Group) -> *const i8 {
        let [h, w] = &conv.axes;
        let (row, column) = (self.y.wrapping_mul(h.input_step), self.x.wrapping_mul(w.input_step));
        self.image.wrapping_offset(row.wrapping_add(column) as isize).wrapping_add(group.input)
    }
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
#[derive(Clone, Copy)]
pub(super) struct Depthwise {
    pub across: Axis,
    pub along: Axis,
    pub zero: i8,
    /// Input channels.
    pub channels: usize,
    /// Output channels of each.
    pub multiplier: usize,
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
    /// Number of slots; none if there is no scratch.
    #[allow(dead_code, reason = "portable code uses as many as the kernel has lines")]
    pub slots: usize,
    /// Values of a line.
    pub line: usize,
    /// Values of a row of weights.
    pub row: usize,
    pub results: Results,
}

impl Depthwise {
    /// The convolution of accepted parameters, where it is to be: all sizes fit in an `i32`.
    pub fn place<'v>(
        to: &'v mut MaybeUninit<Depthwise>,
        p: &DepthwiseI8<Place>,
        memory: &Memory<'_>,
    ) -> &'v mut Depthwise {
        let (channels, multiplier) = (p.channels_count as i32, p.multiplier as i32);
        let (in_w, out_w, results) = (p.in_w as i32, p.out_w as i32, channels * multiplier);
        let height = Axis {
            input: p.in_h as i32,
            output: p.out_h as i32,
            kernel: p.kernel_h as i32,
            stride: p.stride_h as i32,
            pad: p.pad_top,
            dilation: p.dilation_h as i32,
            input_step: in_w * channels,
            output_step: out_w * results,
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
            output_step: results,
            weights_step: 1,
        };
        let (across, along) = if p.vertical() { (width, height) } else { (height, width) };
        let (_, row) = p.lines();
        let line = p.line().unwrap_or_default() as usize;
        let slots = if let DepthwiseLayout::Lines(count) = p.layout { count as usize } else { 0 };
        let scratch = p.scratch.map_or(null_mut(), |place| memory.write(place).cast::<i16>());
        to.write(Depthwise {
            across,
            along,
            zero: p.input_zero,
            channels: p.channels_count as usize,
            multiplier: p.multiplier as usize,
            batch: p.batch,
            image: height.input as usize * height.input_step as usize,
            results_image: height.output as usize * height.output_step as usize,
            input: memory.read(p.input).cast(),
            output: memory.write(p.output),
            weights: memory.read(p.weights).cast(),
            lines: scratch,
            slots,
            line,
            row: row as usize,
            results: Results::new(memory, p.channels, p.shifts, p.requant),
        })
    }

    /// Whether results lie on the input.
    #[allow(dead_code, reason = "targets that copy all lines before do not need it")]
    pub fn overlaps(&self) -> bool {
        let (input, output) = (self.input.addr(), self.output.addr());
        let (images, bytes) = (self.batch as usize, self.results.bytes());
        input < output + images * self.results_image * bytes && output < input + images * self.image
    }

    /// Weights of four channels, `[channel][line of the kernel][row]`.
    pub fn rows(&self) -> *mut i16 {
        self.lines.wrapping_add(CHANNELS * self.slots * self.line)
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

/// One to four input channels of an image of a depthwise convolution, with one result of each.
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
    /// The first channel.
    pub first: usize,
}

impl Depthwise {
    /// The block of an image that begins with `channel`, with the results `index` of each channel.
    pub fn block(&self, image: u32, channel: usize, index: usize) -> Block {
        let (image, bytes) = (image as usize, self.results.bytes());
        let result = channel * self.multiplier + index;
        Block {
            input: self.input.wrapping_add(image * self.image + channel),
            output: self.output.wrapping_add((image * self.results_image + result) * bytes),
            weights: self.weights.wrapping_add(result * self.taps()),
            results: self.results.skip(result),
            lanes: self.channels.saturating_sub(channel).min(CHANNELS),
            first: channel,
        }
    }
}
