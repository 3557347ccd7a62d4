//! Results of two roundings, of the sums of four pixels and pairs of channels.
//!
//! SMLAL adds the product of a sum and its multiplier to 2^30 with the sum's sign, in the lower word, and to
//! the zero point of the result in the upper one, which is all that matters then.

use core::arch::naked_asm;

use microhlo_format::kernels::Requant;

use super::{LANES, Results};

/// What [`finish_4x2`] works on, which copies what follows the records to the stack.
#[repr(C)]
pub(super) struct Sums {
    /// Of each pair of channels, those of the first pixel, of the second one, and so on.
    sums: *const i32,
    /// The first channel's record.
    records: *const [i32; 2],
    /// The zero point doubled, plus one, shifted.
    offset: i32,
    /// What the shift exceeds 33 by.
    shift: u32,
    /// The first channel's result of each pixel.
    output: [*mut u8; LANES],
    /// Number of channels.
    channels: usize,
    /// The first channel's own shift, or null.
    shifts: *const u8,
}

/// A result in place of its sum.
macro_rules! result {
    ($acc:literal) => {
        concat!(
            "asr r10, ",
            $acc,
            ", #31\nsub r11, r9, r10, lsl #31\nadd r10, r8\nsmlal r11, r10, ",
            $acc,
            ", r2\nasr ",
            $acc,
            ", r10, r12\nssat ",
            $acc,
            ", #8, ",
            $acc,
            ", asr #1\n"
        )
    };
}

/// Stores a channel's result of a pixel, whose place is on the stack.
macro_rules! store {
    ($acc:literal, $place:literal) => {
        concat!("ldr lr, [sp, #", $place, "]\nstrb ", $acc, ", [lr, r1]\n")
    };
}

/// Stores the results of pairs of channels, at least one, saturated only. From sp: offset (0), shift (4),
/// outputs (8), channels (24), shifts (28); r1 is the channel.
///
/// # Safety
/// Sums, records and results are those of channels that are there.
#[unsafe(naked)]
unsafe extern "C" fn finish_4x2(sums: &Sums) {
    naked_asm!(
        dsp!(),
        "push {{r4-r11, lr}}
        mov r1, r0
        ldr r0, [r1], #4
        ldr r3, [r1], #4
        ldm r1, {{r4-r11}}
        push {{r4-r11}}
        mov r8, r4
        mov r12, r5
        mov r9, #0x40000000
        movs r1, #0
        2:
        ldr r2, [r3, #4]
        adds r3, #8
        ldr lr, [sp, #28]
        cmp lr, #0
        beq 3f
        ldrb r12, [lr, r1]
        sub r12, #33
        ldr r8, [sp]
        lsl r8, r8, r12
        3:
        ldr r4, [r0]
        ldr r5, [r0, #8]
        ldr r6, [r0, #16]
        ldr r7, [r0, #24]
        ",
        result!("r4"),
        result!("r5"),
        result!("r6"),
        result!("r7"),
        store!("r4", "8"),
        store!("r5", "12"),
        store!("r6", "16"),
        store!("r7", "20"),
        "adds r1, #1
        tst r1, #1
        ite eq
        addeq r0, #28
        addne r0, #4
        ldr lr, [sp, #24]
        cmp r1, lr
        bne.w 2b
        add sp, #32
        pop {{r4-r11, pc}}",
    )
}

impl Sums {
    /// Those of so many channels from `first` on of four pixels, whose sums and results begin there.
    pub fn new(
        results: &Results,
        requant: &Requant,
        (sums, channels): (*const i32, usize),
        first: usize,
        outputs: &[*mut u8; LANES],
    ) -> Sums {
        let results = results.skip(first);
        // Own shifts move the offset of the least one.
        let shift = if results.shifts.is_null() { u32::from(requant.shift) } else { 33 };
        Sums {
            sums,
            records: results.channels,
            offset: requant.offset(shift),
            shift: shift.wrapping_sub(33) & 31,
            output: outputs.map(|output| output.wrapping_add(first)),
            channels,
            shifts: results.shifts,
        }
    }

    /// Stores their results, saturated only, and goes on to as many channels behind them.
    ///
    /// # Safety
    /// The channels are those of accepted parameters, and the sums are theirs.
    pub unsafe fn finish(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { finish_4x2(self) };
        self.records = self.records.wrapping_add(self.channels);
        for output in &mut self.output {
            *output = output.wrapping_add(self.channels);
        }
        if !self.shifts.is_null() {
            self.shifts = self.shifts.wrapping_add(self.channels);
        }
    }
}
