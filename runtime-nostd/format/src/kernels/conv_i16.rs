//! Parameters of kernels on `i16` activations.

use serde::Serialize;

use super::check::{dense, read, write};
use super::{ConvI8, DepthwiseI8, Params, Requant, Rounding};
use crate::{Access, AccessKind, Overlap, ParamError};

/// [`ConvI8`] of an input of `i16`, with weights of `i8`.
///
/// Sums are those of [`ConvI8`], modulo `2^32`. With `requant`, whose limits are those of `i8` and not
/// used and whose rounding is not [`Rounding::Single`], results are `i16`: [`Requant::steps`] of a sum,
/// limited to `min` and `max`.
///
/// **Taps** are in their order: none is moved by `ConvI8::stored_tap`. Constants and scratch are as
/// there otherwise. If operand and results have two bytes for each element, results may lie over the
/// operand twice as far from it as those of [`ConvI8`]. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ConvI16<P> {
    /// Operands and geometry; sizes count elements.
    pub conv: ConvI8<P>,
    /// Smallest result, at least -32768.
    pub min: i32,
    /// Largest result, at most 32767.
    pub max: i32,
}

/// [`DepthwiseI8`] of an input of `i16`, with weights of `i8`, tap by tap
/// ([`super::DepthwiseLayout::Taps`]); requantised as [`ConvI16`] is. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DepthwiseI16<P> {
    /// Operands and geometry; sizes count elements.
    pub conv: DepthwiseI8<P>,
    /// Smallest result, at least -32768.
    pub min: i32,
    /// Largest result, at most 32767.
    pub max: i32,
}

/// Sum of two dense `i16` tensors of `count` elements, each times a constant: `clamp(min, (lhs *
/// lhs_multiplier + rhs * rhs_multiplier + 2^(shift - 1)) >> shift, max)`, in 64 bits, the shift
/// arithmetic. In place when `output` is an operand. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SumI16<P> {
    /// First operand.
    pub lhs: P,
    /// Second operand.
    pub rhs: P,
    /// Result.
    pub output: P,
    /// Number of elements.
    pub count: u32,
    /// Steps of the result, times `2^shift`, in one of `lhs`.
    pub lhs_multiplier: i32,
    /// Steps of the result, times `2^shift`, in one of `rhs`.
    pub rhs_multiplier: i32,
    /// Bits that the sum is shifted right by, 17 to 48.
    pub shift: u8,
    /// Smallest result, at least -32768.
    pub min: i32,
    /// Largest result, at most 32767.
    pub max: i32,
}

/// Bytes of an element.
const BYTES: u32 = 2;

/// Fails unless limits are those of results of 16 bits.
fn check_limits(min: i32, max: i32) -> Result<(), ParamError> {
    let fits = min <= max && min >= i16::MIN.into() && max <= i16::MAX.into();
    if fits { Ok(()) } else { Err(ParamError::BadCode) }
}

/// The same, and unless the way from sums to results is one that kernels of `i16` have.
pub(super) fn check(requant: &Option<Requant>, min: i32, max: i32) -> Result<(), ParamError> {
    let whole = |r: &Requant| (r.min, r.max) == (i8::MIN, i8::MAX);
    let fits = requant.is_none_or(|r| whole(&r) && r.rounding != Rounding::Single);
    if fits { check_limits(min, max) } else { Err(ParamError::BadCode) }
}

/// An access of a kernel of `i8`, of the input, which is read first, and of the results as of elements
/// of two bytes. Sums stay what they are.
fn widened<P>(
    access: Access<P>,
    is_input: bool,
    requantised: bool,
) -> Result<Access<P>, ParamError> {
    let is_result = access.kind == AccessKind::Write && requantised;
    if !is_input && !is_result {
        return Ok(access);
    }
    let elements = u32::try_from(access.end).map_err(|_| ParamError::Overflow)?;
    let end = dense(&[elements, BYTES])?.end;
    let overlap = match (is_input, requantised, access.overlap.least()) {
        (false, ..) => access.overlap,
        (true, true, Some((bytes, false))) => Overlap::behind(bytes.saturating_mul(BYTES)),
        _ => Overlap::NEVER,
    };
    Ok(Access { end, align: access.align.max(BYTES as u8), ..access }.over(overlap))
}

/// Implements [`Params`] for those of an `i8` kernel with other limits.
macro_rules! wide {
    ($ty:ident, $accesses:ident) => {
        impl<P: Copy> Params<P> for $ty<P> {
            type With<Q: Copy> = $ty<Q>;

            fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> $ty<Q> {
                $ty { conv: self.conv.map_places(f), min: self.min, max: self.max }
            }

            fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
                let requant = &self.conv.requant;
                check(requant, self.min, self.max)?;
                let (mut is_input, mut result) = (true, Ok(()));
                self.conv.$accesses(&mut |access| {
                    match widened(access, is_input, requant.is_some()) {
                        Ok(access) => visit(access),
                        Err(error) => result = Err(error),
                    }
                    is_input = false;
                })?;
                result
            }

            fn macs(&self) -> u64 {
                self.conv.macs()
            }
        }
    };
}

wide!(ConvI16, accesses);
wide!(DepthwiseI16, taps_accesses);

impl<P: Copy> Params<P> for SumI16<P> {
    type With<Q: Copy> = SumI16<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> SumI16<Q> {
        SumI16 {
            lhs: f(self.lhs),
            rhs: f(self.rhs),
            output: f(self.output),
            count: self.count,
            lhs_multiplier: self.lhs_multiplier,
            rhs_multiplier: self.rhs_multiplier,
            shift: self.shift,
            min: self.min,
            max: self.max,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        check_limits(self.min, self.max)?;
        if !(17..=48).contains(&self.shift) {
            return Err(ParamError::BadCode);
        }
        let (size, in_place) = ([self.count, BYTES], Overlap::behind(0));
        read(self.lhs, BYTES).over(in_place).of(&size, visit)?;
        read(self.rhs, BYTES).over(in_place).of(&size, visit)?;
        write(self.output, BYTES).of(&size, visit)
    }
}
