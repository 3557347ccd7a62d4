//! Decoding of parameters in place.
//!
//! The encoding is postcard's, of the fields in declaration order. Deriving `Deserialize` would do,
//! but moves every list through several results on its way: on a microcontroller that costs more
//! than a kilobyte of stack and thousands of instructions per step.

use postcard::Error;
use serde::Deserialize;

use super::{
    Activation, Branch, Cholesky, ConvAny, ConvDim, ConvF32, ConvI8, ConvI8Mve, DepthwiseF32,
    DepthwiseI8, DepthwiseLayout, DepthwiseTapsI8, DepthwiseThreeI8, DotAny, DotF32, Fft, Fill,
    Gather, HybridF32, Map, MapInstr, MapOperand, Move, PoolI8, Post, Reduce, ReduceAny,
    ReduceOperand, RegionCode, RegionScalar, Requant, Rounding, ScaleI8, Scatter, ScatterAny,
    ScatterOperand, SelectAndScatter, Slices, SoftmaxF32, Sort, SortOperand, Start, SumI8, Switch,
    TableI8, TriangularSolve, Window, WindowDim,
};
use crate::program::Target;
use crate::{DType, MicroId, Place};

/// Encoded fields, taken one after another.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    /// The fields that `bytes` starts with.
    pub const fn new(bytes: &'b [u8]) -> Fields<'b> {
        Fields(bytes)
    }

    /// Takes the next value; an error when it does not decode.
    #[inline(never)]
    pub fn take<T: Deserialize<'b>>(&mut self) -> Result<T, Error> {
        let (value, rest) = postcard::take_from_bytes(self.0)?;
        self.0 = rest;
        Ok(value)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let (&byte, rest) = self.0.split_first().ok_or(Error::DeserializeUnexpectedEnd)?;
        self.0 = rest;
        Ok(byte)
    }

    /// Takes a number of 32 bits: most fields are such, and small.
    #[inline(never)]
    fn varint(&mut self) -> Result<u32, Error> {
        let mut byte = self.byte()?;
        let (mut value, mut bits) = (u32::from(byte & 0x7f), 0);
        while byte & 0x80 != 0 {
            bits += 7;
            byte = self.byte()?;
            let part = u32::from(byte & 0x7f);
            // The fifth byte has the last four bits.
            if bits > 28 || (bits == 28 && byte > 0xf) {
                return Err(Error::DeserializeBadVarint);
            }
            value |= part << bits;
        }
        Ok(value)
    }
}

/// A value that is decoded where it lies.
pub trait Decode: Sized {
    /// A value to decode into.
    fn empty() -> Self;

    /// Replaces the value, which must be an empty one, with the next of the fields.
    fn decode(&mut self, fields: &mut Fields<'_>) -> Result<(), Error>;
}

/// Decodes a value that must fill `bytes` exactly, into an empty one; left-over bytes are an error.
pub fn decode_exact<T: Decode>(value: &mut T, bytes: &[u8]) -> Result<(), Error> {
    let mut fields = Fields::new(bytes);
    value.decode(&mut fields)?;
    if fields.0.is_empty() { Ok(()) } else { Err(Error::DeserializeBadEncoding) }
}

macro_rules! scalars {
    ($($ty:ty = $empty:expr;)*) => {$(
        impl Decode for $ty {
            #[inline(always)]
            fn empty() -> $ty {
                $empty
            }

            #[inline(always)]
            fn decode(&mut self, fields: &mut Fields<'_>) -> Result<(), Error> {
                *self = fields.take()?;
                Ok(())
            }
        }
    )*};
}

scalars! {
    bool = false;
    [u8; 3] = [0; 3];
    DType = DType::I1;
    MicroId = MicroId(0);
    Place = Place::constant(0);
    Activation = Activation::None;
    DepthwiseLayout = DepthwiseLayout::Taps;
    Rounding = Rounding::Up;
    Target = Target::step(0);
}

/// Implements [`Decode`] for numbers.
macro_rules! numbers {
    ($($ty:ty = |$fields:ident| $value:expr;)*) => {$(
        impl Decode for $ty {
            #[inline(always)]
            fn empty() -> $ty {
                0
            }

            #[inline(always)]
            fn decode(&mut self, $fields: &mut Fields<'_>) -> Result<(), Error> {
                *self = $value;
                Ok(())
            }
        }
    )*};
}

numbers! {
    u8 = |fields| fields.byte()?;
    i8 = |fields| fields.byte()? as i8;
    u32 = |fields| fields.varint()?;
    i32 = |fields| zigzag(fields.varint()?);
}

/// The signed number of an unsigned one that alternates between the signs.
fn zigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

impl<T: Decode> Decode for Option<T> {
    #[inline(always)]
    fn empty() -> Option<T> {
        None
    }

    fn decode(&mut self, fields: &mut Fields<'_>) -> Result<(), Error> {
        match fields.byte()? {
            0 => Ok(()),
            1 => self.insert(T::empty()).decode(fields),
            _ => Err(Error::DeserializeBadOption),
        }
    }
}

impl<T: Decode, const N: usize> Decode for heapless::Vec<T, N> {
    #[inline(always)]
    fn empty() -> heapless::Vec<T, N> {
        heapless::Vec::new()
    }

