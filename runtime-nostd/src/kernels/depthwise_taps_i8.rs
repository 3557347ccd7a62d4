//! `i8` depthwise convolution of few results, tap by tap.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseTapsI8;

use super::Memory;
use super::i8_block::{Depthwise, by_taps};
use crate::registry::Undecodable;

entry!(depthwise_taps_i8, DepthwiseTapsI8);
stage!(DepthwiseTapsI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DepthwiseTapsI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { by_taps(&Depthwise::new(&p.conv, memory)) };
    Ok(())
}
