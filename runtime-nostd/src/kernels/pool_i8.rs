//! Sums of `i8` over windows, as 8-bit results.

use microhlo_format::Place;
use microhlo_format::kernels::PoolI8;

use super::Memory;
use crate::registry::Undecodable;

entry!(pool_i8, PoolI8);

/// Channels that are summed together.
const LANES: usize = 4;

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &PoolI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let (mut input, mut output) = (memory.read(p.input), memory.write(p.output));
    let row = p.in_w.wrapping_mul(p.channels) as usize;
    for _ in 0..p.batch {
        for y in 0..p.out_h as i32 {
            let rows = taps(y * p.stride_h as i32 - p.pad_top, p.kernel_h, p.in_h);
            for x in 0..p.out_w as i32 {
                let columns = taps(x * p.stride_w as i32 - p.pad_left, p.kernel_w, p.in_w);
                // SAFETY: the taps lie inside the checked image, the pixel inside the output.
                unsafe { pixel(p, input, output, rows, columns) };
                output = output.wrapping_add(p.channels as usize);
            }
        }
        input = input.wrapping_add(row.wrapping_mul(p.in_h as usize));
    }
    Ok(())
}

/// First coordinate and number of a window's taps that lie inside the input.
fn taps(origin: i32, kernel: u32, input: u32) -> (usize, usize) {
    let first = origin.max(0);
    let end = origin.wrapping_add(kernel as i32).min(input as i32);
    (first as usize, end.wrapping_sub(first).max(0) as usize)
}

/// All channels of one output pixel.
///
/// # Safety
/// The rows and columns lie inside the image at `input`; `output` holds a pixel.
unsafe fn pixel(
    p: &PoolI8<Place>,
    input: *const u8,
    output: *mut u8,
    rows: (usize, usize),
    columns: (usize, usize),
) {
    let channels = p.channels as usize;
    let inside = rows.1.wrapping_mul(columns.1) as i32;
    let outside = (p.kernel_h.wrapping_mul(p.kernel_w) as i32).wrapping_sub(inside);
    let start = p.bias.wrapping_add(outside.wrapping_mul(i32::from(p.input_zero)));
    let first = rows.0.wrapping_mul(p.in_w as usize).wrapping_add(columns.0);
    let first = input.wrapping_add(first.wrapping_mul(channels));
    #[cfg(cortex_m_mve)]
    // SAFETY: the window's taps, and the pixel.
    if unsafe { super::mve_block::pool_pixel(p, first, [rows.1, columns.1], output, start) } {
        return;
    }
    let row = (p.in_w as usize).wrapping_mul(channels);
    let mut c = 0;
    while c < channels {
        let lanes = (channels - c).min(LANES);
        let mut sums = [start; LANES];
        let window = Window { first: first.wrapping_add(c), rows: rows.1, row, columns: columns.1, channels };
        // SAFETY: these channels of the window's pixels are inside the image.
        unsafe {
            if lanes == LANES && columns.1 <= MAX_TAPS {
                window.add_words(&mut sums);
            } else {
                window.add(&mut sums, lanes);
            }
        }
        for (lane, &sum) in sums.iter().take(lanes).enumerate() {
            let sum = sum.wrapping_shl(p.left.into());
            let result = p.requant.apply(sum, p.multiplier, p.requant.shift);
            // SAFETY: channel `c + lane` of the pixel.
            unsafe { *output.add(c + lane) = result as u8 };
        }
        c += lanes;
    }
}

/// Taps whose sums of bytes fit 16 bits.
const MAX_TAPS: usize = 256;

/// Some channels of a window's taps inside the image.
struct Window {
    /// The first channel of the first tap.
    first: *const u8,
    rows: usize,
    /// Bytes from one row to the next.
    row: usize,
    columns: usize,
    /// Bytes from one tap of a row to the next.
    channels: usize,
}

impl Window {
    /// Adds four channels, at most [`MAX_TAPS`] columns wide: two at a time in the halves of a word,
    /// as unsigned bytes that are 128 too large.
    ///
    /// # Safety
    /// Four channels of each tap are readable.
    unsafe fn add_words(&self, sums: &mut [i32; LANES]) {
        let (mut even, mut odd, mut taps) = (0u32, 0u32, 0usize);
        let mut line = self.first;
        for _ in 0..self.rows {
            if taps + self.columns > MAX_TAPS {
                flush(sums, even, odd, taps);
                (even, odd, taps) = (0, 0, 0);
            }
            let mut tap = line;
            for _ in 0..self.columns {
                // SAFETY: the caller's promise.
                let word = unsafe { tap.cast::<u32>().read_unaligned() } ^ 0x8080_8080;
                even = even.wrapping_add(word & 0x00ff_00ff);
                odd = odd.wrapping_add((word >> 8) & 0x00ff_00ff);
                tap = tap.wrapping_add(self.channels);
            }
            taps += self.columns;
            line = line.wrapping_add(self.row);
        }
        flush(sums, even, odd, taps);
    }

    /// Adds the first `lanes` channels.
    ///
    /// # Safety
    /// These channels of each tap are readable.
    unsafe fn add(&self, sums: &mut [i32; LANES], lanes: usize) {
        for y in 0..self.rows {
            let mut tap = self.first.wrapping_add(y.wrapping_mul(self.row));
            for _ in 0..self.columns {
                for (lane, sum) in sums.iter_mut().take(lanes).enumerate() {
                    // SAFETY: the caller's promise.
                    *sum = sum.wrapping_add(i32::from(unsafe { *tap.add(lane) } as i8));
                }
                tap = tap.wrapping_add(self.channels);
            }
        }
    }
}

/// Adds the halves of two words, each 128 too large for every tap.
fn flush(sums: &mut [i32; LANES], even: u32, odd: u32, taps: usize) {
    let excess = (taps as i32).wrapping_mul(128);
    for (sum, half) in sums.iter_mut().zip([even & 0xffff, odd & 0xffff, even >> 16, odd >> 16]) {
        *sum = sum.wrapping_add(half as i32).wrapping_sub(excess);
    }
}
