//! MPS2 AN505: counts instructions with CMSDK timer 0 of the IoT kit, at 20 MHz, through its Secure
//! alias.

use crate::cmsdk_timer::{CmsdkTimer, count_with};

count_with!(CmsdkTimer { timer: 0x5000_0000, clk100hz: 0x5030_2014, tick_ns: 50 });
