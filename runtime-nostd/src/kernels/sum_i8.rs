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
    let (mut lhs, mut rhs, mut output) = (lhs, rhs, output);
    // SAFETY: the caller's promise, for the next elements; each is read before the result that may lie
    // on it is written.
    let one = |lhs: *const i8, rhs: *const i8, output: *mut i8, i: usize| unsafe {
        let (a, b) = (i32::from(*lhs.add(i)), i32::from(*rhs.add(i)));
        let sum = offset.wrapping_add(a.wrapping_mul(left));
        let sum = sum.wrapping_add(b.wrapping_mul(right)) >> shift;
        *output.add(i) = limit(sum) as i8;
    };
    let mut count = p.count as usize;
    #[cfg(rv32_tiles)]
    {
        // SAFETY: the caller's promise.
        let done = unsafe { super::i8_block::sum_fours(p, lhs, rhs, output) };
        (lhs, rhs, output) = (lhs.wrapping_add(done), rhs.wrapping_add(done), output.wrapping_add(done));
        count -= done;
    }
    // Written out, as firmware is built for size: two instructions less for each element.
    #[cfg(any(cortex_m_dsp, cortex_m_mla))]
    while count >= 4 {
        one(lhs, rhs, output, 0);
        one(lhs, rhs, output, 1);
        one(lhs, rhs, output, 2);
        one(lhs, rhs, output, 3);
        (lhs, rhs, output) = (lhs.wrapping_add(4), rhs.wrapping_add(4), output.wrapping_add(4));
        count -= 4;
    }
    while count > 0 {
        one(lhs, rhs, output, 0);
        (lhs, rhs, output) = (lhs.wrapping_add(1), rhs.wrapping_add(1), output.wrapping_add(1));
        count -= 1;
    }
}
