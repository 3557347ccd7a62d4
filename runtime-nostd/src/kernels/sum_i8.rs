//! Sums of two `i8` tensors, each times a constant.

use microhlo_format::Place;
use microhlo_format::kernels::SumI8;

use super::Memory;
use crate::registry::Undecodable;

entry!(sum_i8, SumI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &SumI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let (lhs, rhs) = (memory.read(p.lhs).cast::<i8>(), memory.read(p.rhs).cast::<i8>());
    let output = memory.write(p.output).cast::<i8>();
    let (min, max) = (i32::from(p.min), i32::from(p.max));
    let shift = u32::from(p.shift) & 31;
    for i in 0..p.count as usize {
        // SAFETY: `count` elements of each operand were checked; each is read before the result
        // that may lie on it is written.
        unsafe {
            let (a, b) = (i32::from(*lhs.add(i)), i32::from(*rhs.add(i)));
            let sum = p.offset.wrapping_add(a.wrapping_mul(p.lhs_multiplier));
            let sum = sum.wrapping_add(b.wrapping_mul(p.rhs_multiplier)) >> shift;
            *output.add(i) = sum.max(min).min(max) as i8;
        }
    }
    Ok(())
}
