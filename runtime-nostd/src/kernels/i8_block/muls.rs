//! Microkernels for Armv6-M, in assembly.
//!
//! A product overwrites a factor, only eight registers take part in it, and loads that extend signs have no
//! constant offset: such are two instructions. Sums are kept in the other registers, to which one instruction
//! adds.

use core::arch::naked_asm;

use super::{CHANNELS, Taps};

/// Assembly that begins a function: saves all registers that it has to.
macro_rules! enter {
    () => {
        "
        push {{r4-r7, lr}}
        mov r4, r8
        mov r5, r9
        mov r6, r10
        mov r7, r11
        push {{r4-r7}}
        "
    };
}

/// Assembly that stores eight sums, those of r8 to r12, lr, r6 and r7, where the second word on the stack says, and
/// drops both.
macro_rules! store_sums {
    () => {
        "
        pop {{r2, r3}}
        mov r0, r8
        mov r1, r9
        mov r4, r10
        mov r5, r11
        stmia r3!, {{r0, r1, r4, r5}}
        mov r0, r12
        mov r1, lr
        stmia r3!, {{r0, r1, r6, r7}}
        "
    };
}

/// Assembly that ends one.
macro_rules! leave {
    () => {
        "
        pop {{r4-r7}}
        mov r8, r4
        mov r9, r5
        mov r10, r6
        mov r11, r7
        pop {{r4-r7, pc}}
        "
    };
}

