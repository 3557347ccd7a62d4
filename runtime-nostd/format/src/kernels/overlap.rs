//! How far results of kernels may lie over their operand.

use super::check::{Extent, Slide};
use crate::Overlap;

/// Output pixels or lines that are gone through at most: a loader should not take long.
pub(super) const MOST: u32 = 1 << 20;

/// The pixels of a kernel that computes images one after the other, and pixels row by row.
pub(super) struct Pixels<'a> {
    /// Height and width.
    pub slides: &'a [Slide; 2],
    pub batch: u32,
    /// Bytes of an input pixel.
    pub input: u32,
    /// Bytes of an output pixel.
    pub output: u32,
    /// So many pixels, a power of two, read all they need before any of them is written.
    pub together: u32,
    /// So many pixels from the first of these on may be written before all of them have read.
    pub ahead: u32,
}

impl Pixels<'_> {
    /// How far the operand has to start behind the result, for accepted sizes: when some pixels read,
    /// those before them have been written, and they and those behind them read nothing before their
    /// first taps.
    #[inline(never)]
    pub(super) fn behind(&self) -> Overlap {
        let [h, w] = self.slides;
        let row = w.input.wrapping_mul(self.input);
        let image = h.input.wrapping_mul(row);
        let pixels = self.batch.wrapping_mul(h.output).wrapping_mul(w.output);
        if pixels > MOST {
            return Overlap::NEVER;
        }
        let [height, width] = [h.output.max(1), w.output.max(1)];
        let at = |y: u32, x: u32| {
            let column = w.start(x).wrapping_mul(self.input);
            h.start(y).wrapping_mul(row).wrapping_add(column)
        };
        let (mut done, mut most) = (0u32, 0u32);
        while done < pixels {
            let (line, x) = (done / width, done % width);
            let (index, y) = (line / height, line % height);
            let first = at(y, x).min(at(y.wrapping_add(1), 0));
            let read = index.wrapping_mul(image).wrapping_add(first);
            let written = done.wrapping_add(self.ahead).min(pixels);
            most = most.max(written.wrapping_mul(self.output).saturating_sub(read));
            done = done.wrapping_add(self.together);
        }
        Overlap::behind(most)
    }
}

/// Extents up to which distances are computed, in bytes: sums of a few fit in an `i32`.
const LARGEST: i64 = 1 << 28;

/// How far an operand has to start behind the result if a kernel goes through an index space, last
/// dimension fastest, and reads at each index before it writes: no byte that is written belongs to what
/// a later index reads. Built from the innermost dimension outwards.
pub(super) struct InOrder {
    /// The largest of written ends less read starts, of an index and a later one.
    later: i32,
    /// The same of any two indices.
    any: i32,
}

impl InOrder {
    /// One index at which an element of so many bytes is read, then written.
    pub(super) fn element(bytes: u32) -> InOrder {
        InOrder { later: i32::MIN, any: bytes as i32 }
    }

    /// All of it `size` times, so many bytes of operand and result apart. The extents are accepted.
    #[inline(never)]
    pub(super) fn repeat(&mut self, size: u32, input: i32, output: i32) {
        let Some(last @ 1..) = size.checked_sub(1) else { return };
        let [read, written] = [input, output].map(|stride| stride.wrapping_mul(last as i32));
        // Of two indices of this dimension, a lower and a higher one, these are the corners.
        let ends = written.wrapping_sub(output).wrapping_sub(read);
        let corner = ends.max(input.wrapping_neg()).max(read.wrapping_neg());
        let same = self.later.wrapping_add(written.wrapping_sub(read).max(0));
        self.later = same.max(self.any.wrapping_add(corner));
        self.any = self.any.wrapping_add(written.max(0)).wrapping_sub(read.min(0));
    }

    /// What reads elements that lie lower by up to `first` bytes, and comes back `again` when all has been
    /// written, to elements that lie lower by so many, if it does.
    pub(super) fn pass(&mut self, first: i32, again: Option<i32>) {
        self.later = self.later.saturating_add(first);
        if let Some(again) = again {
            self.later = self.later.max(self.any.wrapping_add(first).wrapping_sub(again));
        }
    }

    /// The distance of the first bytes of both extents.
    #[inline(never)]
    pub(super) fn behind(&self, input: Extent, output: Extent) -> Overlap {
        let large = |extent: Extent| extent.end - extent.start > LARGEST;
        if large(input) || large(output) {
            return Overlap::NEVER;
        }
        let shift = (input.start as i32).wrapping_sub(output.start as i32);
        Overlap::behind(self.later.saturating_add(shift).max(0) as u32)
    }
}

impl Slide {
    /// The input coordinate before which an output and those behind it read nothing.
    pub(super) fn start(&self, output: u32) -> u32 {
        self.inside(output.wrapping_mul(self.stride))
    }

    /// The input coordinate from which on an output and those before it read nothing, if taps are
    /// adjacent.
    pub(super) fn end(&self, output: u32) -> u32 {
        self.inside(output.wrapping_mul(self.stride).wrapping_add(self.kernel))
    }

    /// A padded coordinate without padding, moved into the input.
    fn inside(&self, padded: u32) -> u32 {
        let at = padded.wrapping_sub(self.pad as u32) as i32;
        (at.max(0) as u32).min(self.input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest of written ends less read starts of each index and all later ones.
    fn enumerated(sizes: [u32; 2], input: [i32; 2], output: [i32; 2]) -> i32 {
        let indices =
            || (0..sizes[0]).flat_map(|a| (0..sizes[1]).map(move |b| [a as i32, b as i32]));
        let at = |index: &[i32; 2], strides: [i32; 2]| {
            index.iter().zip(strides).map(|(i, stride)| i * stride).sum::<i32>()
        };
        let mut most = i32::MIN;
        for (n, written) in indices().enumerate() {
            for read in indices().skip(n + 1) {
                most = most.max(at(&written, output) + 2 - at(&read, input));
            }
        }
        most
    }

    #[test]
    fn distances_are_those_of_all_pairs() {
        let strides = [-5, -1, 0, 1, 2, 3, 7];
        for n in 0..7usize.pow(4) {
            let stride = |place: u32| strides[n / 7usize.pow(place) % 7];
            let (input, output) = ([stride(0), stride(1)], [stride(2), stride(3)]);
            for sizes in [[1, 1], [1, 4], [3, 1], [2, 2], [3, 4], [4, 2]] {
                let mut order = InOrder::element(2);
                for d in [1, 0] {
                    order.repeat(sizes[d], input[d], output[d]);
                }
                let (expected, found) = (enumerated(sizes, input, output), order.later);
                assert!(
                    found == expected || (expected == i32::MIN && found < -1000),
                    "{sizes:?} {input:?} {output:?}: {found}, not {expected}"
                );
            }
        }
    }
}
