//! Parameters of `i16` convolutions whose constants are laid out for M-profile Vector Extension (Helium), which
//! multiplies eight taps at once.

use serde::Serialize;

use super::conv_i16::check;
use super::{ConvI8, Params, Vectors};
use crate::{Access, ParamError};

/// [`super::ConvI16`] with constants and scratch as those of [`super::ConvI8Mve`]; the results are the same.
///
/// **Weights** are laid out for eight taps at once instead of 16.
///
/// **Scratch** has taps of two bytes: those of as many pixels as there, or of fewer as they take more.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConvI16Mve<P> {
    /// Operands and geometry; sizes count elements.
    pub conv: ConvI8<P>,
    /// Smallest result, at least -32768.
    pub min: i32,
    /// Largest result, at most 32767.
    pub max: i32,
}

#[doc(hidden)]
impl<P> ConvI16Mve<P> {
    /// How taps and weights lie.
    pub fn vectors(&self) -> Vectors<'_, P> {
        Vectors { conv: &self.conv, bytes: 2 }
    }
}

impl<P: Copy> Params<P> for ConvI16Mve<P> {
    type With<Q: Copy> = ConvI16Mve<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ConvI16Mve<Q> {
        ConvI16Mve { conv: self.conv.map_places(f), min: self.min, max: self.max }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        check(&self.conv.requant, self.min, self.max)?;
        self.vectors().accesses(visit)
    }

    fn macs(&self) -> u64 {
        self.conv.macs()
    }
}
