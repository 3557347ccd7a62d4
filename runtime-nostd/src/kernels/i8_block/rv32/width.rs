//! What convolutions of activations of 8 bits and of 16 have for themselves.

use core::ptr::null;

use microhlo_format::kernels::Requant;

use super::super::LANES;
use super::Finish;
use super::conv::{CHANNELS, Plan, fours};
use super::rows::{Rows, rows, wide_rows};
use super::tile::{Tiles, tiles, wide_tiles};

/// Most runs of an activation of 16 bits that are read in place: their places are kept on the stack.
const RUNS: usize = 5;

/// An activation: of 8 bits, or of 16.
pub(super) trait Width: Copy + From<i8> {
    const BYTES: usize;

    /// Whether there is room for the places of so many runs, of pixels of so many taps.
    fn has_room(runs: usize, taps: usize) -> bool;

    /// Computes the first pixels four by four.
    ///
    /// # Safety
    /// As for [`fours`].
    unsafe fn fours(plan: &Plan<'_, Self>, pixels: u32);

    /// As [`tiles`].
    ///
    /// # Safety
    /// As for [`tiles`].
    unsafe fn tiles(job: &mut Tiles);

    /// As [`rows`].
    ///
    /// # Safety
    /// As for [`rows`].
    unsafe fn rows(job: &Rows);

    /// The same value in all parts of a word.
    fn word(value: i8) -> u32;

    /// How sums become results within limits, which a requantisation to 8 bits has itself.
    fn finish(requant: &Requant, limits: [i32; 2]) -> Finish;

    /// An integer within these limits.
    fn limited(requant: &Requant, limits: [i32; 2], steps: i32) -> Self;

    /// The result of a sum with any rounding.
    fn result(requant: &Requant, limits: [i32; 2], scale: (i32, u8), sum: i32) -> Self;
}

impl Width for i8 {
    const BYTES: usize = 1;

    fn has_room(runs: usize, taps: usize) -> bool {
        runs * CHANNELS <= taps
    }

    #[inline(always)]
    unsafe fn fours(plan: &Plan<'_, i8>, pixels: u32) {
        // Behind the copies, of which there is room for twice as many.
        // SAFETY: the caller's promise.
        unsafe { fours(plan, pixels, plan.copies(LANES).cast()) };
    }

    #[inline(always)]
    unsafe fn tiles(job: &mut Tiles) {
        // SAFETY: the caller's promise.
        unsafe { tiles(job) };
    }

    #[inline(always)]
    unsafe fn rows(job: &Rows) {
        // SAFETY: the caller's promise.
        unsafe { rows(job) };
    }

    #[inline(always)]
    fn word(value: i8) -> u32 {
        u32::from_ne_bytes([value as u8; 4])
    }

    #[inline(always)]
    fn finish(requant: &Requant, _: [i32; 2]) -> Finish {
        Finish::new(requant)
    }

    #[inline(always)]
    fn limited(requant: &Requant, _: [i32; 2], steps: i32) -> i8 {
        steps.max(requant.min.into()).min(requant.max.into()) as i8
    }

    #[inline(always)]
    fn result(requant: &Requant, _: [i32; 2], (multiplier, shift): (i32, u8), sum: i32) -> i8 {
        requant.apply(sum, multiplier, shift)
    }
}

impl Width for i16 {
    const BYTES: usize = 2;

    fn has_room(runs: usize, _: usize) -> bool {
        runs <= RUNS
    }

    #[inline(always)]
    unsafe fn fours(plan: &Plan<'_, i16>, pixels: u32) {
        let mut segments = [[null::<i8>(); LANES]; RUNS];
        // SAFETY: the caller's promise; there is room for as many runs as are read in place.
        unsafe { fours(plan, pixels, segments.as_mut_ptr()) };
    }

    #[inline(always)]
    unsafe fn tiles(job: &mut Tiles) {
        // SAFETY: the caller's promise.
        unsafe { wide_tiles(job) };
    }

    #[inline(always)]
    unsafe fn rows(job: &Rows) {
        // SAFETY: the caller's promise.
        unsafe { wide_rows(job) };
    }

    #[inline(always)]
    fn word(value: i8) -> u32 {
        let half = i16::from(value) as u16;
        u32::from(half) << 16 | u32::from(half)
    }

    #[inline(always)]
    fn finish(requant: &Requant, [min, max]: [i32; 2]) -> Finish {
        Finish { min, max, ..Finish::new(requant) }
    }

    #[inline(always)]
    fn limited(_: &Requant, [min, max]: [i32; 2], steps: i32) -> i16 {
        steps.max(min).min(max) as i16
    }

    #[inline(always)]
    fn result(
        requant: &Requant,
        limits: [i32; 2],
        (multiplier, shift): (i32, u8),
        sum: i32,
    ) -> i16 {
        i16::limited(requant, limits, requant.steps(sum, multiplier, shift))
    }
}

/// Copies a few activations.
///
/// # Safety
/// They are readable and writable.
#[inline(always)]
pub(super) unsafe fn move_activations<T: Width>(from: *const i8, to: *mut i8, mut count: usize) {
    let aligned = (from.addr() | to.addr()) & 3 == 0;
    let (mut from, mut to) = (from.cast::<T>(), to.cast::<T>());
    while count >= 4 {
        // SAFETY: the caller's promise.
        unsafe {
            if aligned && T::BYTES == 1 {
                *to.cast::<u32>() = *from.cast::<u32>();
            } else if aligned {
                let [a, b] = [*from.cast::<u32>(), *from.cast::<u32>().add(1)];
                (*to.cast::<u32>(), *to.cast::<u32>().add(1)) = (a, b);
            } else {
                let [a, b] = [*from, *from.add(1)];
                let [c, d] = [*from.add(2), *from.add(3)];
                (*to, *to.add(1)) = (a, b);
                (*to.add(2), *to.add(3)) = (c, d);
            }
        }
        from = from.wrapping_add(4);
        to = to.wrapping_add(4);
        count -= 4;
    }
    while count > 0 {
        // SAFETY: the caller's promise.
        unsafe { *to = *from };
        from = from.wrapping_add(1);
        to = to.wrapping_add(1);
        count -= 1;
    }
}

/// Fills a few activations.
///
/// # Safety
/// They are writable.
pub(super) unsafe fn fill<T: Width>(to: *mut i8, value: i8, mut count: usize) {
    let mut to = to.cast::<T>();
    if to.addr() & 3 == 0 {
        let word = T::word(value);
        let each = size_of::<u32>() / T::BYTES;
        while count >= each {
            // SAFETY: the caller's promise; the word is aligned.
            unsafe { *to.cast::<u32>() = word };
            to = to.wrapping_add(each);
            count -= each;
        }
    }
    while count > 0 {
        // SAFETY: the caller's promise.
        unsafe { *to = T::from(value) };
        to = to.wrapping_add(1);
        count -= 1;
    }
}
