//! What 8-bit kernels cost, to choose between ways to compute the same.
//!
//! Costs are instructions, counted over the assembly and over what surrounds it. A test on boards
//! compares the choices with measured counts.

use microhlo_format::kernels::{DepthwiseI8, DepthwiseI8Mve, DepthwiseLayout, Params, Rounding};

use crate::compile::Target;

/// Instructions of the parts of a depthwise convolution.
struct Costs {
    /// Each block of four channels, and each of its bands of lines.
    block: u64,
    band: u64,
    /// Each line of four channels that is widened, and each value of it.
    line: u64,
    value: u64,
    /// Each weight that is widened.
    weight: u64,
    /// Each line of results of a channel, and each group of results.
    row: u64,
    group: u64,
    /// Results of a group.
    results: u64,
    /// Each line of the kernel and each of its pairs of taps, for a group of results.
    kernel_line: u64,
    pair: u64,
    /// By taps: each result, each block of four channels of it, each line of taps of these, each tap.
    pixel: u64,
    pixel_block: u64,
    pixel_line: u64,
    tap: u64,
}

/// SMLAD for two taps of a line, for kernels of any size.
const DSP: Costs = Costs {
    block: 330,
    band: 90,
    line: 26,
    value: 7,
    weight: 9,
    row: 20,
    group: 26,
    results: 4,
    kernel_line: 5,
    pair: 6,
    pixel: 250,
    pixel_block: 45,
    pixel_line: 9,
    tap: 13,
};

/// The same for kernels of three by three, whose weights stay in registers.
const DSP_3X3: Costs =
    Costs { weight: 3, row: 24, group: 10, results: 2, kernel_line: 5, pair: 0, ..DSP };

/// The portable code: each tap by itself.
const PORTABLE: Costs = Costs {
    block: 500,
    band: 0,
    line: 60,
    value: 34,
    weight: 30,
    row: 40,
    group: 30,
    results: 1,
    kernel_line: 14,
    pair: 16,
    pixel: 60,
    pixel_block: 160,
    pixel_line: 40,
    tap: 100,
};

/// Taps of four channels at once on Armv6-M, which has few registers and no long products, by assembly.
const MULS: Costs = Costs { pixel: 200, pixel_block: 280, pixel_line: 15, tap: 21, ..PORTABLE };

/// The same on Armv7-M, with lines that are not four results at a time.
const MLA_FEW: Costs = Costs { pixel: 200, pixel_block: 150, pixel_line: 8, tap: 16, ..PORTABLE };

/// Lines on Armv7-M, four results at a time, by kernels in assembly.
const MLA: Costs =
    Costs { value: 12, row: 260, group: 45, results: 4, kernel_line: 0, pair: 23, ..MLA_FEW };

/// The same for kernels of three by three, whose weights stay in registers.
const MLA_3X3: Costs = Costs { kernel_line: 5, pair: 6, ..MLA };

/// Kernels of three by three whose results are not rounded up, and others of those.
const MLA_3X3_ANY: Costs =
    Costs { row: 120, group: 150, results: 2, kernel_line: 20, pair: 0, pixel_block: 400, ..MLA };
const MLA_ANY: Costs =
    Costs { row: 120, group: 110, results: 1, pair: 12, pixel_block: 400, ..MLA };

/// The portable code's costs on a processor.
fn portable(target: Target) -> &'static Costs {
    if target == Target::CortexM0 { &MULS } else { &PORTABLE }
}

/// Those on Armv7-M, of lines of so many results that are so far apart.
fn armv7m(p: &DepthwiseI8<impl Copy>, results: u32, stride: u32) -> &'static Costs {
    let up = p.requant.is_some_and(|r| r.rounding == Rounding::Up);
    let three = (p.kernel_h, p.kernel_w, p.dilation_w, p.dilation_h) == (3, 3, 1, 1);
    match (three, up) {
        _ if results < 4 || stride > 2 => &MLA_FEW,
        (true, true) => &MLA_3X3,
        (false, true) => &MLA,
        (true, false) => &MLA_3X3_ANY,
        (false, false) => &MLA_ANY,
    }
}

fn costs(p: &DepthwiseI8<impl Copy>, target: Target) -> &'static Costs {
    let along = |vertical: [u32; 2]| vertical[usize::from(!p.vertical())];
    let stride = along([p.stride_h, p.stride_w]);
    let dilated = |dilation: u32, stride: u32| dilation > 1 && stride > 1;
    let sparse = dilated(p.dilation_h, p.stride_h) || dilated(p.dilation_w, p.stride_w);
    let wide = along([p.kernel_h, p.kernel_w]) > 15;
    if target == Target::CortexM3 {
        return armv7m(p, along([p.out_h, p.out_w]), stride);
    }
    if !target.has_dsp()
        || p.requant.is_none_or(|r| r.rounding != Rounding::Up)
        || sparse
        || wide
        || stride > 2
    {
        portable(target)
    } else if (p.kernel_h, p.kernel_w) == (3, 3) {
        &DSP_3X3
    } else {
        &DSP
    }
}

