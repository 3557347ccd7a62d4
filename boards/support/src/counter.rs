//! Counting executed instructions; on real boards, cycles.

#[cfg(feature = "emulated")]
use crate::board;
use core::sync::atomic::{AtomicU32, Ordering};

/// Instructions that two readings with nothing between them are apart.
static OVERHEAD: AtomicU32 = AtomicU32::new(0);

#[cfg(feature = "real")]
unsafe extern "Rust" {
    /// Defined by [`counts_with!`](crate::counts_with).
    safe fn microhlo_board_count() -> u64;
}

pub(crate) fn init() {
    #[cfg(feature = "emulated")]
    board::init();
    let first = now();
    let second = now();
    let overhead = u32::try_from(second.wrapping_sub(first)).unwrap_or(u32::MAX);
    OVERHEAD.store(overhead, Ordering::Relaxed);
}

/// Instructions executed so far, from an arbitrary start; never decreases.
#[inline]
pub fn now() -> u64 {
    #[cfg(feature = "emulated")]
    return board::instructions();
    #[cfg(feature = "real")]
    microhlo_board_count()
}

/// What counting itself adds to the difference of two readings.
pub fn overhead() -> u64 {
    u64::from(OVERHEAD.load(Ordering::Relaxed))
}

/// Instructions between two readings, without those of reading.
pub fn between(first: u64, second: u64) -> u64 {
    second.wrapping_sub(first).saturating_sub(overhead())
}

/// Instructions from one call of `body` to its return, with a fixed amount for
/// the call itself.
///
/// The amount does not depend on `body`, so that the difference between two
/// functions is exact.
#[inline(never)]
pub fn of_call(body: extern "C" fn()) -> u64 {
    let first = now();
    body();
    now().wrapping_sub(first)
}
