//! Functions of single bytes, by table.

use microhlo_format::Place;
use microhlo_format::kernels::TableI8;

use super::Memory;
use crate::registry::Undecodable;

entry!(table_i8, TableI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &TableI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let (input, table) = (memory.read(p.input), memory.read(p.table));
    let output = memory.write(p.output);
    for i in 0..p.count as usize {
        // SAFETY: `count` elements and 256 entries were checked; the operand is read before the
        // result that may lie on it is written.
        unsafe { *output.add(i) = *table.add(usize::from(*input.add(i))) };
    }
    Ok(())
}
