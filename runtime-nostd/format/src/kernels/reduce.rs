//! Parameters of reductions.

use serde::Serialize;

use super::check::{Slide, binary, dense, nonzero, product, strided};
use super::{Params, Sizes, Strides};
use crate::{Access, AccessKind, DType, MicroId, ParamError};

/// A binary operation applied to each finished reduction: `result = op(sum, operand)`.
///
/// The mean is a sum followed by `divide`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Post<P> {
    /// The micro-operation, of two operands.
    pub op: MicroId,
    /// Its second operand, one element.
    pub operand: P,
}

/// Reduction of some dimensions by one micro-operation.
///
/// For every index of `sizes`, `output` (dense, row-major) is `op(...op(op(init, x0), x1)...)`
/// over the elements of `reduce`, ascending row-major.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reduce<P> {
    /// The micro-operation, of two operands and the same result type.
    pub op: MicroId,
    /// Operand.
    pub input: P,
    /// Initial value, one element.
    pub init: P,
    /// Dense result.
    pub output: P,
    /// What is applied to each result.
    pub post: Option<Post<P>>,
    /// Sizes of the kept dimensions.
    pub sizes: Sizes,
    /// Byte strides of `input` along the kept dimensions.
    pub strides: Strides,
    /// Sizes of the reduced dimensions.
    pub reduce: Sizes,
    /// Byte strides of `input` along the reduced dimensions.
    pub reduce_strides: Strides,
}

/// One dimension of a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WindowDim {
    /// Input size.
    pub input: u32,
    /// Output size.
    pub output: u32,
    /// Window size.
    pub window: u32,
    /// Window stride.
    pub stride: u32,
    /// Padding before the first element; negative crops.
    pub pad: i32,
    /// Distance of input elements.
    pub base_dilation: u32,
    /// Distance of window elements.
    pub window_dilation: u32,
}

/// `reduce_window` of a dense tensor by one micro-operation.
///
/// `input` is `[dims[0].input, dims[1].input, ..., inner]`, `output` likewise: `inner` is the
/// number of trailing elements that the window does not extend over. Per output element: `init`,
/// then window elements ascending row-major, padding skipped (the padding value is `init`, which
/// must be neutral). Then `post`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window<P> {
    /// The micro-operation, of two operands and the same result type.
    pub op: MicroId,
    /// Operand.
    pub input: P,
    /// Initial value, one element.
    pub init: P,
    /// Dense result.
    pub output: P,
    /// What is applied to each result.
    pub post: Option<Post<P>>,
    /// Windowed dimensions, outermost first.
    pub dims: heapless::Vec<WindowDim, { super::MAX_RANK }>,
    /// Elements of the trailing dimensions with a window of one.
    pub inner: u32,
    /// Whether taps in the padding count: `op(acc, init)` is then applied for each.
    pub padding_counts: bool,
}

impl<P: Copy> Post<P> {
    fn with<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Post<Q> {
        Post { op: self.op, operand: f(self.operand) }
    }

    fn accesses(&self, dtype: DType, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        if binary(self.op)? != dtype {
            return Err(ParamError::Mismatch);
        }
        let extent = dense(&[dtype.size() as u32])?;
        visit(extent.access(AccessKind::Read, self.operand, dtype.align()));
        Ok(())
    }
}

impl<P: Copy> Params<P> for Reduce<P> {
    type With<Q: Copy> = Reduce<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Reduce<Q> {
        Reduce {
            op: self.op,
            input: f(self.input),
            init: f(self.init),
            output: f(self.output),
            post: self.post.as_ref().map(|post| post.with(f)),
            sizes: self.sizes.clone(),
            strides: self.strides.clone(),
            reduce: self.reduce.clone(),
            reduce_strides: self.reduce_strides.clone(),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let dtype = binary(self.op)?;
        let (element, align) = (dtype.size(), dtype.align());
        let outputs = product(&self.sizes)?;
        product(&[outputs, product(&self.reduce)?])?;
        let input = strided(
            &[(&self.sizes, &self.strides), (&self.reduce, &self.reduce_strides)],
            element,
            align,
        )?;
        visit(input.access(AccessKind::Read, self.input, align));
        visit(dense(&[element as u32])?.access(AccessKind::Read, self.init, align));
        visit(dense(&[outputs, element as u32])?.access(AccessKind::Write, self.output, align));
        match &self.post {
            Some(post) => post.accesses(dtype, visit),
            None => Ok(()),
        }
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        visit(self.op);
        if let Some(post) = &self.post {
            visit(post.op);
        }
    }
}

impl WindowDim {
    pub(super) fn slide(&self) -> Slide {
        Slide {
            input: self.input,
            output: self.output,
            kernel: self.window,
            stride: self.stride,
            pad: self.pad,
            input_dilation: self.base_dilation,
            kernel_dilation: self.window_dilation,
        }
    }
}

impl<P: Copy> Params<P> for Window<P> {
    type With<Q: Copy> = Window<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Window<Q> {
        Window {
            op: self.op,
            input: f(self.input),
            init: f(self.init),
            output: f(self.output),
            post: self.post.as_ref().map(|post| post.with(f)),
            dims: self.dims.clone(),
            inner: self.inner,
            padding_counts: self.padding_counts,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let dtype = binary(self.op)?;
        let (element, align) = (dtype.size() as u32, dtype.align());
        nonzero(&[self.inner])?;
        let mut input = product(&[self.inner, element])?;
        let mut output = input;
        let mut work = self.inner;
        for dim in &self.dims {
            dim.slide().check()?;
            input = product(&[input, dim.input])?;
            output = product(&[output, dim.output])?;
            work = product(&[work, dim.output, dim.window])?;
        }
        visit(dense(&[input])?.access(AccessKind::Read, self.input, align));
        visit(dense(&[element])?.access(AccessKind::Read, self.init, align));
        visit(dense(&[output])?.access(AccessKind::Write, self.output, align));
        match &self.post {
            Some(post) => post.accesses(dtype, visit),
            None => Ok(()),
        }
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        visit(self.op);
        if let Some(post) = &self.post {
            visit(post.op);
        }
    }
}
