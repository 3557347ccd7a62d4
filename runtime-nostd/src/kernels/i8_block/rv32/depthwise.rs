//! Depthwise convolutions.

use microhlo_format::kernels::{Requant, Rounding};

use super::super::portable::{self, load_line, widen_weights};
use super::super::{Axis, Block, CHANNELS, Depthwise};
use super::Finish;
use super::lines::{Lines, Point, lines, point};
use super::sweep::{Sweep, sweep};

/// Outputs of a line from which on four are computed together rather than one.
const FEW: i32 = 3;

/// Computes the channels of an image.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
pub(in super::super) unsafe fn image(conv: &Depthwise, image: u32) {
    let single = conv.multiplier == 1;
    let usual = conv.results.requant.filter(|requant| single && requant.rounding == Rounding::Up);
    // SAFETY: the caller's promise.
    unsafe {
        let Some(requant) = usual else { return portable::image(conv, image) };
        if let Some(all) = three_by_three(conv, image, &requant) {
            return sweep(&all);
        }
        let mut first = 0;
        if conv.along.output < FEW && inside(&conv.across) && inside(&conv.along) {
            first = conv.channels / CHANNELS * CHANNELS;
            points(conv, &conv.block(image, 0, 0), &requant);
        }
        while first < conv.channels {
            over_lines(conv, &conv.block(image, first, 0), &requant);
            first += CHANNELS;
        }
    }
}

/// The sweep over an image, if it is one of three by three adjacent taps.
fn three_by_three(conv: &Depthwise, image: u32, requant: &Requant) -> Option<Sweep> {
    let (across, along) = (&conv.across, &conv.along);
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
        first: across.origin(0),
        stride: across.stride,
        height: across.input,
        lead,
        whole: (along.output - trail) * along.output_step,
        trail: trail * along.output_step,
        finish: Finish::new(requant),
        zero: conv.zero.into(),
        vertical: usize::from(along.weights_step != 1),
        halved: usize::from(halved),
    })
}

/// Whether all taps of an axis lie inside the input.
fn inside(axis: &Axis) -> bool {
    let last = axis.origin(axis.output - 1) + (axis.kernel - 1).wrapping_mul(axis.dilation);
    axis.pad <= 0 && last < axis.input
}

/// Computes whole blocks of channels of an image, pixel by pixel.
///
/// # Safety
/// Convolution and image, whose first block is given, are those of accepted parameters, and all taps
/// lie inside the input.
unsafe fn points(conv: &Depthwise, block: &Block, requant: &Requant) {
    let blocks = conv.channels / CHANNELS;
    if blocks == 0 {
        return;
    }
    let vertical = conv.along.weights_step != 1;
    let [h, w] = if vertical { [&conv.along, &conv.across] } else { [&conv.across, &conv.along] };
    let across = w.dilation.wrapping_mul(w.input_step);
    let down = h.dilation.wrapping_mul(h.input_step).wrapping_sub(w.kernel.wrapping_mul(across));
    let mut all = Point {
        input: block.input,
        weights: block.weights,
        taps: conv.taps(),
        records: block.results.channels,
        shifts: block.results.shifts,
        output: block.output,
        blocks,
        height: h.kernel as usize,
        width: w.kernel as usize,
        across: across as usize,
        down: down as usize,
        finish: Finish::new(requant),
    };
    for y in 0..h.output {
        for x in 0..w.output {
            let from = h.origin(y) * h.input_step + w.origin(x) * w.input_step;
            let to = y * h.output_step + x * w.output_step;
            all.input = block.input.wrapping_offset(from as isize);
            all.output = block.output.wrapping_offset(to as isize);
            // SAFETY: the caller's promise.
            unsafe { point(&all) };
        }
    }
}

/// Computes a block of channels over widened lines.
///
/// # Safety
/// Convolution and block are those of accepted parameters.
unsafe fn over_lines(conv: &Depthwise, block: &Block, requant: &Requant) {
    let (across, along) = (&conv.across, &conv.along);
    let line = CHANNELS * conv.line;
    let mut all = Lines {
        ring: conv.lines,
        start: 0,
        end: across.kernel as usize * line * 2,
        line: line * 2,
        channel: conv.line * 2,
        rows: conv.rows,
        height: across.kernel as usize,
        width: along.kernel as usize,
        dilation: along.dilation as usize * 2,
        stride: along.stride as usize * 2,
        records: block.results.channels,
        shifts: block.results.shifts,
        output: block.output,
        step: along.output_step as usize,
        outputs: along.output as usize,
        channels: block.lanes,
        finish: Finish::new(requant),
    };
    // SAFETY: the caller's promise.
    unsafe {
        widen_weights(conv, block);
        portable::sweep(
            conv,
            block,
            &mut |line, slot| load_line(conv, block, line, slot),
            &mut |first, output| {
                all.start = conv.slot(first, 0).addr() - conv.lines.addr();
                all.output = output;
                lines(&all);
            },
        );
    }
}
