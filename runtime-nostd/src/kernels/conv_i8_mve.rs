//! `i8` convolution with constants laid out for M-profile Vector Extension.

use microhlo_format::Place;
use microhlo_format::kernels::ConvI8Mve;

use super::Memory;
use super::mve_block::convolve;
use crate::registry::Undecodable;

entry!(conv_i8_mve, ConvI8Mve);
stage!(ConvI8Mve);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ConvI8Mve<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { convolve(p, memory) };
    Ok(())
}
