//! Replacement of windows at run-time start indices.

use microhlo_format::Place;
use microhlo_format::kernels::Scatter;

use super::Memory;
use super::slices::copy_slices;
use crate::registry::Undecodable;

entry!(scatter, Scatter);

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
unsafe fn execute(p: &Scatter<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let sides = [memory.write(p.output), memory.read(p.updates).cast_mut()];
    // SAFETY: the caller's promise; operand and output are the same bytes or apart, and the
    // updates are only read.
    unsafe {
        let bytes = p.count as usize * usize::from(p.element);
        copy_operand(memory.read(p.operand), memory.write(p.output), bytes);
        copy_slices(&p.slices, memory, p.element, sides, true);
    }
    Ok(())
}
