//! Depthwise convolutions, tap by tap.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI16;

use super::super::Memory;
#[cfg(wide_channels)]
use super::super::i8_block::Span;
use super::super::i8_block::add_taps;
#[cfg(rv32_tiles)]
use super::super::i8_block::wide_square;
use super::super::i8_block::{CHANNELS, Depthwise, PixelTaps, Taps};
#[cfg(wide_channels)]
use super::channels::Channels;
use super::{BYTES, Sums, Wide};

/// A depthwise convolution whose activations have 16 bits.
pub(in crate::kernels) struct WideDepthwise {
    conv: Depthwise,
    min: i32,
    max: i32,
}

impl WideDepthwise {
    /// The convolution of accepted parameters, where it is to be.
    pub fn place<'v>(
        to: &'v mut MaybeUninit<WideDepthwise>,
        p: &DepthwiseI16<Place>,
        memory: &Memory<'_>,
    ) -> &'v mut WideDepthwise {
        let whole = to.as_mut_ptr();
        // SAFETY: a place of a convolution in that of the whole; all fields are written then.
        let whole = unsafe {
            Depthwise::place(&mut *(&raw mut (*whole).conv).cast(), &p.conv, memory);
            (&raw mut (*whole).min).write(p.min);
            (&raw mut (*whole).max).write(p.max);
            to.assume_init_mut()
        };
        let conv = &mut whole.conv;
        conv.across.input_step *= BYTES as i32;
        conv.along.input_step *= BYTES as i32;
        conv.image *= BYTES;
        whole
    }
}

/// Computes a depthwise convolution.
///
/// # Safety
/// It is that of accepted parameters.
pub(in crate::kernels) unsafe fn depthwise(WideDepthwise { conv, min, max }: &WideDepthwise) {
    let wide = &Wide { results: conv.results, min: *min, max: *max };
    for image in 0..conv.batch {
        #[cfg(rv32_tiles)]
        // SAFETY: an image of the accepted parameters.
        if unsafe { wide_square(conv, image, [wide.min, wide.max]) } {
            continue;
        }
        #[cfg(wide_channels)]
        // SAFETY: an image of the accepted parameters.
        if unsafe { by_channels(conv, wide, image) } {
            continue;
        }
        // SAFETY: an image of the accepted parameters.
        unsafe { by_taps(conv, wide, image) };
    }
}

/// Where the results of a pixel of an image are.
fn output(conv: &Depthwise, wide: &Wide, image: u32, [o, i]: [i32; 2]) -> *mut u8 {
    let result = o * conv.across.output_step + i * conv.along.output_step;
    let result = image as usize * conv.results_image + result as usize;
    conv.output.wrapping_add(result * wide.bytes())
}

/// Whether a pixel with these taps has some in the image, and those outside add nothing.
#[cfg(wide_channels)]
fn is_plain(conv: &Depthwise, [rows, columns]: [&Span; 2]) -> bool {
    let whole = rows.inside == conv.across.kernel && columns.inside == conv.along.kernel;
    whole || (conv.zero == 0 && rows.inside > 0 && columns.inside > 0)
}

/// Computes the plain pixels of an image, if assembly does; returns whether these are all.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
#[cfg(wide_channels)]
#[inline(never)]
unsafe fn by_channels(conv: &Depthwise, wide: &Wide, image: u32) -> bool {
    let mut shift = 0;
    let Some(mut job) = Channels::new(conv, wide, &mut shift) else { return false };
    let input = conv.input.wrapping_add(image as usize * conv.image);
    let mut all = true;
    for o in 0..conv.across.output {
        let y = conv.across.origin(o);
        let rows = conv.across.taps(y);
        for i in 0..conv.along.output {
            let x = conv.along.origin(i);
            let columns = conv.along.taps(x);
            if !is_plain(conv, [&rows, &columns]) {
                all = false;
                continue;
            }
            let places = (input, output(conv, wide, image, [o, i]), &shift);
            let seen = [(&conv.across, y, &rows), (&conv.along, x, &columns)];
            // SAFETY: a pixel of the accepted parameters.
            unsafe { job.compute(conv, &wide.results, places, seen) };
        }
    }
    all
}

/// Computes an image pixel by pixel, without what [`by_channels`] has computed.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
#[inline(never)]
unsafe fn by_taps(conv: &Depthwise, wide: &Wide, image: u32) {
    let input = conv.input.wrapping_add(image as usize * conv.image);
    for o in 0..conv.across.output {
        for i in 0..conv.along.output {
            let first = [conv.across.origin(o), conv.along.origin(i)];
            #[cfg(wide_channels)]
            if Channels::exist(conv, wide) {
                let seen = [&conv.across.taps(first[0]), &conv.along.taps(first[1])];
                if is_plain(conv, seen) {
                    continue;
                }
            }
            let output = output(conv, wide, image, [o, i]);
            // SAFETY: a pixel of the accepted parameters.
            unsafe { pixel(conv, wide, (input, first), output) };
        }
    }
}

/// Channels whose sums are in memory at once.
const SUMS: usize = 16;

/// Computes a pixel whose first tap is at these coordinates of the image at `input`.
///
/// # Safety
/// Convolution and pixel are those of accepted parameters.
#[inline(never)]
unsafe fn pixel(
    conv: &Depthwise,
    wide: &Wide,
    (input, at): (*const i8, [i32; 2]),
    output: *mut u8,
) {
    let mut all = PixelTaps::NONE;
    all.set(conv, input, at);
    if conv.zero == 0 {
        all.keep_inside();
    }
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
