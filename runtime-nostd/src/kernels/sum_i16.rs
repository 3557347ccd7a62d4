//! Sums of two `i16` tensors, each times a constant.

use microhlo_format::Place;
use microhlo_format::kernels::SumI16;

use super::Memory;
use crate::registry::Undecodable;

entry!(sum_i16, SumI16);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &SumI16<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let shift = u32::from(p.shift) & 63;
    // Shifted sums have 31 bits, so that their upper words do not matter.
    let upper = |sum: i64| (sum >> 32) as i32;
    // SAFETY: the caller's promise.
    unsafe {
        if shift < 32 {
            let left = 32 - shift.max(1);
            add(p, memory, |sum| (upper(sum) << left) | (sum as u32 >> shift) as i32);
        } else {
            add(p, memory, |sum| upper(sum) >> (shift - 32));
        }
    }
    Ok(())
}

/// Adds all elements.
///
/// # Safety
/// As for [`execute`].
#[inline(always)]
unsafe fn add(p: &SumI16<Place>, memory: &Memory<'_>, shifted: impl Fn(i64) -> i32) {
    let mut lhs = memory.read(p.lhs).cast::<i16>();
    let mut rhs = memory.read(p.rhs).cast::<i16>();
    let mut output = memory.write(p.output).cast::<i16>();
    let half = 1i64 << ((u32::from(p.shift) & 63).max(1) - 1);
    let (left, right) = (i64::from(p.lhs_multiplier), i64::from(p.rhs_multiplier));
    let (min, max) = (p.min, p.max);
    for _ in 0..p.count {
        // SAFETY: `count` elements of each operand were checked; each is read before the result that may
        // lie on it is written.
        unsafe {
            let (a, b) = (i64::from(*lhs), i64::from(*rhs));
            // The product of 16 bits and 32 has 47 bits without its sign.
            let sum = half.wrapping_add(a.wrapping_mul(left)).wrapping_add(b.wrapping_mul(right));
            *output = shifted(sum).max(min).min(max) as i16;
        }
        (lhs, rhs, output) = (lhs.wrapping_add(1), rhs.wrapping_add(1), output.wrapping_add(1));
    }
}
