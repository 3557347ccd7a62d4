//! Parameters of `i8` convolutions.

use serde::Serialize;

use super::check::{Slide, nonzero, product, read, scratch, write};
use super::overlap::{MOST, Pixels};
use super::{Params, Parts, Requant, Rounding};
use crate::{Access, Field, Fields, Overlap, ParamError};

/// `i8` convolution, NHWC, with 32-bit sums.
///
/// `input` is `[batch, in_h, in_w, groups * in_c]`, `output` `[batch, out_h, out_w, groups *
/// out_c]`, both dense. A matrix product `[M, K] x [K, N]` is the convolution with `in_h = out_h =
/// 1`, `in_w = out_w = M`, `in_c = K`, `out_c = N`.
///
/// Each sum is the bias plus the products of inputs and weights, modulo `2^32`; taps outside the
/// input count as `input_zero`. A zero point of the input is folded into the bias.
///
/// **Taps.** The `K = kernel_h * kernel_w * in_c` taps of a group go over kernel rows, columns,
/// input channels. Those that are adjacent in the input are a run: all of a kernel row if there is
/// one group and no horizontal dilation, else the channels of one kernel position. If runs are of a
/// multiple of four, each four taps are stored in the order 0, 2, 1, 3, else in their order
/// (`ConvI8::stored_tap`). `K` is filled up to an even number of taps, whose weights are 0.
///
/// **Weights.** Channels of a group are stored in blocks: of two if there are at least four output
/// pixels, or few products of each (`ConvI8::lanes`); else of eight, and what is left over of two. The last channel of an odd number has a
/// partner of zeros. A block is, for each pair of stored taps, for each pair of its channels, four
/// bytes: first tap of first channel, of second channel, second tap of first channel, of second
/// channel. `channels` is, for each of these channels (`2 * ceil(out_c / 2)` per group), its bias
/// and its multiplier as `i32`; `shifts` one byte for each. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConvI8<P> {
    /// Activations read.
    pub input: P,
    /// Packed weights.
    pub weights: P,
    /// Bias and multiplier of each channel.
    pub channels: P,
    /// Shift of each channel, in place of that of `requant`.
    pub shifts: Option<P>,
    /// Results, or sums as `i32`.
    pub output: P,
    /// The taps of `ConvI8::lanes` pixels as `i16`, `2 * ceil(K / 2)` each.
    pub scratch: P,
    /// Independent images.
    pub batch: u32,
    /// Input height.
    pub in_h: u32,
    /// Input width.
    pub in_w: u32,
    /// Input channels of one group.
    pub in_c: u32,
    /// Output height.
    pub out_h: u32,
    /// Output width.
    pub out_w: u32,
    /// Output channels of one group.
    pub out_c: u32,
    /// Channel groups.
    pub groups: u32,
    /// Kernel height.
    pub kernel_h: u32,
    /// Kernel width.
    pub kernel_w: u32,
    /// Vertical stride.
    pub stride_h: u32,
    /// Horizontal stride.
    pub stride_w: u32,
    /// Rows of padding above; negative crops.
    pub pad_top: i32,
    /// Columns of padding on the left; negative crops.
    pub pad_left: i32,
    /// Vertical distance of kernel taps.
    pub dilation_h: u32,
    /// Horizontal distance of kernel taps.
    pub dilation_w: u32,
    /// What taps outside the input count as.
    pub input_zero: i8,
    /// How sums become results; without it they are the output.
    pub requant: Option<Requant>,
}

/// How a depthwise convolution is computed, and how its weights are stored. Encoded as the number of
/// lines, or 0. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "u32")]
pub enum DepthwiseLayout {
    /// Channel by channel, on lines of scratch: so many of each channel, at least as many as the
    /// kernel is wide across them. Weights are `[channels][kernel_h * kernel_w]`, channels filled up
    /// with zeros to a multiple of four.
    Lines(u32),
    /// Four channels at once, tap by tap, where the input lies; there is no scratch, and the
    /// multiplier is 1. Weights are `[kernel_h * kernel_w][channels]`, filled up in the same way.
    Taps,
}

