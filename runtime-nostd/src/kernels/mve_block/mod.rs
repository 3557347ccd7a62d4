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
mod gather;
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
use core::ptr::{null, null_mut};

use microhlo_format::Place;
use microhlo_format::kernels::{ConvI8Mve, ConvI16Mve, Requant, Rounding, Vectors};

use super::Memory;
use super::i8_block::Axis;
pub(super) use depthwise::{Lines, depthwise};
use gather::{Pixel, gather};
#[cfg(cortex_m_mve)]
pub(super) use mve_bytes::{add, look_up, pool_pixel};
#[cfg(cortex_m_mve)]
use mve_copy::fill;
#[cfg(cortex_m_mve)]
use mve_tiles::{tiles, wide_tiles};
#[cfg(not(cortex_m_mve))]
use portable::{fill, tiles, wide_tiles};
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

/// A convolution, and the group of it that is computed next.
pub(super) struct Convolution {
    /// The constants of the group, and what is computed next.
    tiles: Tiles,
    /// Their steps are in bytes: of the input, and of gathered taps.
    axes: [Axis; 2],
    /// Bytes of one image's input.
    image: usize,
    /// The group's first channel of the input, and its first result.
    input: *const i8,
    output: *mut u8,
    /// Taps that are gathered.
    scratch: *mut i8,
    /// Room for the sums of two pixels, if there are any.
    sums: *mut i32,
    /// Output pixels.
    pixels: u32,
    groups: u32,
    /// Bytes from a pixel's taps to the next one's, where they lie or gathered; none if there is but one pixel.
    pitch: usize,
    /// How sums become results whose rounding needs them.
    ties: Option<Requant>,
    /// The shift of channels that have none of their own.
    shift: u8,
    /// Pixels whose taps are gathered together; none if those of all lie evenly in the input.
    gathered: u8,
    /// What lies outside the input.
    zero: i8,
    /// Whether taps of a kernel row are adjacent in the input.
    whole_rows: bool,
}

impl Convolution {
    /// The convolution of accepted parameters, where it is to be, with the least and the greatest result.
    #[inline(never)]
    fn place<'v>(
        to: &'v mut MaybeUninit<Convolution>,
        p: &Vectors<'_, Place>,
        limits: [i32; 2],
        memory: &Memory<'_>,
    ) -> &'v mut Convolution {
        let c = p.conv;
        let scratch = memory.write(c.scratch);
        let step = p.step();
        let gathered = if step.is_some() { 0 } else { p.gathered_of_any() };
        let pitch = step.unwrap_or_else(|| p.pitch()) as usize;
        let pixels = c.pixels();
        let pitch_between = if pixels == 1 { 0 } else { pitch };
        let axes = axes(p);
        to.write(Convolution {
            tiles: first_group(p, limits, pitch_between, memory),
            image: c.in_h as usize * axes[0].input_step as usize,
            axes,
            input: memory.read(c.input).cast(),
            output: memory.write(c.output),
            scratch: scratch.cast(),
            sums: scratch.wrapping_add(gathered as usize * pitch).cast(),
            pixels,
            groups: c.groups,
            pitch: pitch_between,
            ties: c.requant.filter(|requant| requant.rounding.needs_sums()),
            shift: c.requant.map_or(0, |requant| requant.shift),
            gathered: gathered as u8,
            zero: c.input_zero,
            whole_rows: c.run() != c.in_c || c.kernel_w == 1,
        })
    }

    /// Output channels of a group.
    fn channels(&self) -> usize {
        // SAFETY: both are ends of records of the same constant.
        let words = unsafe { self.tiles.records_end.offset_from(self.tiles.records) };
        words as usize / 2 + self.tiles.rest as usize
    }

    /// Goes on to the next group.
    fn next_group(&mut self, result: usize) {
        let (channels, tiles) = (self.channels(), &mut self.tiles);
        let records = channels.next_multiple_of(BLOCK);
        tiles.weights = tiles.weights.wrapping_add(channels * tiles.count as usize);
        tiles.records = tiles.records.wrapping_add(2 * records);
        tiles.records_end = tiles.records_end.wrapping_add(2 * records);
        tiles.shifts = tiles.shifts.wrapping_add(records / BLOCK * tiles.shifts_step);
        self.input = self.input.wrapping_add(self.axes[1].weights_step as usize);
        self.output = self.output.wrapping_add(channels * result);
    }
}

/// Bytes of a result.
fn result_bytes(p: &Vectors<'_, Place>) -> usize {
    if p.conv.requant.is_some() { p.bytes as usize } else { size_of::<i32>() }
}

