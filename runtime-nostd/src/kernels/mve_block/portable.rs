//! Plain loops in place of assembly, for computers.

use microhlo_format::kernels::{Requant, Rounding};

use super::depthwise::{Expansion, Line, POSITION, Sources};
use super::gather::Blocks;
use super::rounding::Sums;
use super::{BLOCK, Finish, NONE, Tiles, VECTOR};

/// Copies rows of bytes of some pixels.
///
/// # Safety
/// All of them are readable and writable, and do not overlap.
pub(super) unsafe fn copy(b: &Blocks) {
    for pixel in 0..b.pixels {
        for row in 0..b.rows {
            let from = b.from.wrapping_add(pixel * b.next + row * b.step);
            let to = b.to.wrapping_add(pixel * b.to_next + row * b.to_step);
            // SAFETY: the caller's promise.
            unsafe { core::ptr::copy_nonoverlapping(from, to, b.count) };
        }
    }
}

/// Fills `count` bytes.
///
/// # Safety
/// They are writable.
pub(super) unsafe fn fill(to: *mut i8, value: i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { core::ptr::write_bytes(to, value as u8, count) };
}

/// Fills `count` values of 16 bits.
///
/// # Safety
/// They are writable.
pub(super) unsafe fn fill_wide(to: *mut i16, value: i8, count: usize) {
    for i in 0..count {
        // SAFETY: the caller's promise.
        unsafe { to.add(i).write_unaligned(value.into()) };
    }
}

/// An activation.
trait Tap: Copy + Into<i32> {
    /// A result of so many steps, within limits.
    fn result(requant: &Requant, limits: [i32; 2], sum: i32, scale: (i32, u8)) -> Self;
}

impl Tap for i8 {
    fn result(requant: &Requant, _: [i32; 2], sum: i32, (multiplier, shift): (i32, u8)) -> i8 {
        requant.apply(sum, multiplier, shift)
    }
}

impl Tap for i16 {
    fn result(
        requant: &Requant,
        limits: [i32; 2],
        sum: i32,
        (multiplier, shift): (i32, u8),
    ) -> i16 {
        requant.steps(sum, multiplier, shift).max(limits[0]).min(limits[1]) as i16
    }
}

/// Computes all channels of pairs of pixels.
///
/// # Safety
/// Taps, constants and results are those of pixels of an accepted convolution.
pub(super) unsafe fn tiles(t: &mut Tiles) {
    // SAFETY: the caller's promise.
    unsafe { tiles_of::<i8>(t) };
}

/// The same of activations of 16 bits.
///
/// # Safety
/// As for [`tiles`].
pub(super) unsafe fn wide_tiles(t: &mut Tiles) {
    // SAFETY: the caller's promise.
    unsafe { tiles_of::<i16>(t) };
}

/// The same of any.
///
/// # Safety
/// As for [`tiles`].
unsafe fn tiles_of<T: Tap>(t: &Tiles) {
    // SAFETY: whole blocks end at or behind the first record.
    let whole = unsafe { t.records_end.offset_from(t.records) } as usize / 2;
    let channels = whole + t.rest as usize;
    for pair in 0..t.pairs as usize {
        for (taps, at) in [(t.taps, 2 * pair), (t.other, 2 * pair + 1)] {
            let taps = taps.wrapping_add(pair * t.taps_step);
            // SAFETY: the caller's promise.
            unsafe {
                for channel in 0..channels {
                    let sum = sum::<T>(t, taps.cast(), channel, whole);
                    store::<T>(t, t.output.wrapping_add(at * t.step), channel, sum);
                }
            }
        }
    }
}

/// The sum of a channel.
///
/// # Safety
/// As for [`tiles`]; the channel exists.
unsafe fn sum<T: Tap>(t: &Tiles, taps: *const T, channel: usize, whole: usize) -> i32 {
    let size = VECTOR as usize / size_of::<T>();
    let (count, part) = (t.count as usize, t.part as usize);
    let (first, lanes) =
        if channel < whole { (channel / BLOCK * BLOCK, BLOCK) } else { (channel, 1) };
    let base = first * count + (channel - first) * part;
    let vectors = first * count + lanes * part + (channel - first) * size;
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = *t.records.add(channel / BLOCK * 2 * BLOCK + channel % BLOCK);
        for tap in 0..count {
            let at = match tap.checked_sub(part) {
                None => base + tap,
                Some(tap) => {
                    let (vector, at) = (tap / size, tap % size);
                    vectors + vector * lanes * size + at
                }
            };
            let product = (*taps.add(tap)).into() * i32::from(*t.weights.add(at));
            acc = acc.wrapping_add(product);
        }
        acc
    }
}

