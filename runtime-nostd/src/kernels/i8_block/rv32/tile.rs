//! Four pixels and four channels at a time, in assembly, of activations of 8 bits and of 16.

use core::arch::naked_asm;

use super::Finish;

/// The channels of four pixels, four at a time.
///
/// What is added to each sum are the products of segments of adjacent taps, of the four pixels one
/// after the other, with the weights of two blocks of two channels.
#[repr(C)]
pub(super) struct Tiles {
    /// Where the pixels' taps of each segment lie, at least one.
    pub segments: *mut [*const i8; 4],
    pub segments_end: *const [*const i8; 4],
    /// Bytes of the weights of a segment's fours in a block.
    pub run: usize,
    /// How many taps are left over from fours.
    pub left: usize,
    /// How taps are read: 0 to 3 is how many fours are left over from a multiple of sixteen taps,
    /// stored in the order 0, 2, 1, 3; with 4 they are stored as they come, with 5 there are no
    /// fours.
    pub order: usize,
    /// Weights of the first two channels.
    pub weights: *const i8,
    /// Bytes to those of the next two.
    pub block: usize,
    /// Bias and multiplier of the channels.
    pub records: *const [i32; 2],
    /// Shifts of the channels, or null.
    pub shifts: *const u8,
    /// The first result.
    pub output: *mut u8,
    /// Bytes from a pixel's results to the next one's.
    pub step: usize,
    /// Number of four channels, at least one.
    pub count: usize,
    pub finish: Finish,
    /// Whether the first four channels are the only ones, and one of the following holds.
    pub special: usize,
    /// How many of them exist, if not all.
    pub part: usize,
    /// Where their sums go in place of results, by channels, or null.
    pub sums: *mut [i32; 4],
    /// How many times there are four pixels more, of one segment, which is `pixels` bytes behind
    /// that of those before them, and their results `outputs` bytes.
    pub more: usize,
    pub pixels: usize,
    pub outputs: usize,
}

