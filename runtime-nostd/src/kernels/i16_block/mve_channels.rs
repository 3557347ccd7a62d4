//! Channels of a pixel for M-profile Vector Extension, eight at a time: VMULLB and VMULLT multiply those of even and
//! of odd number, whose biases and multipliers VLD4 takes apart.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::channels::Channels;

/// The taps of a line: how activations and weights are loaded.
macro_rules! line {
    ($load:literal) => {
        concat!(
            $load,
            "
            add r1, r3
            add r2, r4
            vmullb.s16 q2, q0, q1
            vmullt.s16 q3, q0, q1
            vadd.i32 q4, q4, q2
            vadd.i32 q6, q6, q3
            "
        )
    };
}

/// Computes all channels. The records of fewer than eight are copied to the stack, as VLD4 reads those of eight.
///
/// # Safety
/// Taps, constants and results of the channels exist.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn channels(job: &mut Channels) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r3-r11, lr}}
        vpush {{d8-d15}}
        sub sp, #64
        ldr r11, [r0, #{count}]
        ldr r10, [r0, #{records}]
        ldr r7, [r0, #{output}]
        1:
        cmp r11, #8
        bge 3f
        mov r1, r10
        mov r10, sp
        mov r2, sp
        lsl r3, r11, #1
        dlstp.32 lr, r3
        2:
        vldrw.u32 q0, [r1], #16
        vstrw.32 q0, [r2], #16
        letp lr, 2b
        3:
        vld40.32 {{q4, q5, q6, q7}}, [r10]
        vld41.32 {{q4, q5, q6, q7}}, [r10]
        vld42.32 {{q4, q5, q6, q7}}, [r10]
        vld43.32 {{q4, q5, q6, q7}}, [r10]!
        ldm r0, {{r1-r4}}
        ldrd r8, r9, [r0, #{skip}]
        ldrd r6, r5, [r0, #{line}]
        vctp.16 r11
        cmp r11, #8
        blt 6f
        4:
        dls lr, r6
        5:",
        line!("vldrh.u16 q0, [r1]\nvldrb.s16 q1, [r2]"),
        "le lr, 5b
        add r1, r8
        add r2, r9
        subs r5, #1
        bne 4b
        b 8f
        6:
        dls lr, r6
        7:",
        line!("vpstt\nvldrht.u16 q0, [r1]\nvldrbt.s16 q1, [r2]"),
        "le lr, 7b
        add r1, r8
        add r2, r9
        subs r5, #1
        bne 6b
        8:
        vmulh.s32 q4, q4, q5
        vmulh.s32 q6, q6, q7
        ldrd r5, r6, [r0, #{shifts}]
        cbnz r6, 9f
        ldrb r5, [r5]
        rsb r5, r5, #32
        vrshl.s32 q4, r5
        vrshl.s32 q6, r5
        b 10f
        9:
        vpst
        vldrbt.u16 q0, [r5]
        adds r5, #8
        str r5, [r0, #{shifts}]
        movs r5, #32
        vmovlb.u16 q1, q0
        vmovlt.u16 q2, q0
        vsub.i32 q1, q1, r5
        vsub.i32 q2, q2, r5
        vneg.s32 q1, q1
        vneg.s32 q2, q2
        vrshl.s32 q4, q4, q1
        vrshl.s32 q6, q6, q2
        10:
        ldr r5, [r0, #{offset}]
        asrs r5, r5, #1
        vadd.i32 q4, q4, r5
        vadd.i32 q6, q6, r5
        vqmovnb.s32 q0, q4
        vqmovnt.s32 q0, q6
        ldrd r5, r6, [r0, #{min}]
        vdup.16 q1, r5
        vdup.16 q2, r6
        vmax.s16 q0, q0, q1
        vmin.s16 q0, q0, q2
        vpst
        vstrht.16 q0, [r7]
        adds r7, #16
        ldrd r1, r2, [r0]
        adds r1, #16
        adds r2, #8
        strd r1, r2, [r0]
        subs r11, #8
        bgt 1b
        add sp, #64
        vpop {{d8-d15}}
        pop {{r3-r11, pc}}",
        count = const offset_of!(Channels, count),
        records = const offset_of!(Channels, records),
        output = const offset_of!(Channels, output),
        skip = const offset_of!(Channels, skip),
        line = const offset_of!(Channels, line),
        shifts = const offset_of!(Channels, shifts),
        offset = const offset_of!(Channels, offset),
        min = const offset_of!(Channels, min),
    )
}
