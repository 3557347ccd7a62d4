//! Convolutions whose constants are laid out for M-profile Vector Extension (Helium), of activations of 8 bits and
//! of 16.
//!
//! A vector holds 16 taps of one pixel, or of one channel's weights, or eight if activations have 16 bits; the
//! sums of two pixels and four channels stay in registers. Where the input does not hold the taps of a pixel in order, they are
//! gathered first, for a few pixels. Computers have the same kernel in plain loops.

#[cfg(cortex_m_mve)]
#[macro_use]
mod mve_width;

mod depthwise;
#[cfg(cortex_m_mve)]
mod mve_bytes;
#[cfg(cortex_m_mve)]
mod mve_copy;
#[cfg(cortex_m_mve)]
mod mve_depthwise;
#[cfg(cortex_m_mve)]
mod mve_rounding;
#[cfg(cortex_m_mve)]
mod mve_tiles;
#[cfg(not(cortex_m_mve))]
mod portable;
mod rounding;

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::{ConvI8Mve, ConvI16Mve, Requant, Rounding, Vectors};

use super::Memory;
use super::i8_block::{Conv, Pixel};
pub(super) use depthwise::depthwise;
#[cfg(cortex_m_mve)]
pub(super) use mve_bytes::{add, look_up, pool_pixel};
#[cfg(cortex_m_mve)]
use mve_copy::{copy, fill, fill_wide};
#[cfg(cortex_m_mve)]
use mve_tiles::{tiles, wide_tiles};
#[cfg(not(cortex_m_mve))]
use portable::{copy, fill, fill_wide, tiles, wide_tiles};
use rounding::{Sums, round, round_wide};

/// Taps of a byte that are multiplied at once.
const VECTOR: u32 = 16;
/// Channels of a block of weights.
const BLOCK: usize = 4;

/// What becomes of sums.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// The common shift of 33.
    Upper,
    /// Any shift.
    Shift,
    /// Any shift, after a rounding of its own.
    Double,
    /// The sums are stored.
    Sums,
}

/// Pixels that lie evenly, and all channels of a group: what [`tiles`] work on.
#[repr(C)]
#[derive(Clone)]
struct Tiles {
    /// The first pixel's taps.
    taps: *const i8,
    /// Those of the pixel that is computed with it.
    other: *const i8,
    /// Vectors of taps behind the first one, which is the part if there is one.
    more: u32,
    /// Taps that do not fill a vector, which come first.
    part: u32,
    /// The end of the records of whole blocks.
    records_end: *const i32,
    /// Channels behind the whole blocks.
    rest: u32,
    weights: *const i8,
    /// Biases and multipliers by blocks.
    records: *const i32,
    /// The first pixel's results.
    output: *mut u8,
    /// Bytes from its results to those of the other.
    step: usize,
    /// Bytes from the taps of a pair of pixels to those of the next pair.
    taps_step: usize,
    /// Pairs of pixels.
    pairs: u32,
    /// Zero point of the results.
    zero: i32,
    /// The first block's shifts.
    shifts: *const u8,
    /// Bytes from a block's shifts to the next one's.
    shifts_step: usize,
    /// Taps of a channel.
    count: u32,
    min: i32,
    max: i32,
    finish: Finish,
}

/// Computes a convolution.
///
/// # Safety
/// The loader has accepted the parameters for this memory.
pub(super) unsafe fn convolve(p: &ConvI8Mve<Place>, memory: &Memory<'_>) {
    let limits = p.conv.requant.map_or([0; 2], |r| [r.min.into(), r.max.into()]);
    // SAFETY: the caller's promise.
    unsafe { convolve_of::<1>(&p.vectors(), limits, memory) };
}

/// The same of activations of 16 bits.
///
/// # Safety
/// As for [`convolve`].
pub(super) unsafe fn convolve_wide(p: &ConvI16Mve<Place>, memory: &Memory<'_>) {
    // SAFETY: the caller's promise.
    unsafe { convolve_of::<2>(&p.vectors(), [p.min, p.max], memory) };
}

