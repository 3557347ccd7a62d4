//! Jumps and conditional jumps.

use microhlo_format::kernels::Branch;
use microhlo_format::{Cursor, Place};

use super::Memory;
use crate::registry::Undecodable;

entry!(branch, Branch, targets);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Branch<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let taken = match p.predicate {
        // SAFETY: the byte was checked.
        Some(predicate) => (unsafe { memory.read(predicate).read() } != 0) == p.when,
        None => true,
    };
    if taken {
        memory.next.set(Cursor::at(p.target));
    }
    Ok(())
}
