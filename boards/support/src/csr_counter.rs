//! Counting with a counter of the RISC-V privileged architecture, "Hardware Performance Monitor":
//! `minstret` for instructions or `mcycle` for cycles.
//!
//! The counter is 64 bits wide in two registers. At `-icount shift=0` QEMU's `minstret` is the number of
//! instructions executed.

use core::arch::asm;

macro_rules! read {
    ($low:literal, $high:literal) => {{
        let (high, low, again): (u32, u32, u32);
        // SAFETY: reading a counter has no side effect.
        unsafe {
            asm!(
                concat!("csrr {high}, ", $high),
                concat!("csrr {low}, ", $low),
                concat!("csrr {again}, ", $high),
                high = out(reg) high,
                low = out(reg) low,
                again = out(reg) again,
                options(nomem, nostack),
            );
        }
        (high, low, again)
    }};
}

/// The counter of the emulated boards always runs; older cores have no register to stop it.
#[cfg(counter = "minstret")]
pub fn init() {}

/// Lets the counter run, as the core may start with it stopped.
#[cfg(counter = "mcycle")]
pub fn init() {
    // SAFETY: the register only says which counters stand still.
    unsafe { asm!("csrw mcountinhibit, zero", options(nomem, nostack)) };
}

/// What has been counted since the core started.
#[inline(never)]
pub fn instructions() -> u64 {
    loop {
        #[cfg(counter = "minstret")]
        let (high, low, again) = read!("minstret", "minstreth");
        #[cfg(counter = "mcycle")]
        let (high, low, again) = read!("mcycle", "mcycleh");
        // A carry between the reads would pair halves of different counts.
        if high == again {
            return (u64::from(high) << 32) | u64::from(low);
        }
    }
}
