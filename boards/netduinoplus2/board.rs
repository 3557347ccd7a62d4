//! Netduino Plus 2: counts instructions with timers 2 and 5 of the STM32F405.
//!
//! At `-icount shift=6` QEMU advances time by 64 ns per instruction, and its timers count at 1 GHz
//! before their prescaler: divided by 64, timer 2 counts instructions. It wraps after 4.3e9 of them;
//! timer 5 counts every 1024th and tells how often that was.
//! Registers: ST RM0090, "General-purpose timers (TIM2 to TIM5)".

use core::ptr::{read_volatile, write_volatile};

const TIM2: usize = 0x4000_0000;
const TIM5: usize = 0x4000_0C00;
const CR1: usize = 0x00;
const CR1_ENABLE: u32 = 1;
const EGR: usize = 0x14;
const EGR_UPDATE: u32 = 1;
const COUNT: usize = 0x24;
const PRESCALER: usize = 0x28;
const RCC_APB1ENR: *mut u32 = 0x4002_3840 as *mut u32;
const APB1ENR_TIM2_TIM5: u32 = 1 << 3 | 1;

/// What the prescaler of timer 2 divides by.
const PER_INSTRUCTION: u32 = 64;

/// Binary logarithm of the length of timer 5's ticks in those of timer 2.
const COARSE: u32 = 10;

/// Starts the timers.
pub fn init() {
    // SAFETY: these are the clock gates and the registers of timers that nothing else uses.
    unsafe {
        write_volatile(RCC_APB1ENR, APB1ENR_TIM2_TIM5);
        for (timer, divisor) in [(TIM2, PER_INSTRUCTION), (TIM5, PER_INSTRUCTION << COARSE)] {
            write_volatile((timer + PRESCALER) as *mut u32, divisor - 1);
            write_volatile((timer + EGR) as *mut u32, EGR_UPDATE);
            write_volatile((timer + COUNT) as *mut u32, 0);
            write_volatile((timer + CR1) as *mut u32, CR1_ENABLE);
        }
    }
}

/// Instructions executed since [`init`].
#[inline(never)]
pub fn instructions() -> u64 {
    // SAFETY: reading these registers has no side effect.
    let (fine, coarse) = unsafe {
        (
            read_volatile((TIM2 + COUNT) as *const u32),
            read_volatile((TIM5 + COUNT) as *const u32),
        )
    };
    let (fine, coarse) = (u64::from(fine), u64::from(coarse) << COARSE);
    // The coarse count lies beside the fine one by a few ticks of its own, far less than half a wrap.
    let wraps = coarse.wrapping_sub(fine).wrapping_add(1 << 31) >> 32;
    (wraps << 32) + fine
}
