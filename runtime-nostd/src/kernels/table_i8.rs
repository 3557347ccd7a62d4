//! Functions of single bytes, by table.

use microhlo_format::Place;
use microhlo_format::kernels::TableI8;

use super::Memory;
#[cfg(cortex_m_mve)]
pub(super) use super::mve_block::look_up;
use crate::registry::Undecodable;

entry!(table_i8, TableI8);
stage!(TableI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &TableI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let (input, table) = (memory.read(p.input), memory.read(p.table));
    let output = memory.write(p.output);
    // SAFETY: `count` elements and 256 entries were checked.
    unsafe { look_up(output, input, table, p.count as usize) };
    Ok(())
}

/// # Safety
/// `count` elements are readable at the operand and writable at the output, which may lie on it or over
/// what has been read; the table has 256.
#[cfg(not(cortex_m_mve))]
pub(super) unsafe fn look_up(output: *mut u8, input: *const u8, table: *const u8, count: usize) {
    for i in 0..count {
        // SAFETY: the caller's promise; the operand is read before the result that may lie on it is
        // written.
        unsafe { *output.add(i) = *table.add(usize::from(*input.add(i))) };
    }
}
