//! `i8` depthwise convolution.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI8;

use super::Memory;
use super::i8_block::{CHANNELS, Depthwise, channels, complete};
use crate::registry::Undecodable;

entry!(depthwise_i8, DepthwiseI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DepthwiseI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let conv = Depthwise::new(p, memory);
    for image in 0..conv.batch {
        let mut channel = 0;
        while channel < conv.channels {
            // SAFETY: a block of the accepted parameters.
            unsafe { channels(&conv, &conv.block(image, channel)) };
            channel += CHANNELS;
        }
    }
    // SAFETY: all results have been computed.
    unsafe { complete(&conv) };
    Ok(())
}
