//! `i8` convolution and matrix products with constant right-hand side.

use microhlo_format::Place;
use microhlo_format::kernels::ConvI8;

use super::Memory;
#[cfg(cortex_m_dsp)]
use super::i8_block::single;
use super::i8_block::{Conv, complete_conv, pixels};
use crate::registry::Undecodable;

entry!(conv_i8, ConvI8);
#[cfg(cortex_m_dsp)]
stage!(ConvI8, execute_strip);
#[cfg(not(cortex_m_dsp))]
stage!(ConvI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ConvI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { run(&Conv::new(p, memory), p.groups) };
    Ok(())
}

/// The same for a strip, of which pixels are left over more often.
///
/// # Safety
/// The loader has accepted the parameters for this memory.
#[cfg(cortex_m_dsp)]
unsafe fn execute_strip(p: &ConvI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut conv = Conv::new(p, memory);
    conv.single = single(&conv);
    // SAFETY: the convolution of the accepted parameters.
    unsafe { run(&conv, p.groups) };
    Ok(())
}

/// # Safety
/// The convolution is that of accepted parameters with so many groups.
unsafe fn run(conv: &Conv, groups: u32) {
    for group in 0..groups {
        // SAFETY: a group of the accepted parameters.
        unsafe { pixels(conv, &conv.group(group)) };
    }
    // SAFETY: all results have been computed.
    unsafe { complete_conv(conv) };
}
