//! Sums of two `i16` tensors, each times a constant.

use microhlo_format::Place;
use microhlo_format::kernels::SumI16;

use super::Memory;
use crate::registry::Undecodable;

entry!(sum_i16, SumI16);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &SumI16<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut lhs = memory.read(p.lhs).cast::<i16>();
    let mut rhs = memory.read(p.rhs).cast::<i16>();
    let mut output = memory.write(p.output).cast::<i16>();
    let shift = u32::from(p.shift) & 63;
    let half = 1i64 << (shift.max(1) - 1);
    let (left, right) = (i64::from(p.lhs_multiplier), i64::from(p.rhs_multiplier));
    for _ in 0..p.count {
        // SAFETY: `count` elements of each operand were checked; each is read before the result that may
        // lie on it is written.
        unsafe {
            let (a, b) = (i64::from(*lhs), i64::from(*rhs));
            // The product of 16 bits and 32 has 47 bits without its sign.
            let sum = half.wrapping_add(a.wrapping_mul(left)).wrapping_add(b.wrapping_mul(right));
            *output = ((sum >> shift) as i32).max(p.min).min(p.max) as i16;
        }
        (lhs, rhs, output) = (lhs.wrapping_add(1), rhs.wrapping_add(1), output.wrapping_add(1));
    }
    Ok(())
}
