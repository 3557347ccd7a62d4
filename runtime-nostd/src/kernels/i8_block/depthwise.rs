//! Depthwise convolutions as those without dilation, by lines or tap by tap.

use super::super::{Parts, has};
#[cfg(cortex_m_mla)]
use super::mla::add_taps;
#[cfg(cortex_m_muls)]
use super::muls::add_taps;
#[cfg(not(any(cortex_m_mla, cortex_m_muls)))]
use super::tiles::add_taps;
use super::{Axis, Block, CHANNELS, Common, Depthwise, Span, Taps};

#[cfg(cortex_m_dsp)]
use super::dsp_depthwise::{complete, image, square};
#[cfg(cortex_m_dsp)]
use super::dsp_taps::pixels_inside;
#[cfg(not(any(cortex_m_dsp, rv32_tiles)))]
use super::portable::image;
#[cfg(rv32_tiles)]
use super::rv32::image;

/// As [`image`], which has no parts.
///
/// # Safety
/// As for [`image`].
#[cfg(not(cortex_m_dsp))]
unsafe fn square<const PARTS: u32>(conv: &Depthwise, index: u32) {
    // SAFETY: the caller's promise.
    unsafe { image(conv, index) }
}

/// Computes all results by lines.
///
/// # Safety
/// The convolution is that of accepted parameters, with scratch.
pub(in crate::kernels) unsafe fn by_lines(conv: &mut Depthwise) {
    for index in 0..conv.batch {
        // SAFETY: an image of the accepted parameters.
        unsafe { image_by_lines(conv, index) };
    }
    // SAFETY: all results have been computed.
    unsafe { complete::<{ u32::MAX }>(conv) };
}

/// Computes all results of a kernel of three by three adjacent taps.
///
/// # Safety
/// The convolution is that of accepted parameters of such a kernel.
pub(in crate::kernels) unsafe fn three_by_three<const PARTS: u32>(conv: &Depthwise) {
    let images = if has(PARTS, Parts::IMAGES) { conv.batch } else { 1 };
    for index in 0..images {
        // SAFETY: an image of the accepted parameters.
        unsafe { square::<PARTS>(conv, index) };
    }
    // SAFETY: all results have been computed.
    unsafe { complete::<PARTS>(conv) };
}

/// Computes all results tap by tap.
///
/// # Safety
/// The convolution is that of accepted parameters, without scratch.
pub(in crate::kernels) unsafe fn by_taps(conv: &Depthwise) {
    for index in 0..conv.batch {
        // SAFETY: an image of the accepted parameters.
        unsafe { image_by_taps(conv, index) };
    }
    // SAFETY: all results have been computed.
    unsafe { complete::<{ u32::MAX }>(conv) };
}

/// Nothing: results have been clamped one by one.
#[cfg(not(cortex_m_dsp))]
unsafe fn complete<const PARTS: u32>(_: &Depthwise) {}

