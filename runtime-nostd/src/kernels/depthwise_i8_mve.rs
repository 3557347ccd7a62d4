//! `i8` depthwise convolution for M-profile Vector Extension.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI8Mve;

use super::Memory;
use super::mve_block::depthwise;
use crate::registry::Undecodable;

entry!(depthwise_i8_mve, DepthwiseI8Mve);
stage!(DepthwiseI8Mve);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DepthwiseI8Mve<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { depthwise(p, memory) };
    Ok(())
}
