//! Strips of a chain. Scratch holds all lines that a strip of few rows reads, and what is prepared for a
//! channel is used for few results: so bands widen weights and look at records themselves. Firmware
//! without chains does not link this.

use core::arch::naked_asm;

use microhlo_format::kernels::Rounding;

use super::{Band3, CHANNELS, Depthwise, Loader, widen_lines};

/// A [`Band3`] with the constants of its channels as they are: its records are bias and multiplier. The
/// assembly copies it to the stack.
#[repr(C)]
struct Strip {
    band: Band3,
    /// The first channel's weights.
    weights: *const i8,
    /// Its shift; null if channels have none of their own.
    shifts: *const u8,
    /// What the common shift exceeds 33 by.
    shift: u32,
    /// The zero point doubled, plus one; shifted for the common shift, if there is one.
    offset: i32,
}

/// Copies a [`Strip`] to the stack, where its last fields are weights (88), shifts (92), shift (96) and
/// offset (100).
macro_rules! enter_strip {
    () => {
        "push {{r4-r11, lr}}
        add r12, r0, #52
        ldm r12, {{r1-r4}}
        push {{r1-r4}}
        ldm r0!, {{r1-r12}}
        ldr r0, [r0]
        push {{r0}}
        push {{r1-r12}}
        sub sp, #36
        "
    };
}

macro_rules! leave_strip {
    () => {
        "add sp, #104
        pop {{r4-r11, pc}}"
    };
}

/// Widens the weights of a line, two of them in each of two registers.
macro_rules! widen_three {
    ($w01:literal, $w12:literal, $first:literal, $second:literal, $third:literal) => {
        concat!(
            "ldrsb ",
            $w01,
            ", [r12, #",
            $first,
            "]\n",
            "ldrsb ",
            $w12,
            ", [r12, #",
            $second,
            "]\n",
            "ldrsb lr, [r12, #",
            $third,
            "]\n",
            "pkhbt ",
            $w01,
            ", ",
            $w01,
            ", ",
            $w12,
            ", lsl #16\n",
            "pkhbt ",
            $w12,
            ", ",
            $w12,
            ", lr, lsl #16\n",
        )
    };
}

