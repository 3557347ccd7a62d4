//! Convolutions of several channels, of activations of 8 bits and of 16.

use core::marker::PhantomData;
use core::ptr::{null, null_mut};

use microhlo_format::kernels::Rounding;

use super::super::{Axis, Conv, Group, LANES, Pixel, Results};
use super::Finish;
use super::rows::Rows;
use super::tile::Tiles;
use super::width::{Width, fill, move_activations};
use crate::kernels::move_::forward;

/// Channels of a tile.
pub(super) const CHANNELS: usize = 4;

/// Channels of one pixel that are computed together.
const ROWS: usize = 16;

/// Where a segment of four pixels begins, of each.
pub(super) type Segment = [*const i8; LANES];

/// Where the taps of pixels are read.
#[derive(Clone, Copy, PartialEq)]
enum Taps {
    /// A pixel of the input is all there is to see.
    Pixels,
    /// Runs of the input; those that cross its border are copied.
    Runs,
    /// Copies, one behind the other.
    Copies,
    /// The same of pixels that lie one behind the other, so that four are copied at once.
    Blocks,
}

/// A group of a convolution, with what its pixels have in common.
pub(super) struct Plan<'a, T> {
    conv: &'a Conv,
    group: &'a Group,
    /// The least and the greatest result of 16 bits.
    limits: [i32; 2],
    taps: Taps,
    /// Whether results lie on taps that are read later.
    over: bool,
    /// Taps of a run.
    run: usize,
    /// Taps of a pixel, filled up to pairs.
    size: usize,
    activation: PhantomData<T>,
}

impl<T: Width> Plan<'_, T> {
    /// A call of its own, which takes no stack while pixels are computed.
    #[inline(never)]
    fn new<'a>(conv: &'a Conv, group: &'a Group, limits: [i32; 2]) -> Plan<'a, T> {
        let [h, w] = &conv.axes;
        let plain = |axis: &Axis| {
            (axis.kernel, axis.stride, axis.pad) == (1, 1, 0) && axis.input == axis.output
        };
        let run = (conv.run * conv.in_c) as usize;
        let size = conv.pairs * 2;
        let runs = (h.kernel * w.kernel / conv.run.max(1)) as usize;
        let tiles = conv.out_c.div_ceil(CHANNELS);
        let plain = plain(h) && plain(w) && h.output == 1;
        let overlaps = conv.overlaps();
        let adjacent = overlaps && plain && conv.groups == 1 && !conv.odd;
        // Results on taps would be read by channels that come later.
        let over = overlaps && !(adjacent && conv.is_behind());
        let taps = if over {
            if adjacent { Taps::Blocks } else { Taps::Copies }
        } else if plain {
            Taps::Pixels
        } else if T::has_room(runs, size) && segments_pay(runs, run * T::BYTES, tiles) {
            Taps::Runs
        } else {
            Taps::Copies
        };
        Plan { conv, group, limits, taps, over, run, size, activation: PhantomData }
    }

    /// Bytes of a result.
    fn result(&self) -> usize {
        if self.group.results.requant.is_some() { T::BYTES } else { size_of::<i32>() }
    }

    /// Whether a pixel's taps may be read where they lie if nothing is between them: their order is that of the
    /// weights, and their number even.
    fn in_order(&self) -> bool {
        if T::BYTES == 1 { self.conv.swizzled } else { !self.conv.odd }
    }

    /// Where the copies of a pixel's taps go.
    pub(super) fn copies(&self, lane: usize) -> *mut i8 {
        self.conv.scratch.cast::<i8>().wrapping_add(lane * self.size * T::BYTES)
    }

    /// Finds the runs of a pixel: `found` gets each with its number. Those that `keep` does not
    /// leave where they are, and those that cross the border of the input, are copied to `copies`.
    ///
    /// # Safety
    /// The pixel is one of the accepted convolution, and there is room for its taps.
    unsafe fn runs(
        &self,
        pixel: &Pixel,
        keep: bool,
        copies: *mut i8,
        found: &mut impl FnMut(usize, *const i8),
    ) {
        let (conv, [h, w]) = (self.conv, &self.conv.axes);
        let (mut number, mut copy) = (0, copies);
        let mut y = pixel.y;
        for _ in 0..h.kernel {
            let row = y.wrapping_mul(h.input_step);
            let mut x = pixel.x;
            let mut positions = w.kernel;
            while positions > 0 {
                let inside = h.has(y) && x >= 0 && x + conv.run <= w.input;
                let at = row.wrapping_add(x.wrapping_mul(w.input_step)) as isize;
                let from = pixel.image.wrapping_offset(at).wrapping_add(self.group.input);
                if keep && inside {
                    found(number, from);
                } else {
                    // SAFETY: room for a run; taps inside the input are readable.
                    unsafe {
                        if inside {
                            move_activations::<T>(from, copy, self.run);
                        } else {
                            self.copy_part(y, x, from, copy);
                        }
                    }
                    found(number, copy);
                }
                number += 1;
                copy = copy.wrapping_add(self.run * T::BYTES);
                x += w.dilation;
                positions -= conv.run;
            }
            y += h.dilation;
        }
    }

    /// Copies a run that crosses the border of the input.
    ///
    /// # Safety
    /// There is room for it, and its first tap is at `from` if it exists.
    #[inline(never)]
    unsafe fn copy_part(&self, y: i32, x: i32, from: *const i8, to: *mut i8) {
        let (conv, [h, w]) = (self.conv, &self.conv.axes);
        let span = w.span(if h.has(y) { x } else { w.input }, conv.run);
        let in_c = conv.in_c as usize;
        let [before, inside] = [span.before, span.inside].map(|n| n as usize * in_c);
        let behind = self.run - before - inside;
        let middle = to.wrapping_add(before * T::BYTES);
        // SAFETY: the caller's promise.
        unsafe {
            fill::<T>(to, conv.zero, before);
            move_activations::<T>(from.wrapping_add(before * T::BYTES), middle, inside);
            fill::<T>(middle.wrapping_add(inside * T::BYTES), conv.zero, behind);
        }
    }

    /// Copies all taps of a pixel, in their order, an even number.
    ///
    /// # Safety
    /// As for [`Plan::runs`].
    unsafe fn copy(&self, pixel: &Pixel, copies: *mut i8) {
        // SAFETY: the caller's promise.
        unsafe {
            self.runs(pixel, false, copies, &mut |_, _| ());
            if self.conv.odd {
                // Its weights are zero.
                *copies.cast::<T>().add(self.size - 1) = T::from(0);
            }
        }
    }
}

