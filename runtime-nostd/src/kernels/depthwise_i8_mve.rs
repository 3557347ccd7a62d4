//! `i8` depthwise convolution for M-profile Vector Extension.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI8Mve;

use super::Memory;
use super::mve_block::{Lines, depthwise};
use crate::registry::Undecodable;

entry!(depthwise_i8_mve, DepthwiseI8Mve => Lines);
stage!(DepthwiseI8Mve => Lines);

fn prepare<'v>(
    to: &'v mut MaybeUninit<Lines>,
    p: &DepthwiseI8Mve<Place>,
    memory: &Memory<'_>,
) -> &'v mut Lines {
    Lines::place(to, p, memory)
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(conv: &mut Lines) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { depthwise(conv) };
    Ok(())
}
