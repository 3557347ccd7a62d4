//! Loops of known length for RV32.

use core::arch::naked_asm;

/// `lui` and `addi`.
pub const LOOP_1000003_SETUP: u64 = 2;
/// `lui` and `addi`.
pub const LOOP_WRAP_SETUP: u64 = 2;

/// Returns at once.
#[unsafe(naked)]
pub extern "C" fn nothing() {
    naked_asm!("ret")
}

/// 1000 rounds of two instructions.
#[unsafe(naked)]
pub extern "C" fn loop_1000() {
    naked_asm!("addi a0, zero, 1000", "1: addi a0, a0, -1", "bnez a0, 1b", "ret")
}

/// 1 000 003 rounds of two instructions.
#[unsafe(naked)]
pub extern "C" fn loop_1000003() {
    naked_asm!(
        "lui a0, %hi(1000003)",
        "addi a0, a0, %lo(1000003)",
        "1: addi a0, a0, -1",
        "bnez a0, 1b",
        "ret"
    )
}

/// 2 150 000 000 rounds of two instructions.
#[unsafe(naked)]
pub extern "C" fn loop_wrap() {
    naked_asm!(
        "lui a0, %hi(2150000000)",
        "addi a0, a0, %lo(2150000000)",
        "1: addi a0, a0, -1",
        "bnez a0, 1b",
        "ret"
    )
}