/// A function of tiles: how an activation is loaded, a result stored, the order in which four taps are stored,
/// where to go after the last four of a segment, and the taps of others.
macro_rules! tiles {
    ($name:ident, $bytes:literal, $widths:literal) => {
        /// Computes channels of four pixels, or of several times four, which it goes on to.
        ///
        /// Of the registers a0 to a3 point to taps, t2 and ra to weights; s0 to s11 and t3 to t6 are sums;
        /// a4 to a7 hold taps, t0 a weight, t1 a product.
        ///
        /// # Safety
        /// The tiles are those of an accepted convolution.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(tiles: &mut Tiles) {
            naked_asm!(
                begin!(),
                $widths,
                r"
                // Adds the products of the weight at \w with four pixels.
                .macro i8_column w, a, b, c, d
                lb t0, \w
                mul t1, a4, t0
                add \a, \a, t1
                mul t1, a5, t0
                add \b, \b, t1
                mul t1, a6, t0
                add \c, \c, t1
                mul t1, a7, t0
                add \d, \d, t1
                .endm

                // A tap of four pixels at \x, with weights of four channels at \w and \w + 1.
                .macro i8_tap x, w
                i8_load a4, \x, a0
                i8_load a5, \x, a1
                i8_load a6, \x, a2
                i8_load a7, \x, a3
                i8_column \w(t2), s0, s1, s2, s3
                i8_column \w+1(t2), s4, s5, s6, s7
                i8_column \w(ra), s8, s9, s10, s11
                i8_column \w+1(ra), t3, t4, t5, t6
                .endm

                // Goes on by so many taps.
                .macro i8_advance x
                addi a0, a0, {bytes}*(\x)
                addi a1, a1, {bytes}*(\x)
                addi a2, a2, {bytes}*(\x)
                addi a3, a3, {bytes}*(\x)
                addi t2, t2, 2*(\x)
                addi ra, ra, 2*(\x)
                .endm

                // The sums of a channel begin with its bias.
                .macro i8_begin at, a, b, c, d
                lw \a, \at(a4)
                mv \b, \a
                mv \c, \a
                mv \d, \a
                .endm

                // A sum becomes a result.
                .macro i8_finish acc, at, place
                i8_round \acc, t0, a0, a1, a2, a3
                i8_store \acc, \at, \place
                .endm

                // What results need.
                .macro i8_before_results
                lw t1, 40(a5)
                lw a0, 48(a5)
                lw a1, 52(a5)
                lw a2, 56(a5)
                lw a3, 60(a5)
                lw ra, 64(a5)
                lw a4, 80(sp)
                lw t2, 88(sp)
                lw a5, 92(sp)
                add a6, a5, t1
                add a7, a6, t1
                add t1, a7, t1
                .endm

                .macro i8_finish_channel at, a, b, c, d
                lw t0, 8*\at+4(a4)
                i8_own_shift \at, t2, a0, a1, ra
                i8_finish \a, \at, a5
                i8_finish \b, \at, a6
                i8_finish \c, \at, a7
                i8_finish \d, \at, t1
                .endm

                .macro i8_store_sums at, a, b, c, d
                sw \a, \at(a4)
                sw \b, \at+4(a4)
                sw \c, \at+8(a4)
                sw \d, \at+12(a4)
                .endm

                ",
                enter!("112"),
                r"
                sw a0, 52(sp)
                // 56: next segment, 60: end of the segment's weights, 64: how to begin a segment,
                // 68: end of segments, 72: bytes of weights of a segment, 76: taps left over,
                // 80: records, 84: weights, 88: shifts, 92: output, 96: count.
                lw t0, 4(a0)
                lw t1, 8(a0)
                lw t2, 12(a0)
                lw a1, 20(a0)
                sw t0, 68(sp)
                sw t1, 72(sp)
                sw t2, 76(sp)
                sw a1, 84(sp)
                lw t0, 28(a0)
                lw t1, 32(a0)
                lw t2, 36(a0)
                lw a1, 44(a0)
                sw t0, 80(sp)
                sw t1, 88(sp)
                sw t2, 92(sp)
                sw a1, 96(sp)
                lw t0, 16(a0)
                li t1, 4
                bgeu t0, t1, 5f
                la t2, 10f
                beqz t0, 1f
                la t2, 13f
                li t1, 2
                bltu t0, t1, 1f
                la t2, 12f
                beq t0, t1, 1f
                la t2, 11f
                j 1f
                5:
                la t2, 20f
                beq t0, t1, 1f
                la t2, 21f
                1:
                sw t2, 64(sp)

                // Four channels.
                2:
                lw t0, 52(sp)
                lw t2, 84(sp)
                lw t1, 0(t0)
                lw a0, 24(t0)
                sw t1, 56(sp)
                add ra, t2, a0
                add a0, ra, a0
                sw a0, 84(sp)
                lw a4, 80(sp)
                i8_begin 0, s0, s1, s2, s3
                i8_begin 8, s4, s5, s6, s7
                i8_begin 16, s8, s9, s10, s11
                i8_begin 24, t3, t4, t5, t6

                // A segment.
                3:
                lw t1, 56(sp)
                lw a5, 72(sp)
                lw a4, 64(sp)
                lw a0, 0(t1)
                lw a1, 4(t1)
                lw a2, 8(t1)
                lw a3, 12(t1)
                addi t1, t1, 16
                sw t1, 56(sp)
                add a5, a5, t2
                sw a5, 60(sp)
                jr a4

                11:
                i8_advance -4
                j 111f
                12:
                i8_advance -8
                j 112f
                13:
                i8_advance -12
                j 113f

                10:
                i8_four 0, 0
                111:
                i8_four 4, 8
                112:
                i8_four 8, 16
                113:
                i8_four 12, 24
                i8_advance 16
                lw t1, 60(sp)
                bne t1, t2, 10b
                i8_rest 21f

                // The next segment.
                4:
                lw t1, 56(sp)
                lw a4, 68(sp)
                bne t1, a4, 3b

                lw a5, 52(sp)
                lw a4, 68(a5)
                bnez a4, 7f
                i8_before_results
                i8_finish_channel 0, s0, s1, s2, s3
                i8_finish_channel 1, s4, s5, s6, s7
                i8_finish_channel 2, s8, s9, s10, s11
                i8_finish_channel 3, t3, t4, t5, t6
                lw t0, 96(sp)
                addi a4, a4, 32
                addi a5, a5, 4*{bytes}
                sw a4, 80(sp)
                beqz t2, 5f
                addi t2, t2, 4
                sw t2, 88(sp)
                5:
                sw a5, 92(sp)
                addi t0, t0, -1
                sw t0, 96(sp)
                bnez t0, 2b

                // The next four pixels.
                lw a0, 52(sp)
                lw t0, 80(a0)
                beqz t0, 6f
                addi t0, t0, -1
                sw t0, 80(a0)
                lw t0, 84(a0)
                lw t1, 0(a0)
                lw t2, 88(a0)
                lw s0, 36(a0)
                lw a1, 0(t1)
                lw a2, 4(t1)
                lw a3, 8(t1)
                lw a4, 12(t1)
                add s0, s0, t2
                add a1, a1, t0
                add a2, a2, t0
                add a3, a3, t0
                add a4, a4, t0
                sw a1, 0(t1)
                sw a2, 4(t1)
                sw a3, 8(t1)
                sw a4, 12(t1)
                sw s0, 36(a0)
                lw t0, 28(a0)
                lw t1, 32(a0)
                lw t2, 20(a0)
                lw a1, 44(a0)
                sw t0, 80(sp)
                sw t1, 88(sp)
                sw s0, 92(sp)
                sw t2, 84(sp)
                sw a1, 96(sp)
                j 2b

                6:
                ",
                leave!("112"),
                r"

                // The first four channels only.
                7:
                lw a4, 76(a5)
                beqz a4, 8f
                i8_store_sums 0, s0, s1, s2, s3
                i8_store_sums 16, s4, s5, s6, s7
                i8_store_sums 32, s8, s9, s10, s11
                i8_store_sums 48, t3, t4, t5, t6
                j 6b
                8:
                i8_before_results
                i8_finish_channel 0, s0, s1, s2, s3
                lw s0, 52(sp)
                lw s0, 72(s0)
                addi s0, s0, -1
                beqz s0, 6b
                i8_finish_channel 1, s4, s5, s6, s7
                addi s0, s0, -1
                beqz s0, 6b
                i8_finish_channel 2, s8, s9, s10, s11
                j 6b

                20:
                i8_in_order
                21:
                lw t1, 76(sp)
                beqz t1, 4b
                addi t1, t1, -1
                beqz t1, 22f
                i8_tap 0, 0
                i8_tap 1, 2
                i8_advance 2
                lw t1, 76(sp)
                andi t1, t1, 1
                beqz t1, 4b
                22:
                i8_tap 0, 0
                i8_advance 1
                j 4b

                .purgem i8_load
                .purgem i8_store
                .purgem i8_four
                .purgem i8_rest
                .purgem i8_in_order
                .purgem i8_column
                .purgem i8_tap
                .purgem i8_advance
                .purgem i8_begin
                .purgem i8_finish
                .purgem i8_finish_channel
                .purgem i8_before_results
                .purgem i8_store_sums
                ",
                end!(),
                bytes = const $bytes,
            )
        }
    };
}

