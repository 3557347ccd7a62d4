//! Lines of the input, widened to 16 bits and turned so that each channel has its own: the assembly that
//! makes, fills and moves them.

use core::arch::naked_asm;

/// Lines of the input and where they go, for four channels.
#[repr(C)]
pub(super) struct Columns {
    /// The first channel of the first coordinate inside the input, of the first line.
    pub from: *const i8,
    /// Where that channel's value goes.
    pub to: *mut i16,
    /// Bytes from a coordinate to the next one.
    pub step: usize,
    /// Bytes from a channel's line to the next one's.
    pub channel: usize,
    /// Coordinates of a line inside the input.
    pub inside: usize,
    /// Lines, at least one.
    pub lines: usize,
    /// Bytes from a line of the input to the next one.
    pub from_line: usize,
    /// Bytes from a line's place to the next one's.
    pub to_line: usize,
}

/// Two coordinates of four channels.
macro_rules! widen_two {
    () => {
        "ldr r7, [r0]
        ldr r8, [r0, r1]
        add r0, r0, r1, lsl #1
        sxtb16 r9, r7
        sxtb16 r7, r7, ror #8
        sxtb16 r10, r8
        sxtb16 r8, r8, ror #8
        pkhbt r11, r9, r10, lsl #16
        str r11, [r2], #4
        pkhbt r11, r7, r8, lsl #16
        str r11, [r3], #4
        pkhtb r10, r10, r9, asr #16
        str r10, [r4], #4
        pkhtb r8, r8, r7, asr #16
        str r8, [r5], #4
        "
    };
}

/// One coordinate of four channels.
macro_rules! widen_one {
    () => {
        "ldr r7, [r0]
        add r0, r0, r1
        sxtb r8, r7
        sxtb r9, r7, ror #8
        sxtb r10, r7, ror #16
        asr r11, r7, #24
        strh r8, [r2], #2
        strh r9, [r3], #2
        strh r10, [r4], #2
        strh r11, [r5], #2
        "
    };
}

/// Widens what lies inside the input of lines of four channels. From sp: the job.
///
/// # Safety
/// The lines and their places are those of an accepted convolution.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn widen_lines(columns: &Columns) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        ldm r0, {{r4-r11}}
        push {{r4-r11}}
        mov r1, r6
        mov lr, r9
        1:
        ldrd r0, r2, [sp]
        ldrd r3, r6, [sp, #12]
        add r4, r2, r3, lsl #1
        add r5, r4, r3
        add r3, r3, r2
        cmp r6, #0
        beq 7f
        tst r2, #2
        beq 3f
        ",
        widen_one!(),
        "subs r6, #1
        beq 7f
        3:
        mov r12, r6
        lsrs r6, r6, #1
        beq 6f
        lsrs r6, r6, #1
        it cs
        addcs r6, #1
        bcs 5f
        4:
        ",
        widen_two!(),
        "5:
        ",
        widen_two!(),
        "subs r6, #1
        bne 4b
        6:
        tst r12, #1
        beq 7f
        ",
        widen_one!(),
        "7:
        ldrd r0, r2, [sp]
        ldrd r3, r4, [sp, #24]
        add r0, r0, r3
        add r2, r2, r4
        strd r0, r2, [sp]
        subs lr, #1
        bne 1b
        add sp, #32
        pop {{r4-r11, pc}}",
    )
}

/// Fills words with one value: all of a multiple of four.
///
/// # Safety
/// `words` words, at least four, are there at `to`.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn fill(to: *mut i16, value: u32, words: usize) {
    naked_asm!(
        dsp!(),
        "push {{r4, lr}}
        mov r3, r1
        mov r4, r1
        mov r12, r1
        1:
        stm r0!, {{r1, r3, r4, r12}}
        subs r2, #4
        bhi 1b
        pop {{r4, pc}}",
    )
}

/// Copies words forwards: all of a multiple of four.
///
/// # Safety
/// `words` words, at least four, are there at both places, and `to` is before `from`.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn copy(to: *mut i16, from: *const i16, words: usize) {
    naked_asm!(
        dsp!(),
        "push {{r4-r6, lr}}
        1:
        ldm r1!, {{r3-r6}}
        stm r0!, {{r3-r6}}
        subs r2, #4
        bhi 1b
        pop {{r4-r6, pc}}",
    )
}

/// Widens the weights of a channel of 3x3: those of a line are `step` bytes apart, 1 or 3, and lines
/// `other` bytes.
///
/// # Safety
/// There are nine.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn widen_nine(
    weights: *const i8,
    step: usize,
    other: usize,
    to: *mut [u32; 6],
) {
    macro_rules! line {
        () => {
            "ldrsb r4, [r0]
            ldrsb r5, [r0, r1]
            ldrsb r6, [r0, r1, lsl #1]
            add r0, r0, r2
            pkhbt r4, r4, r5, lsl #16
            pkhbt r5, r5, r6, lsl #16
            strd r4, r5, [r3], #8
            "
        };
    }
    naked_asm!(dsp!(), "push {{r4-r6, lr}}", line!(), line!(), line!(), "pop {{r4-r6, pc}}")
}
