//! Convolutions whose taps are copied pixel by pixel, and multiplied by the loops for widened bytes.

use super::super::i8_block::{Conv, Group, LANES, Pixel, block_sums, gather_pixel, sums_1x2};
use super::{Sums, Wide};

/// Blocks of channels whose sums are in memory at once.
const BLOCKS: usize = 4;

/// Computes the channels of a group.
///
/// # Safety
/// Convolution and group are those of accepted parameters.
pub(super) unsafe fn pixels(conv: &Conv, group: &Group, wide: &Wide) {
    let lanes = conv.lanes.min(LANES);
    let mut next = conv.pixel(0);
    let mut left = conv.pixels as usize;
    let (mut outputs, mut sums) = ([conv.output; LANES], [[0; 8]; BLOCKS]);
    while left > 0 {
        let count = left.min(lanes);
        for (lane, place) in outputs.iter_mut().enumerate().take(count) {
            let pixel = conv.next(&mut next);
            *place = pixel.output.wrapping_add(group.output);
            // SAFETY: a pixel of the accepted parameters.
            unsafe { gather(conv, group, &pixel, lane) };
        }
        let outputs = outputs.get(..count).unwrap_or_default();
        // SAFETY: their taps are in scratch. Lanes behind the last one keep what they have.
        unsafe { products(conv, group, wide, outputs, &mut sums) };
        left -= count;
    }
}

/// Copies the taps of a pixel: a call of its own, which takes no stack while they are multiplied.
///
/// # Safety
/// As for [`pixels`]; the pixel is one of the convolution.
#[inline(never)]
unsafe fn gather(conv: &Conv, group: &Group, pixel: &Pixel, lane: usize) {
    // SAFETY: the caller's promise.
    unsafe { gather_pixel::<i16>(conv, group, pixel, lane) };
}

/// Computes all channels of a group for the pixels whose taps are in scratch, with room for sums.
///
/// # Safety
/// As for [`pixels`]; the outputs are theirs.
unsafe fn products(
    conv: &Conv,
    group: &Group,
    wide: &Wide,
    outputs: &[*mut u8],
    sums: &mut [[i32; 8]; BLOCKS],
) {
    let lanes = conv.lanes.min(LANES);
    let block = if lanes == LANES { 2 } else { 8 };
    let mut blocks = if lanes == LANES { conv.out_c.div_ceil(2) } else { conv.out_c / 8 };
    let (mut first, end) = (0, conv.out_c);
    while blocks > 0 {
        let here = blocks.min(BLOCKS);
        let sums = sums.get_mut(..here).unwrap_or_default();
        // SAFETY: so many blocks of the group, whose results lie at the outputs.
        unsafe {
            block_sums(conv, group, first, sums);
            let (pairs, _) = sums.as_flattened().as_chunks();
            wide.finish(&Sums { pairs, lanes, first, end, outputs });
        }
        first += here * block;
        blocks -= here;
    }
    while first < end {
        // SAFETY: a block of two channels of one pixel.
        unsafe {
            let pairs = &[sums_1x2(conv, group, (conv.scratch, 2), first)];
            wide.finish(&Sums { pairs, lanes, first, end, outputs });
        }
        first += 2;
    }
}
