//! `i8` convolution and matrix products with constant right-hand side.

use microhlo_format::Place;
use microhlo_format::kernels::ConvI8;

use super::Memory;
use super::i8_block::{Conv, LANES, complete_conv, gather, products};
use crate::registry::Undecodable;

entry!(conv_i8, ConvI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ConvI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let conv = Conv::new(p, memory);
    let (pixels, lanes) = (conv.pixels, p.lanes());
    let mut done = 0;
    while done < pixels {
        // The last pixels are computed together with some of those before them once more.
        let first = done.min(pixels.saturating_sub(lanes));
        let mut pixel = conv.pixel(first);
        let together = core::array::from_fn::<_, LANES, _>(|_| conv.next(&mut pixel));
        for group in 0..p.groups {
            let group = conv.group(group);
            // SAFETY: pixels and group of the accepted parameters.
            unsafe {
                gather(&conv, &group, &together);
                products(&conv, &group, &together);
            }
        }
        done = first + lanes;
    }
    // SAFETY: all results have been computed.
    unsafe { complete_conv(&conv) };
    Ok(())
}
