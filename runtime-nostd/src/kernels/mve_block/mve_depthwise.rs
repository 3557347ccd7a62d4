//! Depthwise microkernels in assembly for M-profile Vector Extension.
//!
//! VST4 interleaves the taps of 16 channels into words, VLDRW gathers four words of one channel, and
//! VMLADAV adds their 16 products. The sums of four outputs become results together.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::Finish;
use super::depthwise::{CHANNELS, Expansion, Line, POSITION, Sources};

/// Interleaves four taps of channels at each position.
///
/// # Safety
/// Sources are readable; `to` has room for the words of 16 channels at each position.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn arrange(to: *mut u8, sources: &Sources) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r4-r9, r10, lr}}
        add r9, r1, #16
        ldrd lr, r10, [r1, #32]
        ldm r1, {{r1-r4}}
        ldm r9, {{r5-r8}}
        vctp.8 r10
        dls lr, lr
        2:
        vpstttt
        vldrbt.u8 q0, [r1]
        vldrbt.u8 q1, [r2]
        vldrbt.u8 q2, [r3]
        vldrbt.u8 q3, [r4]
        add r1, r5
        add r2, r6
        add r3, r7
        add r4, r8
        vst40.8 {{q0, q1, q2, q3}}, [r0]
        vst41.8 {{q0, q1, q2, q3}}, [r0]
        vst42.8 {{q0, q1, q2, q3}}, [r0]
        vst43.8 {{q0, q1, q2, q3}}, [r0]!
        le lr, 2b
        pop {{r4-r9, r10, pc}}"
    )
}

/// Lays out the weights of channels, `taps` each: those that tables say.
///
/// # Safety
/// Weights and tables are readable, `to` has room for the vectors of each channel.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn expand(
    to: *mut i8,
    weights: *const i8,
    taps: usize,
    channels: usize,
    tables: &Expansion,
) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r4-r7, r8, lr}}
        ldr r7, [sp, #24]
        2:
        ldm r7, {{r4-r6}}
        dls lr, r6
        3:
        vldrb.u8 q0, [r4], #16
        vldrb.u8 q1, [r1, q0]
        vldrb.u8 q2, [r5], #16
        vand q1, q1, q2
        vstrb.8 q1, [r0], #16
        le lr, 3b
        add r1, r2
        subs r3, #1
        bne 2b
        pop {{r4-r7, r8, pc}}"
    )
}

const _: () = assert!(
    offset_of!(Sources, steps) == 16
        && offset_of!(Sources, count) == 32
        && offset_of!(Sources, channels) == 36
        && offset_of!(Line, offsets) == 16
        && offset_of!(Line, vectors) == 20
        && offset_of!(Line, count) == 24
        && offset_of!(Line, step) == 28
        && offset_of!(Line, stride) == 32
        && offset_of!(Line, channels) == 36
        && offset_of!(Line, zero) == 40
        && offset_of!(Line, shifts) == 44
        && offset_of!(Line, finish) == 52
        && offset_of!(Line, min) == 56
        && CHANNELS == 16
        && POSITION == 64
);

/// Four outputs of one vector each, whose first positions lie `$stride` bytes apart.
macro_rules! four {
    ($stride:literal) => {
        concat!(
            "vldrw.u32 q0, [q6, #",
            $stride,
            "]!\nvmladav.s8 r0, q0, q7\n",
            "vldrw.u32 q0, [q6, #",
            $stride,
            "]!\nvmladav.s8 r2, q0, q7\n",
            "vldrw.u32 q0, [q6, #",
            $stride,
            "]!\nvmladav.s8 r4, q0, q7\n",
            "vldrw.u32 q0, [q6, #",
            $stride,
            "]!\nvmladav.s8 r6, q0, q7\n",
            "vmov q0[2], q0[0], r0, r4\nvmov q0[3], q0[1], r2, r6\n",
            "vadd.i32 q0, q0, r8\nvmulh.s32 q0, q0, q5\nvrhadd.s32 q0, q0, q4\n",
            "vmax.s32 q0, q0, q2\nvmin.s32 q0, q0, q1\n",
        )
    };
}