/// The same of activations of so many bytes, with the least and the greatest result.
///
/// # Safety
/// As for [`convolve`].
#[inline(always)]
unsafe fn convolve_of<const BYTES: usize>(
    p: &Vectors<'_, Place>,
    [min, max]: [i32; 2],
    memory: &Memory<'_>,
) {
    let mut conv = MaybeUninit::uninit();
    let conv = Conv::place(&mut conv, p.conv, memory);
    if BYTES != 1 {
        for axis in &mut conv.axes {
            axis.input_step *= BYTES as i32;
        }
        conv.image *= BYTES;
        let result = if p.conv.requant.is_some() { BYTES } else { size_of::<i32>() };
        conv.output_step = p.conv.groups as usize * conv.out_c * result;
    }
    let (conv, vector) = (&*conv, VECTOR / BYTES as u32);
    let result = if p.conv.requant.is_some() { BYTES } else { size_of::<i32>() };
    let channels = conv.out_c.next_multiple_of(BLOCK);
    for group in 0..p.conv.groups as usize {
        let weights = group * conv.out_c * p.conv.taps() as usize;
        let first = group * channels;
        let shifts = [p.conv.requant.map_or(0, |requant| requant.shift); BLOCK];
        let (shifts, shifts_step) = match p.conv.shifts {
            Some(place) => (memory.read(place).wrapping_add(first), BLOCK),
            None => (shifts.as_ptr(), 0),
        };
        let records = memory.read(p.conv.channels).cast::<i32>().wrapping_add(2 * first);
        let Requant { zero, .. } = p.conv.requant.unwrap_or(NONE);
        let (vectors, part) = (p.conv.taps() / vector, p.conv.taps() % vector);
        let tiles = Tiles {
            taps: conv.input.wrapping_add(group * conv.in_c as usize * BYTES),
            other: conv.input,
            more: if part == 0 { vectors.wrapping_sub(1) } else { vectors },
            part,
            records_end: records.wrapping_add(2 * (conv.out_c & !(BLOCK - 1))),
            rest: conv.out_c as u32 % BLOCK as u32,
            weights: conv.weights.wrapping_add(weights),
            records,
            output: conv.output.wrapping_add(group * conv.out_c * result),
            step: conv.output_step,
            taps_step: 0,
            pairs: 0,
            zero,
            shifts,
            shifts_step,
            count: p.conv.taps(),
            min,
            max,
            finish: finish(p.conv.requant, p.conv.shifts.is_some()),
        };
        // SAFETY: a group of the accepted parameters.
        unsafe { pixels::<BYTES>(p, conv, &tiles, memory.write(p.conv.scratch).cast()) };
    }
}

/// Stands for no requantisation.
const NONE: Requant = Requant { shift: 33, zero: 0, min: -128, max: 127, rounding: Rounding::Up };

/// What becomes of sums; some are finished one by one.
fn finish(requant: Option<Requant>, own_shifts: bool) -> Finish {
    match requant {
        None => Finish::Sums,
        Some(requant) => match requant.rounding {
            Rounding::Even | Rounding::Single => Finish::Sums,
            Rounding::Double => Finish::Double,
            Rounding::Up if requant.shift == 33 && !own_shifts => Finish::Upper,
            Rounding::Up => Finish::Shift,
        },
    }
}

