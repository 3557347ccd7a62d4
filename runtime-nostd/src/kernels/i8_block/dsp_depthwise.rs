//! Depthwise microkernels in assembly for Cortex-M with the DSP extension.
//!
//! Lines of 16-bit values make neighbours a register, so that SMLAD multiplies two taps of a line
//! at once. As many lines as scratch holds are computed by one call.

use core::arch::naked_asm;
use core::mem::MaybeUninit;
use core::ptr::null;

use microhlo_format::kernels::Requant;

use super::super::{Parts, either, has};
use super::dsp_any::BandAny;
use super::{Block, CHANNELS, Depthwise, again, dsp_clamp, portable};

/// What sums of a channel become.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Record {
    /// Twice the bias: two sums begin with it.
    bias: [i32; 2],
    multiplier: i32,
    offset: i32,
    /// What the shift exceeds 33 by.
    shift: u32,
}

/// That of a kernel of 3x3, with its weights.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Record3 {
    sums: Record,
    /// Of each line, the first and second weight, and the second and third.
    weights: [u32; 6],
}

/// Lines of outputs of a kernel of 3x3, for the channels of a block. The assembly copies it to the
/// stack.
#[repr(C)]
struct Band3 {
    /// The first channel's first line.
    line: *const i16,
    /// The first channel's first result.
    output: *mut u8,
    /// Bytes from a line to the next one.
    pitch: usize,
    /// Bytes of a line that whole pairs of outputs advance by.
    pairs: usize,
    /// Whether there is an output left over.
    odd: u32,
    /// Lines of outputs, at least one.
    rows: usize,
    /// Bytes from the first line of a line of outputs to that of the next one.
    advance: usize,
    /// Bytes from a line of results to the next one.
    across: usize,
    /// Bytes from a result to the channel's next one.
    step: usize,
    /// Bytes from a channel's line to the next one's.
    channel: usize,
    /// Bytes from a channel's results to the next one's.
    result: usize,
    records: *const Record3,
    channels: usize,
}

/// Lines of a kernel of 3x3, and the assembly for them.
struct Square<const PARTS: u32> {
    job: Band3,
    function: unsafe extern "C" fn(&Band3),
}

/// Two outputs of a line of three taps, with stride 1.
macro_rules! row_3_1 {
    ($line:literal, $w01:literal, $w12:literal) => {
        concat!(
            "ldrd r12, lr, [",
            $line,
            "], #4\n",
            "smlad r10, r12, ",
            $w01,
            ", r10\n",
            "smlabt r10, lr, ",
            $w12,
            ", r10\n",
            "smlatb r11, r12, ",
            $w01,
            ", r11\n",
            "smlad r11, lr, ",
            $w12,
            ", r11\n",
        )
    };
}

/// The same with stride 2.
macro_rules! row_3_2 {
    ($line:literal, $w01:literal, $w12:literal) => {
        concat!(
            "ldrd r12, lr, [",
            $line,
            "], #8\n",
            "smlad r10, r12, ",
            $w01,
            ", r10\n",
            "ldr r12, [",
            $line,
            "]\n",
            "smlabt r10, lr, ",
            $w12,
            ", r10\n",
            "smlad r11, lr, ",
            $w01,
            ", r11\n",
            "smlabt r11, r12, ",
            $w12,
            ", r11\n",
        )
    };
}

/// Two outputs.
macro_rules! pair_3 {
    ($row:ident) => {
        concat!(
            "ldrd r10, r11, [sp]\n",
            $row!("r0", "r3", "r4"),
            $row!("r1", "r5", "r6"),
            $row!("r2", "r7", "r8"),
            "ldrd r12, lr, [sp, #8]
            smmla r10, r10, r12, lr
            smmla r11, r11, r12, lr
            ",
        )
    };
}

/// Stores two outputs.
macro_rules! store_pair {
    ($shift:expr) => {
        concat!(
            $shift,
            "ldr lr, [sp, #68]
            ssat r10, #8, r10, asr #1
            strb r10, [r9]
            ssat r11, #8, r11, asr #1
            strb r11, [r9, lr]
            add r9, r9, lr, lsl #1
            ",
        )
    };
}

