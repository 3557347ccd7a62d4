//! Channels of `i8`, each times a constant, plus another.

use microhlo_format::Place;
use microhlo_format::kernels::ScaleI8;

use super::Memory;
use crate::registry::Undecodable;

entry!(scale_i8, ScaleI8);
stage!(ScaleI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ScaleI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut input = memory.read(p.input).cast::<i8>();
    let mut output = memory.write(p.output).cast::<i8>();
    let records = memory.read(p.channels).cast::<[i32; 2]>();
    let channels = p.channels_count as usize;
    let (min, max) = (i32::from(p.min), i32::from(p.max));
    let whole = (p.min, p.max) == (i8::MIN, i8::MAX);
    for _ in 0..p.rows {
        // SAFETY: a row of each tensor and all records were checked. The limits of a byte are known
        // to the compiler, which has an instruction for them on some targets.
        unsafe {
            if whole {
                row(p.shift, input, records, output, channels, |x| x.clamp(-128, 127));
            } else {
                row(p.shift, input, records, output, channels, |x| x.max(min).min(max));
            }
        }
        input = input.wrapping_add(channels);
        output = output.wrapping_add(channels);
    }
    Ok(())
}

/// # Safety
/// So many channels are readable at the input and the records and writable at the output.
#[inline(always)]
unsafe fn row(
    shift: u8,
    input: *const i8,
    records: *const [i32; 2],
    output: *mut i8,
    channels: usize,
    limit: impl Fn(i32) -> i32,
) {
    let shift = u32::from(shift) & 31;
    for c in 0..channels {
        // SAFETY: the caller's promise; each element is read before the result that may lie on it
        // is written.
        unsafe {
            let [multiplier, offset] = *records.add(c);
            let sum = i32::from(*input.add(c)).wrapping_mul(multiplier).wrapping_add(offset);
            *output.add(c) = limit(sum >> shift) as i8;
        }
    }
}