/// A function of lines of one vector for each output, with the common shift of 33.
macro_rules! line_upper {
    ($name:ident, $stride:literal) => {
        /// Lines of one vector for each output, with the shift of 33.
        ///
        /// # Safety
        /// As for [`line`].
        #[unsafe(naked)]
        unsafe extern "C" fn $name(line: &Line) {
            naked_asm!(
                ".cpu cortex-m55
                push {{r4-r11, lr}}
                sub sp, #4
                vpush {{d8-d15}}
                sub sp, #32",
                // The positions' addresses go on before they are read.
                "ldr r1, [r0, #16]
                vldrw.u32 q6, [r1]",
                concat!("movs r1, #", $stride, "\n"),
                "vsub.i32 q6, q6, r1
                vstrw.32 q6, [sp]",
                // Outputs, and those behind the last four.
                "ldr r1, [r0, #24]
                lsrs r10, r1, #2
                and r1, r1, #3
                str r1, [sp, #16]
                ldr r9, [r0, #28]
                movs r2, #0
                vidup.u32 q3, r2, #1
                vmul.i32 q3, q3, r9
                lsls r9, r9, #2
                ldr r1, [r0, #40]
                add r1, r1
                vdup.32 q4, r1
                ldrd r1, r2, [r0, #56]
                vdup.32 q2, r1
                vdup.32 q1, r2
                ldr r11, [r0, #36]
                ldr r5, [r0]
                ldr r1, [r0, #4]
                ldr r3, [r0, #8]
                ldr r7, [r0, #12]",
                // A channel.
                "20:
                vldrb.u8 q7, [r1], #16
                ldrd r8, r0, [r3], #8
                vdup.32 q5, r0
                vldrw.u32 q6, [sp]
                vadd.i32 q6, q6, r5
                mov r12, r7
                wls lr, r10, 22f
                21:",
                four!($stride),
                "vstrb.32 q0, [r12, q3]
                add r12, r9
                le lr, 21b
                22:
                ldr lr, [sp, #16]
                cmp lr, #0
                beq 23f",
                four!($stride),
                "vctp.32 lr
                vpst
                vstrbt.32 q0, [r12, q3]
                23:
                adds r5, #4
                adds r7, #1
                subs r11, #1
                bne 20b
                add sp, #32
                vpop {{d8-d15}}
                add sp, #4
                pop {{r4-r11, pc}}",
            )
        }
    };
}

line_upper!(line_upper_1, "64");
line_upper!(line_upper_2, "128");

/// Gathers a vector of words at `$base` and multiplies.
macro_rules! multiply {
    ($base:literal, $sum:literal) => {
        concat!("vldrw.u32 q0, [", $base, ", q6]\nvmladava.s8 ", $sum, ", q0, q7\n")
    };
}

/// Any line.
///
/// # Safety
/// As for [`line`].
#[unsafe(naked)]
unsafe extern "C" fn line_any(line: &Line) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r4-r11, lr}}
        sub sp, #4
        vpush {{d8-d15}}
        sub sp, #80",
        // The stack holds what goes on with each channel, and at the end the line itself.
        "str r0, [sp, #72]
        ldr r9, [r0, #28]
        movs r2, #0
        vidup.u32 q3, r2, #1
        vmul.i32 q3, q3, r9
        lsls r9, r9, #2
        str r9, [sp, #48]
        ldrd r1, r2, [r0, #56]
        vdup.32 q2, r1
        vdup.32 q1, r2
        ldm r0, {{r1-r4}}
        strd r1, r2, [sp]
        strd r3, r4, [sp, #8]
        ldrd r1, r2, [r0, #32]
        str r1, [sp, #16]
        str r2, [sp, #20]
        ldrd r1, r2, [r0, #44]
        strd r1, r2, [sp, #24]
        ldrd r1, r2, [r0, #16]
        strd r1, r2, [sp, #32]
        ldr r1, [r0, #40]
        str r1, [sp, #40]
        ldrb r1, [r0, #52]
        str r1, [sp, #44]",
        // A channel: its record, shift, and first results.
        "20:
        ldr r1, [sp, #8]
        ldrd r8, r0, [r1], #8
        str r1, [sp, #8]
        vdup.32 q5, r0
        ldr r1, [sp, #24]
        ldrb r0, [r1]
        ldr r2, [sp, #28]
        add r1, r2
        str r1, [sp, #24]
        rsb r0, r0, #32
        str r0, [sp, #52]
        ldr r12, [sp, #12]
        ldr r0, [sp, #72]
        ldr r10, [r0, #24]
        ldr r1, [sp]",
        // Four outputs.
        "21:
        ldr r0, [sp, #16]
        add r3, r1, r0
        add r5, r3, r0
        add r7, r5, r0
        ldrd r9, lr, [sp, #32]
        ldr r11, [sp, #4]
        movs r0, #0
        movs r2, #0
        movs r4, #0
        movs r6, #0
        dls lr, lr
        22:
        vldrw.u32 q6, [r9], #16
        vldrb.u8 q7, [r11], #16",
        multiply!("r1", "r0"),
        multiply!("r3", "r2"),
        multiply!("r5", "r4"),
        multiply!("r7", "r6"),
        "le lr, 22b
        vmov q0[2], q0[0], r0, r4
        vmov q0[3], q0[1], r2, r6
        ldr r0, [sp, #16]
        add r1, r7, r0
        vadd.i32 q0, q0, r8
        vctp.32 r10
        ldr r0, [sp, #44]
        cmp r0, #3
        beq 25f
        ldr r2, [sp, #52]
        cmp r0, #2
        beq 23f
        vmulh.s32 q0, q0, q5
        b 24f
        23:
        adds r2, r2, #-1
        vqrdmulh.s32 q0, q0, q5
        vshr.s32 q6, q0, #31
        vadd.i32 q0, q0, q6
        24:
        vrshl.s32 q0, r2
        ldr r0, [sp, #40]
        vadd.i32 q0, q0, r0
        vmax.s32 q0, q0, q2
        vmin.s32 q0, q0, q1
        vpst
        vstrbt.32 q0, [r12, q3]
        b 26f
        25:
        vpst
        vstrwt.32 q0, [r12, q3]
        26:
        ldr r0, [sp, #48]
        add r12, r0
        subs r10, #4
        bgt 21b",
        // The next channel.
        "ldr r0, [sp, #44]
        cmp r0, #3
        ite eq
        moveq r0, #4
        movne r0, #1
        ldr r1, [sp, #12]
        add r1, r0
        str r1, [sp, #12]
        ldr r1, [sp]
        adds r1, #4
        str r1, [sp]
        ldr r1, [sp, #4]
        ldr r0, [sp, #36]
        add r1, r1, r0, lsl #4
        str r1, [sp, #4]
        ldr r0, [sp, #20]
        subs r0, #1
        str r0, [sp, #20]
        bne 20b
        add sp, #80
        vpop {{d8-d15}}
        add sp, #4
        pop {{r4-r11, pc}}",
    )
}

const _: () = assert!(Finish::Double as u8 == 2 && Finish::Sums as u8 == 3);

/// Computes a line of outputs.
///
/// # Safety
/// Words, constants and results are those of a line of an accepted convolution.
pub(super) unsafe fn line(l: &Line) {
    let quick = l.vectors == 1 && l.finish == Finish::Upper;
    // SAFETY: the caller's promise.
    unsafe {
        match l.stride {
            64 if quick => line_upper_1(l),
            128 if quick => line_upper_2(l),
            _ => line_any(l),
        }
    }
}
