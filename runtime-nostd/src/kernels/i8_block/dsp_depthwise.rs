//! Depthwise microkernels in assembly for Cortex-M with the DSP extension.
//!
//! Lines of 16-bit values make neighbours a register, so that SMLAD multiplies two taps of a line
//! at once, and SMLAxy the one left over. Two outputs are computed together.

use core::arch::naked_asm;
use core::ptr::null;

use microhlo_format::kernels::{Requant, Rounding};

use super::{Block, CHANNELS, Depthwise, dsp_conv, portable};

/// What sums of a channel become, and its weights if the kernel is one of 3x3.
#[derive(Clone, Copy)]
#[repr(C)]
struct Record {
    /// Twice the bias: two sums begin with it.
    bias: [i32; 2],
    multiplier: i32,
    offset: i32,
    /// What the shift exceeds 33 by.
    shift: u32,
    /// Of each line, the first and second weight, and the second and third.
    weights: [u32; 6],
}

/// A line of outputs of a kernel of 3x3. The assembly copies it to the stack.
#[repr(C)]
struct Line3 {
    /// The first channel's lines, from the first tap on.
    lines: [*const i16; 3],
    /// The first channel's first result.
    output: *mut u8,
    /// Bytes of the line that whole pairs of outputs advance by.
    pairs: usize,
    /// Whether there is an output left over.
    odd: u32,
    /// Bytes from a channel's line to the next one's.
    channel: usize,
    records: *const Record,
    channels: usize,
    /// Bytes from a result to the channel's next one.
    step: usize,
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
            "ldr lr, [sp, #60]
            ssat r10, #8, r10, asr #1
            strb r10, [r9]
            ssat r11, #8, r11, asr #1
            strb r11, [r9, lr]
            add r9, r9, lr, lsl #1
            ",
        )
    };
}

