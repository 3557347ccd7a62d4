//! Microkernels in assembly for Cortex-M with a single-precision FPU.
//!
//! The pair kernels hold the sums of two pixels and eight channels in s0 to s15 and load eight
//! weights at a time into s16 to s23, so that a multiply-accumulate costs little more than one
//! instruction. VMLA rounds product and sum like the portable code; the order of the sums is the
//! same too.
//!
//! NaNs: the kernels run in the FPU's default NaN mode, in which every NaN result is the positive
//! quiet one. This lets the rectifier clear negative numbers by their sign bit alone.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::Segment;

/// `acc += weight * x` for a list of accumulators and weights.
macro_rules! mla {
    ($x:literal: $($acc:literal += $w:literal),*) => {
        concat!($("vmla.f32 ", $acc, ", ", $w, ", ", $x, "\n"),*)
    };
}

/// Eight accumulators of one pixel, weights in s16 to s23.
macro_rules! mla_first {
    ($x:literal) => {
        mla!($x: "s0" += "s16", "s1" += "s17", "s2" += "s18", "s3" += "s19",
                 "s4" += "s20", "s5" += "s21", "s6" += "s22", "s7" += "s23")
    };
}

/// Eight accumulators of the other pixel, weights in s16 to s23.
macro_rules! mla_second {
    ($x:literal) => {
        mla!($x: "s8" += "s16", "s9" += "s17", "s10" += "s18", "s11" += "s19",
                 "s12" += "s20", "s13" += "s21", "s14" += "s22", "s15" += "s23")
    };
}

/// Eight accumulators of a single pixel, weights in s8 to s15.
macro_rules! mla_low {
    ($x:literal) => {
        mla!($x: "s0" += "s8", "s1" += "s9", "s2" += "s10", "s3" += "s11",
                 "s4" += "s12", "s5" += "s13", "s6" += "s14", "s7" += "s15")
    };
}

/// One input value of each of two pixels; `load` fetches its eight weights into s16 to s23.
macro_rules! step_pair {
    ($load:literal, $x:literal, $y:literal) => {
        concat!($load, "\n", mla_first!($x), mla_second!($y))
    };
}

/// Adds the bias in s16 to s23.
macro_rules! add_bias {
    ($($acc:literal + $w:literal),*) => {
        concat!($("vadd.f32 ", $acc, ", ", $acc, ", ", $w, "\n"),*)
    };
}

macro_rules! add_bias_first {
    () => {
        add_bias!(
            "s0" + "s16",
            "s1" + "s17",
            "s2" + "s18",
            "s3" + "s19",
            "s4" + "s20",
            "s5" + "s21",
            "s6" + "s22",
            "s7" + "s23"
        )
    };
}

macro_rules! add_bias_second {
    () => {
        add_bias!(
            "s8" + "s16",
            "s9" + "s17",
            "s10" + "s18",
            "s11" + "s19",
            "s12" + "s20",
            "s13" + "s21",
            "s14" + "s22",
            "s15" + "s23"
        )
    };
}

/// Stores four results where negative numbers become +0.0. Uses r1 to r4.
macro_rules! store_relu {
    ($to:literal: $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "vmov r1, r2, ",
            $a,
            ", ",
            $b,
            "\n",
            "vmov r3, r4, ",
            $c,
            ", ",
            $d,
            "\n",
            "bic r1, r1, r1, asr #31\n",
            "bic r2, r2, r2, asr #31\n",
            "bic r3, r3, r3, asr #31\n",
            "bic r4, r4, r4, asr #31\n",
            "stmia ",
            $to,
            "!, {{r1-r4}}\n",
        )
    };
}

