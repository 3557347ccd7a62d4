//! Parameters of `i8` kernels without weights: sums of two tensors, tables, sums over windows.

use serde::Serialize;

use super::check::{Slide, dense, nonzero, product, read, write};
use super::overlap::Pixels;
use super::{Move, Params, Parts, Requant, Sizes, Strides};
use crate::{Access, AccessKind, Overlap, ParamError};

/// Sum of two dense `i8` tensors of `count` elements, each times a constant: `clamp(min, (lhs *
/// lhs_multiplier + rhs * rhs_multiplier + offset) >> shift, max)`, in 32 bits, the shift
/// arithmetic. `offset` holds zero points and half a step. In place when `output` is an operand.
///
/// No sum exceeds 32 bits: `128 * (|lhs_multiplier| + |rhs_multiplier|) + |offset| < 2^31`.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SumI8<P> {
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
    /// Added to the products.
    pub offset: i32,
    /// Bits that the sum is shifted right by, 0 to 31.
    pub shift: u8,
    /// Smallest result.
    pub min: i8,
    /// Largest result.
    pub max: i8,
}

/// A dense `i8` tensor `[rows, channels]`, each channel times a constant plus another: `clamp(min, (x
/// * multiplier + offset) >> shift, max)`, in 32 bits, which wrap, the shift arithmetic. In place when
/// `output` is `input`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleI8<P> {
    /// Operand.
    pub input: P,
    /// Multiplier and offset of each channel, as `i32`.
    pub channels: P,
    /// Result.
    pub output: P,
    /// Number of rows.
    pub rows: u32,
    /// Number of channels.
    pub channels_count: u32,
    /// Bits that the sum is shifted right by, 0 to 31.
    pub shift: u8,
    /// Smallest result.
    pub min: i8,
    /// Largest result.
    pub max: i8,
}

/// A function of single bytes: `output[i] = table[input[i]]`, the byte taken as unsigned. In place
/// when `output` is `input`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TableI8<P> {
    /// Operand.
    pub input: P,
    /// 256 results.
    pub table: P,
    /// Result.
    pub output: P,
    /// Number of elements.
    pub count: u32,
}

/// A function of single bytes that change places: for every index, `output[index * output_strides] =
/// table[input[index * input_strides]]`, the byte taken as unsigned. Of the order and of what the output may lie
/// over holds what [`Move`] says. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableMoveI8<P> {
    /// First byte read.
    pub input: P,
    /// 256 results.
    pub table: P,
    /// First byte written.
    pub output: P,
    /// Sizes of the index space, outermost first.
    pub sizes: Sizes,
    /// Strides of the source; 0 broadcasts, negative reverses.
    pub input_strides: Strides,
    /// Strides of the destination. Distinct indices write distinct bytes.
    pub output_strides: Strides,
}

#[doc(hidden)]
impl<P> TableMoveI8<P> {
    /// That of the bytes that a copy of such takes.
    pub fn new(copy: Move<P>, table: P) -> TableMoveI8<P> {
        let Move { input, output, sizes, input_strides, output_strides, .. } = copy;
        TableMoveI8 { input, table, output, sizes, input_strides, output_strides }
    }
}

/// Sums of `i8` over windows of an NHWC tensor, as 8-bit results: [`Requant::apply`] of `bias` plus
/// the sum, in 32 bits. Taps outside the input count as `input_zero`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PoolI8<P> {
    /// `[batch, in_h, in_w, channels]`, dense.
    pub input: P,
    /// `[batch, out_h, out_w, channels]`, dense.
    pub output: P,
    /// Independent images.
    pub batch: u32,
    /// Input height.
    pub in_h: u32,
    /// Input width.
    pub in_w: u32,
    /// Channels.
    pub channels: u32,
    /// Output height.
    pub out_h: u32,
    /// Output width.
    pub out_w: u32,
    /// Window height.
    pub kernel_h: u32,
    /// Window width.
    pub kernel_w: u32,
    /// Vertical stride.
    pub stride_h: u32,
    /// Horizontal stride.
    pub stride_w: u32,
    /// Rows of padding above; negative crops.
    pub pad_top: i32,
    /// Columns of padding on the left; negative crops.
    pub pad_left: i32,
    /// What taps outside the input count as.
    pub input_zero: i8,
    /// Added to each sum.
    pub bias: i32,
    /// Sums are shifted left by this, so that ratios of a quarter and more have a multiplier.
    pub left: u8,
    /// Multiplier of each shifted sum.
    pub multiplier: i32,
    /// How sums become results.
    pub requant: Requant,
}

/// Marks an operand of which each element is read before the result at its index is written.
fn in_place<P>(access: Access<P>) -> Access<P> {
    access.over(Overlap::behind(0))
}

