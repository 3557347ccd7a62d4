//! Depthwise convolutions of few results, tap by tap where the input lies, for Cortex-M with the DSP
//! extension: widening a line would cost more than its products.

use core::arch::naked_asm;

use microhlo_format::kernels::Rounding;

use super::{Block, CHANNELS, Depthwise};

/// Blocks of four channels of one result. The assembly copies it to the stack.
#[repr(C)]
struct Pixel {
    /// The first tap of the first block.
    from: *const i8,
    weights: *const i8,
    records: *const [i32; 2],
    output: *mut u8,
    /// Blocks, at least one.
    blocks: usize,
    /// Taps of a line and lines, at least one.
    taps: usize,
    lines: usize,
    /// Bytes from a tap to the next one, and from its weight.
    step: usize,
    weights_step: usize,
    /// Bytes from behind the taps of a line to the next line, and behind their weights.
    skip: isize,
    weights_skip: isize,
    offset: i32,
    /// What the shift exceeds 33 by.
    shift: u32,
}

/// A tap of four channels.
macro_rules! tap {
    () => {
        "ldr r8, [r0]
        ldr r9, [r1]
        add r0, r2
        add r1, r3
        sxtb16 r10, r8
        sxtb16 r12, r9
        smlabb r4, r10, r12, r4
        smlatt r6, r10, r12, r6
        sxtb16 r8, r8, ror #8
        sxtb16 r9, r9, ror #8
        smlabb r5, r8, r9, r5
        smlatt r7, r8, r9, r7
        "
    };
}

/// A channel's sum becomes a result, with the record at r8.
macro_rules! finish {
    ($acc:literal, $multiplier:literal, $at:literal) => {
        concat!(
            "ldr r9, [r8, #",
            $multiplier,
            "]\nsmmla ",
            $acc,
            ", ",
            $acc,
            ", r9, r10\nasr ",
            $acc,
            ", ",
            $acc,
            ", r11\nssat ",
            $acc,
            ", #8, ",
            $acc,
            ", asr #1\nstrb ",
            $acc,
            ", [r12, #",
            $at,
            "]\n",
        )
    };
}

/// Computes blocks of four channels of a result. From sp: the job.
///
/// # Safety
/// The result is one of an accepted convolution whose taps lie inside the input.
#[unsafe(naked)]
unsafe extern "C" fn pixel(pixel: &Pixel) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        ldm r0!, {{r1-r12}}
        ldr r0, [r0]
        push {{r0}}
        push {{r1-r12}}
        1:
        ldr r12, [sp, #8]
        ldr r4, [r12]
        ldr r5, [r12, #8]
        ldr r6, [r12, #16]
        ldr r7, [r12, #24]
        ldrd r0, r1, [sp]
        ldrd r2, r3, [sp, #28]
        ldr lr, [sp, #24]
        2:
        ldr r11, [sp, #20]
        lsrs r11, r11, #1
        bcc 4f
        ",
        tap!(),
        "cmp r11, #0
        beq 5f
        4:
        ",
        tap!(),
        tap!(),
        "subs r11, #1
        bne 4b
        5:
        subs lr, #1
        beq 6f
        ldrd r8, r9, [sp, #36]
        add r0, r8
        add r1, r9
        b 2b
        6:
        ldrd r8, r12, [sp, #8]
        ldrd r10, r11, [sp, #44]
        ",
        finish!("r4", "4", "0"),
        finish!("r5", "12", "1"),
        finish!("r6", "20", "2"),
        finish!("r7", "28", "3"),
        "adds r8, #32
        add r12, #4
        strd r8, r12, [sp, #8]
        ldrd r0, r1, [sp]
        adds r0, #4
        adds r1, #4
        strd r0, r1, [sp]
        ldr r2, [sp, #16]
        subs r2, #1
        str r2, [sp, #16]
        bne 1b
        add sp, #52
        pop {{r4-r11, pc}}",
    )
}

/// Computes the channels of a result from those of a block on, if the assembly can: four at a time,
/// with one shift, whose first tap is at these coordinates and whose taps lie inside the input.
/// Returns how many.
///
/// # Safety
/// Convolution and block are those of accepted parameters, without scratch.
pub(super) unsafe fn pixels_inside(conv: &Depthwise, block: &Block, first: [i32; 2]) -> usize {
    let (mut across, mut along) = (&conv.across, &conv.along);
    let (lines, taps) = (across.taps(first[0]), along.taps(first[1]));
    let at = first[0] * across.input_step + first[1] * along.input_step;
    let shared = block.results.shifts.is_null();
    let requant = block.results.requant.filter(|r| r.rounding == Rounding::Up && shared);
    let outside = lines.inside < across.kernel || taps.inside < along.kernel;
    let Some(requant) = requant.filter(|_| block.lanes == CHANNELS && !outside) else {
        return 0;
    };
    if across.kernel > along.kernel {
        // The order of taps does not matter, and fewer lines are quicker.
        (across, along) = (along, across);
    }
    let whole = (conv.channels - block.first) / CHANNELS;
    let blocked = conv.channels.next_multiple_of(CHANNELS);
    let shift = u32::from(requant.shift);
    let step = (along.dilation * along.input_step) as usize;
    let weights_step = along.weights_step as usize * blocked;
    let count = along.kernel as usize;
    let behind = |line: usize, step: usize| line as isize - (count * step) as isize;
    let job = Pixel {
        from: block.input.wrapping_offset(at as isize),
        weights: block.weights,
        records: block.results.channels,
        output: block.output,
        blocks: whole,
        taps: count,
        lines: across.kernel as usize,
        step,
        weights_step,
        skip: behind((across.dilation * across.input_step) as usize, step),
        weights_skip: behind(across.weights_step as usize * blocked, weights_step),
        offset: requant.offset(shift),
        shift: shift.wrapping_sub(33),
    };
    // SAFETY: all taps of these channels lie inside the input.
    unsafe { pixel(&job) };
    whole * CHANNELS
}
