//! Kernels that compute some rows of their result: stages of a chain.

use super::{
    ConvF32, ConvI8, ConvI8Mve, DepthwiseF32, DepthwiseI8, DepthwiseI8Mve, DepthwiseTapsI8,
    DepthwiseThreeI8, Kernel, Move, Params, PoolI8, Requant, ScaleI8, SumI8, TableI8,
};
use crate::rows::{RowShape, Stage};
use crate::{Access, KernelId, ParamError, Place};

/// An operand or result of a stage as rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowTensor<P> {
    /// Where row 0 of the whole lies.
    pub place: P,
    /// Bytes of a row; none if there is only one result of all rows.
    pub bytes: u32,
}

impl RowTensor<Place> {
    /// Where a row lies, counted from row 0; `None` if nowhere.
    pub fn row(&self, row: u16) -> Option<Place> {
        let offset = self.place.offset.checked_add(self.bytes.checked_mul(row.into())?)?;
        Some(Place { offset, ..self.place })
    }
}

/// A kernel's operands and result as rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByRows<P> {
    /// How rows of the result depend on those of each operand.
    pub shape: RowShape,
    /// The operands, of `shape.in_rows` rows.
    pub operands: [Option<RowTensor<P>>; 2],
    /// The result, of `shape.out_rows` rows.
    pub output: RowTensor<P>,
}

/// Some rows of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strip<P> {
    /// How many.
    pub count: u32,
    /// Rows of the operands that they read.
    pub demand: u32,
    /// Rows of padding above these.
    pub pad: u32,
    /// Where the rows of the operands are.
    pub operands: [P; 2],
    /// Where those of the result go.
    pub output: P,
}

/// Parameters of a kernel that can compute its result by rows.
///
/// Given parameters [restricted](Strips::restrict) to a strip, the kernel computes what it would as a
/// whole, bit for bit.
pub trait Strips<P: Copy>: Params<P> {
    /// Operands and result as rows, if the result has so many. The parameters are accepted ones.
    ///
    /// # Errors
    /// The result cannot be made by so many rows.
    fn by_rows(&self, rows: u32) -> Result<ByRows<P>, ParamError>;

    /// Restricts the parameters to a strip, if the result has so many rows.
    fn restrict(&mut self, rows: u32, strip: &Strip<P>);

    /// Whether the constants of restricted parameters are those of the whole: so few pixels may read
    /// them in another layout.
    fn same_constants(&self, _restricted: &Self) -> bool {
        true
    }
}

/// A number that rows have equal parts of.
fn part(count: u32, rows: u32) -> Result<u32, ParamError> {
    match count.checked_rem(rows) {
        Some(0) => Ok(count / rows),
        _ => Err(ParamError::Mismatch),
    }
}

/// Bytes of a result or sum.
fn element(requant: &Option<Requant>) -> u32 {
    if requant.is_some() { 1 } else { 4 }
}

/// One side of images: input, output, kernel, stride; padding; dilation.
struct Side([u32; 4], i32, u32);

/// How rows of images depend on each other, and the bytes of a row of the operand and of the result, from
/// those of their pixels: of rows of pixels, or, if each pixel is made of one, of parts of a single row.
/// Sizes of accepted parameters do not overflow.
#[inline(never)]
fn slid(
    rows: u32,
    batch: u32,
    h: &Side,
    w: &Side,
    pixel: &[u32; 2],
) -> Result<(RowShape, [u32; 2]), ParamError> {
    let alone = |&Side([input, output, ref rest @ ..], pad, _): &Side| {
        input == output && *rest == [1, 1] && pad == 0
    };
    let &Side([in_rows, out_rows, kernel, stride], pad, dilation) = h;
    let Side([input, output, ..], ..) = *w;
    let (shape, pixels) = if out_rows == rows {
        (RowShape { out_rows, in_rows, kernel, stride, pad, dilation }, [input, output])
    } else if out_rows == 1 && alone(h) && alone(w) {
        (RowShape::elementwise(rows), [part(output, rows)?; 2])
    } else {
        return Err(ParamError::Mismatch);
    };
    if batch != 1 {
        return Err(ParamError::Mismatch);
    }
    Ok((shape, [pixels[0].wrapping_mul(pixel[0]), pixels[1].wrapping_mul(pixel[1])]))
}