/// One output, stored without going on.
macro_rules! single_3 {
    ($shift:expr) => {
        concat!(
            "ldr r10, [sp]
            ldrd r12, lr, [r0]
            smlad r10, r12, r3, r10
            smlabt r10, lr, r4, r10
            ldrd r12, lr, [r1]
            smlad r10, r12, r5, r10
            smlabt r10, lr, r6, r10
            ldrd r12, lr, [r2]
            smlad r10, r12, r7, r10
            smlabt r10, lr, r8, r10
            ldrd r12, lr, [sp, #8]
            smmla r10, r10, r12, lr
            ",
            $shift,
            "ssat r10, #8, r10, asr #1
            strb r10, [r9]
            ",
        )
    };
}

/// Shifts two sums by more than the one bit that saturation does.
macro_rules! shift_pair {
    () => {
        "ldr r12, [sp, #16]
        asr r10, r10, r12
        asr r11, r11, r12
        "
    };
}

/// Copies a [`Band3`] to the stack.
macro_rules! enter_band {
    () => {
        "push {{r4-r11, lr}}
        ldm r0!, {{r1-r12}}
        ldr r0, [r0]
        push {{r0}}
        push {{r1-r12}}
        sub sp, #36
        "
    };
}

macro_rules! leave_band {
    () => {
        "add sp, #88
        pop {{r4-r11, pc}}"
    };
}

/// Brings the weights of the next channel into r3 to r8, and what its sums become to the stack.
macro_rules! next_record {
    () => {
        "ldr r12, [sp, #80]
        ldm r12!, {{r3-r7}}
        stm sp, {{r3-r7}}
        ldm r12!, {{r3-r8}}
        str r12, [sp, #80]
        "
    };
}

/// A function for the channels of a block. From sp: record (0), end of the pairs (20), line and output
/// (24), lines left (32), the job (36): line, output (40), pitch (44), pairs (48), odd (52), rows (56),
/// advance (60), across (64), step (68), channel (72), result (76), records (80), channels (84).
macro_rules! band_kernel {
    ($name:ident($job:ty), $row:ident, $pair:literal, $shift:expr) => {
        band_kernel!($name($job), $row, $pair, $shift, enter_band, next_record, leave_band);
    };
    (
        $name:ident($job:ty), $row:ident, $pair:literal, $shift:expr,
        $enter:ident, $next:ident, $leave:ident
    ) => {
        /// Computes lines of outputs.
        ///
        /// # Safety
        /// The lines are those of an accepted convolution of this stride, with a channel.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(band: &$job) {
            naked_asm!(
                dsp!(),
                $enter!(),
                "1:
                ",
                $next!(),
                "ldrd r0, r9, [sp, #36]
                ldr r12, [sp, #56]
                2:
                str r12, [sp, #32]
                strd r0, r9, [sp, #24]
                ldrd r12, lr, [sp, #44]
                add r1, r0, r12
                add r2, r1, r12
                add r12, r0, lr
                str r12, [sp, #20]
                cmp lr, #0
                beq 4f
                ",
                concat!("ubfx lr, lr, #", $pair, ", #2"),
                "tbb [pc, lr]
                7:
                .byte (20f - 7b) / 2, (21f - 7b) / 2, (22f - 7b) / 2, (23f - 7b) / 2
                20:
                ",
                pair_3!($row),
                store_pair!($shift),
                "23:
                ",
                pair_3!($row),
                store_pair!($shift),
                "22:
                ",
                pair_3!($row),
                store_pair!($shift),
                "21:
                ",
                pair_3!($row),
                store_pair!($shift),
                "ldr r12, [sp, #20]
                cmp r0, r12
                bne.w 20b
                4:
                ldr r12, [sp, #52]
                cmp r12, #0
                beq 5f
                ",
                single_3!($shift),
                "5:
                ldrd r0, r9, [sp, #24]
                ldrd r12, lr, [sp, #60]
                add r0, r0, r12
                add r9, r9, lr
                ldr r12, [sp, #32]
                subs r12, #1
                bne.w 2b
                ldr r12, [sp, #84]
                subs r12, #1
                beq 6f
                str r12, [sp, #84]
                ldrd r0, r9, [sp, #36]
                ldrd r12, lr, [sp, #72]
                add r0, r0, r12
                add r9, r9, lr
                strd r0, r9, [sp, #36]
                b.w 1b
                6:
                ",
                $leave!(),
            )
        }
    };
}

band_kernel!(band_3_1(Band3), row_3_1, "2", "");
band_kernel!(band_3_1_shift(Band3), row_3_1, "2", shift_pair!());
band_kernel!(band_3_2(Band3), row_3_2, "3", "");
band_kernel!(band_3_2_shift(Band3), row_3_2, "3", shift_pair!());

mod lines;
mod strip;

use lines::{Columns, copy, fill, widen_lines, widen_nine};

/// Notes what the sums of a block's channels become. Returns whether any is shifted by more than 33.
///
/// # Safety
/// Convolution and block are those of accepted parameters; there is room for their channels' records.
#[inline(never)]
unsafe fn note<B: Bands>(
    conv: &Depthwise,
    block: &Block,
    requant: &Requant,
    mut record: *mut B::Record,
) -> bool {
    let lanes = if B::PARTIAL { block.lanes } else { CHANNELS };
    let mut shifted = 0;
    for channel in 0..lanes {
        // SAFETY: a channel of the block, and its record.
        unsafe {
            let ([bias, multiplier], shift) =
                block.results.record(channel * B::multiplier(conv), requant);
            let (offset, shift) = (requant.offset(shift.into()), u32::from(shift).wrapping_sub(33));
            record.cast::<Record>().write(Record { bias: [bias; 2], multiplier, offset, shift });
            shifted |= shift;
        }
        record = record.wrapping_add(1);
    }
    shifted != 0
}

/// What the sums of a block become.
pub(super) struct Noted<'a, R> {
    /// Of the channels that there are.
    pub records: MaybeUninit<[R; CHANNELS]>,
    /// Whether some shift exceeds 33.
    shifted: bool,
    requant: &'a Requant,
}

/// Brings lines of a block into scratch.
struct Loader<'a> {
    conv: &'a Depthwise,
    columns: Columns,
    /// The first coordinate inside the input of line 0, of channel 0.
    from: isize,
    /// Values before it.
    before: usize,
    /// Two values of padding.
    zero: u32,
    /// Whether every line has a slot of its own, so that padding stays where it is.
    whole: bool,
}

impl<'a> Loader<'a> {
    /// Fills all slots with padding.
    ///
    /// # Safety
    /// The convolution is that of accepted parameters.
    unsafe fn new(conv: &'a Depthwise) -> Loader<'a> {
        let (across, along) = (&conv.across, &conv.along);
        let span = along.span(-along.pad, conv.values());
        let columns = Columns {
            from: conv.input,
            to: conv.lines,
            step: along.input_step as usize,
            channel: 2 * conv.line,
            inside: span.inside as usize,
            lines: 0,
            from_line: across.input_step as usize,
            to_line: 2 * CHANNELS * conv.line,
        };
        let zero = u32::from(i16::from(conv.zero) as u16).wrapping_mul(0x0001_0001);
        // SAFETY: all slots; a line is of an even number of values.
        unsafe { fill(conv.lines, zero, conv.slots * conv.line * CHANNELS / 2) };
        Loader {
            conv,
            columns,
            from: (span.before - along.pad).wrapping_mul(along.input_step) as isize,
            before: span.before as usize,
            zero,
            whole: conv.slots as i32 > (across.output - 1) * across.stride + across.kernel - 1,
        }
    }

    /// Where a slot lies.
    fn slot(&self, slot: usize) -> *mut i16 {
        self.conv.lines.wrapping_add(slot * CHANNELS * self.conv.line)
    }

    /// Loads `count` lines of the input from `line` on, into the slots from `slot` on.
    ///
    /// # Safety
    /// Block and slots are those of an accepted convolution.
    #[inline(never)]
    unsafe fn load<B: Bands>(&mut self, block: &Block, slot: usize, line: i32, count: usize) {
        let conv = self.conv;
        if B::PARTIAL && block.lanes < CHANNELS {
            for i in 0..count {
                // SAFETY: a line of the block and its slot.
                unsafe { portable::load_line(conv, block, line + i as i32, self.slot(slot + i)) };
            }
            return;
        }
        let span = conv.across.span(line, count as i32);
        let (before, inside) = (span.before as usize, span.inside as usize);
        if !self.whole {
            let words = conv.line * CHANNELS / 2;
            for i in (0..count).filter(|i| i.wrapping_sub(before) >= inside) {
                // SAFETY: the slot of a line outside of the input.
                unsafe { fill(self.slot(slot + i), self.zero, words) };
            }
        }
        if inside > 0 {
            let first = (line + span.before).wrapping_mul(conv.across.input_step);
            self.columns.from = block.input.wrapping_offset(first as isize + self.from);
            self.columns.to = self.slot(slot + before).wrapping_add(self.before);
            self.columns.lines = inside;
            // SAFETY: lines of the input, of four channels, and their slots.
            unsafe { widen_lines(&self.columns) };
        }
    }
}

/// Assembly for lines of outputs, and what it works on.
pub(super) trait Bands {
    /// Whether blocks may have less than four channels.
    const PARTIAL: bool;
    /// Whether channels may have several results.
    const MULTIPLES: bool;
    /// What is noted of a channel, which begins with a [`Record`].
    type Record;

    /// Results of each channel.
    fn multiplier(conv: &Depthwise) -> usize {
        if Self::MULTIPLES { conv.multiplier } else { 1 }
    }

    /// Prepares the weights of a block.
    ///
    /// # Safety
    /// Convolution and block are those of accepted parameters.
    unsafe fn prepare(
        &mut self,
        conv: &Depthwise,
        block: &Block,
        noted: &mut Noted<'_, Self::Record>,
    );

    /// Computes `rows` lines of outputs, whose first line is in the first slot.
    ///
    /// # Safety
    /// Convolution, block and lines are those of accepted parameters, the block has been prepared.
    unsafe fn run(
        &mut self,
        block: &Block,
        rows: usize,
        output: *mut u8,
        noted: &Noted<'_, Self::Record>,
    );
}

/// The function for a stride along lines, with shifts or without.
fn band_3<const PARTS: u32>(conv: &Depthwise, shifted: bool) -> unsafe extern "C" fn(&Band3) {
    let one = either(PARTS, [Parts::STRIDE_1, Parts::STRIDE_2], conv.along.stride == 1);
    match (one, has(PARTS, Parts::SHIFTS) && shifted) {
        (true, false) => band_3_1,
        (true, true) => band_3_1_shift,
        (false, false) => band_3_2,
        (false, true) => band_3_2_shift,
    }
}

impl<const PARTS: u32> Bands for Square<PARTS> {
    const PARTIAL: bool = false;
    const MULTIPLES: bool = has(PARTS, Parts::MULTIPLES);
    type Record = Record3;

    unsafe fn prepare(&mut self, conv: &Depthwise, block: &Block, noted: &mut Noted<'_, Record3>) {
        let step = conv.along.weights_step as usize;
        let mut weights = block.weights;
        let mut record = noted.records.as_mut_ptr().cast::<Record3>();
        for _ in 0..CHANNELS {
            // SAFETY: nine weights of the channel, and their place.
            unsafe { widen_nine(weights, step, 4 - step, &raw mut (*record).weights) };
            record = record.wrapping_add(1);
            weights = weights.wrapping_add(Self::multiplier(conv) * 9);
        }
        self.function = band_3::<PARTS>(conv, noted.shifted);
    }

    unsafe fn run(&mut self, _: &Block, rows: usize, output: *mut u8, noted: &Noted<'_, Record3>) {
        let job = &mut self.job;
        (job.rows, job.output) = (rows, output);
        (job.records, job.channels) = (noted.records.as_ptr().cast(), CHANNELS);
        // SAFETY: the caller's promise.
        unsafe { (self.function)(job) };
    }
}

impl Band3 {
    /// The job of a convolution, but for lines and channels.
    fn new(conv: &Depthwise, multiplier: usize) -> Band3 {
        let (across, along) = (&conv.across, &conv.along);
        let (outputs, pitch) = (along.output as usize, 2 * CHANNELS * conv.line);
        Band3 {
            line: conv.lines,
            output: conv.output,
            pitch,
            pairs: (outputs / 2) * 4 * along.stride as usize,
            odd: outputs as u32 & 1,
            rows: 0,
            advance: across.stride as usize * pitch,
            across: across.output_step as usize,
            step: along.output_step as usize,
            channel: 2 * conv.line,
            result: multiplier,
            records: null(),
            channels: 0,
        }
    }
}

/// Computes the channels of an image of a kernel of three by three adjacent taps.
///
/// # Safety
/// Convolution and image are those of accepted parameters of such a kernel.
pub(super) unsafe fn square<const PARTS: u32>(conv: &Depthwise, image: u32) {
    // SAFETY: the caller's promise.
    unsafe {
        if !has(PARTS, Parts::STRIPS) {
            square_bands::<PARTS>(conv, image);
        } else if !strip::strip(conv) {
            square_apart::<PARTS>(conv, image);
        }
    }
}

/// A call of its own, which takes no stack while a strip is computed.
///
/// # Safety
/// As for [`square`].
#[inline(never)]
unsafe fn square_apart<const PARTS: u32>(conv: &Depthwise, image: u32) {
    // SAFETY: the caller's promise.
    unsafe { square_bands::<PARTS>(conv, image) };
}

/// Computes the channels of an image of such a kernel, but for strips.
///
/// # Safety
/// As for [`square`].
#[inline(always)]
unsafe fn square_bands<const PARTS: u32>(conv: &Depthwise, image: u32) {
    if let Some(requant) = &conv.results.requant {
        let multiplier = Square::<PARTS>::multiplier(conv);
        let (job, function) = (Band3::new(conv, multiplier), band_3::<PARTS>(conv, false));
        // SAFETY: the caller's promise.
        unsafe { bands(conv, image, requant, &mut Square::<PARTS> { job, function }) };
    }
}

/// Computes the channels of an image.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
#[inline(always)]
pub(super) unsafe fn image(conv: &Depthwise, image: u32) {
    let requant = conv.results.requant.as_ref();
    // SAFETY: the caller's promise.
    unsafe {
        if requant.is_none_or(|requant| !any(conv, image, requant)) {
            portable::image(conv, image);
        }
    }
}

/// Computes the channels of an image by assembly, if there is some for it.
///
/// # Safety
/// As for [`image`].
#[inline(never)]
unsafe fn any(conv: &Depthwise, image: u32, requant: &Requant) -> bool {
    // Used where it was made: it is large.
    let mut band = BandAny::new(conv, requant.rounding);
    let Some(band) = &mut band else { return false };
    // SAFETY: the caller's promise.
    unsafe { bands(conv, image, requant, band) };
    true
}

/// Computes the channels of an image by assembly.
///
/// # Safety
/// Convolution and image are those of accepted parameters, and the assembly is for them.
unsafe fn bands(conv: &Depthwise, image: u32, requant: &Requant, band: &mut impl Bands) {
    // SAFETY: the caller's promise.
    let mut loader = unsafe { Loader::new(conv) };
    let mut noted = Noted { records: MaybeUninit::uninit(), shifted: false, requant };
    let mut next = 0;
    while next < conv.channels {
        let conv = again(conv);
        // The last channels are computed with some of those before them once more.
        let first = next.min(conv.channels.saturating_sub(CHANNELS));
        // SAFETY: the caller's promise.
        unsafe { channels(conv, [image, first as u32], &mut noted, &mut loader, band) };
        next += CHANNELS;
    }
}

/// Computes a block of channels, as many lines at a time as there are slots.
///
/// # Safety
/// Convolution, image and channel are those of accepted parameters.
unsafe fn channels<B: Bands>(
    conv: &Depthwise,
    [image, first]: [u32; 2],
    noted: &mut Noted<'_, B::Record>,
    loader: &mut Loader<'_>,
    band: &mut B,
) {
    let (mut line, mut loaded, mut done) = (conv.across.origin(0), 0, 0);
    while done < conv.across.output as usize {
        let conv = again(conv);
        let across = &conv.across;
        let (taps, stride) = (across.kernel as usize, across.stride as usize);
        let most = (conv.slots - taps) / stride.max(1) + 1;
        let rows = most.min(across.output as usize - done);
        let needed = (rows - 1) * stride + taps;
        let multiplier = B::multiplier(conv);
        let mut block = conv.block(image, first as usize, 0);
        // SAFETY: the lines have a slot.
        unsafe { loader.load::<B>(&block, loaded, line + loaded as i32, needed - loaded) };
        for index in 0..multiplier {
            if index != 0 {
                block = conv.block(image, first as usize, index);
            }
            // SAFETY: the caller's promise.
            unsafe {
                if done == 0 || multiplier > 1 {
                    let records = noted.records.as_mut_ptr().cast();
                    noted.shifted = note::<B>(conv, &block, noted.requant, records);
                    band.prepare(conv, &block, noted);
                }
                let output = block.output.wrapping_add(done * across.output_step as usize);
                band.run(&block, rows, output, noted);
            }
        }
        (done, line) = (done + rows, line.wrapping_add((rows * stride) as i32));
        loaded = needed.saturating_sub(rows * stride);
        if loaded > 0 && done < across.output as usize {
            let size = CHANNELS * conv.line;
            let from = loader.slot(rows * stride);
            // SAFETY: lines that the next outputs read, too.
            unsafe { copy(conv.lines, from, loaded * size / 2) };
        }
    }
}

/// Clamps all results, which the kernels only saturate.
///
/// # Safety
/// The convolution is that of accepted parameters, and its results have been computed.
pub(super) unsafe fn complete<const PARTS: u32>(conv: &Depthwise) {
    if !has(PARTS, Parts::BOUNDS) {
        return;
    }
    let bytes = conv.batch as usize * conv.results_image;
    // SAFETY: the results, which are dense.
    unsafe { dsp_clamp::clamp(&conv.results.requant, conv.output, bytes) };
}
