//! `i8` depthwise convolution of few results, tap by tap.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseTapsI8;

use super::Memory;
use super::i8_block::{Depthwise, by_taps};
use crate::registry::Undecodable;

entry!(depthwise_taps_i8, DepthwiseTapsI8 => Depthwise);
stage!(DepthwiseTapsI8 => Depthwise);

fn prepare<'v>(
    to: &'v mut MaybeUninit<Depthwise>,
    p: &DepthwiseTapsI8<Place>,
    memory: &Memory<'_>,
) -> &'v mut Depthwise {
    Depthwise::place(to, &p.conv, memory)
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(conv: &Depthwise) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { by_taps(conv) };
    Ok(())
}
