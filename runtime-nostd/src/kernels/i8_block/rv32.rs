//! Microkernels in assembly for RV32IM.
//!
//! The compiler moves multiplications ahead of additions and then spills; written out, 16 sums and
//! what they need fit into the registers. Functions without a body of Rust do not inherit the
//! target's extensions, so each asks for multiplication.

use core::arch::naked_asm;

/// Products of the weight at `$weight` with four pixels, added to four sums.
macro_rules! column {
    ($weight:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "lb t0, ",
            $weight,
            "\n",
            "mul t1, a4, t0\nmul t2, a5, t0\nadd ",
            $a,
            ", ",
            $a,
            ", t1\nadd ",
            $b,
            ", ",
            $b,
            ", t2\n",
            "mul t1, a6, t0\nmul t2, a7, t0\nadd ",
            $c,
            ", ",
            $c,
            ", t1\nadd ",
            $d,
            ", ",
            $d,
            ", t2\n",
        )
    };
}

/// One channel's sums of four pixels begin with its bias, `$at` bytes behind the first one's.
macro_rules! begin {
    ($at:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "lw ", $a, ", ", $at, "(a4)\n", "mv ", $b, ", ", $a, "\nmv ", $c, ", ", $a, "\nmv ",
            $d, ", ", $a, "\n",
        )
    };
}

/// Requantises a sum and stores it `$at` bytes behind `$place`.
macro_rules! finish {
    ($acc:literal, $at:literal, $place:literal) => {
        concat!(
            "mulh ",
            $acc,
            ", ",
            $acc,
            ", t0\nadd ",
            $acc,
            ", ",
            $acc,
            ", a0\n",
            "sra ",
            $acc,
            ", ",
            $acc,
            ", a1\n",
            "bge ",
            $acc,
            ", a2, 3f\nmv ",
            $acc,
            ", a2\n3:\n",
            "ble ",
            $acc,
            ", a3, 3f\nmv ",
            $acc,
            ", a3\n3:\n",
            "sb ",
            $acc,
            ", ",
            $at,
            "(",
            $place,
            ")\n",
        )
    };
}

/// The sums of one channel and four pixels become results.
macro_rules! finish_channel {
    ($at:literal, $multiplier:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "lw t0, ",
            $multiplier,
            "(a4)\n",
            finish!($a, $at, "a5"),
            finish!($b, $at, "a6"),
            finish!($c, $at, "a7"),
            finish!($d, $at, "t1"),
        )
    };
}

/// Four pixels and four channels.
#[repr(C)]
pub(super) struct Tile {
    /// Widened taps, of at least one pair.
    pub taps: *const i16,
    /// Weights of the first two channels and of the others.
    pub weights: [*const i8; 2],
    /// The end of the taps.
    pub end: *const i16,
    /// Bias and multiplier of the channels.
    pub records: *const [i32; 2],
    /// The first result.
    pub output: *mut u8,
    /// Bytes from a pixel's results to the next one's.
    pub step: usize,
    pub offset: i32,
    /// What the shift exceeds 32 by.
    pub shift: u32,
    pub min: i32,
    pub max: i32,
}

