//! Strided copies.

use microhlo_format::Place;
use microhlo_format::kernels::{Move, Sizes, Strides};

use super::odometer::{Odometer, split_last};
use super::{Memory, dst, src};
use crate::micro::{Dst, Src};
use crate::registry::Undecodable;

entry!(move_, Move);
stage!(Move);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Move<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let strides = [&p.input_strides, &p.output_strides];
    let (input, output) = (memory.read(p.input), memory.write(p.output));
    // SAFETY: each run lies inside the checked extents.
    for_runs(&p.sizes, strides, input, output, |to, from, n| unsafe {
        copy_run(p.element, to, from, n);
    });
    Ok(())
}

/// Calls for every run of elements along the last dimension, in order, with where it goes and comes from and
/// how many they are.
#[inline(always)]
pub(super) fn for_runs(
    sizes: &Sizes,
    [input_strides, output_strides]: [&Strides; 2],
    input: *const u8,
    output: *mut u8,
    run: impl Fn(Dst, Src, usize),
) {
    if sizes.contains(&0) {
        return;
    }
    let (sizes, n) = split_last(sizes, 1);
    let (input_strides, from_stride) = split_last(input_strides, 0);
    let (output_strides, to_stride) = split_last(output_strides, 0);
    // Runs are often short: the dimension around them is a plain loop, too.
    let (sizes, runs) = split_last(sizes, 1);
    let (input_strides, from_step) = split_last(input_strides, 0);
    let (output_strides, to_step) = split_last(output_strides, 0);
    let mut at = Odometer::new(sizes, [input_strides, output_strides]);
    loop {
        let mut from = src(input.wrapping_offset(at.offset[0] as isize), from_stride);
        let mut to = dst(output.wrapping_offset(at.offset[1] as isize), to_stride);
        for _ in 0..runs {
            run(to, from, n as usize);
            from.ptr = from.ptr.wrapping_offset(from_step as isize);
            to.ptr = to.ptr.wrapping_offset(to_step as isize);
        }
        if !at.advance() {
            return;
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
