//! Channels of a pixel for RV32IM, four at a time.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::channels::Channels;

/// Computes all channels. Of the registers a1 points to taps, a2 to weights, which end at a5 for a line, a3 and a4
/// are what they are apart, a6 counts lines, a7 points to records; t3 to t6 are sums.
///
/// # Safety
/// Taps, constants and results of the channels exist, a multiple of four.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn channels(job: &mut Channels) {
    naked_asm!(
        r"
        .option push
        .option arch, +m

        .macro i16_product acc, at
        lh t0, 2*(\at)(a1)
        lb t1, \at(a2)
        mul t0, t0, t1
        add \acc, \acc, t0
        .endm

        // The shift at a3, and the offset for it; a3 goes on.
        .macro i16_shift
        lbu t1, 0(a3)
        add a3, a3, a4
        addi t1, t1, -33
        sll t2, a6, t1
        addi t1, t1, 1
        .endm

        .macro i16_result acc, at
        lw t0, 8*(\at)+4(a7)
        mulh \acc, \acc, t0
        add \acc, \acc, t2
        sra \acc, \acc, t1
        bge \acc, a1, 900f
        mv \acc, a1
        900:
        ble \acc, a2, 901f
        mv \acc, a2
        901:
        sh \acc, 2*(\at)(a5)
        .endm

        lw a7, {records}(a0)
        1:
        lw t3, 0(a7)
        lw t4, 8(a7)
        lw t5, 16(a7)
        lw t6, 24(a7)
        lw a1, 0(a0)
        lw a2, 4(a0)
        lw a3, 8(a0)
        lw a4, 12(a0)
        lw a6, {lines}(a0)
        2:
        lw a5, {line}(a0)
        add a5, a5, a2
        3:
        i16_product t3, 0
        i16_product t4, 1
        i16_product t5, 2
        i16_product t6, 3
        add a1, a1, a3
        add a2, a2, a4
        bne a2, a5, 3b
        addi a6, a6, -1
        beqz a6, 4f
        lw t0, {skip}(a0)
        lw t1, {skip}+4(a0)
        add a1, a1, t0
        add a2, a2, t1
        j 2b
        4:
        lw a1, {min}(a0)
        lw a2, {min}+4(a0)
        lw a3, {shifts}(a0)
        lw a4, {shifts}+4(a0)
        lw a5, {output}(a0)
        lw a6, {offset}(a0)
        i16_shift
        i16_result t3, 0
        beqz a4, 5f
        i16_shift
        i16_result t4, 1
        i16_shift
        i16_result t5, 2
        i16_shift
        i16_result t6, 3
        sw a3, {shifts}(a0)
        j 6f
        5:
        i16_result t4, 1
        i16_result t5, 2
        i16_result t6, 3
        6:
        lw a1, 0(a0)
        lw a2, 4(a0)
        lw a3, {count}(a0)
        addi a5, a5, 8
        addi a7, a7, 32
        addi a1, a1, 8
        addi a2, a2, 4
        addi a3, a3, -4
        sw a5, {output}(a0)
        sw a1, 0(a0)
        sw a2, 4(a0)
        sw a3, {count}(a0)
        bnez a3, 1b
        ret

        .purgem i16_product
        .purgem i16_shift
        .purgem i16_result
        .option pop
        ",
        count = const offset_of!(Channels, count),
        records = const offset_of!(Channels, records),
        output = const offset_of!(Channels, output),
        skip = const offset_of!(Channels, skip),
        line = const offset_of!(Channels, line),
        lines = const offset_of!(Channels, lines),
        shifts = const offset_of!(Channels, shifts),
        offset = const offset_of!(Channels, offset),
        min = const offset_of!(Channels, min),
    )
}