    #[inline(never)]
    fn decode(&mut self, fields: &mut Fields<'_>) -> Result<(), Error> {
        for _ in 0..fields.varint()? {
            self.push(T::empty()).map_err(|_| Error::DeserializeBadEncoding)?;
            if let Some(element) = self.last_mut() {
                element.decode(fields)?;
            }
        }
        Ok(())
    }
}

/// Implements [`Decode`] for structs: all fields, in declaration order.
macro_rules! structs {
    ($($ty:ident $(<$place:ident>)? { $($field:ident),* $(,)? })*) => {$(
        impl Decode for $ty $(<$place>)? {
            #[inline(always)]
            fn empty() -> Self {
                $ty { $($field: Decode::empty()),* }
            }

            fn decode(&mut self, fields: &mut Fields<'_>) -> Result<(), Error> {
                let $ty { $($field),* } = self;
                $($field.decode(fields)?;)*
                Ok(())
            }
        }
    )*};
}

structs! {
    ConvF32<Place> {
        input, weights, bias, output, batch, in_h, in_w, in_c, out_h, out_w, out_c, kernel_h,
        kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, activation,
    }
    DepthwiseF32<Place> {
        input, weights, bias, output, batch, in_h, in_w, channels, out_h, out_w, kernel_h,
        kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, activation,
    }
    ConvI8<Place> {
        input, weights, channels, shifts, output, scratch, batch, in_h, in_w, in_c, out_h, out_w,
        out_c, groups, kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h,
        dilation_w, input_zero, requant,
    }
    HybridF32<Place> { conv, scales, scratch, depthwise }
    ConvI8Mve<Place> { conv }
    DepthwiseI8<Place> {
        input, weights, channels, shifts, output, scratch, batch, in_h, in_w, channels_count,
        multiplier, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left,
        dilation_h, dilation_w, input_zero, requant, layout,
    }
    DepthwiseThreeI8<Place> { depthwise }
    DepthwiseTapsI8<Place> { depthwise }
    Requant { shift, zero, min, max, rounding }
    SumI8<Place> {
        lhs, rhs, output, count, lhs_multiplier, rhs_multiplier, offset, shift, min, max,
    }
    ScaleI8<Place> { input, channels, output, rows, channels_count, shift, min, max }
    TableI8<Place> { input, table, output, count }
    PoolI8<Place> {
        input, output, batch, in_h, in_w, channels, out_h, out_w, kernel_h, kernel_w, stride_h,
        stride_w, pad_top, pad_left, input_zero, bias, left, multiplier, requant,
    }
    DotF32<Place> {
        lhs, rhs, bias, output, batch, m, n, k, lhs_batch_stride, lhs_row_stride,
        rhs_batch_stride, rhs_row_stride, activation,
    }
    DotAny<Place> {
        op, lhs, rhs, output, sizes, lhs_strides, rhs_strides, contract, lhs_contract_strides,
        rhs_contract_strides,
    }
    ConvAny<Place> { op, input, weights, output, batch, groups, in_c, out_c, spatial }
    ConvDim { input, output, kernel, stride, pad, input_dilation, kernel_dilation, reverse }
    Move<Place> { input, output, element, sizes, input_strides, output_strides }
    Fill<Place> { value, output, element, count }
    SoftmaxF32<Place> { input, output, rows, n }
    Map<Place> { sizes, inputs, outputs, scratch, temps, temp_size, tile, code }
    MapOperand<Place> { place, strides }
    MapInstr { op, dst, args }
    Post<Place> { op, operand }
    Reduce<Place> { op, input, init, output, post, sizes, strides, reduce, reduce_strides }
    Window<Place> { op, input, init, output, post, dims, inner, padding_counts }
    WindowDim { input, output, window, stride, pad, base_dilation, window_dilation }
    Branch<Place> { predicate, when, target }
    Switch<Place> { index, first, targets }
    Start<Place> { index, strides, last, stride, window }
    Slices<Place> {
        index, starts, batch, tensor_batch, slice_batch, window, tensor_window, slice_window,
    }
    Gather<Place> { operand, output, element, slices }
    Scatter<Place> { operand, updates, output, element, count, slices }
    RegionScalar<Place> { place, dtype }
    RegionCode<Place> { scalars, scratch, temps, temp_size, lanes, code }
    ReduceOperand<Place> { input, init, output, element, accumulator, strides, lane_stride }
    ReduceAny<Place> {
        operands, dims, output_strides, lanes, lane_output_stride, padding_counts, body,
    }
    ScatterOperand<Place> { operand, updates, output, dtype }
    ScatterAny<Place> { operands, count, slices, body }
    SortOperand<Place> { input, output, scratch, dtype }
    Sort<Place> { operands, outer, n, inner, less, result }
    SelectAndScatter<Place> {
        operand, source, init, output, element, accumulator, dims, select, selected, scatter,
    }
    Fft<Place> {
        input, output, table, scratch, dtype, kind, n, convolution, radices, input_stride,
        output_stride, sizes, input_strides, output_strides,
    }
    Cholesky<Place> { input, output, dtype, batch, n, lower }
    TriangularSolve<Place> {
        matrix, rhs, output, dtype, batch, n, count, left_side, lower, unit_diagonal, transpose,
        conjugate,
    }
}
