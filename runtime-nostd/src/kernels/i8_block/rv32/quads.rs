//! Depthwise kernels of any size, four channels of four outputs at a time, in assembly.

use core::arch::naked_asm;

use super::Finish;

/// A line of outputs, over lines of taps, of four channels at a time that lie side by side. Channels
/// that are missing are computed, and not stored.
#[repr(C)]
pub(super) struct Quads {
    /// The first output's first tap.
    pub taps: *const i8,
    /// Where the lines end; behind the last one comes the first again.
    pub end: *const i8,
    /// Bytes from there back to the first line.
    pub back: usize,
    /// Bytes from a line to the next.
    pub line: usize,
    /// Bytes from a tap to the next of its line, and for all taps of a line.
    pub tap: usize,
    pub row: usize,
    /// Bytes from an output's first tap to the next one's.
    pub stride: usize,
    /// Weights of the first channel.
    pub weights: *const i8,
    /// Bytes of a channel's weights.
    pub weights_channel: usize,
    /// Bytes from a weight to the next of its line, and from behind a line to the next one.
    pub weights_tap: usize,
    pub weights_line: usize,
    /// Lines of the kernel.
    pub height: usize,
    /// Bias and multiplier of four channels.
    pub records: *const [i32; 2],
    /// Shifts of four channels, or null.
    pub shifts: *const u8,
    /// The first result.
    pub output: *mut u8,
    /// Bytes from a result to the next.
    pub step: usize,
    /// Four outputs at a time, so many times.
    pub fours: usize,
    /// Then outputs one by one.
    pub ones: usize,
    /// How many of four channels exist.
    pub channels: usize,
    /// Four channels so many times, one behind the other.
    pub blocks: usize,
    pub finish: Finish,
    /// Whether taps and outputs lie four bytes apart, and the weights of four channels side by side.
    pub near: usize,
}