/// Brings the weights of the next channel into r3 to r8, and what its sums become to the stack.
macro_rules! next_constants {
    () => {
        next_constants!("8", ["0", "1", "2"], ["3", "4", "5"], ["6", "7", "8"])
    };
    // With the label that it may use, and which weights the taps of each line have.
    ($behind:literal, $([$first:literal, $second:literal, $third:literal]),*) => {
        next_constants!(@widened $behind, $($first, $second, $third),*)
    };
    (
        @widened $behind:literal,
        $a:literal, $b:literal, $c:literal, $d:literal, $e:literal, $f:literal, $g:literal,
        $h:literal, $i:literal
    ) => {
        concat!(
            "ldr r12, [sp, #80]
            ldrd r9, r11, [r12], #8
            str r12, [sp, #80]
            ldr r3, [sp, #92]
            ldrd lr, r12, [sp, #96]
            cbz r3, ",
            $behind,
            "f
            ldrb lr, [r3], #1
            str r3, [sp, #92]
            sub lr, #33
            lsl r12, r12, lr
            ",
            $behind,
            ":
            mov r10, r9
            stm sp, {{r9-r12, lr}}
            ldr r12, [sp, #88]
            ",
            widen_three!("r3", "r4", $a, $b, $c),
            widen_three!("r5", "r6", $d, $e, $f),
            widen_three!("r7", "r8", $g, $h, $i),
            "adds r12, #9
            str r12, [sp, #88]
            ",
        )
    };
}

macro_rules! strip_kernel {
    ($name:ident, $row:ident, $pair:literal, $shift:expr) => {
        band_kernel!($name(Strip), $row, $pair, $shift, enter_strip, next_constants, leave_strip);
    };
}

strip_kernel!(strip_3_1, row_3_1, "2", "");
strip_kernel!(strip_3_1_shift, row_3_1, "2", shift_pair!());
strip_kernel!(strip_3_2, row_3_2, "3", "");
strip_kernel!(strip_3_2_shift, row_3_2, "3", shift_pair!());

/// Most pairs of outputs of a line of a narrow strip, along the width and along the height.
const NARROW: [usize; 2] = [4, 6];

/// Goes to as many pairs as there are, in lr.
macro_rules! up_to_four {
    ($shift:expr) => {
        "tbb [pc, lr]
        7:
        .byte (4f - 7b) / 2, (21f - 7b) / 2, (22f - 7b) / 2, (23f - 7b) / 2
        .byte (24f - 7b) / 2, 0
        "
    };
}

/// The same for two more pairs, which come first.
macro_rules! up_to_six {
    ($shift:expr) => {
        concat!(
            "tbh [pc, lr, lsl #1]
            7:
            .short (4f - 7b) / 2, (21f - 7b) / 2, (22f - 7b) / 2, (23f - 7b) / 2
            .short (24f - 7b) / 2, (25f - 7b) / 2, (26f - 7b) / 2
            26:
            ",
            pair_3!(row_3_1),
            store_pair!($shift),
            "25:
            ",
            pair_3!(row_3_1),
            store_pair!($shift),
        )
    };
}

/// A function for the channels of a block with lines of few outputs, and with stride 1: all pairs of a line follow
/// one another, and lines advance without being looked up. Of the [`Band3`], `pairs` is how many there are,
/// `advance` and `across` are from the end of a line to the next one, and `rows` is the bytes from the first line
/// to the end. From sp: record (0), the end (24), where to go on after the pairs (52), else as for [`Strip`].
macro_rules! narrow_kernel {
    ($name:ident, $shift:expr, $first:ident, $($weights:tt),*) => {
        /// Computes lines of outputs.
        ///
        /// # Safety
        /// The lines are those of an accepted convolution with stride 1 along them, of at most [`NARROW`] pairs.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(band: &Strip) {
            naked_asm!(
                dsp!(),
                enter_strip!(),
                "ldr r0, [sp, #52]
                adr.w r1, 5f
                adr.w r2, 8f
                cmp r0, #0
                it ne
                movne r1, r2
                orr r1, r1, #1
                str r1, [sp, #52]
                1:
                ",
                next_constants!("9", $($weights),*),
                "ldrd r0, r9, [sp, #36]
                ldr r12, [sp, #44]
                add r1, r0, r12
                add r2, r1, r12
                ldr r12, [sp, #56]
                add r12, r12, r0
                str r12, [sp, #24]
                2:
                ldr lr, [sp, #48]
                ",
                $first!($shift),
                "24:
                ",
                pair_3!(row_3_1),
                store_pair!($shift),
                "23:
                ",
                pair_3!(row_3_1),
                store_pair!($shift),
                "22:
                ",
                pair_3!(row_3_1),
                store_pair!($shift),
                "21:
                ",
                pair_3!(row_3_1),
                store_pair!($shift),
                "4:
                ldr pc, [sp, #52]
                8:
                ",
                single_3!($shift),
                "5:
                ldrd r12, lr, [sp, #60]
                add r0, r0, r12
                add r1, r1, r12
                add r2, r2, r12
                add r9, r9, lr
                ldr r12, [sp, #24]
                cmp r0, r12
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
                leave_strip!(),
            )
        }
    };
}

narrow_kernel!(narrow_3_1, "", up_to_four, ["0", "1", "2"], ["3", "4", "5"], ["6", "7", "8"]);
narrow_kernel!(
    narrow_3_1_shift,
    shift_pair!(),
    up_to_four,
    ["0", "1", "2"],
    ["3", "4", "5"],
    ["6", "7", "8"]
);
// Where lines run along the height, taps of a line are a row of the weights apart.
narrow_kernel!(tall_3_1, "", up_to_six, ["0", "3", "6"], ["1", "4", "7"], ["2", "5", "8"]);
narrow_kernel!(
    tall_3_1_shift,
    shift_pair!(),
    up_to_six,
    ["0", "3", "6"],
    ["1", "4", "7"],
    ["2", "5", "8"]
);

impl Band3 {
    /// Makes it one of lines of few outputs, with stride 1.
    fn narrow(&mut self) {
        let pairs = self.pairs / 4;
        self.rows = self.rows.wrapping_mul(self.advance);
        self.advance = self.advance.wrapping_sub(self.pairs);
        self.across = self.across.wrapping_sub((2 * pairs).wrapping_mul(self.step));
        self.pairs = pairs;
    }
}

/// Computes a strip of a kernel of three by three adjacent taps, but for what [`complete`](super::complete)
/// does, if it is one of few rows. Returns whether it is.
///
/// # Safety
/// The convolution is that of accepted parameters of such a kernel.
#[inline(never)]
pub(super) unsafe fn strip(conv: &Depthwise) -> bool {
    let (across, along) = (&conv.across, &conv.along);
    let read = (across.output - 1) * across.stride + 3;
    let fits = conv.multiplier == 1 && conv.channels.is_multiple_of(CHANNELS) && conv.batch == 1;
    let tall = along.weights_step != 1;
    let narrow = along.stride == 1 && along.output as usize / 2 <= NARROW[usize::from(tall)];
    let rows = (narrow || !tall) && read as usize <= conv.slots;
    let requant = conv.results.requant.filter(|requant| requant.rounding == Rounding::Up);
    let Some(requant) = requant.filter(|_| fits && rows) else { return false };
    let shared = conv.results.shifts.is_null();
    let shift = if shared { u32::from(requant.shift) } else { 33 };
    let mut job = Strip {
        band: Band3 {
            rows: across.output as usize,
            records: conv.results.channels.cast(),
            channels: CHANNELS,
            ..Band3::new(conv, 1)
        },
        weights: conv.weights,
        shifts: conv.results.shifts,
        shift: shift.wrapping_sub(33),
        offset: requant.offset(shift),
    };
    if narrow {
        job.band.narrow();
    }
    let function = match (along.stride, shared && shift == 33) {
        (1, true) if tall => tall_3_1,
        (1, false) if tall => tall_3_1_shift,
        (1, true) if narrow => narrow_3_1,
        (1, false) if narrow => narrow_3_1_shift,
        (1, true) => strip_3_1,
        (1, false) => strip_3_1_shift,
        (_, true) => strip_3_2,
        (_, false) => strip_3_2_shift,
    } as unsafe extern "C" fn(&Strip);
    // SAFETY: the caller's promise; scratch has all lines. Those outside the input stay as they are.
    unsafe {
        let mut loader = Loader::new(conv);
        let first = across.origin(0);
        let span = across.span(first, read);
        let from = (first + span.before).wrapping_mul(across.input_step) as isize + loader.from;
        loader.columns.from = conv.input.wrapping_offset(from);
        loader.columns.to = loader.slot(span.before as usize).wrapping_add(loader.before);
        loader.columns.lines = span.inside as usize;
        for _ in 0..conv.channels / CHANNELS {
            widen_lines(&loader.columns);
            function(&job);
            loader.columns.from = loader.columns.from.wrapping_add(CHANNELS);
            job.band.output = job.band.output.wrapping_add(CHANNELS);
            job.band.records = job.band.records.wrapping_byte_add(CHANNELS * size_of::<[i32; 2]>());
            job.weights = job.weights.wrapping_add(CHANNELS * 9);
            if !shared {
                job.shifts = job.shifts.wrapping_add(CHANNELS);
            }
        }
    }
    true
}
