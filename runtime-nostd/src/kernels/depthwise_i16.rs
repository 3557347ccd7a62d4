//! `i16` depthwise convolution with `i8` weights, tap by tap.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI16;

use super::Memory;
use super::i16_block::{WideDepthwise, depthwise};
use crate::registry::Undecodable;

entry!(depthwise_i16, DepthwiseI16 => WideDepthwise);

fn prepare<'v>(
    to: &'v mut MaybeUninit<WideDepthwise>,
    p: &DepthwiseI16<Place>,
    memory: &Memory<'_>,
) -> &'v mut WideDepthwise {
    WideDepthwise::place(to, p, memory)
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(conv: &WideDepthwise) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { depthwise(conv) };
    Ok(())
}
