//! A pixel that is left over of a strip: where rows have few pixels, it may be one in five. Firmware
//! without chains does not link this.

use core::arch::naked_asm;
use core::mem::offset_of;

use microhlo_format::kernels::Rounding;

use super::super::dsp_gather::gather_one;
use super::{Conv, Group, Job, LANES, Pixel};

/// Channels that are computed together.
const BLOCK: usize = 4;

/// Computes all channels of a group for its last pixel, of a convolution whose pixels are computed by fours, if
/// that is better than to compute two. Returns whether it is.
///
/// # Safety
/// Convolution, group and pixel are those of accepted parameters. The job is that of the group, which has no
/// other pixels left for it.
#[inline(never)]
pub(super) unsafe fn pixel(conv: &Conv, group: &Group, pixel: &Pixel, job: &mut Job) -> bool {
    let up = conv.results.requant.is_some_and(|requant| requant.rounding == Rounding::Up);
    let even = conv.out_c.is_multiple_of(BLOCK) && conv.pairs.is_multiple_of(2);
    if !up || !even || conv.lanes != LANES {
        return false;
    }
    job.taps_end = conv.scratch.wrapping_add(conv.pairs * 2);
    job.output[0] = pixel.output.wrapping_add(group.output);
    job.records_end = job.records.wrapping_add(conv.out_c);
    job.entry = ((conv.pairs / 2).wrapping_neg() & 7) * STEP_1X4 + 1;
    // SAFETY: the caller's promise; scratch has four lanes, of which this takes one.
    unsafe {
        gather_one(conv, group, pixel);
        products_1x4(job);
    }
    true
}

/// Two taps of a pixel and two channels.
macro_rules! step_1x2 {
    ($taps:literal, $weights:literal, $first:literal, $second:literal) => {
        concat!(
            "sxtb16 r3, ",
            $weights,
            "\nsmlad ",
            $first,
            ", ",
            $taps,
            ", r3, ",
            $first,
            "\nsxtb16 ",
            $weights,
            ", ",
            $weights,
            ", ror #8\nsmlad ",
            $second,
            ", ",
            $taps,
            ", ",
            $weights,
            ", ",
            $second,
            "\n",
        )
    };
}

/// Four taps of a pixel and four channels: two pairs of them, whose weights do not adjoin.
macro_rules! step_1x4 {
    () => {
        concat!(
            "ldrd r8, r9, [r0], #8\n",
            "ldrd r10, r11, [r1], #8\n",
            step_1x2!("r8", "r10", "r4", "r5"),
            step_1x2!("r9", "r11", "r4", "r5"),
            "ldrd r10, r11, [r2], #8\n",
            step_1x2!("r8", "r10", "r6", "r7"),
            step_1x2!("r9", "r11", "r6", "r7"),
        )
    };
}

/// Bytes of [`step_1x4`]: 19 instructions of four.
const STEP_1X4: usize = 76;

/// Computes blocks of four channels of a pixel whose taps adjoin.
///
/// # Safety
/// The job is that of an accepted convolution, with a block and a multiple of four taps.
#[unsafe(naked)]
unsafe extern "C" fn products_1x4(job: &Job) {
    naked_asm!(dsp!(),
        enter!(),
        "2:
        ldr r4, [r12], #8
        ldr r5, [r12], #8
        ldr r6, [r12], #8
        ldr r7, [r12], #8
        str r12, [sp, #12]
        ldrd r0, r3, [sp]
        subs r3, r3, r0
        adds r2, r1, r3
        ldr pc, [sp, #8]
        4:
        ",
        times8!(step_1x4!()),
        "ldr r3, [sp, #4]
        cmp r0, r3
        bne.w 4b
        mov r1, r2
        ldr r12, [sp, #12]
        ldr pc, [sp, #44]
        ",
        finish_pixel!("r4-r7", "r4" 28, "r5" 20, "r6" 12, "r7" 4),
        shifts = const offset_of!(Job, shifts),
        weights = const offset_of!(Job, weights),
    )
}
