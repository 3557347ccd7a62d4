//! Microkernels for RV32IM.
//!
//! A load, a multiplication and an addition are all there is, so bytes are multiplied where they lie:
//! what is widened elsewhere, a load extends here. The compiler moves multiplications ahead of
//! additions and then spills; written out, sixteen sums and what they need fit into the registers.
//! Functions without a body of Rust do not inherit the target's extensions, so each asks for
//! multiplication.

use microhlo_format::kernels::Requant;

/// Assembly that makes a frame of so many bytes and saves the registers that are the caller's in the
/// first 52 of them.
macro_rules! enter {
    ($frame:literal) => {
        concat!(
            "addi sp, sp, -",
            $frame,
            "
            sw s0, 0(sp)
            sw s1, 4(sp)
            sw s2, 8(sp)
            sw s3, 12(sp)
            sw s4, 16(sp)
            sw s5, 20(sp)
            sw s6, 24(sp)
            sw s7, 28(sp)
            sw s8, 32(sp)
            sw s9, 36(sp)
            sw s10, 40(sp)
            sw s11, 44(sp)
            sw ra, 48(sp)
            "
        )
    };
}

/// Assembly that returns from such a frame.
macro_rules! leave {
    ($frame:literal) => {
        concat!(
            "
            lw s0, 0(sp)
            lw s1, 4(sp)
            lw s2, 8(sp)
            lw s3, 12(sp)
            lw s4, 16(sp)
            lw s5, 20(sp)
            lw s6, 24(sp)
            lw s7, 28(sp)
            lw s8, 32(sp)
            lw s9, 36(sp)
            lw s10, 40(sp)
            lw s11, 44(sp)
            lw ra, 48(sp)
            addi sp, sp, ",
            $frame,
            "
            ret
            "
        )
    };
}

/// Assembly that every kernel begins with: macros for results. The upper word of a product is taken
/// by `$upper`.
macro_rules! begin_with {
    ($upper:literal) => {
        concat!(
            "
        .option push
        .option arch, +m

        // A sum becomes a result.
        .macro i8_round acc, multiplier, offset, shift, min, max
        ",
            $upper,
            "
        add \\acc, \\acc, \\offset
        sra \\acc, \\acc, \\shift
        bge \\acc, \\min, 900f
        mv \\acc, \\min
        900:
        ble \\acc, \\max, 901f
        mv \\acc, \\max
        901:
        .endm

        // The shift of a channel, and the offset for it; what is at `shifts` is skipped if null.
        .macro i8_own_shift at, shifts, offset, shift, base
        beqz \\shifts, 902f
        lbu \\shift, \\at(\\shifts)
        addi \\shift, \\shift, -33
        sll \\offset, \\base, \\shift
        addi \\shift, \\shift, 1
        902:
        .endm
        "
        )
    };
}

/// Assembly that begins kernels which round to nearest, halves up.
macro_rules! begin {
    () => {
        begin_with!("mulh \\acc, \\acc, \\multiplier")
    };
}

/// Assembly that begins kernels which round twice (`Rounding::Double`): the product is moved away from
/// zero by 2^30 before. Results overwrite t0.
macro_rules! begin_double {
    () => {
        begin_with!(
            "
        mul t0, \\acc, \\multiplier
        bltz \\acc, 920f
        mulh \\acc, \\acc, \\multiplier
        srai t0, t0, 30
        addi t0, t0, 1
        seqz t0, t0
        add \\acc, \\acc, t0
        j 921f
        920:
        mulh \\acc, \\acc, \\multiplier
        srli t0, t0, 30
        seqz t0, t0
        sub \\acc, \\acc, t0
        921:
        "
        )
    };
}

/// Assembly that every kernel ends with.
macro_rules! end {
    () => {
        "
        .purgem i8_round
        .purgem i8_own_shift
        .option pop
        "
    };
}

mod conv;
mod depthwise;
mod quads;
mod rows;
mod sum;
mod sweep;
mod tile;
mod width;

pub(in crate::kernels) use conv::{pixels, wide_pixels};
pub(super) use depthwise::image;
pub(in crate::kernels) use depthwise::wide_square;
pub(in crate::kernels) use sum::sum_fours;

/// How sums become results: the upper word of the product with the channel's multiplier, plus
/// `offset`, is shifted and limited.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Finish {
    offset: i32,
    /// What the shift exceeds 32 by.
    shift: u32,
    min: i32,
    max: i32,
    /// The offset of shift 33, for channels with their own shifts.
    base: i32,
}

impl Finish {
    fn new(requant: &Requant) -> Finish {
        let shift = u32::from(requant.shift);
        Finish {
            offset: requant.offset(shift),
            shift: shift & 31,
            min: requant.min.into(),
            max: requant.max.into(),
            base: requant.offset(33),
        }
    }
}
