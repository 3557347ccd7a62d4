//! Sums of two tensors, in assembly.

use core::arch::naked_asm;

use microhlo_format::Place;
use microhlo_format::kernels::SumI8;

/// What all elements have in common.
#[repr(C)]
struct Sums {
    lhs_multiplier: i32,
    rhs_multiplier: i32,
    offset: i32,
    shift: u32,
    min: i32,
    max: i32,
}

/// Computes elements four by four; returns how many, which is all but at most three.
///
/// # Safety
/// The parameters are accepted ones, and their elements lie there.
pub(in crate::kernels) unsafe fn sum_fours(
    p: &SumI8<Place>,
    lhs: *const i8,
    rhs: *const i8,
    output: *mut i8,
) -> usize {
    let count = p.count as usize / 4 * 4;
    let all = Sums {
        lhs_multiplier: p.lhs_multiplier,
        rhs_multiplier: p.rhs_multiplier,
        offset: p.offset,
        shift: p.shift.into(),
        min: p.min.into(),
        max: p.max.into(),
    };
    if count > 0 {
        // SAFETY: the caller's promise.
        unsafe { fours(lhs, rhs, output, lhs.wrapping_add(count), &all) };
    }
    count
}

/// Computes the elements up to `end` of the first operand, a multiple of four, at least one.
///
/// # Safety
/// They lie there. Each is read before the result that may lie on it is written.
#[unsafe(naked)]
unsafe extern "C" fn fours(
    lhs: *const i8,
    rhs: *const i8,
    output: *mut i8,
    end: *const i8,
    sums: &Sums,
) {
    naked_asm!(
        r"
        .option push
        .option arch, +m

        .macro i8_element at
        lb t0, \at(a0)
        lb t1, \at(a1)
        mul t0, t0, t2
        mul t1, t1, t3
        add t0, t0, t4
        add t0, t0, t1
        sra t0, t0, t5
        bge t0, t6, 900f
        mv t0, t6
        900:
        ble t0, a5, 901f
        mv t0, a5
        901:
        sb t0, \at(a2)
        .endm

        lw t2, 0(a4)
        lw t3, 4(a4)
        lw t4, 8(a4)
        lw t5, 12(a4)
        lw t6, 16(a4)
        lw a5, 20(a4)
        2:
        i8_element 0
        i8_element 1
        i8_element 2
        i8_element 3
        addi a0, a0, 4
        addi a1, a1, 4
        addi a2, a2, 4
        bne a0, a3, 2b
        ret

        .purgem i8_element
        .option pop
        ",
    )
}