/// How sums become results; their shift is that of the channel.
fn requant(finish: Finish, zero: i32, min: i32, max: i32) -> Requant {
    let rounding = if finish == Finish::Double { Rounding::Double } else { Rounding::Up };
    Requant { zero, min: min as i8, max: max as i8, rounding, ..NONE }
}

/// Stores the result of a sum.
///
/// # Safety
/// As for [`tiles`]; the channel exists, and its pixel's results are at `output`.
unsafe fn store<T: Tap>(t: &Tiles, output: *mut u8, channel: usize, sum: i32) {
    let (block, lane) = (channel / BLOCK, channel % BLOCK);
    let requant = requant(t.finish, t.zero, t.min, t.max);
    // SAFETY: the caller's promise.
    unsafe {
        if t.finish == Finish::Sums {
            output.cast::<i32>().add(channel).write(sum);
            return;
        }
        let multiplier = *t.records.add((2 * block + 1) * BLOCK + lane);
        let shift = *t.shifts.add(block * t.shifts_step + lane);
        let result = T::result(&requant, [t.min, t.max], sum, (multiplier, shift));
        output.cast::<T>().add(channel).write(result);
    }
}

/// Leaves all sums to the caller.
///
/// # Safety
/// Always safe; that in assembly is not.
pub(super) unsafe fn finish(_: &mut Sums) {}

/// Interleaves four taps of channels at each position.
///
/// # Safety
/// Sources are readable; `to` has room for the words of 16 channels at each position.
pub(super) unsafe fn arrange(to: *mut u8, sources: &Sources) {
    for position in 0..sources.count {
        for channel in 0..sources.channels {
            for (i, (from, step)) in sources.from.iter().zip(sources.steps).enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    let tap = *from.wrapping_add(position * step + channel);
                    *to.add(position * POSITION + 4 * channel + i) = tap as u8;
                }
            }
        }
    }
}

/// Lays out the weights of channels, `taps` each: those that tables say.
///
/// # Safety
/// Weights and tables are readable, `to` has room for `bytes` of each channel.
pub(super) unsafe fn expand(
    to: *mut i8,
    weights: *const i8,
    taps: usize,
    channels: usize,
    tables: &Expansion,
) {
    let bytes = tables.vectors * VECTOR as usize;
    for channel in 0..channels {
        for i in 0..bytes {
            // SAFETY: the caller's promise.
            unsafe {
                let tap = channel * taps + usize::from(*tables.taps.add(i));
                *to.add(channel * bytes + i) = *weights.add(tap) & *tables.masks.add(i) as i8;
            }
        }
    }
}

/// Computes a line of outputs.
///
/// # Safety
/// Words, constants and results are those of a line of an accepted convolution.
pub(super) unsafe fn line(l: &Line) {
    let bytes = l.vectors as usize * VECTOR as usize;
    for channel in 0..l.channels as usize {
        for output in 0..l.count as usize {
            let first = l.words.wrapping_add(output * l.stride as usize + 4 * channel);
            // SAFETY: the caller's promise.
            unsafe {
                let [mut acc, multiplier] = *l.records.add(channel);
                for i in 0..bytes {
                    let word = first.wrapping_add(*l.offsets.add(i / 4) as usize);
                    let tap = *word.wrapping_add(i % 4) as i8;
                    let weight = *l.weights.add(channel * bytes + i);
                    acc = acc.wrapping_add(i32::from(tap) * i32::from(weight));
                }
                let to = l.output.wrapping_add(output * l.step as usize);
                if l.finish == Finish::Sums {
                    to.cast::<i32>().add(channel).write(acc);
                    continue;
                }
                let shift = *l.shifts.add(channel * l.shifts_step as usize);
                let requant = requant(l.finish, l.zero, l.min, l.max);
                *to.add(channel) = requant.apply(acc, multiplier, shift) as u8;
            }
        }
    }
}
