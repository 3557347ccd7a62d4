//! `i8` depthwise convolution.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI8;

use super::Memory;
use super::i8_block::{Depthwise as Made, by_lines};

entry!(depthwise_i8, DepthwiseI8 => make);
stage!(DepthwiseI8 => make);

fn make(p: &DepthwiseI8<Place>, memory: &Memory<'_>) -> Made {
    Made::new(p, memory)
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(conv: &Made) {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { by_lines(conv) };
}
