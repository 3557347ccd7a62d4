//! Depthwise convolutions.

use core::ptr::{null, null_mut};

use microhlo_format::kernels::{Requant, Rounding};

use super::super::{Axis, Block, CHANNELS, Depthwise, portable};
use super::Finish;
use super::quads::{Quads, quads};
use super::sweep::{Lines, Sweep, sweep, sweep_double, wide_sweep, wide_sweep_double};

/// Computes the channels of an image.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
pub(in super::super) unsafe fn image(conv: &Depthwise, image: u32) {
    let usual = |r: &&Requant| {
        conv.multiplier == 1 && matches!(r.rounding, Rounding::Up | Rounding::Double)
    };
    // SAFETY: the caller's promise.
    unsafe {
        let Some(requant) = conv.results.requant.as_ref().filter(usual) else {
            return portable::image(conv, image);
        };
        let apart = !conv.overlaps();
        if swept(conv, image, requant, apart) {
            return;
        }
        if requant.rounding == Rounding::Double {
            return portable::image(conv, image);
        }
        let (mut first, blocks) = (0, conv.channels / CHANNELS);
        if blocks > 0 && apart && inside(&conv.across) && inside(&conv.along) {
            in_place(conv, &conv.block(image, 0, 0), blocks, requant);
            first = blocks * CHANNELS;
        }
        if first < conv.channels {
            copied_from(conv, image, first, requant);
        }
    }
}

/// Computes the channels of an image of three by three adjacent taps, whose results may lie apart from the input.
/// Returns whether it is one. A call of its own, whose frame no other way to compute one has above it.
///
/// # Safety
/// As for [`image`].
#[inline(never)]
unsafe fn swept(conv: &Depthwise, image: u32, requant: &Requant, apart: bool) -> bool {
    let behind = if apart { None } else { behind(conv, image) };
    let axes = behind.unwrap_or([&conv.across, &conv.along]);
    // Looked at where it is: moved, it would take the stack twice.
    let all = three_by_three(conv, axes, image, requant);
    let Some(all) = &all else { return false };
    let sweep = if requant.rounding == Rounding::Double { sweep_double } else { sweep };
    // SAFETY: the caller's promise; the image is one of such taps.
    unsafe { if apart || behind.is_some() { sweep(all) } else { over_taps(conv, all, sweep) } };
    true
}

/// Computes the channels from `first` on, whose inputs are copied.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
#[inline(never)]
unsafe fn copied_from(conv: &Depthwise, image: u32, first: usize, requant: &Requant) {
    let mut plan = Plan::new(conv, requant, true);
    for first in (first..conv.channels).step_by(CHANNELS) {
        // SAFETY: the caller's promise.
        unsafe { copied(&mut plan, &conv.block(image, first, 0)) };
    }
}

/// The axes across lines and along them with which nothing has to be copied of an image whose results lie on its
/// taps, if there are such: lines are rows, and the results of each lie no further than the first row of its taps,
/// which no later line reads. The loader lets them only lie whole rows before.
fn behind(conv: &Depthwise, image: u32) -> Option<[&Axis; 2]> {
    let (across, along) = (&conv.across, &conv.along);
    let [height, width] = if is_height(along) { [along, across] } else { [across, along] };
    let block = conv.block(image, 0, 0);
    let first = height.origin(0).wrapping_mul(height.input_step);
    let taps = block.input.wrapping_offset(first as isize);
    let even = height.stride == 1 && height.input_step == height.output_step;
    (even && block.output.addr() <= taps.addr()).then_some([height, width])
}

/// Whether an axis of three by three taps is that of rows.
fn is_height(axis: &Axis) -> bool {
    axis.weights_step != 1
}

