//! Microkernels in assembly for M-profile Vector Extension.
//!
//! VMLADAVA adds the 16 products of two vectors, or eight if activations have 16 bits and weights are widened as
//! they are loaded, to a register of even number: eight of them hold the sums of two pixels and four channels, or
//! of one pixel and eight channels. The first vector of taps
//! is multiplied by VMLADAV, so that sums need not be cleared. Biases and requantisation are done four
//! channels at a time: VMULH takes the upper word of the product, which is all that matters at shifts
//! from 33 on, and VRHADD adds the doubled zero point and halves, rounding, for the shift of 33.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::{BLOCK, Finish, Tiles, VECTOR};

/// Begins a function: makes room for 26 words and copies the job's first 16 there. Its limits are in
/// q4 and q5.
macro_rules! enter {
    () => {
        ".cpu cortex-m55
        push {{r3-r11, lr}}
        vpush {{d8-d15}}
        sub sp, #104
        ldm r0!, {{r1-r8}}
        stm sp, {{r1-r8}}
        add r9, sp, #32
        ldm r0!, {{r1-r8}}
        stm r9, {{r1-r8}}
        ldrd r2, r3, [r0]
        vdup.32 q4, r2
        vdup.32 q5, r3
        "
    };
}

/// Ends a function.
macro_rules! leave {
    () => {
        "add sp, #104
        vpop {{d8-d15}}
        pop {{r3-r11, pc}}
        "
    };
}

/// All vectors of taps: the part or a first whole one, then the others in twos.
macro_rules! taps {
    ($part:expr, $first:expr, $next:expr) => {
        concat!(
            "ldr r3, [sp, #12]\ncbz r3, 22f\n",
            $part,
            "b 23f\n22:\n",
            $first,
            "23:\nldr r3, [sp, #8]\nlsrs r3, r3, #1\nbcc 24f\n",
            $next,
            "24:\nbeq 26f\n25:\n",
            $next,
            $next,
            "subs r3, #1\nbne 25b\n26:\n",
        )
    };
}

/// Moves eight sums to q0 and q1.
macro_rules! sums {
    () => {
        "vmov q0[2], q0[0], r0, r4
        vmov q0[3], q0[1], r2, r6
        vmov q1[2], q1[0], r8, r12
        vmov q1[3], q1[1], r10, lr
        "
    };
}

/// Limits results.
macro_rules! limit {
    () => {
        "vmax.s32 q0, q0, q4
        vmax.s32 q1, q1, q4
        vmin.s32 q0, q0, q5
        vmin.s32 q1, q1, q5
        "
    };
}

/// Adds a block's biases to the sums of two pixels, and multiplies.
macro_rules! pair_scale {
    ($multiply:literal) => {
        concat!(
            "vldrw.u32 q2, [r5], #16\nvldrw.u32 q3, [r5], #16\n",
            "vadd.i32 q0, q0, q2\nvadd.i32 q1, q1, q2\n",
            $multiply,
            ".s32 q0, q0, q3\n",
            $multiply,
            ".s32 q1, q1, q3\n",
        )
    };
}

/// The same for one pixel and two blocks.
macro_rules! row_scale {
    ($multiply:literal) => {
        concat!(
            "vldrw.u32 q2, [r5], #16\nvadd.i32 q0, q0, q2\nvldrw.u32 q3, [r5], #16\n",
            $multiply,
            ".s32 q0, q0, q3\n",
            "vldrw.u32 q2, [r5], #16\nvadd.i32 q1, q1, q2\nvldrw.u32 q3, [r5], #16\n",
            $multiply,
            ".s32 q1, q1, q3\n",
        )
    };
}

/// The shift of 33, and the zero point, whose double is in q7.
macro_rules! upper {
    () => {
        concat!("vrhadd.s32 q0, q0, q7\nvrhadd.s32 q1, q1, q7\n", limit!())
    };
}

/// The next block's shifts, as negative distances from `$from`, in q2.
macro_rules! shifts {
    ($from:literal) => {
        concat!(
            "ldr r0, [sp, #96]\nldr r2, [sp, #56]\nvldrb.u32 q2, [r0]\nadd r0, r2\n",
            "str r0, [sp, #96]\nmovs r2, #",
            $from,
            "\nvsub.i32 q2, q2, r2\nvneg.s32 q2, q2\n",
        )
    };
}

