//! Plain loops in place of assembly, for computers.

use microhlo_format::kernels::{Requant, Rounding};

use super::{BLOCK, Finish, NONE, Tiles, VECTOR};

/// Copies `count` bytes.
///
/// # Safety
/// They are readable and writable, and do not overlap.
pub(super) unsafe fn copy(to: *mut i8, from: *const i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { core::ptr::copy_nonoverlapping(from, to, count) };
}

/// Copies `rows` rows of `count` bytes, which are `step` bytes apart, behind each other.
///
/// # Safety
/// They are readable and writable, and do not overlap.
pub(super) unsafe fn copy_rows(
    to: *mut i8,
    from: *const i8,
    count: usize,
    rows: usize,
    step: usize,
) {
    for row in 0..rows {
        // SAFETY: the caller's promise.
        unsafe { copy(to.wrapping_add(row * count), from.wrapping_add(row * step), count) };
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

/// Computes all channels of pairs of pixels.
///
/// # Safety
/// Taps, constants and results are those of pixels of an accepted convolution.
pub(super) unsafe fn tiles(t: &Tiles) {
    // SAFETY: whole blocks end at or behind the first record.
    let whole = unsafe { t.records_end.offset_from(t.records) } as usize / 2;
    let channels = whole + t.rest as usize;
    for pair in 0..t.pairs as usize {
        for (taps, at) in [(t.taps, 2 * pair), (t.other, 2 * pair + 1)] {
            let taps = taps.wrapping_add(pair * t.taps_step);
            // SAFETY: the caller's promise.
            unsafe {
                for channel in 0..channels {
                    let sum = sum(t, taps, channel, whole);
                    store(t, t.output.wrapping_add(at * t.step), channel, sum);
                }
            }
        }
    }
}

/// The sum of a channel.
///
/// # Safety
/// As for [`tiles`]; the channel exists.
unsafe fn sum(t: &Tiles, taps: *const i8, channel: usize, whole: usize) -> i32 {
    let (count, part) = (t.count as usize, t.part as usize);
    let (first, lanes) =
        if channel < whole { (channel / BLOCK * BLOCK, BLOCK) } else { (channel, 1) };
    let base = first * count + (channel - first) * part;
    let vectors = first * count + lanes * part + (channel - first) * VECTOR as usize;
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = *t.records.add(channel / BLOCK * 2 * BLOCK + channel % BLOCK);
        for tap in 0..count {
            let at = match tap.checked_sub(part) {
                None => base + tap,
                Some(tap) => {
                    let (vector, at) = (tap / VECTOR as usize, tap % VECTOR as usize);
                    vectors + vector * lanes * VECTOR as usize + at
                }
            };
            let product = i32::from(*taps.add(tap)) * i32::from(*t.weights.add(at));
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
unsafe fn store(t: &Tiles, output: *mut u8, channel: usize, sum: i32) {
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
        *output.add(channel) = requant.apply(sum, multiplier, shift) as u8;
    }
}
