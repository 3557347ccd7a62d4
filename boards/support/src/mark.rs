//! Where measured code begins and ends.
//!
//! The host's instruction counter looks for these two functions. They do nothing, each in its own
//! way, so that they stay two.

use core::arch::asm;

/// Measured code begins.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn microhlo_measure_begin() {
    // SAFETY: nothing is read or written.
    unsafe { asm!("nop", options(nomem, nostack, preserves_flags)) };
}

/// Measured code ends.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn microhlo_measure_end() {
    // SAFETY: nothing is read or written.
    unsafe { asm!("nop", "nop", options(nomem, nostack, preserves_flags)) };
}
