//! `i8` depthwise convolution.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI8;

use super::Memory;
use super::i8_block::{Depthwise, by_lines};
use crate::registry::Undecodable;

entry!(depthwise_i8, DepthwiseI8);
stage!(DepthwiseI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DepthwiseI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { by_lines(&Depthwise::new(p, memory)) };
    Ok(())
}
