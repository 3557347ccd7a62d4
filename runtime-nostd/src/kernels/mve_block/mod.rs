//! `i8` convolutions whose constants are laid out for M-profile Vector Extension (Helium).
//!
//! A vector holds 16 taps of one pixel, or of one channel's weights; the sums of two pixels and four
//! channels stay in registers. Where the input does not hold the taps of a pixel in order, they are
//! gathered first, for a few pixels. Computers have the same kernel in plain loops.

#[cfg(cortex_m_mve)]
mod mve_copy;
#[cfg(cortex_m_mve)]
mod mve_tiles;
#[cfg(not(cortex_m_mve))]
mod portable;

use microhlo_format::Place;
use microhlo_format::kernels::{ConvI8Mve, Requant, Rounding};

use super::Memory;
use super::i8_block::{Conv, Pixel};
#[cfg(cortex_m_mve)]
use mve_copy::{copy, copy_rows, fill};
#[cfg(cortex_m_mve)]
use mve_tiles::tiles;
#[cfg(not(cortex_m_mve))]
use portable::{copy, copy_rows, fill, tiles};

/// Taps that are multiplied at once.
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
    let conv = Conv::new(&p.conv, memory);
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
        let Requant { zero, min, max, .. } = p.conv.requant.unwrap_or(NONE);
        let (vectors, part) = (p.conv.taps() / VECTOR, p.conv.taps() % VECTOR);
        let tiles = Tiles {
            taps: conv.input.wrapping_add(group * conv.in_c as usize),
            other: conv.input,
            more: if part == 0 { vectors.wrapping_sub(1) } else { vectors },
            part,
            records_end: records.wrapping_add(2 * (conv.out_c & !(BLOCK - 1))),
            rest: conv.out_c as u32 % BLOCK as u32,
            weights: conv.weights.wrapping_add(weights),
            records,
            output: conv.output.wrapping_add(group * conv.out_c * conv.results.bytes()),
            step: conv.output_step,
            taps_step: 0,
            pairs: 0,
            zero,
            shifts,
            shifts_step,
            count: p.conv.taps(),
            min: i32::from(min),
            max: i32::from(max),
            finish: finish(p.conv.requant, p.conv.shifts.is_some()),
        };
        // SAFETY: a group of the accepted parameters.
        unsafe { pixels(p, &conv, &tiles, memory.write(p.conv.scratch).cast()) };
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
unsafe fn pixels(p: &ConvI8Mve<Place>, conv: &Conv, group: &Tiles, scratch: *mut i8) {
    let (pitch, gathered) = (p.pitch() as usize, p.gathered());
    let sums = scratch.wrapping_add(gathered as usize * pitch).cast::<i32>();
    let offset = (group.taps as usize).wrapping_sub(conv.input as usize);
    let mut tiles = group.clone();
    if let Some(step) = p.step() {
        // SAFETY: the taps of all pixels lie in the input, evenly.
        unsafe { evenly(p, &mut tiles, step as usize, conv.pixels, sums) };
        return;
    }
    tiles.taps = scratch;
    let mut done = 0;
    while done < conv.pixels {
        // The last pixels are computed together with one before them once more if they are odd.
        let left = conv.pixels - done;
        let count = if left == 1 { gathered.min(2) } else { (left + (left & 1)).min(gathered) };
        let first = if count > left { conv.pixels - count } else { done };
        let mut next = conv.pixel(first);
        let output = (next.output as usize).wrapping_sub(conv.output as usize);
        tiles.output = group.output.wrapping_add(output);
        let mut to = scratch;
        for _ in 0..count {
            // SAFETY: a pixel of the convolution, and its place in scratch.
            unsafe { gather(p, conv, &conv.next(&mut next), offset, to) };
            to = to.wrapping_add(pitch);
        }
        // SAFETY: the taps of these pixels have been gathered.
        unsafe { evenly(p, &mut tiles, pitch, count, sums) };
        done = first + count;
    }
}

/// Computes pixels whose taps lie evenly.
///
/// # Safety
/// `count` pixels' taps are readable and results writable, `step` bytes apart; `sums` has room for
/// what the parameters say.
unsafe fn evenly(p: &ConvI8Mve<Place>, tiles: &mut Tiles, step: usize, count: u32, sums: *mut i32) {
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
            unsafe { ties(p, &requant, &pair, sums) };
        }
        return;
    }
    tiles.pairs = (count / 2).max(1);
    // SAFETY: the caller's promise.
    unsafe { self::tiles(tiles) };
    if count > 1 && count & 1 != 0 {
        let last = count as usize - 2;
        let mut pair = tiles.clone();
        (pair.taps, pair.pairs) = (taps.wrapping_add(last * step), 1);
        pair.other = pair.taps.wrapping_add(step);
        pair.output = output.wrapping_add(last * bytes);
        // SAFETY: the last two pixels.
        unsafe { self::tiles(&pair) };
    }
    (tiles.taps, tiles.output, tiles.step) = (taps, output, bytes);
}

