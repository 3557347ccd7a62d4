//! The memory that the linker leaves alone: model partition and arenas.

use crate::{ARENAS, MODEL};
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

/// A memory for arenas of models.
#[derive(Debug)]
pub struct Arena {
    /// The region's name in the board's description.
    pub name: &'static str,
    /// All of it; it is 16-byte aligned.
    pub bytes: &'static mut [u8],
}

/// The board's memories for arenas, once, in the order of its description.
///
/// Their content is arbitrary at first.
pub fn take_arenas() -> Option<[Arena; ARENAS.len()]> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    // A load and a store suffice, as there is one core and no interrupt; the
    // smaller cores have no atomic exchange.
    if TAKEN.load(Ordering::Relaxed) {
        return None;
    }
    TAKEN.store(true, Ordering::Relaxed);
    Some(ARENAS.map(|(name, Region { origin, length })| {
        // SAFETY: the board's description reserves this memory for arenas, no
        // two regions of it share any, the linker places nothing there, and
        // the flag hands it out only once.
        let bytes = unsafe { slice::from_raw_parts_mut(origin as *mut u8, length) };
        Arena { name, bytes }
    }))
}
