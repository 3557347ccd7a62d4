//! Parameters of data movement and row kernels.

use serde::Serialize;

use super::check::{dense, element_align, nonzero, product, read, scratch, strided, write};
use super::overlap::InOrder;
use super::{Params, Sizes, Strides};
use crate::{Access, AccessKind, Overlap, ParamError};

/// Strided copy of elements of `element` bytes (1, 2, 4, 8 or 16): for every index,
/// `output[index * output_strides] = input[index * input_strides]`, one after the other, the last dimension
/// fastest: the output may lie over what has been read. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Move<P> {
    /// First element read.
    pub input: P,
    /// First element written.
    pub output: P,
    /// Bytes per element.
    pub element: u8,
    /// Sizes of the index space, outermost first.
    pub sizes: Sizes,
    /// Byte strides of the source; 0 broadcasts, negative reverses.
    pub input_strides: Strides,
    /// Byte strides of the destination. Distinct indices write distinct bytes.
    pub output_strides: Strides,
}

/// Fills `count` elements of `element` bytes with the one at `value`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fill<P> {
    /// The element.
    pub value: P,
    /// First element written.
    pub output: P,
    /// Bytes per element: 1, 2, 4, 8 or 16.
    pub element: u8,
    /// Number of elements.
    pub count: u32,
}

/// `f32` softmax of each of `rows` dense rows of `n` elements: `m` is the row's maximum from
/// -inf, `e_i = exp(x_i - m)`, `s` the sum of `e_i` ascending from +0.0, `y_i = e_i / s`. In place
/// when `output` is `input`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SoftmaxF32<P> {
    /// Operand.
    pub input: P,
    /// Result.
    pub output: P,
    /// Number of rows.
    pub rows: u32,
    /// Elements per row.
    pub n: u32,
}

/// Softmax of each of `rows` dense rows of `n` 8-bit integers, in `f32`: of the elements
/// `x_i = (input_i - input_zero) * input_scale` as [`SoftmaxF32`] does, then
/// `round(clamp(min, y_i / output_scale + output_zero, max))`, ties to even. In place when `output` is
/// `input`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SoftmaxI8<P> {
    /// Operand.
    pub input: P,
    /// Result.
    pub output: P,
    /// A row of `f32`.
    pub scratch: P,
    /// Number of rows.
    pub rows: u32,
    /// Elements per row.
    pub n: u32,
    /// Zero point of the operand.
    pub input_zero: i32,
    /// Scale of the operand, positive.
    pub input_scale: f32,
    /// Scale of the result.
    pub output_scale: f32,
    /// Zero point of the result.
    pub output_zero: f32,
    /// Smallest result.
    pub min: f32,
    /// Largest result.
    pub max: f32,
}

impl<P: Copy> Params<P> for Move<P> {
    type With<Q: Copy> = Move<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Move<Q> {
        Move {
            input: f(self.input),
            output: f(self.output),
            element: self.element,
            sizes: self.sizes.clone(),
            input_strides: self.input_strides.clone(),
            output_strides: self.output_strides.clone(),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let align = element_align(self.element)?;
        let element = usize::from(self.element);
        product(&self.sizes)?;
        let read = strided(&[(&self.sizes, &self.input_strides)], element, align)?;
        let write = strided(&[(&self.sizes, &self.output_strides)], element, align)?;
        let mut order = InOrder::element(self.element.into());
        let strides = self.input_strides.iter().zip(&self.output_strides);
        for (&size, (&input, &output)) in self.sizes.iter().zip(strides).rev() {
            order.repeat(size, input, output);
        }
        let overlap = order.behind(read, write);
        visit(read.access(AccessKind::Read, self.input, align).over(overlap));
        visit(write.access(AccessKind::Write, self.output, align));
        Ok(())
    }
}

impl<P: Copy> Params<P> for Fill<P> {
    type With<Q: Copy> = Fill<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Fill<Q> {
        Fill {
            value: f(self.value),
            output: f(self.output),
            element: self.element,
            count: self.count,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let align = element_align(self.element)?;
        let element = u32::from(self.element);
        visit(dense(&[element])?.access(AccessKind::Read, self.value, align));
        visit(dense(&[self.count, element])?.access(AccessKind::Write, self.output, align));
        Ok(())
    }
}

impl<P: Copy> Params<P> for SoftmaxF32<P> {
    type With<Q: Copy> = SoftmaxF32<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> SoftmaxF32<Q> {
        SoftmaxF32 { input: f(self.input), output: f(self.output), rows: self.rows, n: self.n }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.rows, self.n])?;
        let extent = dense(&[self.rows, self.n, 4])?;
        let mark = |access: Access<P>| access.over(Overlap::behind(0));
        visit(mark(extent.access(AccessKind::Read, self.input, 4)));
        visit(mark(extent.access(AccessKind::Write, self.output, 4)));
        Ok(())
    }
}

impl<P: Copy> Params<P> for SoftmaxI8<P> {
    type With<Q: Copy> = SoftmaxI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> SoftmaxI8<Q> {
        SoftmaxI8 {
            input: f(self.input),
            output: f(self.output),
            scratch: f(self.scratch),
            rows: self.rows,
            n: self.n,
            input_zero: self.input_zero,
            input_scale: self.input_scale,
            output_scale: self.output_scale,
            output_zero: self.output_zero,
            min: self.min,
            max: self.max,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.rows, self.n])?;
        // The order of the elements is that of the bytes. NaN is no scale either.
        if !(self.input_scale > 0.0 && self.input_zero.unsigned_abs() <= 1 << 20) {
            return Err(ParamError::BadCode);
        }
        let size = [self.rows, self.n];
        read(self.input, 1).over(Overlap::behind(0)).of(&size, visit)?;
        write(self.output, 1).over(Overlap::behind(0)).of(&size, visit)?;
        scratch(self.scratch, 4).of(&[self.n, 4], visit)
    }
}