/// The sweep over an image, if it is one of three by three adjacent taps.
#[inline(always)]
fn three_by_three(
    conv: &Depthwise,
    [across, along]: [&Axis; 2],
    image: u32,
    requant: &Requant,
) -> Option<Sweep> {
    let adjacent = |axis: &Axis| axis.kernel == 3 && axis.dilation == 1;
    if !adjacent(across) || !adjacent(along) || !(1..=2).contains(&along.stride) {
        return None;
    }
    // Of the first output's columns so many are missing, of the last one's so many.
    let halved = along.stride == 2;
    let most = if halved { 1 } else { 2 };
    let lead = along.pad;
    let missing = (along.origin(along.output - 1) + 3 - along.input).max(0);
    if !(0..=most).contains(&lead) || missing > most || (lead < most && along.input < 2) {
        return None;
    }
    let trail = missing.min(along.output);
    // Of lines that miss a column at each end, the next one begins where that ends.
    let first = across.origin(0);
    let inside = (first + across.output).min(across.input - 2) - first.max(0);
    let several = along.output > 1 && inside > 1;
    let follows = several
        && (lead, trail, across.stride) == (1, 1, 1)
        && along.output.wrapping_mul(along.input_step) == across.input_step
        && along.output.wrapping_mul(along.output_step) == across.output_step;
    let block = conv.block(image, 0, 0);
    Some(Sweep {
        input: block.input,
        output: block.output,
        weights: block.weights,
        records: block.results.channels,
        shifts: block.results.shifts,
        channels: conv.channels,
        line_step: across.input_step,
        column_step: along.input_step,
        output_line_step: across.output_step,
        output_step: along.output_step,
        lines: across.output,
        first,
        stride: across.stride,
        height: across.input,
        lead,
        whole: (along.output - trail) * along.output_step,
        trail: trail * along.output_step,
        finish: Finish::new(requant),
        zero: conv.zero.into(),
        vertical: usize::from(is_height(along)),
        lines_are: match (halved, follows) {
            (true, _) => Lines::Halved,
            (_, true) => Lines::Following,
            _ => Lines::Plain,
        },
        weights_step: 0,
    })
}

/// Computes the channels of an image whose activations have 16 bits, with weights by taps, if its kernel is one
/// of three by three adjacent taps; returns whether it is. Steps of the input are those of such activations.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
#[inline(never)]
pub(in crate::kernels) unsafe fn wide_square(
    conv: &Depthwise,
    image: u32,
    [min, max]: [i32; 2],
) -> bool {
    let Some(requant) = conv.results.requant else { return false };
    let sweep = match requant.rounding {
        Rounding::Up => wide_sweep,
        Rounding::Double => wide_sweep_double,
        _ => return false,
    };
    let axes = [&conv.across, &conv.along];
    let Some(bytes) = three_by_three(conv, axes, image, &requant) else { return false };
    let result = image as usize * conv.results_image;
    let all = Sweep {
        output: conv.output.wrapping_add(result * size_of::<i16>()),
        output_line_step: bytes.output_line_step * 2,
        output_step: bytes.output_step * 2,
        whole: bytes.whole * 2,
        trail: bytes.trail * 2,
        finish: Finish { min, max, ..bytes.finish },
        weights_step: conv.channels.next_multiple_of(CHANNELS),
        ..bytes
    };
    // SAFETY: the caller's promise; results lie nowhere on the input.
    unsafe { sweep(&all) };
    true
}