/// The axes.
#[inline(always)]
fn axes(p: &Vectors<'_, Place>) -> [Axis; 2] {
    let c = p.conv;
    let channels = c.in_c as i32 * p.bytes as i32;
    let pixel = c.groups as i32 * channels;
    let h = Axis {
        input: c.in_h as i32,
        output: c.out_h as i32,
        kernel: c.kernel_h as i32,
        stride: c.stride_h as i32,
        pad: c.pad_top,
        dilation: c.dilation_h as i32,
        input_step: c.in_w as i32 * pixel,
        output_step: 0,
        weights_step: c.kernel_w as i32 * channels,
    };
    let w = Axis {
        input: c.in_w as i32,
        output: c.out_w as i32,
        kernel: c.kernel_w as i32,
        stride: c.stride_w as i32,
        pad: c.pad_left,
        dilation: c.dilation_w as i32,
        input_step: pixel,
        output_step: 0,
        weights_step: channels,
    };
    [h, w]
}

/// The constants of the first group, for pixels whose taps lie so many bytes apart.
#[inline(always)]
fn first_group(
    p: &Vectors<'_, Place>,
    [min, max]: [i32; 2],
    pitch: usize,
    memory: &Memory<'_>,
) -> Tiles {
    let (c, vector) = (p.conv, p.taps().max(1));
    let (vectors, part) = (c.taps() / vector, c.taps() % vector);
    let records = memory.read(c.channels).cast::<i32>();
    let channels = c.out_c as usize;
    Tiles {
        taps: null(),
        other: null(),
        more: if part == 0 { vectors.wrapping_sub(1) } else { vectors },
        part,
        records_end: records.wrapping_add(2 * (channels & !(BLOCK - 1))),
        rest: c.out_c % BLOCK as u32,
        weights: memory.read(c.weights).cast(),
        records,
        output: null_mut(),
        step: if pitch == 0 { 0 } else { c.groups as usize * channels * result_bytes(p) },
        taps_step: 2 * pitch,
        pairs: 0,
        zero: c.requant.map_or(0, |requant| requant.zero),
        shifts: c.shifts.map_or(null(), |place| memory.read(place)),
        shifts_step: if c.shifts.is_some() { BLOCK } else { 0 },
        count: c.taps(),
        min,
        max,
        finish: finish(c.requant, c.shifts.is_some()),
    }
}

/// Prepares a convolution of accepted parameters.
pub(super) fn prepare<'v>(
    to: &'v mut MaybeUninit<Convolution>,
    p: &ConvI8Mve<Place>,
    memory: &Memory<'_>,
) -> &'v mut Convolution {
    let limits = p.conv.requant.map_or([0; 2], |r| [r.min.into(), r.max.into()]);
    Convolution::place(to, &p.vectors(), limits, memory)
}

/// The same of activations of 16 bits.
pub(super) fn prepare_wide<'v>(
    to: &'v mut MaybeUninit<Convolution>,
    p: &ConvI16Mve<Place>,
    memory: &Memory<'_>,
) -> &'v mut Convolution {
    Convolution::place(to, &p.vectors(), [p.min, p.max], memory)
}

