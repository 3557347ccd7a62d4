//! Microkernels for every target.
#![allow(dead_code, reason = "targets with assembly do not need all of it")]

use microhlo_format::kernels::{Requant, Rounding};

#[cfg(not(cortex_m_mla))]
use super::Axis;
#[cfg(cortex_m_mla)]
use super::mla::{line_outputs, sums_1x8, sums_4x2};
#[cfg(cortex_m_muls)]
use super::muls::{sums_1x8, sums_4x2};
#[cfg(not(any(cortex_m_mla, cortex_m_muls)))]
use super::tiles::{sums_1x8, sums_4x2};
use super::{Block, CHANNELS, Conv, Depthwise, Group, LANES, Results, gather_pixel, tiles};

/// Whether there are registers for sixteen sums.
const WIDE: bool = !cfg!(target_arch = "arm");

/// What all channels have in common, if the results are rounded the usual way.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Common {
    offset: i32,
    /// What the shift exceeds 32 by.
    shift: u32,
    min: i32,
    max: i32,
}

impl Common {
    /// That of a requantisation with one shift and ties up.
    pub fn of(requant: &Requant) -> Option<Common> {
        if requant.rounding != Rounding::Up {
            return None;
        }
        let shift = u32::from(requant.shift);
        let (offset, shift) = (requant.offset(shift), shift & 31);
        let (min, max) = (i32::from(requant.min), i32::from(requant.max));
        Some(Common { offset, shift, min, max })
    }

    /// The result of a sum.
    #[inline(always)]
    pub fn apply(&self, acc: i32, multiplier: i32) -> u8 {
        self.steps(acc, multiplier).max(self.min).min(self.max) as u8
    }

    /// The same before it is limited.
    #[inline(always)]
    pub fn steps(&self, acc: i32, multiplier: i32) -> i32 {
        upper(acc, multiplier).wrapping_add(self.offset).wrapping_shr(self.shift)
    }
}

/// The upper word of a product.
#[inline(always)]
fn upper(a: i32, b: i32) -> i32 {
    if cfg!(cortex_m_muls) {
        upper_by_halves(a, b)
    } else {
        ((i64::from(a) * i64::from(b)) >> 32) as i32
    }
}

/// The same by products of halves, for cores without longer ones. (H. S. Warren, Hacker's Delight, "Multiply
/// high signed".)
#[inline(always)]
fn upper_by_halves(a: i32, b: i32) -> i32 {
    let ([a, b], low) = ([a >> 16, b >> 16], [a & 0xffff, b & 0xffff]);
    let carry = (low[0] as u32).wrapping_mul(low[1] as u32) >> 16;
    // Neither of both exceeds 32 bits.
    let first = a.wrapping_mul(low[1]).wrapping_add(carry as i32);
    let second = low[0].wrapping_mul(b).wrapping_add(first & 0xffff);
    a.wrapping_mul(b).wrapping_add(first >> 16).wrapping_add(second >> 16)
}

impl Results {
    /// What all channels have in common: one shift, and ties up.
    pub(in crate::kernels) fn common(&self) -> Option<Common> {
        Common::of(self.requant.as_ref().filter(|_| self.shifts.is_null())?)
    }

    /// Stores the sums of `N` adjacent channels of some pixels, as far as these exist.
    ///
    /// # Safety
    /// `first` is a channel, `output` the place of its result for the first pixel, and results of
    /// pixels are `step` bytes apart.
    pub(super) unsafe fn store_all<const N: usize>(
        &self,
        common: &Option<Common>,
        [first, channels]: [usize; 2],
        acc: &[[i32; N]],
        mut output: *mut u8,
        step: usize,
    ) {
        for (c, channel) in (0..N).zip(first..channels) {
            let mut place = output;
            // SAFETY: the caller's promise.
            let [_, multiplier] = unsafe { *self.channels.add(channel) };
            for acc in acc {
                // SAFETY: the caller's promise.
                unsafe {
                    match common {
                        Some(common) => *place = common.apply(acc[c], multiplier),
                        None => self.store(channel, acc[c], place),
                    }
                }
                place = place.wrapping_add(step);
            }
            output = output.wrapping_add(self.bytes());
        }
    }
}