impl<'b> Field<'b> for DepthwiseLayout {
    fn take(fields: &mut Fields<'b>) -> DepthwiseLayout {
        match fields.take::<u32>() {
            0 => DepthwiseLayout::Taps,
            lines => DepthwiseLayout::Lines(lines),
        }
    }
}

impl From<DepthwiseLayout> for u32 {
    fn from(layout: DepthwiseLayout) -> u32 {
        match layout {
            DepthwiseLayout::Lines(lines) => lines,
            DepthwiseLayout::Taps => 0,
        }
    }
}

/// `i8` depthwise convolution, NHWC, with 32-bit sums: `multiplier` filters per input channel.
///
/// As [`ConvI8`] with `channels_count` groups of one input channel and `multiplier` output channels;
/// `channels` and `shifts` are as if all output channels were those of one group, and weights as the
/// layout says.
///
/// **Scratch.** Lines of the input run along the longer side of the output, horizontally if both
/// are equal. A line holds its channel's values from the first to the last tap of the outputs,
/// padding included, with room for their number rounded up to a multiple of four and for an even
/// number of taps: `DepthwiseI8::line` values of 16 bits. There are four channels, and for each so
/// many lines as the layout says; and for each of the kernel's lines room for its weights and as many
/// again, two more values, each rounded up to an even number. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DepthwiseI8<P> {
    /// Activations read.
    pub input: P,
    /// Weights.
    pub weights: P,
    /// Bias and multiplier of each channel.
    pub channels: P,
    /// Shift of each channel, in place of that of `requant`.
    pub shifts: Option<P>,
    /// Results, or sums as `i32`.
    pub output: P,
    /// Lines of four channels and their weights, if the layout has any.
    pub scratch: Option<P>,
    /// Independent images.
    pub batch: u32,
    /// Input height.
    pub in_h: u32,
    /// Input width.
    pub in_w: u32,
    /// Input channels.
    pub channels_count: u32,
    /// Output channels of each input channel.
    pub multiplier: u32,
    /// Output height.
    pub out_h: u32,
    /// Output width.
    pub out_w: u32,
    /// Kernel height.
    pub kernel_h: u32,
    /// Kernel width.
    pub kernel_w: u32,
    /// Vertical stride.
    pub stride_h: u32,
    /// Horizontal stride.
    pub stride_w: u32,
    /// Rows of padding above; negative crops.
    pub pad_top: i32,
    /// Columns of padding on the left; negative crops.
    pub pad_left: i32,
    /// Vertical distance of kernel taps.
    pub dilation_h: u32,
    /// Horizontal distance of kernel taps.
    pub dilation_w: u32,
    /// What taps outside the input count as.
    pub input_zero: i8,
    /// How sums become results; without it they are the output.
    pub requant: Option<Requant>,
    /// How it is computed.
    pub layout: DepthwiseLayout,
}

/// Output pixels from which on four are computed together.
const PIXELS: u32 = 4;

/// Products of a pixel below which fewer are as if they were four: that needs no other code.
const FEW: u32 = 1024;

/// Output pixels up to which it matters whether the last two are computed alone.
const MANY: u32 = 64;

/// Bytes of an output element and their alignment.
pub(super) fn element(requant: &Option<Requant>, shifts: bool) -> Result<u32, ParamError> {
    match requant {
        Some(requant) => requant.check().map(|()| 1),
        None if shifts => Err(ParamError::Mismatch),
        None => Ok(4),
    }
}

/// A size rounded up.
#[inline(never)]
pub(super) fn rounded(size: u32, multiple: u32) -> Result<u32, ParamError> {
    size.checked_next_multiple_of(multiple).ok_or(ParamError::Overflow)
}