/// Computes the channels of an image by lines.
///
/// Where the stride is 1, every so many results as the taps are apart read inputs that no others
/// read: they are the results of a convolution without dilation. Only assembly for the DSP extension
/// gains from that if lines are as they are, and taps apart along them.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
unsafe fn image_by_lines(conv: &mut Depthwise, index: u32) {
    let phases = |axis: &Axis| if axis.stride == 1 { axis.dilation } else { 1 };
    let (across, along) = (phases(&conv.across), phases(&conv.along));
    if across == 1 && (along == 1 || !cfg!(cortex_m_dsp)) {
        // SAFETY: the caller's promise.
        unsafe { image(conv, index) };
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { image_by_phases(conv, index, [across, along]) };
}

/// Computes the channels of an image by parts of its results, so many across lines and along them.
///
/// # Safety
/// As for [`image_by_lines`].
#[inline(never)]
unsafe fn image_by_phases(conv: &mut Depthwise, index: u32, [across, along]: [i32; 2]) {
    // Each part takes the place of the whole, as the stack would have that twice.
    let (axes, places) = ([conv.across, conv.along], (conv.input, conv.output));
    for first in 0..across.min(axes[0].output) {
        for second in 0..along.min(axes[1].output) {
            conv.phase(&axes, [first, second]);
            // SAFETY: the caller's promise; a part of its results.
            unsafe { image(conv, index) };
            (conv.input, conv.output) = places;
        }
    }
    [conv.across, conv.along] = axes;
}

impl Axis {
    /// The coordinates from `first` on whose taps are among the same inputs, the first of which it
    /// returns; of an axis of stride 1 that has more than one such set.
    fn phase(&self, first: i32) -> (Axis, i32) {
        let apart = (self.dilation as u32).max(1);
        // How many of so many, from one on.
        let every = |count: i32| (count.max(0) as u32).div_ceil(apart) as i32;
        // The padding in front of the first of the inputs.
        let lead = self.pad.wrapping_sub(first);
        let behind = lead.unsigned_abs() / apart;
        let pad = if lead > 0 { every(lead) } else { -(behind as i32) };
        let input = pad.wrapping_mul(apart as i32).wrapping_sub(lead);
        let axis = Axis {
            input: every(self.input - input),
            output: every(self.output - first),
            pad,
            dilation: 1,
            input_step: self.input_step.wrapping_mul(apart as i32),
            output_step: self.output_step.wrapping_mul(apart as i32),
            ..*self
        };
        (axis, input)
    }
}

impl Depthwise {
    /// Goes from the whole, whose axes are given, to the results that begin at these coordinates, across lines and
    /// along them.
    #[inline(never)]
    fn phase(&mut self, axes: &[Axis; 2], firsts: [i32; 2]) {
        let (mut input, mut output) = (0, 0);
        let parts = [&mut self.across, &mut self.along];
        for ((part, axis), first) in parts.into_iter().zip(axes).zip(firsts) {
            if axis.dilation > 1 && axis.stride == 1 {
                let (every, from) = axis.phase(first);
                input += from * axis.input_step;
                output += first * axis.output_step;
                *part = every;
            }
        }
        self.input = self.input.wrapping_offset(input as isize);
        self.output = self.output.wrapping_add(output as usize * self.results.bytes());
    }
}

/// Computes the channels of an image tap by tap.
///
/// # Safety
/// Convolution and image are those of accepted parameters, without scratch.
unsafe fn image_by_taps(conv: &Depthwise, index: u32) {
    let (across, along) = (&conv.across, &conv.along);
    let common = conv.results.common();
    for o in 0..across.output {
        for i in 0..along.output {
            let mut block = conv.block(index, 0, 0);
            let result = o * across.output_step + i * along.output_step;
            block.output = block.output.wrapping_add(result as usize * conv.results.bytes());
            // SAFETY: the caller's promise; a result of the image.
            unsafe {
                pixel_by_taps(conv, &mut block, &common, [across.origin(o), along.origin(i)])
            };
        }
    }
}

/// Computes the results of the first block and of all behind it, whose first tap is at these coordinates.
///
/// # Safety
/// Convolution and block are those of accepted parameters, without scratch.
unsafe fn pixel_by_taps(
    conv: &Depthwise,
    block: &mut Block,
    common: &Option<Common>,
    first: [i32; 2],
) {
    #[cfg(cortex_m_dsp)]
    // SAFETY: the caller's promise.
    match unsafe { pixels_inside(conv, block, first) } {
        0 => (),
        count => block.skip(conv, count),
    }
    // With the DSP extension few pixels are left: those with taps outside the image.
    if !cfg!(cortex_m_dsp) && block.lanes == CHANNELS {
        let mut parts = PixelTaps::NONE;
        parts.set(conv, block.input, first);
        while block.lanes == CHANNELS {
            // SAFETY: the caller's promise.
            unsafe { four_by_taps(conv, block, common, &mut parts) };
            block.skip(conv, CHANNELS);
        }
    }
    while block.lanes > 0 {
        // SAFETY: the caller's promise.
        unsafe { one_by_one(conv, block, first) };
        block.skip(conv, block.lanes);
    }
}

impl Block {
    /// Goes on by so many channels, of a convolution with one result of each.
    fn skip(&mut self, conv: &Depthwise, channels: usize) {
        self.input = self.input.wrapping_add(channels);
        self.weights = self.weights.wrapping_add(channels);
        self.output = self.output.wrapping_add(channels * conv.results.bytes());
        self.results = self.results.skip(channels);
        self.first += channels;
        self.lanes = conv.channels.saturating_sub(self.first).min(CHANNELS);
    }
}

/// The taps of a pixel: those in lines before the image, those in lines of the image before, in and behind it,
/// and those in lines behind it.
pub(in crate::kernels) struct PixelTaps {
    pub parts: [Taps; 5],
    /// How many there are.
    pub count: usize,
}

/// The kernel of a pixel: its first tap and the weights of that, and how far taps and weights are apart, across
/// lines and along them.
struct Grid {
    from: *const i8,
    weights: *const i8,
    apart: [usize; 2],
    steps: [usize; 2],
}

impl PixelTaps {
    /// None.
    pub const NONE: PixelTaps = PixelTaps { parts: [Taps::NONE; 5], count: 0 };

    /// Becomes those of the pixel whose first tap is at these coordinates, for the first block, which begins at
    /// `input` of the image.
    #[inline(never)]
    pub fn set(&mut self, conv: &Depthwise, input: *const i8, first: [i32; 2]) {
        // Few lines of many taps: along the longer side of the kernel.
        let (across, along, [y, x]) = match conv.across.kernel > conv.along.kernel {
            true => (&conv.along, &conv.across, [first[1], first[0]]),
            false => (&conv.across, &conv.along, first),
        };
        let step = conv.channels.next_multiple_of(CHANNELS);
        let [line, next] = [across, along].map(|axis| axis.weights_step as usize * step);
        let apart = |axis: &Axis| axis.dilation.wrapping_mul(axis.input_step) as usize;
        let at = y.wrapping_mul(across.input_step).wrapping_add(x.wrapping_mul(along.input_step));
        let grid = Grid {
            from: input.wrapping_offset(at as isize),
            weights: conv.weights,
            apart: [apart(across), apart(along)],
            steps: [line, next],
        };
        let (rows, columns) = (across.taps(y), along.taps(x));
        let inside = [rows.before, rows.inside];
        let behind = |span: &Span| span.before + span.inside;
        self.count = 0;
        self.add(&grid, [0, rows.before], [0, along.kernel], false);
        self.add(&grid, inside, [0, columns.before], false);
        self.add(&grid, inside, [columns.before, columns.inside], true);
        self.add(&grid, inside, [behind(&columns), columns.behind], false);
        self.add(&grid, [behind(&rows), rows.behind], [0, along.kernel], false);
    }

    /// Adds the taps of some lines from one on, so many of each from one on, if there are such.
    #[inline(never)]
    fn add(
        &mut self,
        grid: &Grid,
        [row, lines]: [i32; 2],
        [column, taps]: [i32; 2],
        is_inside: bool,
    ) {
        if lines <= 0 || taps <= 0 {
            return;
        }
        let [row, column, taps] = [row, column, taps].map(|n| n as usize);
        let [line, next] = grid.steps;
        let Some(part) = self.parts.get_mut(self.count) else { return };
        let [skip, step] = if is_inside { grid.apart } else { [0; 2] };
        part.from = core::ptr::null();
        if is_inside {
            let from = row.wrapping_mul(skip).wrapping_add(column.wrapping_mul(step));
            part.from = grid.from.wrapping_add(from);
        }
        part.weights = grid.weights.wrapping_add(row * line + column * next);
        (part.step, part.next) = (step, next);
        part.skip = skip.wrapping_sub(taps.wrapping_mul(step));
        part.bytes = taps * next;
        part.weights_skip = line.wrapping_sub(part.bytes);
        part.lines = lines as usize;
        self.count += 1;
    }

    /// Drops what lies outside the image, which adds nothing if it counts as 0.
    pub fn keep_inside(&mut self) {
        let inside = self.parts.iter().position(|taps| !taps.from.is_null());
        self.parts.swap(0, inside.unwrap_or(0));
        self.count = usize::from(inside.is_some());
    }
}

/// Computes the results of a block of four channels. Its taps become those of the next block.
///
/// # Safety
/// As for [`pixel_by_taps`]; the taps are those of the block.
unsafe fn four_by_taps(
    conv: &Depthwise,
    block: &Block,
    common: &Option<Common>,
    parts: &mut PixelTaps,
) {
    let outside = [conv.zero; CHANNELS];
    // SAFETY: channels of the block.
    let mut acc = core::array::from_fn(|lane| unsafe { block.results.bias(lane) });
    for taps in parts.parts.iter_mut().take(parts.count) {
        let from = if taps.from.is_null() { outside.as_ptr() } else { taps.from };
        // SAFETY: taps that lie inside the image, or what stands for others, and their weights.
        unsafe { add_taps(&mut acc, from, taps.weights, taps) };
        taps.weights = taps.weights.wrapping_add(CHANNELS);
        if !taps.from.is_null() {
            taps.from = taps.from.wrapping_add(CHANNELS);
        }
    }
    let Some(common) = common else {
        // SAFETY: the results of the block's channels.
        unsafe { block.results.store_all(&None, [0, CHANNELS], &[acc], block.output, 0) };
        return;
    };
    for (lane, acc) in acc.into_iter().enumerate() {
        // SAFETY: the result of a channel of the block.
        unsafe {
            let [_, multiplier] = *block.results.channels.add(lane);
            *block.output.add(lane) = common.apply(acc, multiplier);
        }
    }
}

/// Computes the results of a block, one after the other, whose first tap is at these coordinates.
///
/// # Safety
/// As for [`pixel_by_taps`].
#[inline(never)]
unsafe fn one_by_one(conv: &Depthwise, block: &Block, first: [i32; 2]) {
    let (across, along) = (&conv.across, &conv.along);
    let step = conv.channels.next_multiple_of(CHANNELS);
    for lane in 0..block.lanes {
        // SAFETY: a channel of the block.
        let mut acc = unsafe { block.results.bias(lane) };
        for row in 0..across.kernel {
            for column in 0..along.kernel {
                let (y, x) = (first[0] + row * across.dilation, first[1] + column * along.dilation);
                let mut value = conv.zero;
                if across.has(y) && along.has(x) {
                    let at = y * across.input_step + x * along.input_step;
                    // SAFETY: a coordinate inside the image.
                    value = unsafe { *block.input.offset(at as isize).add(lane) };
                }
                let tap = row * across.weights_step + column * along.weights_step;
                // SAFETY: the tap's weight of the channel.
                let weight = unsafe { *block.weights.add(tap as usize * step + lane) };
                acc = acc.wrapping_add(i32::from(value) * i32::from(weight));
            }
        }
        let place = block.output.wrapping_add(lane * conv.results.bytes());
        // SAFETY: the channel's result.
        unsafe { block.results.store(lane, acc, place) };
    }
}