/// Computes channels from `first` on for up to four pixels, `count`, whose taps are in scratch and
/// whose results lie from `output` on; returns how many.
///
/// # Safety
/// Convolution, group and pixels are those of accepted parameters; there is such a block.
unsafe fn block_of_four(
    conv: &Conv,
    group: &Group,
    common: &Option<Common>,
    [first, count]: [usize; 2],
    mut output: *mut u8,
) -> usize {
    let (results, step) = (&group.results, conv.output_step);
    let size = conv.pairs * 4;
    let weights = group.weights.wrapping_add(first / 2 * size);
    let channels = [first, conv.out_c];
    output = output.wrapping_add(group.output + first * results.bytes());
    // SAFETY: records are there for an even number of channels, and their blocks.
    unsafe {
        let bias = |c: usize| results.bias(first + c);
        if WIDE && first + 2 < conv.out_c {
            let mut acc = [[0; 4]; LANES];
            let weights = [weights, weights.wrapping_add(size)];
            let bias = [bias(0), bias(1), bias(2), bias(3)];
            tiles::sums_4x4(conv.scratch, weights, conv.pairs, bias, &mut acc);
            let acc = acc.get(..count).unwrap_or(&acc);
            results.store_all(common, channels, acc, output, step);
            return 4;
        }
        let mut acc = [[0; 2]; LANES];
        sums_4x2(conv.scratch, weights, conv.pairs, [bias(0), bias(1)], &mut acc);
        let acc = acc.get(..count).unwrap_or(&acc);
        results.store_all(common, channels, acc, output, step);
    }
    2
}

/// Computes eight channels from `first` on for one pixel, as [`block_of_four`].
///
/// # Safety
/// As for [`block_of_four`]; there is such a block.
unsafe fn block_of_one(
    conv: &Conv,
    group: &Group,
    common: &Option<Common>,
    output: *mut u8,
    first: usize,
) {
    let results = &group.results;
    let weights = group.weights.wrapping_add(first * conv.pairs * 2);
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = core::array::from_fn(|c| results.bias(first + c));
        sums_1x8(conv.scratch, weights, conv.pairs, &mut acc);
        let output = output.wrapping_add(group.output + first * results.bytes());
        results.store_all(common, [first, conv.out_c], &[acc], output, 0);
    }
}

/// Computes two channels from `first` on for one pixel, whose pairs of taps are so many values apart, as
/// [`block_of_four`].
///
/// # Safety
/// As for [`block_of_four`]; there is such a block.
#[inline(always)]
pub(super) unsafe fn products_1x2(
    conv: &Conv,
    group: &Group,
    (taps, step): (*const i16, usize),
    output: *mut u8,
    first: usize,
) {
    let results = &group.results;
    // SAFETY: the caller's promise.
    let acc = unsafe { sums_1x2(conv, group, (taps, step), first) };
    let output = output.wrapping_add(group.output + first * results.bytes());
    // SAFETY: the caller's promise.
    unsafe { results.store_all(&None, [first, conv.out_c], &[acc], output, 0) };
}

/// The sums of two channels from `first` on for one pixel, as [`products_1x2`].
///
/// # Safety
/// As for [`products_1x2`].
#[inline(always)]
pub(in crate::kernels) unsafe fn sums_1x2(
    conv: &Conv,
    group: &Group,
    (mut taps, step): (*const i16, usize),
    first: usize,
) -> [i32; 2] {
    let mut weights = group.weights.wrapping_add(first * conv.pairs * 2);
    // SAFETY: records are there for an even number of channels.
    let mut acc = unsafe { [group.results.bias(first), group.results.bias(first + 1)] };
    for _ in 0..conv.pairs {
        for (c, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let (x, y, w, v) =
                unsafe { (*taps, *taps.add(1), *weights.add(c), *weights.add(c + 2)) };
            let sum = i32::from(x) * i32::from(w) + i32::from(y) * i32::from(v);
            *acc = acc.wrapping_add(sum);
        }
        taps = taps.wrapping_add(step);
        weights = weights.wrapping_add(4);
    }
    acc
}

