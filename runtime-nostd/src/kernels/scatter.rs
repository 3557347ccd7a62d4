//! Replacement of windows at run-time start indices.

use super::Memory;
use super::slices::copy;
use crate::registry::Undecodable;

entry_by_fields!(scatter, Scatter);

/// Copies a tensor to where the result is made, unless it is there already.
///
/// # Safety
/// `bytes` bytes are readable at `from` and writable at `to`; they overlap entirely or not at all.
pub(super) unsafe fn copy_operand(from: *const u8, to: *mut u8, bytes: usize) {
    if !core::ptr::eq(from, to) {
        // SAFETY: the caller's promise.
        unsafe { core::ptr::copy_nonoverlapping(from, to, bytes) };
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { copy(body, memory, true) }
}