/// Shifts what has been rounded once: halves go away from zero.
macro_rules! shift_again {
    ($q:literal) => {
        concat!(
            "vshr.s32 q3, ",
            $q,
            ", #31\nvadd.i32 ",
            $q,
            ", ",
            $q,
            ", q3\n",
            "vrshl.s32 ",
            $q,
            ", ",
            $q,
            ", q2\n",
        )
    };
}

/// The zero point.
macro_rules! zero {
    () => {
        concat!("ldr r0, [sp, #48]\nvadd.i32 q0, q0, r0\nvadd.i32 q1, q1, r0\n", limit!())
    };
}

/// A function of pairs of pixels, with the kind of activations and what becomes of the sums in q0 and q1: how they
/// are finished, where four of them lie, and how two vectors are stored.
macro_rules! pairs {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $finish:expr, $places:expr, $store:expr, $store_rest:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As for [`tiles`].
        #[unsafe(naked)]
        unsafe extern "C" fn $name(job: &Tiles) {
            naked_asm!(
                enter!(),
                "ldr r1, [sp, #48]
                add r1, r1
                vdup.32 q7, r1
                ldr r2, [sp, #36]",
                $places,
                // A pair.
                "20:
                ldrd r1, r5, [sp, #24]
                ldr r7, [sp, #32]
                ldr r0, [sp, #52]
                str r0, [sp, #96]
                ldr r0, [sp, #16]
                cmp r5, r0
                beq 30f
                21:
                ldrd r9, r11, [sp]",
                taps!(pair_part!($kind), pair_block!($kind, "vmladav"), pair_block!($kind, "vmladava")),
                sums!(),
                $finish,
                $store,
                "ldr r0, [sp, #16]
                cmp r5, r0
                bne 21b
                30:
                ldr r4, [sp, #20]
                cmp r4, #0
                beq 35f
                add r6, sp, #64
                31:
                movs r0, #0
                movs r2, #0
                ldrd r9, r11, [sp]
                ldr r3, [sp, #12]
                cbz r3, 32f",
                of!($kind, count "r3"),
                "vpstt",
                of!($kind, part "q0", "r9"),
                of!($kind, part "q1", "r11"),
                of!($kind, some "q2", "r1"),
                of!($kind, skip "r9", "r3"),
                of!($kind, skip "r11", "r3"),
                "add r1, r3",
                of!($kind, multiply "vmladava", "r0", "q0", "q2"),
                of!($kind, multiply "vmladava", "r2", "q1", "q2"),
                "32:
                ldr r3, [sp, #60]",
                of!($kind, vectors "r3"),
                "wls lr, r3, 34f
                33:",
                of!($kind, taps "q0", "r9"),
                of!($kind, weights "q2", "r1"),
                of!($kind, multiply "vmladava", "r0", "q0", "q2"),
                of!($kind, taps "q1", "r11"),
                of!($kind, multiply "vmladava", "r2", "q1", "q2"),
                "le lr, 33b
                34:
                str r2, [r6, #16]
                str r0, [r6], #4
                subs r4, #1
                bne 31b
                add r6, sp, #64
                vldrw.u32 q0, [r6]
                vldrw.u32 q1, [r6, #16]",
                $finish,
                "ldr r4, [sp, #20]
                vctp.32 r4
                vpstt",
                $store_rest,
                "35:
                ldr r0, [sp, #40]
                ldrd r9, r11, [sp]
                add r9, r0
                add r11, r0
                strd r9, r11, [sp]
                ldrd r7, r0, [sp, #32]
                add r7, r7, r0, lsl #1
                str r7, [sp, #32]
                ldr r0, [sp, #44]
                subs r0, #1
                str r0, [sp, #44]
                bne 20b",
                leave!(),
            )
        }
    };
}

/// [`pairs`] with results.
macro_rules! pairs_of {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $finish:expr) => {
        pairs!(
            $(#[$doc])*
            $name,
            $kind,
            $finish,
            of!($kind, places "q6", "r2"),
            concat!(of!($kind, scatter "q1", "r7", "q6"), of!($kind, store "q0", "r7")),
            of!($kind, store_rest "q1", "r7", "q6", "q0")
        );
    };
}

/// [`pairs`] with sums.
macro_rules! pairs_of_sums {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        pairs!(
            $(#[$doc])*
            $name,
            $kind,
            "vldrw.u32 q2, [r5], #32\nvadd.i32 q0, q0, q2\nvadd.i32 q1, q1, q2\n",
            "vidup.u32 q6, r2, #4\n",
            "vstrw.32 q1, [r7, q6]\nvstrw.32 q0, [r7], #16",
            "vstrwt.32 q1, [r7, q6]\nvstrwt.32 q0, [r7]"
        );
    };
}

/// What makes results with any shift of a pair's sums.
macro_rules! pair_shift {
    () => {
        concat!(
            pair_scale!("vmulh"),
            shifts!("32"),
            "vrshl.s32 q0, q0, q2\nvrshl.s32 q1, q1, q2\n",
            zero!()
        )
    };
}

/// The same with two roundings: VQRDMULH does the first.
macro_rules! pair_double {
    () => {
        concat!(
            pair_scale!("vqrdmulh"),
            shifts!("31"),
            shift_again!("q0"),
            shift_again!("q1"),
            zero!()
        )
    };
}

pairs_of!(
    /// Results with the shift of 33.
    pairs_upper,
    byte,
    concat!(pair_scale!("vmulh"), upper!())
);

pairs_of!(
    /// Results with any shift.
    pairs_shift,
    byte,
    pair_shift!()
);

pairs_of!(
    /// Results with two roundings.
    pairs_double,
    byte,
    pair_double!()
);

pairs_of_sums!(
    /// Sums.
    pairs_sums,
    byte
);

pairs_of!(
    /// Results of 16 bits.
    wide_pairs_shift,
    half,
    pair_shift!()
);

pairs_of!(
    /// Results of 16 bits with two roundings.
    wide_pairs_double,
    half,
    pair_double!()
);

pairs_of_sums!(
    /// Sums of activations of 16 bits.
    wide_pairs_sums,
    half
);

/// Products of at most one vector of taps of two pixels, in q0 and q1, with a channel's weights.
macro_rules! short_channel {
    ($q:literal, $first:literal, $second:literal) => {
        concat!(
            "vldrb.u8 ",
            $q,
            ", [r1]\nadd r1, r9\n",
            "vmladav.s8 ",
            $first,
            ", q0, ",
            $q,
            "\nvmladav.s8 ",
            $second,
            ", q1, ",
            $q,
            "\n",
        )
    };
}

/// Pairs of pixels with at most one vector of taps, which stays where it is for all channels; whole
/// blocks with the shift of 33.
///
/// # Safety
/// As for [`tiles`].
#[unsafe(naked)]
unsafe extern "C" fn pairs_short(job: &Tiles) {
    naked_asm!(
        enter!(),
        "ldr r1, [sp, #48]
        add r1, r1
        vdup.32 q7, r1
        ldr r11, [sp, #16]
        ldr r9, [sp, #60]
        20:
        ldrd r0, r2, [sp]
        vctp.8 r9
        vpstt
        vldrbt.u8 q0, [r0]
        vldrbt.u8 q1, [r2]
        ldr r4, [sp, #40]
        add r0, r4
        add r2, r4
        strd r0, r2, [sp]
        ldrd r7, r0, [sp, #32]
        add r3, r7, r0
        add r0, r3, r0
        str r0, [sp, #32]
        ldrd r1, r5, [sp, #24]
        21:",
        short_channel!("q2", "r0", "r8"),
        short_channel!("q3", "r2", "r10"),
        short_channel!("q2", "r4", "r12"),
        short_channel!("q3", "r6", "lr"),
        "vldrw.u32 q6, [r5], #16
        vmov q2[2], q2[0], r0, r4
        vmov q2[3], q2[1], r2, r6
        vmov q3[2], q3[0], r8, r12
        vmov q3[3], q3[1], r10, lr
        vadd.i32 q2, q2, q6
        vadd.i32 q3, q3, q6
        vldrw.u32 q6, [r5], #16
        vmulh.s32 q2, q2, q6
        vmulh.s32 q3, q3, q6
        vrhadd.s32 q2, q2, q7
        vrhadd.s32 q3, q3, q7
        vmax.s32 q2, q2, q4
        vmax.s32 q3, q3, q4
        vmin.s32 q2, q2, q5
        vmin.s32 q3, q3, q5
        cmp r5, r11
        vstrb.32 q2, [r7], #4
        vstrb.32 q3, [r3], #4
        bne 21b
        ldr r0, [sp, #44]
        subs r0, #1
        str r0, [sp, #44]
        bne 20b",
        leave!(),
    )
}

/// A function of one pixel and pairs of whole blocks, at least one, with the kind of activations and what becomes
/// of the sums.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $finish:expr, $store:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As for [`tiles`].
        #[unsafe(naked)]
        unsafe extern "C" fn $name(job: &Tiles) {
            naked_asm!(
                enter!(),
                "ldr r1, [sp, #48]
                add r1, r1
                vdup.32 q7, r1
                ldrd r1, r5, [sp, #24]
                ldr r7, [sp, #32]
                ldr r0, [sp, #52]
                str r0, [sp, #96]
                ldr r0, [sp, #60]
                lsls r0, r0, #2
                str r0, [sp, #60]
                21:
                ldr r9, [sp]",
                of!($kind, row),
                taps!(row_part!($kind), row_block!($kind, "vmladav"), row_block!($kind, "vmladava")),
                of!($kind, row_end),
                sums!(),
                $finish,
                $store,
                "ldr r0, [sp, #16]
                cmp r5, r0
                bne 21b",
                leave!(),
            )
        }
    };
}

/// How the results of eight channels are stored.
macro_rules! row_store {
    ($kind:ident) => {
        concat!(of!($kind, store "q0", "r7"), of!($kind, store "q1", "r7"))
    };
}

/// What makes results with any shift of a row's sums.
macro_rules! row_shift {
    () => {
        concat!(
            row_scale!("vmulh"),
            shifts!("32"),
            "vrshl.s32 q0, q0, q2\n",
            shifts!("32"),
            "vrshl.s32 q1, q1, q2\n",
            zero!()
        )
    };
}

/// The same with two roundings.
macro_rules! row_double {
    () => {
        concat!(
            row_scale!("vqrdmulh"),
            shifts!("31"),
            shift_again!("q0"),
            shifts!("31"),
            shift_again!("q1"),
            zero!()
        )
    };
}

/// Adds biases.
macro_rules! row_biases {
    () => {
        "vldrw.u32 q2, [r5], #32\nvadd.i32 q0, q0, q2\nvldrw.u32 q2, [r5], #32\nvadd.i32 q1, q1, q2\n"
    };
}

row!(
    /// Results with the shift of 33.
    row_upper,
    byte,
    concat!(row_scale!("vmulh"), upper!()),
    row_store!(byte)
);

row!(
    /// Results with any shift.
    row_shift,
    byte,
    row_shift!(),
    row_store!(byte)
);

row!(
    /// Results with two roundings.
    row_double,
    byte,
    row_double!(),
    row_store!(byte)
);

row!(
    /// Sums.
    row_sums,
    byte,
    row_biases!(),
    "vstrw.32 q0, [r7], #16\nvstrw.32 q1, [r7], #16"
);

row!(
    /// Results of 16 bits.
    wide_row_shift,
    half,
    row_shift!(),
    row_store!(half)
);

row!(
    /// Results of 16 bits with two roundings.
    wide_row_double,
    half,
    row_double!(),
    row_store!(half)
);

row!(
    /// Sums of activations of 16 bits.
    wide_row_sums,
    half,
    row_biases!(),
    "vstrw.32 q0, [r7], #16\nvstrw.32 q1, [r7], #16"
);

const _: () = assert!(
    offset_of!(Tiles, part) == 12
        && offset_of!(Tiles, records_end) == 16
        && offset_of!(Tiles, records) == 28
        && offset_of!(Tiles, step) == 36
        && offset_of!(Tiles, zero) == 48
        && offset_of!(Tiles, count) == 60
        && offset_of!(Tiles, max) == 68
);

/// Computes all channels of pairs of pixels, or of one pixel: then both are the same.
///
/// # Safety
/// Taps, constants and results are those of pixels of an accepted convolution.
pub(super) unsafe fn tiles(t: &mut Tiles) {
    // SAFETY: the caller's promise.
    unsafe { if t.taps == t.other { single(t, row, pairs, 1) } else { pairs(t) } };
}

/// The same of activations of 16 bits.
///
/// # Safety
/// As for [`tiles`].
pub(super) unsafe fn wide_tiles(t: &mut Tiles) {
    // SAFETY: the caller's promise.
    unsafe {
        if t.taps == t.other {
            single(t, wide_row, wide_pairs, size_of::<i16>());
        } else {
            wide_pairs(t);
        }
    };
}

/// A function of tiles.
type Compute = unsafe fn(&Tiles);

/// Whole blocks of one pixel, in twos.
///
/// # Safety
/// As for [`tiles`]; there are two at least.
unsafe fn row(t: &Tiles) {
    // SAFETY: the caller's promise.
    unsafe {
        match t.finish {
            Finish::Upper => row_upper(t),
            Finish::Shift => row_shift(t),
            Finish::Double => row_double(t),
            Finish::Sums => row_sums(t),
        }
    }
}

/// Pairs of pixels.
///
/// # Safety
/// As for [`tiles`].
unsafe fn pairs(t: &Tiles) {
    let short = t.count <= VECTOR && t.rest == 0;
    // SAFETY: the caller's promise.
    unsafe {
        match t.finish {
            Finish::Upper if short => pairs_short(t),
            Finish::Upper => pairs_upper(t),
            Finish::Shift => pairs_shift(t),
            Finish::Double => pairs_double(t),
            Finish::Sums => pairs_sums(t),
        }
    }
}

/// As [`row`], of activations of 16 bits.
///
/// # Safety
/// As for [`row`].
unsafe fn wide_row(t: &Tiles) {
    // SAFETY: the caller's promise.
    unsafe {
        match t.finish {
            Finish::Upper | Finish::Shift => wide_row_shift(t),
            Finish::Double => wide_row_double(t),
            Finish::Sums => wide_row_sums(t),
        }
    }
}

/// As [`pairs`], of activations of 16 bits.
///
/// # Safety
/// As for [`tiles`].
unsafe fn wide_pairs(t: &Tiles) {
    // SAFETY: the caller's promise.
    unsafe {
        match t.finish {
            Finish::Upper | Finish::Shift => wide_pairs_shift(t),
            Finish::Double => wide_pairs_double(t),
            Finish::Sums => wide_pairs_sums(t),
        }
    }
}

/// Computes one pixel: whole blocks in twos, and the rest as a pair of that pixel twice. Results have so many bytes.
///
/// # Safety
/// As for [`tiles`]; the functions are those for its taps and results.
#[inline(never)]
unsafe fn single(t: &mut Tiles, row: Compute, pairs: Compute, result: usize) {
    // SAFETY: blocks are as many as there are records.
    let blocks = unsafe { t.records_end.offset_from(t.records) } as usize / (2 * BLOCK);
    let twos = blocks & !1;
    let done = twos * BLOCK;
    let (records, end) = (t.records, t.records_end);
    t.records_end = records.wrapping_add(2 * done);
    if twos > 0 {
        // SAFETY: the caller's promise.
        unsafe { row(t) };
    }
    if twos != blocks || t.rest != 0 {
        let (weights, output, shifts) = (t.weights, t.output, t.shifts);
        let bytes = if t.finish == Finish::Sums { size_of::<i32>() } else { result };
        (t.records, t.records_end) = (t.records_end, end);
        t.weights = weights.wrapping_add(done * t.count as usize);
        t.output = output.wrapping_add(done * bytes);
        t.shifts = shifts.wrapping_add(twos * t.shifts_step);
        // SAFETY: what is left of the pixel.
        unsafe { pairs(t) };
        (t.records, t.weights, t.output, t.shifts) = (records, weights, output, shifts);
    }
    t.records_end = end;
}
