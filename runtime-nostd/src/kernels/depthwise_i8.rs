//! `i8` depthwise convolution.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseI8;

use super::Memory;
use super::i8_block::{Depthwise, by_lines};
use crate::registry::Undecodable;

entry!(depthwise_i8, DepthwiseI8 => Depthwise);
stage!(DepthwiseI8 => Depthwise);

fn prepare<'v>(
    to: &'v mut MaybeUninit<Depthwise>,
    p: &DepthwiseI8<Place>,
    memory: &Memory<'_>,
) -> &'v mut Depthwise {
    Depthwise::place(to, p, memory)
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(conv: &mut Depthwise) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { by_lines(conv) };
    Ok(())
}
