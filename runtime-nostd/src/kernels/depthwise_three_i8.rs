//! `i8` depthwise convolution of three by three adjacent taps.

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseThreeI8;

use super::Memory;
#[cfg(cortex_m_dsp)]
use super::i8_block::three_by_three_strip;
use super::i8_block::{Depthwise, three_by_three};
use crate::registry::Undecodable;

entry!(depthwise_three_i8, DepthwiseThreeI8);
#[cfg(cortex_m_dsp)]
stage!(DepthwiseThreeI8, execute_strip);
#[cfg(not(cortex_m_dsp))]
stage!(DepthwiseThreeI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DepthwiseThreeI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { three_by_three(&Depthwise::new(&p.conv, memory)) };
    Ok(())
}

/// The same for a strip.
///
/// # Safety
/// The loader has accepted the parameters for this memory.
#[cfg(cortex_m_dsp)]
unsafe fn execute_strip(
    p: &DepthwiseThreeI8<Place>,
    memory: &Memory<'_>,
) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { three_by_three_strip(&Depthwise::new(&p.conv, memory)) };
    Ok(())
}
