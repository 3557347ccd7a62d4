//! Results of 16 bits for Cortex-M with the DSP extension: two channels of a pixel at a time.

use core::arch::naked_asm;
use core::mem::offset_of;

use microhlo_format::kernels::Rounding;

use super::super::i8_block::dsp;
use super::{Sums, Wide};

/// Sums of pairs of channels and where their results go.
#[repr(C)]
struct Job {
    sums: *const [i32; 2],
    /// The first channel's record.
    records: *const [i32; 2],
    /// Bytes from a pixel's first result to that of the first channel.
    at: usize,
    outputs: *const *mut u8,
    outputs_end: *const *mut u8,
    /// Bytes of sums behind those of the outputs.
    skip: usize,
    shifts: *const u8,
    /// Bytes from a shift to the next: none if channels share one.
    shift_step: usize,
    /// The zero point doubled, plus one.
    offset: i32,
    /// Limits, twice each.
    min: [i16; 2],
    max: [i16; 2],
    /// Pairs of channels, at least one.
    count: usize,
}

/// Stores the results of pairs of channels. SMMLA adds the upper word of a sum times its multiplier to zero point
/// and half a step, SSAT shifts and saturates, and SEL takes what SSUB16 has found to be within the limits.
///
/// # Safety
/// Sums, channels, and the results of at least one pixel exist.
#[unsafe(naked)]
unsafe extern "C" fn finish(job: &mut Job) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        mov r2, r0
        ldrd r0, r1, [r2, #{sums}]
        ldr r3, [r2, #{at}]
        1:
        ldrd r12, lr, [r2, #{shifts}]
        ldrb r8, [r12]
        add r12, lr
        ldrb r9, [r12]
        add r12, lr
        str r12, [r2, #{shifts}]
        ldr r7, [r2, #{offset}]
        sub r8, r8, #33
        sub r9, r9, #33
        lsl r6, r7, r8
        lsl r7, r7, r9
        ldr r4, [r1, #4]
        ldr r5, [r1, #12]
        adds r1, #16
        ldr lr, [r2, #{outputs}]
        2:
        ldrd r10, r11, [r0], #8
        smmla r10, r10, r4, r6
        smmla r11, r11, r5, r7
        asr r10, r10, r8
        asr r11, r11, r9
        ssat r10, #16, r10, asr #1
        ssat r11, #16, r11, asr #1
        pkhbt r10, r10, r11, lsl #16
        ldrd r11, r12, [r2, #{min}]
        ssub16 r11, r10, r11
        ldr r11, [r2, #{min}]
        sel r10, r10, r11
        ssub16 r11, r12, r10
        sel r10, r10, r12
        ldr r12, [lr], #4
        ldr r11, [r2, #{outputs_end}]
        str r10, [r12, r3]
        cmp lr, r11
        bne 2b
        ldr r12, [r2, #{skip}]
        add r0, r12
        adds r3, #4
        ldr r12, [r2, #{count}]
        subs r12, #1
        str r12, [r2, #{count}]
        bne 1b
        pop {{r4-r11, pc}}",
        sums = const offset_of!(Job, sums),
        at = const offset_of!(Job, at),
        outputs = const offset_of!(Job, outputs),
        outputs_end = const offset_of!(Job, outputs_end),
        skip = const offset_of!(Job, skip),
        shifts = const offset_of!(Job, shifts),
        offset = const offset_of!(Job, offset),
        min = const offset_of!(Job, min),
        count = const offset_of!(Job, count),
    )
}

/// Stores the results of all whole pairs of channels, if they are rounded up. Returns their number.
///
/// # Safety
/// Channels and outputs exist.
pub(super) unsafe fn pairs(wide: &Wide, sums: &Sums<'_>) -> usize {
    let results = &wide.results;
    let up = results.requant.as_ref().filter(|r| r.rounding == Rounding::Up);
    let count = (sums.pairs.len() / sums.lanes.max(1)).min((sums.end - sums.first) / 2);
    let Some(requant) = up.filter(|_| count > 0 && !sums.outputs.is_empty()) else { return 0 };
    let shared = results.shifts.is_null();
    let outputs = sums.outputs.as_ptr_range();
    let mut job = Job {
        sums: sums.pairs.as_ptr(),
        records: results.channels.wrapping_add(sums.first),
        at: sums.first * size_of::<i16>(),
        outputs: outputs.start,
        outputs_end: outputs.end,
        skip: (sums.lanes - sums.outputs.len()) * size_of::<[i32; 2]>(),
        shifts: if shared { &requant.shift } else { results.shifts.wrapping_add(sums.first) },
        shift_step: usize::from(!shared),
        offset: requant.zero * 2 + 1,
        min: [wide.min as i16; 2],
        max: [wide.max as i16; 2],
        count,
    };
    // SAFETY: the caller's promise; limits are those of 16 bits.
    unsafe { finish(&mut job) };
    count
}
