//! Roundings that depend on all bits of a product, in assembly for M-profile Vector Extension.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::rounding::Sums;

const _: () = assert!(
    offset_of!(Sums, channels) == 16
        && offset_of!(Sums, offset) == 24
        && offset_of!(Sums, multiplier_step) == 32
        && offset_of!(Sums, max) == 40
);

/// Stores results with halves rounded up, four at a time, until one lies within 2^-12 of halfway
/// between two, or none is left. The upper word of a product and the offset become the result; what
/// is shifted out of them, with the lower word, its fraction.
///
/// # Safety
/// All places have as much as [`Sums`] says.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn finish(sums: &mut Sums) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r4-r11, lr}}
        sub sp, #4
        vpush {{d8-d15}}
        ldm r0, {{r1-r6}}
        ldrd r7, r8, [r0, #24]
        ldrd r9, r10, [r0, #32]
        ldr r11, [r0, #40]
        mov r12, #0
        vidup.u32 q5, r12, #1
        vmul.i32 q5, q5, r9
        vadd.i32 q5, q5, r8
        vdup.32 q6, r10
        vdup.32 q7, r11
        mov r8, #32
        mov r9, #1
        mov r10, #0x100000
        mov r11, #0x200000
        2:
        vctp.32 r5
        vmrs r12, p0
        vldrw.u32 q0, [r1]
        vpstt
        vldrwt.u32 q1, [r2, q5]
        vldrbt.u32 q3, [r3]
        vsub.i32 q3, q3, r8
        vmul.i32 q2, q0, q1
        vmulh.s32 q0, q0, q1
        vdup.32 q1, r7
        vsub.i32 q4, q3, r9
        vshl.s32 q1, q1, q4
        vadd.i32 q0, q0, q1
        vneg.s32 q1, q3
        vshl.u32 q2, q2, q1
        vadd.i32 q4, q1, r8
        vshl.u32 q4, q0, q4
        vorr q2, q2, q4
        vshl.s32 q0, q0, q1
        vadd.i32 q2, q2, r10
        vpst
        vcmpt.u32 cs, q2, r11
        vmrs lr, p0
        cmp lr, r12
        bne 3f
        vmax.s32 q0, q0, q6
        vmin.s32 q0, q0, q7
        vpst
        vstrbt.32 q0, [r4]
        adds r4, #4
        adds r1, #16
        adds r2, #32
        add r3, r6
        subs r5, #4
        bgt 2b
        3:
        stm r0, {{r1-r5}}
        vpop {{d8-d15}}
        add sp, #4
        pop {{r4-r11, pc}}"
    )
}
