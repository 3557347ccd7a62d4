//! `i16` depthwise convolution with `i8` weights, tap by tap.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI16;

use super::Memory;
use super::i16_block::depthwise;
use crate::registry::Undecodable;

entry!(depthwise_i16, DepthwiseI16);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DepthwiseI16<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { depthwise(p, memory) };
    Ok(())
}
