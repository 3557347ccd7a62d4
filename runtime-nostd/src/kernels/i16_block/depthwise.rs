//! Depthwise convolutions, tap by tap.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI16;

use super::super::Memory;
#[cfg(not(cortex_m_dsp))]
use super::super::i8_block::add_taps;
#[cfg(rv32_tiles)]
use super::super::i8_block::wide_square;
use super::super::i8_block::{CHANNELS, Depthwise, PixelTaps, Taps};
#[cfg(cortex_m_dsp)]
use super::dsp_taps::add_taps;
use super::{BYTES, Sums, Wide};

/// A depthwise convolution whose activations have 16 bits.
pub(in crate::kernels) struct WideDepthwise {
    conv: Depthwise,
    wide: Wide,
}

impl WideDepthwise {
    /// The convolution of accepted parameters, where it is to be.
    pub fn place<'v>(
        to: &'v mut MaybeUninit<WideDepthwise>,
        p: &DepthwiseI16<Place>,
        memory: &Memory<'_>,
    ) -> &'v mut WideDepthwise {
        let mut conv = *Depthwise::place(&mut MaybeUninit::uninit(), &p.conv, memory);
        conv.across.input_step *= BYTES as i32;
        conv.along.input_step *= BYTES as i32;
        conv.image *= BYTES;
        let wide = Wide::new(&conv.results, p.min, p.max);
        to.write(WideDepthwise { conv, wide })
    }
}

/// Computes a depthwise convolution.
///
/// # Safety
/// It is that of accepted parameters.
pub(in crate::kernels) unsafe fn depthwise(WideDepthwise { conv, wide }: &WideDepthwise) {
    for image in 0..conv.batch {
        #[cfg(rv32_tiles)]
        // SAFETY: an image of the accepted parameters.
        if unsafe { wide_square(conv, image, [wide.min, wide.max]) } {
            continue;
        }
        // SAFETY: an image of the accepted parameters.
        unsafe { by_taps(conv, wide, image) };
    }
}

/// Computes an image pixel by pixel.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
#[inline(never)]
unsafe fn by_taps(conv: &Depthwise, wide: &Wide, image: u32) {
    for o in 0..conv.across.output {
        for i in 0..conv.along.output {
            let first = [conv.across.origin(o), conv.along.origin(i)];
            let mut taps = PixelTaps::new(conv, &conv.block(image, 0, 0), first);
            if conv.zero == 0 {
                taps.keep_inside();
            }
            let result = o * conv.across.output_step + i * conv.along.output_step;
            let result = image as usize * conv.results_image + result as usize;
            let output = conv.output.wrapping_add(result * wide.bytes());
            // SAFETY: a pixel of the accepted parameters.
            unsafe { pixel(conv, wide, &mut taps, output) };
        }
    }
}

/// Channels whose sums are in memory at once.
const SUMS: usize = 16;

/// Computes the channels of a pixel, whose taps are those of the first block of four.
///
/// # Safety
/// Convolution and pixel are those of accepted parameters.
unsafe fn pixel(conv: &Depthwise, wide: &Wide, all: &mut PixelTaps, output: *mut u8) {
    let parts = all.parts.get_mut(..all.count).unwrap_or_default();
    let mut sums = [[0; CHANNELS]; SUMS / CHANNELS];
    let (mut first, end) = (0, conv.channels);
    while first < end {
        let mut channel = first;
        for acc in &mut sums {
            let lanes = (end - channel).min(CHANNELS);
            for (lane, acc) in acc.iter_mut().enumerate().take(lanes) {
                // SAFETY: a channel of the pixel.
                *acc = unsafe { wide.results.bias(channel + lane) };
            }
            for taps in parts.iter_mut() {
                // SAFETY: channels of the pixel and their taps.
                unsafe { add(conv, acc, taps, lanes) };
            }
            channel += lanes;
            if channel == end {
                break;
            }
        }
        let (pairs, _) = sums.as_flattened().as_chunks();
        let pairs = pairs.get(..(channel - first).div_ceil(2)).unwrap_or_default();
        // SAFETY: the results of these channels.
        unsafe { wide.finish(&Sums { pairs, lanes: 1, first, end, outputs: &[output] }) };
        first = channel;
    }
}

/// Adds the products of some taps of a block to its sums. They become those of the next block.
///
/// # Safety
/// The taps lie inside the image, or there are none of the image; so many channels of them exist.
#[inline(always)]
unsafe fn add(conv: &Depthwise, acc: &mut [i32; CHANNELS], taps: &mut Taps, lanes: usize) {
    let outside = [i16::from(conv.zero); CHANNELS];
    let inside = !taps.from.is_null();
    let from = if inside { taps.from.cast() } else { outside.as_ptr() };
    // SAFETY: the caller's promise; what stands for other taps is there.
    unsafe {
        if lanes == CHANNELS {
            add_taps(acc, from, taps.weights, taps);
        } else {
            add_few(acc, from, taps, lanes);
        }
    }
    taps.weights = taps.weights.wrapping_add(CHANNELS);
    if inside {
        taps.from = taps.from.wrapping_add(CHANNELS * BYTES);
    }
}

/// The same of less than four channels.
///
/// # Safety
/// As for [`add`].
#[inline(never)]
unsafe fn add_few(acc: &mut [i32; CHANNELS], from: *const i16, taps: &Taps, lanes: usize) {
    for (lane, acc) in acc.iter_mut().enumerate().take(lanes) {
        let (mut x, mut w) = (from.wrapping_add(lane), taps.weights.wrapping_add(lane));
        for _ in 0..taps.lines {
            let end = w.wrapping_add(taps.bytes);
            while w != end {
                // SAFETY: the caller's promise.
                *acc = acc.wrapping_add(unsafe { i32::from(*x) * i32::from(*w) });
                (x, w) = (x.wrapping_byte_add(taps.step), w.wrapping_add(taps.next));
            }
            x = x.wrapping_byte_add(taps.skip);
            w = w.wrapping_add(taps.weights_skip);
        }
    }
}