/// Sweeps over an image whose results lie on taps that other lines need: as many lines of a channel
/// as there is room for in scratch are copied before.
///
/// # Safety
/// The sweep is that of an accepted convolution, whose results may lie where they do.
#[inline(never)]
unsafe fn over_taps(conv: &Depthwise, all: &Sweep, sweep: unsafe extern "C" fn(&Sweep)) {
    let (along, copies) = (&conv.along, conv.lines.cast::<i8>());
    // Columns that outputs need, and the lines that fit: at least eight times those of the kernel.
    let columns = (along.origin(along.output - 1) + 3).min(along.input);
    let room = (2 * CHANNELS * 3 * conv.line) as u32 / (columns as u32).max(1);
    let most = (room as i32 - 3) / all.stride.max(1) + 1;
    for channel in 0..all.channels {
        let mut part = Sweep { channels: 1, line_step: columns, column_step: 1, ..*all };
        part.output = all.output.wrapping_add(channel);
        part.weights = all.weights.wrapping_add(9 * channel);
        part.records = all.records.wrapping_add(channel);
        if !all.shifts.is_null() {
            part.shifts = all.shifts.wrapping_add(channel);
        }
        let (mut left, mut copied) = (all.lines, 0..0);
        while left > 0 {
            part.lines = left.min(most);
            let first = part.first.max(0);
            let end = (part.first + (part.lines - 1) * all.stride + 3).min(all.height).max(first);
            let kept = first.max(copied.start)..copied.end.max(first);
            let at =
                |line: i32, base: i32| copies.wrapping_offset(((line - base) * columns) as isize);
            // SAFETY: there is room for these lines, which lie inside the input; those that are kept
            // move towards the start.
            unsafe {
                core::ptr::copy(
                    at(kept.start, copied.start),
                    copies,
                    ((kept.end - kept.start) * columns) as usize,
                );
                for line in kept.end..end {
                    let from = line.wrapping_mul(all.line_step) as isize;
                    let from = all.input.wrapping_add(channel).wrapping_offset(from);
                    copy_column(at(line, first), from, all.column_step as usize, columns as usize);
                }
                part.input = at(0, first);
                sweep(&part);
            }
            copied = first..end;
            left -= part.lines;
            part.first += part.lines * all.stride;
            let done = part.lines.wrapping_mul(all.output_line_step);
            part.output = part.output.wrapping_offset(done as isize);
        }
    }
}

/// Copies bytes that lie `step` bytes apart.
///
/// # Safety
/// There are so many, and room for them.
#[inline(always)]
unsafe fn copy_column(mut to: *mut i8, mut from: *const i8, step: usize, count: usize) {
    let mut left = count;
    while left >= 4 {
        let second = from.wrapping_add(step);
        let third = second.wrapping_add(step);
        let fourth = third.wrapping_add(step);
        // SAFETY: the caller's promise.
        unsafe {
            let bytes = [*from, *second, *third, *fourth];
            (*to, *to.add(1)) = (bytes[0], bytes[1]);
            (*to.add(2), *to.add(3)) = (bytes[2], bytes[3]);
        }
        to = to.wrapping_add(4);
        from = fourth.wrapping_add(step);
        left -= 4;
    }
    while left > 0 {
        // SAFETY: the caller's promise.
        unsafe { *to = *from };
        to = to.wrapping_add(1);
        from = from.wrapping_add(step);
        left -= 1;
    }
}

/// Whether all taps of an axis lie inside the input.
fn inside(axis: &Axis) -> bool {
    let last = axis.origin(axis.output - 1) + (axis.kernel - 1).wrapping_mul(axis.dilation);
    axis.pad <= 0 && last < axis.input
}

/// How lines of outputs are computed, four channels at a time.
struct Plan<'a> {
    conv: &'a Depthwise,
    across: Axis,
    along: Axis,
    /// Whether the last three outputs are computed together with the one before them.
    together: bool,
    quads: Quads,
}

