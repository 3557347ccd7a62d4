//! Assembly that widens the taps of pixels, for Cortex-M with the DSP extension.

use core::arch::naked_asm;
use core::ptr::null;

use super::super::{Parts, either, has};
use super::{Axis, Conv, Group, LANES, Pixel, Span, again};

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
        dsp!(),
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
            naked_asm!(dsp!(),
                "push {{r4-r11, lr}}
                ldm r0, {{r0-r10}}
                push {{r10}}
                bl 60f
                cmp r6, #0
                beq 3f
                1:
                cbz r7, 2f
                mov r5, r7
                bl 60f
                2:
                mov r5, r8
                bl 65f
                movs r5, r9
                beq 4f
                bl 60f
                4:
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

/// Whether each four taps are stored in another order.
fn by_fours<const PARTS: u32>(conv: &Conv) -> bool {
    either(PARTS, [Parts::TAPS_BY_FOURS, Parts::TAPS_IN_ORDER], conv.swizzled)
}

/// Whether the taps of a kernel row are adjacent in the input.
fn adjacent<const PARTS: u32>(conv: &Conv) -> bool {
    !has(PARTS, Parts::TAPS_APART) || conv.run == conv.axes[1].kernel
}

/// Whether all taps along an axis lie inside the input.
fn inside(axis: &Axis, first: i32) -> bool {
    let reach = (axis.kernel - 1) * axis.dilation;
    first >= 0 && first < axis.input - reach
}

/// Four pixels in one row whose taps all lie inside the image: the most common, so that what they
/// need is prepared.
pub(super) struct Straight {
    /// The first one's results.
    pub output: *mut u8,
    /// The first row whose taps do not all lie inside, and the first column.
    rows: i32,
    columns: i32,
    /// Bytes from a pixel to the next one.
    step: isize,
    way: Way,
}

/// How their taps are widened.
enum Way {
    /// Together, into the order 0, 2, 1, 3.
    Together(Runs),
    /// Pixel by pixel, in order.
    Each(Lane),
}

impl Straight {
    /// What pixels of a convolution need.
    #[inline(always)]
    pub fn prepared<const PARTS: u32>(conv: &Conv, group: &Group) -> Straight {
        // With few parts that takes less flash.
        if PARTS == u32::MAX {
            Straight::apart(conv, group)
        } else {
            Straight::new::<PARTS>(conv, group)
        }
    }

    /// A call of its own, as the fields would be on the stack twice otherwise.
    #[inline(never)]
    fn apart(conv: &Conv, group: &Group) -> Straight {
        Straight::new::<{ u32::MAX }>(conv, group)
    }

    #[inline(always)]
    fn new<const PARTS: u32>(conv: &Conv, group: &Group) -> Straight {
        let [h, w] = &conv.axes;
        let run = conv.run * conv.in_c;
        let limit = |axis: &Axis| axis.input - (axis.kernel - 1) * axis.dilation;
        let whole = conv.lanes == LANES && conv.run == w.kernel;
        Straight {
            output: conv.output,
            rows: if whole { limit(h) } else { 0 },
            columns: limit(w) - 3 * w.stride,
            step: (w.input_step * w.stride) as isize,
            way: if by_fours::<PARTS>(conv) {
                Way::Together(Runs {
                    from: [conv.input.wrapping_add(group.input); LANES],
                    to: conv.scratch,
                    runs: h.kernel as usize,
                    words: (run as usize >> 2) + 1,
                    skip: (h.input_step * h.dilation - run) as isize,
                })
            } else {
                Way::Each(whole_lane(conv))
            },
        }
    }

    /// Widens the taps of the next four pixels, if they are such.
    ///
    /// # Safety
    /// The convolution is that of accepted parameters, and the pixel one of its.
    #[inline(always)]
    pub unsafe fn gather<const PARTS: u32>(
        &mut self,
        conv: &Conv,
        group: &Group,
        next: &mut Pixel,
    ) -> bool {
        let inside = next.y >= 0 && next.y < self.rows && next.x >= 0 && next.x < self.columns;
        if !inside || next.columns < LANES as i32 {
            return false;
        }
        let conv = again(conv);
        let mut from = next.at(conv, group);
        self.output = next.output;
        conv.skip::<PARTS>(next, LANES as i32);
        let lane = match &mut self.way {
            Way::Together(runs) if has(PARTS, Parts::TAPS_BY_FOURS) => {
                for place in &mut runs.from {
                    *place = from;
                    from = from.wrapping_offset(self.step);
                }
                // SAFETY: all taps of all rows of the pixels lie inside the image.
                unsafe { widen(runs) };
                return true;
            }
            Way::Each(lane) if has(PARTS, Parts::TAPS_IN_ORDER) => lane,
            // Ways that are not linked are none's.
            _ => return true,
        };
        let (mut to, odd) = (conv.scratch, odd::<PARTS>(conv, LANES));
        for _ in 0..LANES {
            (lane.from, lane.to) = (from, to);
            // SAFETY: as above, of one pixel.
            unsafe {
                lane_natural(lane);
                even_out(odd, to);
            }
            from = from.wrapping_offset(self.step);
            to = to.wrapping_add(2);
        }
        true
    }
}

/// The taps of a pixel of a group: the first, which may lie outside the image, and its row and column.
#[derive(Clone, Copy)]
pub(super) struct Corner {
    first: *const i8,
    y: i32,
    x: i32,
}

impl Corner {
    pub const NONE: Corner = Corner { first: null(), y: 0, x: 0 };

    pub fn new(conv: &Conv, group: &Group, pixel: &Pixel) -> Corner {
        Corner { first: pixel.at(conv, group), y: pixel.y, x: pixel.x }
    }

    /// Whether all taps lie inside the image.
    fn inside(&self, conv: &Conv) -> bool {
        let [h, w] = &conv.axes;
        inside(h, self.y) && inside(w, self.x)
    }
}

/// Widens the taps of the first `count` pixels into scratch.
///
/// # Safety
/// The convolution is that of accepted parameters, and the corners are of its pixels; scratch has so many lanes.
#[inline(always)]
pub(super) unsafe fn gather<const PARTS: u32>(
    conv: &Conv,
    corners: &[Corner; LANES],
    count: usize,
) {
    let lanes = if has(PARTS, Parts::ONE_PIXEL) { conv.lanes } else { LANES };
    let mut left = (1 << count) - 1u32;
    if by_fours::<PARTS>(conv) && count == LANES {
        // SAFETY: the caller's promise.
        left = unsafe { gather_together::<PARTS>(conv, corners) };
    }
    for (lane, corner) in corners.iter().enumerate() {
        if left >> lane & 1 != 0 {
            // SAFETY: the caller's promise; this lane of the pixel.
            unsafe { gather_pixel::<PARTS>(conv, corner, lane, lanes) };
        }
    }
}

/// Widens the taps of a pixel into scratch, one behind the other, whatever the number of lanes.
///
/// # Safety
/// Convolution, group and pixel are those of accepted parameters; scratch has a lane.
pub(super) unsafe fn gather_one(conv: &Conv, group: &Group, pixel: &Pixel) {
    // SAFETY: the caller's promise.
    unsafe { gather_pixel::<{ u32::MAX }>(conv, &Corner::new(conv, group, pixel), 0, 1) };
}

/// The taps of a pixel that lie inside the image, whose place is to be set.
fn whole_lane(conv: &Conv) -> Lane {
    let [h, _] = &conv.axes;
    let run = conv.run * conv.in_c;
    Lane {
        phase: 0,
        from: conv.input,
        to: conv.scratch,
        zero: u32::from(i16::from(conv.zero) as u16).wrapping_mul(0x0001_0001),
        skip: (h.input_step * h.dilation - run) as isize,
        top: 0,
        rows: h.kernel as usize,
        before: 0,
        inside: run as usize,
        behind: 0,
        bottom: 0,
    }
}

/// The function that widens taps in the convolution's order into so many lanes.
fn lane_function<const PARTS: u32>(conv: &Conv, lanes: usize) -> unsafe extern "C" fn(&Lane) {
    let four = either(PARTS, [Parts::FOUR_PIXELS, Parts::ONE_PIXEL], lanes == LANES);
    match (four, by_fours::<PARTS>(conv)) {
        (true, true) => lane_swizzled,
        (true, false) => lane_natural,
        (false, true) => single_swizzled,
        (false, false) => single_natural,
    }
}

/// Widens the taps of those of four pixels that lie inside the image. Returns the lanes of the others, a bit
/// each, in which anything may be then.
///
/// # Safety
/// As for [`gather`].
#[inline(never)]
unsafe fn gather_together<const PARTS: u32>(conv: &Conv, corners: &[Corner; LANES]) -> u32 {
    let [h, w] = &conv.axes;
    let run = conv.run * conv.in_c;
    let row = h.input_step * h.dilation;
    let mut runs = Runs {
        from: [null(); LANES],
        to: conv.scratch,
        runs: h.kernel as usize,
        words: (run as usize >> 2) + 1,
        skip: (row - run) as isize,
    };
    // Others have some taps that may lie outside of memory: in their place, the last one inside before
    // them, or else the last of all.
    let (mut left, mut at) = (0, null());
    for (lane, (place, corner)) in runs.from.iter_mut().zip(corners).enumerate() {
        if corner.inside(conv) {
            at = corner.first;
        } else {
            left |= 1 << lane;
        }
        *place = at;
    }
    if at.is_null() {
        return left;
    }
    runs.from.iter_mut().take_while(|place| place.is_null()).for_each(|place| *place = at);
    if adjacent::<PARTS>(conv) {
        // SAFETY: all rows of all pixels, which lie inside the image.
        unsafe { widen(&runs) };
        return left;
    }
    runs.runs = w.kernel as usize;
    runs.skip = (w.input_step * w.dilation - run) as isize;
    for _ in 0..h.kernel {
        // SAFETY: all taps of one row.
        unsafe { widen(&runs) };
        runs.to = runs.to.wrapping_add(LANES * (w.kernel * run) as usize);
        for from in &mut runs.from {
            *from = from.wrapping_offset(row as isize);
        }
    }
    left
}

/// Widens the taps of a pixel into its lane of so many.
///
/// # Safety
/// As for [`gather`]; there is such a lane.
#[inline(never)]
unsafe fn gather_pixel<const PARTS: u32>(conv: &Conv, corner: &Corner, lane: usize, lanes: usize) {
    let mut job = whole_lane(conv);
    job.to = conv.scratch.wrapping_add(2 * lane);
    job.from = corner.first;
    // Four inside the image have been widened at once then, and there are always four.
    let some_alone = Parts::ONE_PIXEL.and(Parts::TWO_PIXELS).and(Parts::TAPS_IN_ORDER);
    let together = !has(PARTS, some_alone);
    // SAFETY: the caller's promise; in the first case all taps lie inside the image.
    unsafe {
        if !together && corner.inside(conv) && adjacent::<PARTS>(conv) {
            lane_function::<PARTS>(conv, lanes)(&job);
        } else {
            gather_part::<PARTS>(conv, corner, &mut job, lanes);
        }
        even_out(odd::<PARTS>(conv, lanes), conv.scratch.wrapping_add(2 * lane));
    }
}

/// Widens those taps of a pixel that lie inside the image, and zero points for the others.
///
/// # Safety
/// As for [`gather_pixel`], which has made the job, of all taps.
#[inline(always)]
unsafe fn gather_part<const PARTS: u32>(
    conv: &Conv,
    corner: &Corner,
    job: &mut Lane,
    lanes: usize,
) {
    let [h, w] = &conv.axes;
    let taps = |axis: &Axis, first: i32| {
        if has(PARTS, Parts::DILATION) { axis.taps(first) } else { axis.span(first, axis.kernel) }
    };
    let (rows, columns) = (taps(h, corner.y), taps(w, corner.x));
    let bytes = |taps: i32| (taps * conv.in_c) as usize;
    let row = h.input_step * h.dilation;
    let from = job.from.wrapping_offset((columns.before * w.dilation * w.input_step) as isize);
    job.from = from.wrapping_offset((rows.before.wrapping_mul(row)) as isize);
    job.skip = (row - columns.inside * conv.in_c) as isize;
    job.top = bytes(rows.before * w.kernel);
    job.rows = rows.inside as usize;
    job.before = bytes(columns.before);
    job.inside = bytes(columns.inside);
    job.behind = bytes(columns.behind);
    job.bottom = bytes(rows.behind * w.kernel);
    // SAFETY: all rows of the pixel; those parts that are read lie inside the image.
    unsafe {
        if adjacent::<PARTS>(conv) {
            lane_function::<PARTS>(conv, lanes)(job);
        } else {
            gather_rows::<PARTS>(conv, job, [&rows, &columns], lanes);
        }
    }
}

/// Widens the taps of a pixel row by row, since those of a row are not adjacent.
///
/// # Safety
/// As for [`gather_pixel`], which has made the job.
#[inline(never)]
unsafe fn gather_rows<const PARTS: u32>(
    conv: &Conv,
    job: &mut Lane,
    [rows, columns]: [&Span; 2],
    lanes: usize,
) {
    let [h, w] = &conv.axes;
    let bytes = |taps: i32| (taps * conv.in_c) as usize;
    let to = job.to;
    job.skip = (w.input_step * w.dilation - conv.in_c) as isize;
    (job.before, job.inside, job.behind) = (0, bytes(1), 0);
    for y in 0..h.kernel {
        let there = y >= rows.before && y < rows.before + rows.inside;
        let tap = bytes(y * w.kernel);
        (job.phase, job.to) = (tap & 3, to.wrapping_add((tap >> 2) * 4 * lanes));
        (job.top, job.bottom) = (bytes(columns.before), bytes(columns.behind));
        job.rows = columns.inside as usize;
        if !there {
            (job.top, job.rows, job.bottom) = (bytes(w.kernel), 0, 0);
        }
        // SAFETY: the taps of one kernel row; those that are read lie inside the image.
        unsafe { lane_function::<PARTS>(conv, lanes)(job) };
        if there {
            job.from = job.from.wrapping_offset((h.input_step * h.dilation) as isize);
        }
    }
}

/// Where the tap is of a lane of so many that fills up an odd number of taps, from the lane on; 0 if there is none.
fn odd<const PARTS: u32>(conv: &Conv, lanes: usize) -> usize {
    if has(PARTS, Parts::TAPS_IN_ORDER) && conv.odd { (conv.pairs - 1) * 2 * lanes + 1 } else { 0 }
}

/// Fills up an odd number of taps of a lane.
///
/// # Safety
/// The lane has such a tap, if there is one.
unsafe fn even_out(odd: usize, to: *mut i16) {
    if odd != 0 {
        // SAFETY: the last tap of the lane's last pair.
        unsafe { *to.add(odd) = 0 };
    }
}
