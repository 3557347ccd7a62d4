//! Depthwise kernels of three by three taps, in assembly, of activations of 8 bits and of 16.

use core::arch::naked_asm;

use super::Finish;

/// An image of a depthwise convolution, line by line of outputs, which the input's channels lie
/// beside. Lines of the input are those that run along lines of outputs, columns what they hold.
///
/// Three sums are open at a time: a column adds to each of them, ends one and begins another. A tap
/// outside the input is `zero`.
#[repr(C)]
pub(super) struct Sweep {
    /// First channel of the first column of the first line.
    pub input: *const i8,
    /// First result.
    pub output: *mut u8,
    /// Weights: nine of each channel, or of all channels for each of nine taps if activations have 16 bits.
    pub weights: *const i8,
    /// Bias and multiplier of the channels.
    pub records: *const [i32; 2],
    /// Shifts of the channels, or null.
    pub shifts: *const u8,
    /// Number of channels, at least one.
    pub channels: usize,
    /// Bytes from a line to the next.
    pub line_step: i32,
    /// Bytes from a column to the next.
    pub column_step: i32,
    /// Bytes from a line of results to the next.
    pub output_line_step: i32,
    /// Bytes from a result to the next.
    pub output_step: i32,
    /// Lines of outputs, at least one.
    pub lines: i32,
    /// The first line's first tap.
    pub first: i32,
    /// Distance of the next line's.
    pub stride: i32,
    /// Lines of the input.
    pub height: i32,
    /// Columns of the first output that are missing: 0 to 2, or to 1 if outputs are two columns
    /// apart.
    pub lead: i32,
    /// Bytes of the results whose columns are all there but for those.
    pub whole: i32,
    /// Bytes of the results behind these: their last columns are missing, two or one at most.
    pub trail: i32,
    pub finish: Finish,
    pub zero: i32,
    /// Whether lines are columns of the kernel.
    pub vertical: usize,
    /// What lines are like.
    pub lines_are: Lines,
    /// Bytes from the weights of a tap to those of the next, if activations have 16 bits.
    pub weights_step: usize,
}

/// What lines of a sweep are like.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Lines {
    /// Outputs are a column apart.
    Plain = 0,
    /// Outputs are two columns apart.
    Halved = 1,
    /// As plain ones, a column is missing at both ends, and the next line begins where one ends, in the input as in
    /// the results.
    Following = 2,
}

/// Assembly that tells what kernels of activations of 8 bits have for themselves: how an activation is loaded, a
/// result stored, and the weights of a channel loaded, as a1 says of columns.
macro_rules! bytes {
    () => {
        r"
        .macro i8_fetch r, p
        lb \r, 0(\p)
        .endm

        .macro i8_store r, p
        sb \r, 0(\p)
        .endm

        .macro i8_weights
        lb s0, 0(a0)
        lb s4, 4(a0)
        lb s8, 8(a0)
        bnez a1, 930f
        lb s1, 1(a0)
        lb s2, 2(a0)
        lb s3, 3(a0)
        lb s5, 5(a0)
        lb s6, 6(a0)
        lb s7, 7(a0)
        j 931f
        930:
        lb s3, 1(a0)
        lb s6, 2(a0)
        lb s1, 3(a0)
        lb s7, 5(a0)
        lb s2, 6(a0)
        lb s5, 7(a0)
        931:
        .endm

        .macro i8_three a, b, c
        .endm
        "
    };
}

/// The same for activations of 16 bits.
macro_rules! words {
    () => {
        r"
        .macro i8_fetch r, p
        lh \r, 0(\p)
        .endm

        .macro i8_store r, p
        sh \r, 0(\p)
        .endm

        .macro i8_three a, b, c
        lb \a, 0(a0)
        add a0, a0, t0
        lb \b, 0(a0)
        add a0, a0, t0
        lb \c, 0(a0)
        add a0, a0, t0
        .endm

        .macro i8_weights
        lw t0, 100(a5)
        bnez a1, 930f
        i8_three s0, s1, s2
        i8_three s3, s4, s5
        i8_three s6, s7, s8
        j 931f
        930:
        i8_three s0, s3, s6
        i8_three s1, s4, s7
        i8_three s2, s5, s8
        931:
        .endm
        "
    };
}

