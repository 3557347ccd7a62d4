//! `i16` convolution with constants laid out for M-profile Vector Extension.

use microhlo_format::Place;
use microhlo_format::kernels::ConvI16Mve;

use super::Memory;
use super::mve_block::convolve_wide;
use crate::registry::Undecodable;

entry!(conv_i16_mve, ConvI16Mve);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ConvI16Mve<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { convolve_wide(p, memory) };
    Ok(())
}
