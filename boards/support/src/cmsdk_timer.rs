//! Counting instructions with a timer of the Cortex-M System Design Kit and the 100 Hz counter of
//! an MPS2 FPGA image.
//!
//! At `-icount shift=6` QEMU advances time by 64 ns per instruction. The timer counts down faster
//! than instructions pass, and wraps after some 3e9 of them; the 100 Hz counter tells how often it
//! has wrapped.
//!
//! Registers: Arm Cortex-M System Design Kit TRM (DDI0479), APB timer; the FPGA image's Application
//! Note, FPGA system control and I/O.

use core::ptr::{read_volatile, write_volatile};

const ENABLE: u32 = 1;
const NS_PER_INSTRUCTION: u64 = 64;

/// A timer and the 100 Hz counter beside it.
pub(crate) struct CmsdkTimer {
    /// Address of the timer's registers.
    pub(crate) timer: usize,
    /// Address of the 100 Hz counter.
    pub(crate) clk100hz: usize,
    /// Duration of a tick of the timer in ns: less than that of an instruction.
    pub(crate) tick_ns: u64,
}

impl CmsdkTimer {
    const VALUE: usize = 4;
    const RELOAD: usize = 8;

    /// Starts the timer.
    pub(crate) fn start(&self) {
        // SAFETY: the board's description gives the registers of a timer that nothing else uses.
        unsafe {
            write_volatile((self.timer + Self::RELOAD) as *mut u32, u32::MAX);
            write_volatile((self.timer + Self::VALUE) as *mut u32, u32::MAX);
            write_volatile(self.timer as *mut u32, ENABLE);
        }
    }

    /// Instructions executed since [`CmsdkTimer::start`].
    ///
    /// The timer rounds the elapsed time up to whole ticks, so that its time, rounded down to whole
    /// instructions, is exact.
    #[inline(always)]
    pub(crate) fn instructions(&self) -> u64 {
        // SAFETY: reading these registers has no side effect.
        let (value, clk100hz) = unsafe {
            (
                read_volatile((self.timer + Self::VALUE) as *const u32),
                read_volatile(self.clk100hz as *const u32),
            )
        };
        let fine = u64::from(u32::MAX - value);
        let coarse = u64::from(clk100hz) * (10_000_000 / self.tick_ns);
        // The coarse count lags by less than one of its periods, far less than half a wrap of the
        // timer.
        let wraps = coarse.wrapping_sub(fine).wrapping_add(1 << 31) >> 32;
        ((wraps << 32) + fine) * self.tick_ns / NS_PER_INSTRUCTION
    }
}

/// Makes the functions of a board's module from its timer.
macro_rules! count_with {
    ($timer:expr) => {
        const TIMER: crate::cmsdk_timer::CmsdkTimer = $timer;

        /// Starts the timer.
        pub fn init() {
            TIMER.start();
        }

        /// Instructions executed since [`init`].
        #[inline(never)]
        pub fn instructions() -> u64 {
            TIMER.instructions()
        }
    };
}
pub(crate) use count_with;

/// Timer 0 of AN385, AN386 and AN500.
#[allow(dead_code, reason = "other images have their timers elsewhere")]
pub(crate) const MPS2: CmsdkTimer =
    CmsdkTimer { timer: 0x4000_0000, clk100hz: 0x4002_8014, tick_ns: 40 };
