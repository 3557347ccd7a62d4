//! One pixel and up to sixteen channels at a time, in assembly, of activations of 8 bits and of 16.

use core::arch::naked_asm;

use super::Finish;

/// Channels of one pixel: sixteen at a time, then eight, then two.
#[repr(C)]
pub(super) struct Rows {
    /// Adjacent taps: fours, whose weights are stored in the order 0, 2, 1, 3 if these have 8 bits, then
    /// perhaps two.
    pub taps: *const i8,
    /// Number of fours.
    pub fours: usize,
    /// Whether two taps are left over.
    pub pair: usize,
    /// Blocks of eight channels, then of two.
    pub weights: *const i8,
    /// Bytes of a block of eight channels, or 0 if there are only blocks of two.
    pub block: usize,
    /// Bias and multiplier of the channels.
    pub records: *const [i32; 2],
    /// Shifts of the channels, or null.
    pub shifts: *const u8,
    /// The first result.
    pub output: *mut u8,
    /// Number of channels, at least one.
    pub count: usize,
    pub finish: Finish,
    /// Whether the sums are the results.
    pub sums: usize,
}

/// A function of rows: how an activation is loaded, a result stored, and which of four taps go together.
macro_rules! rows {
    ($name:ident, $bytes:literal, $widths:literal) => {
        /// Computes channels of a pixel.
        ///
        /// Of the registers a0 points to taps, a1 and a3 to weights, a2 is the end of the taps; s0 to s11 and
        /// t3 to t6 are sums; a4 and a5 hold taps, t0 a product.
        ///
        /// # Safety
        /// The rows are those of an accepted convolution.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(rows: &Rows) {
            naked_asm!(
                begin!(),
                $widths,
                r"
                .macro i8_product x, w, acc
                lb t0, \w
                mul t0, t0, \x
                add \acc, \acc, t0
                .endm

                // A tap with the weights of eight channels at \w.
                .macro i8_eight x, w, p, c0, c1, c2, c3, c4, c5, c6, c7
                i8_product \x, \w(\p), \c0
                i8_product \x, \w+1(\p), \c1
                i8_product \x, \w+4(\p), \c2
                i8_product \x, \w+5(\p), \c3
                i8_product \x, \w+8(\p), \c4
                i8_product \x, \w+9(\p), \c5
                i8_product \x, \w+12(\p), \c6
                i8_product \x, \w+13(\p), \c7
                .endm

                .macro i8_first x, w
                i8_eight \x, \w, a1, s0, s1, s2, s3, s4, s5, s6, s7
                .endm

                .macro i8_second x, w
                i8_eight \x, \w, a3, s8, s9, s10, s11, t3, t4, t5, t6
                .endm

                // Two taps with sixteen channels.
                .macro i8_pair_16 x, y, w
                i8_load a4, \x
                i8_load a5, \y
                i8_first a4, \w
                i8_first a5, \w+2
                i8_second a4, \w
                i8_second a5, \w+2
                .endm

                .macro i8_pair_8 x, y, w
                i8_load a4, \x
                i8_load a5, \y
                i8_first a4, \w
                i8_first a5, \w+2
                .endm

                .macro i8_pair_2 x, y, w
                i8_load a4, \x
                i8_load a5, \y
                i8_product a4, \w(a1), s0
                i8_product a4, \w+1(a1), s1
                i8_product a5, \w+2(a1), s0
                i8_product a5, \w+3(a1), s1
                .endm

                .macro i8_goto_taps
                lw a0, 0(a7)
                lw a2, 4(a7)
                slli a2, a2, 1+{bytes}
                add a2, a2, a0
                .endm

                // A sum becomes a result, \at channels on.
                .macro i8_result acc, at
                lw t0, 8*\at+4(a6)
                i8_own_shift \at, a5, a0, a1, ra
                i8_round \acc, t0, a0, a1, a2, a4
                i8_store \acc, \at
                .endm

                .macro i8_sum acc, at
                sw \acc, 4*\at(t1)
                .endm

                .macro i8_bias acc, at
                lw \acc, 8*\at(a6)
                .endm

                // Eight sums begin, become results, or stay sums.
                .macro i8_first_of kind
                \kind s0, 0
                \kind s1, 1
                \kind s2, 2
                \kind s3, 3
                \kind s4, 4
                \kind s5, 5
                \kind s6, 6
                \kind s7, 7
                .endm

                .macro i8_second_of kind
                \kind s8, 8
                \kind s9, 9
                \kind s10, 10
                \kind s11, 11
                \kind t3, 12
                \kind t4, 13
                \kind t5, 14
                \kind t6, 15
                .endm

                // What results need.
                .macro i8_before_results
                sw a1, 60(sp)
                lw t2, 56(a7)
                lw a0, 36(a7)
                lw a1, 40(a7)
                lw a2, 44(a7)
                lw a4, 48(a7)
                lw ra, 52(a7)
                lw a5, 52(sp)
                lw t1, 56(sp)
                .endm

                // Goes on by so many channels.
                .macro i8_after_results n
                addi a6, a6, 8*\n
                lw a1, 60(sp)
                beqz a5, 905f
                addi a5, a5, \n
                sw a5, 52(sp)
                905:
                addi t1, t1, {bytes}*\n
                beqz t2, 906f
                addi t1, t1, (4-{bytes})*\n
                906:
                sw t1, 56(sp)
                lw t1, 64(sp)
                addi t1, t1, -\n
                sw t1, 64(sp)
                .endm

                ",
                enter!("80"),
                r"
                // 52: shifts, 56: output, 60: weights, 64: channels left.
                mv a7, a0
                lw t0, 24(a7)
                lw t1, 28(a7)
                lw t2, 32(a7)
                lw a1, 12(a7)
                lw a6, 20(a7)
                sw t0, 52(sp)
                sw t1, 56(sp)
                sw t2, 64(sp)

                1:
                lw t1, 64(sp)
                lw a3, 16(a7)
                beqz a3, 28f
                li t2, 16
                bgeu t1, t2, 16f
                li t2, 8
                bgeu t1, t2, 8f
                28:
                bnez t1, 2f
                ",
                leave!("80"),
                r"

                // Two channels.
                2:
                i8_goto_taps
                i8_bias s0, 0
                i8_bias s1, 1
                beq a0, a2, 4f
                3:
                i8_twice i8_pair_2, 0, 0, 4
                addi a0, a0, 4*{bytes}
                addi a1, a1, 8
                bne a0, a2, 3b
                4:
                lw t0, 8(a7)
                beqz t0, 5f
                i8_pair_2 0, 1, 0
                addi a1, a1, 4
                5:
                i8_before_results
                lw a3, 64(sp)
                addi a3, a3, -1
                bnez t2, 7f
                i8_result s0, 0
                beqz a3, 6f
                i8_result s1, 1
                i8_after_results 2
                j 1b
                6:
                sw zero, 64(sp)
                j 1b
                7:
                i8_sum s0, 0
                beqz a3, 6b
                i8_sum s1, 1
                i8_after_results 2
                j 1b

                // Eight.
                8:
                i8_goto_taps
                i8_first_of i8_bias
                beq a0, a2, 10f
                9:
                i8_twice i8_pair_8, 0, 0, 16
                addi a0, a0, 4*{bytes}
                addi a1, a1, 32
                bne a0, a2, 9b
                10:
                lw t0, 8(a7)
                beqz t0, 11f
                i8_pair_8 0, 1, 0
                addi a1, a1, 16
                11:
                i8_before_results
                bnez t2, 13f
                i8_first_of i8_result
                12:
                i8_after_results 8
                j 1b
                13:
                i8_first_of i8_sum
                j 12b

                // Sixteen.
                16:
                add a3, a3, a1
                i8_goto_taps
                i8_first_of i8_bias
                i8_second_of i8_bias
                beq a0, a2, 20f
                lw t0, 4(a7)
                andi t0, t0, 1
                beqz t0, 17f
                addi a0, a0, -4*{bytes}
                addi a1, a1, -32
                addi a3, a3, -32
                j 18f
                17:
                i8_twice i8_pair_16, 0, 0, 16
                18:
                i8_twice i8_pair_16, 4, 32, 48
                addi a0, a0, 8*{bytes}
                addi a1, a1, 64
                addi a3, a3, 64
                bne a0, a2, 17b
                20:
                lw t0, 8(a7)
                beqz t0, 21f
                i8_pair_16 0, 1, 0
                addi a3, a3, 16
                21:
                mv a1, a3
                i8_before_results
                bnez t2, 23f
                i8_first_of i8_result
                i8_second_of i8_result
                22:
                i8_after_results 16
                j 1b
                23:
                i8_first_of i8_sum
                i8_second_of i8_sum
                j 22b

                .purgem i8_load
                .purgem i8_store
                .purgem i8_twice
                .purgem i8_product
                .purgem i8_eight
                .purgem i8_first
                .purgem i8_second
                .purgem i8_pair_16
                .purgem i8_pair_8
                .purgem i8_pair_2
                .purgem i8_goto_taps
                .purgem i8_result
                .purgem i8_sum
                .purgem i8_bias
                .purgem i8_first_of
                .purgem i8_second_of
                .purgem i8_before_results
                .purgem i8_after_results
                ",
                end!(),
                bytes = const $bytes,
            )
        }
    };
}

rows!(
    rows,
    1,
    r"
        .macro i8_load r, x
        lb \r, \x(a0)
        .endm

        .macro i8_store r, at
        sb \r, \at(t1)
        .endm

        .macro i8_twice pair, x, w, v
        \pair \x, \x+2, \w
        \pair \x+1, \x+3, \v
        .endm
    "
);

rows!(
    wide_rows,
    2,
    r"
        .macro i8_load r, x
        lh \r, 2*(\x)(a0)
        .endm

        .macro i8_store r, at
        sh \r, 2*(\at)(t1)
        .endm

        .macro i8_twice pair, x, w, v
        \pair \x, \x+1, \w
        \pair \x+2, \x+3, \v
        .endm
    "
);
