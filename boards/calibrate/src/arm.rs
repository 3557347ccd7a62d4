//! Loops of known length for Arm, in instructions that Armv6-M has too.

use core::arch::naked_asm;

/// `ldr`.
pub const LOOP_1000003_SETUP: u64 = 1;
/// `ldr`.
pub const LOOP_WRAP_SETUP: u64 = 1;

/// Returns at once.
#[unsafe(naked)]
pub extern "C" fn nothing() {
    naked_asm!("bx lr")
}

/// 1000 rounds of two instructions.
#[unsafe(naked)]
pub extern "C" fn loop_1000() {
    naked_asm!("ldr r0, =1000", "1: subs r0, r0, #1", "bne 1b", "bx lr", ".ltorg")
}

/// 1 000 003 rounds of two instructions.
#[unsafe(naked)]
pub extern "C" fn loop_1000003() {
    naked_asm!("ldr r0, =1000003", "1: subs r0, r0, #1", "bne 1b", "bx lr", ".ltorg")
}

/// 2 150 000 000 rounds of two instructions, which wraps a 32-bit timer.
#[unsafe(naked)]
pub extern "C" fn loop_wrap() {
    naked_asm!("ldr r0, =2150000000", "1: subs r0, r0, #1", "bne 1b", "bx lr", ".ltorg")
}