/// The sums of blocks of channels from `first` on: of two channels by pixels, or of eight if there is one
/// pixel.
///
/// # Safety
/// Convolution and group are those of accepted parameters, the taps of pixels are in scratch, and there are
/// so many whole blocks.
#[cfg(not(cortex_m_dsp))]
pub(in crate::kernels) unsafe fn block_sums(
    conv: &Conv,
    group: &Group,
    mut first: usize,
    sums: &mut [[i32; 8]],
) {
    let size = conv.pairs * 4;
    let mut left = sums;
    while let [sums, rest @ ..] = left {
        let weights = group.weights.wrapping_add(first * conv.pairs * 2);
        // SAFETY: the caller's promise.
        unsafe {
            let bias = |c: usize| group.results.bias(first + c);
            if conv.lanes != LANES {
                *sums = core::array::from_fn(bias);
                sums_1x8(conv.scratch, weights, conv.pairs, sums);
                (left, first) = (rest, first + 8);
                continue;
            }
            if WIDE && let [second, rest @ ..] = rest {
                let mut acc = [[0; 4]; LANES];
                let bias = [bias(0), bias(1), bias(2), bias(3)];
                let weights = [weights, weights.wrapping_add(size)];
                tiles::sums_4x4(conv.scratch, weights, conv.pairs, bias, &mut acc);
                let [p, q, r, s] = acc;
                *sums = [p[0], p[1], q[0], q[1], r[0], r[1], s[0], s[1]];
                *second = [p[2], p[3], q[2], q[3], r[2], r[3], s[2], s[3]];
                (left, first) = (rest, first + 4);
                continue;
            }
            let mut acc = [[0; 2]; LANES];
            sums_4x2(conv.scratch, weights, conv.pairs, [bias(0), bias(1)], &mut acc);
            let [p, q, r, s] = acc;
            *sums = [p[0], p[1], q[0], q[1], r[0], r[1], s[0], s[1]];
            (left, first) = (rest, first + 2);
        }
    }
}

/// Computes the channels of a group, several pixels at a time.
///
/// # Safety
/// Convolution and group are those of accepted parameters.
pub(in crate::kernels) unsafe fn pixels<const PARTS: u32>(conv: &Conv, group: &Group) {
    let lanes = conv.lanes as u32;
    if conv.pixels < lanes {
        // SAFETY: the caller's promise.
        return unsafe { few_pixels(conv, group) };
    }
    let common = group.results.common();
    let mut done = 0;
    while done < conv.pixels {
        let mut next = conv.pixel(done);
        let output = next.output;
        // Where less than four are left, lanes behind the last one keep what they have.
        let count = (conv.pixels - done).min(lanes) as usize;
        // SAFETY: pixels of the accepted parameters.
        unsafe {
            for lane in 0..count {
                gather_pixel::<i8>(conv, group, &conv.next(&mut next), lane);
            }
            products(conv, group, &common, output, count);
        }
        done += lanes;
    }
}

/// Computes less than four pixels whose weights are stored as those of four: one by one, as soon as
/// the taps of all have been gathered, which their results may lie on.
///
/// # Safety
/// As for [`pixels`].
#[inline(never)]
unsafe fn few_pixels(conv: &Conv, group: &Group) {
    let mut next = conv.pixel(0);
    let (mut taps, mut output) = (conv.scratch.cast_const(), next.output);
    for lane in 0..conv.pixels as usize {
        // SAFETY: a pixel of the accepted parameters; scratch has room for the taps of four.
        unsafe { gather_pixel::<i8>(conv, group, &conv.next(&mut next), lane) };
    }
    for _ in 0..conv.pixels {
        for first in (0..conv.out_c).step_by(2) {
            // SAFETY: a block of two channels of a pixel.
            unsafe { products_1x2(conv, group, (taps, 2 * LANES), output, first) };
        }
        taps = taps.wrapping_add(2);
        output = output.wrapping_add(conv.output_step);
    }
}

