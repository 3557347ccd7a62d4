//! `i16` convolution and matrix products with constant right-hand side, of `i8` weights.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::ConvI16;

use super::Memory;
use super::i16_block::{WideConv, convolution};
use crate::registry::Undecodable;

entry!(conv_i16, ConvI16 => WideConv);

fn prepare<'v>(
    to: &'v mut MaybeUninit<WideConv>,
    p: &ConvI16<Place>,
    memory: &Memory<'_>,
) -> &'v mut WideConv {
    WideConv::place(to, p, memory)
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(conv: &WideConv) -> Result<(), Undecodable> {
    // SAFETY: the convolution of the accepted parameters.
    unsafe { convolution(conv) };
    Ok(())
}