/// Computes four channels of four pixels.
///
/// # Safety
/// The tile is one of an accepted convolution.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn tile(tile: &Tile) {
    naked_asm!(
        ".option push
        .option arch, +m
        addi sp, sp, -64
        sw s0, 0(sp)
        sw s1, 4(sp)
        sw s2, 8(sp)
        sw s3, 12(sp)
        sw s4, 16(sp)
        sw s5, 20(sp)
        sw s6, 24(sp)
        sw s7, 28(sp)
        sw s8, 32(sp)
        sw s9, 36(sp)
        sw s10, 40(sp)
        sw s11, 44(sp)
        sw a0, 48(sp)
        lw a1, 4(a0)
        lw a2, 8(a0)
        lw a3, 12(a0)
        lw a4, 16(a0)
        lw a0, 0(a0)
        ",
        begin!("0", "s0", "s1", "s2", "s3"),
        begin!("8", "s4", "s5", "s6", "s7"),
        begin!("16", "s8", "s9", "s10", "s11"),
        begin!("24", "t3", "t4", "t5", "t6"),
        "2:
        lh a4, 0(a0)
        lh a5, 4(a0)
        lh a6, 8(a0)
        lh a7, 12(a0)
        ",
        column!("0(a1)", "s0", "s1", "s2", "s3"),
        column!("1(a1)", "s4", "s5", "s6", "s7"),
        column!("0(a2)", "s8", "s9", "s10", "s11"),
        column!("1(a2)", "t3", "t4", "t5", "t6"),
        "lh a4, 2(a0)
        lh a5, 6(a0)
        lh a6, 10(a0)
        lh a7, 14(a0)
        addi a0, a0, 16
        ",
        column!("2(a1)", "s0", "s1", "s2", "s3"),
        column!("3(a1)", "s4", "s5", "s6", "s7"),
        "addi a1, a1, 4
        ",
        column!("2(a2)", "s8", "s9", "s10", "s11"),
        column!("3(a2)", "t3", "t4", "t5", "t6"),
        "addi a2, a2, 4
        bne a0, a3, 2b
        lw t2, 48(sp)
        lw a4, 16(t2)
        lw a5, 20(t2)
        lw a3, 24(t2)
        add a6, a5, a3
        add a7, a6, a3
        add t1, a7, a3
        lw a0, 28(t2)
        lw a1, 32(t2)
        lw a2, 36(t2)
        lw a3, 40(t2)
        ",
        finish_channel!("0", "4", "s0", "s1", "s2", "s3"),
        finish_channel!("1", "12", "s4", "s5", "s6", "s7"),
        finish_channel!("2", "20", "s8", "s9", "s10", "s11"),
        finish_channel!("3", "28", "t3", "t4", "t5", "t6"),
        "lw s0, 0(sp)
        lw s1, 4(sp)
        lw s2, 8(sp)
        lw s3, 12(sp)
        lw s4, 16(sp)
        lw s5, 20(sp)
        lw s6, 24(sp)
        lw s7, 28(sp)
        lw s8, 32(sp)
        lw s9, 36(sp)
        lw s10, 40(sp)
        lw s11, 44(sp)
        addi sp, sp, 64
        ret
        .option pop",
    )
}

/// Products of three taps of a line with its weights, for two neighbouring outputs in t0 and t1.
macro_rules! line_3_1 {
    ($line:literal, $w0:literal, $w1:literal, $w2:literal) => {
        concat!(
            "lh t2, 0(",
            $line,
            ")\nlh t3, 2(",
            $line,
            ")\n",
            "lh t4, 4(",
            $line,
            ")\nlh t5, 6(",
            $line,
            ")\n",
            "mul t2, t2, ",
            $w0,
            "\nmul t6, t3, ",
            $w0,
            "\nadd t0, t0, t2\nadd t1, t1, t6\n",
            "mul t3, t3, ",
            $w1,
            "\nmul t6, t4, ",
            $w1,
            "\nadd t0, t0, t3\nadd t1, t1, t6\n",
            "mul t4, t4, ",
            $w2,
            "\nmul t6, t5, ",
            $w2,
            "\nadd t0, t0, t4\nadd t1, t1, t6\n",
            "addi ",
            $line,
            ", ",
            $line,
            ", 4\n",
        )
    };
}

/// The same for outputs two taps apart.
macro_rules! line_3_2 {
    ($line:literal, $w0:literal, $w1:literal, $w2:literal) => {
        concat!(
            "lh t2, 0(",
            $line,
            ")\nlh t3, 2(",
            $line,
            ")\n",
            "lh t4, 4(",
            $line,
            ")\nlh t5, 6(",
            $line,
            ")\n",
            "mul t2, t2, ",
            $w0,
            "\nmul t6, t4, ",
            $w0,
            "\nadd t0, t0, t2\nadd t1, t1, t6\n",
            "mul t3, t3, ",
            $w1,
            "\nmul t6, t5, ",
            $w1,
            "\nadd t0, t0, t3\nadd t1, t1, t6\n",
            "lh t5, 8(",
            $line,
            ")\n",
            "mul t4, t4, ",
            $w2,
            "\nmul t6, t5, ",
            $w2,
            "\nadd t0, t0, t4\nadd t1, t1, t6\n",
            "addi ",
            $line,
            ", ",
            $line,
            ", 8\n",
        )
    };
}

