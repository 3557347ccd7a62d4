//! `i8` convolution and matrix products with constant right-hand side.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::{ConvI8, Parts};

use super::{Memory, has};
use super::i8_block::{Conv, complete_conv, pixels};
use crate::registry::Undecodable;

parted_entry!(conv_i8, ConvI8 => Conv);
stage!(ConvI8, 0xffff_ffff => Conv);

fn prepare<'v>(
    to: &'v mut MaybeUninit<Conv>,
    p: &ConvI8<Place>,
    memory: &Memory<'_>,
) -> &'v mut Conv {
    Conv::place(to, p, memory)
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute<const PARTS: u32>(conv: &Conv) -> Result<(), Undecodable> {
    if has(PARTS, Parts::GROUPS) {
        for group in 0..conv.groups {
            // SAFETY: a group of the accepted parameters.
            unsafe { one_of_groups::<PARTS>(conv, group) };
        }
    } else {
        // SAFETY: as above, the only one.
        unsafe { pixels::<PARTS>(conv, &conv.group(0)) };
    }
    // SAFETY: all results have been computed.
    unsafe { complete_conv::<PARTS>(conv) };
    Ok(())
}

/// Computes the channels of a group. A call of its own, as what all groups have in common would be kept on the
/// stack otherwise.
///
/// # Safety
/// The convolution is that of accepted parameters, and has the group.
#[inline(never)]
unsafe fn one_of_groups<const PARTS: u32>(conv: &Conv, group: u32) {
    // SAFETY: the caller's promise.
    unsafe { pixels::<PARTS>(conv, &conv.group(group)) };
}
