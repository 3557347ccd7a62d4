//! `i8` depthwise convolution.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI8;

use super::Memory;
use super::i8_block::{Depthwise, complete, image};
use crate::registry::Undecodable;

entry!(depthwise_i8, DepthwiseI8);
stage!(DepthwiseI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DepthwiseI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let conv = Depthwise::new(p, memory);
    for index in 0..conv.batch {
        // SAFETY: an image of the accepted parameters.
        unsafe { image(&conv, index) };
    }
    // SAFETY: all results have been computed.
    unsafe { complete(&conv) };
    Ok(())
}
