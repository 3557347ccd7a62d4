//! Depthwise kernels of any size over widened lines, and of single outputs, in assembly.

use core::arch::naked_asm;

use super::Finish;

/// A line of outputs of a few channels, over lines of taps in a ring.
#[repr(C)]
pub(super) struct Lines {
    /// The first channel's lines.
    pub ring: *const i16,
    /// Bytes from the ring's begin to the first line, and to its end.
    pub start: usize,
    pub end: usize,
    /// Bytes from a line to the next, and to that of the next channel.
    pub line: usize,
    pub channel: usize,
    /// Rows of the first channel's weights, each filled up to an even number.
    pub rows: *const i16,
    /// Number of rows and of weights in a row.
    pub height: usize,
    pub width: usize,
    /// Bytes from a tap to the next, and from an output's first tap to the next one's.
    pub dilation: usize,
    pub stride: usize,
    /// Bias and multiplier of the channels.
    pub records: *const [i32; 2],
    /// Shifts of the channels, or null.
    pub shifts: *const u8,
    /// The first result.
    pub output: *mut u8,
    /// Bytes from a result to the next.
    pub step: usize,
    /// Results of a channel, at least one. Lines have the taps of a multiple of four.
    pub outputs: usize,
    /// Number of channels, at least one.
    pub channels: usize,
    pub finish: Finish,
}

