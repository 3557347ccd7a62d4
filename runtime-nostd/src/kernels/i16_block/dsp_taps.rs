//! Taps of four channels for Cortex-M with the DSP extension: two words are four activations, and a word of
//! weights, widened by twos, has those of channels of either word in the halves of two registers.

use core::arch::naked_asm;

use super::super::i8_block::{CHANNELS, Taps, dsp};

/// A tap of four channels: the activations at r1, the weights at r2.
macro_rules! tap {
    () => {
        "ldr r12, [r2]
        ldr r0, [r1]
        sxtb16 lr, r12
        sxtb16 r12, r12, ror #8
        smlabb r4, r0, lr, r4
        smlatb r5, r0, r12, r5
        ldr r0, [r1, #4]
        add r1, r8
        add r2, r9
        smlabt r6, r0, lr, r6
        smlatt r7, r0, r12, r7
        "
    };
}

/// Adds the products of taps of four channels, the first of which are at `from`, with weights to their sums.
/// Of the registers r4 to r7 are the sums, r8 and r9 what taps and weights are apart, r10 counts lines, r11 is
/// the end of a line's weights.
///
/// # Safety
/// There are four channels of each tap and of each weight, of all lines.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn add_taps(
    acc: &mut [i32; CHANNELS],
    from: *const i16,
    weights: *const i8,
    taps: &Taps,
) {
    naked_asm!(
        dsp!(),
        "push {{r0, r4-r11, lr}}
        ldm r0, {{r4-r7}}
        ldrd r8, r9, [r3]
        ldr r10, [r3, #20]
        2:
        ldr r11, [r3, #16]
        add r11, r2
        1:
        ",
        tap!(),
        "cmp r2, r11
        bne 1b
        subs r10, #1
        beq 3f
        ldrd r0, r12, [r3, #8]
        add r1, r0
        add r2, r12
        b 2b
        3:
        ldr r0, [sp], #4
        stm r0, {{r4-r7}}
        pop {{r4-r11, pc}}",
    )
}