tiles!(
    tiles,
    1,
    r"
        .macro i8_load r, x, p
        lb \r, \x(\p)
        .endm

        .macro i8_store r, at, p
        sb \r, \at(\p)
        .endm

        // Four taps that are stored in the order 0, 2, 1, 3: there are only such.
        .macro i8_four x, w
        i8_tap \x, \w
        i8_tap \x+2, \w+2
        i8_tap \x+1, \w+4
        i8_tap \x+3, \w+6
        .endm

        .macro i8_rest to
        .endm

        // Taps as they come.
        .macro i8_in_order
        200:
        i8_tap 0, 0
        i8_tap 1, 2
        i8_tap 2, 4
        i8_tap 3, 6
        i8_advance 4
        lw t1, 60(sp)
        bne t1, t2, 200b
        .endm
    "
);

tiles!(
    wide_tiles,
    2,
    r"
        .macro i8_load r, x, p
        lh \r, 2*(\x)(\p)
        .endm

        .macro i8_store r, at, p
        sh \r, 2*(\at)(\p)
        .endm

        .macro i8_four x, w
        i8_tap \x, \w
        i8_tap \x+1, \w+2
        i8_tap \x+2, \w+4
        i8_tap \x+3, \w+6
        .endm

        .macro i8_rest to
        j \to
        .endm

        .macro i8_in_order
        .endm
    "
);
