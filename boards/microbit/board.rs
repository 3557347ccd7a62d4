//! micro:bit: counts instructions with timers 0 and 1 of the nRF51.
//!
//! At `-icount shift=6` QEMU advances time by 64 ns per instruction. Timer 0 counts up at 16 MHz,
//! 1.024 ticks per instruction, and wraps after 4.2e9 of them; timer 1 has 512 times longer ticks and
//! tells how often it has wrapped.
//! Registers: nRF51 Series Reference Manual, "Timer/counter".
//!
//! QEMU up to version 7.2 loses the begun tick whenever a timer is read. So each reading clears the
//! timers, and what was read is summed up here.

use core::arch::asm;
use core::ptr::{read_volatile, write_volatile};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

const TIMER0: usize = 0x4000_8000;
const TIMER1: usize = 0x4000_9000;
const TASKS_START: usize = 0x000;
const TASKS_CLEAR: usize = 0x00C;
const TASKS_CAPTURE: usize = 0x040;
const BITMODE: usize = 0x508;
const BITMODE_32: u32 = 3;
const PRESCALER: usize = 0x510;
const CAPTURED: usize = 0x540;

/// Binary logarithm of the length of timer 1's ticks in those of timer 0.
const COARSE: u32 = 9;

/// Instructions between the capture of a timer and its clearing.
const UNSEEN: u64 = 2;

/// The sum of earlier readings in instructions, low half first.
static BEFORE: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

/// Starts the timers.
pub fn init() {
    for (timer, prescaler) in [(TIMER0, 0), (TIMER1, COARSE)] {
        // SAFETY: these are the registers of timers that nothing else uses.
        unsafe {
            write_volatile((timer + BITMODE) as *mut u32, BITMODE_32);
            write_volatile((timer + PRESCALER) as *mut u32, prescaler);
            write_volatile((timer + TASKS_START) as *mut u32, 1);
        }
    }
    // What passes until then is arbitrary.
    instructions();
}

/// Instructions executed since the first reading.
#[inline(never)]
pub fn instructions() -> u64 {
    // SAFETY: as above; the four stores follow each other, so that `UNSEEN` is right.
    unsafe {
        asm!(
            "str {one}, [{timer0}, {capture}]",
            "str {one}, [{timer1}, {capture}]",
            "str {one}, [{timer0}, {clear}]",
            "str {one}, [{timer1}, {clear}]",
            one = in(reg) 1,
            timer0 = in(reg) TIMER0,
            timer1 = in(reg) TIMER1,
            capture = const TASKS_CAPTURE,
            clear = const TASKS_CLEAR,
            options(nostack, preserves_flags),
        );
    }
    // SAFETY: reading these registers has no side effect.
    let (fine, coarse) = unsafe {
        (
            read_volatile((TIMER0 + CAPTURED) as *const u32),
            read_volatile((TIMER1 + CAPTURED) as *const u32),
        )
    };
    // The coarse count lags by less than one of its ticks.
    let (fine, coarse) = (u64::from(fine), u64::from(coarse) << COARSE);
    let wraps = coarse.wrapping_sub(fine).wrapping_add(1 << 31) >> 32;
    let ticks = (wraps << 32) + fine;
    // Rounded down to whole ticks; an instruction is 128/125 of them. This is their number divided
    // by that and rounded up, in code without branches on a core without a long multiplication.
    let passed = ticks - ((ticks + (ticks << 1)) >> 7);
    let before = u64::from(BEFORE[0].load(Relaxed)) | u64::from(BEFORE[1].load(Relaxed)) << 32;
    let sum = before + passed + UNSEEN;
    BEFORE[0].store(sum as u32, Relaxed);
    BEFORE[1].store((sum >> 32) as u32, Relaxed);
    sum
}
