//! `i8` depthwise convolution of three by three adjacent taps.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseThreeI8;

use super::Memory;
use super::i8_block::{Depthwise as Made, three_by_three};

parted_entry!(depthwise_three_i8, DepthwiseThreeI8 => make);
stage!(DepthwiseThreeI8, 0xffff_ffff => make);

fn make(p: &DepthwiseThreeI8<Place>, memory: &Memory<'_>) -> Made {
    Made::new(&p.conv, memory)
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute<const PARTS: u32>(conv: &Made) {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { three_by_three::<PARTS>(conv) };
}
