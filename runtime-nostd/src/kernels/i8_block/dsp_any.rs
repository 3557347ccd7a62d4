//! Depthwise microkernels for kernels of any size, for Cortex-M with the DSP extension.
//!
//! SMLAD multiplies two neighbours of a line with two weights. With stride 1 the outputs at odd
//! places begin in the middle of a pair: a second copy of the weights, one place later, makes that a
//! pair, too.

use core::arch::naked_asm;
use core::ptr::null;

use microhlo_format::kernels::Rounding;

use super::dsp_depthwise::{Bands, Noted, Record};
use super::{Block, CHANNELS, Depthwise};

/// Lines of outputs of any kernel, for the channels of a block. The assembly copies it to the stack,
/// behind the record, and keeps its state there.
#[repr(C)]
pub(super) struct BandAny {
    /// Bytes from a result to the channel's next one.
    step: usize,
    /// Bytes from behind the taps of some outputs to the taps of the next ones.
    back: isize,
    /// The first channel's first line.
    line: *const i16,
    /// The first channel's first result.
    output: *mut u8,
    /// Bytes from a line to the next one.
    pitch: usize,
    /// Bytes of a line that whole steps advance by.
    whole: usize,
    /// Outputs of a line that are left over.
    rest: usize,
    /// Lines of outputs, at least one.
    rows: usize,
    /// Bytes from the first line of a line of outputs to that of the next one.
    advance: usize,
    /// Bytes from a line of results to the next one.
    across: usize,
    /// Bytes from a channel's line to the next one's.
    channel: usize,
    /// Bytes from a channel's results to the next one's.
    result: usize,
    records: *const Record,
    channels: usize,
    /// The first channel's weights.
    weights: *const i16,
    /// Bytes of them.
    weights_size: usize,
    /// Where to enter the unrolled steps, in bytes, plus one for Thumb.
    entry: usize,
    /// The assembly for it.
    function: Function,
}

/// Pairs of taps that the assembly has steps for.
const STEPS: usize = 8;

/// The most taps of a line: there is one pair more than half of them.
const MAX_TAPS: i32 = 2 * STEPS as i32 - 1;

macro_rules! times8 {
    ($body:expr) => {
        concat!($body, $body, $body, $body, $body, $body, $body, $body)
    };
}

/// Two taps of four outputs, with stride 1.
macro_rules! step_4_1 {
    () => {
        "ldrd r8, r9, [r0], #4
        ldrd r2, r10, [r1], #8
        smlad r4, r8, r2, r4
        smlad r5, r8, r10, r5
        smlad r6, r9, r2, r6
        smlad r7, r9, r10, r7
        "
    };
}

/// The same with stride 2.
macro_rules! step_4_2 {
    () => {
        "ldrd r8, r9, [r0], #4
        ldrd r10, r11, [r0, #4]
        ldr r2, [r1], #8
        smlad r4, r8, r2, r4
        smlad r5, r9, r2, r5
        smlad r6, r10, r2, r6
        smlad r7, r11, r2, r7
        "
    };
}

/// Two taps of eight outputs, with stride 1.
macro_rules! step_8_1 {
    () => {
        "ldrd r12, lr, [r0], #4
        ldrd r2, r3, [r1], #8
        smlad r4, r12, r2, r4
        smlad r5, r12, r3, r5
        smlad r6, lr, r2, r6
        smlad r7, lr, r3, r7
        ldrd r12, lr, [r0, #4]
        smlad r8, r12, r2, r8
        smlad r9, r12, r3, r9
        smlad r10, lr, r2, r10
        smlad r11, lr, r3, r11
        "
    };
}

/// Stores a result `$at`.
macro_rules! store {
    ($acc:literal, $at:literal) => {
        concat!("ssat ", $acc, ", #8, ", $acc, ", asr #1\nstrb ", $acc, ", [", $at, "]\n")
    };
}

/// Stores one of the results that are left over, r2, at r1.
macro_rules! store_left {
    ($acc:literal) => {
        concat!(store!($acc, "r1"), "add r1, r1, r3\nsubs r2, #1\nbeq 5f\n")
    };
}

/// Stores four results, r1 and r3 as [`store`] has them.
macro_rules! store_four {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            store!($a, "r1"),
            store!($b, "r1, r3"),
            "add r1, r1, r3, lsl #1\n",
            store!($c, "r1"),
            store!($d, "r1, r3"),
            "add r1, r1, r3, lsl #1\n",
        )
    };
}