impl<P: Copy> Params<P> for SumI8<P> {
    type With<Q: Copy> = SumI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> SumI8<Q> {
        SumI8 {
            lhs: f(self.lhs),
            rhs: f(self.rhs),
            output: f(self.output),
            count: self.count,
            lhs_multiplier: self.lhs_multiplier,
            rhs_multiplier: self.rhs_multiplier,
            offset: self.offset,
            shift: self.shift,
            min: self.min,
            max: self.max,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        if self.shift > 31 || self.min > self.max {
            return Err(ParamError::BadCode);
        }
        let most = [self.lhs_multiplier, self.rhs_multiplier]
            .iter()
            .fold(u64::from(self.offset.unsigned_abs()), |sum, m| {
                sum + 128 * u64::from(m.unsigned_abs())
            });
        if most >= 1 << 31 {
            return Err(ParamError::Overflow);
        }
        let bytes = dense(&[self.count])?;
        visit(in_place(bytes.access(AccessKind::Read, self.lhs, 1)));
        visit(in_place(bytes.access(AccessKind::Read, self.rhs, 1)));
        visit(bytes.access(AccessKind::Write, self.output, 1));
        Ok(())
    }
}

impl<P: Copy> Params<P> for ScaleI8<P> {
    type With<Q: Copy> = ScaleI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ScaleI8<Q> {
        ScaleI8 {
            input: f(self.input),
            channels: f(self.channels),
            output: f(self.output),
            rows: self.rows,
            channels_count: self.channels_count,
            shift: self.shift,
            min: self.min,
            max: self.max,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        if self.shift > 31 || self.min > self.max {
            return Err(ParamError::BadCode);
        }
        let bytes = dense(&[self.rows, self.channels_count])?;
        visit(in_place(bytes.access(AccessKind::Read, self.input, 1)));
        visit(dense(&[self.channels_count, 8])?.access(AccessKind::Read, self.channels, 4));
        visit(bytes.access(AccessKind::Write, self.output, 1));
        Ok(())
    }
}

impl<P: Copy> Params<P> for TableI8<P> {
    type With<Q: Copy> = TableI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> TableI8<Q> {
        TableI8 {
            input: f(self.input),
            table: f(self.table),
            output: f(self.output),
            count: self.count,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let bytes = dense(&[self.count])?;
        visit(in_place(bytes.access(AccessKind::Read, self.input, 1)));
        visit(dense(&[256])?.access(AccessKind::Read, self.table, 1));
        visit(bytes.access(AccessKind::Write, self.output, 1));
        Ok(())
    }
}

impl<P: Copy> Params<P> for TableMoveI8<P> {
    type With<Q: Copy> = TableMoveI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> TableMoveI8<Q> {
        TableMoveI8 {
            input: f(self.input),
            table: f(self.table),
            output: f(self.output),
            sizes: self.sizes.clone(),
            input_strides: self.input_strides.clone(),
            output_strides: self.output_strides.clone(),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let copy = Move {
            input: self.input,
            output: self.output,
            element: 1,
            sizes: self.sizes.clone(),
            input_strides: self.input_strides.clone(),
            output_strides: self.output_strides.clone(),
        };
        copy.accesses(visit)?;
        read(self.table, 1).of(&[256], visit)
    }
}

impl<P> PoolI8<P> {
    fn slides(&self) -> [Slide; 2] {
        let slide = |[input, output, kernel, stride]: [u32; 4], pad| Slide {
            input,
            output,
            kernel,
            stride,
            pad,
            input_dilation: 1,
            kernel_dilation: 1,
        };
        [
            slide([self.in_h, self.out_h, self.kernel_h, self.stride_h], self.pad_top),
            slide([self.in_w, self.out_w, self.kernel_w, self.stride_w], self.pad_left),
        ]
    }
}

impl<P: Copy> Params<P> for PoolI8<P> {
    type With<Q: Copy> = PoolI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> PoolI8<Q> {
        PoolI8 {
            input: f(self.input),
            output: f(self.output),
            batch: self.batch,
            in_h: self.in_h,
            in_w: self.in_w,
            channels: self.channels,
            out_h: self.out_h,
            out_w: self.out_w,
            kernel_h: self.kernel_h,
            kernel_w: self.kernel_w,
            stride_h: self.stride_h,
            stride_w: self.stride_w,
            pad_top: self.pad_top,
            pad_left: self.pad_left,
            input_zero: self.input_zero,
            bias: self.bias,
            left: self.left,
            multiplier: self.multiplier,
            requant: self.requant,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.batch, self.channels])?;
        let slides = &self.slides();
        for slide in slides {
            slide.check()?;
        }
        self.requant.check()?;
        if self.left > 31 {
            return Err(ParamError::BadCode);
        }
        let input = [self.batch, self.in_h, self.in_w, self.channels];
        let output = [self.batch, self.out_h, self.out_w, self.channels];
        product(&output)?;
        let (batch, pixel) = (self.batch, self.channels);
        // Channels are read and written block by block.
        let pixels = Pixels { slides, batch, input: pixel, output: pixel, together: 1, ahead: 0 };
        read(self.input, 1).over(pixels.behind()).of(&input, visit)?;
        write(self.output, 1).of(&output, visit)
    }

    fn parts(&self) -> Parts {
        let whole = self.channels.is_multiple_of(4) && self.kernel_w <= 256;
        Parts::of_results(&Some(self.requant))
            .and(Parts::CHANNELS_LEFT.only_if(!whole))
            .and(Parts::IMAGES.only_if(self.batch > 1))
    }
}
