//! Taps of pixels, brought together where the input does not hold them in order.

use super::super::i8_block::Axis;
use super::Convolution;
#[cfg(cortex_m_mve)]
use super::mve_copy::{copy, fill, fill_wide};
#[cfg(not(cortex_m_mve))]
use super::portable::{copy, fill, fill_wide};

/// An output pixel of a group.
pub(super) struct Pixel {
    /// The input's image.
    image: *const i8,
    /// Row of the first tap.
    y: i32,
    /// Rows from here to the end of the image.
    rows: i32,
    /// Column of the first tap.
    x: i32,
    /// Pixels from here to the end of the row.
    columns: i32,
    /// Rows of taps before the input, and in it, where the first of these begins.
    before: i32,
    inside: i32,
    line: *const i8,
}

impl Pixel {
    /// The pixel of an index.
    #[inline(never)]
    pub fn new(conv: &Convolution, index: u32) -> Pixel {
        let [h, w] = &conv.axes;
        let (height, width) = ((h.output as u32).max(1), (w.output as u32).max(1));
        let (row, column) = (index / width, index % width);
        let (image, row) = (row / height, row % height);
        let mut pixel = Pixel {
            image: conv.input.wrapping_add(image as usize * conv.image),
            y: h.origin(row as i32),
            rows: h.output - row as i32,
            x: w.origin(column as i32),
            columns: w.output - column as i32,
            before: 0,
            inside: 0,
            line: conv.input,
        };
        pixel.find_rows(h);
        pixel
    }

    /// Finds the rows of taps that are in the input.
    #[inline(always)]
    fn find_rows(&mut self, h: &Axis) {
        [self.before, self.inside] = inside(h, self.y);
        let y = self.y.wrapping_add(self.before.wrapping_mul(h.dilation));
        self.line = self.image.wrapping_offset(y.wrapping_mul(h.input_step) as isize);
    }

    /// Goes on by so many pixels, not beyond the first one of the next row.
    #[inline(always)]
    fn skip(&mut self, conv: &Convolution, count: i32) {
        let [h, w] = &conv.axes;
        self.x = self.x.wrapping_add(count.wrapping_mul(w.stride));
        self.columns -= count;
        if self.columns == 0 {
            (self.columns, self.x) = (w.output, -w.pad);
            self.y = self.y.wrapping_add(h.stride);
            self.rows -= 1;
            if self.rows == 0 {
                (self.rows, self.y) = (h.output, -h.pad);
                self.image = self.image.wrapping_add(conv.image);
            }
            self.find_rows(h);
        }
    }
}

/// How many taps lie before the input, and how many in it, if the first is at `first`: mostly all.
#[inline(always)]
fn inside(axis: &Axis, first: i32) -> [i32; 2] {
    let last = first.wrapping_add((axis.kernel - 1).wrapping_mul(axis.dilation));
    if first >= 0 && last < axis.input {
        return [0, axis.kernel];
    }
    let span = axis.taps(first);
    [span.before, span.inside]
}

/// Rows of bytes that belong to pixels: what [`copy`] copies.
#[repr(C)]
pub(super) struct Blocks {
    pub to: *mut i8,
    pub from: *const i8,
    /// Bytes of a row.
    pub count: usize,
    /// Rows of a pixel.
    pub rows: usize,
    /// Bytes from a row to the next.
    pub step: usize,
    pub to_step: usize,
    /// Bytes from a pixel's rows to the next one's.
    pub next: usize,
    pub to_next: usize,
    pub pixels: usize,
}

/// Gathers the taps of so many pixels; the next one becomes the one behind them.
///
/// # Safety
/// They are pixels of the group that is computed, and scratch has room for them.
#[inline(never)]
pub(super) unsafe fn gather<const BYTES: usize>(conv: &Convolution, next: &mut Pixel, count: i32) {
    let (mut to, mut left) = (conv.scratch, count);
    while left > 0 {
        // SAFETY: the caller's promise.
        let pixels = unsafe { gather_run::<BYTES>(conv, next, to, left) };
        next.skip(conv, pixels);
        to = to.wrapping_add(pixels as usize * conv.pitch);
        left -= pixels;
    }
}

/// Gathers the taps of a pixel, and of those after it in its row if all are inside the input; returns
/// of how many.
///
/// # Safety
/// The pixel is one of the group, and `to` has room for the taps of `most` pixels, at least one.
#[inline(always)]
unsafe fn gather_run<const BYTES: usize>(
    conv: &Convolution,
    pixel: &Pixel,
    to: *mut i8,
    most: i32,
) -> i32 {
    let [h, w] = &conv.axes;
    let [before, inside] = inside(w, pixel.x);
    let mut pixels = 1;
    if pixel.inside == h.kernel && inside == w.kernel {
        let spare = w.input - 1 - pixel.x - (w.kernel - 1) * w.dilation;
        pixels = (spare as u32 / (w.stride as u32).max(1)) as i32 + 1;
        pixels = pixels.min(most).min(pixel.columns);
    } else {
        // SAFETY: the pixel's taps.
        unsafe {
            match BYTES {
                1 => fill(to, conv.zero, conv.tiles.count as usize),
                _ => fill_wide(to.cast(), conv.zero, conv.tiles.count as usize),
            }
        }
    }
    let (width, in_c) = (h.weights_step as usize, w.weights_step as usize);
    let (calls, wide) = if conv.whole_rows { (1, inside) } else { (inside, 1) };
    let mut blocks = Blocks {
        to: to.wrapping_add(pixel.before as usize * width + before as usize * in_c),
        from: pixel.line.wrapping_offset(
            pixel.x.wrapping_add(before * w.dilation).wrapping_mul(w.input_step) as isize,
        ),
        count: wide as usize * in_c,
        rows: pixel.inside as usize,
        step: h.input_step.wrapping_mul(h.dilation) as usize,
        to_step: width,
        next: w.input_step.wrapping_mul(w.stride) as usize,
        to_next: conv.pitch,
        pixels: pixels as usize,
    };
    if blocks.count != 0 && blocks.rows != 0 {
        for _ in 0..calls {
            // SAFETY: taps inside the input, and their places.
            unsafe { copy(&blocks) };
            blocks.to = blocks.to.wrapping_add(in_c);
            blocks.from =
                blocks.from.wrapping_offset(w.input_step.wrapping_mul(w.dilation) as isize);
        }
    }
    pixels
}
