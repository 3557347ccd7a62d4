//! Lowering of convolutions of 8-bit integers whose operand is dilated, as transposed convolutions are.
//!
//! Between neighbours of the operand lie zeros, so that every `d`-th result is made from the same taps of
//! the kernel and from neighbours of the operand itself. Ordinary convolutions with these parts of the
//! kernel compute all results of a phase, without a product with a zero between elements; then the phases
//! are interleaved.

use microhlo_format::DType;

use super::conv_i8::{Int8, Weights};
use super::geometry::Geometry;
use super::program::{Ref, Storage};
use super::requant::Requant;
use super::view::{View, dense_strides};
use super::{Lowered, Lowerer};

/// Most phases: each takes two steps.
pub const MAX_PHASES: i64 = 16;

/// Results of one dimension that read the same taps.
#[derive(Debug, PartialEq)]
struct Phase {
    /// The first result.
    first: u32,
    /// Number of results.
    count: u32,
    /// The first tap; the others are `dilation` apart.
    tap: u32,
    /// Number of taps.
    taps: u32,
    /// Padding before the operand, in its elements.
    pad: i32,
}

/// The phases of a dimension whose operand is dilated so much and then padded. Result `o` reads element
/// `(o - pad + t) / dilation` for each tap `t` for which that is an integer.
fn phases(output: u32, kernel: u32, pad: i32, dilation: u32) -> Vec<Phase> {
    let d = i64::from(dilation.max(1));
    let phase = |first: u32| {
        let distance = i64::from(pad) - i64::from(first);
        let tap = distance.rem_euclid(d);
        let taps = (i64::from(kernel) - tap + d - 1).max(0) / d;
        Phase {
            first,
            count: (output - first).div_ceil(dilation.max(1)),
            tap: tap as u32,
            taps: taps as u32,
            pad: ((distance - tap) / d) as i32,
        }
    };
    (0..dilation.min(output)).map(phase).collect()
}

/// The taps of a phase of each dimension as a kernel, and what the others add to the sums of each output
/// channel: `zero` times their weights. Without taps, the kernel is a zero.
fn part(
    weights: &Weights,
    g: &Geometry,
    [v, h]: [&Phase; 2],
    dilation: [u32; 2],
    zero: i8,
) -> (Weights, Vec<i64>) {
    let [kernel_h, kernel_w] = g.kernel;
    let out_c = g.out_c as usize;
    let tap_bytes = weights.bytes.len() / (kernel_h as usize * kernel_w as usize).max(1);
    let mut rest = vec![0i64; out_c];
    for (i, &w) in weights.bytes.iter().enumerate() {
        rest[i % out_c] += i64::from(w as i8) * i64::from(zero);
    }
    let mut bytes = Vec::new();
    for (y, x) in (0..v.taps).flat_map(|y| (0..h.taps).map(move |x| (y, x))) {
        let (row, column) = (v.tap + y * dilation[0], h.tap + x * dilation[1]);
        let start = (row * kernel_w + column) as usize * tap_bytes;
        bytes.extend_from_slice(&weights.bytes[start..start + tap_bytes]);
    }
    for (i, &w) in bytes.iter().enumerate() {
        rest[i % out_c] -= i64::from(w as i8) * i64::from(zero);
    }
    if bytes.is_empty() {
        bytes = vec![0; tap_bytes];
    }
    (Weights { bytes: bytes.into(), dims: weights.dims.clone() }, rest)
}

impl Lowerer<'_> {
    /// The steps of a convolution whose operand is dilated.
    pub(super) fn transposed_i8(
        &mut self,
        int8: &Int8,
        (input, zero): (Ref, i8),
        g: &Geometry,
        dilation: [u32; 2],
        groups: u32,
        weights: &Weights,
    ) -> Lowered<()> {
        let span = self.span(int8.root);
        let (output, dtype, _) = self.result(int8.requant.result, int8.root)?;
        let [high, wide] = [0, 1].map(|d| phases(g.output[d], g.kernel[d], g.pad[d], dilation[d]));
        for (v, h) in high.iter().flat_map(|v| wide.iter().map(move |h| (v, h))) {
            let (weights, rest) = part(weights, g, [v, h], dilation, zero);
            let bias = int8.requant.bias.iter().zip(&rest).map(|(bias, rest)| bias + rest);
            let requant = Requant { bias: bias.collect(), ..int8.requant.clone() };
            let empty = v.taps == 0 || h.taps == 0;
            let ordinary = Geometry {
                kernel: if empty { [1, 1] } else { [v.taps, h.taps] },
                pad: if empty { [0, 0] } else { [v.pad, h.pad] },
                output: [v.count, h.count],
                ..*g
            };
            let sizes = [g.batch, v.count, h.count, g.out_c];
            let place = self.buffer("phase", dtype, &sizes, Storage::Temp, span)?;
            let phase = Int8 { root: int8.root, pad: int8.pad, requant, wide: false };
            self.step_i8_to(&phase, (input, zero), &ordinary, groups, &weights, place)?;
            self.interleave(int8, (place, output), g, [v, h], dilation, dtype)?;
        }
        Ok(())
    }

    /// Copies the results of a phase to their places.
    fn interleave(
        &mut self,
        int8: &Int8,
        (place, output): (Ref, Ref),
        g: &Geometry,
        [v, h]: [&Phase; 2],
        dilation: [u32; 2],
        dtype: DType,
    ) -> Lowered<()> {
        let all = dense_strides(&[g.batch, g.output[0], g.output[1], g.out_c], dtype.size());
        let first = i64::from(v.first) * all[1] + i64::from(h.first) * all[2];
        let base = Ref { buffer: output.buffer, offset: output.offset + first as u32 };
        let sizes = vec![g.batch, v.count, h.count, g.out_c];
        let steps = [all[1] * i64::from(dilation[0]), all[2] * i64::from(dilation[1])];
        let strides = vec![all[0], steps[0], steps[1], all[3]];
        let to = View { base, dtype, sizes: sizes.clone(), strides };
        let from = View::dense(place, dtype, &sizes);
        let kernel = self.move_kernel(&from, &to, self.span(int8.root))?;
        self.step(kernel, int8.root);
        self.name_step("interleave");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Taps and elements of each result, from the definition.
    fn reads(output: u32, kernel: u32, pad: i32, dilation: u32) -> Vec<Vec<(u32, i64)>> {
        let d = i64::from(dilation);
        let of = |o: u32| {
            let all = (0..kernel).map(|t| (t, i64::from(o) - i64::from(pad) + i64::from(t)));
            all.filter(|(_, at)| at.rem_euclid(d) == 0).map(|(t, at)| (t, at / d)).collect()
        };
        (0..output).map(of).collect()
    }

    #[test]
    fn phases_read_what_their_results_do() {
        for (output, kernel) in (1..9).flat_map(|n| (1..6).map(move |k| (n, k))) {
            for (pad, dilation) in (-3..5).flat_map(|p| (1..4).map(move |d| (p, d))) {
                let wanted = reads(output, kernel, pad, dilation);
                let mut seen = 0;
                for phase in phases(output, kernel, pad, dilation) {
                    for j in 0..phase.count {
                        let taps = (0..phase.taps).map(|u| {
                            let element = i64::from(j) - i64::from(phase.pad) + i64::from(u);
                            (phase.tap + u * dilation, element)
                        });
                        let result = (phase.first + j * dilation) as usize;
                        assert_eq!(taps.collect::<Vec<_>>(), wanted[result], "{phase:?}");
                        seen += 1;
                    }
                }
                assert_eq!(seen, output);
            }
        }
    }
}