/// Whether it is cheaper to find runs than to copy them, for tiles that read each run: in
/// instructions, for four pixels.
fn segments_pay(runs: usize, run: usize, tiles: usize) -> bool {
    // Beginning a segment takes 18 instructions, copying a run about 16 and three for two bytes.
    runs <= 1 || tiles * 18 < LANES * (16 + run + run / 2)
}

/// How sums become results, and whether that takes more than the assembly does: they are the
/// results, or ties do not go up.
fn finish<T: Width>(results: &Results, limits: [i32; 2]) -> (Finish, bool) {
    match &results.requant {
        Some(requant) => (T::finish(requant, limits), requant.rounding != Rounding::Up),
        None => (Finish::default(), true),
    }
}

/// Computes the channels of a group.
///
/// # Safety
/// Convolution and group are those of accepted parameters.
pub(in crate::kernels) unsafe fn pixels<const PARTS: u32>(conv: &Conv, group: &Group) {
    // SAFETY: the caller's promise.
    unsafe { pixels_of::<i8>(conv, group, [0; 2]) };
}

/// The same of activations of 16 bits, with the least and the greatest result.
///
/// # Safety
/// As for [`pixels`].
pub(in crate::kernels) unsafe fn wide_pixels(conv: &Conv, group: &Group, limits: [i32; 2]) {
    // SAFETY: the caller's promise.
    unsafe { pixels_of::<i16>(conv, group, limits) };
}

/// The same of any.
///
/// # Safety
/// As for [`pixels`].
unsafe fn pixels_of<T: Width>(conv: &Conv, group: &Group, limits: [i32; 2]) {
    let plan = Plan::<T>::new(conv, group, limits);
    // Each pixel costs some four instructions for a product, four together ten.
    let left = if conv.lanes == LANES { conv.pixels % LANES as u32 } else { conv.pixels };
    // Results may lie on the taps of pixels before these, which are then not computed once more.
    let again = conv.lanes == LANES && left == 3 && conv.pixels > 3 && !plan.over;
    let alone = if again { 0 } else { left };
    // SAFETY: the caller's promise.
    unsafe {
        if conv.pixels > alone {
            T::fours(&plan, conv.pixels - alone);
        }
        if alone > 0 {
            ones(&plan, conv.pixels - alone);
        }
    }
}

