//! Copies of windows at run-time start indices.

use super::Memory;
use super::slices::copy;
use crate::registry::Undecodable;

entry_by_fields!(gather, Gather);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { copy(body, memory, false) }
}