/// Implements [`Strips`] for kernels whose windows slide over images, from the bytes of pixels of their
/// operand and result.
macro_rules! sliding {
    ($($ty:ident |$p:ident| $in_pixel:expr, $out_pixel:expr $(=> $then:ident)? $(, $same:item)?;)*) => {$(
        impl<P: Copy> Strips<P> for $ty<P> {
            fn by_rows(&self, rows: u32) -> Result<ByRows<P>, ParamError> {
                let $p = self;
                let h = Side([$p.in_h, $p.out_h, $p.kernel_h, $p.stride_h], $p.pad_top, $p.dilation_h);
                let w = Side([$p.in_w, $p.out_w, $p.kernel_w, $p.stride_w], $p.pad_left, $p.dilation_w);
                let (shape, [input, output]) =
                    slid(rows, $p.batch, &h, &w, &[$in_pixel, $out_pixel])?;
                Ok(ByRows {
                    shape,
                    operands: [Some(RowTensor { place: $p.input, bytes: input }), None],
                    output: RowTensor { place: $p.output, bytes: output },
                })
            }

            fn restrict(&mut self, rows: u32, strip: &Strip<P>) {
                if self.out_h == rows {
                    (self.in_h, self.out_h) = (strip.demand, strip.count);
                    self.pad_top = strip.pad as i32;
                } else {
                    let pixels = self.out_w.checked_div(rows).unwrap_or(0);
                    self.out_w = pixels.wrapping_mul(strip.count);
                    self.in_w = self.out_w;
                }
                (self.input, self.output) = (strip.operands[0], strip.output);
                $(self.$then();)?
            }

            $($same)?
        }
    )*};
}

sliding! {
    ConvI8 |p| p.groups.wrapping_mul(p.in_c),
        p.groups.wrapping_mul(p.out_c).wrapping_mul(element(&p.requant)),
        fn same_constants(&self, restricted: &Self) -> bool {
            self.lanes() == restricted.lanes()
        };
    DepthwiseI8 |p| p.channels_count,
        p.channels_count.wrapping_mul(p.multiplier).wrapping_mul(element(&p.requant)) => fit_lines;
    ConvF32 |p| p.in_c.wrapping_mul(4), p.out_c.wrapping_mul(4);
    DepthwiseF32 |p| p.channels.wrapping_mul(4), p.channels.wrapping_mul(4);
}

/// Implements [`Strips`] for kernels that are others with other constants.
macro_rules! same_geometry {
    ($($ty:ident)*) => {$(
        impl<P: Copy> Strips<P> for $ty<P> {
            fn by_rows(&self, rows: u32) -> Result<ByRows<P>, ParamError> {
                self.conv.by_rows(rows)
            }

            fn restrict(&mut self, rows: u32, strip: &Strip<P>) {
                self.conv.restrict(rows, strip);
            }
        }
    )*};
}

same_geometry!(ConvI8Mve DepthwiseI8Mve DepthwiseThreeI8 DepthwiseTapsI8);

/// Implements [`Strips`] for kernels that combine elements at the same places, from what they count and
/// the bytes of that.
macro_rules! elementwise {
    (@operand $bytes:ident) => {
        None
    };
    (@operand $bytes:ident $place:expr) => {
        Some(RowTensor { place: $place, bytes: $bytes })
    };
    ($($ty:ident |$p:ident| [$first:ident $(, $second:ident)?], $count:ident, $unit:expr;)*) => {$(
        impl<P: Copy> Strips<P> for $ty<P> {
            fn by_rows(&self, rows: u32) -> Result<ByRows<P>, ParamError> {
                let $p = self;
                let bytes = part($p.$count, rows)?.wrapping_mul($unit);
                let second = elementwise!(@operand bytes $($p.$second)?);
                Ok(ByRows {
                    shape: RowShape::elementwise(rows),
                    operands: [Some(RowTensor { place: $p.$first, bytes }), second],
                    output: RowTensor { place: $p.output, bytes },
                })
            }

            fn restrict(&mut self, rows: u32, strip: &Strip<P>) {
                let units = self.$count.checked_div(rows).unwrap_or(0);
                self.$count = units.wrapping_mul(strip.count);
                self.$first = strip.operands[0];
                $(self.$second = strip.operands[1];)?
                self.output = strip.output;
            }
        }
    )*};
}

elementwise! {
    SumI8 |p| [lhs, rhs], count, 1;
    TableI8 |p| [input], count, 1;
    ScaleI8 |p| [input], rows, p.channels_count;
}

#[doc(hidden)]
impl<P> PoolI8<P> {
    /// Whether so many rows are those of the input, whose sums are gathered one row after the other: a
    /// window over all of them has one row of results.
    pub fn gathers(&self, rows: u32) -> bool {
        (self.in_h, self.kernel_h, self.out_h, self.pad_top) == (rows, rows, 1, 0) && rows > 1
    }

    /// Sums that are kept from row to row.
    pub fn sums(&self) -> u32 {
        self.out_w.wrapping_mul(self.channels)
    }
}

impl<P: Copy> Strips<P> for PoolI8<P> {
    fn by_rows(&self, rows: u32) -> Result<ByRows<P>, ParamError> {
        let (shape, bytes) = if self.batch != 1 {
            return Err(ParamError::Mismatch);
        } else if self.gathers(rows) {
            (RowShape::elementwise(rows), 0)
        } else if self.out_h == rows {
            let (in_rows, kernel, stride) = (self.in_h, self.kernel_h, self.stride_h);
            let pad = self.pad_top;
            let shape = RowShape { out_rows: rows, in_rows, kernel, stride, pad, dilation: 1 };
            (shape, self.out_w.wrapping_mul(self.channels))
        } else {
            return Err(ParamError::Mismatch);
        };
        let input = RowTensor { place: self.input, bytes: self.in_w.wrapping_mul(self.channels) };
        let output = RowTensor { place: self.output, bytes };
        Ok(ByRows { shape, operands: [Some(input), None], output })
    }

