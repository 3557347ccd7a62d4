//! `i16` convolution and matrix products with constant right-hand side, of `i8` weights.

use microhlo_format::Place;
use microhlo_format::kernels::ConvI16;

use super::Memory;
use super::i16_block::convolution;
use crate::registry::Undecodable;

entry!(conv_i16, ConvI16);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ConvI16<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { convolution(p, memory) };
    Ok(())
}
