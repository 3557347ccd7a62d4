//! Strided copies.

use microhlo_format::Place;
use microhlo_format::kernels::Move;

use super::odometer::{Odometer, split_last};
use super::{Memory, dst, src};
use crate::micro::{Dst, Src};
use crate::registry::Undecodable;

entry!(move_, Move);
stage!(Move);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Move<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    if p.sizes.contains(&0) {
        return Ok(());
    }
    let (sizes, n) = split_last(&p.sizes, 1);
    let (input_strides, from_stride) = split_last(&p.input_strides, 0);
    let (output_strides, to_stride) = split_last(&p.output_strides, 0);
    // Runs are often short: the dimension around them is a plain loop, too.
    let (sizes, runs) = split_last(sizes, 1);
    let (input_strides, from_step) = split_last(input_strides, 0);
    let (output_strides, to_step) = split_last(output_strides, 0);
    let (input, output) = (memory.read(p.input), memory.write(p.output));
    let mut at = Odometer::new(sizes, [input_strides, output_strides]);
    loop {
        let mut from = src(input.wrapping_offset(at.offset[0] as isize), from_stride);
        let mut to = dst(output.wrapping_offset(at.offset[1] as isize), to_stride);
        for _ in 0..runs {
            // SAFETY: the run lies inside the checked extents.
            unsafe { copy_run(p.element, to, from, n as usize) };
            from.ptr = from.ptr.wrapping_offset(from_step as isize);
            to.ptr = to.ptr.wrapping_offset(to_step as isize);
        }
        if !at.advance() {
            return Ok(());
        }
    }
}

/// Copies `n` elements of `element` bytes between strided runs, one after the other.
///
/// # Safety
/// Source and destination hold `n` aligned elements at their strides.
pub(super) unsafe fn copy_run(element: u8, to: Dst, from: Src, n: usize) {
    let size = i32::from(element);
    let bytes = n.wrapping_mul(usize::from(element));
    let apart = from.ptr.addr().abs_diff(to.ptr.addr()) >= bytes;
    if to.stride == size && from.stride == size && apart {
        // SAFETY: both runs are contiguous and inside their extents, and do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(from.ptr, to.ptr, bytes) };
        return;
    }
    // SAFETY: the caller's promise; the loader checks alignment for these sizes.
    unsafe {
        match element {
            1 => copy_strided::<u8>(to, from, n),
            2 => copy_strided::<u16>(to, from, n),
            4 => copy_strided::<u32>(to, from, n),
            8 => copy_strided::<u64>(to, from, n),
            _ => copy_strided::<[u64; 2]>(to, from, n),
        }
    }
}

/// # Safety
/// As for [`copy_run`], with `T` the element.
#[inline(always)]
unsafe fn copy_strided<T: Copy>(mut to: Dst, mut from: Src, n: usize) {
    for _ in 0..n {
        // SAFETY: element `i < n` of both runs.
        unsafe { to.ptr.cast::<T>().write(from.ptr.cast::<T>().read()) };
        to.ptr = to.ptr.wrapping_offset(to.stride as isize);
        from.ptr = from.ptr.wrapping_offset(from.stride as isize);
    }
}
