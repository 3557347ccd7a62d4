//! Iteration over strided index spaces.

use microhlo_format::kernels::MAX_RANK;

/// Counts through the indices of up to [`MAX_RANK`] dimensions, last fastest, and keeps the byte
/// offsets of `N` strided operands.
pub(super) struct Odometer<'p, const N: usize> {
    sizes: &'p [u32],
    strides: [&'p [i32]; N],
    /// The current index.
    pub(super) index: [u32; MAX_RANK],
    /// Byte offset of each operand at the current index.
    pub(super) offset: [i32; N],
}

impl<'p, const N: usize> Odometer<'p, N> {
    /// At index zero of the dimensions `sizes`. Missing strides count as 0.
    pub(super) fn new(sizes: &'p [u32], strides: [&'p [i32]; N]) -> Self {
        Odometer { sizes, strides, index: [0; MAX_RANK], offset: [0; N] }
    }

    /// Moves to the next index; false after the last one, with all offsets back at zero.
    pub(super) fn advance(&mut self) -> bool {
        let dims = self.index.iter_mut().zip(self.sizes).enumerate().rev();
        for (d, (index, &size)) in dims {
            *index += 1;
            let wrapped = *index == size;
            let steps = if wrapped { 1i32.wrapping_sub(size as i32) } else { 1 };
            for (offset, strides) in self.offset.iter_mut().zip(&self.strides) {
                let stride = strides.get(d).copied().unwrap_or(0);
                *offset = offset.wrapping_add(stride.wrapping_mul(steps));
            }
            if !wrapped {
                return true;
            }
            *index = 0;
        }
        false
    }
}

/// The outer dimensions and the innermost one of a list that may be empty.
pub(super) fn split_last<T: Copy>(list: &[T], none: T) -> (&[T], T) {
    match list.split_last() {
        Some((&last, rest)) => (rest, last),
        None => (&[], none),
    }
}
