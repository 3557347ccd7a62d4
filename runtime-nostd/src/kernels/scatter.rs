//! Replacement of windows at run-time start indices.

use microhlo_format::Place;
use microhlo_format::kernels::Scatter;

use super::odometer::split_last;
use super::slices::each_run;
use super::{Memory, dst, src};
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
    let size = i32::from(p.element);
    let (from, to) = (memory.read(p.updates), memory.write(p.output));
    let from_stride = split_last(&p.slices.slice_window, 0).1.wrapping_mul(size);
    let to_stride = split_last(&p.slices.tensor_window, 0).1.wrapping_mul(size);
    let mut copy = |tensor: i32, slice: i32, n: usize| {
        let from = src(from.wrapping_offset(slice.wrapping_mul(size) as isize), from_stride);
        let to = dst(to.wrapping_offset(tensor.wrapping_mul(size) as isize), to_stride);
        // SAFETY: the run lies inside the checked extents, and updates do not overlap the output.
        unsafe { super::move_::copy_run(p.element, to, from, n) };
    };
    // SAFETY: the caller's promise; operand and output are the same bytes or apart.
    unsafe {
        let bytes = p.count as usize * usize::from(p.element);
        copy_operand(memory.read(p.operand), memory.write(p.output), bytes);
        each_run(&p.slices, memory, &mut copy);
    }
    Ok(())
}
