//! Microkernels for every target.
#![allow(dead_code, reason = "targets with assembly do not need all of it")]

use super::{Axis, Block, CHANNELS, Conv, Depthwise, Group, LANES, Pixel};

/// The widened taps of one pixel of several, in their order.
struct Lane {
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
    unsafe fn put(&mut self, value: i8) {
        let tap = self.next;
        let stored =
            if self.swizzled { (tap & !3) | ((tap & 1) << 1) | ((tap >> 1) & 1) } else { tap };
        // SAFETY: the caller's promise.
        unsafe { *self.taps.add((stored >> 1) * self.step + (stored & 1)) = i16::from(value) };
        self.next = tap + 1;
    }

    /// Stores taps that have the same value.
    ///
    /// # Safety
    /// There are as many taps left.
    unsafe fn fill(&mut self, value: i8, count: i32) {
        for _ in 0..count {
            // SAFETY: the caller's promise.
            unsafe { self.put(value) };
        }
    }

    /// Stores adjacent values.
    ///
    /// # Safety
    /// There are as many taps left, and values at `from`.
    unsafe fn copy(&mut self, from: *const i8, count: i32) {
        for i in 0..count as usize {
            // SAFETY: the caller's promise.
            unsafe { self.put(*from.add(i)) };
        }
    }
}

/// Widens the taps of pixels of a group into scratch.
///
/// # Safety
/// Convolution, group and as many pixels as it has lanes are those of accepted parameters.
pub(in crate::kernels) unsafe fn gather(conv: &Conv, group: &Group, pixels: &[Pixel; LANES]) {
    for (lane, pixel) in pixels.iter().take(conv.lanes).enumerate() {
        // SAFETY: the caller's promise.
        unsafe { gather_pixel(conv, group, pixel, lane) };
    }
}

