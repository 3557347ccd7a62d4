//! `i8` convolution with constants laid out for M-profile Vector Extension.

use super::mve_block::{Convolution, convolve, prepare};
use crate::registry::Undecodable;

entry!(conv_i8_mve, ConvI8Mve => Convolution);
stage!(ConvI8Mve => Convolution);

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(conv: &mut Convolution) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { convolve::<1>(conv) };
    Ok(())
}
