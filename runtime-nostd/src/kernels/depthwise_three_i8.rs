//! `i8` depthwise convolution of three by three adjacent taps.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseThreeI8;

use super::Memory;
use super::i8_block::{Depthwise, three_by_three};
use crate::registry::Undecodable;

parted_entry!(depthwise_three_i8, DepthwiseThreeI8 => Depthwise);
stage!(DepthwiseThreeI8, 0xffff_ffff => Depthwise);

fn prepare<'v>(
    to: &'v mut MaybeUninit<Depthwise>,
    p: &DepthwiseThreeI8<Place>,
    memory: &Memory<'_>,
) -> &'v mut Depthwise {
    Depthwise::place(to, &p.conv, memory)
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute<const PARTS: u32>(conv: &Depthwise) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { three_by_three::<PARTS>(conv) };
    Ok(())
}
