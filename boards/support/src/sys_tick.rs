//! Counting cycles with the core's system timer, where there is no cycle counter.
//!
//! It counts 24 bits down; a slower timer that the board names tells how often it has wrapped.
//! Registers: Armv6-M Architecture Reference Manual, B3.3.

use core::ptr::{read_volatile, write_volatile};

const CSR: *mut u32 = 0xE000_E010 as *mut u32;
/// From the core's clock, without an interrupt.
const CSR_ENABLE: u32 = 0b101;
const RVR: *mut u32 = 0xE000_E014 as *mut u32;
const CVR: *mut u32 = 0xE000_E018 as *mut u32;

const BITS: u32 = 24;

/// Starts the timer.
pub fn init() {
    // SAFETY: these are the registers of a timer that nothing else uses.
    unsafe {
        write_volatile(RVR, (1 << BITS) - 1);
        write_volatile(CVR, 0);
        write_volatile(CSR, CSR_ENABLE);
    }
}

/// Cycles since some start, given a slower clock's time in cycles, which may differ by a fixed amount and by
/// less than half of 2^24 cycles.
pub fn cycles(slow: u64) -> u64 {
    // SAFETY: reading the register has no side effect that anything depends on.
    let left = unsafe { read_volatile(CVR) };
    let fine = u64::from((1 << BITS) - 1 - left);
    let wraps = slow.wrapping_sub(fine).wrapping_add(1 << (BITS - 1)) >> BITS;
    (wraps << BITS) + fine
}
