//! Microkernels in assembly for Cortex-M with the DSP extension.
//!
//! SMLAD multiplies two taps at once. The sums of four pixels and two channels, or of one pixel and
//! eight channels, stay in r4 to r11; weights are widened by SXTB16 as they are loaded. SMMLA adds
//! the high word of a sum times its multiplier to the zero point, SSAT shifts and saturates.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use microhlo_format::kernels::Requant;

use super::{Axis, Conv, Group, LANES, Pixel, Results, portable};

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
unsafe extern "C" fn products_4x2(job: &Job) {
    naked_asm!(
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
        7:
        ldr r0, [sp, #16]
        stm r0!, {{r4-r11}}
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

/// Computes blocks of eight channels of a pixel.
///
/// # Safety
/// The job is that of an accepted convolution, with at least one block and one pair of taps.
#[unsafe(naked)]
unsafe extern "C" fn products_1x8(job: &Job) {
    naked_asm!(
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
        5:
        ldrd r0, lr, [sp, #32]
        ldr r3, [sp, #16]
        ",
        finish_one!("r4", "60"),
        finish_one!("r5", "52"),
        finish_one!("r6", "44"),
        finish_one!("r7", "36"),
        finish_one!("r8", "28"),
        finish_one!("r9", "20"),
        finish_one!("r10", "12"),
        finish_one!("r11", "4"),
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
        finish_one_shift!("r4", "60"),
        finish_one_shift!("r5", "52"),
        finish_one_shift!("r6", "44"),
        finish_one_shift!("r7", "36"),
        finish_one_shift!("r8", "28"),
        finish_one_shift!("r9", "20"),
        finish_one_shift!("r10", "12"),
        finish_one_shift!("r11", "4"),
        "str r2, [sp, #48]
        b 9b
        7:
        ldr r0, [sp, #16]
        stm r0!, {{r4-r11}}
        str r0, [sp, #16]
        b 9b",
        shifts = const offset_of!(Job, shifts),
        weights = const offset_of!(Job, weights),
    )
}

/// Widened runs of four pixels inside the image.
#[repr(C)]
struct Runs {
    /// The first run of each pixel.
    from: [*const i8; LANES],
    to: *mut i16,
    /// Runs of each pixel, at least one.
    runs: usize,
    /// Words of a run plus one.
    words: usize,
    /// Bytes from the end of a run to the next one.
    skip: isize,
}

/// A word of each of four pixels.
macro_rules! widen_word {
    () => {
        "ldr r8, [r0], #4
        ldr r9, [r1], #4
        ldr r10, [r2], #4
        ldr r11, [r3], #4
        sxtb16 r4, r8
        sxtb16 r5, r9
        sxtb16 r6, r10
        sxtb16 r7, r11
        sxtb16 r8, r8, ror #8
        sxtb16 r9, r9, ror #8
        sxtb16 r10, r10, ror #8
        sxtb16 r11, r11, ror #8
        stm r12!, {{r4-r11}}
        "
    };
}

/// Widens runs of whole words of four pixels.
///
/// # Safety
/// Runs and their place are those of an accepted convolution.
#[unsafe(naked)]
unsafe extern "C" fn widen(runs: &Runs) {
    naked_asm!(
        "push {{r4-r11, lr}}
        mov lr, r0
        ldm lr!, {{r0-r3, r12}}
        ldm lr, {{r4-r6}}
        sub sp, #12
        stm sp, {{r4-r6}}
        1:
        ldr lr, [sp, #4]
        lsrs lr, lr, #1
        bcc 3f
        2:
        ",
        widen_word!(),
        "3:
        ",
        widen_word!(),
        "subs lr, lr, #1
        bne 2b
        ldr r4, [sp]
        subs r4, #1
        beq 4f
        str r4, [sp]
        ldr r4, [sp, #8]
        add r0, r0, r4
        add r1, r1, r4
        add r2, r2, r4
        add r3, r3, r4
        b 1b
        4:
        add sp, #12
        pop {{r4-r11, pc}}",
    )
}

/// Some taps of one pixel: `top` bytes of padding, then rows, then `bottom` bytes of padding.
#[repr(C)]
struct Lane {
    /// The number of taps before these, modulo four.
    phase: usize,
    /// The first byte of the first row.
    from: *const i8,
    /// The lane's part of the taps, of four, that the first one is among.
    to: *mut i16,
    /// Two taps of padding.
    zero: u32,
    /// Bytes from the end of a row to the next one.
    skip: isize,
    top: usize,
    rows: usize,
    /// Bytes of padding before each row.
    before: usize,
    /// Bytes of a row.
    inside: usize,
    /// Bytes of padding behind each row.
    behind: usize,
    bottom: usize,
}

/// The bytes one after another from one of four taps on, as `$value` gets them into r11.
macro_rules! taps {
    ($value:literal, $word:expr, $at:tt, $step:literal) => {
        concat!(
            "cmp r5, #0\nit eq\nbxeq lr\ntbb [pc, r0]
            61: .byte (70f - 61b) / 2, (71f - 61b) / 2, (72f - 61b) / 2, (73f - 61b) / 2
            70: subs r5, #4\nblo 75f
            74: ",
            $word,
            "subs r5, #4\nbhs 74b
            75: adds r5, #4\nbeq 80f
            ",
            $value,
            "\nstrh r11, [r2]\nsubs r5, #1\nbeq 81f
            71: ",
            $value,
            "\nstrh r11, [r2, #",
            tap!($at, 1),
            "]\nsubs r5, #1\nbeq 82f
            72: ",
            $value,
            "\nstrh r11, [r2, #",
            tap!($at, 2),
            "]\nsubs r5, #1\nbeq 83f
            73: ",
            $value,
            "\nstrh r11, [r2, #",
            tap!($at, 3),
            "]
            add r2, r2, #2 * ",
            stringify!($step),
            "\nsubs r5, #1\nbne 70b
            80: movs r0, #0\nbx lr
            81: movs r0, #1\nbx lr
            82: movs r0, #2\nbx lr
            83: movs r0, #3\nbx lr
            "
        )
    };
}

/// Bytes to each of four taps from the first.
macro_rules! tap {
    ((swizzled $step:literal), 1) => {
        stringify!($step)
    };
    ((swizzled $step:literal), 2) => {
        "2"
    };
    ((natural $step:literal), 1) => {
        "2"
    };
    ((natural $step:literal), 2) => {
        stringify!($step)
    };
    (($order:ident $step:literal), 3) => {
        concat!(stringify!($step), " + 2")
    };
}

/// A function that widens taps of a [`Lane`] whose pairs are `$step` bytes apart. `$pack` brings the
/// taps 0 and 2 in r12 and 1 and 3 in r11 into their order, the first two in `$first`.
macro_rules! lane_kernel {
    ($name:ident, $order:ident, $step:literal, $first:literal, $pack:literal) => {
        /// Widens some taps of a pixel.
        ///
        /// # Safety
        /// The taps and their place are those of an accepted convolution.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(lane: &Lane) {
            naked_asm!(
                "push {{r4-r11, lr}}
                ldm r0, {{r0-r10}}
                push {{r10}}
                bl 60f
                cmp r6, #0
                beq 3f
                1:
                mov r5, r7
                bl 60f
                mov r5, r8
                bl 65f
                mov r5, r9
                bl 60f
                add r1, r1, r4
                subs r6, #1
                bne 1b
                3:
                pop {{r5}}
                bl 60f
                pop {{r4-r11, pc}}
                60:
                mov r11, r3
                ",
                taps!(
                    "",
                    concat!(
                        "str r3, [r2], #", stringify!($step), "\n",
                        "str r3, [r2], #", stringify!($step), "\n",
                    ),
                    ($order $step),
                    $step
                ),
                "65:
                ",
                taps!(
                    "ldrsb r11, [r1], #1",
                    concat!(
                        "ldr r11, [r1], #4\n",
                        "sxtb16 r12, r11\n",
                        "sxtb16 r11, r11, ror #8\n",
                        $pack,
                        "str ", $first, ", [r2], #", stringify!($step), "\n",
                        "str r11, [r2], #", stringify!($step), "\n",
                    ),
                    ($order $step),
                    $step
                ),
            )
        }
    };
}

/// Pairs of neighbours.
macro_rules! neighbours {
    ($name:ident, $step:literal) => {
        lane_kernel!(
            $name,
            natural,
            $step,
            "r10",
            "pkhbt r10, r12, r11, lsl #16\npkhtb r11, r11, r12, asr #16\n"
        );
    };
}

lane_kernel!(lane_swizzled, swizzled, 16, "r12", "");
lane_kernel!(single_swizzled, swizzled, 4, "r12", "");
neighbours!(lane_natural, 16);
neighbours!(single_natural, 4);

/// Whether all taps along an axis lie inside the input.
fn inside(axis: &Axis, first: i32) -> bool {
    let reach = (axis.kernel - 1) * axis.dilation;
    first >= 0 && first < axis.input - reach
}

/// Widens the taps of pixels of a group into scratch.
///
/// # Safety
/// Convolution, group and as many pixels as it has lanes are those of accepted parameters.
pub(in crate::kernels) unsafe fn gather(conv: &Conv, group: &Group, pixels: &[Pixel; LANES]) {
    let [h, w] = &conv.axes;
    let whole = conv.swizzled
        && conv.lanes == LANES
        && pixels.iter().all(|pixel| inside(h, pixel.y) && inside(w, pixel.x));
    // SAFETY: the caller's promise.
    unsafe {
        if whole {
            gather_inside(conv, group, pixels);
            return;
        }
        for (lane, pixel) in pixels.iter().take(conv.lanes).enumerate() {
            gather_pixel(conv, group, pixel, lane);
        }
    }
}

/// Widens the taps of four pixels that lie inside the image.
///
/// # Safety
/// As for [`gather`].
unsafe fn gather_inside(conv: &Conv, group: &Group, pixels: &[Pixel; LANES]) {
    let [h, w] = &conv.axes;
    let run = conv.run * conv.in_c;
    let row = h.input_step * h.dilation;
    let mut runs = Runs {
        from: pixels.map(|pixel| pixel.at(conv, group)),
        to: conv.scratch,
        runs: h.kernel as usize,
        words: (run as usize >> 2) + 1,
        skip: (row - run) as isize,
    };
    if conv.run == w.kernel {
        // SAFETY: all rows of all pixels, which lie inside the image.
        unsafe { widen(&runs) };
        return;
    }
    runs.runs = w.kernel as usize;
    runs.skip = (w.input_step * w.dilation - run) as isize;
    for _ in 0..h.kernel {
        // SAFETY: all taps of one row.
        unsafe { widen(&runs) };
        runs.to = runs.to.wrapping_add(LANES * (w.kernel * run) as usize);
        runs.from = runs.from.map(|from| from.wrapping_offset(row as isize));
    }
}

/// Widens the taps of a pixel into its lane.
///
/// # Safety
/// As for [`gather`]; there is such a lane.
unsafe fn gather_pixel(conv: &Conv, group: &Group, pixel: &Pixel, lane: usize) {
    let [h, w] = &conv.axes;
    let (rows, columns) = (h.taps(pixel.y), w.taps(pixel.x));
    let in_c = conv.in_c;
    let bytes = |taps: i32| (taps * in_c) as usize;
    let row = h.input_step * h.dilation;
    let to = conv.scratch.wrapping_add(2 * lane);
    let zero = u32::from(i16::from(conv.zero) as u16).wrapping_mul(0x0001_0001);
    let first = pixel.at(conv, group);
    let from = first.wrapping_offset((columns.before * w.dilation * w.input_step) as isize);
    let mut job = Lane {
        phase: 0,
        from: from.wrapping_offset((rows.before.wrapping_mul(row)) as isize),
        to,
        zero,
        skip: (row - columns.inside * in_c) as isize,
        top: bytes(rows.before * w.kernel),
        rows: rows.inside as usize,
        before: bytes(columns.before),
        inside: bytes(columns.inside),
        behind: bytes(columns.behind),
        bottom: bytes(rows.behind * w.kernel),
    };
    let widen = match (conv.lanes == LANES, conv.swizzled) {
        (true, true) => lane_swizzled,
        (true, false) => lane_natural,
        (false, true) => single_swizzled,
        (false, false) => single_natural,
    };
    if conv.run == w.kernel {
        // SAFETY: all rows of the pixel; those parts that are read lie inside the image.
        unsafe { widen(&job) };
        // SAFETY: as above.
        unsafe { even_out(conv, to) };
        return;
    }
    (job.skip, job.rows) = ((w.input_step * w.dilation - in_c) as isize, columns.inside as usize);
    (job.before, job.inside, job.behind) = (0, bytes(1), 0);
    for y in 0..h.kernel {
        let there = y >= rows.before && y < rows.before + rows.inside;
        let tap = bytes(y * w.kernel);
        (job.phase, job.to) = (tap & 3, to.wrapping_add((tap >> 2) * 4 * conv.lanes));
        (job.top, job.bottom) = (bytes(columns.before), bytes(columns.behind));
        job.rows = columns.inside as usize;
        if !there {
            (job.top, job.rows, job.bottom) = (bytes(w.kernel), 0, 0);
        }
        // SAFETY: the taps of one kernel row; those that are read lie inside the image.
        unsafe { widen(&job) };
        if there {
            job.from = job.from.wrapping_offset(row as isize);
        }
    }
    // SAFETY: as above.
    unsafe { even_out(conv, to) };
}

/// Fills up an odd number of taps of a lane.
///
/// # Safety
/// As for [`gather_pixel`].
unsafe fn even_out(conv: &Conv, to: *mut i16) {
    if conv.odd {
        // SAFETY: the last tap of the lane's last pair.
        unsafe { *to.add((conv.pairs - 1) * 2 * conv.lanes + 1) = 0 };
    }
}

impl Job {
    /// The job of channels from `first` on, whose number is to be set.
    fn new(conv: &Conv, group: &Group, pixels: &[Pixel; LANES], first: usize) -> Job {
        let results = group.results.skip(first);
        let (mut offset, mut shift, mut tail) = (0, 0, Tail::Sums);
        if let Some(requant) = results.requant.filter(|requant| !requant.ties_even) {
            if results.shifts.is_null() {
                let common = u32::from(requant.shift);
                (offset, shift, tail) = (requant.offset(common), common - 33, Tail::Shared);
            } else {
                (offset, tail) = (requant.offset(33), Tail::Each);
            }
        }
        let channel = group.output + first * results.bytes();
        let (step, unroll) = if conv.lanes == LANES { (STEP_4X2, 16) } else { (STEP_1X8, 8) };
        Job {
            taps: conv.scratch,
            taps_end: conv.scratch.wrapping_add(conv.pairs * 2 * conv.lanes),
            entry: (conv.pairs.wrapping_neg() & (unroll - 1)) * step + 1,
            records: results.channels,
            output: pixels.map(|pixel| pixel.output.wrapping_add(channel)),
            offset,
            shift,
            records_end: results.channels,
            tail: tail as u32,
            shifts: results.shifts,
            weights: group.weights.wrapping_add(first * conv.pairs * 2),
        }
    }
}

/// Computes all channels of a group for pixels whose taps are in scratch.
///
/// # Safety
/// Convolution, group and as many pixels as it has lanes are those of accepted parameters.
pub(in crate::kernels) unsafe fn products(conv: &Conv, group: &Group, pixels: &[Pixel; LANES]) {
    let whole = conv.out_c & if conv.lanes == LANES { !1 } else { !7 };
    let mut job = Job::new(conv, group, pixels, 0);
    let mut first = 0;
    if job.tail != Tail::Sums as u32 && whole > 0 {
        job.records_end = job.records.wrapping_add(whole);
        // SAFETY: the whole blocks of the group.
        unsafe { job.run(conv.lanes) };
        first = whole;
    }
    while first < conv.out_c {
        let block = if first < whole && conv.lanes != LANES { 8 } else { 2 };
        // SAFETY: a block of the group. Those of one pixel and two channels are rare.
        unsafe {
            if first < whole || conv.lanes == LANES {
                sums(conv, group, pixels, first, block);
            } else {
                portable::products_1x2(conv, group, pixels, first);
            }
        }
        first += block;
    }
}

/// Clamps all results, which the microkernels only saturate.
///
/// # Safety
/// The convolution is that of accepted parameters, and its results have been computed.
pub(in crate::kernels) unsafe fn complete_conv(conv: &Conv) {
    let bytes = conv.pixels as usize * conv.output_step;
    // SAFETY: the results, which are dense.
    unsafe { clamp(&conv.results, conv.output, bytes) };
}

impl Job {
    /// Runs the job.
    ///
    /// # Safety
    /// It is that of an accepted convolution of so many lanes.
    unsafe fn run(&self, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if lanes == LANES {
                products_4x2(self);
            } else {
                products_1x8(self);
            }
        }
    }
}

/// Computes a block by way of its sums.
///
/// # Safety
/// As for [`products`]; there is such a block, of eight channels of one pixel or two of four.
unsafe fn sums(conv: &Conv, group: &Group, pixels: &[Pixel; LANES], first: usize, block: usize) {
    let mut acc = [0i32; 8];
    let mut job = Job::new(conv, group, pixels, first);
    job.tail = Tail::Sums as u32;
    job.output[0] = acc.as_mut_ptr().cast();
    job.records_end = job.records.wrapping_add(block);
    // SAFETY: one block, which has eight sums.
    unsafe { job.run(conv.lanes) };
    let results = &group.results;
    for (i, &acc) in acc.iter().enumerate() {
        let (pixel, channel) = if block == 8 { (0, first + i) } else { (i / 2, first + i % 2) };
        if let Some(pixel) = pixels.get(pixel).filter(|_| channel < conv.out_c) {
            let output = pixel.output.wrapping_add(group.output + channel * results.bytes());
            // SAFETY: a channel of a pixel.
            unsafe { results.store(channel, acc, output) };
        }
    }
}

/// Clamps adjacent results to less than what saturation leaves.
///
/// # Safety
/// So many bytes of results are there.
pub(super) unsafe fn clamp(results: &Results, mut output: *mut u8, bytes: usize) {
    let Some(requant) = &results.requant else { return };
    if (requant.min, requant.max) == (i8::MIN, i8::MAX) {
        return;
    }
    for _ in 0..bytes / 4 {
        let word = output.cast::<u32>();
        // SAFETY: four results.
        unsafe { word.write_unaligned(clamp4(word.read_unaligned(), requant)) };
        output = output.wrapping_add(4);
    }
    for _ in 0..bytes % 4 {
        // SAFETY: a result.
        unsafe { *output = clamp4(u32::from(*output), requant) as u8 };
        output = output.wrapping_add(1);
    }
}

/// Clamps four results.
fn clamp4(mut bytes: u32, requant: &Requant) -> u32 {
    let all = |bound: i8| u32::from(bound as u8).wrapping_mul(0x0101_0101);
    let (min, max) = (all(requant.min), all(requant.max));
    // SAFETY: SSUB8 sets a flag for each byte that is at least the other, and SEL chooses by them.
    unsafe {
        asm!(
            "ssub8 {t}, {x}, {min}",
            "sel {x}, {x}, {min}",
            "ssub8 {t}, {max}, {x}",
            "sel {x}, {x}, {max}",
            x = inout(reg) bytes,
            t = out(reg) _,
            min = in(reg) min,
            max = in(reg) max,
            options(pure, nomem, nostack),
        );
    }
    bytes
}