/// Computes all channels of a group for `count` pixels whose taps are in scratch.
///
/// # Safety
/// As for [`pixels`].
unsafe fn products(
    conv: &Conv,
    group: &Group,
    common: &Option<Common>,
    output: *mut u8,
    count: usize,
) {
    let mut first = 0;
    while first < conv.out_c {
        // SAFETY: the caller's promise; blocks are as parameters say.
        unsafe {
            if conv.lanes == LANES {
                first += block_of_four(conv, group, common, [first, count], output);
            } else if conv.out_c - first >= 8 {
                block_of_one(conv, group, common, output, first);
                first += 8;
            } else {
                products_1x2(conv, group, (conv.scratch, 2), output, first);
                first += 2;
            }
        }
    }
}

/// Widens a line of a block's channels into a slot.
///
/// # Safety
/// Convolution and block are those of accepted parameters, and `slot` is one of its slots.
pub(super) unsafe fn load_line(conv: &Depthwise, block: &Block, line: i32, slot: *mut i16) {
    let (along, count) = (&conv.along, conv.values());
    let span = match conv.across.has(line) {
        true => along.span(-along.pad, count),
        false => along.span(along.input, count),
    };
    let (begin, end) = (span.before as usize, (span.before + span.inside) as usize);
    let at = line.wrapping_mul(conv.across.input_step);
    let start = at.wrapping_add((span.before - along.pad).wrapping_mul(along.input_step));
    if block.lanes == CHANNELS {
        let from = block.input.wrapping_offset(start as isize);
        let step = along.input_step as usize;
        // SAFETY: lines of four channels have room for `count` values; the coordinates between lie
        // inside the input.
        unsafe {
            fill_columns(slot, conv.line, conv.zero, 0..begin);
            widen_columns(slot.wrapping_add(begin), conv.line, from, step, end - begin);
            fill_columns(slot, conv.line, conv.zero, end..count as usize);
        }
        return;
    }
    for channel in 0..block.lanes {
        let to = slot.wrapping_add(channel * conv.line);
        let mut from = block.input.wrapping_offset(start as isize).wrapping_add(channel);
        for i in 0..count as usize {
            let value = if i >= begin && i < end {
                // SAFETY: this coordinate lies inside the input.
                let value = unsafe { *from };
                from = from.wrapping_offset(along.input_step as isize);
                value
            } else {
                conv.zero
            };
            // SAFETY: a line has room for `count` values.
            unsafe { *to.add(i) = i16::from(value) };
        }
    }
}

/// Fills coordinates of lines of four channels, which are `line` values long.
///
/// # Safety
/// These are there.
unsafe fn fill_columns(to: *mut i16, line: usize, zero: i8, at: core::ops::Range<usize>) {
    for i in at {
        for channel in 0..CHANNELS {
            // SAFETY: the caller's promise.
            unsafe { *to.add(channel * line + i) = i16::from(zero) };
        }
    }
}

/// Widens `count` coordinates of four channels, which are `step` bytes apart, to their lines.
///
/// # Safety
/// These are there.
#[inline(never)]
unsafe fn widen_columns(
    mut to: *mut i16,
    line: usize,
    mut from: *const i8,
    step: usize,
    count: usize,
) {
    let (second, third) = (line, 2 * line);
    let fourth = second + third;
    for _ in 0..count {
        // SAFETY: the caller's promise.
        unsafe {
            *to = i16::from(*from);
            *to.add(second) = i16::from(*from.add(1));
            *to.add(third) = i16::from(*from.add(2));
            *to.add(fourth) = i16::from(*from.add(3));
        }
        to = to.wrapping_add(1);
        from = from.wrapping_add(step);
    }
}