/// Computes all pixels of a group, where they lie or gathered.
///
/// # Safety
/// Parameters, convolution and group are accepted ones, and `scratch` is their scratch.
unsafe fn pixels<const BYTES: usize>(
    p: &Vectors<'_, Place>,
    conv: &Conv,
    group: &Tiles,
    scratch: *mut i8,
) {
    let p = &Vectors { bytes: BYTES as u32, ..*p };
    let (pitch, gathered) = (p.pitch() as usize, p.gathered());
    let sums = scratch.wrapping_add(gathered as usize * pitch).cast::<i32>();
    let offset = (group.taps as usize).wrapping_sub(conv.input as usize);
    let mut tiles = group.clone();
    if let Some(step) = p.step() {
        // SAFETY: the taps of all pixels lie in the input, evenly.
        unsafe { evenly::<BYTES>(p, &mut tiles, step as usize, conv.pixels, sums) };
        return;
    }
    tiles.taps = scratch;
    let (mut done, mut next) = (0, conv.pixel(0));
    while done < conv.pixels {
        // The last pixels are computed together with one before them once more if they are odd.
        let left = conv.pixels - done;
        let count = if left == 1 { gathered.min(2) } else { (left + (left & 1)).min(gathered) };
        let first = if count > left { conv.pixels - count } else { done };
        if first != done {
            next = conv.pixel(first);
        }
        let output = (next.output as usize).wrapping_sub(conv.output as usize);
        tiles.output = group.output.wrapping_add(output);
        let (mut to, mut left) = (scratch, count as i32);
        while left > 0 {
            // SAFETY: pixels of the convolution, and their place in scratch.
            let pixels = unsafe { gather::<BYTES>(p, conv, &next, offset, to, left) };
            conv.skip::<{ u32::MAX }>(&mut next, pixels);
            to = to.wrapping_add(pixels as usize * pitch);
            left -= pixels;
        }
        // SAFETY: the taps of these pixels have been gathered.
        unsafe { evenly::<BYTES>(p, &mut tiles, pitch, count, sums) };
        done = first + count;
    }
}

/// Computes pixels whose taps lie evenly.
///
/// # Safety
/// `count` pixels' taps are readable and results writable, `step` bytes apart; `sums` has room for
/// what the parameters say.
unsafe fn evenly<const BYTES: usize>(
    p: &Vectors<'_, Place>,
    tiles: &mut Tiles,
    step: usize,
    count: u32,
    sums: *mut i32,
) {
    let (taps, output) = (tiles.taps, tiles.output);
    let bytes = tiles.step;
    tiles.other = taps.wrapping_add(step);
    tiles.taps_step = 2 * step;
    if count == 1 {
        // Both pixels of the pair are the same one.
        (tiles.other, tiles.step) = (taps, 0);
    }
    let pairs = count.div_ceil(2);
    if let Some(requant) = p.conv.requant.filter(|requant| requant.rounding.needs_sums()) {
        for first in (0..pairs).map(|pair| (2 * pair).min(count.saturating_sub(2)) as usize) {
            let mut pair = tiles.clone();
            pair.taps = taps.wrapping_add(first * step);
            pair.other = tiles.other.wrapping_add(first * step);
            pair.output = output.wrapping_add(first * bytes);
            // SAFETY: the caller's promise.
            unsafe { ties::<BYTES>(p, &requant, &pair, sums) };
        }
        return;
    }
    tiles.pairs = (count / 2).max(1);
    // SAFETY: the caller's promise.
    unsafe { tiles_of::<BYTES>(tiles) };
    if count > 1 && count & 1 != 0 {
        let last = count as usize - 2;
        let mut pair = tiles.clone();
        (pair.taps, pair.pairs) = (taps.wrapping_add(last * step), 1);
        pair.other = pair.taps.wrapping_add(step);
        pair.output = output.wrapping_add(last * bytes);
        // SAFETY: the last two pixels.
        unsafe { tiles_of::<BYTES>(&pair) };
    }
    (tiles.taps, tiles.output, tiles.step) = (taps, output, bytes);
}

/// Computes pairs of pixels of activations of so many bytes.
///
/// # Safety
/// As for [`tiles`].
#[inline(always)]
unsafe fn tiles_of<const BYTES: usize>(job: &Tiles) {
    // SAFETY: the caller's promise.
    unsafe { if BYTES == 1 { tiles(job) } else { wide_tiles(job) } };
}

