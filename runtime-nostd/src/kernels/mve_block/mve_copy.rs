//! Copies in assembly for M-profile Vector Extension, whose loops take no branch and whose last vector
//! is cut to what is left.

use core::arch::naked_asm;

/// Copies `count` bytes.
///
/// # Safety
/// They are readable and writable, and do not overlap.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn copy(to: *mut i8, from: *const i8, count: usize) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r3, lr}}
        wlstp.8 lr, r2, 3f
        2:
        vldrb.u8 q0, [r1], #16
        vstrb.8 q0, [r0], #16
        letp lr, 2b
        3:
        pop {{r3, pc}}"
    )
}

/// Copies `rows` rows of `count` bytes, at least one of each, which are `step` bytes apart, behind
/// each other.
///
/// # Safety
/// They are readable and writable, and do not overlap.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn copy_rows(
    to: *mut i8,
    from: *const i8,
    count: usize,
    rows: usize,
    step: usize,
) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r4, r5, r6, lr}}
        ldr r4, [sp, #16]
        2:
        mov r5, r0
        mov r6, r1
        dlstp.8 lr, r2
        3:
        vldrb.u8 q0, [r6], #16
        vstrb.8 q0, [r5], #16
        letp lr, 3b
        add r0, r2
        add r1, r4
        subs r3, #1
        bne 2b
        pop {{r4, r5, r6, pc}}"
    )
}

/// Fills `count` bytes.
///
/// # Safety
/// They are writable.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn fill(to: *mut i8, value: i8, count: usize) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r3, lr}}
        vdup.8 q0, r1
        wlstp.8 lr, r2, 3f
        2:
        vstrb.8 q0, [r0], #16
        letp lr, 2b
        3:
        pop {{r3, pc}}"
    )
}