/// Widens the taps of a pixel of a group into its lane of scratch.
///
/// # Safety
/// Convolution, pixel and group are those of accepted parameters, and there is such a lane.
unsafe fn gather_pixel(conv: &Conv, group: &Group, pixel: &Pixel, lane: usize) {
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
                lane.copy(from, span.inside * conv.in_c);
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

/// The sums of products of some pixels and some channels of a block.
///
/// # Safety
/// `taps` has `pairs` pairs of each pixel, `weights` those of a block of `N` channels.
#[inline(always)]
unsafe fn sums<const PIXELS: usize, const N: usize>(
    taps: *const i16,
    weights: *const i8,
    pairs: usize,
    mut acc: [[i32; N]; PIXELS],
) -> [[i32; N]; PIXELS] {
    let (mut taps, mut weights) = (taps.cast::<[[i16; 2]; PIXELS]>(), weights.cast::<[i8; 4]>());
    for _ in 0..pairs {
        // SAFETY: the caller's promise.
        let x = unsafe { taps.read() };
        for pair in 0..N / 2 {
            // SAFETY: as above.
            let w = unsafe { weights.read() }.map(i32::from);
            for (acc, x) in acc.iter_mut().zip(&x) {
                let [x0, x1] = x.map(i32::from);
                for c in 0..2 {
                    let sum = x0 * w[c] + x1 * w[c + 2];
                    acc[2 * pair + c] = acc[2 * pair + c].wrapping_add(sum);
                }
            }
            weights = weights.wrapping_add(1);
        }
        taps = taps.wrapping_add(1);
    }
    acc
}

/// Computes a block of `N` channels from `first` on for pixels whose taps are in scratch.
///
/// # Safety
/// As for [`products`].
#[inline(always)]
unsafe fn block<const PIXELS: usize, const N: usize>(
    conv: &Conv,
    group: &Group,
    pixels: &[Pixel],
    first: usize,
) {
    let results = &group.results;
    let weights = group.weights.wrapping_add(first * conv.pairs * 2);
    let mut acc = [[0; N]; PIXELS];
    for c in 0..N {
        // SAFETY: records are there for an even number of channels.
        let bias = unsafe { results.bias(first + c) };
        acc.iter_mut().for_each(|acc| acc[c] = bias);
    }
    // SAFETY: the caller's promise.
    let acc = unsafe { sums(conv.scratch, weights, conv.pairs, acc) };
    for (acc, pixel) in acc.iter().zip(pixels) {
        for (channel, &acc) in (first..conv.out_c).zip(acc) {
            let offset = group.output + channel * results.bytes();
            // SAFETY: a channel of the pixel.
            unsafe { results.store(channel, acc, pixel.output.wrapping_add(offset)) };
        }
    }
}

/// Computes all channels of a group for pixels whose taps are in scratch.
///
/// # Safety
/// Convolution, group and as many pixels as it has lanes are those of accepted parameters.
pub(in crate::kernels) unsafe fn products(conv: &Conv, group: &Group, pixels: &[Pixel; LANES]) {
    let mut first = 0;
    while first < conv.out_c {
        let left = conv.out_c - first;
        // SAFETY: the caller's promise; blocks are as parameters say.
        unsafe {
            if conv.lanes == LANES {
                block::<LANES, 2>(conv, group, pixels, first);
                first += 2;
            } else if left >= 8 {
                block::<1, 8>(conv, group, pixels, first);
                first += 8;
            } else {
                block::<1, 2>(conv, group, pixels, first);
                first += 2;
            }
        }
    }
}

/// Computes two channels from `first` on for a pixel whose taps are in scratch.
///
/// # Safety
/// As for [`products`]; there is such a block.
pub(super) unsafe fn products_1x2(
    conv: &Conv,
    group: &Group,
    pixels: &[Pixel; LANES],
    first: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { block::<1, 2>(conv, group, pixels, first) };
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

/// Computes the outputs of a line for all channels of a block, whose lines are in their slots.
///
/// # Safety
/// Convolution and block are those of accepted parameters, `first` is the line of the first tap
/// and `output` the first channel's first result.
unsafe fn line_outputs(conv: &Depthwise, block: &Block, first: i32, output: *mut u8) {
    let (across, along): (&Axis, &Axis) = (&conv.across, &conv.along);
    let step = along.output_step as usize * block.results.bytes();
    for channel in 0..block.lanes.min(CHANNELS) {
        let rows = conv.rows.wrapping_add(channel * across.kernel as usize * conv.row);
        let mut output = output.wrapping_add(channel * block.results.bytes());
        for o in 0..along.output as usize {
            // SAFETY: the channel exists.
            let mut acc = unsafe { block.results.bias(channel) };
            for tap in 0..across.kernel {
                let slot = conv.slot(first + tap * across.dilation, tap);
                let line = slot.wrapping_add(channel * conv.line + o * along.stride as usize);
                let row = rows.wrapping_add(tap as usize * conv.row);
                for i in 0..along.kernel as usize {
                    // SAFETY: a tap of this output, and its weight.
                    let (x, w) = unsafe { (*line.add(i * along.dilation as usize), *row.add(i)) };
                    acc = acc.wrapping_add(i32::from(x) * i32::from(w));
                }
            }
            // SAFETY: a result of the channel.
            unsafe { block.results.store(channel, acc, output) };
            output = output.wrapping_add(step);
        }
    }
}

/// Computes a block of channels, line by line.
///
/// # Safety
/// Convolution and block are those of accepted parameters.
pub(in crate::kernels) unsafe fn channels(conv: &Depthwise, block: &Block) {
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
    let mut to = conv.rows;
    for channel in 0..block.lanes {
        let taps = block.weights.wrapping_add(channel * conv.taps());
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
    }
}

/// Nothing: results have been clamped one by one.
///
/// # Safety
/// Always safe; other targets' is not.
pub(in crate::kernels) unsafe fn complete(_: &Depthwise) {}

/// As [`complete`].
///
/// # Safety
/// As [`complete`].
pub(in crate::kernels) unsafe fn complete_conv(_: &Conv) {}
