//! Sums of `i8` over windows, as 8-bit results.

use core::mem::MaybeUninit;

use microhlo_format::kernels::{Params, Parts, PoolI8, Strips};
use microhlo_format::{ParamError, Place};

use super::decode::decode;
use super::{Memory, Turn, has, rounded};
use crate::error::StepError;
use crate::registry::{KernelEntry, StageEntry, Undecodable, Visitor};

parted_entry!(pool_i8, PoolI8);

/// The bits of all parts.
const ALL: u32 = Parts::ALL.0;

/// Links the kernel, also as a stage of chains.
pub const STAGE: KernelEntry =
    KernelEntry { stage: Some(&StageEntry { check: check_strip, fire }), ..ENTRY };

fn check_strip(
    body: &[u8],
    turn: &mut Turn<'_, '_, '_>,
    visitor: &mut dyn Visitor,
) -> Result<(), StepError> {
    let mut params = MaybeUninit::<PoolI8<Place>>::uninit();
    let params = decode(&mut params, body).map_err(|_| StepError::Encoding)?;
    params.accesses(&mut |_| ()).map_err(StepError::Params)?;
    let rows = turn.rows();
    let by = params.by_rows(rows).map_err(StepError::Params)?;
    let sums = turn.sums().map_or(0, |sums| sums.count);
    if params.gathers(rows) && sums < params.sums() {
        return Err(StepError::Params(ParamError::Mismatch));
    }
    let Some(strip) = turn.prove(&by, visitor)? else { return Ok(()) };
    params.restrict(rows, &strip);
    params.accesses(&mut |access| visitor.access(access)).map_err(StepError::Params)
}

/// # Safety
/// The loader has accepted the strip for this memory.
unsafe fn fire(
    body: &[u8],
    turn: &mut Turn<'_, '_, '_>,
    memory: &Memory<'_>,
) -> Result<(), Undecodable> {
    let mut params = MaybeUninit::<PoolI8<Place>>::uninit();
    let params = decode(&mut params, body)?;
    let (rows, before) = (turn.rows(), turn.produced());
    let by = params.by_rows(rows).map_err(|_| Undecodable)?;
    let Some(strip) = turn.strip(&by)? else { return Ok(()) };
    let gathers = params.gathers(rows);
    params.restrict(rows, &strip);
    if !gathers {
        // SAFETY: the caller's promise.
        return unsafe { execute::<ALL>(params, memory) };
    }
    let sums = memory.write(turn.sums().ok_or(Undecodable)?.place).cast();
    let ends = [before == 0, turn.produced() == rows];
    // SAFETY: the caller's promise; there is a sum for each channel of a row of results.
    unsafe { gather(params, memory, sums, rows, ends) };
    Ok(())
}

/// Adds some of `rows` rows of the input to the sums of a row of results, which begin with the first rows
/// and become results with the last ones.
///
/// # Safety
/// The loader has accepted the parameters, restricted to these rows, and `sums` has a sum for each
/// channel of the results.
unsafe fn gather(
    p: &PoolI8<Place>,
    memory: &Memory<'_>,
    mut sums: *mut i32,
    rows: u32,
    [first, last]: [bool; 2],
) {
    let (input, mut output) = (memory.read(p.input), memory.write(p.output));
    let channels = p.channels as usize;
    for x in 0..p.out_w as i32 {
        let columns = taps(x * p.stride_w as i32 - p.pad_left, p.kernel_w, p.in_w);
        let window = Window::new(p, input, (0, p.in_h as usize), columns);
        // SAFETY: these channels of the window's pixels are inside the image, and so are those of the
        // sums and the results.
        unsafe {
            if first {
                let outside = p.kernel_w.wrapping_sub(columns.1 as u32).wrapping_mul(rows) as i32;
                let start = p.bias.wrapping_add(outside.wrapping_mul(p.input_zero.into()));
                (0..channels).for_each(|c| sums.add(c).write(start));
            }
            window.each::<ALL>(&mut |c, lanes| {
                let mut acc = [0; LANES];
                window.add::<ALL>(c, lanes, &mut acc);
                for (lane, &acc) in acc.iter().take(lanes).enumerate() {
                    let sum = sums.add(c + lane);
                    *sum = (*sum).wrapping_add(acc);
                }
            });
            if last {
                window.each::<ALL>(&mut |c, lanes| {
                    let mut acc = [0; LANES];
                    acc.as_mut_ptr().copy_from(sums.add(c), lanes);
                    finish::<ALL>(p, &acc, lanes, output.add(c));
                });
            }
        }
        (sums, output) = (sums.wrapping_add(channels), output.wrapping_add(channels));
    }
}

