//! Loops of known length for Armv7-M.

use core::arch::naked_asm;

/// `movw` and `movt`.
pub const LOOP_1000003_SETUP: u64 = 2;
/// `movw` and `movt`.
pub const LOOP_3E9_SETUP: u64 = 2;

/// 1000 rounds of two instructions.
#[unsafe(naked)]
pub extern "C" fn loop_1000() {
    naked_asm!("movw r0, #1000", "1: subs r0, r0, #1", "bne 1b", "bx lr")
}

/// 1 000 003 rounds of two instructions.
#[unsafe(naked)]
pub extern "C" fn loop_1000003() {
    naked_asm!(
        "movw r0, #(1000003 & 0xFFFF)",
        "movt r0, #(1000003 >> 16)",
        "1: subs r0, r0, #1",
        "bne 1b",
        "bx lr"
    )
}

/// 1 500 000 000 rounds of two instructions, which wraps a 32-bit timer.
#[unsafe(naked)]
pub extern "C" fn loop_3e9() {
    naked_asm!(
        "movw r0, #(1500000000 & 0xFFFF)",
        "movt r0, #(1500000000 >> 16)",
        "1: subs r0, r0, #1",
        "bne 1b",
        "bx lr"
    )
}
