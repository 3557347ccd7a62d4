//! Strided copies of single bytes through a table.

use microhlo_format::Place;
use microhlo_format::kernels::TableMoveI8;

use super::Memory;
use super::move_::for_runs;
use super::table_i8::look_up;
use crate::micro::{Dst, Src};
use crate::registry::Undecodable;

entry!(table_move_i8, TableMoveI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &TableMoveI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let table = memory.read(p.table);
    let strides = [&p.input_strides, &p.output_strides];
    let (input, output) = (memory.read(p.input), memory.write(p.output));
    // SAFETY: each run lies inside the checked extents, and 256 entries were checked.
    for_runs(&p.sizes, strides, input, output, |to, from, n| unsafe { run(table, to, from, n) });
    Ok(())
}

/// # Safety
/// Source and destination hold `n` bytes at their strides, the table has 256.
unsafe fn run(table: *const u8, mut to: Dst, mut from: Src, n: usize) {
    if (to.stride, from.stride) == (1, 1) {
        // SAFETY: the caller's promise.
        unsafe { look_up(to.ptr, from.ptr, table, n) };
        return;
    }
    for _ in 0..n {
        // SAFETY: an element of both runs, which is read before it is written.
        unsafe { to.ptr.write(*table.add(usize::from(*from.ptr))) };
        to.ptr = to.ptr.wrapping_offset(to.stride as isize);
        from.ptr = from.ptr.wrapping_offset(from.stride as isize);
    }
}