/// Computes a convolution of activations of so many bytes.
///
/// # Safety
/// It is that of accepted parameters of such activations, whose memory it lies in.
pub(super) unsafe fn convolve<const BYTES: usize>(conv: &mut Convolution) {
    let shifts = [conv.shift; BLOCK];
    if conv.tiles.shifts_step == 0 {
        conv.tiles.shifts = shifts.as_ptr();
    }
    for _ in 0..conv.groups {
        // SAFETY: a group of the convolution.
        unsafe { pixels::<BYTES>(conv) };
        let sums = conv.tiles.finish == Finish::Sums && conv.ties.is_none();
        conv.next_group(if sums { size_of::<i32>() } else { BYTES });
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
/// The group is one of accepted parameters of activations of so many bytes.
unsafe fn pixels<const BYTES: usize>(conv: &mut Convolution) {
    if conv.gathered == 0 {
        (conv.tiles.taps, conv.tiles.output) = (conv.input, conv.output);
        // SAFETY: the taps of all pixels lie in the input, evenly.
        unsafe { evenly::<BYTES>(conv, conv.pixels) };
        return;
    }
    let gathered = u32::from(conv.gathered);
    let (mut done, mut next) = (0, Pixel::new(conv, 0));
    while done < conv.pixels {
        // The last pixels are computed together with one before them once more if they are odd.
        let left = conv.pixels - done;
        let count = if left == 1 { gathered.min(2) } else { (left + (left & 1)).min(gathered) };
        let first = if count > left { conv.pixels - count } else { done };
        if first != done {
            next = Pixel::new(conv, first);
        }
        conv.tiles.taps = conv.scratch;
        conv.tiles.output = conv.output.wrapping_add(first as usize * conv.tiles.step);
        // SAFETY: pixels of the convolution, whose taps there is room for.
        unsafe {
            gather::<BYTES>(conv, &mut next, count as i32);
            evenly::<BYTES>(conv, count);
        }
        done = first + count;
    }
}

/// Computes pixels whose taps lie evenly.
///
/// # Safety
/// The first of `count` pixels is the next one; their taps are readable and their results writable.
#[inline(always)]
unsafe fn evenly<const BYTES: usize>(conv: &mut Convolution, count: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        match conv.ties {
            Some(requant) => by_sums::<BYTES>(conv, &requant, count),
            None => in_pairs::<BYTES>(&mut conv.tiles, conv.pitch, count),
        }
    }
}

/// Computes pixels in pairs.
///
/// # Safety
/// As for [`evenly`], of pixels whose taps lie `pitch` bytes apart.
#[inline(never)]
unsafe fn in_pairs<const BYTES: usize>(tiles: &mut Tiles, pitch: usize, count: u32) {
    tiles.other = tiles.taps.wrapping_add(pitch);
    tiles.pairs = (count / 2).max(1);
    // SAFETY: the caller's promise.
    unsafe { tiles_of::<BYTES>(tiles) };
    if count > 1 && count & 1 != 0 {
        // The last pixel is computed together with the one before it once more.
        let last = count as usize - 2;
        tiles.taps = tiles.taps.wrapping_add(last * pitch);
        tiles.other = tiles.taps.wrapping_add(pitch);
        tiles.output = tiles.output.wrapping_add(last * tiles.step);
        tiles.pairs = 1;
        // SAFETY: the last two pixels.
        unsafe { tiles_of::<BYTES>(tiles) };
    }
}

/// Computes pairs of pixels of activations of so many bytes.
///
/// # Safety
/// As for [`tiles`].
#[inline(always)]
unsafe fn tiles_of<const BYTES: usize>(job: &mut Tiles) {
    // SAFETY: the caller's promise.
    unsafe { if BYTES == 1 { tiles(job) } else { wide_tiles(job) } };
}

/// Computes pixels by way of their sums, pair by pair.
///
/// # Safety
/// As for [`evenly`]; there is room for sums.
#[inline(never)]
unsafe fn by_sums<const BYTES: usize>(conv: &mut Convolution, requant: &Requant, count: u32) {
    let channels = conv.channels();
    let (taps, output, step) = (conv.tiles.taps, conv.tiles.output, conv.tiles.step);
    for first in (0..count).step_by(2) {
        let first = first.min(count.saturating_sub(2)) as usize;
        let tiles = &mut conv.tiles;
        tiles.taps = taps.wrapping_add(first * conv.pitch);
        tiles.other = tiles.taps.wrapping_add(conv.pitch);
        tiles.output = conv.sums.cast();
        (tiles.step, tiles.pairs) = (channels.next_multiple_of(BLOCK) * size_of::<i32>(), 1);
        // SAFETY: two pixels, or twice the same, and room for their sums.
        unsafe { tiles_of::<BYTES>(tiles) };
        (tiles.output, tiles.step) = (output.wrapping_add(first * step), step);
        for pixel in 0..count.min(2) as usize {
            // SAFETY: sums and results of this pixel.
            unsafe { ties::<BYTES>(tiles, requant, conv.sums, [channels, pixel]) };
        }
    }
}

/// Makes results of so many channels' sums for the first or the second of two pixels.
///
/// # Safety
/// As for [`by_sums`]; the sums of these pixels have been computed.
#[inline(never)]
unsafe fn ties<const BYTES: usize>(
    tiles: &Tiles,
    requant: &Requant,
    sums: *const i32,
    [channels, pixel]: [usize; 2],
) {
    let job = Sums {
        sums: sums.wrapping_add(pixel * channels.next_multiple_of(BLOCK)),
        records: tiles.records.cast(),
        shifts: tiles.shifts,
        output: tiles.output.wrapping_add(pixel * tiles.step),
        channels: channels as i32,
        shifts_step: tiles.shifts_step,
        offset: 2 * tiles.zero + 1,
        multiplier: BLOCK * size_of::<i32>(),
        multiplier_step: size_of::<i32>(),
        min: tiles.min,
        max: tiles.max,
    };
    // SAFETY: the caller's promise.
    unsafe { if BYTES == 1 { round(requant, job) } else { round_wide(requant, job) } };
}