/// Computes two pixels by way of their sums.
///
/// # Safety
/// As for [`evenly`].
unsafe fn ties(p: &ConvI8Mve<Place>, requant: &Requant, pair: &Tiles, sums: *mut i32) {
    let channels = p.conv.out_c as usize;
    let row = channels.next_multiple_of(BLOCK);
    let mut job = pair.clone();
    (job.output, job.step, job.pairs) = (sums.cast(), row * size_of::<i32>(), 1);
    // SAFETY: there is room for the sums of two pixels.
    unsafe { tiles(&job) };
    let pixels = if pair.taps == pair.other { 1 } else { 2 };
    for pixel in 0..pixels {
        let output = pair.output.wrapping_add(pixel * pair.step);
        for channel in 0..channels {
            let (block, lane) = (channel / BLOCK, channel % BLOCK);
            let shift = pair.shifts.wrapping_add(block * pair.shifts_step + lane);
            let multiplier = pair.records.wrapping_add((2 * block + 1) * BLOCK + lane);
            // SAFETY: sum, record and result of this channel.
            unsafe {
                let sum = *sums.add(pixel * row + channel);
                let result = requant.apply(sum, *multiplier, *shift);
                *output.add(channel) = result as u8;
            }
        }
    }
}

/// Gathers the taps of a pixel.
///
/// # Safety
/// The pixel is one of the convolution, whose channels begin `offset` bytes behind those of the
/// input, and `to` has room for its taps.
unsafe fn gather(p: &ConvI8Mve<Place>, conv: &Conv, pixel: &Pixel, offset: usize, to: *mut i8) {
    let [h, w] = &conv.axes;
    let (run, rows) = (p.conv.run() as usize, h.kernel as usize);
    let whole_rows = run != conv.in_c as usize || w.kernel == 1;
    let at = |y: i32, x: i32| {
        let bytes = y.wrapping_mul(h.input_step).wrapping_add(x.wrapping_mul(w.input_step));
        pixel.image.wrapping_add(offset).wrapping_offset(bytes as isize)
    };
    let columns = w.span(pixel.x, w.kernel);
    let last = pixel.y.wrapping_add((h.kernel - 1) * h.dilation);
    if whole_rows && columns.inside == w.kernel && h.has(pixel.y) && h.has(last) {
        let step = h.input_step.wrapping_mul(h.dilation) as usize;
        // SAFETY: all taps lie inside the input.
        unsafe { copy_rows(to, at(pixel.y, pixel.x), run, rows, step) };
        return;
    }
    for row in 0..h.kernel {
        let y = pixel.y.wrapping_add(row * h.dilation);
        let to = to.wrapping_add(row as usize * w.kernel as usize * conv.in_c as usize);
        // SAFETY: the row's place, and the taps of it that are in the input.
        unsafe {
            match (h.has(y), whole_rows) {
                (false, _) => fill(to, conv.zero, w.kernel as usize * conv.in_c as usize),
                (true, true) => {
                    let x = pixel.x.wrapping_add(columns.before);
                    let [before, inside, behind] = [columns.before, columns.inside, columns.behind]
                        .map(|n| n as usize * conv.in_c as usize);
                    fill(to, conv.zero, before);
                    copy(to.wrapping_add(before), at(y, x), inside);
                    fill(to.wrapping_add(before + inside), conv.zero, behind);
                }
                (true, false) => positions(conv, pixel.x, run, at(y, 0), to),
            }
        }
    }
}

/// Gathers the taps of a row one position of the kernel after the other.
///
/// # Safety
/// `line` is the row's first pixel in the input, `x` the column of the first tap, and `to` has room
/// for `run` taps of each position.
unsafe fn positions(conv: &Conv, x: i32, run: usize, line: *const i8, to: *mut i8) {
    let [_, w] = &conv.axes;
    for column in 0..w.kernel {
        let x = x.wrapping_add(column * w.dilation);
        let to = to.wrapping_add(column as usize * run);
        // SAFETY: the taps of a position, which are in the input if it is.
        unsafe {
            if w.has(x) {
                copy(to, line.wrapping_offset(x.wrapping_mul(w.input_step) as isize), run);
            } else {
                fill(to, conv.zero, run);
            }
        }
    }
}
