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

/// Bytes that are moved at once.
const BLOCK: usize = 16;

/// Moves bytes towards the start of memory. The function that the compiler calls for it takes several
/// instructions for a byte on a microcontroller.
///
/// # Safety
/// `count` bytes are readable at `from` and writable at `to`, which lies before them, or all of it apart from them.
pub(super) unsafe fn forward(mut to: *mut u8, mut from: *const u8, mut count: usize) {
    // SAFETY: the caller's promise; each block is read before anything is written behind its start.
    unsafe {
        if (to.addr() | from.addr()) & 3 == 0 {
            let blocks = count / BLOCK;
            (to, from) = move_blocks(to, from, blocks);
            count %= BLOCK;
        }
        to.copy_from(from, count);
    }
}

/// Moves blocks of aligned words. Returns where the next ones would be.
///
/// # Safety
/// So many blocks are readable at `from` and writable at `to`, which lies as for [`forward`].
#[cfg(target_arch = "arm")]
unsafe fn move_blocks(
    mut to: *mut u8,
    mut from: *const u8,
    blocks: usize,
) -> (*mut u8, *const u8) {
    if blocks != 0 {
        // SAFETY: the caller's promise.
        unsafe {
            core::arch::asm!(
                "2:",
                "ldm {from}!, {{r0, r1, r2, r3}}",
                "stm {to}!, {{r0, r1, r2, r3}}",
                "subs {blocks}, #1",
                "bne 2b",
                from = inout(reg) from,
                to = inout(reg) to,
                blocks = inout(reg) blocks => _,
                out("r0") _,
                out("r1") _,
                out("r2") _,
                out("r3") _,
                options(nostack),
            );
        }
    }
    (to, from)
}

/// Moves blocks of aligned words. Returns where the next ones would be.
///
/// # Safety
/// So many blocks are readable at `from` and writable at `to`, which lies as for [`forward`].
#[cfg(not(target_arch = "arm"))]
unsafe fn move_blocks(
    mut to: *mut u8,
    mut from: *const u8,
    blocks: usize,
) -> (*mut u8, *const u8) {
    for _ in 0..blocks {
        let (source, target) = (from.cast::<u32>(), to.cast::<u32>());
        // SAFETY: the caller's promise. Were a read not volatile, this would become that function.
        unsafe {
            let first = source.read_volatile();
            let second = source.add(1).read_volatile();
            let third = source.add(2).read_volatile();
            let fourth = source.add(3).read_volatile();
            target.write(first);
            target.add(1).write(second);
            target.add(2).write(third);
            target.add(3).write(fourth);
        }
        (to, from) = (to.wrapping_add(BLOCK), from.wrapping_add(BLOCK));
    }
    (to, from)
}