/// Computes a line of outputs, four at a time.
///
/// Of the registers t3 to t6 hold sums, s0 to s3 taps or pointers to them, a0 points to taps, a1 to
/// weights, a2 to the next line of the ring that ends at a3, ra is the lines' distance and s11 their
/// size, a4 counts rows, a6 points to results that end at a5, a7 is their step, s10 is how a row
/// begins.
///
/// # Safety
/// The lines are those of an accepted convolution.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn lines(lines: &Lines) {
    naked_asm!(
        begin!(),
        r"
        .macro i8_add acc, x
        mul t1, \x, t0
        add \acc, \acc, t1
        .endm

        // The next tap's weight at \w with four adjacent outputs.
        .macro i8_tap w, p, q, r, s
        lh t0, \w(a1)
        i8_add t3, \p
        i8_add t4, \q
        i8_add t5, \r
        i8_add t6, \s
        .endm

        // A tap of an output, which goes on to the next one.
        .macro i8_far acc, p
        lh t1, 0(\p)
        add \p, \p, s3
        mul t1, t1, t0
        add \acc, \acc, t1
        .endm

        .macro i8_result acc
        i8_round \acc, s4, s5, s6, s7, s8
        sb \acc, 0(a6)
        add a6, a6, a7
        .endm

        ",
        enter!("96"),
        r"
        sw a0, 52(sp)
        // 56: channels left, 60: the channel's ring, 64: its weights, 68: its output, 72: records,
        // 76: shifts, 80: first line, 84: fours of a row, 88: bytes of weights left over.
        lw t0, 60(a0)
        lw t1, 0(a0)
        lw t2, 20(a0)
        lw t3, 48(a0)
        lw t4, 40(a0)
        lw t5, 44(a0)
        sw t0, 56(sp)
        sw t1, 60(sp)
        sw t2, 64(sp)
        sw t3, 68(sp)
        sw t4, 72(sp)
        sw t5, 76(sp)
        lw t0, 28(a0)
        lw t1, 32(a0)
        lw t2, 36(a0)
        andi t3, t0, 1
        slli t3, t3, 1
        sw t3, 88(sp)
        addi t1, t1, -2
        addi t2, t2, -2
        or t1, t1, t2
        la s10, 20f
        bnez t1, 1f
        addi t1, t0, 3
        srli t1, t1, 2
        sw t1, 84(sp)
        andi t0, t0, 3
        la s10, 10f
        beqz t0, 1f
        la s10, 11f
        addi t0, t0, -1
        beqz t0, 1f
        la s10, 12f
        addi t0, t0, -1
        beqz t0, 1f
        la s10, 13f
        1:

        // A channel.
        2:
        lw t0, 52(sp)
        lw t1, 72(sp)
        lw t2, 76(sp)
        lw s9, 0(t1)
        lw s4, 4(t1)
        addi t1, t1, 8
        sw t1, 72(sp)
        lw s5, 64(t0)
        lw s6, 68(t0)
        lw t3, 80(t0)
        i8_own_shift 0, t2, s5, s6, t3
        beqz t2, 3f
        addi t2, t2, 1
        sw t2, 76(sp)
        3:
        lw s7, 72(t0)
        lw s8, 76(t0)
        lw t1, 60(sp)
        lw t2, 4(t0)
        lw a3, 8(t0)
        lw ra, 12(t0)
        mv s11, a3
        add t2, t2, t1
        sw t2, 80(sp)
        add a3, a3, t1
        lw t2, 16(t0)
        add t1, t1, t2
        sw t1, 60(sp)
        lw a6, 68(sp)
        addi t1, a6, 1
        sw t1, 68(sp)
        lw a7, 52(t0)
        lw t1, 56(t0)
        mul t1, t1, a7
        add a5, a6, t1

        // Four outputs.
        4:
        lw t0, 52(sp)
        lw a2, 80(sp)
        lw a1, 64(sp)
        lw a4, 24(t0)
        mv t3, s9
        mv t4, s9
        mv t5, s9
        mv t6, s9

        // A row of the kernel.
        5:
        mv a0, a2
        add a2, a2, ra
        bne a2, a3, 6f
        sub a2, a2, s11
        6:
        jr s10

        13:
        lh s1, 0(a0)
        lh s2, 2(a0)
        lh s3, 4(a0)
        addi a0, a0, -2
        addi a1, a1, -2
        lw t2, 84(sp)
        j 113f
        12:
        lh s2, 0(a0)
        lh s3, 2(a0)
        lh s0, 4(a0)
        addi a0, a0, -4
        addi a1, a1, -4
        lw t2, 84(sp)
        j 112f
        11:
        lh s3, 0(a0)
        lh s0, 2(a0)
        lh s1, 4(a0)
        addi a0, a0, -6
        addi a1, a1, -6
        lw t2, 84(sp)
        j 111f

        10:
        lh s0, 0(a0)
        lh s1, 2(a0)
        lh s2, 4(a0)
        lw t2, 84(sp)
        110:
        lh s3, 6(a0)
        i8_tap 0, s0, s1, s2, s3
        113:
        lh s0, 8(a0)
        i8_tap 2, s1, s2, s3, s0
        112:
        lh s1, 10(a0)
        i8_tap 4, s2, s3, s0, s1
        111:
        lh s2, 12(a0)
        i8_tap 6, s3, s0, s1, s2
        addi t2, t2, -1
        addi a0, a0, 8
        addi a1, a1, 8
        bnez t2, 110b

        7:
        lw t1, 88(sp)
        addi a4, a4, -1
        add a1, a1, t1
        bnez a4, 5b

        lw t0, 52(sp)
        i8_result t3
        beq a6, a5, 8f
        i8_result t4
        beq a6, a5, 8f
        i8_result t5
        beq a6, a5, 8f
        lw t3, 36(t0)
        lw t4, 80(sp)
        slli t3, t3, 2
        add t4, t4, t3
        sw t4, 80(sp)
        add a3, a3, t3
        i8_result t6
        bne a6, a5, 4b

        8:
        lw t1, 16(t0)
        lw t2, 24(t0)
        lw t3, 28(t0)
        lw t4, 88(sp)
        lw t5, 64(sp)
        slli t3, t3, 1
        add t3, t3, t4
        mul t3, t3, t2
        add t5, t5, t3
        sw t5, 64(sp)
        lw t2, 56(sp)
        addi t2, t2, -1
        sw t2, 56(sp)
        bnez t2, 2b

        ",
        leave!("96"),
        r"

        // Taps or outputs that lie further apart.
        20:
        lw t1, 52(sp)
        lw s2, 36(t1)
        lw s3, 32(t1)
        lw t2, 28(t1)
        add s0, a0, s2
        add s1, s0, s2
        add s2, s1, s2
        21:
        lh t0, 0(a1)
        addi t2, t2, -1
        addi a1, a1, 2
        i8_far t3, a0
        i8_far t4, s0
        i8_far t5, s1
        i8_far t6, s2
        bnez t2, 21b
        j 7b

        .purgem i8_add
        .purgem i8_tap
        .purgem i8_far
        .purgem i8_result
        ",
        end!(),
    )
}