/// Keeps the place r1 of the next results and goes on with them at label 3: those of the line, then those
/// that are left over; label 9 is for these.
macro_rules! go_on {
    () => {
        "str r1, [sp, #32]
        bne.w 3b
        ldr r2, [sp, #64]
        cmp r2, #0
        bne.w 3b
        b 5f
        9:
        ldr r2, [sp, #64]
        "
    };
}

/// A function for the channels of a block. `$body` computes the outputs from label 3 on and goes on
/// at label 5. From sp: record (0, shift 16), the job (20): step, back (24); end of the whole steps of a line (28),
/// place of its next results (32), lines left (36), current line and output (40); of the job again: first line and output (48), pitch (56), whole (60), rest
/// (64), rows (68), advance and across (72), channel and result (80), records (88), channels (92),
/// weights and their size (96), entry (104).
macro_rules! any_kernel {
    ($name:ident, $body:expr) => {
        /// Computes lines of outputs.
        ///
        /// # Safety
        /// The lines are those of an accepted convolution of this stride, with a channel.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(band: &BandAny) {
            naked_asm!(
                dsp!(),
                "push {{r4-r11, lr}}
                sub sp, #108
                ldm r0!, {{r2-r12}}
                strd r2, r3, [sp, #20]
                add r1, sp, #48
                stm r1!, {{r4-r12}}
                ldm r0, {{r2-r7}}
                stm r1, {{r2-r7}}
                adr.w r1, 30f
                add r1, r7
                str r1, [sp, #104]
                1:
                ldr r0, [sp, #88]
                ldm r0!, {{r2-r6}}
                stm sp, {{r2-r6}}
                str r0, [sp, #88]
                ldrd r0, r1, [sp, #48]
                ldr r2, [sp, #68]
                2:
                str r1, [sp, #32]
                str r2, [sp, #36]
                strd r0, r1, [sp, #40]
                ldr r2, [sp, #60]
                add r2, r0
                str r2, [sp, #28]
                ",
                $body,
                "5:
                ldr r2, [sp, #36]
                ldrd r0, r1, [sp, #40]
                ldrd r3, r4, [sp, #72]
                add r0, r3
                add r1, r4
                subs r2, #1
                bne.w 2b
                ldr r2, [sp, #92]
                subs r2, #1
                beq 6f
                str r2, [sp, #92]
                ldrd r0, r1, [sp, #48]
                ldrd r2, r3, [sp, #80]
                add r0, r2
                add r1, r3
                strd r0, r1, [sp, #48]
                ldrd r0, r1, [sp, #96]
                add r0, r1
                str r0, [sp, #96]
                b.w 1b
                6:
                add sp, #108
                pop {{r4-r11, pc}}",
            )
        }
    };
}

/// The upper words of the sums' products, rounded up.
macro_rules! upper_up {
    () => {
        "smmla r4, r4, r2, r3
        smmla r5, r5, r2, r3
        smmla r6, r6, r2, r3
        smmla r7, r7, r2, r3
        "
    };
}

/// The upper word of a sum's product that is moved away from zero by 2^30, r8, before.
macro_rules! upper_double {
    ($acc:literal) => {
        concat!(
            "asr r9, ",
            $acc,
            ", #31\nsub r10, r8, r9, lsl #31\nadd r9, r3\nsmlal r10, r9, ",
            $acc,
            ", r2\nmov ",
            $acc,
            ", r9\n"
        )
    };
}

/// The upper words of the sums' products for two roundings.
macro_rules! upper_doubles {
    () => {
        concat!(
            "mov r8, #0x40000000\n",
            upper_double!("r4"),
            upper_double!("r5"),
            upper_double!("r6"),
            upper_double!("r7"),
        )
    };
}

/// Four outputs of several lines; `$upper` takes the upper words of products, with multiplier r2 and
/// offset r3.
macro_rules! fours {
    ($step:expr, $upper:expr) => {
        concat!(
            "mov lr, r0
            ldr r12, [sp, #56]
            3:
            ldrd r4, r5, [sp]
            ldrd r6, r7, [sp]
            ldrd r1, r3, [sp, #96]
            add r3, r1
            31:
            mov r0, lr
            add lr, r12
            ldr pc, [sp, #104]
            30:
            ",
            times8!($step),
            "cmp r1, r3
            bne.w 31b
            ldrd r2, r3, [sp, #8]
            ",
            $upper,
            "ldrd r2, r3, [sp, #16]
            cbz r2, 7f
            asr r4, r4, r2
            asr r5, r5, r2
            asr r6, r6, r2
            asr r7, r7, r2
            7:
            ldrd r0, r2, [sp, #24]
            ldr r1, [sp, #32]
            add lr, r0
            cmp lr, r2
            bhi 9f
            ",
            store_four!("r4", "r5", "r6", "r7"),
            go_on!(),
            store!("r4", "r1"),
            "cmp r2, #2
            blo 5f
            ",
            store!("r5", "r1, r3"),
            "beq 5f
            add r1, r1, r3, lsl #1
            ",
            store!("r6", "r1"),
        )
    };
}

/// Eight outputs of one line.
macro_rules! eights {
    () => {
        concat!(
            "3:
            ldrd r4, r5, [sp]
            ldrd r6, r7, [sp]
            ldrd r8, r9, [sp]
            ldrd r10, r11, [sp]
            ldr r1, [sp, #96]
            ldr pc, [sp, #104]
            30:
            ",
            times8!(step_8_1!()),
            "ldrd r2, r3, [sp, #8]
            smmla r4, r4, r2, r3
            smmla r5, r5, r2, r3
            smmla r6, r6, r2, r3
            smmla r7, r7, r2, r3
            smmla r8, r8, r2, r3
            smmla r9, r9, r2, r3
            smmla r10, r10, r2, r3
            smmla r11, r11, r2, r3
            ldrd r2, r3, [sp, #16]
            cbz r2, 7f
            asr r4, r4, r2
            asr r5, r5, r2
            asr r6, r6, r2
            asr r7, r7, r2
            asr r8, r8, r2
            asr r9, r9, r2
            asr r10, r10, r2
            asr r11, r11, r2
            7:
            ldrd r1, r2, [sp, #24]
            add r0, r1
            ldr r1, [sp, #32]
            cmp r0, r2
            bhi 9f
            ",
            store_four!("r4", "r5", "r6", "r7"),
            store_four!("r8", "r9", "r10", "r11"),
            go_on!(),
            store_left!("r4"),
            store_left!("r5"),
            store_left!("r6"),
            store_left!("r7"),
            store_left!("r8"),
            store_left!("r9"),
            store_left!("r10"),
        )
    };
}

any_kernel!(fours_1, fours!(step_4_1!(), upper_up!()));
any_kernel!(fours_2, fours!(step_4_2!(), upper_up!()));
any_kernel!(fours_1_double, fours!(step_4_1!(), upper_doubles!()));
any_kernel!(fours_2_double, fours!(step_4_2!(), upper_doubles!()));
any_kernel!(eights_1, eights!());

/// A function for lines of outputs.
type Function = unsafe extern "C" fn(&BandAny);

impl BandAny {
    /// The job of a convolution but for lines and channels, if there is assembly for it: without
    /// dilation, of stride 1 or 2 along its lines, rounded up or in two steps.
    #[inline(never)]
    pub fn new(conv: &Depthwise, rounding: Rounding) -> Option<BandAny> {
        let (across, along) = (&conv.across, &conv.along);
        if (across.dilation, along.dilation) != (1, 1)
            || along.stride > 2
            || along.kernel > MAX_TAPS
            || !matches!(rounding, Rounding::Up | Rounding::Double)
        {
            return None;
        }
        let (outputs, pitch) = (along.output as usize, 2 * CHANNELS * conv.line);
        let (lines, stride) = (across.kernel as usize, along.stride as usize);
        let pairs = pairs(conv);
        let up = rounding == Rounding::Up;
        let single = lines == 1 && stride == 1 && up;
        let (function, size, at_once): (Function, _, _) = match (single, stride) {
            (true, _) => (eights_1, 44, 8),
            (_, 1) => (if up { fours_1 } else { fours_1_double }, 24, 4),
            _ => (if up { fours_2 } else { fours_2_double }, 28, 4),
        };
        let next = 2 * at_once * stride;
        let behind = if single { 4 * pairs } else { lines * pitch };
        Some(BandAny {
            step: along.output_step as usize,
            back: next as isize - behind as isize,
            line: conv.lines,
            output: conv.output,
            pitch,
            whole: outputs / at_once * next,
            rest: outputs % at_once,
            rows: 0,
            advance: across.stride as usize * pitch,
            across: across.output_step as usize,
            channel: 2 * conv.line,
            result: conv.multiplier,
            records: null(),
            channels: 0,
            weights: conv.rows(),
            weights_size: lines * pairs * 8,
            entry: STEPS.saturating_sub(pairs) * size + 1,
            function,
        })
    }
}

impl Bands for BandAny {
    const PARTIAL: bool = true;
    const MULTIPLES: bool = true;
    type Record = Record;

    unsafe fn prepare(&mut self, conv: &Depthwise, block: &Block, _: &mut Noted<'_, Record>) {
        let (across, along) = (&conv.across, &conv.along);
        let mut rows = Rows {
            from: block.weights,
            to: conv.rows(),
            step: along.weights_step as usize,
            taps: along.kernel as usize,
            line: across.weights_step as usize,
            lines: across.kernel as usize,
        };
        for _ in 0..block.lanes {
            // SAFETY: the weights of a channel; scratch has room for those of four.
            unsafe { widen_rows(&rows) };
            rows.from = rows.from.wrapping_add(conv.multiplier * conv.taps());
            rows.to = rows.to.wrapping_add(self.weights_size / 2);
        }
    }

    unsafe fn run(
        &mut self,
        block: &Block,
        rows: usize,
        output: *mut u8,
        noted: &Noted<'_, Record>,
    ) {
        (self.rows, self.output) = (rows, output);
        (self.records, self.channels) = (noted.records.as_ptr().cast(), block.lanes);
        // SAFETY: the caller's promise.
        unsafe { (self.function)(self) };
    }
}

/// Weights of a channel and where they go.
#[repr(C)]
struct Rows {
    from: *const i8,
    to: *mut i16,
    /// Bytes from a weight of a line to the next one.
    step: usize,
    /// Weights of a line.
    taps: usize,
    /// Bytes from a line's weights to the next one's.
    line: usize,
    /// Lines, at least one.
    lines: usize,
}

/// Widens lines of weights: pairs, each followed by the pair that begins one weight before. There is
/// one more than half of the weights.
///
/// # Safety
/// The weights are there, and room for so many pairs.
#[unsafe(naked)]
unsafe extern "C" fn widen_rows(rows: &Rows) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        ldm r0, {{r0-r5}}
        1:
        mov r6, r0
        mov r7, r3
        movs r8, #0
        2:
        subs r7, #2
        blt 3f
        ldrsb r9, [r6]
        ldrsb r10, [r6, r2]
        add r6, r6, r2, lsl #1
        pkhbt r11, r9, r10, lsl #16
        pkhbt r8, r8, r9, lsl #16
        strd r11, r8, [r1], #8
        mov r8, r10
        b 2b
        3:
        mov r9, #0
        adds r7, #2
        beq 4f
        ldrsb r9, [r6]
        4:
        uxth r11, r9
        pkhbt r8, r8, r9, lsl #16
        strd r11, r8, [r1], #8
        add r0, r4
        subs r5, #1
        bne 1b
        pop {{r4-r11, pc}}",
    )
}

/// Pairs of taps of a line: with stride 1, of the taps and of those one place later.
fn pairs(conv: &Depthwise) -> usize {
    conv.along.kernel as usize / 2 + 1
}