/// Makes `slides` of a struct with a geometry in two dimensions.
macro_rules! slides {
    ($ty:ident) => {
        impl<P> $ty<P> {
            /// Height and width.
            pub(super) fn slides(&self) -> [Slide; 2] {
                let slide = |[input, output, kernel, stride, kernel_dilation]: [u32; 5], pad| {
                    Slide { input, output, kernel, stride, pad, input_dilation: 1, kernel_dilation }
                };
                let h = [self.in_h, self.out_h, self.kernel_h, self.stride_h, self.dilation_h];
                let w = [self.in_w, self.out_w, self.kernel_w, self.stride_w, self.dilation_w];
                [slide(h, self.pad_top), slide(w, self.pad_left)]
            }
        }
    };
}

slides!(ConvI8);
slides!(DepthwiseI8);

#[doc(hidden)]
impl<P> ConvI8<P> {
    /// Taps of one sum, of accepted parameters.
    pub fn taps(&self) -> u32 {
        self.kernel_h.wrapping_mul(self.kernel_w).wrapping_mul(self.in_c)
    }

    /// Pairs of stored taps, of accepted parameters.
    pub fn tap_pairs(&self) -> u32 {
        self.taps().div_ceil(2)
    }

    /// Taps that are adjacent in the input, of accepted parameters.
    pub fn run(&self) -> u32 {
        let whole_row = self.groups == 1 && self.dilation_w == 1;
        if whole_row { self.kernel_w.wrapping_mul(self.in_c) } else { self.in_c }
    }

    /// Where a tap is stored.
    #[inline(always)]
    pub fn stored_tap(&self, tap: u32) -> u32 {
        if self.run().is_multiple_of(4) {
            (tap & !3) | ((tap & 1) << 1) | ((tap >> 1) & 1)
        } else {
            tap
        }
    }

    /// Output pixels, of accepted parameters.
    pub fn pixels(&self) -> u32 {
        self.batch.wrapping_mul(self.out_h).wrapping_mul(self.out_w)
    }

    /// Pixels that are computed together, which scratch has the taps of: 4, or 1 if there are fewer of
    /// at least 1024 products.
    pub fn lanes(&self) -> u32 {
        let few = self.taps().wrapping_mul(self.out_c) < FEW;
        if self.pixels() < PIXELS && !few { 1 } else { PIXELS }
    }

    /// How results of so many bytes may lie over the operand if so many pixels read all they need
    /// before any of them is written, or so many are written before the first has read. Groups are
    /// computed one after the other, so several never share their pixels.
    pub(super) fn overlap(
        &self,
        slides: &[Slide; 2],
        bytes: u32,
        [together, ahead]: [u32; 2],
    ) -> Overlap {
        if self.groups != 1 {
            return Overlap::NEVER;
        }
        let batch = self.batch;
        let (input, output) = (self.in_c, self.out_c.wrapping_mul(bytes));
        Pixels { slides, batch, input, output, together, ahead }.behind()
    }

    /// Channels of the block that starts at `channel` of a group: 8 or 2.
    #[inline(always)]
    pub fn block(&self, channel: u32) -> u32 {
        let left = self.out_c.saturating_sub(channel);
        if self.lanes() == 1 && left >= 8 { 8 } else { 2 }
    }
}

#[doc(hidden)]
impl<P: Copy> ConvI8<P> {
    /// The depthwise convolution of these sizes, with a channel for each group and as many filters of it as
    /// the group has output channels.
    pub fn depthwise(&self, layout: DepthwiseLayout) -> DepthwiseI8<P> {
        DepthwiseI8 {
            input: self.input,
            weights: self.weights,
            channels: self.channels,
            shifts: self.shifts,
            output: self.output,
            scratch: (layout != DepthwiseLayout::Taps).then_some(self.scratch),
            batch: self.batch,
            in_h: self.in_h,
            in_w: self.in_w,
            channels_count: self.groups,
            multiplier: self.out_c,
            out_h: self.out_h,
            out_w: self.out_w,
            kernel_h: self.kernel_h,
            kernel_w: self.kernel_w,
            stride_h: self.stride_h,
            stride_w: self.stride_w,
            pad_top: self.pad_top,
            pad_left: self.pad_left,
            dilation_h: self.dilation_h,
            dilation_w: self.dilation_w,
            input_zero: self.input_zero,
            requant: self.requant,
            layout,
        }
    }
}

