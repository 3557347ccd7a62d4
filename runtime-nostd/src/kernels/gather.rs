//! Copies of windows at run-time start indices.

use microhlo_format::Place;
use microhlo_format::kernels::Gather;

use super::Memory;
use super::slices::copy_slices;
use crate::registry::Undecodable;

entry!(gather, Gather);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Gather<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let sides = [memory.read(p.operand).cast_mut(), memory.write(p.output)];
    // SAFETY: the caller's promise; the operand is only read.
    unsafe { copy_slices(&p.slices, memory, p.element, sides, false) };
    Ok(())
}