/// A function for the channels of a block. From sp: record (0), end of the pairs (20), the job (24):
/// lines, output (36), pairs (40), odd (44), channel (48), records (52), channels (56), step (60).
macro_rules! line_kernel {
    ($name:ident, $row:ident, $pair:literal, $shift:expr) => {
        /// Computes a line of outputs.
        ///
        /// # Safety
        /// The line is one of an accepted convolution of this stride, with a channel.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(line: &Line3) {
            naked_asm!(
                dsp!(),
                "push {{r4-r11, lr}}
                ldm r0, {{r3-r12}}
                push {{r3-r12}}
                sub sp, #24
                mov r0, r3
                mov r1, r4
                mov r2, r5
                mov r9, r6
                1:
                ldr r12, [sp, #52]
                ldm r12!, {{r3-r7}}
                stm sp, {{r3-r7}}
                ldm r12!, {{r3-r8}}
                str r12, [sp, #52]
                ldr r12, [sp, #40]
                add lr, r0, r12
                str lr, [sp, #20]
                cmp r12, #0
                beq 4f
                ",
                concat!("ubfx r12, r12, #", $pair, ", #2"),
                "tbb [pc, r12]
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
                ldr r12, [sp, #44]
                cmp r12, #0
                beq 5f
                ldr r10, [sp]
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
                5:
                ldr r3, [sp, #56]
                subs r3, #1
                str r3, [sp, #56]
                beq 6f
                add r12, sp, #24
                ldm r12, {{r0-r2, r9}}
                ldr r3, [sp, #48]
                add r0, r0, r3
                add r1, r1, r3
                add r2, r2, r3
                add r9, r9, #1
                stm r12, {{r0-r2, r9}}
                b.w 1b
                6:
                add sp, #64
                pop {{r4-r11, pc}}",
            )
        }
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

line_kernel!(line_3_1, row_3_1, "2", "");
line_kernel!(line_3_1_shift, row_3_1, "2", shift_pair!());
line_kernel!(line_3_2, row_3_2, "3", "");
line_kernel!(line_3_2_shift, row_3_2, "3", shift_pair!());

/// A line of outputs of one channel, of any kernel. The assembly copies it to the stack.
#[repr(C)]
struct Line {
    /// The block's lines, from the first tap on.
    lines: *const *const i16,
    /// Number of lines, at least one.
    count: usize,
    /// Pairs of taps of a line, at least one.
    pairs: usize,
    /// Bytes from the lines to the channel's taps.
    offset: usize,
    /// The channel's weights.
    rows: *const i16,
    /// Outputs, at least one.
    outputs: usize,
    output: *mut u8,
    /// Bytes from a result to the next one.
    step: usize,
    /// Bytes from the first tap of an output to that of the next one.
    stride: usize,
    bias: i32,
    multiplier: i32,
    zero: i32,
    /// What the shift exceeds 33 by.
    shift: u32,
}

/// Stores one of four outputs, unless there are fewer.
macro_rules! store_one {
    ($acc:literal, $number:literal) => {
        concat!(
            "cmp r11, #",
            $number,
            "\nblt 8f\n",
            "ssat ",
            $acc,
            ", #8, ",
            $acc,
            ", asr #1\n",
            "strb ",
            $acc,
            ", [r0]\nadd r0, r0, r1\n",
        )
    };
}

/// Two taps of four outputs.
macro_rules! taps_4 {
    () => {
        "ldr r8, [r1], #4
        ldr r9, [r0, r2]
        ldr r10, [r0, r3]
        smlad r5, r9, r8, r5
        smlad r7, r10, r8, r7
        ldr r9, [r0, r2, lsl #1]
        ldr r10, [r0], #4
        smlad r6, r9, r8, r6
        smlad r4, r10, r8, r4
        "
    };
}

/// Computes a line of outputs, four at a time. From sp: the job, up to its shift (48).
///
/// # Safety
/// The line is one of an accepted convolution.
#[unsafe(naked)]
unsafe extern "C" fn line_any(line: &Line) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        ldr r12, [r0, #48]
        str r12, [sp, #-4]!
        ldm r0, {{r1-r12}}
        push {{r1-r12}}
        ldr r2, [sp, #32]
        add r3, r2, r2, lsl #1
        1:
        ldr r4, [sp, #36]
        mov r5, r4
        mov r6, r4
        mov r7, r4
        ldr r12, [sp]
        ldr lr, [sp, #4]
        ldr r1, [sp, #16]
        2:
        ldr r0, [r12], #4
        ldr r8, [sp, #12]
        add r0, r0, r8
        ldr r11, [sp, #8]
        lsrs r11, r11, #1
        it cs
        addcs r11, #1
        bcs 4f
        3:
        ",
        taps_4!(),
        "4:
        ",
        taps_4!(),
        "subs r11, #1
        bne 3b
        subs lr, #1
        bne 2b
        ldrd r8, r9, [sp, #40]
        ldr r10, [sp, #48]
        smmla r4, r4, r8, r9
        smmla r5, r5, r8, r9
        smmla r6, r6, r8, r9
        smmla r7, r7, r8, r9
        cmp r10, #0
        beq 7f
        asr r4, r4, r10
        asr r5, r5, r10
        asr r6, r6, r10
        asr r7, r7, r10
        7:
        ldr r0, [sp, #24]
        ldr r1, [sp, #28]
        ldr r11, [sp, #20]
        ",
        "cmp r11, #4
        blt 9f
        ssat r4, #8, r4, asr #1
        strb r4, [r0]
        ssat r5, #8, r5, asr #1
        strb r5, [r0, r1]
        add r0, r0, r1, lsl #1
        ssat r6, #8, r6, asr #1
        strb r6, [r0]
        ssat r7, #8, r7, asr #1
        strb r7, [r0, r1]
        add r0, r0, r1, lsl #1
        str r0, [sp, #24]
        ldr r12, [sp, #12]
        add r12, r12, r2, lsl #2
        str r12, [sp, #12]
        subs r11, #4
        str r11, [sp, #20]
        bne 1b
        b 8f
        9:
        ",
        store_one!("r4", "1"),
        store_one!("r5", "2"),
        store_one!("r6", "3"),
        "8:
        add sp, #52
        pop {{r4-r11, pc}}",
    )
}

/// A line of the input and where it goes, for four channels.
#[repr(C)]
struct Columns {
    /// The first channel of the first coordinate inside the input.
    from: *const i8,
    /// Bytes from a coordinate to the next one.
    step: usize,
    /// The first channel's line.
    to: *mut i16,
    /// Bytes from a channel's line to the next one's.
    channel: usize,
    /// Coordinates before, inside and behind the input.
    before: usize,
    inside: usize,
    behind: usize,
    /// Two coordinates of padding.
    zero: u32,
}

/// Two coordinates of four channels.
macro_rules! widen_two {
    () => {
        "ldr r7, [r0]
        ldr r8, [r0, r1]
        add r0, r0, r1, lsl #1
        sxtb16 r9, r7
        sxtb16 r7, r7, ror #8
        sxtb16 r10, r8
        sxtb16 r8, r8, ror #8
        pkhbt r11, r9, r10, lsl #16
        str r11, [r2], #4
        pkhbt r11, r7, r8, lsl #16
        str r11, [r3], #4
        pkhtb r10, r10, r9, asr #16
        str r10, [r4], #4
        pkhtb r8, r8, r7, asr #16
        str r8, [r5], #4
        "
    };
}

/// Four equal values, and a value of each of four channels.
macro_rules! store_column {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "strh ",
            $a,
            ", [r2], #2\n",
            "strh ",
            $b,
            ", [r3], #2\n",
            "strh ",
            $c,
            ", [r4], #2\n",
            "strh ",
            $d,
            ", [r5], #2\n",
        )
    };
}

macro_rules! widen_one {
    () => {
        concat!(
            "ldr r7, [r0]
            add r0, r0, r1
            sxtb r8, r7
            sxtb r9, r7, ror #8
            sxtb r10, r7, ror #16
            asr r11, r7, #24
            ",
            store_column!("r8", "r9", "r10", "r11"),
        )
    };
}

/// Widens a line of four channels.
///
/// # Safety
/// The line and its place are those of an accepted convolution.
#[unsafe(naked)]
unsafe extern "C" fn widen_columns(columns: &Columns) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        mov r12, r0
        ldm r12!, {{r0-r3, r6}}
        add r4, r2, r3, lsl #1
        add r5, r4, r3
        add r3, r3, r2
        ldr lr, [r12, #8]
        cmp r6, #0
        beq 2f
        1:
        ",
        store_column!("lr", "lr", "lr", "lr"),
        "subs r6, #1
        bne 1b
        2:
        ldr r6, [r12]
        cmp r6, #0
        beq 7f
        tst r2, #2
        beq 3f
        ",
        widen_one!(),
        "subs r6, #1
        beq 7f
        3:
        push {{r6}}
        lsrs r6, r6, #1
        beq 6f
        lsrs r6, r6, #1
        it cs
        addcs r6, #1
        bcs 5f
        4:
        ",
        widen_two!(),
        "5:
        ",
        widen_two!(),
        "subs r6, #1
        bne 4b
        6:
        pop {{r6}}
        tst r6, #1
        beq 7f
        ",
        widen_one!(),
        "7:
        ldr r6, [r12, #4]
        cmp r6, #0
        beq 2f
        1:
        ",
        store_column!("lr", "lr", "lr", "lr"),
        "subs r6, #1
        bne 1b
        2:
        pop {{r4-r11, pc}}",
    )
}

/// Fills words with one value: all of a multiple of four.
///
/// # Safety
/// `words` words, at least four, are there at `to`.
#[unsafe(naked)]
unsafe extern "C" fn fill(to: *mut i16, value: u32, words: usize) {
    naked_asm!(
        dsp!(),
        "push {{r4, lr}}
        mov r3, r1
        mov r4, r1
        mov r12, r1
        1:
        stm r0!, {{r1, r3, r4, r12}}
        subs r2, #4
        bhi 1b
        pop {{r4, pc}}",
    )
}

/// Widens a line of a block into a slot.
struct Loader<'a> {
    conv: &'a Depthwise,
    block: &'a Block,
    columns: Columns,
    /// The first coordinate inside the input of line 0.
    from: *const i8,
}

impl<'a> Loader<'a> {
    fn new(conv: &'a Depthwise, block: &'a Block) -> Loader<'a> {
        let along = &conv.along;
        let span = along.span(-along.pad, conv.values());
        let start = (span.before - along.pad).wrapping_mul(along.input_step);
        let columns = Columns {
            from: block.input,
            step: along.input_step as usize,
            to: conv.lines,
            channel: 2 * conv.line,
            before: span.before as usize,
            inside: span.inside as usize,
            behind: span.behind as usize,
            zero: u32::from(i16::from(conv.zero) as u16).wrapping_mul(0x0001_0001),
        };
        let from = block.input.wrapping_offset(start as isize);
        Loader { conv, block, columns, from }
    }

    /// Widens a line.
    ///
    /// # Safety
    /// Block and slot are those of an accepted convolution.
    #[inline(always)]
    unsafe fn load(&mut self, line: i32, slot: *mut i16) {
        let conv = self.conv;
        let offset = line.wrapping_mul(conv.across.input_step);
        self.columns.to = slot;
        self.columns.from = self.from.wrapping_offset(offset as isize);
        // SAFETY: a slot, whose lines are of an even number of values, and a line of the input, of
        // four channels for the assembly.
        unsafe {
            if !conv.across.has(line) {
                fill(slot, self.columns.zero, conv.line * CHANNELS / 2);
            } else if self.block.lanes == CHANNELS {
                widen_columns(&self.columns);
            } else {
                portable::load_line(conv, self.block, line, slot);
            }
        }
    }
}

/// The functions for a kernel of three lines of three taps: without and with a shift.
type Three = [unsafe extern "C" fn(&Line3); 2];

/// Notes what the sums of a block's channels become.
fn note(block: &Block, requant: &Requant, records: &mut [Record; CHANNELS]) {
    for (channel, record) in records.iter_mut().enumerate().take(block.lanes) {
        // SAFETY: a channel of the block.
        let ([bias, multiplier], shift) = unsafe { block.results.record(channel, requant) };
        let shift = u32::from(shift);
        record.bias = [bias; 2];
        record.multiplier = multiplier;
        record.offset = requant.offset(shift);
        record.shift = shift.wrapping_sub(33);
    }
}

/// Computes a block of channels of a kernel of 3x3.
///
/// # Safety
/// Convolution and block are those of accepted parameters, without dilation.
unsafe fn channels_3(
    conv: &Depthwise,
    block: &Block,
    records: &mut [Record; CHANNELS],
    functions: Three,
) {
    let (along, across) = (&conv.along, &conv.across);
    let (mut own, step) = (false, along.weights_step as usize);
    for (channel, record) in records.iter_mut().enumerate().take(block.lanes) {
        own |= record.shift != 0;
        let weights = block.weights.wrapping_add(channel * 9);
        // SAFETY: nine weights of the channel.
        unsafe { widen_nine(weights, step, 4 - step, &mut record.weights) };
    }
    let size = CHANNELS * conv.line;
    let slot = |i: usize| conv.lines.wrapping_add(i * size);
    let mut slots = [slot(0), slot(1), slot(2)];
    let outputs = along.output as usize;
    let mut line = Line3 {
        lines: [null(); 3],
        output: block.output,
        pairs: (outputs / 2) * 4 * along.stride as usize,
        odd: outputs as u32 & 1,
        channel: 2 * conv.line,
        records: records.as_ptr(),
        channels: block.lanes,
        step: along.output_step as usize,
    };
    let [plain, shifted] = functions;
    let function = if own { shifted } else { plain };
    let mut loader = Loader::new(conv, block);
    let (mut first, mut left) = (across.origin(0), 3);
    for _ in 0..across.output {
        for (i, slot) in (0..3).zip(slots) {
            if i >= 3 - left {
                // SAFETY: the caller's promise.
                unsafe { loader.load(first + i, slot) };
            }
        }
        line.lines = slots.map(|slot| slot.cast_const());
        // SAFETY: a line of the block's channels.
        unsafe { function(&line) };
        line.output = line.output.wrapping_add(across.output_step as usize);
        first += across.stride;
        left = across.stride.min(3);
        let [a, b, c] = slots;
        slots = match across.stride {
            1 => [b, c, a],
            2 => [c, a, b],
            _ => slots,
        };
    }
}

/// Widens the weights of a channel of 3x3: those of a line are `step` bytes apart, 1 or 3, and lines
/// `other` bytes.
///
/// # Safety
/// There are nine.
#[unsafe(naked)]
unsafe extern "C" fn widen_nine(weights: *const i8, step: usize, other: usize, to: &mut [u32; 6]) {
    macro_rules! line {
        () => {
            "ldrsb r4, [r0]
            ldrsb r5, [r0, r1]
            ldrsb r6, [r0, r1, lsl #1]
            add r0, r0, r2
            pkhbt r4, r4, r5, lsl #16
            pkhbt r5, r5, r6, lsl #16
            strd r4, r5, [r3], #8
            "
        };
    }
    naked_asm!(dsp!(), "push {{r4-r6, lr}}", line!(), line!(), line!(), "pop {{r4-r6, pc}}")
}

/// Lines of a kernel that [`line_any`] takes.
const MAX_LINES: usize = 16;

/// Computes a block of channels of any kernel.
///
/// # Safety
/// Convolution and block are those of accepted parameters, without dilation along lines, and with
/// at most [`MAX_LINES`] lines.
unsafe fn channels_any(conv: &Depthwise, block: &Block, records: &[Record; CHANNELS]) {
    let (along, across) = (&conv.along, &conv.across);
    let mut loader = Loader::new(conv, block);
    let mut lines = [null::<i16>(); MAX_LINES];
    let mut line = Line {
        lines: null(),
        count: across.kernel as usize,
        pairs: conv.row / 2,
        offset: 0,
        rows: conv.rows,
        outputs: along.output as usize,
        output: block.output,
        step: along.output_step as usize,
        stride: 2 * along.stride as usize,
        bias: 0,
        multiplier: 0,
        zero: 0,
        shift: 0,
    };
    let weights = across.kernel as usize * conv.row;
    let outputs = &mut |first: i32, output: *mut u8| {
        for (tap, line) in (0..across.kernel).zip(&mut lines) {
            *line = conv.slot(first + tap * across.dilation, tap);
        }
        line.lines = lines.as_ptr();
        for (i, record) in records.iter().enumerate().take(block.lanes) {
            (line.bias, line.multiplier) = (record.bias[0], record.multiplier);
            (line.zero, line.shift) = (record.offset, record.shift);
            line.offset = i * 2 * conv.line;
            line.output = output.wrapping_add(i);
            line.rows = conv.rows.wrapping_add(i * weights);
            // SAFETY: a channel of the block.
            unsafe { line_any(&line) };
        }
    };
    // SAFETY: the caller's promise.
    unsafe {
        portable::widen_weights(conv, block);
        portable::sweep(conv, block, &mut |line, slot| loader.load(line, slot), outputs);
    }
}

/// Computes the channels of an image.
///
/// # Safety
/// Convolution and image are those of accepted parameters.
pub(in crate::kernels) unsafe fn image(conv: &Depthwise, image: u32) {
    let (along, across) = (&conv.along, &conv.across);
    let fits = along.dilation == 1 && across.kernel as usize <= MAX_LINES;
    let requant = conv.results.requant.filter(|requant| requant.rounding == Rounding::Up && fits);
    let Some(requant) = requant else {
        // SAFETY: the caller's promise.
        unsafe { portable::image(conv, image) };
        return;
    };
    let three: Option<Three> = match (along.kernel, along.stride, across.kernel, across.dilation) {
        (3, 1, 3, 1) => Some([line_3_1, line_3_1_shift]),
        (3, 2, 3, 1) => Some([line_3_2, line_3_2_shift]),
        _ => None,
    };
    let none = Record { bias: [0; 2], multiplier: 0, offset: 0, shift: 0, weights: [0; 6] };
    let mut records = [none; CHANNELS];
    for first in (0..conv.channels).step_by(CHANNELS) {
        let block = conv.block(image, first);
        note(&block, &requant, &mut records);
        // SAFETY: the caller's promise.
        unsafe {
            match three {
                Some(three) => channels_3(conv, &block, &mut records, three),
                None => channels_any(conv, &block, &records),
            }
        }
    }
}

/// Clamps all results, which the kernels only saturate.
///
/// # Safety
/// The convolution is that of accepted parameters, and its results have been computed.
pub(in crate::kernels) unsafe fn complete(conv: &Depthwise) {
    let bytes = conv.batch as usize * conv.results_image;
    // SAFETY: the results, which are dense.
    unsafe { dsp_conv::clamp(&conv.results, conv.output, bytes) };
}