#[doc(hidden)]
impl<P> DepthwiseI8<P> {
    /// Whether it is computed tap by tap.
    pub fn is_by_taps(&self) -> bool {
        self.layout == DepthwiseLayout::Taps
    }

    /// Whether it has lines, three by three adjacent taps, a stride of 1 or 2 along lines, at least
    /// four channels, and results rounded up.
    pub fn is_three_by_three(&self) -> bool {
        let stride = if self.vertical() { self.stride_h } else { self.stride_w };
        let square = (self.kernel_h, self.kernel_w) == (3, 3);
        let adjacent = (self.dilation_h, self.dilation_w) == (1, 1) && stride <= 2;
        let usual = self.requant.is_some_and(|requant| requant.rounding == Rounding::Up);
        square && adjacent && usual && self.channels_count >= 4 && !self.is_by_taps()
    }

    /// Whether lines run along the height.
    pub fn vertical(&self) -> bool {
        self.out_h > self.out_w
    }

    /// Of geometry that has been restricted to some rows: keeps as many lines as that reads, but those
    /// of a kernel at least.
    pub fn fit_lines(&mut self) {
        if let DepthwiseLayout::Lines(count) = self.layout {
            let [h, w] = self.slides();
            let across = if self.vertical() { w } else { h };
            let reach = |n: u32, step: u32| n.saturating_sub(1).saturating_mul(step);
            let read = reach(across.output, across.stride)
                .saturating_add(reach(across.kernel, across.kernel_dilation))
                .saturating_add(1);
            self.layout = DepthwiseLayout::Lines(count.min(read).max(across.kernel));
        }
    }

    /// Values of a line of scratch, of sizes that make sense on their own.
    ///
    /// # Errors
    /// The line is too long.
    pub fn line(&self) -> Result<u32, ParamError> {
        let (sizes, steps) = if self.vertical() {
            ([self.out_h, self.kernel_h], [self.stride_h, self.dilation_h])
        } else {
            ([self.out_w, self.kernel_w], [self.stride_w, self.dilation_w])
        };
        // A size times its step is less than `2^31`, so this is less than `2^35`.
        let reach = |last: u32, step: u32| u64::from(last).wrapping_mul(step.into());
        let outputs = reach(sizes[0].wrapping_sub(1) | 3, steps[0]);
        let last = outputs.wrapping_add(reach(sizes[1].wrapping_sub(1) | 1, steps[1]));
        // An even number of values.
        u32::try_from(last.wrapping_add(3) & !1).map_err(|_| ParamError::Overflow)
    }

