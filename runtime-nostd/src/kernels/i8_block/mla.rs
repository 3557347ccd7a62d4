//! Microkernels for Armv7-M, in assembly.
//!
//! A product is added to a sum in one instruction, of words: values are widened once to 16 bits, which a load
//! extends. The compiler keeps more in memory than in registers there; written out, eight sums and what they
//! need fit.

use core::arch::naked_asm;
use core::ptr::null_mut;

use microhlo_format::kernels::{Requant, Rounding};

use super::portable::outputs_3x3;
use super::{Axis, Block, CHANNELS, Depthwise, Results, Taps};

/// As `tiles::sums_4x2`.
///
/// # Safety
/// As there.
pub(super) unsafe fn sums_4x2(
    taps: *const i16,
    weights: *const i8,
    pairs: usize,
    bias: [i32; 2],
    out: &mut [[i32; 2]; 4],
) {
    out[0] = bias;
    // SAFETY: the caller's promise.
    unsafe { four_by_two(taps, weights, pairs, out) }
}

/// The sums of four pixels and two channels, which begin with what `out` has for the first pixel.
///
/// # Safety
/// As for [`sums_4x2`].
#[unsafe(naked)]
unsafe extern "C" fn four_by_two(
    taps: *const i16,
    weights: *const i8,
    pairs: usize,
    out: &mut [[i32; 2]; 4],
) {
    naked_asm!(
        "
        .macro i8_pixel at, a, b
        ldrsh r3, [r0, #\\at]
        mla \\a, r12, r3, \\a
        mla \\b, lr, r3, \\b
        .endm

        push {{r3-r11, lr}}
        ldrd r4, r5, [r3]
        mov r6, r4
        mov r7, r5
        mov r8, r4
        mov r9, r5
        mov r10, r4
        mov r11, r5
        cbz r2, 2f
        1:
        ldrsb lr, [r1, #1]
        ldrsb r12, [r1], #4
        ldrsh r3, [r0], #16
        mla r4, r12, r3, r4
        mla r5, lr, r3, r5
        i8_pixel -12, r6, r7
        i8_pixel -8, r8, r9
        i8_pixel -4, r10, r11
        ldrsb r12, [r1, #-2]
        ldrsb lr, [r1, #-1]
        i8_pixel -14, r4, r5
        i8_pixel -10, r6, r7
        i8_pixel -6, r8, r9
        i8_pixel -2, r10, r11
        subs r2, #1
        bne 1b
        2:
        ldr r3, [sp]
        stmia r3, {{r4-r11}}
        pop {{r3-r11, pc}}

        .purgem i8_pixel
        "
    )
}

/// As `tiles::sums_1x8`.
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn sums_1x8(
    taps: *const i16,
    weights: *const i8,
    pairs: usize,
    acc: &mut [i32; 8],
) {
    naked_asm!(
        "
        .macro i8_weight at, x, acc
        ldrsb lr, [r1, #\\at]
        mla \\acc, \\x, lr, \\acc
        .endm

        .macro i8_channels at, a, b
        i8_weight \\at, r3, \\a
        i8_weight \\at+1, r3, \\b
        i8_weight \\at+2, r12, \\a
        i8_weight \\at+3, r12, \\b
        .endm

        push {{r3-r11, lr}}
        ldmia r3, {{r4-r11}}
        cmp r2, #0
        beq 2f
        1:
        ldrsh r12, [r0, #2]
        ldrsh r3, [r0], #4
        i8_channels 0, r4, r5
        i8_channels 4, r6, r7
        i8_channels 8, r8, r9
        i8_channels 12, r10, r11
        adds r1, #16
        subs r2, #1
        bne 1b
        2:
        ldr r3, [sp]
        stmia r3, {{r4-r11}}
        pop {{r3-r11, pc}}

        .purgem i8_weight
        .purgem i8_channels
        "
    )
}

/// As `tiles::add_taps`. Of the registers r0 and r12 are a tap and its weight, r1 and r2 point to them, r4 to r7 are
/// the sums, r8 and r9 what taps and weights are apart, r10 counts lines, r11 is the end of a line's weights.
///
/// # Safety
/// As there.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn add_taps(
    acc: &mut [i32; CHANNELS],
    from: *const i8,
    weights: *const i8,
    taps: &Taps,
) {
    naked_asm!(
        "
        .macro i8_lane at, acc
        ldrsb r0, [r1, #\\at]
        ldrsb r12, [r2, #\\at]
        mla \\acc, r0, r12, \\acc
        .endm

        push {{r0, r4-r11, lr}}
        ldmia r0, {{r4-r7}}
        ldrd r8, r9, [r3]
        ldr r10, [r3, #20]
        2:
        ldr r11, [r3, #16]
        add r11, r2
        1:
        i8_lane 0, r4
        i8_lane 1, r5
        i8_lane 2, r6
        i8_lane 3, r7
        add r1, r8
        add r2, r9
        cmp r2, r11
        bne 1b
        subs r10, #1
        beq 3f
        ldrd r0, r12, [r3, #8]
        add r1, r0
        add r2, r12
        b 2b
        3:
        ldr r0, [sp], #4
        stmia r0, {{r4-r7}}
        pop {{r4-r11, pc}}

        .purgem i8_lane
        "
    )
}

/// How results of a channel are made and where they go.
#[repr(C)]
struct Finish {
    /// The upper word of the product with it,
    multiplier: i32,
    /// plus this,
    offset: i32,
    /// is shifted,
    shift: u32,
    /// and limited: by these if this is not 0, else as bytes are.
    limited: u32,
    min: i32,
    max: i32,
    /// What sums begin with.
    bias: i32,
    /// The first result.
    output: *mut u8,
    /// Bytes from a result to the next.
    step: usize,
    /// Four results so many times, at least once.
    fours: usize,
}

impl Finish {
    /// That of sums, which begin with so much.
    fn sum(bias: i32) -> Finish {
        let (output, step) = (null_mut(), 0);
        let [multiplier, offset, min, max] = [0; 4];
        Finish { multiplier, offset, shift: 0, limited: 0, min, max, bias, output, step, fours: 0 }
    }

    /// That of a channel's results.
    ///
    /// # Safety
    /// The channel exists.
    unsafe fn new(results: &Results, requant: &Requant, output: *mut u8, step: usize) -> Finish {
        // SAFETY: the caller's promise.
        let ([bias, multiplier], shift) = unsafe { results.record(0, requant) };
        let shift = u32::from(shift);
        Finish {
            multiplier,
            offset: requant.offset(shift),
            shift: shift & 31,
            limited: u32::from((requant.min, requant.max) != (i8::MIN, i8::MAX)),
            min: requant.min.into(),
            max: requant.max.into(),
            bias,
            output,
            step,
            fours: 0,
        }
    }

    /// Goes on with the last four results.
    fn last(&mut self, output: *mut u8) {
        (self.output, self.fours) = (output, 1);
    }
}

/// Lines of three taps.
#[repr(C)]
struct Three {
    finish: Finish,
    /// The first result's first tap of each line.
    lines: [*const i16; 3],
    weights: [i32; 9],
}

/// Lines of any number of taps.
#[repr(C)]
struct Lines {
    finish: Finish,
    /// The first result's first tap.
    taps: *const i16,
    /// Where the lines end; behind the last one comes the first again.
    end: *const i16,
    /// Bytes from there back to the first line.
    back: usize,
    /// Bytes from a line to the next.
    line: usize,
    weights: *const i16,
    /// Bytes of a line's weights, and from there to those of the next line.
    width: usize,
    skip: usize,
    /// Lines of the kernel.
    height: usize,
    /// Bytes from a tap to the next.
    tap: usize,
}

/// Assembly that turns four sums, r4 to r7, into results, of what begins at an offset from a register.
/// Overwrites r0 to r3.
macro_rules! finish {
    ($at:literal, $base:literal) => {
        concat!(
            "
            ldrd r0, r1, [",
            $base,
            ", #",
            $at,
            "]
            ldr r2, [",
            $base,
            ", #",
            $at,
            "+8]
            .irp acc, r4, r5, r6, r7
            smull r3, \\acc, \\acc, r0
            add \\acc, r1
            asr \\acc, r2
            .endr
            ldr r3, [",
            $base,
            ", #",
            $at,
            "+12]
            cbz r3, 8f
            ldrd r0, r1, [",
            $base,
            ", #",
            $at,
            "+16]
            .irp acc, r4, r5, r6, r7
            cmp \\acc, r0
            it lt
            movlt \\acc, r0
            cmp \\acc, r1
            it gt
            movgt \\acc, r1
            .endr
            8:
            .irp acc, r4, r5, r6, r7
            ssat \\acc, #8, \\acc
            .endr
            "
        )
    };
}

/// Assembly that stores four results at `$to`, `$step` apart, which moves behind them.
macro_rules! store {
    ($to:literal, $step:literal) => {
        concat!(
            "
            strb r4, [",
            $to,
            "]
            strb r5, [",
            $to,
            ", ",
            $step,
            "]
            strb r6, [",
            $to,
            ", ",
            $step,
            ", lsl #1]
            add ",
            $to,
            ", ",
            $step,
            "
            strb r7, [",
            $to,
            ", ",
            $step,
            ", lsl #1]
            add ",
            $to,
            ", ",
            $step,
            "
            add ",
            $to,
            ", ",
            $to,
            ", ",
            $step,
            ", lsl #1
            "
        )
    };
}

macro_rules! three {
    ($name:ident, $line:literal) => {
        /// Results of three lines of three taps. Of the registers r0 to r2 hold the weights of a line, r3 a
        /// tap, r4 to r7 the sums, r8, r10 and r11 point to the lines, lr to results.
        ///
        /// # Safety
        /// The lines are those of an accepted convolution.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(three: &mut Three) {
            naked_asm!(
                "
                .macro i8_tap w, acc, v, bcc
                mla \\acc, r3, \\w, \\acc
                .ifnb \\v
                mla \\bcc, r3, \\v, \\bcc
                .endif
                .endm

                .macro i8_line p
                ldmia r12!, {{r0, r1, r2}}
                ",
                $line,
                "
                .endm

                push {{r4-r11, lr}}
                ldr r8, [r0, #40]
                ldrd r10, r11, [r0, #44]
                ldrd lr, r9, [r0, #28]
                add r12, r0, #52
                1:
                ldr r4, [r12, #-28]
                mov r5, r4
                mov r6, r4
                mov r7, r4
                i8_line r8
                i8_line r10
                i8_line r11
                sub r12, #36
                ",
                finish!("-52", "r12"),
                store!("lr", "r9"),
                "
                ldr r0, [r12, #-16]
                subs r0, #1
                str r0, [r12, #-16]
                bne 1b
                pop {{r4-r11, pc}}

                .purgem i8_tap
                .purgem i8_line
                "
            )
        }
    };
}

three!(
    three_by_one,
    "
    ldrsh r3, [\\p], #8
    i8_tap r0, r4
    ldrsh r3, [\\p, #-6]
    i8_tap r1, r4, r0, r5
    ldrsh r3, [\\p, #-4]
    i8_tap r2, r4, r1, r5
    i8_tap r0, r6
    ldrsh r3, [\\p, #-2]
    i8_tap r2, r5, r1, r6
    i8_tap r0, r7
    ldrsh r3, [\\p]
    i8_tap r2, r6, r1, r7
    ldrsh r3, [\\p, #2]
    i8_tap r2, r7
    "
);

three!(
    three_by_two,
    "
    ldrsh r3, [\\p], #16
    i8_tap r0, r4
    ldrsh r3, [\\p, #-14]
    i8_tap r1, r4
    ldrsh r3, [\\p, #-12]
    i8_tap r2, r4, r0, r5
    ldrsh r3, [\\p, #-10]
    i8_tap r1, r5
    ldrsh r3, [\\p, #-8]
    i8_tap r2, r5, r0, r6
    ldrsh r3, [\\p, #-6]
    i8_tap r1, r6
    ldrsh r3, [\\p, #-4]
    i8_tap r2, r6, r0, r7
    ldrsh r3, [\\p, #-2]
    i8_tap r1, r7
    ldrsh r3, [\\p]
    i8_tap r2, r7
    "
);

/// Assembly that goes on at `2` with the next line of the kernel, whose first tap is to be in r1, whose weights in
/// r9. Overwrites r12.
macro_rules! next_line {
    () => {
        "
        ldr r12, [r0, #64]
        add r9, r12
        ldr r12, [r0, #52]
        add r1, r12
        ldr r12, [r0, #44]
        cmp r1, r12
        blo 2b
        ldr r12, [r0, #48]
        sub r1, r12
        b 2b
        "
    };
}

macro_rules! lines {
    ($name:ident, $second:literal, $third:literal, $fourth:literal, $four:literal) => {
        /// Results of lines of taps. Of the registers r4 to r7 are sums, r8 points to the first of four taps, r9
        /// to weights, whose line ends at r10, r1 to the line's first tap, r2 counts lines, r3 is what a line's
        /// weights take, r11 how far taps are apart, r12 a tap, lr a weight.
        ///
        /// # Safety
        /// The lines are those of an accepted convolution.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(lines: &mut Lines) {
            naked_asm!(
                "
                push {{r4-r11, lr}}
                sub sp, #4
                1:
                ldr r4, [r0, #24]
                mov r5, r4
                mov r6, r4
                mov r7, r4
                ldr r1, [r0, #40]
                ldrd r9, r3, [r0, #56]
                ldrd r2, r11, [r0, #68]
                2:
                mov r8, r1
                add r10, r9, r3
                3:
                ldrsh lr, [r9], #2
                ",
                concat!("ldrsh r12, [r8, #", $second, "]"),
                "
                mla r5, r12, lr, r5
                ",
                concat!("ldrsh r12, [r8, #", $third, "]"),
                "
                mla r6, r12, lr, r6
                ",
                concat!("ldrsh r12, [r8, #", $fourth, "]"),
                "
                mla r7, r12, lr, r7
                ldrsh r12, [r8]
                mla r4, r12, lr, r4
                add r8, r11
                cmp r9, r10
                bne 3b
                subs r2, #1
                beq 4f
                ",
                next_line!(),
                "
                4:
                mov r12, r0
                ",
                finish!("0", "r12"),
                "
                ldrd r1, r2, [r12, #28]
                ",
                store!("r1", "r2"),
                "
                str r1, [r12, #28]
                ldrd r2, r1, [r12, #36]
                ",
                concat!("add r1, #", $four),
                "
                subs r2, #1
                strd r2, r1, [r12, #36]
                mov r0, r12
                bne 1b
                add sp, #4
                pop {{r4-r11, pc}}
                "
            )
        }
    };
}

lines!(lines_by_one, "2", "4", "6", "8");
lines!(lines_by_two, "4", "8", "12", "16");

/// The sum of the result whose taps are the lines' first ones.
///
/// # Safety
/// The lines are those of an accepted convolution.
#[unsafe(naked)]
unsafe extern "C" fn sum_of_one(lines: &Lines) -> i32 {
    naked_asm!(
        "
        push {{r4, r8-r11, lr}}
        ldr r4, [r0, #24]
        ldr r1, [r0, #40]
        ldrd r9, r3, [r0, #56]
        ldrd r2, r11, [r0, #68]
        2:
        mov r8, r1
        add r10, r9, r3
        3:
        ldrsh lr, [r9], #2
        ldrsh r12, [r8]
        add r8, r11
        cmp r9, r10
        mla r4, r12, lr, r4
        bne 3b
        subs r2, #1
        beq 4f
        ",
        next_line!(),
        "
        4:
        mov r0, r4
        pop {{r4, r8-r11, pc}}
        "
    )
}

/// Outputs of a line, of one channel.
struct Line<'a> {
    conv: &'a Depthwise,
    results: Results,
    channel: usize,
    /// The line of the first tap.
    first: i32,
    /// The first output's result, and bytes to the next.
    output: *mut u8,
    step: usize,
}

impl Line<'_> {
    /// The lines of the kernel.
    fn lines(&self, finish: Finish) -> Lines {
        let (conv, [across, along]) = (self.conv, [&self.conv.across, &self.conv.along]);
        let (height, width) = (across.kernel as usize, along.kernel as usize);
        let line = CHANNELS * conv.line;
        Lines {
            finish,
            taps: conv.slot(self.first, 0).wrapping_add(self.channel * conv.line),
            end: conv.lines.wrapping_add(height * line),
            back: 2 * height * line,
            line: 2 * line,
            weights: conv.rows().wrapping_add(self.channel * height * conv.row),
            width: 2 * width,
            skip: 2 * (conv.row - width),
            height,
            tap: 2 * along.dilation as usize,
        }
    }

    /// Computes all outputs, at least four, four at a time: the last ones with some of those before them
    /// once more.
    ///
    /// # Safety
    /// The line is one of an accepted convolution.
    #[inline(always)]
    unsafe fn fours(&self, requant: &Requant) {
        let (across, along) = (&self.conv.across, &self.conv.along);
        let (one, outputs) = (along.stride == 1, along.output as usize);
        let left = if outputs & 3 != 0 { outputs - 4 } else { 0 };
        let (taps, results) = (left * along.stride as usize, left * self.step);
        // SAFETY: the caller's promise.
        unsafe {
            let mut finish = Finish::new(&self.results, requant, self.output, self.step);
            finish.fours = outputs / 4;
            if is_three(across) && is_three(along) {
                let kernel = if one { three_by_one } else { three_by_two };
                let mut three = self.three(finish);
                kernel(&mut three);
                if left > 0 {
                    three.lines = three.lines.map(|line| line.wrapping_add(taps));
                    three.finish.last(self.output.wrapping_add(results));
                    kernel(&mut three);
                }
            } else {
                let kernel = if one { lines_by_one } else { lines_by_two };
                let mut lines = self.lines(finish);
                let first = lines.taps;
                kernel(&mut lines);
                if left > 0 {
                    lines.taps = first.wrapping_add(taps);
                    lines.finish.last(self.output.wrapping_add(results));
                    kernel(&mut lines);
                }
            }
        }
    }

    /// Three lines of three taps, of a convolution that has no more.
    ///
    /// # Safety
    /// The line is one of an accepted convolution.
    unsafe fn three(&self, finish: Finish) -> Three {
        let (conv, line) = (self.conv, CHANNELS * self.conv.line);
        let end = conv.lines.wrapping_add(3 * line).cast_const();
        let next = |at: *const i16| {
            let next = at.wrapping_add(line);
            if next < end { next } else { next.wrapping_sub(3 * line) }
        };
        let first = conv.slot(self.first, 0).wrapping_add(self.channel * conv.line).cast_const();
        let second = next(first);
        let mut weights = [0; 9];
        let mut row = conv.rows().wrapping_add(3 * conv.row * self.channel);
        for to in weights.as_chunks_mut::<3>().0 {
            // SAFETY: a row of three weights.
            *to = unsafe { [*row, *row.add(1), *row.add(2)] }.map(i32::from);
            row = row.wrapping_add(conv.row);
        }
        Three { finish, lines: [first, second, next(second)], weights }
    }

    /// Computes all outputs one by one.
    ///
    /// # Safety
    /// The line is one of an accepted convolution.
    #[inline(never)]
    unsafe fn ones(&self) {
        let mut output = self.output;
        // SAFETY: the caller's promise.
        unsafe {
            let mut lines = self.lines(Finish::sum(self.results.bias(0)));
            for _ in 0..self.conv.along.output {
                self.results.store(0, sum_of_one(&lines), output);
                output = output.wrapping_add(self.step);
                lines.taps = lines.taps.wrapping_add(self.conv.along.stride as usize);
            }
        }
    }
}

/// Whether the kernel has three adjacent taps.
fn is_three(axis: &Axis) -> bool {
    (axis.kernel, axis.dilation) == (3, 1)
}

/// Computes the outputs of a line for all channels of a block, whose lines are in their slots.
///
/// # Safety
/// Convolution and block are those of accepted parameters, `first` is the line of the first tap
/// and `output` the first channel's first result.
pub(super) unsafe fn line_outputs(conv: &Depthwise, block: &Block, first: i32, output: *mut u8) {
    let along = &conv.along;
    let step = along.output_step as usize * block.results.bytes();
    let up = || conv.results.requant.filter(|requant| requant.rounding == Rounding::Up);
    let few = along.output < 4;
    if is_three(&conv.across) && is_three(along) && along.stride <= 2 && (few || up().is_none()) {
        // SAFETY: the caller's promise.
        return unsafe {
            match along.stride {
                1 => outputs_3x3::<1>(conv, block, first, output),
                _ => outputs_3x3::<2>(conv, block, first, output),
            }
        };
    }
    let fours = up().filter(|_| !few && along.stride <= 2);
    for channel in 0..block.lanes.min(CHANNELS) {
        let result = channel * conv.multiplier;
        let output = output.wrapping_add(result * block.results.bytes());
        let results = block.results.skip(result);
        let line = Line { conv, results, channel, first, output, step };
        // SAFETY: the caller's promise; the channel exists.
        unsafe {
            match &fours {
                Some(requant) => line.fours(requant),
                None => line.ones(),
            }
        }
    }
}