impl Plan<'_> {
    /// Over copies of lines, or where they lie in the input, which has all taps.
    #[inline(always)]
    fn new<'a>(conv: &'a Depthwise, requant: &Requant, copied: bool) -> Plan<'a> {
        let (mut across, mut along) = (conv.across, conv.along);
        if !copied && along.output < 4 && along.kernel < across.kernel {
            (across, along) = (along, across);
        }
        let (mut tap, mut line) = (along.input_step as usize, across.input_step as usize);
        line = line.wrapping_mul(across.dilation as usize);
        let height = across.kernel as usize;
        // Where the input ends is never reached.
        let (mut back, mut end) = (0, null::<i8>().wrapping_sub(1));
        if copied {
            (tap, line) = (CHANNELS, CHANNELS * conv.line);
            back = line.wrapping_mul(height);
            end = conv.lines.cast::<i8>().wrapping_add(back);
        }
        let far = tap.wrapping_mul(along.dilation as usize);
        let (width, weights_tap) = (along.kernel as usize, along.weights_step as usize);
        let outputs = along.output as usize;
        // Each output alone costs about half as much as four together.
        let together = outputs > 3 && outputs & 3 == 3;
        let near = copied && along.dilation == 1 && along.stride == 1 && reordering_pays(conv);
        let mut quads = Quads {
            taps: null(),
            end,
            back,
            line,
            tap: far,
            row: far.wrapping_mul(width),
            stride: tap.wrapping_mul(along.stride as usize),
            weights: null(),
            weights_channel: conv.taps(),
            weights_tap,
            weights_line: (across.weights_step as usize)
                .wrapping_sub(weights_tap.wrapping_mul(width)),
            height,
            records: null(),
            shifts: null(),
            output: null_mut(),
            step: along.output_step as usize,
            fours: outputs / 4,
            ones: if together { 0 } else { outputs & 3 },
            channels: CHANNELS,
            blocks: 1,
            finish: Finish::new(requant),
            near: usize::from(near),
        };
        if near {
            quads.weights = conv.rows().cast();
            (quads.weights_channel, quads.weights_tap, quads.weights_line) = (1, CHANNELS, 0);
        }
        Plan { conv, across, along, together, quads }
    }

    /// Sets the channels from those of a block on.
    fn channels(&mut self, block: &Block) {
        if self.quads.near == 0 {
            self.quads.weights = block.weights;
        }
        self.quads.records = block.results.channels;
        self.quads.shifts = block.results.shifts;
    }

    /// Computes a line of outputs.
    ///
    /// # Safety
    /// Its taps are there.
    unsafe fn outputs(&mut self, taps: *const i8, output: *mut u8) {
        let q = &mut self.quads;
        (q.taps, q.output) = (taps, output);
        // SAFETY: the caller's promise.
        unsafe { quads(q) };
        if self.together {
            let (fours, first) = (q.fours, self.along.output as usize - 4);
            q.taps = taps.wrapping_add(first.wrapping_mul(q.stride));
            q.output = output.wrapping_add(first.wrapping_mul(q.step));
            q.fours = 1;
            // SAFETY: the last four outputs of the line.
            unsafe { quads(q) };
            q.fours = fours;
        }
    }
}

/// Computes so many whole blocks of channels, at least one, where their taps lie.
///
/// # Safety
/// Convolution and first block are those of accepted parameters, and all taps lie inside the input.
unsafe fn in_place(conv: &Depthwise, first: &Block, blocks: usize, requant: &Requant) {
    let mut plan = Plan::new(conv, requant, false);
    plan.channels(first);
    plan.quads.blocks = blocks;
    let (across, along) = (plan.across, plan.along);
    let start = along.origin(0).wrapping_mul(along.input_step);
    let mut output = first.output;
    for o in 0..across.output {
        let line = across.origin(o).wrapping_mul(across.input_step).wrapping_add(start);
        // SAFETY: a line of outputs whose taps lie inside the input.
        unsafe { plan.outputs(first.input.wrapping_offset(line as isize), output) };
        output = output.wrapping_add(across.output_step as usize);
    }
}

/// Computes a block of channels over copies of lines.
///
/// # Safety
/// Plan and block are those of an accepted convolution.
unsafe fn copied(plan: &mut Plan<'_>, block: &Block) {
    let conv = plan.conv;
    plan.channels(block);
    let (mut records, mut shifts);
    if block.lanes < CHANNELS {
        (records, shifts) = ([[0; 2]; CHANNELS], [0; CHANNELS]);
        for channel in 0..block.lanes {
            // SAFETY: the channel exists.
            unsafe {
                records[channel] = *block.results.channels.add(channel);
                if !block.results.shifts.is_null() {
                    shifts[channel] = *block.results.shifts.add(channel);
                    plan.quads.shifts = shifts.as_ptr();
                }
            }
        }
        plan.quads.records = records.as_ptr();
        plan.quads.channels = block.lanes;
    }
    if plan.quads.near != 0 {
        // SAFETY: the block's weights, and room for them.
        unsafe { reorder(conv, block.weights) };
    }
    let mut load = |line: i32, slot: *mut i16| {
        // SAFETY: a line of the accepted convolution, and its slot.
        unsafe { copy_line(conv, block, line, halved(conv, slot)) }
    };
    let mut line = |first: i32, output: *mut u8| {
        // SAFETY: a line of outputs whose taps have been copied.
        unsafe { plan.outputs(halved(conv, conv.slot(first, 0)), output) };
    };
    // SAFETY: the caller's promise.
    unsafe { portable::sweep(conv, block, &mut load, &mut line) }
}