    /// Whether results of accepted parameters may lie where the operand does. Channels are computed
    /// one after the other, so they have to meet themselves; lines of the input are read before the
    /// outputs that need them, once unless taps are `apart` across the lines, and then overwritten.
    pub(super) fn overlap(&self, apart: bool) -> Overlap {
        let [h, w] = self.slides();
        let vertical = self.vertical();
        let (across, like) = if vertical { (&w, w.input == w.output) } else { (&h, true) };
        let pixels = |height: u32, width: u32| height.wrapping_mul(width);
        let images = pixels(h.input, w.input) == pixels(h.output, w.output);
        let may = self.requant.is_some() && self.multiplier == 1 && like;
        let may = may && (self.batch == 1 || images);
        // Some kernels compute the last four channels, those that are left over with some before them.
        let may = may && self.channels_count.is_multiple_of(4);
        // Of the outputs of a line, those before the first line that is read later.
        let behind = |output: u32| {
            let next = across.start(output.wrapping_add(1));
            let first = if apart { next } else { next.max(across.end(output)) };
            let written = output.wrapping_add(1).wrapping_mul(w.output);
            written <= first.wrapping_mul(w.input)
        };
        let most = across.output.saturating_sub(1);
        match may && most < MOST && (0..most).all(behind) {
            // A row further down, results meet those of the row before, which are those that are computed before
            // unless rows that see the same taps come first.
            true if w.input == w.output && self.dilation_h == 1 => {
                Overlap::in_rows(w.input.wrapping_mul(self.channels_count))
            }
            true => Overlap::IN_PLACE,
            false => Overlap::NEVER,
        }
    }

    /// Lines of one channel, and values of a line of its weights, of accepted parameters.
    pub fn lines(&self) -> (u32, u32) {
        let (across, along) = if self.vertical() {
            (self.kernel_w, self.kernel_h)
        } else {
            (self.kernel_h, self.kernel_w)
        };
        (across, along.wrapping_add(along & 1))
    }
}

fn wide_product(sizes: &[u32]) -> u64 {
    sizes.iter().fold(1, |total: u64, &size| total.saturating_mul(u64::from(size)))
}

impl<P: Copy> ConvI8<P> {
    /// All operands but scratch, with so many records and bytes of weights. How results may lie over
    /// the input is given unless it is as for pixels that are computed together.
    #[inline(never)]
    fn operands(
        &self,
        records: u32,
        weights: [u32; 2],
        overlap: Option<Overlap>,
        visit: &mut dyn FnMut(Access<P>),
    ) -> Result<(), ParamError> {
        nonzero(&[self.batch, self.in_c, self.out_c, self.groups])?;
        let slides = &self.slides();
        for slide in slides {
            slide.check()?;
        }
        let bytes = element(&self.requant, self.shifts.is_some())?;
        product(&[self.batch, self.out_h, self.out_w])?;
        let input = [self.batch, self.in_h, self.in_w, self.groups, self.in_c];
        let output = [self.batch, self.out_h, self.out_w, self.groups, self.out_c, bytes];
        let overlap = overlap.unwrap_or_else(|| self.overlap(slides, bytes, [self.lanes(), 0]));
        read(self.input, 1).over(overlap).of(&input, visit)?;
        read(self.weights, 4).of(&weights, visit)?;
        read(self.channels, 4).of(&[records, 8], visit)?;
        if let Some(place) = self.shifts {
            read(place, 1).of(&[records], visit)?;
        }
        write(self.output, bytes).of(&output, visit)
    }
}