/// Computes a line of outputs.
///
/// Of the registers s0 to s11 and t3 to t6 are sums, a0 to a3 point to taps of four outputs, a4 to
/// a7 to weights of four channels, ra and t2 are how far it is to the next ones.
///
/// # Safety
/// The lines are those of an accepted convolution.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn quads(quads: &Quads) {
    naked_asm!(
        begin!(),
        r"
        .macro i8_product acc, x
        lb t1, \x
        mul t1, t1, t0
        add \acc, \acc, t1
        .endm

        // A weight of channel \c with four outputs.
        .macro i8_four c, w, p, q, r, s
        lb t0, 0(\w)
        add \w, \w, t2
        i8_product \p, \c(a0)
        i8_product \q, \c(a1)
        i8_product \r, \c(a2)
        i8_product \s, \c(a3)
        .endm

        // The same of outputs four bytes apart, weights side by side.
        .macro i8_near c, p, q, r, s
        lb t0, \c(a4)
        i8_product \p, \c(a0)
        i8_product \q, \c+4(a0)
        i8_product \r, \c+8(a0)
        i8_product \s, \c+12(a0)
        .endm

        // A weight with one output.
        .macro i8_one c, w, p
        lb t0, 0(\w)
        add \w, \w, t2
        i8_product \p, \c(a0)
        .endm

        .macro i8_begin at, a, b, c, d
        lw \a, 8*\at(t1)
        mv \b, \a
        mv \c, \a
        mv \d, \a
        .endm

        // What results need: a6 is the place of the output, a7 the distance of outputs, t2 the
        // records, ra the shifts, a4 the number of channels.
        .macro i8_before_results
        lw t1, 52(sp)
        lw a0, 80(t1)
        lw a1, 84(t1)
        lw a2, 88(t1)
        lw a3, 92(t1)
        lw a4, 72(t1)
        lw a5, 96(t1)
        lw a7, 60(t1)
        lw t2, 88(sp)
        lw ra, 92(sp)
        lw a6, 64(sp)
        .endm

        .macro i8_channel at
        lw t0, 8*\at+4(t2)
        i8_own_shift \at, ra, a0, a1, a5
        .endm

        // Four results, \at channels on.
        .macro i8_results at, a, b, c, d
        i8_channel \at
        add t1, a6, a7
        i8_round \a, t0, a0, a1, a2, a3
        sb \a, \at(a6)
        i8_round \b, t0, a0, a1, a2, a3
        sb \b, \at(t1)
        add t1, t1, a7
        i8_round \c, t0, a0, a1, a2, a3
        sb \c, \at(t1)
        add t1, t1, a7
        i8_round \d, t0, a0, a1, a2, a3
        sb \d, \at(t1)
        .endm

        .macro i8_result at, a
        lw t0, 8*\at+4(s9)
        i8_round \a, t0, s4, s5, s6, s7
        sb \a, \at(s11)
        .endm

        // Goes to \done unless there are more channels than \n.
        .macro i8_unless n, done
        li t1, \n
        bgeu t1, a4, \done
        .endm

        // The pointers of a line's taps to a0, of weights to a4 to a7, and how far they go.
        .macro i8_start_output
        lw a4, 96(sp)
        lw a0, 32(t0)
        lw t1, 44(t0)
        lw t2, 36(t0)
        lw ra, 16(t0)
        sw t1, 72(sp)
        add a5, a4, a0
        add a6, a5, a0
        add a7, a6, a0
        lw a0, 60(sp)
        .endm

        // From behind a line in a0 to the next one, if there is one; else goes to \done.
        .macro i8_next_line done
        lw t0, 72(sp)
        lw t1, 52(sp)
        addi t0, t0, -1
        beqz t0, \done
        sw t0, 72(sp)
        lw t0, 40(t1)
        add a4, a4, t0
        add a5, a5, t0
        add a6, a6, t0
        add a7, a7, t0
        lw a0, 76(sp)
        lw t0, 12(t1)
        lw a1, 4(t1)
        add a0, a0, t0
        bltu a0, a1, 910f
        lw t0, 8(t1)
        sub a0, a0, t0
        910:
        .endm
        ",
        enter!("112"),
        r"
        sw a0, 52(sp)
        // 56: fours or ones left, 60: taps of the output, 64: its place, 68: end of the line's taps,
        // 72: lines left, 76: the line's first tap; of the block 80: taps, 84: output, 88: records,
        // 92: shifts, 96: weights; 100: blocks left.
        lw t0, 48(a0)
        lw t1, 52(a0)
        lw t2, 28(a0)
        lw t3, 76(a0)
        sw t0, 88(sp)
        sw t1, 92(sp)
        sw t2, 96(sp)
        sw t3, 100(sp)
        lw t1, 0(a0)
        lw t2, 56(a0)

        // Four channels.
        8:
        lw t0, 64(a0)
        sw t1, 80(sp)
        sw t2, 84(sp)
        sw t1, 60(sp)
        sw t2, 64(sp)
        sw t0, 56(sp)
        beqz t0, 10f

        // Four outputs.
        1:
        lw t0, 52(sp)
        lw t1, 88(sp)
        i8_begin 0, s0, s1, s2, s3
        i8_begin 1, s4, s5, s6, s7
        i8_begin 2, s8, s9, s10, s11
        i8_begin 3, t3, t4, t5, t6
        i8_start_output
        2:
        lw t0, 52(sp)
        sw a0, 76(sp)
        lw t1, 20(t0)
        lw a1, 100(t0)
        bnez a1, 5f
        lw t0, 24(t0)
        add t1, t1, a0
        sw t1, 68(sp)
        add a1, a0, t0
        add a2, a1, t0
        add a3, a2, t0
        3:
        i8_four 0, a4, s0, s1, s2, s3
        i8_four 1, a5, s4, s5, s6, s7
        i8_four 2, a6, s8, s9, s10, s11
        i8_four 3, a7, t3, t4, t5, t6
        lw t1, 68(sp)
        add a0, a0, ra
        add a1, a1, ra
        add a2, a2, ra
        add a3, a3, ra
        bne a0, t1, 3b
        i8_next_line 4f
        j 2b
        5:
        add a5, t1, a0
        6:
        i8_near 0, s0, s1, s2, s3
        i8_near 1, s4, s5, s6, s7
        i8_near 2, s8, s9, s10, s11
        i8_near 3, t3, t4, t5, t6
        addi a0, a0, 4
        addi a4, a4, 4
        bne a0, a5, 6b
        i8_next_line 4f
        j 2b
        4:
        i8_before_results
        i8_results 0, s0, s1, s2, s3
        addi t1, a4, -4
        bnez t1, 9f
        i8_results 1, s4, s5, s6, s7
        i8_results 2, s8, s9, s10, s11
        i8_results 3, t3, t4, t5, t6
        j 7f
        9:
        i8_unless 1, 7f
        i8_results 1, s4, s5, s6, s7
        i8_unless 2, 7f
        i8_results 2, s8, s9, s10, s11
        7:
        lw t0, 52(sp)
        lw t1, 60(sp)
        lw t2, 24(t0)
        lw t3, 56(sp)
        slli t2, t2, 2
        slli a7, a7, 2
        add t1, t1, t2
        add a6, a6, a7
        sw t1, 60(sp)
        sw a6, 64(sp)
        addi t3, t3, -1
        sw t3, 56(sp)
        bnez t3, 1b

        10:
        lw t0, 52(sp)
        lw t6, 68(t0)
        beqz t6, 18f

        // One output: t3 points to its taps, t4 to weights, s9 to records, s10 to shifts, s11 to the
        // result, a1 counts lines, which begin at a2 and end at a3.
        lw s4, 80(t0)
        lw s5, 84(t0)
        lw s6, 88(t0)
        lw s7, 92(t0)
        lw s8, 96(t0)
        lw s9, 88(sp)
        lw s10, 92(sp)
        lw s11, 64(sp)
        lw t3, 60(sp)
        lw t4, 96(sp)
        lw t2, 36(t0)
        lw t5, 20(t0)
        lw ra, 16(t0)
        11:
        lw t1, 32(t0)
        lw a1, 44(t0)
        lw s0, 0(s9)
        lw s1, 8(s9)
        lw s2, 16(s9)
        lw s3, 24(s9)
        mv a0, t3
        mv a4, t4
        add a5, a4, t1
        add a6, a5, t1
        add a7, a6, t1
        12:
        mv a2, a0
        add a3, a0, t5
        13:
        i8_one 0, a4, s0
        i8_one 1, a5, s1
        i8_one 2, a6, s2
        i8_one 3, a7, s3
        add a0, a0, ra
        bne a0, a3, 13b
        addi a1, a1, -1
        beqz a1, 14f
        lw t0, 52(sp)
        lw t1, 40(t0)
        add a4, a4, t1
        add a5, a5, t1
        add a6, a6, t1
        add a7, a7, t1
        lw t1, 12(t0)
        lw a3, 4(t0)
        add a0, a2, t1
        bltu a0, a3, 12b
        lw t1, 8(t0)
        sub a0, a0, t1
        j 12b
        14:
        lw t0, 52(sp)
        lw a4, 72(t0)
        addi t1, a4, -4
        or t1, t1, s10
        bnez t1, 15f
        i8_result 0, s0
        i8_result 1, s1
        i8_result 2, s2
        i8_result 3, s3
        j 17f
        15:
        i8_own_shift 0, s10, s4, s5, s8
        i8_result 0, s0
        i8_unless 1, 17f
        i8_own_shift 1, s10, s4, s5, s8
        i8_result 1, s1
        i8_unless 2, 17f
        i8_own_shift 2, s10, s4, s5, s8
        i8_result 2, s2
        i8_unless 3, 17f
        i8_own_shift 3, s10, s4, s5, s8
        i8_result 3, s3
        17:
        addi t6, t6, -1
        beqz t6, 18f
        lw t0, 52(sp)
        lw a0, 24(t0)
        lw a2, 60(t0)
        add t3, t3, a0
        add s11, s11, a2
        j 11b

        // The next channels.
        18:
        lw t1, 100(sp)
        lw t0, 52(sp)
        addi t1, t1, -1
        beqz t1, 19f
        sw t1, 100(sp)
        lw a1, 32(t0)
        lw a2, 80(sp)
        lw a3, 84(sp)
        slli a1, a1, 2
        addi a2, a2, 4
        addi a3, a3, 4
        lw a4, 64(t0)
        bnez a4, 20f
        // No four: what is in registers stays there.
        sw a2, 80(sp)
        sw a3, 84(sp)
        mv t3, a2
        mv s11, a3
        lw t6, 68(t0)
        add t4, t4, a1
        addi s9, s9, 32
        beqz s10, 11b
        addi s10, s10, 4
        j 11b
        20:
        mv a0, t0
        lw t0, 88(sp)
        lw t1, 92(sp)
        lw t2, 96(sp)
        addi t0, t0, 32
        sw t0, 88(sp)
        beqz t1, 21f
        addi t1, t1, 4
        sw t1, 92(sp)
        21:
        add t2, t2, a1
        sw t2, 96(sp)
        mv t1, a2
        mv t2, a3
        j 8b
        19:
        ",
        leave!("112"),
        r"
        .purgem i8_product
        .purgem i8_four
        .purgem i8_near
        .purgem i8_one
        .purgem i8_begin
        .purgem i8_before_results
        .purgem i8_channel
        .purgem i8_results
        .purgem i8_result
        .purgem i8_unless
        .purgem i8_start_output
        .purgem i8_next_line
        ",
        end!(),
    )
}
