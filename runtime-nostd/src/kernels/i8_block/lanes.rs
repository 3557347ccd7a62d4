//! Taps of pixels, widened into lanes of scratch.
#![allow(dead_code, reason = "targets with assembly do not need all of it")]

use super::{Conv, Group, LANES, Pixel};

/// The widened taps of one pixel of several, in their order.
pub(in crate::kernels) struct Lane {
    /// The pixel's part of the first pair.
    taps: *mut i16,
    /// Values from one pair to the next.
    step: usize,
    swizzled: bool,
    next: usize,
}

impl Lane {
    /// Stores the next tap.
    ///
    /// # Safety
    /// There is a tap left.
    #[inline(always)]
    unsafe fn put(&mut self, value: i16) {
        let tap = self.next;
        let stored =
            if self.swizzled { (tap & !3) | ((tap & 1) << 1) | ((tap >> 1) & 1) } else { tap };
        // SAFETY: the caller's promise.
        unsafe { *self.taps.add((stored >> 1) * self.step + (stored & 1)) = value };
        self.next = tap + 1;
    }

    /// Stores taps that have the same value.
    ///
    /// # Safety
    /// There are as many taps left.
    unsafe fn fill(&mut self, value: i8, count: i32) {
        for _ in 0..count {
            // SAFETY: the caller's promise.
            unsafe { self.put(value.into()) };
        }
    }

    /// Stores adjacent values.
    ///
    /// # Safety
    /// There are as many taps left, and values at `from`.
    #[inline(always)]
    unsafe fn copy(&mut self, mut from: *const i8, count: i32) {
        let mut count = count as usize;
        // Four at a time, from a multiple of four on.
        while count >= 4 && self.next & 3 == 0 {
            let to = self.taps.wrapping_add((self.next >> 1) * self.step);
            // SAFETY: the caller's promise.
            count -= 4 * unsafe { self.fours(&mut from, to, count >> 2) };
        }
        for i in 0..count {
            // SAFETY: the caller's promise.
            unsafe { self.put((*from.add(i)).into()) };
        }
    }

    /// Stores so many times four adjacent values; returns that number.
    ///
    /// # Safety
    /// As for [`Lane::copy`]; the next tap is a multiple of four, whose place is `to`.
    #[inline(never)]
    unsafe fn fours(&mut self, from: &mut *const i8, mut to: *mut i16, count: usize) -> usize {
        let mut source = *from;
        let (second, third) = if self.swizzled { (self.step, 1) } else { (1, self.step) };
        for _ in 0..count {
            // SAFETY: the caller's promise.
            unsafe {
                *to = i16::from(*source);
                *to.add(second) = i16::from(*source.add(1));
                *to.add(third) = i16::from(*source.add(2));
                *to.add(self.step + 1) = i16::from(*source.add(3));
            }
            source = source.wrapping_add(4);
            to = to.wrapping_add(2 * self.step);
        }
        *from = source;
        self.next += 4 * count;
        count
    }

    /// Stores adjacent values of 16 bits.
    ///
    /// # Safety
    /// As for [`Lane::copy`]; taps are in their order.
    unsafe fn copy_words(&mut self, mut from: *const i16, count: i32) {
        let mut left = count as usize;
        if left > 0 && self.next & 1 != 0 {
            // SAFETY: the caller's promise.
            unsafe { self.put(*from) };
            (from, left) = (from.wrapping_add(1), left - 1);
        }
        let to = self.taps.wrapping_add((self.next >> 1) * self.step);
        let pairs = left >> 1;
        // SAFETY: the caller's promise.
        unsafe {
            if self.step == 2 * LANES {
                copy_pairs::<LANES>(from.cast(), to.cast(), pairs);
            } else {
                copy_pairs::<1>(from.cast(), to.cast(), pairs);
            }
        }
        self.next += 2 * pairs;
        if left & 1 != 0 {
            // SAFETY: the caller's promise.
            unsafe { self.put(*from.add(left - 1)) };
        }
    }
}

/// Copies pairs of values to places that are `STEP` pairs apart.
///
/// # Safety
/// They are there.
#[inline(never)]
unsafe fn copy_pairs<const STEP: usize>(
    mut from: *const [i16; 2],
    mut to: *mut [i16; 2],
    mut count: usize,
) {
    // Written out, as firmware is built for size.
    while count >= 4 {
        // SAFETY: the caller's promise.
        unsafe {
            *to = *from;
            *to.add(STEP) = *from.add(1);
            *to.add(2 * STEP) = *from.add(2);
            *to.add(3 * STEP) = *from.add(3);
        }
        (from, to, count) = (from.wrapping_add(4), to.wrapping_add(4 * STEP), count - 4);
    }
    while count > 0 {
        // SAFETY: the caller's promise.
        unsafe { *to = *from };
        (from, to, count) = (from.wrapping_add(1), to.wrapping_add(STEP), count - 1);
    }
}

/// An activation: of 8 bits, or of 16.
pub(in crate::kernels) trait Activation: Copy {
    /// Stores adjacent ones as taps of a lane.
    ///
    /// # Safety
    /// There are as many taps left, and values at `from`; of 16 bits they are in their order.
    unsafe fn copy(lane: &mut Lane, from: *const Self, count: i32);
}

impl Activation for i8 {
    #[inline(always)]
    unsafe fn copy(lane: &mut Lane, from: *const i8, count: i32) {
        // SAFETY: the caller's promise.
        unsafe { lane.copy(from, count) };
    }
}

impl Activation for i16 {
    #[inline(always)]
    unsafe fn copy(lane: &mut Lane, from: *const i16, count: i32) {
        // SAFETY: the caller's promise.
        unsafe { lane.copy_words(from, count) };
    }
}

/// Widens the taps of a pixel of a group into its lane of scratch.
///
/// # Safety
/// Convolution, pixel and group are those of accepted parameters, and there is such a lane.
#[inline(always)]
pub(in crate::kernels) unsafe fn gather_pixel<T: Activation>(
    conv: &Conv,
    group: &Group,
    pixel: &Pixel,
    lane: usize,
) {
    let [h, w] = &conv.axes;
    let taps = conv.scratch.wrapping_add(2 * lane);
    let step = 2 * conv.lanes;
    let mut lane = Lane { taps, step, swizzled: conv.swizzled, next: 0 };
    for row in 0..h.kernel {
        let y = pixel.y + row * h.dilation;
        let mut x = pixel.x;
        let mut positions = w.kernel;
        while positions > 0 {
            let mut span = w.span(x, conv.run);
            if !h.has(y) {
                span = w.span(w.input, conv.run);
            }
            let offset = y
                .wrapping_mul(h.input_step)
                .wrapping_add((x + span.before).wrapping_mul(w.input_step));
            let from = pixel.image.wrapping_offset(offset as isize).wrapping_add(group.input);
            // SAFETY: the run's taps; those that are read lie inside the image.
            unsafe {
                lane.fill(conv.zero, span.before * conv.in_c);
                T::copy(&mut lane, from.cast(), span.inside * conv.in_c);
                lane.fill(conv.zero, span.behind * conv.in_c);
            }
            x += w.dilation;
            positions -= conv.run;
        }
    }
    if conv.odd {
        // SAFETY: the tap that makes their number even. Its weights are zero.
        unsafe { lane.put(0) };
    }
}
