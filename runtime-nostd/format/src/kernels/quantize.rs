//! Parameters of the conversions between `f32` and 8-bit quantised tensors.

use serde::Serialize;

use super::Params;
use super::check::{read, write};
use crate::{Access, ParamError, scalar};

/// Number of thresholds between 256 results.
pub const THRESHOLDS: u32 = 255;

/// Quantises `count` dense elements: `convert(round_nearest_even(clamp(min, x / scale + zero, max)))`,
/// every operation in `f32`; NaN becomes 0. Without thresholds, the bounds are those of bytes.
///
/// With `thresholds`, floats are not computed with: result `q` is `min` plus the number of thresholds
/// that are at most the operand's `key`. There are [`THRESHOLDS`], ascending; those that
/// nothing reaches are `i32::MAX`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct QuantizeF32<P> {
    /// Operand, `f32`.
    pub input: P,
    /// Keys of the least operands of each result but the first, as `i32`.
    pub thresholds: Option<P>,
    /// Result, `i8`.
    pub output: P,
    /// Number of elements.
    pub count: u32,
    /// Scale of the result, positive.
    pub scale: f32,
    /// Zero point of the result.
    pub zero: f32,
    /// Smallest result, at most 0.
    pub min: i8,
    /// Largest result, at least 0.
    pub max: i8,
}

/// Converts `count` dense 8-bit elements to `f32`: `(x - zero) * scale`, or with a table, of
/// 256 `f32`, its entry for the byte taken as unsigned. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DequantizeI8<P> {
    /// Operand, `i8`.
    pub input: P,
    /// Results by operand.
    pub table: Option<P>,
    /// Result, `f32`.
    pub output: P,
    /// Number of elements.
    pub count: u32,
    /// Zero point of the operand.
    pub zero: i32,
    /// Scale of the operand.
    pub scale: f32,
}

/// An integer that orders as the floats do: -0 is just below +0, NaNs are beyond infinity on the side
/// of their sign. Twice applied, it gives back the bits.
#[doc(hidden)]
#[inline(always)]
pub const fn key(bits: u32) -> i32 {
    let bits = bits as i32;
    bits ^ ((bits >> 31) as u32 >> 1) as i32
}

/// The keys of infinity and of its negative.
pub const INFINITE_KEYS: [i32; 2] =
    [key(f32::NEG_INFINITY.to_bits()), key(f32::INFINITY.to_bits())];

#[doc(hidden)]
impl<P> QuantizeF32<P> {
    /// The result for one element, computed in floats.
    #[inline(always)]
    pub fn quantized(&self, x: f32) -> i8 {
        let y = x / self.scale + self.zero;
        let y = scalar::clamp_f32(f32::from(self.min), y, f32::from(self.max));
        scalar::round_even_f32(y) as i8
    }

    /// The thresholds that make the same results: operations that do not decrease, one after the
    /// other, do not decrease.
    #[cfg(feature = "std")]
    pub fn pack_thresholds(&self) -> std::vec::Vec<u8> {
        let reaches = |at: i32, q: i32| {
            let x = f32::from_bits(key(at as u32) as u32);
            i32::from(self.quantized(x)) >= q
        };
        let threshold = |n: u32| {
            let q = i32::from(self.min) + n as i32 + 1;
            let [mut low, mut high] = INFINITE_KEYS;
            if !reaches(high, q) {
                return i32::MAX;
            }
            while low < high {
                let middle = ((i64::from(low) + i64::from(high)) >> 1) as i32;
                match reaches(middle, q) {
                    true => high = middle,
                    false => low = middle + 1,
                }
            }
            low
        };
        (0..THRESHOLDS).flat_map(|n| threshold(n).to_le_bytes()).collect()
    }
}

impl<P: Copy> Params<P> for QuantizeF32<P> {
    type With<Q: Copy> = QuantizeF32<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> QuantizeF32<Q> {
        QuantizeF32 {
            input: f(self.input),
            thresholds: self.thresholds.map(&mut *f),
            output: f(self.output),
            count: self.count,
            scale: self.scale,
            zero: self.zero,
            min: self.min,
            max: self.max,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        // NaN is no scale either. Were 0 no result, that of NaN would have to be another.
        let bounds = match self.thresholds {
            Some(_) => self.min <= 0 && self.max >= 0,
            None => (self.min, self.max) == (i8::MIN, i8::MAX),
        };
        if !(self.scale > 0.0 && bounds) {
            return Err(ParamError::BadCode);
        }
        read(self.input, 4).of(&[self.count, 4], visit)?;
        if let Some(thresholds) = self.thresholds {
            read(thresholds, 4).of(&[THRESHOLDS, 4], visit)?;
        }
        write(self.output, 1).of(&[self.count], visit)
    }
}

impl<P: Copy> Params<P> for DequantizeI8<P> {
    type With<Q: Copy> = DequantizeI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> DequantizeI8<Q> {
        DequantizeI8 {
            input: f(self.input),
            table: self.table.map(&mut *f),
            output: f(self.output),
            count: self.count,
            zero: self.zero,
            scale: self.scale,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        read(self.input, 1).of(&[self.count], visit)?;
        if let Some(table) = self.table {
            read(table, 4).of(&[256, 4], visit)?;
        }
        write(self.output, 4).of(&[self.count, 4], visit)
    }
}
