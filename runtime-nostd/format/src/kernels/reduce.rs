//! Parameters of reductions.

use serde::Serialize;

use super::check::{Extent, Slide, binary, dense, nonzero, product, strided};
use super::overlap::{InOrder, MOST};
use super::{MAX_RANK, Params, Sizes, Strides};
use crate::{Access, AccessKind, DType, MicroId, Overlap, ParamError};

/// A binary operation applied to each finished reduction: `result = op(sum, operand)`.
///
/// The mean is a sum followed by `divide`. See the example of [`Kernel`](crate::Kernel).
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
/// over the elements of `reduce`, ascending row-major. See the example of [`Kernel`](crate::Kernel).
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

/// One dimension of a [`Window`]. See the example of [`Kernel`](crate::Kernel).
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
/// must be neutral). Then `post`. See the example of [`Kernel`](crate::Kernel).
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

/// The least offset of elements that lie so many bytes apart, and that of all but the first.
fn least(sizes: &[u32], strides: &[i32]) -> (i32, Option<i32>) {
    let (mut least, mut others) = (0i32, None::<i32>);
    for (&size, &stride) in sizes.iter().zip(strides).filter(|(size, _)| **size > 1) {
        least = least.wrapping_add(stride.min(0).wrapping_mul(size.wrapping_sub(1) as i32));
        others = Some(others.map_or(stride, |other| other.min(stride)));
    }
    // One that is below the first is the least of all.
    (least, others.map(|other| if least < 0 { least } else { other }))
}

impl<P> Reduce<P> {
    /// How far results may lie over the operand, for accepted sizes.
    ///
    /// Results along the last kept dimension are a row. Operations that fold read the elements of a result
    /// along the last two reduced dimensions before they write it, and pass through the row again for each
    /// index of the others. The rest begin with a row of initial values.
    #[inline(never)]
    fn overlap(&self, element: u32, input: Extent, output: Extent) -> Overlap {
        let passes = self.reduce.len().saturating_sub(2);
        let outer = self.reduce.get(..passes).unwrap_or(&[]);
        let (first, again) = least(outer, &self.reduce_strides);
        let mut kept = self.sizes.iter().zip(&self.strides).rev();
        let (&row, &stride) = kept.next().unwrap_or((&1, &0));
        let mut order = InOrder::element(element);
        order.repeat(row, stride, element as i32);
        let folds = self.op.decode().is_some_and(|op| op.folds());
        order.pass(first, if folds { again } else { Some(first) });
        let mut bytes = row.wrapping_mul(element) as i32;
        for (&size, &stride) in kept {
            order.repeat(size, stride, bytes);
            bytes = bytes.wrapping_mul(size as i32);
        }
        // The order is that of the first elements of results.
        let below = least(&self.reduce, &self.reduce_strides).0;
        order.behind(Extent { start: input.start - i64::from(below), ..input }, output)
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
        let output = dense(&[outputs, element as u32])?;
        let overlap = self.overlap(element as u32, input, output);
        visit(input.access(AccessKind::Read, self.input, align).over(overlap));
        visit(dense(&[element as u32])?.access(AccessKind::Read, self.init, align));
        visit(output.access(AccessKind::Write, self.output, align));
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

impl WindowDim {
    /// Whether some window has elements outside of the input.
    fn pads(&self) -> bool {
        let last = self.output.saturating_sub(1).wrapping_mul(self.stride);
        let end = self.window.saturating_sub(1).wrapping_mul(self.window_dilation);
        let end = last.wrapping_add(end).wrapping_sub(self.pad as u32) as i32;
        self.pad > 0 || end >= self.input as i32
    }
}

impl<P> Window<P> {
    /// How far results may lie over the operand, for accepted sizes: when the results at an index are
    /// computed, those before them have been written, and nothing before their first elements is read any
    /// more. Operations that fold over at most two dimensions read the elements of a result before they
    /// write it; the rest begin with initial values for all results at the index.
    #[inline(never)]
    fn overlap(&self, element: u32) -> Overlap {
        let indices = self.dims.iter().fold(1u32, |n, dim| n.saturating_mul(dim.output));
        if indices > MOST || self.dims.iter().any(|dim| dim.base_dilation > 1) {
            return Overlap::NEVER;
        }
        let wide = self.dims.iter().filter(|dim| dim.window > 1).count();
        let whole = !self.padding_counts || !self.dims.iter().any(WindowDim::pads);
        let folds = self.op.decode().is_some_and(|op| op.folds()) && wide <= 2 && whole;
        let bytes = self.inner.wrapping_mul(element);
        let (mut index, mut most) = ([0u32; MAX_RANK], 0u32);
        for done in 0..indices {
            let written = done.wrapping_add(u32::from(!folds)).wrapping_mul(bytes);
            most = most.max(written.saturating_sub(self.first(&index).wrapping_mul(bytes)));
            for (i, dim) in index.iter_mut().zip(&self.dims).rev() {
                *i = if i.wrapping_add(1) < dim.output { i.wrapping_add(1) } else { 0 };
                if *i > 0 {
                    break;
                }
            }
        }
        Overlap::behind(most)
    }

    /// The first place in the input that windows from this index on read.
    fn first(&self, index: &[u32; MAX_RANK]) -> u32 {
        let (mut at, mut later) = (0u32, None::<u32>);
        for (dim, &i) in self.dims.iter().zip(index) {
            let (slide, next) = (dim.slide(), i.wrapping_add(1));
            at = at.wrapping_mul(dim.input);
            // Behind a higher index of the dimensions so far the others begin again.
            later = later.map(|first| first.wrapping_mul(dim.input));
            if next < dim.output {
                let first = at.wrapping_add(slide.start(next));
                later = Some(later.map_or(first, |other| other.min(first)));
            }
            at = at.wrapping_add(slide.start(i));
        }
        later.map_or(at, |first| first.min(at))
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
        let overlap = self.overlap(element);
        visit(dense(&[input])?.access(AccessKind::Read, self.input, align).over(overlap));
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
