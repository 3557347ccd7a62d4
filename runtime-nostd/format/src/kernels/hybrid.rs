//! Parameters of `f32` convolutions with `i8` weights.

use serde::Serialize;

use super::check::{dense, product};
use super::{ConvF32, Params};
use crate::{Access, AccessKind, Overlap, ParamError};

/// `f32` convolution with `i8` weights, each of which stands for its product with the scale of its
/// output channel, rounded.
///
/// As [`ConvF32`], or as [`DepthwiseF32`](super::DepthwiseF32) with `out_c` channels and `in_c` 1 if `depthwise`, of
/// these products: the same sums in the same order. Weights are packed as there, in bytes, and
/// scales as biases are. Scratch holds a block of eight channels' weights as floats:
/// `[kernel_h][kernel_w][in_c][8]`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HybridF32<P> {
    /// The convolution, with its packed weights.
    pub conv: ConvF32<P>,
    /// Scale of each output channel, a multiple of eight of them.
    pub scales: P,
    /// Weights of a block as floats.
    pub scratch: P,
    /// Whether each channel has its own filter.
    pub depthwise: bool,
}

#[doc(hidden)]
impl<P: Copy> HybridF32<P> {
    /// Weights of a block, of accepted parameters.
    pub fn block_weights(&self) -> u32 {
        let c = &self.conv;
        8u32.wrapping_mul(c.kernel_h).wrapping_mul(c.kernel_w).wrapping_mul(c.in_c)
    }
}

impl<P: Copy> Params<P> for HybridF32<P> {
    type With<Q: Copy> = HybridF32<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> HybridF32<Q> {
        HybridF32 {
            conv: self.conv.map_places(f),
            scales: f(self.scales),
            scratch: f(self.scratch),
            depthwise: self.depthwise,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let c = &self.conv;
        let out_c = c.out_c.checked_next_multiple_of(8).ok_or(ParamError::Overflow)?;
        let taps = product(&[c.kernel_h, c.kernel_w, c.in_c])?;
        let weights = dense(&[out_c, taps])?;
        // The second access of a convolution is that of its weights.
        let mut index = 0;
        // The image is gone through once for each block of channels.
        let again = c.out_c > 8;
        let mut convert = |access: Access<P>| {
            index += 1;
            visit(match index {
                1 if again => access.over(Overlap::NEVER),
                2 => weights.access(AccessKind::Read, c.weights, 4),
                _ => access,
            });
        };
        if self.depthwise {
            if c.in_c != 1 {
                return Err(ParamError::Mismatch);
            }
            c.depthwise().accesses(&mut convert)?;
        } else {
            c.accesses(&mut convert)?;
        }
        visit(dense(&[out_c, 4])?.access(AccessKind::Read, self.scales, 4));
        let scratch = dense(&[taps, 8, 4])?;
        visit(scratch.access(AccessKind::Scratch, self.scratch, 4));
        Ok(())
    }

    fn macs(&self) -> u64 {
        self.conv.macs()
    }
}