/// Whether it is cheaper to lay the weights of four channels side by side, some six instructions for
/// each: that saves seven of 62 for those of a tap with four outputs.
fn reordering_pays(conv: &Depthwise) -> bool {
    let fours = conv.along.output / 4 * conv.across.output;
    7 * fours > 6 * CHANNELS as i32
}

/// Lays the weights of a block side by side, line by line, where widened ones have room.
///
/// # Safety
/// They are those of a block of an accepted convolution.
unsafe fn reorder(conv: &Depthwise, weights: *const i8) {
    let (across, along) = (&conv.across, &conv.along);
    let taps = conv.taps();
    let mut to = conv.rows().cast::<i8>();
    let mut line = weights;
    for _ in 0..across.kernel {
        let mut from = line;
        for _ in 0..along.kernel {
            let [second, third] = [from.wrapping_add(taps), from.wrapping_add(2 * taps)];
            // SAFETY: weights are there for four channels.
            unsafe {
                *to = *from;
                *to.add(1) = *second;
                *to.add(2) = *third;
                *to.add(3) = *third.wrapping_add(taps);
            }
            to = to.wrapping_add(CHANNELS);
            from = from.wrapping_add(along.weights_step as usize);
        }
        line = line.wrapping_add(across.weights_step as usize);
    }
}

/// A slot for lines of bytes, which take half of the room of widened ones.
fn halved(conv: &Depthwise, slot: *mut i16) -> *mut i8 {
    let begin = conv.lines;
    begin.cast::<i8>().wrapping_add((slot.addr() - begin.addr()) / 2)
}

/// Copies a line of a block's channels to a slot, four bytes for each coordinate.
///
/// # Safety
/// Convolution and block are those of accepted parameters, and there is room for the line.
unsafe fn copy_line(conv: &Depthwise, block: &Block, line: i32, slot: *mut i8) {
    let (along, count) = (&conv.along, conv.values());
    let span = match conv.across.has(line) {
        true => along.span(-along.pad, count),
        false => along.span(along.input, count),
    };
    let zero = u32::from_ne_bytes([conv.zero as u8; CHANNELS]);
    let mut to = slot.cast::<u32>();
    let at = line.wrapping_mul(conv.across.input_step);
    let start = at.wrapping_add((span.before - along.pad).wrapping_mul(along.input_step));
    let mut from = block.input.wrapping_offset(start as isize);
    let step = along.input_step as usize;
    let words = block.lanes == CHANNELS && (from.addr() | step) & 3 == 0;
    // SAFETY: lines have room for `count` coordinates; those between lie inside the input, with the
    // block's channels.
    unsafe {
        to = fill(to, zero, span.before);
        for _ in 0..span.inside {
            if words {
                *to = *from.cast::<u32>();
            } else {
                let bytes = to.cast::<i8>();
                *bytes = *from;
                for channel in 1..block.lanes {
                    *bytes.add(channel) = *from.add(channel);
                }
            }
            to = to.wrapping_add(1);
            from = from.wrapping_add(step);
        }
        fill(to, zero, span.behind);
    }
}

/// Fills so many coordinates; returns the one behind them.
///
/// # Safety
/// They are writable.
#[inline(always)]
unsafe fn fill(mut to: *mut u32, zero: u32, count: i32) -> *mut u32 {
    for _ in 0..count {
        // SAFETY: the caller's promise.
        unsafe { *to = zero };
        to = to.wrapping_add(1);
    }
    to
}