/// Channels that are summed together.
const LANES: usize = 4;

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute<const PARTS: u32>(
    p: &PoolI8<Place>,
    memory: &Memory<'_>,
) -> Result<(), Undecodable> {
    let (mut input, mut output) = (memory.read(p.input), memory.write(p.output));
    let row = p.in_w.wrapping_mul(p.channels) as usize;
    let images = if has(PARTS, Parts::IMAGES) { p.batch } else { 1 };
    for _ in 0..images {
        for y in 0..p.out_h as i32 {
            let rows = taps(y * p.stride_h as i32 - p.pad_top, p.kernel_h, p.in_h);
            for x in 0..p.out_w as i32 {
                let columns = taps(x * p.stride_w as i32 - p.pad_left, p.kernel_w, p.in_w);
                // SAFETY: the taps lie inside the checked image, the pixel inside the output.
                unsafe { pixel::<PARTS>(p, input, output, rows, columns) };
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
unsafe fn pixel<const PARTS: u32>(
    p: &PoolI8<Place>,
    input: *const u8,
    output: *mut u8,
    rows: (usize, usize),
    columns: (usize, usize),
) {
    let window = Window::new(p, input, rows, columns);
    let start = p.bias.wrapping_add(window.outside);
    #[cfg(cortex_m_mve)]
    // SAFETY: the window's taps, and the pixel.
    if unsafe { super::mve_block::pool_pixel(p, window.first, [rows.1, columns.1], output, start) } {
        return;
    }
    window.each::<PARTS>(&mut |c, lanes| {
        let mut sums = [start; LANES];
        // SAFETY: these channels of the window's pixels are inside the image, and those of the result.
        unsafe {
            window.add::<PARTS>(c, lanes, &mut sums);
            finish::<PARTS>(p, &sums, lanes, output.add(c));
        }
    });
}

/// Stores the results of some channels.
///
/// # Safety
/// So many results are writable.
unsafe fn finish<const PARTS: u32>(
    p: &PoolI8<Place>,
    sums: &[i32; LANES],
    lanes: usize,
    output: *mut u8,
) {
    let requant = rounded::<PARTS>(&p.requant);
    for (lane, &sum) in sums.iter().take(lanes).enumerate() {
        let sum = sum.wrapping_shl(p.left.into());
        let result = requant.apply(sum, p.multiplier, p.requant.shift);
        // SAFETY: the caller's promise.
        unsafe { *output.add(lane) = result as u8 };
    }
}

/// Taps whose sums of bytes fit 16 bits.
const MAX_TAPS: usize = 256;

/// The taps of a window.
struct Window {
    /// The first channel of the first tap inside the image.
    first: *const u8,
    rows: usize,
    /// Bytes from one row to the next.
    row: usize,
    columns: usize,
    /// Bytes from one tap of a row to the next.
    channels: usize,
    /// What the taps outside the image add.
    outside: i32,
}

impl Window {
    fn new(
        p: &PoolI8<Place>,
        input: *const u8,
        rows: (usize, usize),
        columns: (usize, usize),
    ) -> Window {
        let channels = p.channels as usize;
        let inside = rows.1.wrapping_mul(columns.1) as i32;
        let outside = (p.kernel_h.wrapping_mul(p.kernel_w) as i32).wrapping_sub(inside);
        let first = rows.0.wrapping_mul(p.in_w as usize).wrapping_add(columns.0);
        Window {
            first: input.wrapping_add(first.wrapping_mul(channels)),
            rows: rows.1,
            row: (p.in_w as usize).wrapping_mul(channels),
            columns: columns.1,
            channels,
            outside: outside.wrapping_mul(i32::from(p.input_zero)),
        }
    }

    /// Calls `f` with the first one and the number of some channels, until it had all.
    #[inline(always)]
    fn each<const PARTS: u32>(&self, f: &mut impl FnMut(usize, usize)) {
        let mut c = 0;
        while c < self.channels {
            let left = has(PARTS, Parts::CHANNELS_LEFT);
            let lanes = if left { (self.channels - c).min(LANES) } else { LANES };
            f(c, lanes);
            c += lanes;
        }
    }

    /// Adds the taps of some channels.
    ///
    /// # Safety
    /// These channels of each tap are readable.
    unsafe fn add<const PARTS: u32>(&self, c: usize, lanes: usize, sums: &mut [i32; LANES]) {
        let first = self.first.wrapping_add(c);
        // SAFETY: the caller's promise.
        unsafe {
            let whole = lanes == LANES && self.columns <= MAX_TAPS;
            if !has(PARTS, Parts::CHANNELS_LEFT) || whole {
                self.add_words(first, sums);
            } else {
                self.add_bytes(first, lanes, sums);
            }
        }
    }

    /// Adds four channels, at most [`MAX_TAPS`] columns wide: two at a time in the halves of a word,
    /// as unsigned bytes that are 128 too large.
    ///
    /// # Safety
    /// Four channels of each tap are readable, from `first` on.
    unsafe fn add_words(&self, first: *const u8, sums: &mut [i32; LANES]) {
        let (mut even, mut odd, mut taps) = (0u32, 0u32, 0usize);
        let mut line = first;
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
    /// These channels of each tap are readable, from `first` on.
    unsafe fn add_bytes(&self, first: *const u8, lanes: usize, sums: &mut [i32; LANES]) {
        for y in 0..self.rows {
            let mut tap = first.wrapping_add(y.wrapping_mul(self.row));
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
