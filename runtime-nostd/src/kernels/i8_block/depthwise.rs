//! Depthwise convolutions as those without dilation, by lines or tap by tap.

use super::super::{Parts, has};
use super::{Axis, Block, CHANNELS, Depthwise};

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
pub(in crate::kernels) unsafe fn by_lines(conv: &Depthwise) {
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
unsafe fn image_by_lines(conv: &Depthwise, index: u32) {
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
unsafe fn image_by_phases(conv: &Depthwise, index: u32, [across, along]: [i32; 2]) {
    for first in 0..across.min(conv.across.output) {
        for second in 0..along.min(conv.along.output) {
            // SAFETY: the caller's promise; a part of its results.
            unsafe { image(&conv.phase([first, second]), index) };
        }
    }
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
    /// The results that begin at these coordinates, across lines and along them.
    fn phase(&self, [across, along]: [i32; 2]) -> Depthwise {
        let mut phase = *self;
        let (mut input, mut output) = (0, 0);
        for (axis, first) in [(&mut phase.across, across), (&mut phase.along, along)] {
            if axis.dilation > 1 && axis.stride == 1 {
                let (every, from) = axis.phase(first);
                input += from * axis.input_step;
                output += first * axis.output_step;
                *axis = every;
            }
        }
        phase.input = phase.input.wrapping_offset(input as isize);
        phase.output = phase.output.wrapping_add(output as usize * self.results.bytes());
        phase
    }
}

/// Computes the channels of an image tap by tap.
///
/// # Safety
/// Convolution and image are those of accepted parameters, without scratch.
unsafe fn image_by_taps(conv: &Depthwise, index: u32) {
    let (across, along) = (&conv.across, &conv.along);
    for o in 0..across.output {
        for i in 0..along.output {
            let taps = [across.origin(o), along.origin(i)];
            let result = o * across.output_step + i * along.output_step;
            let mut first = 0;
            while first < conv.channels {
                let mut block = conv.block(index, first, 0);
                block.weights = conv.weights.wrapping_add(first);
                block.output = block.output.wrapping_add(result as usize * conv.results.bytes());
                // SAFETY: the caller's promise; a result of the block.
                first += unsafe { pixel_by_taps(conv, &block, taps) };
            }
        }
    }
}

/// Computes the results of a block, or of it and those behind it, whose first tap is at these
/// coordinates. Returns how many.
///
/// # Safety
/// Convolution and block are those of accepted parameters, without scratch.
unsafe fn pixel_by_taps(conv: &Depthwise, block: &Block, first: [i32; 2]) -> usize {
    #[cfg(cortex_m_dsp)]
    // SAFETY: the caller's promise.
    match unsafe { pixels_inside(conv, block, first) } {
        0 => (),
        count => return count,
    }
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
    block.lanes
}
