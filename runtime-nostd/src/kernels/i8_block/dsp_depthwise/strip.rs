//! Strips of a chain. Scratch holds all lines that a strip of few rows reads, and what is prepared for a
//! channel is used for few results: so bands widen weights and look at records themselves. Firmware
//! without chains does not link this.

use core::arch::naked_asm;

use microhlo_format::kernels::Rounding;

use super::{Band3, CHANNELS, Depthwise, Loader, widen_lines};

/// A [`Band3`] with the constants of its channels as they are: its records are bias and multiplier. The
/// assembly copies it to the stack.
#[repr(C)]
struct Strip {
    band: Band3,
    /// The first channel's weights.
    weights: *const i8,
    /// Its shift; null if channels have none of their own.
    shifts: *const u8,
    /// What the common shift exceeds 33 by.
    shift: u32,
    /// The zero point doubled, plus one; shifted for the common shift, if there is one.
    offset: i32,
}

/// Copies a [`Strip`] to the stack, where its last fields are weights (88), shifts (92), shift (96) and
/// offset (100).
macro_rules! enter_strip {
    () => {
        "push {{r4-r11, lr}}
        add r12, r0, #52
        ldm r12, {{r1-r4}}
        push {{r1-r4}}
        ldm r0!, {{r1-r12}}
        ldr r0, [r0]
        push {{r0}}
        push {{r1-r12}}
        sub sp, #36
        "
    };
}

macro_rules! leave_strip {
    () => {
        "add sp, #104
        pop {{r4-r11, pc}}"
    };
}

/// Widens the weights of a line, two of them in each of two registers.
macro_rules! widen_three {
    ($w01:literal, $w12:literal, $first:literal, $second:literal, $third:literal) => {
        concat!(
            "ldrsb ",
            $w01,
            ", [r12, #",
            $first,
            "]\n",
            "ldrsb ",
            $w12,
            ", [r12, #",
            $second,
            "]\n",
            "ldrsb lr, [r12, #",
            $third,
            "]\n",
            "pkhbt ",
            $w01,
            ", ",
            $w01,
            ", ",
            $w12,
            ", lsl #16\n",
            "pkhbt ",
            $w12,
            ", ",
            $w12,
            ", lr, lsl #16\n",
        )
    };
}

/// Brings the weights of the next channel into r3 to r8, and what its sums become to the stack.
macro_rules! next_constants {
    () => {
        concat!(
            "ldr r12, [sp, #80]
            ldrd r9, r11, [r12], #8
            str r12, [sp, #80]
            ldr r3, [sp, #92]
            ldrd lr, r12, [sp, #96]
            cbz r3, 8f
            ldrb lr, [r3], #1
            str r3, [sp, #92]
            sub lr, #33
            lsl r12, r12, lr
            8:
            mov r10, r9
            stm sp, {{r9-r12, lr}}
            ldr r12, [sp, #88]
            ",
            widen_three!("r3", "r4", "0", "1", "2"),
            widen_three!("r5", "r6", "3", "4", "5"),
            widen_three!("r7", "r8", "6", "7", "8"),
            "adds r12, #9
            str r12, [sp, #88]
            ",
        )
    };
}

macro_rules! strip_kernel {
    ($name:ident, $row:ident, $pair:literal, $shift:expr) => {
        band_kernel!($name(Strip), $row, $pair, $shift, enter_strip, next_constants, leave_strip);
    };
}

strip_kernel!(strip_3_1, row_3_1, "2", "");
strip_kernel!(strip_3_1_shift, row_3_1, "2", shift_pair!());
strip_kernel!(strip_3_2, row_3_2, "3", "");
strip_kernel!(strip_3_2_shift, row_3_2, "3", shift_pair!());

/// Computes a strip of a kernel of three by three adjacent taps, but for what [`complete`](super::complete)
/// does, if it is one of few rows. Returns whether it is.
///
/// # Safety
/// The convolution is that of accepted parameters of such a kernel.
#[inline(never)]
pub(super) unsafe fn strip(conv: &Depthwise) -> bool {
    let (across, along) = (&conv.across, &conv.along);
    let read = (across.output - 1) * across.stride + 3;
    let fits = conv.multiplier == 1 && conv.channels.is_multiple_of(CHANNELS) && conv.batch == 1;
    let rows = along.weights_step == 1 && read as usize <= conv.slots;
    let requant = conv.results.requant.filter(|requant| requant.rounding == Rounding::Up);
    let Some(requant) = requant.filter(|_| fits && rows) else { return false };
    let shared = conv.results.shifts.is_null();
    let shift = if shared { u32::from(requant.shift) } else { 33 };
    let mut job = Strip {
        band: Band3 {
            rows: across.output as usize,
            records: conv.results.channels.cast(),
            channels: CHANNELS,
            ..Band3::new(conv, 1)
        },
        weights: conv.weights,
        shifts: conv.results.shifts,
        shift: shift.wrapping_sub(33),
        offset: requant.offset(shift),
    };
    let function = match (along.stride, shared && shift == 33) {
        (1, true) => strip_3_1,
        (1, false) => strip_3_1_shift,
        (_, true) => strip_3_2,
        (_, false) => strip_3_2_shift,
    } as unsafe extern "C" fn(&Strip);
    // SAFETY: the caller's promise; scratch has all lines. Those outside the input stay as they are.
    unsafe {
        let mut loader = Loader::new(conv);
        let first = across.origin(0);
        let span = across.span(first, read);
        let from = (first + span.before).wrapping_mul(across.input_step) as isize + loader.from;
        loader.columns.from = conv.input.wrapping_offset(from);
        loader.columns.to = loader.slot(span.before as usize).wrapping_add(loader.before);
        loader.columns.lines = span.inside as usize;
        for _ in 0..conv.channels / CHANNELS {
            widen_lines(&loader.columns);
            function(&job);
            loader.columns.from = loader.columns.from.wrapping_add(CHANNELS);
            job.band.output = job.band.output.wrapping_add(CHANNELS);
            job.band.records = job.band.records.wrapping_byte_add(CHANNELS * size_of::<[i32; 2]>());
            job.weights = job.weights.wrapping_add(CHANNELS * 9);
            if !shared {
                job.shifts = job.shifts.wrapping_add(CHANNELS);
            }
        }
    }
    true
}