/// Computes the outputs of a line for all channels of a block, whose lines are in their slots.
///
/// # Safety
/// Convolution and block are those of accepted parameters, `first` is the line of the first tap
/// and `output` the first channel's first result.
#[cfg(not(cortex_m_mla))]
unsafe fn line_outputs(conv: &Depthwise, block: &Block, first: i32, output: *mut u8) {
    let (across, along): (&Axis, &Axis) = (&conv.across, &conv.along);
    let step = along.output_step as usize * block.results.bytes();
    // Where there is assembly it computes these.
    let three = !cfg!(cortex_m_dsp) && (across.kernel, along.kernel, along.dilation) == (3, 3, 1);
    if three && along.stride <= 2 {
        // SAFETY: the caller's promise.
        unsafe {
            match along.stride {
                1 => outputs_3x3::<1>(conv, block, first, output),
                _ => outputs_3x3::<2>(conv, block, first, output),
            }
        }
        return;
    }
    let common = block.results.common();
    for channel in 0..block.lanes.min(CHANNELS) {
        let result = channel * conv.multiplier;
        let rows = conv.rows().wrapping_add(channel * across.kernel as usize * conv.row);
        let mut output = output.wrapping_add(result * block.results.bytes());
        let results = block.results.skip(result);
        let mut from = conv.slot(first, 0).cast_const().wrapping_add(channel * conv.line);
        for _ in 0..along.output {
            // SAFETY: the channel's taps of an output, and its result.
            unsafe {
                let acc = sum_of_lines(conv, results.bias(0), from, rows);
                match &common {
                    Some(common) => *output = common.apply(acc, (*results.channels)[1]),
                    None => results.store(0, acc, output),
                }
            }
            from = from.wrapping_add(along.stride as usize);
            output = output.wrapping_add(step);
        }
    }
}

/// A bias plus the products of a channel's taps, the first of which is at `from`, with rows of weights.
///
/// # Safety
/// The lines are those of an accepted convolution.
#[cfg(not(cortex_m_mla))]
#[inline(never)]
unsafe fn sum_of_lines(
    conv: &Depthwise,
    mut acc: i32,
    mut from: *const i16,
    mut row: *const i16,
) -> i32 {
    let (lines, line) = (conv.across.kernel as usize, CHANNELS * conv.line);
    let (taps, apart) = (conv.along.kernel as usize, conv.along.dilation as usize);
    let end = conv.lines.wrapping_add(lines * line).cast_const();
    for _ in 0..lines {
        let (mut x, mut w) = (from, row);
        for _ in 0..taps {
            // SAFETY: a tap of this output, and its weight.
            acc = acc.wrapping_add(unsafe { i32::from(*x) * i32::from(*w) });
            (x, w) = (x.wrapping_add(apart), w.wrapping_add(1));
        }
        row = row.wrapping_add(conv.row);
        // Behind the last line comes the first one again.
        from = from.wrapping_add(line);
        if from >= end {
            from = from.wrapping_sub(lines * line);
        }
    }
    acc
}

/// As [`line_outputs`], of a kernel of three lines of three adjacent taps.
///
/// # Safety
/// As for [`line_outputs`].
pub(super) unsafe fn outputs_3x3<const STRIDE: usize>(
    conv: &Depthwise,
    block: &Block,
    first: i32,
    output: *mut u8,
) {
    let dilation = conv.across.dilation;
    let step = conv.along.output_step as usize * block.results.bytes();
    let slots = [0, 1, 2].map(|tap| conv.slot(first + tap * dilation, tap));
    for channel in 0..block.lanes {
        let at = channel * conv.line;
        let mut lines = slots.map(|slot| slot.wrapping_add(at).cast_const());
        let result = channel * conv.multiplier;
        let mut output = output.wrapping_add(result * block.results.bytes());
        // SAFETY: three rows of four weights, the last one filled up; the channel exists.
        let (w, bias): ([i32; 9], i32) = unsafe {
            let rows = conv.rows().wrapping_add(12 * channel);
            let weight = |i: usize| i32::from(*rows.add(i / 3 * 4 + i % 3));
            (core::array::from_fn(weight), block.results.bias(result))
        };
        let mut left = conv.along.output;
        while left > 0 {
            // SAFETY: lines have room for an even number of outputs; those stored exist.
            unsafe {
                let [a, b] = tiles::pair_3x3::<STRIDE>(lines, &w, bias);
                block.results.store(result, a, output);
                if left > 1 {
                    block.results.store(result, b, output.wrapping_add(step));
                }
            }
            output = output.wrapping_add(2 * step);
            lines = lines.map(|line| line.wrapping_add(2 * STRIDE));
            left -= 2;
        }
    }
}