/// Computes pixels one by one, from `first` on.
///
/// # Safety
/// The plan is one of an accepted convolution.
#[inline(never)]
unsafe fn ones<T: Width>(plan: &Plan<'_, T>, first: u32) {
    let (conv, group) = (plan.conv, plan.group);
    let results = &group.results;
    let (finish, sums) = finish::<T>(results, plan.limits);
    let copied = plan.taps != Taps::Pixels || !plan.in_order();
    let mut rest = Rows {
        taps: plan.copies(0),
        fours: plan.size / 4,
        pair: plan.size & 2,
        weights: group.weights,
        block: if conv.lanes == LANES { 0 } else { conv.pairs * 16 },
        records: results.channels,
        shifts: results.shifts,
        output: null_mut(),
        count: conv.out_c,
        finish,
        sums: usize::from(sums),
    };
    // Results may lie on the taps of pixels that come later, as of four pixels that are computed
    // together: these are copied before, and there is room for so many.
    let before = conv.lanes == LANES && plan.over;
    let lane = |index: u32| if before { index.wrapping_sub(first) as usize } else { 0 };
    let copy = |index: u32, pixel: &Pixel| {
        let copies = plan.copies(lane(index));
        // SAFETY: a pixel of the accepted convolution, and room for its taps.
        unsafe {
            plan.copy(pixel, copies);
            if T::BYTES == 1 && !conv.swizzled {
                swizzle(copies, plan.size / 4);
            }
        }
    };
    let mut next = conv.pixel(first);
    if before {
        for index in first..conv.pixels {
            copy(index, &conv.next(&mut next));
        }
        next = conv.pixel(first);
    }
    for index in first..conv.pixels {
        let pixel = conv.next(&mut next);
        // SAFETY: a pixel of the accepted convolution.
        unsafe {
            if copied {
                if !before {
                    copy(index, &pixel);
                }
                rest.taps = plan.copies(lane(index));
            } else {
                rest.taps = pixel.at(conv, group);
            }
            rest.output = pixel.output.wrapping_add(group.output);
            match sums {
                false => T::rows(&rest),
                true => sums_of_one(plan, &rest),
            }
        }
    }
}

/// Stores taps of each four in the order 0, 2, 1, 3.
///
/// # Safety
/// So many fours are there.
unsafe fn swizzle(mut taps: *mut i8, fours: usize) {
    for _ in 0..fours {
        // SAFETY: the caller's promise.
        unsafe { core::ptr::swap(taps.add(1), taps.add(2)) };
        taps = taps.wrapping_add(4);
    }
}

/// Computes a pixel whose results are not the usual ones.
///
/// # Safety
/// The rows are those of an accepted convolution.
#[inline(never)]
unsafe fn sums_of_one<T: Width>(plan: &Plan<'_, T>, all: &Rows) {
    let conv = plan.conv;
    let mut sums = [0i32; ROWS];
    let mut output = all.output;
    let mut first = 0;
    while first < conv.out_c {
        let count = (conv.out_c - first).min(ROWS);
        let part = Rows {
            weights: all.weights.wrapping_add(first * plan.size),
            records: all.records.wrapping_add(first),
            output: sums.as_mut_ptr().cast(),
            count,
            ..*all
        };
        // SAFETY: channels of the pixel; blocks of eight come before those of two.
        unsafe {
            T::rows(&part);
            for (c, sum) in (first..).zip(sums.iter().take(count)) {
                store(plan, c, core::slice::from_ref(sum), output, 0);
                output = output.wrapping_add(plan.result());
            }
        }
        first += count;
    }
}

