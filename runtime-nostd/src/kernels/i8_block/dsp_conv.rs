//! Microkernels in assembly for Cortex-M with the DSP extension.
//!
//! SMLAD multiplies two taps at once. The sums of four pixels and two channels, or of one pixel and
//! eight channels, stay in r4 to r11; weights are widened by SXTB16 as they are loaded. SMMLA adds
//! the high word of a sum times its multiplier to the zero point, SSAT shifts and saturates.

use core::arch::naked_asm;
use core::mem::offset_of;

use microhlo_format::kernels::{Requant, Rounding};

use super::super::{Parts, either, has};
use super::dsp_clamp::clamp;
use super::dsp_gather::{Corner, Straight, gather};
use super::{Conv, Group, LANES, Pixel, portable};
pub(in crate::kernels) use by_sums::block_sums;
use by_sums::{double_sums, sums};

/// Repeats assembly.
macro_rules! times4 {
    ($body:expr) => {
        concat!($body, $body, $body, $body)
    };
}

macro_rules! times8 {
    ($body:expr) => {
        concat!(times4!($body), times4!($body))
    };
}

/// What [`products_4x2`] and [`products_1x8`] work on. They copy the first twelve words to the stack.
#[repr(C)]
struct Job {
    /// Widened taps.
    taps: *const i16,
    /// Their end.
    taps_end: *const i16,
    /// Where to enter the unrolled loop, in bytes, plus one for Thumb.
    entry: usize,
    /// The first channel's record.
    records: *const [i32; 2],
    /// The first channel's result of each pixel.
    output: [*mut u8; LANES],
    /// The zero point doubled, plus one; shifted for the common shift.
    offset: i32,
    /// What the common shift exceeds 33 by.
    shift: u32,
    /// The end of the records.
    records_end: *const [i32; 2],
    /// A [`Tail`].
    tail: u32,
    /// The first channel's own shift.
    shifts: *const u8,
    /// The first channel's weights.
    weights: *const i8,
}

/// What becomes of the sums.
enum Tail {
    /// Requantised with one shift.
    Shared = 0,
    /// Requantised with a shift for each channel.
    Each = 1,
    /// Stored, to [`Job::output`]`[0]`.
    Sums = 2,
}