/// What a line of outputs becomes.
#[repr(C)]
pub(super) struct Finish {
    pub bias: i32,
    pub multiplier: i32,
    pub offset: i32,
    /// What the shift exceeds 32 by.
    pub shift: u32,
    pub min: i32,
    pub max: i32,
    /// Bytes from a result to the next one.
    pub step: usize,
}

/// Requantises and stores the sum in `$acc`.
macro_rules! store {
    ($acc:literal) => {
        concat!(
            "mulh ",
            $acc,
            ", ",
            $acc,
            ", a6\nadd ",
            $acc,
            ", ",
            $acc,
            ", a7\n",
            "sra ",
            $acc,
            ", ",
            $acc,
            ", s9\n",
            "bge ",
            $acc,
            ", s10, 3f\nmv ",
            $acc,
            ", s10\n3:\n",
            "ble ",
            $acc,
            ", s11, 3f\nmv ",
            $acc,
            ", s11\n3:\n",
            "sb ",
            $acc,
            ", 0(a3)\nadd a3, a3, t2\n",
        )
    };
}

macro_rules! lines_kernel {
    ($name:ident, $line:ident) => {
        /// A line of outputs of a depthwise kernel of three lines of three taps.
        ///
        /// # Safety
        /// The lines have the taps of an even number of outputs, and `count` outputs, at least one,
        /// exist; there are nine weights, in three rows of four.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(
            lines: &[*const i16; 3],
            rows: *const i16,
            finish: &Finish,
            output: *mut u8,
            count: usize,
        ) {
            naked_asm!(
                ".option push
                .option arch, +m
                addi sp, sp, -64
                sw s0, 0(sp)
                sw s1, 4(sp)
                sw s2, 8(sp)
                sw s3, 12(sp)
                sw s4, 16(sp)
                sw s5, 20(sp)
                sw s6, 24(sp)
                sw s7, 28(sp)
                sw s8, 32(sp)
                sw s9, 36(sp)
                sw s10, 40(sp)
                sw s11, 44(sp)
                lh s0, 0(a1)
                lh s1, 2(a1)
                lh s2, 4(a1)
                lh s3, 8(a1)
                lh s4, 10(a1)
                lh s5, 12(a1)
                lh s6, 16(a1)
                lh s7, 18(a1)
                lh s8, 20(a1)
                lw a6, 4(a2)
                lw a7, 8(a2)
                lw s9, 12(a2)
                lw s10, 16(a2)
                lw s11, 20(a2)
                sw a2, 48(sp)
                sw a4, 52(sp)
                lw a1, 4(a0)
                lw a4, 8(a0)
                lw a0, 0(a0)
                2:
                lw t0, 0(a2)
                mv t1, t0
                ",
                $line!("a0", "s0", "s1", "s2"),
                $line!("a1", "s3", "s4", "s5"),
                $line!("a4", "s6", "s7", "s8"),
                "lw t2, 24(a2)
                lw t3, 52(sp)
                ",
                store!("t0"),
                "addi t3, t3, -2
                bltz t3, 4f
                sw t3, 52(sp)
                ",
                store!("t1"),
                "bnez t3, 2b
                4:
                lw s0, 0(sp)
                lw s1, 4(sp)
                lw s2, 8(sp)
                lw s3, 12(sp)
                lw s4, 16(sp)
                lw s5, 20(sp)
                lw s6, 24(sp)
                lw s7, 28(sp)
                lw s8, 32(sp)
                lw s9, 36(sp)
                lw s10, 40(sp)
                lw s11, 44(sp)
                addi sp, sp, 64
                ret
                .option pop",
            )
        }
    };
}

lines_kernel!(line_3_1, line_3_1);
lines_kernel!(line_3_2, line_3_2);
