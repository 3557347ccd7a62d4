//! Sums of two `i8` tensors, each times a constant.

use microhlo_format::Place;
use microhlo_format::kernels::SumI8;

use super::Memory;
#[cfg(cortex_m_mve)]
use super::mve_block::add;
use crate::registry::Undecodable;

entry!(sum_i8, SumI8);
stage!(SumI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &SumI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let (lhs, rhs) = (memory.read(p.lhs).cast::<i8>(), memory.read(p.rhs).cast::<i8>());
    let output = memory.write(p.output).cast::<i8>();
    // SAFETY: `count` elements of each operand were checked.
    unsafe { add(p, lhs, rhs, output) };
    Ok(())
}

/// # Safety
/// `count` elements are readable at the operands and writable at the output.
#[cfg(not(cortex_m_mve))]
unsafe fn add(p: &SumI8<Place>, lhs: *const i8, rhs: *const i8, output: *mut i8) {
    let (min, max) = (i32::from(p.min), i32::from(p.max));
    let whole = (p.min, p.max) == (i8::MIN, i8::MAX);
    // SAFETY: the caller's promise. The limits of a byte are known to the compiler, which has an
    // instruction for them on some targets.
    unsafe {
        if whole {
            sums(p, lhs, rhs, output, |x| x.clamp(-128, 127));
        } else {
            sums(p, lhs, rhs, output, |x| x.max(min).min(max));
        }
    }
}

/// # Safety
/// `count` elements are readable at the operands and writable at the output.
#[cfg(not(cortex_m_mve))]
#[inline(always)]
unsafe fn sums(
    p: &SumI8<Place>,
    lhs: *const i8,
    rhs: *const i8,
    output: *mut i8,
    limit: impl Fn(i32) -> i32,
) {
    let shift = u32::from(p.shift) & 31;
    let (left, right, offset) = (p.lhs_multiplier, p.rhs_multiplier, p.offset);
    #[cfg(not(rv32_tiles))]
    let done = 0;
    #[cfg(rv32_tiles)]
    // SAFETY: the caller's promise.
    let done = unsafe { super::i8_block::sum_fours(p, lhs, rhs, output) };
    for i in done..p.count as usize {
        // SAFETY: the caller's promise; each element is read before the result that may lie on it
        // is written.
        unsafe {
            let (a, b) = (i32::from(*lhs.add(i)), i32::from(*rhs.add(i)));
            let sum = offset.wrapping_add(a.wrapping_mul(left));
            let sum = sum.wrapping_add(b.wrapping_mul(right)) >> shift;
            *output.add(i) = limit(sum) as i8;
        }
    }
}