/// Sizes across lines and along them: input, output, kernel, stride, dilation.
fn axes(p: &DepthwiseI8<impl Copy>) -> [[u64; 5]; 2] {
    let h = [p.in_h, p.out_h, p.kernel_h, p.stride_h, p.dilation_h].map(u64::from);
    let w = [p.in_w, p.out_w, p.kernel_w, p.stride_w, p.dilation_w].map(u64::from);
    if p.vertical() { [w, h] } else { [h, w] }
}

/// Lines of the input that the outputs read.
fn all_lines(p: &DepthwiseI8<impl Copy>) -> u64 {
    let [[_, output, kernel, stride, dilation], _] = axes(p);
    let reach = |n: u64, step: u64| n.saturating_sub(1).saturating_mul(step);
    reach(output, stride).saturating_add(reach(kernel, dilation)).saturating_add(1)
}

/// Whether some taps lie outside the input.
fn padded(p: &DepthwiseI8<impl Copy>) -> bool {
    let outside = |input: u32, [output, kernel, stride, dilation]: [u32; 4], pad: i32| {
        let reach = |n: u32, step: u32| i64::from(n.saturating_sub(1)) * i64::from(step);
        let last = reach(output, stride) + reach(kernel, dilation) - i64::from(pad);
        pad > 0 || last >= i64::from(input)
    };
    outside(p.in_h, [p.out_h, p.kernel_h, p.stride_h, p.dilation_h], p.pad_top)
        || outside(p.in_w, [p.out_w, p.kernel_w, p.stride_w, p.dilation_w], p.pad_left)
}

/// Instructions of a depthwise convolution in a layout, about.
pub fn depthwise(p: &DepthwiseI8<impl Copy>, layout: DepthwiseLayout, target: Target) -> u64 {
    let costs = costs(p, target);
    let [[_, outputs, lines, stride, _], [input, results, taps, ..]] = axes(p);
    let product = |sizes: &[u64]| sizes.iter().fold(1u64, |a, &b| a.saturating_mul(b));
    // Assembly with the DSP extension computes only what lies inside.
    let by_taps = if target.has_dsp() && padded(p) { portable(target) } else { costs };
    let blocks = u64::from(p.channels_count.div_ceil(4));
    let multiplier = u64::from(p.multiplier);
    let image = match layout {
        DepthwiseLayout::Taps => {
            let line = by_taps.pixel_line + product(&[taps.max(lines), by_taps.tap]);
            let block = by_taps.pixel_block + product(&[taps.min(lines), line]);
            product(&[outputs, results, by_taps.pixel + product(&[blocks, block])])
        }
        DepthwiseLayout::Lines(count) => {
            let each = (u64::from(count).saturating_sub(lines) / stride.max(1)).saturating_add(1);
            let bands = outputs.div_ceil(each);
            let widened = product(&[all_lines(p), costs.line + product(&[input, costs.value])]);
            let weights = product(&[4, lines, taps, costs.weight]);
            let pairs = taps / 2 + 1;
            let kernel = product(&[lines, costs.kernel_line + product(&[pairs, costs.pair])]);
            let row = product(&[results.div_ceil(costs.results), costs.group + kernel]) + costs.row;
            let computed = weights + product(&[4, outputs, row]);
            let block = costs.block + product(&[bands, costs.band]) + widened;
            product(&[blocks, block + product(&[multiplier, computed])])
        }
    };
    product(&[u64::from(p.batch), image])
}

/// The layout of a depthwise convolution that costs least on a processor.
pub fn depthwise_layout(p: &DepthwiseI8<impl Copy>, target: Target) -> DepthwiseLayout {
    let lines = DepthwiseLayout::Lines(slots(p, target));
    // Kernels for RISC-V and Helium do so themselves where that is better.
    let by_lines = target == Target::Rv32imac
        || (target.has_mve() && DepthwiseI8Mve { conv: p.map_places(&mut |_| ()) }.fits());
    let taps = p.multiplier == 1
        && !by_lines
        && depthwise(p, DepthwiseLayout::Taps, target) < depthwise(p, lines, target);
    if taps { DepthwiseLayout::Taps } else { lines }
}

/// Lines of each channel that scratch should hold: as many as the kernel has; if that saves time all
/// that are read, or as many as take an eighth of the activations' memory.
fn slots(p: &DepthwiseI8<impl Copy>, target: Target) -> u32 {
    let (least, _) = p.lines();
    if !target.has_dsp() {
        return least;
    }
    let input = u64::from(p.in_h) * u64::from(p.in_w);
    let output = u64::from(p.out_h) * u64::from(p.out_w) * u64::from(p.multiplier);
    let activations = input.saturating_add(output).saturating_mul(u64::from(p.channels_count));
    let line = 8 * u64::from(p.line().unwrap_or(u32::MAX)).max(1);
    let most = (activations / 8 / line).min(all_lines(p));
    u32::try_from(most).unwrap_or(u32::MAX).max(least)
}
