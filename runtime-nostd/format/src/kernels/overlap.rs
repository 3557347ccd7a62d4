//! How far results of windowed kernels may lie over their operand.

use super::check::Slide;
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