impl<P: Copy> Params<P> for ConvI8<P> {
    type With<Q: Copy> = ConvI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ConvI8<Q> {
        ConvI8 {
            input: f(self.input),
            weights: f(self.weights),
            channels: f(self.channels),
            shifts: self.shifts.map(&mut *f),
            output: f(self.output),
            scratch: f(self.scratch),
            batch: self.batch,
            in_h: self.in_h,
            in_w: self.in_w,
            in_c: self.in_c,
            out_h: self.out_h,
            out_w: self.out_w,
            out_c: self.out_c,
            groups: self.groups,
            kernel_h: self.kernel_h,
            kernel_w: self.kernel_w,
            stride_h: self.stride_h,
            stride_w: self.stride_w,
            pad_top: self.pad_top,
            pad_left: self.pad_left,
            dilation_h: self.dilation_h,
            dilation_w: self.dilation_w,
            input_zero: self.input_zero,
            requant: self.requant,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let packed = product(&[self.groups, rounded(self.out_c, 2)?])?;
        let taps = rounded(product(&[self.kernel_h, self.kernel_w, self.in_c])?, 2)?;
        self.operands(packed, [packed, taps], None, visit)?;
        scratch(self.scratch, 4).of(&[self.lanes(), taps, 2], visit)
    }

    fn parts(&self) -> Parts {
        let (one, pixels) = (self.lanes() == 1, self.pixels());
        let two = !one && pixels > PIXELS && pixels < MANY && (1..=2).contains(&(pixels % PIXELS));
        let by_fours = self.run().is_multiple_of(4);
        let apart = self.kernel_w > 1 && (self.groups > 1 || self.dilation_w > 1);
        let left = !self.out_c.is_multiple_of(if one { 8 } else { 2 });
        let dilated = (self.dilation_h, self.dilation_w) != (1, 1);
        Parts::of_results(&self.requant)
            .and(Parts::ONE_PIXEL.only_if(one))
            .and(Parts::FOUR_PIXELS.only_if(!one))
            .and(Parts::TWO_PIXELS.only_if(two))
            .and(Parts::TAPS_BY_FOURS.only_if(by_fours))
            .and(Parts::TAPS_IN_ORDER.only_if(!by_fours))
            .and(Parts::TAPS_APART.only_if(apart))
            .and(Parts::CHANNELS_LEFT.only_if(left))
            .and(Parts::GROUPS.only_if(self.groups > 1))
            .and(Parts::SHIFTS.only_if(self.shifts.is_some()))
            .and(Parts::IMAGES.only_if(self.batch > 1))
            .and(Parts::DILATION.only_if(dilated))
    }

    fn macs(&self) -> u64 {
        let outputs = wide_product(&[self.batch, self.out_h, self.out_w, self.groups, self.out_c]);
        outputs.saturating_mul(wide_product(&[self.kernel_h, self.kernel_w, self.in_c]))
    }
}

impl<P: Copy> DepthwiseI8<P> {
    /// The convolution of groups with the same input and output.
    fn grouped(&self) -> ConvI8<P> {
        ConvI8 {
            input: self.input,
            weights: self.weights,
            channels: self.channels,
            shifts: self.shifts,
            output: self.output,
            scratch: self.output,
            batch: self.batch,
            in_h: self.in_h,
            in_w: self.in_w,
            in_c: 1,
            out_h: self.out_h,
            out_w: self.out_w,
            out_c: self.multiplier,
            groups: self.channels_count,
            kernel_h: self.kernel_h,
            kernel_w: self.kernel_w,
            stride_h: self.stride_h,
            stride_w: self.stride_w,
            pad_top: self.pad_top,
            pad_left: self.pad_left,
            dilation_h: self.dilation_h,
            dilation_w: self.dilation_w,
            input_zero: self.input_zero,
            requant: self.requant,
        }
    }

    /// The memory of one that is computed tap by tap.
    pub(super) fn taps_accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        if self.is_by_taps() { self.extents(visit) } else { Err(ParamError::Mismatch) }
    }

    /// The memory of any layout.
    fn extents(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let channels = product(&[self.channels_count, self.multiplier])?;
        let (blocked, paired) = (rounded(channels, 4)?, rounded(channels, 2)?);
        let taps = product(&[self.kernel_h, self.kernel_w])?;
        let overlap = match self.layout {
            DepthwiseLayout::Lines(_) => {
                let [h, w] = [self.dilation_h, self.dilation_w];
                self.overlap(if self.vertical() { w } else { h } != 1)
            }
            // Taps are read where they lie, for each line of results.
            DepthwiseLayout::Taps => Overlap::NEVER,
        };
        self.grouped().operands(paired, [blocked, taps], Some(overlap), visit)?;
        match (self.layout, self.scratch) {
            (DepthwiseLayout::Lines(count), Some(place)) => {
                let (lines, _) = self.lines();
                if count < lines {
                    return Err(ParamError::Mismatch);
                }
                // The kernel's sizes are less than `2^31`, as checked.
                let row = 2 * (u64::from(self.kernel_h.max(self.kernel_w).next_multiple_of(2)) + 2);
                let values = (u64::from(count) * u64::from(self.line()?))
                    .saturating_add(u64::from(lines) * row);
                let values = u32::try_from(values).map_err(|_| ParamError::Overflow)?;
                scratch(place, 4).of(&[8, values], visit)
            }
            (DepthwiseLayout::Taps, None) if self.multiplier == 1 => Ok(()),
            _ => Err(ParamError::Mismatch),
        }
    }
}

