//! Channels of a pixel for Cortex-M with the DSP extension, four at a time: two words are four activations, and a
//! word of weights, widened by twos, has those of channels of either word in the halves of two registers.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::super::i8_block::dsp;
use super::channels::Channels;

/// The next channel's result of a sum, with the shift in r8 and the offset in r9. SMMLA adds the upper word of the
/// product to zero point and half a step, SSAT shifts and saturates.
macro_rules! result {
    ($sum:literal, $at:literal) => {
        concat!(
            "ldr r0, [r12, #",
            $at,
            "]\nsmmla ",
            $sum,
            ", ",
            $sum,
            ", r0, r9\nasr ",
            $sum,
            ", ",
            $sum,
            ", r8\nssat ",
            $sum,
            ", #16, ",
            $sum,
            ", asr #1\n",
        )
    };
}

/// The shift at r11, which goes on, and the offset for it.
macro_rules! shift {
    () => {
        "ldrb r8, [r11]
        add r11, r10
        sub r8, r8, #33
        lsl r9, lr, r8
        "
    };
}

/// Limits two results to what SSUB16 finds to be within r0 and r8.
macro_rules! limit {
    ($pair:literal) => {
        concat!(
            "ssub16 r2, ",
            $pair,
            ", r0\nsel ",
            $pair,
            ", ",
            $pair,
            ", r0\nssub16 r2, r8, ",
            $pair,
            "\nsel ",
            $pair,
            ", ",
            $pair,
            ", r8\n",
        )
    };
}

/// Computes all channels. Of the registers r1 points to taps, r2 to weights, which end at r11 for a line; r4 to r7
/// are the sums, r8 and r9 what taps and weights are apart, r10 counts lines.
///
/// # Safety
/// Taps, constants and results of the channels exist, a multiple of four.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn channels(job: &mut Channels) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        mov r3, r0
        1:
        ldrd r1, r2, [r3]
        ldrd r8, r9, [r3, #8]
        ldr r10, [r3, #{lines}]
        ldr r12, [r3, #{records}]
        ldr r4, [r12]
        ldr r5, [r12, #8]
        ldr r6, [r12, #16]
        ldr r7, [r12, #24]
        2:
        ldr r11, [r3, #{line}]
        add r11, r2
        3:
        ldr r12, [r2]
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
        cmp r2, r11
        bne 3b
        subs r10, #1
        beq 4f
        ldrd r0, r12, [r3, #{skip}]
        add r1, r0
        add r2, r12
        b 2b
        4:
        ldrd r12, r11, [r3, #{records}]
        ldr r10, [r3, #{shift_step}]
        ldr lr, [r3, #{offset}]",
        shift!(),
        result!("r4", "4"),
        "cmp r10, #0
        beq 5f",
        shift!(),
        result!("r5", "12"),
        shift!(),
        result!("r6", "20"),
        shift!(),
        result!("r7", "28"),
        "b 6f
        5:",
        result!("r5", "12"),
        result!("r6", "20"),
        result!("r7", "28"),
        "6:
        pkhbt r4, r4, r5, lsl #16
        pkhbt r6, r6, r7, lsl #16
        ldrd r0, r8, [r3, #{min}]",
        limit!("r4"),
        limit!("r6"),
        "ldr r1, [r3, #{output}]
        str r4, [r1]
        str r6, [r1, #4]
        adds r1, #8
        str r1, [r3, #{output}]
        add r12, #32
        strd r12, r11, [r3, #{records}]
        ldrd r1, r2, [r3]
        adds r1, #8
        adds r2, #4
        strd r1, r2, [r3]
        ldr r0, [r3, #{count}]
        subs r0, #4
        str r0, [r3, #{count}]
        bne 1b
        pop {{r4-r11, pc}}",
        count = const offset_of!(Channels, count),
        records = const offset_of!(Channels, records),
        output = const offset_of!(Channels, output),
        skip = const offset_of!(Channels, skip),
        line = const offset_of!(Channels, line),
        lines = const offset_of!(Channels, lines),
        shift_step = const offset_of!(Channels, shift_step),
        offset = const offset_of!(Channels, offset),
        min = const offset_of!(Channels, min),
    )
}
