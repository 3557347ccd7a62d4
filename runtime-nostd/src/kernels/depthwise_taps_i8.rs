//! `i8` depthwise convolution of few results, tap by tap.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseTapsI8;

use super::Memory;
use super::i8_block::{Depthwise as Made, by_taps};

entry!(depthwise_taps_i8, DepthwiseTapsI8 => make);
stage!(DepthwiseTapsI8 => make);

fn make(p: &DepthwiseTapsI8<Place>, memory: &Memory<'_>) -> Made {
    Made::new(&p.conv, memory)
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(conv: &Made) {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { by_taps(conv) };
}