/// An output pixel all of whose taps lie inside the input, four channels at a time.
#[repr(C)]
pub(super) struct Point {
    /// First channel of the first tap.
    pub input: *const i8,
    /// Weights of the first channel.
    pub weights: *const i8,
    /// Bytes of a channel's weights.
    pub taps: usize,
    /// Bias and multiplier of the channels.
    pub records: *const [i32; 2],
    /// Shifts of the channels, or null.
    pub shifts: *const u8,
    /// The first result.
    pub output: *mut u8,
    /// Number of four channels, at least one.
    pub blocks: usize,
    /// Rows and columns of the kernel.
    pub height: usize,
    pub width: usize,
    /// Bytes from a tap to the next of the row, and from behind a row to the next one.
    pub across: usize,
    pub down: usize,
    pub finish: Finish,
}

/// Computes an output pixel.
///
/// Of the registers a0 points to taps, a1 to a4 to weights; s0 to s3 are sums.
///
/// # Safety
/// The point is that of an accepted convolution.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn point(point: &Point) {
    naked_asm!(
        begin!(),
        r"
        .macro i8_product acc, x, w
        lb t0, \x(a0)
        lb t1, 0(\w)
        addi \w, \w, 1
        mul t0, t0, t1
        add \acc, \acc, t0
        .endm

        .macro i8_result acc, at
        lw t0, 8*\at+4(a5)
        i8_own_shift \at, t2, t5, t6, s4
        i8_round \acc, t0, t5, t6, t3, t4
        sb \acc, \at(a6)
        .endm

        ",
        enter!("64"),
        r"
        mv a7, a0
        lw s7, 0(a7)
        lw a4, 4(a7)
        lw a5, 12(a7)
        lw a6, 20(a7)
        lw s6, 24(a7)
        lw t2, 16(a7)

        // Four channels.
        1:
        lw t0, 8(a7)
        lw t4, 28(a7)
        lw t5, 32(a7)
        lw t6, 36(a7)
        lw s4, 40(a7)
        mv a1, a4
        add a2, a1, t0
        add a3, a2, t0
        add a4, a3, t0
        mv a0, s7
        lw s0, 0(a5)
        lw s1, 8(a5)
        lw s2, 16(a5)
        lw s3, 24(a5)
        2:
        mv t3, t5
        3:
        i8_product s0, 0, a1
        i8_product s1, 1, a2
        i8_product s2, 2, a3
        i8_product s3, 3, a4
        addi t3, t3, -1
        add a0, a0, t6
        bnez t3, 3b
        addi t4, t4, -1
        add a0, a0, s4
        bnez t4, 2b
        lw t5, 44(a7)
        lw t6, 48(a7)
        lw t3, 52(a7)
        lw t4, 56(a7)
        lw s4, 60(a7)
        i8_result s0, 0
        i8_result s1, 1
        i8_result s2, 2
        i8_result s3, 3
        addi s7, s7, 4
        addi a5, a5, 32
        addi a6, a6, 4
        beqz t2, 4f
        addi t2, t2, 4
        4:
        addi s6, s6, -1
        bnez s6, 1b
        ",
        leave!("64"),
        r"

        .purgem i8_product
        .purgem i8_result
        ",
        end!(),
    )
}
