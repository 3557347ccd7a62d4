//! MPS3 AN547: counts instructions with the system counter of the SSE-300.
//!
//! At `-icount shift=6` QEMU advances time by 64 ns per instruction. The counter has 64 bits and
//! counts up at 32 MHz, 2.048 ticks per instruction.
//! Registers: Arm Corstone SSE-300 TRM (101773), "System counter".

use core::ptr::{read_volatile, write_volatile};

/// Control frame, in its Secure alias.
const CNTCR: *mut u32 = 0x5810_0000 as *mut u32;
const CNTCR_ENABLE: u32 = 1;
/// Status frame.
const CNTCV_LOW: *const u32 = 0x5810_1000 as *const u32;
const CNTCV_HIGH: *const u32 = 0x5810_1004 as *const u32;

/// Starts the counter.
pub fn init() {
    // SAFETY: this register controls the counter, which nothing else uses.
    unsafe { write_volatile(CNTCR, CNTCR_ENABLE) };
}

/// Instructions executed since [`init`].
///
/// The counter rounds the elapsed time down to whole ticks, so that its time, rounded up to whole
/// instructions, is exact: an instruction is 256/125 ticks.
#[inline(never)]
pub fn instructions() -> u64 {
    loop {
        // SAFETY: reading these registers has no side effect.
        let (high, low, again) = unsafe {
            (read_volatile(CNTCV_HIGH), read_volatile(CNTCV_LOW), read_volatile(CNTCV_HIGH))
        };
        // A carry between the reads would pair halves of different counts.
        if high == again {
            let ticks = (u64::from(high) << 32) | u64::from(low);
            return (ticks * 125 + 255) >> 8;
        }
    }
}