/// Computes a block of channels, line by line.
///
/// # Safety
/// Convolution and block are those of accepted parameters.
pub(super) unsafe fn channels(conv: &Depthwise, block: &Block) {
    // SAFETY: the caller's promise.
    unsafe {
        widen_weights(conv, block);
        sweep(
            conv,
            block,
            &mut |line, slot| load_line(conv, block, line, slot),
            &mut |first, output| line_outputs(conv, block, first, output),
        );
    }
}

/// Computes the channels of an image by lines.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
#[inline(never)]
pub(super) unsafe fn image(conv: &Depthwise, image: u32) {
    for first in (0..conv.channels).step_by(CHANNELS) {
        for index in 0..conv.multiplier {
            // SAFETY: the caller's promise.
            unsafe { channels(conv, &conv.block(image, first, index)) };
        }
    }
}

/// Goes over the lines of a block: has each line of the input loaded into a slot, then those
/// outputs computed that read it. These are given the line of their first tap.
///
/// # Safety
/// The convolution is that of accepted parameters.
#[inline(always)]
pub(super) unsafe fn sweep(
    conv: &Depthwise,
    block: &Block,
    load: &mut impl FnMut(i32, *mut i16),
    outputs: &mut impl FnMut(i32, *mut u8),
) {
    let across = &conv.across;
    let mut output = block.output;
    // The end of the lines that are in their slots.
    let mut loaded = across.origin(0);
    for o in 0..across.output {
        let first = across.origin(o);
        for tap in 0..across.kernel {
            let line = first + tap * across.dilation;
            if across.dilation != 1 || line >= loaded {
                load(line, conv.slot(line, tap));
            }
        }
        loaded = first + across.kernel;
        outputs(first, output);
        output = output.wrapping_add(across.output_step as usize * conv.results.bytes());
    }
}

/// Widens the weights of a block's channels, by lines, and fills the lines up.
///
/// # Safety
/// Convolution and block are those of accepted parameters.
pub(super) unsafe fn widen_weights(conv: &Depthwise, block: &Block) {
    let (across, along) = (&conv.across, &conv.along);
    let (mut to, mut taps) = (conv.rows(), block.weights);
    let next = conv.multiplier * conv.taps();
    for _ in 0..block.lanes {
        for tap in 0..across.kernel as usize {
            let line = taps.wrapping_add(tap * across.weights_step as usize);
            for i in 0..conv.row {
                let weight = line.wrapping_add(i * along.weights_step as usize);
                // SAFETY: a weight of the channel, and its place in scratch.
                unsafe {
                    *to = if i < along.kernel as usize { i16::from(*weight) } else { 0 };
                }
                to = to.wrapping_add(1);
            }
        }
        taps = taps.wrapping_add(next);
    }
}

/// Nothing: results have been clamped one by one.
///
/// # Safety
/// Always safe; other targets' is not.
pub(in crate::kernels) unsafe fn complete_conv<const PARTS: u32>(_: &Conv) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_words_by_halves_are_those_of_long_products() {
        let ends =
            [0, 1, -1, 0x7fff, 0x8000, 0xffff, 0x1_0000, -0x8000, -0x1_0000, i32::MAX, i32::MIN];
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            (state ^ state >> 13) as i32
        };
        let pairs = (0..100_000).map(|_| (random(), random()));
        for (a, b) in ends.iter().flat_map(|&a| ends.map(|b| (a, b))).chain(pairs) {
            let wanted = ((i64::from(a) * i64::from(b)) >> 32) as i32;
            assert_eq!(upper_by_halves(a, b), wanted, "{a} * {b}");
        }
    }
}
