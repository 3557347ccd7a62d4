//! MPS2 AN505: counts instructions with CMSDK timer 0 of the IoT kit, at 20 MHz, through its secure
//! alias.

use crate::cmsdk_timer::CmsdkTimer;

const TIMER: CmsdkTimer = CmsdkTimer { timer: 0x5000_0000, clk100hz: 0x5030_2014, tick_ns: 50 };

/// Starts the timer.
pub fn init() {
    TIMER.start();
}

/// Instructions executed since [`init`].
#[inline(never)]
pub fn instructions() -> u64 {
    TIMER.instructions()
}
