//! `i16` convolution with constants laid out for M-profile Vector Extension.

use super::mve_block::{Convolution, convolve, prepare_wide as prepare};
use crate::registry::Undecodable;

entry!(conv_i16_mve, ConvI16Mve => Convolution);

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(conv: &mut Convolution) -> Result<(), Undecodable> {
    // SAFETY: the caller's promise.
    unsafe { convolve::<2>(conv) };
    Ok(())
}
