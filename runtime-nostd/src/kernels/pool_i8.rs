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
    let row = (p.in_w as usize).wrapping_mul(channels);
    let mut c = 0;
    while c < channels {
        let lanes = (channels - c).min(LANES);
        let mut sums = [start; LANES];
        for y in 0..rows.1 {
            let line = first.wrapping_add(y.wrapping_mul(row)).wrapping_add(c);
            // SAFETY: these channels of the window's pixels in this row are inside the image.
            unsafe {
                match lanes {
                    LANES => add(&mut sums, LANES, line, columns.1, channels),
                    _ => add(&mut sums, lanes, line, columns.1, channels),
                }
            }
        }
        for (lane, &sum) in sums.iter().take(lanes).enumerate() {
            let result = p.requant.apply(sum, p.multiplier, p.requant.shift);
            // SAFETY: channel `c + lane` of the pixel.
            unsafe { *output.add(c + lane) = result as u8 };
        }
        c += lanes;
    }
}

/// Adds `n` pixels, `step` bytes apart, to the sums of the first `lanes` channels.
///
/// # Safety
/// The channels of the pixels are readable.
#[inline(always)]
unsafe fn add(sums: &mut [i32; LANES], lanes: usize, mut line: *const u8, n: usize, step: usize) {
    for _ in 0..n {
        for (lane, sum) in sums.iter_mut().take(lanes).enumerate() {
            // SAFETY: the caller's promise.
            *sum = sum.wrapping_add(i32::from(unsafe { *line.add(lane) } as i8));
        }
        line = line.wrapping_add(step);
    }
}
