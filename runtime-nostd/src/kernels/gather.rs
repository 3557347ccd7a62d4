//! Copies of windows at run-time start indices.

use microhlo_format::{Fields, Place};

use super::Memory;
use super::slices::{Slices, copy_slices};
use crate::registry::Undecodable;

entry_by_fields!(gather, Gather);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(body: &[u8], memory: &Memory<'_>) -> Result<(), Undecodable> {
    let fields = &mut Fields::new(body);
    let [operand, output]: [Place; 2] = core::array::from_fn(|_| fields.take());
    let element = fields.take();
    let mut slices = Slices::EMPTY;
    slices.prepare(fields)?;
    let sides = [memory.read(operand).cast_mut(), memory.write(output)];
    // SAFETY: the caller's promise; the operand is only read.
    unsafe { copy_slices(&slices, memory, element, sides, false) };
    Ok(())
}
