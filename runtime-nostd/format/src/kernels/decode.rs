//! Decoding of parameters in place.
//!
//! The encoding is postcard's, of the fields in declaration order. Deriving `Deserialize` would do,
//! but moves every list through several results on its way: on a microcontroller that costs more
//! than a kilobyte of stack and thousands of instructions per step.

use postcard::Error;

use super::{
    Activation, Branch, Cholesky, ConvAny, ConvDim, ConvF32, ConvI8, ConvI8Mve, ConvI16,
    ConvI16Mve, DepthwiseF32, DepthwiseI8, DepthwiseI8Mve, DepthwiseI16, DepthwiseLayout,
    DepthwiseTapsI8, DepthwiseThreeI8, DequantizeI8, DotAny, DotF32, DotI8, ExternCall,
    ExternTensor, Feed, Fft, Fill, Gather, HybridF32, Map, MapInstr, MapOperand, Move, PoolI8,
    Post, ProductI8, QuantizeF32, Reduce, ReduceAny, ReduceOperand, RegionCode, RegionScalar,
    Requant, Rounding, Rows, ScaleI8, Scatter, ScatterAny, ScatterOperand, SelectAndScatter,
    Slices, SoftmaxF32, SoftmaxI8, Sort, SortOperand, Start, SumI8, SumI16, Sums, Switch, TableI8,
    TableMoveI8, TriangularSolve, Window, WindowDim,
};
use crate::program::Target;
use crate::{DType, Fields, MicroId, Place};

/// A value that is decoded where it lies.
pub trait Decode: Sized {
    /// What it is, if values of its type often lie one after another.
    const REPEATED: Option<Repeated> = None;

    /// A value to decode into.
    fn empty() -> Self;

    /// Replaces the value, which must be an empty one, with the next of the fields.
    fn decode(&mut self, fields: &mut Fields<'_>);
}

/// Types of fields that structs have several of in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// `u32`.
    Word,
    /// `i32`.
    Signed,
    /// [`Place`].
    Place,
}

/// A value to decode into.
#[inline(always)]
pub fn empty<T: Decode>() -> T {
    T::empty()
}

/// Decodes a value that must fill `bytes` exactly, into an empty one; left-over bytes are an error.
pub fn decode_exact<T: Decode>(value: &mut T, bytes: &[u8]) -> Result<(), Error> {
    let mut fields = Fields::new(bytes);
    value.decode(&mut fields);
    let all = fields.good() && fields.rest().is_empty();
    if all { Ok(()) } else { Err(Error::DeserializeBadEncoding) }
}

macro_rules! scalars {
    ($($ty:ty = $empty:expr $(, $repeated:ident)?;)*) => {$(
        impl Decode for $ty {
            $(const REPEATED: Option<Repeated> = Some(Repeated::$repeated);)?

            #[inline(always)]
            fn empty() -> $ty {
                $empty
            }

            #[inline(always)]
            fn decode(&mut self, fields: &mut Fields<'_>) {
                *self = fields.take();
            }
        }
    )*};
}

scalars! {
    bool = false;
    u8 = 0;
    i8 = 0;
    u32 = 0, Word;
    i32 = 0, Signed;
    f32 = 0.0;
    [u8; 3] = [0; 3];
    DType = DType::I1;
    MicroId = MicroId(0);
    Place = Place::constant(0), Place;
    Activation = Activation::None;
    DepthwiseLayout = DepthwiseLayout::Taps;
    Rounding = Rounding::Up;
    Target = Target::step(0);
}

impl<T: Decode> Decode for Option<T> {
    #[inline(always)]
    fn empty() -> Option<T> {
        None
    }

    fn decode(&mut self, fields: &mut Fields<'_>) {
        if fields.take() {
            self.insert(T::empty()).decode(fields);
        }
    }
}

impl<T: Decode, const N: usize> Decode for heapless::Vec<T, N> {
    #[inline(always)]
    fn empty() -> heapless::Vec<T, N> {
        heapless::Vec::new()
    }

    #[inline(never)]
    fn decode(&mut self, fields: &mut Fields<'_>) {
        for _ in 0..fields.take::<u32>() {
            if self.push(T::empty()).is_err() {
                return fields.fail();
            }
            if let Some(element) = self.last_mut() {
                element.decode(fields);
            }
        }
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

            fn decode(&mut self, fields: &mut Fields<'_>) {
                let $ty { $($field),* } = self;
                $($field.decode(fields);)*
            }
        }
    )*};
}

/// Calls a macro with the name, operand and fields, in the order of the encoding, of all structs that
/// parameters consist of. Whoever calls it has them and [`Place`] in scope.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_struct {
    ($each:ident) => {
        $each! {
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
            DepthwiseI8Mve<Place> { conv }
            ConvI16<Place> { conv, min, max }
            ConvI16Mve<Place> { conv, min, max }
            DepthwiseI16<Place> { conv, min, max }
            DepthwiseI8<Place> {
                input, weights, channels, shifts, output, scratch, batch, in_h, in_w, channels_count,
                multiplier, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left,
                dilation_h, dilation_w, input_zero, requant, layout,
            }
            DepthwiseThreeI8<Place> { conv }
            DepthwiseTapsI8<Place> { conv }
            Requant { shift, zero, min, max, rounding }
            SumI8<Place> {
                lhs, rhs, output, count, lhs_multiplier, rhs_multiplier, offset, shift, min, max,
            }
            SumI16<Place> { lhs, rhs, output, count, lhs_multiplier, rhs_multiplier, shift, min, max }
            ScaleI8<Place> { input, channels, output, rows, channels_count, shift, min, max }
            TableI8<Place> { input, table, output, count }
            TableMoveI8<Place> { input, table, output, sizes, input_strides, output_strides }
            PoolI8<Place> {
                input, output, batch, in_h, in_w, channels, out_h, out_w, kernel_h, kernel_w, stride_h,
                stride_w, pad_top, pad_left, input_zero, bias, left, multiplier, requant,
            }
            DotF32<Place> {
                lhs, rhs, bias, output, batch, m, n, k, lhs_batch_stride, lhs_row_stride,
                rhs_batch_stride, rhs_row_stride, activation,
            }
            ProductI8<Place> {
                lhs, rhs, output, sizes, lhs_strides, rhs_strides, lhs_zero, rhs_zero, left, multiplier,
                requant,
            }
            DotI8<Place> {
                lhs, rhs, output, scratch, batch, rows, columns, depth, lhs_batch_stride, lhs_row_stride,
                lhs_depth_stride, rhs_batch_stride, rhs_column_stride, rhs_depth_stride, lhs_zero, rhs_zero,
                multiplier, requant,
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
            QuantizeF32<Place> { input, thresholds, output, count, scale, zero, min, max }
            DequantizeI8<Place> { input, table, output, count, zero, scale }
            SoftmaxI8<Place> {
                input, output, scratch, rows, n, input_zero, input_scale, output_scale, output_zero, min, max,
            }
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
            Sums<Place> { place, count }
            Feed<Place> { place, row_bytes }
            Rows<Place> { stages, state, sums, feed }
            ExternTensor<Place> { dtype, dims, place }
            ExternCall<Place> { name, settings, operands, results }
            TriangularSolve<Place> {
                matrix, rhs, output, dtype, batch, n, count, left_side, lower, unit_diagonal, transpose,
                conjugate,
            }
        }
    };
}

for_each_struct!(structs);
