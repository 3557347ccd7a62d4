//! Counting cycles with the debug watchpoint and trace unit.
//!
//! Registers: Armv7-M Architecture Reference Manual, C1.8; those of Armv8-M are the same. The counter has 32
//! bits, so that two readings must be less than 2^32 cycles apart: 8.9 s at 480 MHz. Every step of a model is
//! read before and after.

use core::ptr::{read_volatile, write_volatile};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

const DEMCR: *mut u32 = 0xE000_EDFC as *mut u32;
const DEMCR_TRCENA: u32 = 1 << 24;
const CTRL: *mut u32 = 0xE000_1000 as *mut u32;
const CTRL_CYCCNTENA: u32 = 1;
const CYCCNT: *mut u32 = 0xE000_1004 as *mut u32;
/// Unlocks the unit on cores that lock it, such as Cortex-M7.
const LAR: *mut u32 = 0xE000_1FB0 as *mut u32;
const LAR_KEY: u32 = 0xC5AC_CE55;

/// The latest count and how often it has wrapped.
static LAST: AtomicU32 = AtomicU32::new(0);
static WRAPS: AtomicU32 = AtomicU32::new(0);

/// Starts the counter.
pub fn init() {
    // SAFETY: these are the registers of a unit that nothing else uses; tracing only observes.
    unsafe {
        write_volatile(DEMCR, read_volatile(DEMCR) | DEMCR_TRCENA);
        write_volatile(LAR, LAR_KEY);
        write_volatile(CYCCNT, 0);
        write_volatile(CTRL, read_volatile(CTRL) | CTRL_CYCCNTENA);
    }
}

/// Cycles since [`init`].
#[inline(never)]
pub fn cycles() -> u64 {
    // SAFETY: reading the register has no side effect.
    let count = unsafe { read_volatile(CYCCNT) };
    // One core and no interrupt: loads and stores suffice.
    let wraps = WRAPS.load(Relaxed) + u32::from(count < LAST.load(Relaxed));
    WRAPS.store(wraps, Relaxed);
    LAST.store(count, Relaxed);
    u64::from(wraps) << 32 | u64::from(count)
}
