//! LM3S6965EVB: counts instructions with the watchdog, at 16.7 MHz, and the real-time clock.
//!
//! At `-icount shift=6` QEMU advances time by 64 ns per instruction. The watchdog counts down every 60 ns
//! and wraps after 4.0e9 instructions; a general-purpose timer as real-time clock counts seconds and
//! tells how often it has wrapped. QEMU's general-purpose timers cannot be read otherwise, and their clock starts
//! anew where it matches, which is at 0 in QEMU unless that is set.
//! Registers: Texas Instruments, LM3S6965 data sheet, "System Control", "Watchdog Timer" and "General-Purpose
//! Timers".

use core::ptr::{read_volatile, write_volatile};

/// Run-mode clock configuration: the PLL's 200 MHz, divided by 12.
const RCC: *mut u32 = 0x400F_E060 as *mut u32;
const RCC_SYSDIV: u32 = 0xF << 23;
const RCC_SYSDIV_12: u32 = 11 << 23 | 1 << 22;

const WATCHDOG_LOAD: *mut u32 = 0x4000_0000 as *mut u32;
const WATCHDOG_VALUE: *const u32 = 0x4000_0004 as *const u32;
const WATCHDOG_CONTROL: *mut u32 = 0x4000_0008 as *mut u32;
/// It counts; no reset is asked for.
const CONTROL_ENABLE: u32 = 1;

const TIMER_CONFIG: *mut u32 = 0x4003_0000 as *mut u32;
const CONFIG_REAL_TIME_CLOCK: u32 = 1;
const TIMER_CONTROL: *mut u32 = 0x4003_000C as *mut u32;
const CONTROL_TIMER_A: u32 = 1;
const TIMER_MATCH: *mut u32 = 0x4003_0030 as *mut u32;
const TIMER_COUNT: *const u32 = 0x4003_0048 as *const u32;

const TICK_NS: u64 = 60;
const NS_PER_INSTRUCTION: u64 = 64;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// Sets the clock, and starts both counters.
pub fn init() {
    // SAFETY: these are the registers of the clock and of timers that nothing else uses.
    unsafe {
        write_volatile(RCC, read_volatile(RCC) & !RCC_SYSDIV | RCC_SYSDIV_12);
        write_volatile(TIMER_CONFIG, CONFIG_REAL_TIME_CLOCK);
        write_volatile(TIMER_MATCH, u32::MAX);
        write_volatile(TIMER_CONTROL, CONTROL_TIMER_A);
        write_volatile(WATCHDOG_LOAD, u32::MAX);
        write_volatile(WATCHDOG_CONTROL, CONTROL_ENABLE);
    }
}

/// Instructions executed since [`init`].
///
/// The watchdog rounds the elapsed time up to whole ticks, so that its time, rounded down to whole
/// instructions, is exact.
#[inline(never)]
pub fn instructions() -> u64 {
    // SAFETY: reading these registers has no side effect.
    let (value, seconds) = unsafe { (read_volatile(WATCHDOG_VALUE), read_volatile(TIMER_COUNT)) };
    let fine = u64::from(u32::MAX - value);
    let coarse = u64::from(seconds) * (NS_PER_SECOND / TICK_NS);
    // The coarse count lags by little more than a second, far less than half a wrap of the watchdog.
    let wraps = coarse.wrapping_sub(fine).wrapping_add(1 << 31) >> 32;
    ((wraps << 32) + fine) * TICK_NS / NS_PER_INSTRUCTION
}