impl<P: Copy> Params<P> for DepthwiseI8<P> {
    type With<Q: Copy> = DepthwiseI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> DepthwiseI8<Q> {
        DepthwiseI8 {
            input: f(self.input),
            weights: f(self.weights),
            channels: f(self.channels),
            shifts: self.shifts.map(&mut *f),
            output: f(self.output),
            scratch: self.scratch.map(&mut *f),
            batch: self.batch,
            in_h: self.in_h,
            in_w: self.in_w,
            channels_count: self.channels_count,
            multiplier: self.multiplier,
            out_h: self.out_h,
            out_w: self.out_w,
            kernel_h: self.kernel_h,
            kernel_w: self.kernel_w,
            stride_h: self.stride_h,
            stride_w: self.stride_w,
            pad_top: self.pad_top,
            pad_left: self.pad_left,
            dilation_h: self.dilation_h,
            dilation_w: self.dilation_w,
            input_zero: self.input_zero,
            requant: self.requant,
            layout: self.layout,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        match self.layout {
            DepthwiseLayout::Lines(_) => self.extents(visit),
            DepthwiseLayout::Taps => Err(ParamError::Mismatch),
        }
    }

    fn parts(&self) -> Parts {
        let along = if self.vertical() { self.stride_h } else { self.stride_w };
        let shared = self.shifts.is_none() && self.requant.is_none_or(|r| r.shift == 33);
        Parts::of_results(&self.requant)
            .and(Parts::STRIDE_1.only_if(along == 1))
            .and(Parts::STRIDE_2.only_if(along == 2))
            .and(Parts::SHIFTS.only_if(!shared))
            .and(Parts::MULTIPLES.only_if(self.multiplier > 1))
            .and(Parts::IMAGES.only_if(self.batch > 1))
    }

    fn macs(&self) -> u64 {
        let pixels = wide_product(&[self.batch, self.out_h, self.out_w]);
        let channels = wide_product(&[self.channels_count, self.multiplier]);
        let taps = wide_product(&[self.kernel_h, self.kernel_w]);
        pixels.saturating_mul(channels).saturating_mul(taps)
    }
}

/// A depthwise convolution that a kernel of its own computes, so that firmware links no others.
macro_rules! only {
    ($(#[$doc:meta])* $name:ident, $fits:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub struct $name<P> {
            /// The convolution.
            pub conv: DepthwiseI8<P>,
        }

        impl<P: Copy> Params<P> for $name<P> {
            type With<Q: Copy> = $name<Q>;

            fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> $name<Q> {
                $name { conv: self.conv.map_places(f) }
            }

            fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
                if self.conv.$fits() {
                    self.conv.extents(visit)
                } else {
                    Err(ParamError::Mismatch)
                }
            }

            fn parts(&self) -> Parts {
                self.conv.parts()
            }

            fn macs(&self) -> u64 {
                self.conv.macs()
            }
        }
    };
}

only! {
    /// [`DepthwiseI8`] by lines of three by three adjacent taps. See the example of [`Kernel`](crate::Kernel).
    DepthwiseThreeI8, is_three_by_three
}

only! {
    /// [`DepthwiseI8`] tap by tap, for few results. See the example of [`Kernel`](crate::Kernel).
    DepthwiseTapsI8, is_by_taps
}

#[cfg(feature = "std")]
mod pack;
