//! Copies of windows at run-time start indices.

use microhlo_format::Place;
use microhlo_format::kernels::Gather;

use super::odometer::split_last;
use super::slices::each_run;
use super::{Memory, dst, src};
use crate::registry::Undecodable;

entry!(gather, Gather);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Gather<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let size = i32::from(p.element);
    let (from, to) = (memory.read(p.operand), memory.write(p.output));
    let from_stride = split_last(&p.slices.tensor_window, 0).1.wrapping_mul(size);
    let to_stride = split_last(&p.slices.slice_window, 0).1.wrapping_mul(size);
    let mut copy = |tensor: i32, slice: i32, n: usize| {
        let from = src(from.wrapping_offset(tensor.wrapping_mul(size) as isize), from_stride);
        let to = dst(to.wrapping_offset(slice.wrapping_mul(size) as isize), to_stride);
        // SAFETY: the run lies inside the checked extents.
        unsafe { super::move_::copy_run(p.element, to, from, n) };
    };
    // SAFETY: the caller's promise.
    unsafe { each_run(&p.slices, memory, &mut copy) };
    Ok(())
}
