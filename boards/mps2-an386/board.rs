//! MPS2 AN386: counts instructions with CMSDK timer 0 and the 100 Hz counter.
//!
//! At `-icount shift=6` QEMU advances time by 64 ns per instruction. The timer
//! counts down at 25 MHz, 1.6 ticks per instruction, and wraps after 2.7e9
//! instructions; the 100 Hz counter tells how often it has wrapped.
//! Registers: Arm Cortex-M System Design Kit TRM (DDI0479), APB timer;
//! Application Note DAI0386, FPGA system control and I/O.

use core::ptr::{read_volatile, write_volatile};

const TIMER0_CTRL: *mut u32 = 0x4000_0000 as *mut u32;
const TIMER0_VALUE: *mut u32 = 0x4000_0004 as *mut u32;
const TIMER0_RELOAD: *mut u32 = 0x4000_0008 as *mut u32;
const FPGAIO_CLK100HZ: *mut u32 = 0x4002_8014 as *mut u32;
const TIMER_ENABLE: u32 = 1;

/// Timer ticks in one period of the 100 Hz counter.
const TICKS_PER_CLK100HZ: u64 = 250_000;

/// Starts the timer.
pub fn init() {
    // SAFETY: these are the registers of timer 0, which nothing else uses.
    unsafe {
        write_volatile(TIMER0_RELOAD, u32::MAX);
        write_volatile(TIMER0_VALUE, u32::MAX);
        write_volatile(TIMER0_CTRL, TIMER_ENABLE);
    }
}

/// Instructions executed since [`init`].
///
/// The timer rounds the elapsed time up to whole ticks, so that five eighths
/// of its count, rounded down, is the number of instructions.
#[inline(never)]
pub fn instructions() -> u64 {
    // SAFETY: reading these registers has no side effect.
    let (value, clk100hz) = unsafe { (read_volatile(TIMER0_VALUE), read_volatile(FPGAIO_CLK100HZ)) };
    let fine = u64::from(u32::MAX - value);
    let coarse = u64::from(clk100hz) * TICKS_PER_CLK100HZ;
    // The coarse count lags by less than one of its periods, far less than
    // half a wrap of the timer.
    let wraps = coarse.wrapping_sub(fine).wrapping_add(1 << 31) >> 32;
    ((wraps << 32) + fine) * 5 / 8
}