macro_rules! sweep_kernel {
    ($name:ident, $begin:ident, $kind:ident, $bytes:literal, $weights:literal) => {
        /// Computes all channels.
        ///
        /// Of the registers s0 to s8 hold weights by lines, s9 the multiplier, s10 the offset, s11 the
        /// shift, a6 and a7 the limits, t3 to t5 sums, t2 what they begin with, a0 to a2 point to columns
        /// of three lines, a3 is their step, a4 points to results, which end at a5, t6 is their step.
        ///
        /// # Safety
        /// The sweep is that of an accepted convolution.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(sweep: &Sweep) {
            naked_asm!(
                $begin!(),
                $kind!(),
                r"
                // A sum becomes a result.
                .macro i8_finish acc
                i8_round \acc, s9, s10, s11, a6, a7
                i8_store \acc, a4
                add a4, a4, t6
                .endm

                .macro i8_load p
                i8_fetch t0, \p
                add \p, \p, a3
                .endm

                // Adds a tap's product.
                .macro i8_add acc, w
                mul t1, t0, \w
                add \acc, \acc, t1
                .endm

                // Begins a sum with a tap's product.
                .macro i8_start acc, w
                mul t1, t0, \w
                add \acc, t2, t1
                .endm

                // A column that ends the sum o, goes on with m and begins n.
                .macro i8_column_of_three o, m, n
                i8_load a0
                i8_start \n, s0
                i8_add \m, s1
                i8_add \o, s2
                i8_load a1
                i8_add \n, s3
                i8_add \m, s4
                i8_add \o, s5
                i8_load a2
                i8_add \n, s6
                i8_add \m, s7
                i8_add \o, s8
                i8_finish \o
                .endm

                // A column that only the sum o has.
                .macro i8_middle_column o
                i8_load a0
                i8_add \o, s1
                i8_load a1
                i8_add \o, s4
                i8_load a2
                i8_add \o, s7
                .endm

                // A column that ends the sum o and begins n, outputs two columns apart.
                .macro i8_column_of_two o, n
                i8_load a0
                i8_start \n, s0
                i8_add \o, s2
                i8_load a1
                i8_add \n, s3
                i8_add \o, s5
                i8_load a2
                i8_add \n, s6
                i8_add \o, s8
                i8_finish \o
                .endm

                // Adds a missing column to what `from` holds.
                .macro i8_missing acc, from, u, v, w
                add t1, \u, \v
                add t1, t1, \w
                mul t1, t1, t0
                add \acc, \from, t1
                .endm

                // The last sum of a line, which a missing column ends if another line follows; else it is in a0.
                .macro i8_last o
                lw t1, 100(sp)
                blez t1, 911f
                mv ra, \o
                j 25f
                911:
                mv a0, \o
                .endm

                // Weights of a line that is missing, unless t1 is one of the input's.
                .macro i8_line p, u, v, w
                mv \p, t4
                bltu t1, t3, 910f
                lw t0, 88(a5)
                add a4, \u, \v
                add a4, a4, \w
                mul a4, a4, t0
                add t2, t2, a4
                li \u, 0
                li \v, 0
                li \w, 0
                lw \p, 60(sp)
                910:
                addi t1, t1, 1
                add t4, t4, t5
                .endm

                ",
                enter!("112"),
                r"
                sw a0, 52(sp)
                // 56: channels left, 60: the channel's input, 64: output of the line, 68: of the channel,
                // 72: weights, 76: records, 80: shifts, 84: line of the first tap, 88: lines left,
                // 92: whether all weights are in place, 96: the missing tap, 100: lines that follow and have all
                // weights as well, or -1 if columns are missing.
                lw t0, 20(a0)
                lw t1, 0(a0)
                lw t2, 4(a0)
                lw t3, 8(a0)
                lw t4, 12(a0)
                lw t5, 16(a0)
                lw t6, 88(a0)
                sw t0, 56(sp)
                sw t1, 60(sp)
                sw t2, 68(sp)
                sw t3, 72(sp)
                sw t4, 76(sp)
                sw t5, 80(sp)
                sw t6, 96(sp)
                sw zero, 100(sp)

                // A channel.
                1:
                lw t0, 52(sp)
                lw t1, 76(sp)
                lw t2, 80(sp)
                lw s9, 4(t1)
                addi t1, t1, 8
                sw t1, 76(sp)
                lw s10, 68(t0)
                lw s11, 72(t0)
                beqz t2, 2f
                lw t3, 84(t0)
                i8_own_shift 0, t2, s10, s11, t3
                addi t2, t2, 1
                sw t2, 80(sp)
                2:
                lw a6, 76(t0)
                lw a7, 80(t0)
                lw a3, 28(t0)
                lw t6, 36(t0)
                lw t1, 44(t0)
                lw t2, 40(t0)
                lw t3, 68(sp)
                sw t1, 84(sp)
                sw t2, 88(sp)
                sw t3, 64(sp)
                sw zero, 92(sp)

                // A line: t1 is that of its first tap, t3 their number, t5 their distance.
                3:
                lw a5, 52(sp)
                lw t1, 84(sp)
                lw a0, 60(sp)
                lw t3, 52(a5)
                lw t5, 24(a5)
                mul t4, t1, t5
                add t4, t4, a0
                lw a2, 92(sp)
                addi a1, t3, -3
                bltz t1, 4f
                bgt t1, a1, 4f
                mv a0, t4
                add a1, a0, t5
                beqz a2, 4f
                add a2, a1, t5
                j 7f
                4:
                lw a0, 72(sp)
                lw a1, 92(a5)
                i8_weights
                lw a0, 76(sp)
                lw t2, -8(a0)
                sltu a2, t1, t3
                addi a1, t1, 2
                sltu a1, a1, t3
                and a2, a2, a1
                sw a2, 92(sp)
                i8_line a0, s0, s1, s2
                i8_line a1, s3, s4, s5
                i8_line a2, s6, s7, s8
                7:
                lw a4, 64(sp)
                lw ra, 96(a5)
                lw t0, 96(sp)
                lw t5, 56(a5)
                bnez ra, 30f
                6:

                // The first two columns.
                bnez t5, 8f
                i8_load a0
                i8_start t3, s0
                i8_load a1
                i8_add t3, s3
                i8_load a2
                i8_add t3, s6
                j 9f
                8:
                i8_missing t3, t2, s0, s3, s6
                addi t5, t5, -2
                beqz t5, 10f
                9:
                i8_load a0
                i8_add t3, s1
                i8_start t4, s0
                i8_load a1
                i8_add t3, s4
                i8_add t4, s3
                i8_load a2
                i8_add t3, s7
                i8_add t4, s6
                j 11f
                10:
                i8_missing t3, t3, s1, s4, s7
                i8_missing t4, t2, s0, s3, s6
                11:
                lw t1, 60(a5)
                add a5, a4, t1
                bnez t1, 12f
                lw t1, 100(sp)
                mv a0, t3
                jal ra, 20f
                12:
                i8_column_of_three t3, t4, t5
                bne a4, a5, 13f
                i8_last t4
                jal ra, 20f
                13:
                i8_column_of_three t4, t5, t3
                bne a4, a5, 14f
                i8_last t5
                jal ra, 20f
                14:
                i8_column_of_three t5, t3, t4
                bne a4, a5, 12b
                i8_last t3
                la ra, 12b

                // No column is left: go on with missing ones, unless t1 says that these were. The next sum to end
                // is in a0.
                20:
                lw t0, 52(sp)
                lw a5, 64(t0)
                bnez t1, 23f
                beqz a5, 21f
                beq a5, t6, 22f
                add a5, a5, a4
                li t1, -1
                sw t1, 100(sp)
                addi a0, sp, 96
                mv a1, a0
                mv a2, a0
                li a3, 0
                ret

                // The next line, which begins where pointers are; ra has the last sum of this one.
                25:
                lw t0, 96(sp)
                i8_missing ra, ra, s2, s5, s8
                i8_finish ra
                lw t1, 100(sp)
                lw t0, 96(sp)
                addi t1, t1, -1
                sw t1, 100(sp)
                lw a5, 52(sp)
                i8_missing t3, t2, s0, s3, s6
                j 9b

                // All columns are done.
                23:
                sw zero, 100(sp)
                j 21f

                // One output is left, which the missing column ends.
                22:
                lw t0, 96(sp)
                i8_missing a0, a0, s2, s5, s8
                i8_finish a0
                lw t0, 52(sp)

                // The next line.
                21:
                lw a3, 28(t0)
                lw a0, 32(t0)
                lw a1, 48(t0)
                lw t1, 64(sp)
                lw t3, 84(sp)
                lw t5, 88(sp)
                add t1, t1, a0
                sw t1, 64(sp)
                add t3, t3, a1
                sw t3, 84(sp)
                addi t5, t5, -1
                sw t5, 88(sp)
                bnez t5, 3b

                // The next channel.
                lw t1, 56(sp)
                lw t2, 60(sp)
                lw t3, 68(sp)
                lw t4, 72(sp)
                addi t2, t2, {bytes}
                addi t3, t3, {bytes}
                addi t4, t4, {weights}
                addi t1, t1, -1
                sw t2, 60(sp)
                sw t3, 68(sp)
                sw t4, 72(sp)
                sw t1, 56(sp)
                bnez t1, 1b
                ",
                leave!("112"),
                r"


                // Lines that are not plain.
                30:
                addi ra, ra, -1
                beqz ra, 36f
                lw t1, 92(sp)
                beqz t1, 6b
                // As many follow as are left of the results, and of the input.
                lw t1, 84(sp)
                lw t4, 88(sp)
                lw t3, 52(a5)
                addi ra, t4, -1
                addi t3, t3, -3
                sub t3, t3, t1
                ble ra, t3, 37f
                mv ra, t3
                37:
                lw t3, 32(a5)
                sw ra, 100(sp)
                add t1, t1, ra
                sub t4, t4, ra
                mul t3, t3, ra
                sw t1, 84(sp)
                sw t4, 88(sp)
                add t3, t3, a4
                sw t3, 64(sp)
                j 6b

                // Outputs two columns apart.
                36:
                bnez t5, 31f
                i8_load a0
                i8_start t3, s0
                i8_load a1
                i8_add t3, s3
                i8_load a2
                i8_add t3, s6
                j 32f
                31:
                i8_missing t3, t2, s0, s3, s6
                32:
                lw t1, 60(a5)
                add a5, a4, t1
                beqz t1, 35f
                33:
                i8_middle_column t3
                i8_column_of_two t3, t4
                beq a4, a5, 34f
                i8_middle_column t4
                i8_column_of_two t4, t3
                bne a4, a5, 33b
                j 35f
                34:
                mv t3, t4
                35:
                lw t0, 52(sp)
                lw t1, 64(t0)
                beqz t1, 21b
                i8_middle_column t3
                lw t0, 96(sp)
                i8_missing t3, t3, s2, s5, s8
                i8_finish t3
                lw t0, 52(sp)
                j 21b

                .purgem i8_fetch
                .purgem i8_store
                .purgem i8_weights
                .purgem i8_three
                .purgem i8_finish
                .purgem i8_load
                .purgem i8_add
                .purgem i8_start
                .purgem i8_column_of_three
                .purgem i8_middle_column
                .purgem i8_column_of_two
                .purgem i8_missing
                .purgem i8_last
                .purgem i8_line
                ",
                end!(),
                bytes = const $bytes,
                weights = const $weights,
            )
        }
    };
}

sweep_kernel!(sweep, begin, bytes, 1, 9);
sweep_kernel!(sweep_double, begin_double, bytes, 1, 9);
sweep_kernel!(wide_sweep, begin, words, 2, 1);
sweep_kernel!(wide_sweep_double, begin_double, words, 2, 1);
