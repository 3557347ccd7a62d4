//! MPS2 AN386: counts instructions with CMSDK timer 0, at 25 MHz.

use crate::cmsdk_timer::CmsdkTimer;

const TIMER: CmsdkTimer = CmsdkTimer { timer: 0x4000_0000, clk100hz: 0x4002_8014, tick_ns: 40 };

/// Starts the timer.
pub fn init() {
    TIMER.start();
}

/// Instructions executed since [`init`].
#[inline(never)]
pub fn instructions() -> u64 {
    TIMER.instructions()
}