    fn restrict(&mut self, rows: u32, strip: &Strip<P>) {
        if self.gathers(rows) {
            self.kernel_h = strip.count;
        } else {
            self.out_h = strip.count;
        }
        (self.in_h, self.pad_top) = (strip.demand, strip.pad as i32);
        (self.input, self.output) = (strip.operands[0], strip.output);
    }
}

/// A copy of rows, of which the operand or the result may have more columns.
impl<P: Copy> Strips<P> for Move<P> {
    fn by_rows(&self, rows: u32) -> Result<ByRows<P>, ParamError> {
        let pitch = |strides: &[i32]| match strides.first() {
            Some(&stride) if stride > 0 => Ok(stride.unsigned_abs()),
            _ => Err(ParamError::Mismatch),
        };
        if self.sizes.first() != Some(&rows) {
            return Err(ParamError::Mismatch);
        }
        let input = RowTensor { place: self.input, bytes: pitch(&self.input_strides)? };
        let output = RowTensor { place: self.output, bytes: pitch(&self.output_strides)? };
        Ok(ByRows { shape: RowShape::elementwise(rows), operands: [Some(input), None], output })
    }

    fn restrict(&mut self, _rows: u32, strip: &Strip<P>) {
        if let Some(rows) = self.sizes.first_mut() {
            *rows = strip.count;
        }
        (self.input, self.output) = (strip.operands[0], strip.output);
    }
}

/// Makes the methods of [`Kernel`] for those that have strips.
macro_rules! kernels {
    ($($name:ident)*) => {
        impl KernelId {
            /// Whether it can be a stage of a chain.
            pub const fn has_strips(self) -> bool {
                matches!(self, $(KernelId::$name)|*)
            }
        }

        impl<P: Copy> Kernel<P> {
            /// See [`Strips::by_rows`].
            ///
            /// # Errors
            /// Its result cannot be made by so many rows, or it has no strips.
            pub fn by_rows(&self, rows: u32) -> Result<ByRows<P>, ParamError> {
                match self {
                    $(Kernel::$name(p) => p.by_rows(rows),)*
                    _ => Err(ParamError::Mismatch),
                }
            }

            /// The kernel restricted to a strip; see [`Strips::restrict`].
            ///
            /// # Errors
            /// It has no strips, or so few pixels read its constants in another layout.
            pub fn restricted(&self, rows: u32, strip: &Strip<P>) -> Result<Kernel<P>, ParamError> {
                match self {
                    $(Kernel::$name(p) => {
                        let mut restricted = p.clone();
                        restricted.restrict(rows, strip);
                        if p.same_constants(&restricted) {
                            Ok(Kernel::$name(restricted))
                        } else {
                            Err(ParamError::Mismatch)
                        }
                    })*
                    _ => Err(ParamError::Mismatch),
                }
            }
        }
    };
}

kernels! {
    conv_f32 depthwise_f32 conv_i8 depthwise_i8 depthwise_three_i8 depthwise_taps_i8 conv_i8_mve depthwise_i8_mve sum_i8 table_i8 scale_i8
    pool_i8 move_
}

#[doc(hidden)]
impl<P: Copy> Kernel<P> {
    /// Reports what the kernel touches as a stage: the accesses of each strip, rows of operands and
    /// results counted from their places. Scratch is that of strips, which may be more than that of the
    /// whole.
    ///
    /// # Errors
    /// It has no such strips: see [`by_rows`](Kernel::by_rows) and [`restricted`](Kernel::restricted); or
    /// some of its rows are made of padding alone.
    pub fn strips(
        &self,
        stage: &Stage,
        visit: &mut dyn FnMut(Access<P>),
    ) -> Result<(), ParamError> {
        self.accesses(&mut |_| ())?;
        let rows = u32::from(stage.rows);
        let by = self.by_rows(rows)?;
        if rows != by.shape.out_rows || stage.strip == 0 {
            return Err(ParamError::Mismatch);
        }
        let place = |tensor: Option<RowTensor<P>>| tensor.unwrap_or(by.output).place;
        let mut next = 0;
        while next < stage.rows {
            let (first, count) = (next, stage.count(next));
            next = next.saturating_add(count);
            let demand = by.shape.demand(first, count).ok_or(ParamError::Mismatch)?;
            let strip = Strip {
                count: count.into(),
                demand: u32::from(demand.end - demand.from),
                pad: by.shape.padding(first),
                operands: by.operands.map(place),
                output: by.output.place,
            };
            self.restricted(rows, &strip)?.accesses(visit)?;
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "std"))]
mod tests;