/// As `tiles::add_taps`. Of the registers r0 points to a tap, r1 to weights, r2, r3, r6 and r7 are the channels, r8
/// to r11 their sums, r12 and lr what taps and weights are apart.
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn add_taps(
    acc: &mut [i32; CHANNELS],
    from: *const i8,
    weights: *const i8,
    taps: &Taps,
) {
    naked_asm!(
        enter!(),
        "
        .macro i8_lane at, acc
        ldrsb r4, [r0, \\at]
        ldrsb r5, [r1, \\at]
        muls r4, r5, r4
        add \\acc, r4
        .endm

        ldr r4, [r3, #20]
        push {{r0, r3, r4}}
        sub sp, #4
        ldmia r0!, {{r4-r7}}
        mov r8, r4
        mov r9, r5
        mov r10, r6
        mov r11, r7
        mov r0, r1
        mov r1, r2
        ldr r4, [r3]
        ldr r5, [r3, #4]
        mov r12, r4
        mov lr, r5
        movs r2, #0
        movs r6, #2
        movs r7, #3
        2:
        ldr r4, [r3, #16]
        adds r4, r1, r4
        str r4, [sp]
        movs r3, #1
        1:
        i8_lane r2, r8
        i8_lane r3, r9
        i8_lane r6, r10
        i8_lane r7, r11
        add r0, r12
        add r1, lr
        ldr r4, [sp]
        cmp r1, r4
        bne 1b
        ldr r4, [sp, #12]
        subs r4, #1
        beq 3f
        str r4, [sp, #12]
        ldr r3, [sp, #8]
        ldr r4, [r3, #8]
        adds r0, r0, r4
        ldr r4, [r3, #12]
        adds r1, r1, r4
        b 2b
        3:
        mov r4, r8
        mov r5, r9
        mov r6, r10
        mov r7, r11
        add sp, #4
        pop {{r0, r2, r3}}
        stmia r0!, {{r4-r7}}
        ",
        leave!(),
        "
        .purgem i8_lane
        "
    )
}

/// As `tiles::sums_4x2`.
///
/// # Safety
/// As there.
pub(super) unsafe fn sums_4x2(
    taps: *const i16,
    weights: *const i8,
    pairs: usize,
    bias: [i32; 2],
    out: &mut [[i32; 2]; 4],
) {
    out[0] = bias;
    if pairs == 0 {
        *out = [bias; 4];
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { four_by_two(taps, weights, weights.wrapping_add(4 * pairs), out) }
}

/// The sums of four pixels and two channels, which begin with what `out` has for the first pixel, of weights up
/// to `end`, at least four. Of the registers r0 points to taps, r1 to weights, r2 and r3 are weights, r4 and r5 a
/// tap, r8 to r12, lr, r6 and r7 the sums.
///
/// # Safety
/// As for [`sums_4x2`].
#[unsafe(naked)]
unsafe extern "C" fn four_by_two(
    taps: *const i16,
    weights: *const i8,
    end: *const i8,
    out: &mut [[i32; 2]; 4],
) {
    naked_asm!(
        enter!(),
        "
        .macro i8_pixel at, a, b
        ldrh r4, [r0, #\\at]
        sxth r4, r4
        movs r5, r4
        muls r4, r2, r4
        muls r5, r3, r5
        add \\a, r4
        add \\b, r5
        .endm

        .macro i8_tap k
        ldrb r2, [r1, #2*\\k]
        ldrb r3, [r1, #2*\\k+1]
        sxtb r2, r2
        sxtb r3, r3
        i8_pixel 2*\\k, r8, r9
        i8_pixel 2*\\k+4, r10, r11
        i8_pixel 2*\\k+8, r12, lr
        i8_pixel 2*\\k+12, r6, r7
        .endm

        push {{r2, r3}}
        ldmia r3!, {{r6, r7}}
        mov r8, r6
        mov r9, r7
        mov r10, r6
        mov r11, r7
        mov r12, r6
        mov lr, r7
        1:
        i8_tap 0
        i8_tap 1
        adds r0, #16
        adds r1, #4
        ldr r4, [sp]
        cmp r1, r4
        bne 1b
        ",
        store_sums!(),
        leave!(),
        "
        .purgem i8_pixel
        .purgem i8_tap
        "
    )
}

/// As `tiles::sums_1x8`.
///
/// # Safety
/// As there.
pub(super) unsafe fn sums_1x8(
    taps: *const i16,
    weights: *const i8,
    pairs: usize,
    acc: &mut [i32; 8],
) {
    if pairs > 0 {
        // SAFETY: the caller's promise.
        unsafe { one_by_eight(taps, weights, weights.wrapping_add(16 * pairs), acc) };
    }
}

/// The sums of one pixel and eight channels, of weights up to `end`, at least sixteen. Of the registers r0 points
/// to taps, r1 to weights, r2 and r3 are taps, r4 and r5 weights, r8 to r12, lr, r6 and r7 the sums.
///
/// # Safety
/// As for [`sums_1x8`].
#[unsafe(naked)]
unsafe extern "C" fn one_by_eight(
    taps: *const i16,
    weights: *const i8,
    end: *const i8,
    acc: &mut [i32; 8],
) {
    naked_asm!(
        enter!(),
        "
        .macro i8_channel at, acc
        ldrb r4, [r1, #\\at]
        ldrb r5, [r1, #\\at+2]
        sxtb r4, r4
        sxtb r5, r5
        muls r4, r2, r4
        muls r5, r3, r5
        add \\acc, r4
        add \\acc, r5
        .endm

        push {{r2, r3}}
        ldmia r3!, {{r4-r7}}
        mov r8, r4
        mov r9, r5
        mov r10, r6
        mov r11, r7
        ldmia r3!, {{r4-r7}}
        mov r12, r4
        mov lr, r5
        1:
        ldrh r2, [r0]
        ldrh r3, [r0, #2]
        sxth r2, r2
        sxth r3, r3
        i8_channel 0, r8
        i8_channel 1, r9
        i8_channel 4, r10
        i8_channel 5, r11
        i8_channel 8, r12
        i8_channel 9, lr
        i8_channel 12, r6
        i8_channel 13, r7
        adds r0, #4
        adds r1, #16
        ldr r4, [sp]
        cmp r1, r4
        bne 1b
        ",
        store_sums!(),
        leave!(),
        "
        .purgem i8_channel
        "
    )
}