/// Saves registers and enters default NaN mode. The frame holds, from sp: inputs of both pixels
/// (0, 4), outputs (8, 12), weights (16), bias (20), blocks left (24), pairs left (28), the FPU's
/// status (32).
macro_rules! enter {
    () => {
        // Functions without a body of Rust do not inherit the target's FPU.
        ".fpu fpv4-sp-d16
        push {{r4-r11, lr}}
        vpush {{s16-s31}}
        sub sp, sp, #40
        vmrs r1, fpscr
        str r1, [sp, #32]
        orr r1, r1, #0x02000000
        vmsr fpscr, r1
        "
    };
}

macro_rules! leave {
    () => {
        "ldr r1, [sp, #32]
        vmsr fpscr, r1
        add sp, sp, #40
        vpop {{s16-s31}}
        pop {{r4-r11, pc}}
        "
    };
}

/// Loads the pointers of the first pair of pixels.
macro_rules! first_pair {
    () => {
        "ldr r1, [r0, #{input}]
        ldr r12, [r0, #{input_step}]
        add r2, r1, r12
        ldr r10, [r0, #{output}]
        ldr r12, [r0, #{output_step}]
        add r11, r10, r12
        ldr r12, [r0, #{pixels}]
        lsr r12, r12, #1
        str r12, [sp, #28]
        "
    };
}

/// Begins a pair of pixels: keeps their pointers and goes to the first block.
macro_rules! begin_pair {
    () => {
        "strd r1, r2, [sp]
        strd r10, r11, [sp, #8]
        ldr r3, [r0, #{weights}]
        ldr r12, [r0, #{bias}]
        strd r3, r12, [sp, #16]
        ldr lr, [r0, #{blocks}]
        str lr, [sp, #24]
        "
    };
}

/// Zero sums; lr counts the groups of rows. Goes to 8 when there are none.
macro_rules! begin_block {
    () => {
        "ldr r12, [r0, #{zeros}]
        vldmia r12, {{s0-s15}}
        ldr lr, [r0, #{outer}]
        cmp lr, #0
        beq 8f
        "
    };
}

/// Bias, rectifier and results of a pair's block.
macro_rules! finish_pair_block {
    () => {
        concat!(
            "ldr r12, [sp, #20]
            vldmia r12, {{s16-s23}}
            ldr r4, [r0, #{block_bias}]
            add r12, r12, r4
            str r12, [sp, #20]
            ",
            add_bias_first!(),
            add_bias_second!(),
            "ldr r4, [r0, #{relu}]
            cmp r4, #0
            bne 9f
            vstmia r10!, {{s0-s7}}
            vstmia r11!, {{s8-s15}}
            b 10f
            9:
            ",
            store_relu!("r10": "s0", "s1", "s2", "s3"),
            store_relu!("r10": "s4", "s5", "s6", "s7"),
            store_relu!("r11": "s8", "s9", "s10", "s11"),
            store_relu!("r11": "s12", "s13", "s14", "s15"),
            "10:
            ldrd r1, r2, [sp]
            ldr r3, [sp, #16]
            ldr r12, [r0, #{block_weights}]
            add r3, r3, r12
            str r3, [sp, #16]
            ldr lr, [sp, #24]
            subs lr, lr, #1
            str lr, [sp, #24]
            ",
        )
    };
}

/// Goes to the next pair of pixels at 2, with r1 and r2 at the inputs of the finished one.
macro_rules! next_pair {
    () => {
        "ldrd r10, r11, [sp, #8]
        ldr r12, [r0, #{input_step}]
        add r1, r1, r12, lsl #1
        add r2, r2, r12, lsl #1
        ldr r12, [r0, #{output_step}]
        add r10, r10, r12, lsl #1
        add r11, r11, r12, lsl #1
        ldr lr, [sp, #28]
        subs lr, lr, #1
        str lr, [sp, #28]
        bne 2b
        "
    };
}

/// A function for all whole pairs of pixels and all blocks: `load` fetches the eight weights of one
/// input value at r3 into s16 to s23, `row` goes to the next row's weights; r7 has the weights'
/// skip.
macro_rules! pair_kernel {
    ($(#[$doc:meta])* $name:ident, $load:literal, $row:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The segment is one of an accepted step, with at least two pixels and one block.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(segment: &Segment) {
            naked_asm!(
                enter!(),
                // r8 counts groups of four values of a row, r9 the values left over.
                "ldr r8, [r0, #{run}]
                and r9, r8, #3
                lsr r8, r8, #2
                ldr r6, [r0, #{row_input_skip}]
                ldr r7, [r0, #{row_weights_skip}]
                ",
                first_pair!(),
                "2:",
                begin_pair!(),
                "3:",
                begin_block!(),
                "4:
                ldr r4, [r0, #{rows}]
                5:
                movs r5, r8
                beq 61f
                6:
                vldmia r1!, {{s24-s27}}
                vldmia r2!, {{s28-s31}}",
                step_pair!($load, "s24", "s28"),
                step_pair!($load, "s25", "s29"),
                step_pair!($load, "s26", "s30"),
                step_pair!($load, "s27", "s31"),
                "subs r5, r5, #1
                bne 6b
                61:
                movs r5, r9
                beq 7f
                62:
                vldmia r1!, {{s24}}
                vldmia r2!, {{s28}}",
                step_pair!($load, "s24", "s28"),
                "subs r5, r5, #1
                bne 62b
                7:
                add r1, r1, r6
                add r2, r2, r6",
                $row,
                "subs r4, r4, #1
                bne 5b
                subs lr, lr, #1
                beq 8f
                ldr r12, [r0, #{outer_input_skip}]
                add r1, r1, r12
                add r2, r2, r12
                ldr r12, [r0, #{outer_weights_skip}]
                add r3, r3, r12
                b 4b
                8:",
                finish_pair_block!(),
                "bne 3b",
                next_pair!(),
                leave!(),
                input = const offset_of!(Segment, input),
                output = const offset_of!(Segment, output),
                weights = const offset_of!(Segment, weights),
                bias = const offset_of!(Segment, bias),
                pixels = const offset_of!(Segment, pixels),
                input_step = const offset_of!(Segment, input_step),
                output_step = const offset_of!(Segment, output_step),
                blocks = const offset_of!(Segment, blocks),
                block_weights = const offset_of!(Segment, block_weights),
                block_bias = const offset_of!(Segment, block_bias),
                outer = const offset_of!(Segment, outer),
                rows = const offset_of!(Segment, rows),
                run = const offset_of!(Segment, run),
                row_input_skip = const offset_of!(Segment, row_input_skip),
                row_weights_skip = const offset_of!(Segment, row_weights_skip),
                outer_input_skip = const offset_of!(Segment, outer_input_skip),
                outer_weights_skip = const offset_of!(Segment, outer_weights_skip),
                relu = const offset_of!(Segment, relu),
                zeros = const offset_of!(Segment, zeros),
            )
        }
    };
}

pair_kernel! {
    /// Convolution: the weights of a row are adjacent.
    conv_pairs, "vldmia r3!, {{s16-s23}}", "add r3, r3, r7"
}

pair_kernel! {
    /// Matrix product: the weights of an input value are the skip behind those of the one before.
    dot_pairs, "vldmia r3, {{s16-s23}}\nadd r3, r3, r7", ""
}

/// A function for the first pixel and all blocks, as [`pair_kernel`]; `load_two` fetches the weights
/// of two input values into s8 to s15 and s16 to s23.
macro_rules! single_kernel {
    ($(#[$doc:meta])* $name:ident, $load:literal, $load_two:literal, $row:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The segment is one of an accepted step, with at least one pixel and one block.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(segment: &Segment) {
            naked_asm!(
                enter!(),
                "ldr r8, [r0, #{run}]
                and r9, r8, #3
                lsr r8, r8, #2
                ldr r6, [r0, #{row_input_skip}]
                ldr r7, [r0, #{row_weights_skip}]
                ldr r2, [r0, #{weights}]
                ldr r10, [r0, #{output}]
                ldr r11, [r0, #{bias}]
                ldr r12, [r0, #{blocks}]
                str r12, [sp, #24]
                3:
                mov r3, r2
                ldr r1, [r0, #{input}]",
                begin_block!(),
                "4:
                ldr r4, [r0, #{rows}]
                5:
                movs r5, r8
                beq 61f
                6:
                vldmia r1!, {{s24-s27}}",
                $load_two,
                mla_low!("s24"),
                mla_first!("s25"),
                $load_two,
                mla_low!("s26"),
                mla_first!("s27"),
                "subs r5, r5, #1
                bne 6b
                61:
                movs r5, r9
                beq 7f
                62:
                vldmia r1!, {{s24}}",
                $load,
                mla_first!("s24"),
                "subs r5, r5, #1
                bne 62b
                7:
                add r1, r1, r6",
                $row,
                "subs r4, r4, #1
                bne 5b
                subs lr, lr, #1
                beq 8f
                ldr r12, [r0, #{outer_input_skip}]
                add r1, r1, r12
                ldr r12, [r0, #{outer_weights_skip}]
                add r3, r3, r12
                b 4b
                8:
                vldmia r11, {{s16-s23}}
                ldr r4, [r0, #{block_bias}]
                add r11, r11, r4",
                add_bias_first!(),
                "ldr r12, [r0, #{block_weights}]
                add r2, r2, r12
                mov r5, r2
                ldr r4, [r0, #{relu}]
                cmp r4, #0
                bne 9f
                vstmia r10!, {{s0-s7}}
                b 10f
                9:",
                store_relu!("r10": "s0", "s1", "s2", "s3"),
                store_relu!("r10": "s4", "s5", "s6", "s7"),
                "10:
                mov r2, r5
                ldr r12, [sp, #24]
                subs r12, r12, #1
                str r12, [sp, #24]
                bne 3b",
                leave!(),
                input = const offset_of!(Segment, input),
                output = const offset_of!(Segment, output),
                weights = const offset_of!(Segment, weights),
                bias = const offset_of!(Segment, bias),
                blocks = const offset_of!(Segment, blocks),
                block_weights = const offset_of!(Segment, block_weights),
                block_bias = const offset_of!(Segment, block_bias),
                outer = const offset_of!(Segment, outer),
                rows = const offset_of!(Segment, rows),
                run = const offset_of!(Segment, run),
                row_input_skip = const offset_of!(Segment, row_input_skip),
                row_weights_skip = const offset_of!(Segment, row_weights_skip),
                outer_input_skip = const offset_of!(Segment, outer_input_skip),
                outer_weights_skip = const offset_of!(Segment, outer_weights_skip),
                relu = const offset_of!(Segment, relu),
                zeros = const offset_of!(Segment, zeros),
            )
        }
    };
}

single_kernel! {
    /// Convolution: the weights of a row are adjacent.
    conv_single, "vldmia r3!, {{s16-s23}}", "vldmia r3!, {{s8-s23}}", "add r3, r3, r7"
}

single_kernel! {
    /// Matrix product: the weights of an input value are the skip behind those of the one before.
    dot_single, "vldmia r3, {{s16-s23}}\nadd r3, r3, r7",
    "vldmia r3, {{s8-s15}}\nadd r3, r3, r7\nvldmia r3, {{s16-s23}}\nadd r3, r3, r7", ""
}

/// `acc += weight * x` for eight channels of a depthwise tap: weights in s16 to s23, inputs in s24
/// to s31.
macro_rules! mla_channels_first {
    () => {
        concat!(
            mla!("s24": "s0" += "s16"), mla!("s25": "s1" += "s17"),
            mla!("s26": "s2" += "s18"), mla!("s27": "s3" += "s19"),
            mla!("s28": "s4" += "s20"), mla!("s29": "s5" += "s21"),
            mla!("s30": "s6" += "s22"), mla!("s31": "s7" += "s23"),
        )
    };
}

macro_rules! mla_channels_second {
    () => {
        concat!(
            mla!("s24": "s8" += "s16"), mla!("s25": "s9" += "s17"),
            mla!("s26": "s10" += "s18"), mla!("s27": "s11" += "s19"),
            mla!("s28": "s12" += "s20"), mla!("s29": "s13" += "s21"),
            mla!("s30": "s14" += "s22"), mla!("s31": "s15" += "s23"),
        )
    };
}

/// Depthwise convolution of all whole pairs of pixels and all blocks. A single pixel is a pair
/// whose members are the same.
///
/// # Safety
/// The segment is one of an accepted depthwise convolution, with at least two pixels and one
/// block.
#[unsafe(naked)]
unsafe extern "C" fn depthwise_pairs(segment: &Segment) {
    naked_asm!(
        enter!(),
        "ldr r6, [r0, #{row_input_skip}]
        ldr r7, [r0, #{outer_input_skip}]
        ldr r8, [r0, #{outer_weights_skip}]
        ldr r9, [r0, #{rows}]
        ",
        first_pair!(),
        "2:",
        begin_pair!(),
        "3:",
        begin_block!(),
        "4:
        mov r4, r9
        5:
        vldmia r3!, {{s16-s23}}
        vldmia r1, {{s24-s31}}",
        mla_channels_first!(),
        "vldmia r2, {{s24-s31}}
        add r1, r1, r6
        add r2, r2, r6",
        mla_channels_second!(),
        "subs r4, r4, #1
        bne 5b
        add r1, r1, r7
        add r2, r2, r7
        add r3, r3, r8
        subs lr, lr, #1
        bne 4b
        8:",
        finish_pair_block!(),
        // The next block's channels follow in the input.
        "add r1, r1, #32
        add r2, r2, #32
        strd r1, r2, [sp]
        bne 3b
        ldr r12, [r0, #{blocks}]
        sub r1, r1, r12, lsl #5
        sub r2, r2, r12, lsl #5",
        next_pair!(),
        leave!(),
        input = const offset_of!(Segment, input),
        output = const offset_of!(Segment, output),
        weights = const offset_of!(Segment, weights),
        bias = const offset_of!(Segment, bias),
        pixels = const offset_of!(Segment, pixels),
        input_step = const offset_of!(Segment, input_step),
        output_step = const offset_of!(Segment, output_step),
        blocks = const offset_of!(Segment, blocks),
        block_weights = const offset_of!(Segment, block_weights),
        block_bias = const offset_of!(Segment, block_bias),
        outer = const offset_of!(Segment, outer),
        rows = const offset_of!(Segment, rows),
        row_input_skip = const offset_of!(Segment, row_input_skip),
        outer_input_skip = const offset_of!(Segment, outer_input_skip),
        outer_weights_skip = const offset_of!(Segment, outer_weights_skip),
        relu = const offset_of!(Segment, relu),
        zeros = const offset_of!(Segment, zeros),
    )
}

/// The last pixel of a segment with an odd number of them.
fn last_pixel(segment: &Segment) -> Option<Segment> {
    let before = segment.pixels.checked_sub(1)?;
    if before % 2 == 1 {
        return None;
    }
    let mut last = *segment;
    let bytes = |step: i32| (before as isize).wrapping_mul(step as isize);
    last.input = last.input.wrapping_offset(bytes(last.input_step));
    last.output = last.output.wrapping_offset(bytes(last.output_step));
    last.pixels = 1;
    Some(last)
}

/// Computes all pixels and whole blocks of a convolution's segment.
///
/// # Safety
/// The segment is one of an accepted convolution, with at least one block.
pub(in crate::kernels) unsafe fn conv_blocks(segment: &Segment) {
    if segment.pixels >= 2 {
        // SAFETY: the caller's promise, and a pair.
        unsafe { conv_pairs(segment) };
    }
    if let Some(last) = last_pixel(segment) {
        // SAFETY: the caller's promise.
        unsafe { conv_single(&last) };
    }
}

/// Computes all rows and whole blocks of columns of a matrix product.
///
/// # Safety
/// The segment is that of an accepted matrix product, with at least one block.
pub(in crate::kernels) unsafe fn dot_blocks(segment: &Segment) {
    if segment.pixels >= 2 {
        // SAFETY: the caller's promise, and a pair.
        unsafe { dot_pairs(segment) };
    }
    if let Some(last) = last_pixel(segment) {
        // SAFETY: the caller's promise.
        unsafe { dot_single(&last) };
    }
}

/// Computes all pixels and whole blocks of a depthwise convolution's segment.
///
/// # Safety
/// The segment is one of an accepted depthwise convolution, with at least one block.
pub(in crate::kernels) unsafe fn depthwise_blocks(segment: &Segment) {
    if segment.pixels >= 2 {
        // SAFETY: the caller's promise, and a pair.
        unsafe { depthwise_pairs(segment) };
    }
    if let Some(mut last) = last_pixel(segment) {
        last.pixels = 2;
        last.input_step = 0;
        last.output_step = 0;
        // SAFETY: both members of the pair are the last pixel, which computes it twice.
        unsafe { depthwise_pairs(&last) };
    }
}
