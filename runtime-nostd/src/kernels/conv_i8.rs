//! `i8` convolution and matrix products with constant right-hand side.

use microhlo_format::Place;
use microhlo_format::kernels::ConvI8;

use super::Memory;
use super::i8_block::{Conv, complete_conv, pixels};
use crate::registry::Undecodable;

entry!(conv_i8, ConvI8);
stage!(ConvI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ConvI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let conv = Conv::new(p, memory);
    for group in 0..p.groups {
        // SAFETY: a group of the accepted parameters.
        unsafe { pixels(&conv, &conv.group(group)) };
    }
    // SAFETY: all results have been computed.
    unsafe { complete_conv(&conv) };
    Ok(())
}