/// Computes the first pixels four by four. The places of segments are kept at `table`, if there is more than one.
///
/// # Safety
/// The plan is one of an accepted convolution, there are so many pixels, at least four, and the table has room.
#[inline(never)]
pub(super) unsafe fn fours<T: Width>(plan: &Plan<'_, T>, pixels: u32, table: *mut Segment) {
    let (conv, group) = (plan.conv, plan.group);
    let mut one = [null::<i8>(); LANES];
    let mut segments: *mut Segment = &raw mut one;
    let (mut number, mut run) = (1, plan.size - usize::from(conv.odd));
    if plan.taps == Taps::Runs {
        (number, run) = (run / plan.run.max(1), plan.run);
        if number > 1 {
            segments = table;
        }
    }
    let results = &group.results;
    let (finish, sums) = finish::<T>(results, plan.limits);
    let mut all = Tiles {
        segments,
        segments_end: segments.wrapping_add(number),
        run: (run & !3) * 2,
        left: run & 3,
        order: match run {
            0..4 => 5,
            _ if conv.swizzled || T::BYTES != 1 => run / 4 % 4,
            _ => 4,
        },
        weights: group.weights,
        block: conv.pairs * 4,
        records: results.channels,
        shifts: results.shifts,
        output: null_mut(),
        step: conv.output_step,
        count: if sums { 0 } else { conv.out_c / CHANNELS },
        finish,
        special: 0,
        part: 0,
        sums: null_mut(),
        more: 0,
        pixels: 0,
        outputs: LANES * conv.output_step,
    };
    let mut next = conv.pixel(0);
    let mut done = 0;
    if plan.taps == Taps::Pixels && all.count * CHANNELS == conv.out_c {
        // All at once, and the last ones below.
        all.more = (pixels / LANES as u32) as usize - 1;
        all.pixels = LANES * conv.axes[1].input_step as usize;
    }
    while done < pixels {
        // The last pixels are computed together with some of those before them once more.
        if pixels - done < LANES as u32 {
            done = pixels - LANES as u32;
            next = conv.pixel(done);
        }
        all.output = next.output.wrapping_add(group.output);
        done += (LANES * (1 + all.more)) as u32;
        // SAFETY: pixels of the accepted convolution.
        unsafe {
            find(plan, &mut next, segments);
            if all.count > 0 {
                T::tiles(&mut all);
            }
            if all.count * CHANNELS < conv.out_c {
                others(plan, &mut all, !sums);
            }
            all.more = 0;
        }
    }
}

/// Finds the taps of four pixels.
///
/// # Safety
/// They exist, and there is room for their segments.
#[inline(always)]
unsafe fn find<T: Width>(plan: &Plan<'_, T>, next: &mut Pixel, segments: *mut Segment) {
    let (conv, [_, w]) = (plan.conv, &plan.conv.axes);
    if plan.taps == Taps::Pixels {
        let step = w.input_step as usize;
        let first = next.at(conv, plan.group);
        // SAFETY: there is one segment.
        unsafe {
            *segments = [
                first,
                first.wrapping_add(step),
                first.wrapping_add(2 * step),
                first.wrapping_add(3 * step),
            ];
        }
        conv.skip::<{ u32::MAX }>(next, LANES as i32);
        return;
    }
    // SAFETY: the caller's promise.
    if plan.taps == Taps::Runs && unsafe { find_inside(plan, next, segments) } {
        conv.skip::<{ u32::MAX }>(next, LANES as i32);
        return;
    }
    if plan.taps == Taps::Blocks {
        let first = next.at(conv, plan.group);
        // SAFETY: the caller's promise; scratch lies apart from what is read.
        unsafe {
            copy_pixels(plan.copies(0).cast(), first.cast(), LANES * plan.size * T::BYTES);
            *segments = core::array::from_fn(|lane| plan.copies(lane).cast_const());
        }
        conv.skip::<{ u32::MAX }>(next, LANES as i32);
        return;
    }
    for lane in 0..LANES {
        let pixel = conv.next(next);
        let copies = plan.copies(lane);
        // SAFETY: the caller's promise.
        unsafe {
            if plan.taps == Taps::Runs {
                plan.runs(&pixel, true, copies, &mut |number, from| {
                    (*segments.add(number))[lane] = from;
                });
            } else {
                plan.copy(&pixel, copies);
                (*segments)[lane] = copies;
            }
        }
    }
}

/// Copies the taps of adjacent pixels. A call of its own, as activations of both widths have it.
///
/// # Safety
/// `count` bytes are readable at `from`, and writable at `to`, apart from these.
#[inline(never)]
unsafe fn copy_pixels(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { forward(to, from, count) };
}

/// Finds the runs of four pixels side by side that see no border; returns whether they are such.
///
/// # Safety
/// As for [`find`].
unsafe fn find_inside<T: Width>(
    plan: &Plan<'_, T>,
    first: &Pixel,
    mut segments: *mut Segment,
) -> bool {
    let (conv, [h, w]) = (plan.conv, &plan.conv.axes);
    let reach = |axis: &Axis| (axis.kernel - 1).wrapping_mul(axis.dilation);
    let end = first.x + (LANES as i32 - 1) * w.stride + reach(w);
    if first.columns < LANES as i32
        || first.x < 0
        || end >= w.input
        || first.y < 0
        || first.y + reach(h) >= h.input
    {
        return false;
    }
    let pixel = (w.stride * w.input_step) as usize;
    let down = h.dilation.wrapping_mul(h.input_step) as usize;
    let across = w.dilation.wrapping_mul(w.input_step) as usize;
    let mut row = first.at(conv, plan.group);
    for _ in 0..h.kernel {
        let mut run = row;
        let mut positions = w.kernel;
        while positions > 0 {
            let second = run.wrapping_add(pixel);
            let third = second.wrapping_add(pixel);
            // SAFETY: the caller's promise.
            unsafe { *segments = [run, second, third, third.wrapping_add(pixel)] };
            segments = segments.wrapping_add(1);
            run = run.wrapping_add(across);
            positions -= conv.run;
        }
        row = row.wrapping_add(down);
    }
    true
}

