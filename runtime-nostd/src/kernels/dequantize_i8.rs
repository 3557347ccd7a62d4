//! Quantised 8-bit integers to `f32`.

use microhlo_format::Place;
use microhlo_format::kernels::DequantizeI8;

use super::Memory;
use crate::registry::Undecodable;

entry!(dequantize_i8, DequantizeI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DequantizeI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let input = memory.read(p.input);
    let output = memory.write(p.output).cast::<f32>();
    // SAFETY: `count` elements on both sides and 256 entries were checked.
    unsafe {
        match p.table {
            Some(table) => {
                let table: *const f32 = memory.read(table).cast();
                each(output, input, p.count, |x| *table.add(usize::from(x)));
            }
            None => {
                let (zero, scale) = (p.zero, p.scale);
                each(output, input, p.count, |x| {
                    i32::from(x as i8).wrapping_sub(zero) as f32 * scale
                });
            }
        }
    }
    Ok(())
}

/// # Safety
/// `count` elements are readable and writable.
#[inline(always)]
unsafe fn each(output: *mut f32, input: *const u8, count: u32, f: impl Fn(u8) -> f32) {
    for i in 0..count as usize {
        // SAFETY: the caller's promise.
        unsafe { *output.add(i) = f(*input.add(i)) };
    }
}