/// Computes two pixels by way of their sums.
///
/// # Safety
/// As for [`evenly`].
unsafe fn ties<const BYTES: usize>(
    p: &Vectors<'_, Place>,
    requant: &Requant,
    pair: &Tiles,
    sums: *mut i32,
) {
    let channels = p.conv.out_c as usize;
    let row = channels.next_multiple_of(BLOCK);
    let mut job = pair.clone();
    (job.output, job.step, job.pairs) = (sums.cast(), row * size_of::<i32>(), 1);
    // SAFETY: there is room for the sums of two pixels.
    unsafe { tiles_of::<BYTES>(&job) };
    let pixels = if pair.taps == pair.other { 1 } else { 2 };
    for pixel in 0..pixels {
        let job = Sums {
            sums: sums.wrapping_add(pixel * row),
            records: pair.records.cast(),
            shifts: pair.shifts,
            output: pair.output.wrapping_add(pixel * pair.step),
            channels: channels as i32,
            shifts_step: pair.shifts_step,
            offset: 2 * pair.zero + 1,
            multiplier: BLOCK * size_of::<i32>(),
            multiplier_step: size_of::<i32>(),
            min: pair.min,
            max: pair.max,
        };
        // SAFETY: sums, records and results of this pixel.
        unsafe { if BYTES == 1 { round(requant, job) } else { round_wide(requant, job) } };
    }
}

/// Rows of bytes that belong to pixels: what [`copy`] copies.
#[repr(C)]
struct Blocks {
    to: *mut i8,
    from: *const i8,
    /// Bytes of a row.
    count: usize,
    /// Rows of a pixel.
    rows: usize,
    /// Bytes from a row to the next.
    step: usize,
    to_step: usize,
    /// Bytes from a pixel's rows to the next one's.
    next: usize,
    to_next: usize,
    pixels: usize,
}

/// Gathers the taps of a pixel, and of those after it in its row if all are inside the input; returns
/// of how many.
///
/// # Safety
/// The pixel is one of the convolution, whose channels begin `offset` bytes behind those of the
/// input, and `to` has room for the taps of `most` pixels, at least one.
unsafe fn gather<const BYTES: usize>(
    p: &Vectors<'_, Place>,
    conv: &Conv,
    pixel: &Pixel,
    offset: usize,
    to: *mut i8,
    most: i32,
) -> i32 {
    let p = &Vectors { bytes: BYTES as u32, ..*p };
    let [h, w] = &conv.axes;
    let (run, in_c) = (p.conv.run() as usize * BYTES, conv.in_c as usize * BYTES);
    let whole_rows = run != in_c || w.kernel == 1;
    let (rows, columns) = (h.taps(pixel.y), w.taps(pixel.x));
    let mut pixels = 1;
    if rows.inside == h.kernel && columns.inside == w.kernel {
        let spare = w.input - 1 - pixel.x - (w.kernel - 1) * w.dilation;
        pixels = (spare as u32 / (w.stride as u32).max(1)) as i32 + 1;
        pixels = pixels.min(most).min(pixel.columns);
    } else {
        // SAFETY: the pixel's taps.
        unsafe {
            match BYTES {
                1 => fill(to, conv.zero, p.conv.taps() as usize),
                _ => fill_wide(to.cast(), conv.zero, p.conv.taps() as usize),
            }
        }
    }
    let y = pixel.y.wrapping_add(rows.before * h.dilation);
    let line =
        pixel.image.wrapping_add(offset).wrapping_offset(y.wrapping_mul(h.input_step) as isize);
    let width = w.kernel as usize * in_c;
    let (calls, wide) = if whole_rows { (1, columns.inside) } else { (columns.inside, 1) };
    for column in columns.before..columns.before + calls {
        let x = pixel.x.wrapping_add(column * w.dilation);
        let at = rows.before as usize * width + column as usize * in_c;
        let blocks = Blocks {
            to: to.wrapping_add(at),
            from: line.wrapping_offset(x.wrapping_mul(w.input_step) as isize),
            count: wide as usize * in_c,
            rows: rows.inside as usize,
            step: h.input_step.wrapping_mul(h.dilation) as usize,
            to_step: width,
            next: w.input_step.wrapping_mul(w.stride) as usize,
            to_next: p.pitch() as usize,
            pixels: pixels as usize,
        };
        if blocks.count != 0 && blocks.rows != 0 {
            // SAFETY: taps inside the input, and their places.
            unsafe { copy(&blocks) };
        }
    }
    pixels
}
