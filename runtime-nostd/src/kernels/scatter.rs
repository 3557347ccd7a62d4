//! Replacement of windows at run-time start indices.

use microhlo_format::{Fields, Place};

use super::Memory;
use super::slices::{Slices, copy_slices};
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
    let fields = &mut Fields::new(body);
    let [operand, updates, output]: [Place; 3] = core::array::from_fn(|_| fields.take());
    let element: u8 = fields.take();
    let bytes = fields.take::<u32>() as usize * usize::from(element);
    let mut slices = Slices::EMPTY;
    slices.prepare(fields)?;
    let sides = [memory.write(output), memory.read(updates).cast_mut()];
    // SAFETY: the caller's promise; operand and output are the same bytes or apart, and the
    // updates are only read.
    unsafe {
        copy_operand(memory.read(operand), memory.write(output), bytes);
        copy_slices(&slices, memory, element, sides, true);
    }
    Ok(())
}
