//! Convolutions of `i16` activations with `i8` weights: taps are gathered as those of `i8` are once they
//! have been widened, so that the same loops compute the sums. What is of 16 bits is how taps are copied,
//! and the results. Where assembly multiplies activations of either width where they lie, it does these too.

#[cfg(wide_channels)]
mod channels;
mod depthwise;
#[cfg(all(cortex_m_dsp, not(cortex_m_mve)))]
mod dsp_channels;
#[cfg(cortex_m_dsp)]
mod dsp_finish;
#[cfg(cortex_m_mve)]
mod mve_channels;
#[cfg(not(rv32_tiles))]
mod products;
#[cfg(rv32_tiles)]
mod rv32_channels;

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::{ConvI16, Requant};

use super::Memory;
#[cfg(rv32_tiles)]
use super::i8_block::wide_pixels;
use super::i8_block::{Common, Conv, Results};

pub(super) use depthwise::{WideDepthwise, depthwise};
#[cfg(not(rv32_tiles))]
use products::pixels;

/// Bytes of an activation.
const BYTES: usize = size_of::<i16>();

/// How sums become results.
struct Wide {
    results: Results,
    min: i32,
    max: i32,
}

/// The sums of two channels of some pixels.
type Pairs = [[i32; 2]];

/// Sums of adjacent channels, from an even one on: for each two of them those of so many pixels.
struct Sums<'a> {
    pairs: &'a Pairs,
    /// Pixels of two channels in `pairs`, at least as many as there are outputs.
    lanes: usize,
    first: usize,
    /// The end of the channels that exist.
    end: usize,
    /// The places of the pixels' first results.
    outputs: &'a [*mut u8],
}

/// Bytes of a result.
fn bytes(results: &Results) -> usize {
    if results.requant.is_some() { BYTES } else { size_of::<i32>() }
}

impl Wide {
    /// Bytes of a result.
    fn bytes(&self) -> usize {
        bytes(&self.results)
    }

    /// Stores the result of a sum at `output`, the place of the channel's result.
    ///
    /// # Safety
    /// The channel exists, and the place is that of one of its results.
    unsafe fn store(&self, channel: usize, acc: i32, output: *mut u8) {
        // SAFETY: the caller's promise; places are aligned.
        unsafe {
            match &self.results.requant {
                None => output.cast::<i32>().write(acc),
                Some(requant) => {
                    let ([_, multiplier], shift) = self.results.record(channel, requant);
                    let steps = requant.steps(acc, multiplier, shift);
                    output.cast::<i16>().write(steps.max(self.min).min(self.max) as i16);
                }
            }
        }
    }

    /// Stores the results of sums.
    ///
    /// # Safety
    /// Channels and outputs exist.
    unsafe fn finish(&self, sums: &Sums<'_>) {
        #[cfg(not(cortex_m_dsp))]
        let done = 0;
        #[cfg(cortex_m_dsp)]
        // SAFETY: the caller's promise.
        let done = unsafe { dsp_finish::pairs(self, sums) };
        let channels = (sums.first..sums.end).step_by(2);
        for (pairs, channel) in sums.pairs.chunks(sums.lanes).zip(channels).skip(done) {
            // SAFETY: the caller's promise.
            unsafe {
                self.finish_channel(pairs, 0, channel, sums.outputs);
                if channel + 1 < sums.end {
                    self.finish_channel(pairs, 1, channel + 1, sums.outputs);
                }
            }
        }
    }

    /// Stores the results of one of two channels.
    ///
    /// # Safety
    /// Channel and outputs exist.
    unsafe fn finish_channel(
        &self,
        pairs: &Pairs,
        which: usize,
        channel: usize,
        outputs: &[*mut u8],
    ) {
        let at = channel * self.bytes();
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(requant) = &self.results.requant {
                let ([_, multiplier], shift) = self.results.record(channel, requant);
                if let Some(common) = Common::of(&Requant { shift, ..*requant }) {
                    for (pair, output) in pairs.iter().zip(outputs) {
                        let steps = common.steps(pair[which & 1], multiplier);
                        let result = steps.max(self.min).min(self.max) as i16;
                        output.wrapping_add(at).cast::<i16>().write(result);
                    }
                    return;
                }
            }
            for (pair, output) in pairs.iter().zip(outputs) {
                self.store(channel, pair[which & 1], output.wrapping_add(at));
            }
        }
    }
}

/// A convolution whose activations have 16 bits: steps and sizes of memory are those of bytes.
pub(super) struct WideConv {
    conv: Conv,
    min: i32,
    max: i32,
}

impl WideConv {
    /// The convolution of accepted parameters, where it is to be.
    pub fn place<'v>(
        to: &'v mut MaybeUninit<WideConv>,
        p: &ConvI16<Place>,
        memory: &Memory<'_>,
    ) -> &'v mut WideConv {
        let whole = to.as_mut_ptr();
        // SAFETY: a place of a convolution in that of the whole; all fields are written then.
        let whole = unsafe {
            Conv::place(&mut *(&raw mut (*whole).conv).cast(), &p.conv, memory);
            (&raw mut (*whole).min).write(p.min);
            (&raw mut (*whole).max).write(p.max);
            to.assume_init_mut()
        };
        let conv = &mut whole.conv;
        for axis in &mut conv.axes {
            axis.input_step *= BYTES as i32;
        }
        conv.image *= BYTES;
        conv.swizzled = false;
        conv.output_step = p.conv.groups as usize * conv.out_c * bytes(&conv.results);
        whole
    }
}

/// Computes a convolution.
///
/// # Safety
/// It is that of accepted parameters.
pub(super) unsafe fn convolution(conv: &WideConv) {
    for index in 0..conv.conv.groups {
        // SAFETY: a group of the accepted parameters.
        unsafe { one_of_groups(conv, index) };
    }
}

/// Computes the channels of a group. A call of its own, as what all groups have in common would be kept on the
/// stack otherwise.
///
/// # Safety
/// The convolution is that of accepted parameters, and has the group.
#[inline(never)]
unsafe fn one_of_groups(WideConv { conv, min, max }: &WideConv, index: u32) {
    let mut group = conv.group(index);
    group.input *= BYTES;
    group.output = index as usize * conv.out_c * bytes(&conv.results);
    #[cfg(rv32_tiles)]
    // SAFETY: the caller's promise.
    unsafe {
        wide_pixels(conv, &group, [*min, *max]);
    }
    #[cfg(not(rv32_tiles))]
    // SAFETY: the caller's promise.
    unsafe {
        pixels(conv, &group, &Wide { results: group.results, min: *min, max: *max });
    }
}
