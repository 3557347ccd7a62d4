//! MPS2 AN500: counts instructions with CMSDK timer 0, at 25 MHz.

crate::cmsdk_timer::count_with!(crate::cmsdk_timer::MPS2);