/// Computes the channels of four pixels that whole tiles leave over, or all channels whose results
/// are not the usual ones.
///
/// # Safety
/// As for [`tiles`].
#[inline(never)]
unsafe fn others<T: Width>(plan: &Plan<'_, T>, all: &mut Tiles, usual: bool) {
    let (conv, bytes) = (plan.conv, plan.result());
    let (output, count, block) = (all.output, all.count, all.block);
    let (records, shifts, weights) = (all.records, all.shifts, all.weights);
    let mut sums = [[0i32; LANES]; CHANNELS];
    // A copy would be large: these are set again below.
    (all.count, all.special, all.more) = (1, 1, 0);
    all.sums = if usual { null_mut() } else { sums.as_mut_ptr() };
    let mut first = count * CHANNELS;
    while first < conv.out_c {
        let channels = (conv.out_c - first).min(CHANNELS);
        all.weights = weights.wrapping_add(first * plan.size);
        all.records = records.wrapping_add(first);
        all.output = output.wrapping_add(first * bytes);
        all.part = channels;
        if !shifts.is_null() {
            all.shifts = shifts.wrapping_add(first);
        }
        // Two channels twice, if there are no more: records and weights are of an even number.
        let mut own = [[0i32; 2]; CHANNELS];
        if channels <= 2 {
            // SAFETY: records are there for an even number of channels.
            unsafe { (own[0], own[1]) = (*all.records, *all.records.add(1)) };
            (all.records, all.block) = (own.as_ptr(), 0);
        }
        // SAFETY: channels of the pixels.
        unsafe {
            T::tiles(all);
            if !usual {
                for (c, sums) in sums.iter().take(channels).enumerate() {
                    let output = all.output.wrapping_add(c * bytes);
                    store(plan, first + c, sums, output, all.step);
                }
            }
        }
        first += channels;
    }
    (all.output, all.count, all.block) = (output, count, block);
    (all.records, all.shifts, all.weights) = (records, shifts, weights);
    (all.special, all.sums) = (0, null_mut());
}

/// Stores the sums of a channel, as results that lie `step` bytes apart.
///
/// # Safety
/// The channel exists, and places for its results do.
unsafe fn store<T: Width>(
    plan: &Plan<'_, T>,
    channel: usize,
    sums: &[i32],
    mut output: *mut u8,
    step: usize,
) {
    let results = &plan.group.results;
    // SAFETY: the caller's promise; places of sums are aligned.
    unsafe {
        let Some(requant) = &results.requant else {
            for &sum in sums {
                output.cast::<i32>().write(sum);
                output = output.wrapping_add(step);
            }
            return;
        };
        let ([_, multiplier], shift) = results.record(channel, requant);
        if requant.rounding == Rounding::Double {
            let offset = requant.offset(shift.into());
            for &sum in sums {
                let y = rounded_twice(sum, multiplier).wrapping_add(offset);
                let y = T::limited(requant, plan.limits, y.wrapping_shr(shift.into()));
                output.cast::<T>().write(y);
                output = output.wrapping_add(step);
            }
            return;
        }
        for &sum in sums {
            let y = T::result(requant, plan.limits, (multiplier, shift), sum);
            output.cast::<T>().write(y);
            output = output.wrapping_add(step);
        }
    }
}

/// The upper word of the product of [`Rounding::Double`], in words of 32 bits.
#[inline(always)]
fn rounded_twice(sum: i32, multiplier: i32) -> i32 {
    let high = ((i64::from(sum) * i64::from(multiplier)) >> 32) as i32;
    let low = sum.wrapping_mul(multiplier) as u32;
    // 2^30 added to the product or subtracted from it carries, or does not.
    if sum < 0 {
        high.wrapping_sub((low >> 30 == 0).into())
    } else {
        high.wrapping_add((low >> 30 == 3).into())
    }
}