/// Copies the job to the stack; r1 has the weights then. From sp: taps (0), end of taps (4), entry
/// (8), record (12), outputs (16), offset (32), shift (36), end of records (40), tail (44), shifts
/// (48).
macro_rules! enter {
    () => {
        "push {{r4-r11, lr}}
        ldr r1, [r0, #{shifts}]
        str r1, [sp, #-4]!
        ldm r0, {{r1-r12}}
        push {{r1-r12}}
        ldr r1, [r0, #{weights}]
        ldr r3, [sp, #8]
        adr.w r2, 4f
        add r2, r2, r3
        str r2, [sp, #8]
        ldr r3, [sp, #44]
        adr.w r2, 5f
        cmp r3, #1
        it eq
        adreq.w r2, 6f
        it hi
        adrhi.w r2, 7f
        adds r2, #1
        str r2, [sp, #44]
        ldr r12, [sp, #12]
        "
    };
}

macro_rules! leave {
    () => {
        "add sp, #52
        pop {{r4-r11, pc}}
        "
    };
}

/// Two taps of four pixels and two channels.
macro_rules! step_4x2 {
    () => {
        "ldr r2, [r1], #4
        sxtb16 r12, r2
        sxtb16 r2, r2, ror #8
        ldrd r3, lr, [r0], #8
        smlad r4, r3, r12, r4
        smlad r5, r3, r2, r5
        smlad r6, lr, r12, r6
        smlad r7, lr, r2, r7
        ldrd r3, lr, [r0], #8
        smlad r8, r3, r12, r8
        smlad r9, r3, r2, r9
        smlad r10, lr, r12, r10
        smlad r11, lr, r2, r11
        "
    };
}

/// Bytes of [`step_4x2`]: 13 instructions of four.
const STEP_4X2: usize = 52;

/// Computes pairs of channels of four pixels.
///
/// # Safety
/// The job is that of an accepted convolution, with at least one pair of channels and of taps.
#[unsafe(naked)]
unsafe extern "C" fn products_4x2<const PARTS: u32>(job: &Job) {
    naked_asm!(dsp!(),
        enter!(),
        // Even registers are of the first channel, odd ones of the second.
        "2:
        ldr r4, [r12], #8
        ldr r5, [r12], #8
        mov r6, r4
        mov r7, r5
        mov r8, r4
        mov r9, r5
        mov r10, r4
        mov r11, r5
        str r12, [sp, #12]
        ldr r0, [sp]
        ldr pc, [sp, #8]
        4:
        ",
        times8!(step_4x2!()),
        times8!(step_4x2!()),
        "ldr r2, [sp, #4]
        cmp r0, r2
        bne.w 4b
        ldr r12, [sp, #12]
        ldr pc, [sp, #44]
        5:
        ldr r2, [r12, #-12]
        ldr r3, [r12, #-4]
        ldrd r0, lr, [sp, #32]
        smmla r4, r4, r2, r0
        smmla r5, r5, r3, r0
        smmla r6, r6, r2, r0
        smmla r7, r7, r3, r0
        smmla r8, r8, r2, r0
        smmla r9, r9, r3, r0
        smmla r10, r10, r2, r0
        smmla r11, r11, r3, r0
        cmp lr, #0
        beq 8f
        asr r4, r4, lr
        asr r5, r5, lr
        asr r6, r6, lr
        asr r7, r7, lr
        asr r8, r8, lr
        asr r9, r9, lr
        asr r10, r10, lr
        asr r11, r11, lr
        8:
        ldrd r0, r2, [sp, #16]
        ssat r4, #8, r4, asr #1
        strb r4, [r0], #1
        ssat r5, #8, r5, asr #1
        strb r5, [r0], #1
        ssat r6, #8, r6, asr #1
        strb r6, [r2], #1
        ssat r7, #8, r7, asr #1
        strb r7, [r2], #1
        strd r0, r2, [sp, #16]
        ldrd r0, r2, [sp, #24]
        ssat r8, #8, r8, asr #1
        strb r8, [r0], #1
        ssat r9, #8, r9, asr #1
        strb r9, [r0], #1
        ssat r10, #8, r10, asr #1
        strb r10, [r2], #1
        ssat r11, #8, r11, asr #1
        strb r11, [r2], #1
        strd r0, r2, [sp, #24]
        9:
        ldr r0, [sp, #40]
        cmp r12, r0
        bne.w 2b
        ",
        leave!(),
        "6:
        .if {each}
        ldr r2, [sp, #48]
        ldrb r3, [r2], #1
        ldrb lr, [r2], #1
        str r2, [sp, #48]
        subs r3, #33
        ldr r0, [sp, #32]
        lsls r0, r3
        ldr r2, [r12, #-12]
        smmla r4, r4, r2, r0
        smmla r6, r6, r2, r0
        smmla r8, r8, r2, r0
        smmla r10, r10, r2, r0
        asr r4, r4, r3
        asr r6, r6, r3
        asr r8, r8, r3
        asr r10, r10, r3
        sub lr, #33
        ldr r0, [sp, #32]
        lsl r0, r0, lr
        ldr r2, [r12, #-4]
        smmla r5, r5, r2, r0
        smmla r7, r7, r2, r0
        smmla r9, r9, r2, r0
        smmla r11, r11, r2, r0
        asr r5, r5, lr
        asr r7, r7, lr
        asr r9, r9, lr
        asr r11, r11, lr
        b 8b
        .endif
        7:
        .if {sums}
        ldr r0, [sp, #16]
        stm r0!, {{r4-r11}}
        str r0, [sp, #16]
        b 9b
        .endif",
        each = const has(PARTS, Parts::SHIFTS) as u32,
        sums = const has(PARTS, Parts::ROUNDINGS.and(Parts::CHANNELS_LEFT)) as u32,
        shifts = const offset_of!(Job, shifts),
        weights = const offset_of!(Job, weights),
    )
}

/// Two taps of two of four pixels and two channels.
macro_rules! step_2x2 {
    () => {
        "ldr r2, [r1], #4
        sxtb16 r12, r2
        sxtb16 r2, r2, ror #8
        ldrd r3, lr, [r0], #16
        smlad r4, r3, r12, r4
        smlad r5, r3, r2, r5
        smlad r6, lr, r12, r6
        smlad r7, lr, r2, r7
        "
    };
}

/// Bytes of [`step_2x2`]: 8 instructions of four.
const STEP_2X2: usize = 32;

/// Computes pairs of channels of the first two pixels.
///
/// # Safety
/// As for [`products_4x2`].
#[unsafe(naked)]
unsafe extern "C" fn products_2x2(job: &Job) {
    naked_asm!(dsp!(),
        enter!(),
        "2:
        ldr r4, [r12], #8
        ldr r5, [r12], #8
        mov r6, r4
        mov r7, r5
        str r12, [sp, #12]
        ldr r0, [sp]
        ldr pc, [sp, #8]
        4:
        ",
        times8!(step_2x2!()),
        "ldr r2, [sp, #4]
        cmp r0, r2
        bne.w 4b
        ldr r12, [sp, #12]
        ldr pc, [sp, #44]
        5:
        ldr r2, [r12, #-12]
        ldr r3, [r12, #-4]
        ldrd r0, lr, [sp, #32]
        smmla r4, r4, r2, r0
        smmla r5, r5, r3, r0
        smmla r6, r6, r2, r0
        smmla r7, r7, r3, r0
        asr r4, r4, lr
        asr r5, r5, lr
        asr r6, r6, lr
        asr r7, r7, lr
        8:
        ldrd r0, r2, [sp, #16]
        ssat r4, #8, r4, asr #1
        strb r4, [r0], #1
        ssat r5, #8, r5, asr #1
        strb r5, [r0], #1
        ssat r6, #8, r6, asr #1
        strb r6, [r2], #1
        ssat r7, #8, r7, asr #1
        strb r7, [r2], #1
        strd r0, r2, [sp, #16]
        9:
        ldr r0, [sp, #40]
        cmp r12, r0
        bne.w 2b
        ",
        leave!(),
        "6:
        ldr r2, [sp, #48]
        ldrb r3, [r2], #1
        ldrb lr, [r2], #1
        str r2, [sp, #48]
        subs r3, #33
        ldr r0, [sp, #32]
        lsls r0, r3
        ldr r2, [r12, #-12]
        smmla r4, r4, r2, r0
        smmla r6, r6, r2, r0
        asr r4, r4, r3
        asr r6, r6, r3
        sub lr, #33
        ldr r0, [sp, #32]
        lsl r0, r0, lr
        ldr r2, [r12, #-4]
        smmla r5, r5, r2, r0
        smmla r7, r7, r2, r0
        asr r5, r5, lr
        asr r7, r7, lr
        b 8b
        7:
        ldr r0, [sp, #16]
        stm r0!, {{r4-r7}}
        str r0, [sp, #16]
        b 9b",
        shifts = const offset_of!(Job, shifts),
        weights = const offset_of!(Job, weights),
    )
}

/// Two taps of a pixel and two channels, whose weights are in `$w`.
macro_rules! step_two {
    ($w:literal, $first:literal, $second:literal) => {
        concat!(
            "sxtb16 lr, ",
            $w,
            "\n",
            "smlad ",
            $first,
            ", r2, lr, ",
            $first,
            "\n",
            "sxtb16 ",
            $w,
            ", ",
            $w,
            ", ror #8\n",
            "smlad ",
            $second,
            ", r2, ",
            $w,
            ", ",
            $second,
            "\n",
        )
    };
}

/// Two taps of a pixel and eight channels.
macro_rules! step_1x8 {
    () => {
        concat!(
            "ldr r2, [r0], #4\n",
            "ldrd r3, r12, [r1], #8\n",
            step_two!("r3", "r4", "r5"),
            step_two!("r12", "r6", "r7"),
            "ldrd r3, r12, [r1], #8\n",
            step_two!("r3", "r8", "r9"),
            step_two!("r12", "r10", "r11"),
        )
    };
}

/// Bytes of [`step_1x8`]: 19 instructions of four.
const STEP_1X8: usize = 76;

/// Requantises one sum; the record lies `$at` bytes before the next block's.
macro_rules! finish_one {
    ($acc:literal, $at:literal) => {
        concat!(
            "ldr r2, [r12, #-",
            $at,
            "]\n",
            "smmla ",
            $acc,
            ", ",
            $acc,
            ", r2, r0\n",
            "asr ",
            $acc,
            ", ",
            $acc,
            ", lr\n",
            "ssat ",
            $acc,
            ", #8, ",
            $acc,
            ", asr #1\n",
            "strb ",
            $acc,
            ", [r3], #1\n",
        )
    };
}

/// The same with a shift of its own, from r2 on.
macro_rules! finish_one_shift {
    ($acc:literal, $at:literal) => {
        concat!(
            "ldrb lr, [r2], #1\n",
            "sub lr, #33\n",
            "ldr r0, [sp, #32]\n",
            "lsl r0, r0, lr\n",
            "ldr r3, [r12, #-",
            $at,
            "]\n",
            "smmla ",
            $acc,
            ", ",
            $acc,
            ", r3, r0\n",
            "asr ",
            $acc,
            ", ",
            $acc,
            ", lr\n",
            "ldr r3, [sp, #16]\n",
            "ssat ",
            $acc,
            ", #8, ",
            $acc,
            ", asr #1\n",
            "strb ",
            $acc,
            ", [r3], #1\n",
            "str r3, [sp, #16]\n",
        )
    };
}

/// What becomes of a pixel's sums, in these registers, and the next block at 2; the records lie so many bytes
/// before the next block's. At 5, 6 and 7, as [`Tail`] says.
macro_rules! finish_pixel {
    ($registers:literal, $($acc:literal $at:literal),*) => {
        concat!(
            "5:
            ldrd r0, lr, [sp, #32]
            ldr r3, [sp, #16]
            ",
            $(finish_one!($acc, $at),)*
            "str r3, [sp, #16]
            9:
            ldr r0, [sp, #40]
            cmp r12, r0
            bne.w 2b
            ",
            leave!(),
            "6:
            ldr r2, [sp, #48]
            ",
            $(finish_one_shift!($acc, $at),)*
            "str r2, [sp, #48]
            b 9b
            7:
            ldr r0, [sp, #16]
            stm r0!, {{",
            $registers,
            "}}
            str r0, [sp, #16]
            b 9b",
        )
    };
}

/// Computes blocks of eight channels of a pixel.
///
/// # Safety
/// The job is that of an accepted convolution, with at least one block and one pair of taps.
#[unsafe(naked)]
unsafe extern "C" fn products_1x8(job: &Job) {
    naked_asm!(dsp!(),
        enter!(),
        "2:
        ldr r4, [r12], #8
        ldr r5, [r12], #8
        ldr r6, [r12], #8
        ldr r7, [r12], #8
        ldr r8, [r12], #8
        ldr r9, [r12], #8
        ldr r10, [r12], #8
        ldr r11, [r12], #8
        str r12, [sp, #12]
        ldr r0, [sp]
        ldr pc, [sp, #8]
        4:
        ",
        times8!(step_1x8!()),
        "ldr r2, [sp, #4]
        cmp r0, r2
        bne.w 4b
        ldr r12, [sp, #12]
        ldr pc, [sp, #44]
        ",
        finish_pixel!(
            "r4-r11", "r4" 60, "r5" 52, "r6" 44, "r7" 36, "r8" 28, "r9" 20, "r10" 12, "r11" 4
        ),
        shifts = const offset_of!(Job, shifts),
        weights = const offset_of!(Job, weights),
    )
}

mod by_sums;
mod single;

impl Job {
    /// The job of channels from `first` on, whose number and places are to be set.
    pub fn new<const PARTS: u32>(conv: &Conv, group: &Group, first: usize) -> Job {
        let results = group.results.skip(first);
        let (mut offset, mut shift, mut tail) = (0, 0, Tail::Sums);
        let up = |r: &Requant| !has(PARTS, Parts::ROUNDINGS) || r.rounding == Rounding::Up;
        if let Some(requant) = results.requant.filter(up) {
            if results.shifts.is_null() {
                let common = u32::from(requant.shift);
                (offset, shift, tail) = (requant.offset(common), common - 33, Tail::Shared);
            } else {
                (offset, tail) = (requant.offset(33), Tail::Each);
            }
        }
        Job {
            taps: conv.scratch,
            taps_end: conv.scratch.wrapping_add(conv.pairs * 2 * conv.lanes),
            entry: 0,
            records: results.channels,
            output: [conv.output; LANES],
            offset,
            shift,
            records_end: results.channels,
            tail: tail as u32,
            shifts: results.shifts,
            weights: group.weights.wrapping_add(first * conv.pairs * 2),
        }
    }
}

/// Computes the channels of a group, several pixels at a time.
///
/// # Safety
/// Convolution and group are those of accepted parameters.
#[inline(always)]
pub(in crate::kernels) unsafe fn pixels<const PARTS: u32>(conv: &Conv, group: &Group) {
    let mut job = Job::new::<PARTS>(conv, group, 0);
    let mut straight = Straight::prepared::<PARTS>(conv, group);
    let mut next = conv.pixel(0);
    let mut left = conv.pixels;
    while left > 0 {
        // SAFETY: pixels of the accepted parameters.
        unsafe {
            if has(PARTS, Parts::FOUR_PIXELS) && straight.gather::<PARTS>(conv, group, &mut next) {
                places(conv, group, straight.output, &mut job);
                products::<PARTS>(conv, group, LANES, &mut job);
                left -= LANES as u32;
            } else {
                left -= others::<PARTS>(conv, group, &mut next, left, &mut job);
            }
        }
    }
}

/// Sets where the results of four adjacent pixels go.
#[inline(always)]
fn places(conv: &Conv, group: &Group, first: *mut u8, job: &mut Job) {
    let mut output = first.wrapping_add(group.output);
    for place in &mut job.output {
        *place = output;
        output = output.wrapping_add(conv.output_step);
    }
}

/// Computes pixels that are not all in one row and inside the image. Returns their number.
///
/// # Safety
/// As for [`pixels`]; `left` pixels are left from the next one on.
#[inline(always)]
unsafe fn others<const PARTS: u32>(
    conv: &Conv,
    group: &Group,
    next: &mut Pixel,
    left: u32,
    job: &mut Job,
) -> u32 {
    // SAFETY: the caller's promise.
    if has(PARTS, Parts::STRIPS) && left == 1 && unsafe { single::pixel(conv, group, next, job) } {
        return 1;
    }
    let mut count = if four::<PARTS>(conv) { LANES } else { 1 };
    let here = left.min(count as u32);
    if has(PARTS, Parts::TWO_PIXELS) && here <= 2 {
        count = count.min(2);
    }
    // SAFETY: the caller's promise.
    unsafe {
        gather_others::<PARTS>(conv, group, next, [here, count as u32], job);
        products::<PARTS>(conv, group, count, job);
    }
    here
}

/// Gathers the next `here` pixels, the last of them so often that there are `count`. A call of its own, which
/// takes no stack while they are multiplied.
///
/// # Safety
/// As for [`others`].
#[inline(never)]
unsafe fn gather_others<const PARTS: u32>(
    conv: &Conv,
    group: &Group,
    next: &mut Pixel,
    [here, count]: [u32; 2],
    job: &mut Job,
) {
    let alone = Parts::ONE_PIXEL.and(Parts::TWO_PIXELS);
    let count = if has(PARTS, alone) { count } else { LANES as u32 };
    // If there are too few, the last one is computed several times: those before have been, and their
    // results may lie on their taps.
    let (mut corners, mut corner) = ([Corner::NONE; LANES], Corner::NONE);
    let (mut first, mut done) = (next.output, 0);
    for (place, output) in corners.iter_mut().zip(&mut job.output) {
        if done == count {
            break;
        }
        if done < here {
            first = next.output.wrapping_add(group.output);
            corner = take::<PARTS>(conv, group, next);
        }
        (*place, *output) = (corner, first);
        done += 1;
    }
    // SAFETY: the caller's promise.
    unsafe { gather::<PARTS>(conv, &corners, count as usize) };
}

/// The taps of a pixel, which becomes the one after it.
#[inline(never)]
fn take<const PARTS: u32>(conv: &Conv, group: &Group, next: &mut Pixel) -> Corner {
    let corner = Corner::new(conv, group, next);
    conv.skip::<PARTS>(next, 1);
    corner
}

/// Whether four pixels are computed together.
fn four<const PARTS: u32>(conv: &Conv) -> bool {
    either(PARTS, [Parts::FOUR_PIXELS, Parts::ONE_PIXEL], conv.lanes == LANES)
}

/// Computes all channels of a group for `count` pixels whose taps are in scratch and whose results
/// lie where the job says.
///
/// # Safety
/// Convolution, group and pixels are those of accepted parameters; `count` is the number of lanes,
/// or two of four. The job is that of the group.
#[inline(always)]
unsafe fn products<const PARTS: u32>(conv: &Conv, group: &Group, count: usize, job: &mut Job) {
    let block = if has(PARTS, Parts::ONE_PIXEL) && count == 1 { 8 } else { 2 };
    let left = has(PARTS, Parts::CHANNELS_LEFT);
    let whole = if left { conv.out_c & !(block - 1) } else { conv.out_c };
    let mut first = 0;
    if (!has(PARTS, Parts::ROUNDINGS) || job.tail != Tail::Sums as u32) && (!left || whole > 0) {
        job.records_end = job.records.wrapping_add(whole);
        // SAFETY: the whole blocks of the group.
        unsafe { job.run::<PARTS>(conv, count) };
        first = whole;
    }
    if has(PARTS, Parts::ROUNDINGS) && count == LANES && first + DOUBLE <= conv.out_c {
        // SAFETY: the caller's promise.
        first = unsafe { double_sums::<PARTS>(conv, group, job, first) };
    }
    if (left || has(PARTS, Parts::ROUNDINGS)) && first < conv.out_c {
        // SAFETY: the caller's promise.
        unsafe { rest::<PARTS>(conv, group, job, count, first) };
    }
}

/// Computes the channels from `first` on, whose blocks the assembly does not finish.
///
/// # Safety
/// As for [`products`].
#[inline(never)]
unsafe fn rest<const PARTS: u32>(
    conv: &Conv,
    group: &Group,
    job: &mut Job,
    count: usize,
    mut first: usize,
) {
    let one = has(PARTS, Parts::ONE_PIXEL) && count == 1;
    let block = if one { 8 } else { 2 };
    let whole = conv.out_c & !(block - 1);
    while first < conv.out_c {
        // SAFETY: a block of the group. Those of one pixel and two channels are rare.
        unsafe {
            if first < whole || !one {
                sums::<PARTS>(conv, group, job, count, first);
                first += block;
            } else {
                let output = job.output[0].wrapping_sub(group.output);
                portable::products_1x2(conv, group, (conv.scratch, 2), output, first);
                first += 2;
            }
        }
    }
}

impl Job {
    /// Runs the job for so many pixels.
    ///
    /// # Safety
    /// It is that of an accepted convolution.
    unsafe fn run<const PARTS: u32>(&mut self, conv: &Conv, count: usize) {
        let two = has(PARTS, Parts::TWO_PIXELS) && count == 2;
        let four = either(PARTS, [Parts::FOUR_PIXELS, Parts::ONE_PIXEL], count > 1);
        let (function, step, unroll): (unsafe extern "C" fn(&Job), _, _) = match (two, four) {
            (true, _) => (products_2x2, STEP_2X2, 8),
            (_, true) => (products_4x2::<PARTS>, STEP_4X2, 16),
            _ => (products_1x8, STEP_1X8, 8),
        };
        self.entry = (conv.pairs.wrapping_neg() & (unroll - 1)) * step + 1;
        // SAFETY: the caller's promise.
        unsafe { function(self) };
    }
}

/// Channels whose sums are rounded twice together.
const DOUBLE: usize = 4;

/// Clamps all results, which the microkernels only saturate.
///
/// # Safety
/// The convolution is that of accepted parameters, and its results have been computed.
pub(in crate::kernels) unsafe fn complete_conv<const PARTS: u32>(conv: &Conv) {
    if !has(PARTS, Parts::BOUNDS) {
        return;
    }
    let bytes = conv.pixels as usize * conv.output_step;
    // SAFETY: the results, which are dense.
    unsafe { clamp(&conv.results.requant, conv.output, bytes) };
}
