//! Copies in assembly for M-profile Vector Extension, whose loops take no branch and whose last vector
//! is cut to what is left.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::gather::Blocks;

/// A function that fills `count` values of so many bits; `$store` stores a vector of them.
macro_rules! fill {
    ($(#[$doc:meta])* $name:ident, $ty:ty, $bits:literal, $store:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// They are writable.
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(to: *mut $ty, value: i8, count: usize) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r3, lr}}",
                concat!("vdup.", $bits, " q0, r1"),
                concat!("wlstp.", $bits, " lr, r2, 3f"),
                "2:",
                concat!($store, ".", $bits, " q0, [r0], #16"),
                "letp lr, 2b",
                "3:",
                "pop {{r3, pc}}",
            )
        }
    };
}

fill!(
    /// Fills `count` bytes.
    fill, i8, "8", "vstrb"
);
fill!(
    /// Fills `count` values of 16 bits.
    fill_wide, i16, "16", "vstrh"
);

const _: () = assert!(
    offset_of!(Blocks, count) == 8
        && offset_of!(Blocks, rows) == 12
        && offset_of!(Blocks, step) == 16
        && offset_of!(Blocks, next) == 24
        && offset_of!(Blocks, pixels) == 32
);

/// Copies rows of bytes of some pixels.
///
/// # Safety
/// All of them are readable and writable, and do not overlap.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn copy(blocks: &Blocks) {
    naked_asm!(
        ".cpu cortex-m55
        push {{r3-r11, lr}}
        mov r12, r0
        ldm r12!, {{r0-r7}}
        ldr r12, [r12]
        cmp r2, #16
        bhi 4f
        vctp.8 r2
        2:
        mov r8, r0
        mov r9, r1
        dls lr, r3
        3:
        vpstt
        vldrbt.u8 q0, [r9]
        vstrbt.8 q0, [r8]
        add r9, r4
        add r8, r5
        le lr, 3b
        add r1, r6
        add r0, r7
        subs r12, #1
        bne 2b
        pop {{r3-r11, pc}}
        4:
        add r10, r2, #15
        bic r10, r10, #15
        sub r4, r10
        sub r5, r10
        5:
        mov r8, r0
        mov r9, r1
        mov r10, r3
        6:
        dlstp.8 lr, r2
        7:
        vldrb.u8 q0, [r9], #16
        vstrb.8 q0, [r8], #16
        letp lr, 7b
        add r9, r4
        add r8, r5
        subs r10, #1
        bne 6b
        add r1, r6
        add r0, r7
        subs r12, #1
        bne 5b
        pop {{r3-r11, pc}}"
    )
}
