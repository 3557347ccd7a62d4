//! Products of two tensors, four elements at a time.
//!
//! SXTAB16 widens two bytes and takes off the zero point, SMMLA adds the high word of a product times
//! the multiplier to the zero point of the result, SSAT shifts and saturates.

use core::arch::naked_asm;

use microhlo_format::Place;
use microhlo_format::kernels::ProductI8;

use crate::micro::{Dst, Src};

/// What all elements have in common.
#[repr(C)]
struct Products {
    /// The operands' zero points, negated, twice.
    lhs_zero: u32,
    rhs_zero: u32,
    multiplier: i32,
    /// The zero point doubled, plus one, shifted.
    offset: i32,
    /// What the shift exceeds 33 by.
    shift: u32,
}

/// A number in both halves of a word.
pub(in crate::kernels) fn twice(x: i32) -> u32 {
    u32::from(x as u16).wrapping_mul(0x1_0001)
}

/// Computes elements four by four, saturated only, and moves on the operands and the output by their
/// number, which is returned: all but at most three, or none where the operands' strides are others.
///
/// # Safety
/// The parameters are accepted ones of rounding up, and so many elements lie there.
pub(in crate::kernels) unsafe fn product_fours(
    p: &ProductI8<Place>,
    lhs: &mut Src,
    rhs: &mut Src,
    to: &mut Dst,
    n: u32,
) -> u32 {
    let count = n & !3;
    if count == 0 || lhs.stride != 1 || rhs.stride & !1 != 0 || p.left != 0 {
        return 0;
    }
    let shift = u32::from(p.requant.shift);
    let all = Products {
        lhs_zero: twice(-i32::from(p.lhs_zero)),
        rhs_zero: twice(-i32::from(p.rhs_zero)),
        multiplier: p.multiplier,
        offset: p.requant.offset(shift),
        shift: shift.wrapping_sub(33) & 31,
    };
    let end = lhs.ptr.wrapping_add(count as usize);
    // SAFETY: the caller's promise.
    unsafe {
        if rhs.stride == 1 {
            fours(lhs.ptr, rhs.ptr, to.ptr, end, &all);
        } else {
            let same = [*rhs.ptr; 4];
            fours_by_one(lhs.ptr, same.as_ptr(), to.ptr, end, &all);
        }
    }
    rhs.ptr = rhs.ptr.wrapping_offset(count as isize * rhs.stride as isize);
    to.ptr = to.ptr.wrapping_add(count as usize);
    lhs.ptr = end;
    count
}

/// A loop over words of operands.
macro_rules! loop_of_fours {
    ($next:literal) => {
        concat!(
            "push {{r4-r11, lr}}
            ldr r12, [sp, #36]
            ldm r12, {{r4-r8}}
            2:
            ldr r10, [r0], #4
            ldr r12, [r1]",
            $next,
            "
            sxtab16 r9, r4, r10
            sxtab16 r11, r5, r12
            sxtab16 r10, r4, r10, ror #8
            sxtab16 r12, r5, r12, ror #8
            smulbb lr, r9, r11
            smultt r9, r9, r11
            smulbb r11, r10, r12
            smultt r10, r10, r12
            smmla lr, lr, r6, r7
            smmla r11, r11, r6, r7
            smmla r9, r9, r6, r7
            smmla r10, r10, r6, r7
            cmp r8, #0
            beq 3f
            asr lr, lr, r8
            asr r11, r11, r8
            asr r9, r9, r8
            asr r10, r10, r8
            3:
            ssat lr, #8, lr, asr #1
            ssat r11, #8, r11, asr #1
            ssat r9, #8, r9, asr #1
            ssat r10, #8, r10, asr #1
            bfi lr, r11, #8, #8
            bfi lr, r9, #16, #8
            bfi lr, r10, #24, #8
            str lr, [r2], #4
            cmp r0, r3
            bne 2b
            pop {{r4-r11, pc}}
            "
        )
    };
}

/// Computes the elements up to `end` of the first operand, at least four.
///
/// # Safety
/// They lie there, a multiple of four. Each four are read before the results that may lie on them are
/// written.
#[unsafe(naked)]
unsafe extern "C" fn fours(
    lhs: *const u8,
    rhs: *const u8,
    output: *mut u8,
    end: *const u8,
    all: &Products,
) {
    naked_asm!(dsp!(), loop_of_fours!(", #4"))
}

/// The same with four elements of the second operand for all.
///
/// # Safety
/// As for [`fours`].
#[unsafe(naked)]
unsafe extern "C" fn fours_by_one(
    lhs: *const u8,
    rhs: *const u8,
    output: *mut u8,
    end: *const u8,
    all: &Products,
) {
    naked_asm!(dsp!(), loop_of_fours!(""))
}
