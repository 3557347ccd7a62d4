//! The memory that the linker leaves alone: model partition and arena.

use crate::{ARENA, MODEL};
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering};

/// A range of addresses.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    /// First address.
    pub origin: usize,
    /// Size in bytes.
    pub length: usize,
}

/// The model partition, as the host or a programmer has filled it.
pub fn model_partition() -> &'static [u8] {
    // SAFETY: the board's description reserves this memory for the model; no
    // code of the firmware writes to it, and it is mapped for the whole run.
    unsafe { slice::from_raw_parts(MODEL.origin as *const u8, MODEL.length) }
}

/// The board's arena memory, once; empty on a board that has none.
///
/// Its content is arbitrary at first; it is 16-byte aligned.
pub fn take_arena() -> Option<&'static mut [u8]> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    // A load and a store suffice, as there is one core and no interrupt; the
    // smaller cores have no atomic exchange.
    if TAKEN.load(Ordering::Relaxed) {
        return None;
    }
    TAKEN.store(true, Ordering::Relaxed);
    if ARENA.length == 0 {
        return Some(&mut []);
    }
    // SAFETY: the board's description reserves this memory for the arena, the
    // linker places nothing there, and the flag hands it out only once.
    Some(unsafe { slice::from_raw_parts_mut(ARENA.origin as *mut u8, ARENA.length) })
}
