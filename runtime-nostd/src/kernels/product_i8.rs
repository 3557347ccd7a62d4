//! Products of two `i8` tensors, element by element.

use microhlo_format::Place;
use microhlo_format::kernels::ProductI8;

use super::Memory;
use super::i8_block::Common;
#[cfg(cortex_m_dsp)]
use super::i8_block::{clamp, product_fours};
use super::odometer::{Odometer, split_last};
use super::{Dst, Src, dst, src};
use crate::registry::Undecodable;

entry!(product_i8, ProductI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &ProductI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    if p.sizes.contains(&0) {
        return Ok(());
    }
    let (sizes, n) = split_last(&p.sizes, 1);
    let (lhs_strides, lhs_step) = split_last(&p.lhs_strides, 0);
    let (rhs_strides, rhs_step) = split_last(&p.rhs_strides, 0);
    let (lhs, rhs, output) = (memory.read(p.lhs), memory.read(p.rhs), memory.write(p.output));
    let common = Common::of(&p.requant);
    let mut to = dst(output, 1);
    let mut at = Odometer::new(sizes, [lhs_strides, rhs_strides]);
    loop {
        let lhs = src(lhs.wrapping_offset(at.offset[0] as isize), lhs_step);
        let rhs = src(rhs.wrapping_offset(at.offset[1] as isize), rhs_step);
        // SAFETY: a run inside the checked extents.
        unsafe {
            match common {
                Some(common) => row(p, common, lhs, rhs, to, n),
                None => row_exactly(p, lhs, rhs, to, n),
            }
        }
        to.ptr = to.ptr.wrapping_add(n as usize);
        if !at.advance() {
            break;
        }
    }
    #[cfg(cortex_m_dsp)]
    // SAFETY: all results, which have been computed.
    unsafe {
        clamp(&Some(p.requant), output, to.ptr.addr() - output.addr());
    }
    Ok(())
}

/// Results rounded in the usual way.
///
/// # Safety
/// `n` elements are readable at the operands and writable at the output, which may lie on one of them.
#[inline(never)]
unsafe fn row(
    p: &ProductI8<Place>,
    common: Common,
    mut lhs: Src,
    mut rhs: Src,
    mut to: Dst,
    n: u32,
) {
    let (lhs_zero, rhs_zero, multiplier) = (p.lhs_zero, p.rhs_zero, p.multiplier);
    let left = u32::from(p.left) & 31;
    #[cfg(not(cortex_m_dsp))]
    let done = 0;
    #[cfg(cortex_m_dsp)]
    // SAFETY: the caller's promise.
    let done = unsafe { product_fours(p, &mut lhs, &mut rhs, &mut to, n) };
    for _ in done..n {
        // SAFETY: the caller's promise; each element is read before the result that may lie on it
        // is written.
        unsafe {
            let product = factor(&mut lhs, lhs_zero).wrapping_mul(factor(&mut rhs, rhs_zero));
            *to.ptr = common.apply(product.wrapping_shl(left), multiplier);
        }
        to.ptr = to.ptr.wrapping_add(1);
    }
}

/// Results of any rounding.
///
/// # Safety
/// As for [`row`].
#[inline(never)]
unsafe fn row_exactly(p: &ProductI8<Place>, mut lhs: Src, mut rhs: Src, mut to: Dst, n: u32) {
    for _ in 0..n {
        // SAFETY: as in `row`.
        unsafe {
            let product = factor(&mut lhs, p.lhs_zero).wrapping_mul(factor(&mut rhs, p.rhs_zero));
            let product = product.wrapping_shl(u32::from(p.left));
            *to.ptr = p.requant.apply(product, p.multiplier, p.requant.shift) as u8;
        }
        to.ptr = to.ptr.wrapping_add(1);
    }
}

/// The next element, less the zero point.
///
/// # Safety
/// It is readable.
#[inline(always)]
unsafe fn factor(from: &mut Src, zero: i8) -> i32 {
    // SAFETY: the caller's promise.
    let x = unsafe { *from.ptr.cast::<i8>() };
    from.ptr = from.ptr.wrapping_offset(from.stride as isize);
    i32::from(x) - i32::from(zero)
}
