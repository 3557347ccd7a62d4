//! `i8` convolution and matrix products with constant right-hand side.

use microhlo_format::Place;
use microhlo_format::kernels::{ConvI8, Parts};

use super::{Memory, has};
use super::i8_block::{Conv, complete_conv, pixels};
use crate::registry::Undecodable;

parted_entry!(conv_i8, ConvI8);
stage!(ConvI8, 0xffff_ffff);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute<const PARTS: u32>(
    p: &ConvI8<Place>,
    memory: &Memory<'_>,
) -> Result<(), Undecodable> {
    let conv = Conv::new(p, memory);
    let groups = if has(PARTS, Parts::GROUPS) { p.groups } else { 1 };
    for group in 0..groups {
        // SAFETY: a group of the accepted parameters.
        unsafe { pixels::<PARTS>(&conv, &conv.group(group)) };
    }
    // SAFETY: all results have been computed.
    unsafe { complete_conv::<PARTS>(&conv) };
    Ok(())
}
