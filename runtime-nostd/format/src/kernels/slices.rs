//! Parameters of the kernels whose addresses depend on indices computed at run time.
//!
//! Such an index is data and never trusted: it is brought into range, or what it addresses is
//! skipped, at every access. The parameters hold the range, and [`Params::accesses`] reports all
//! of it.

use serde::Serialize;

use super::check::{Extent, dense, element_align, product, strided};
use super::{MAX_RANK, Params, Sizes, Strides};
use crate::{Access, AccessKind, DType, Overlap, ParamError};

/// One component of a start index: where it is read, and what it moves. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Start<P> {
    /// The component for the first batch position: one integer.
    pub index: P,
    /// Byte strides of the component along the batch dimensions.
    pub strides: Strides,
    /// Last position.
    pub last: u32,
    /// Elements of the tensor from one position to the next.
    pub stride: i32,
    /// Absent: the index is clamped to `0..=last`. Present: it moves this window dimension, and
    /// elements of the window at positions outside of `0..=last` are skipped.
    pub window: Option<u8>,
}

/// Windows of a tensor at run-time start indices, each paired with a part of a tensor of slices.
///
/// For every index `b` of `batch` and `w` of `window`, the element of the tensor at
/// `b * tensor_batch + w * tensor_window`, plus what the starts add, is paired with that of the
/// slices at `b * slice_batch + w * slice_window`. `batch` is the outer loop; both are row-major.
/// Strides are in elements. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slices<P> {
    /// Integer type of the indices; they saturate to 32 bits.
    pub index: DType,
    /// Components of the start indices.
    pub starts: heapless::Vec<Start<P>, MAX_RANK>,
    /// Sizes of the batch: one window for each index.
    pub batch: Sizes,
    /// Strides of the tensor along the batch.
    pub tensor_batch: Strides,
    /// Strides of the slices along the batch.
    pub slice_batch: Strides,
    /// Sizes of a window.
    pub window: Sizes,
    /// Strides of the tensor along the window.
    pub tensor_window: Strides,
    /// Strides of the slices along the window.
    pub slice_window: Strides,
}

/// Copies windows of a tensor at run-time start indices: `dynamic_slice` and `gather`.
///
/// The operand is the tensor of [`Slices`] and the output holds the slices.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gather<P> {
    /// Element with index zero of the tensor.
    pub operand: P,
    /// Element with index zero of the slices.
    pub output: P,
    /// Bytes per element: 1, 2, 4, 8 or 16.
    pub element: u8,
    /// What is copied. Every start is clamped.
    pub slices: Slices<P>,
}

/// Replaces windows of a tensor at run-time start indices: `dynamic_update_slice`, and `scatter`
/// whose region returns the update.
///
/// The output is the operand, dense and of `count` elements, with the elements that [`Slices`]
/// pairs replaced by those of the updates, in its order: the last one stays. In place when the
/// output is the operand. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scatter<P> {
    /// The tensor before.
    pub operand: P,
    /// Element with index zero of the slices.
    pub updates: P,
    /// The tensor after.
    pub output: P,
    /// Bytes per element: 1, 2, 4, 8 or 16.
    pub element: u8,
    /// Elements of operand and output.
    pub count: u32,
    /// What is replaced.
    pub slices: Slices<P>,
}

impl<P: Copy> Start<P> {
    fn with<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Start<Q> {
        Start {
            index: f(self.index),
            strides: self.strides.clone(),
            last: self.last,
            stride: self.stride,
            window: self.window,
        }
    }
}

impl<P: Copy> Slices<P> {
    pub(super) fn with<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Slices<Q> {
        Slices {
            index: self.index,
            starts: self.starts.iter().map(|start| start.with(f)).collect(),
            batch: self.batch.clone(),
            tensor_batch: self.tensor_batch.clone(),
            slice_batch: self.slice_batch.clone(),
            window: self.window.clone(),
            tensor_window: self.tensor_window.clone(),
            slice_window: self.slice_window.clone(),
        }
    }

    /// Reports the reads of the indices.
    pub(super) fn starts(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        if !self.index.is_integer() {
            return Err(ParamError::BadCode);
        }
        let align = self.index.align();
        for start in &self.starts {
            let extent = strided(&[(&self.batch, &start.strides)], self.index.size(), align)?;
            visit(extent.access(AccessKind::Read, start.index, align));
        }
        Ok(())
    }

    /// Bytes of the slices.
    pub(super) fn slice_extent(&self, element: usize) -> Result<Extent, ParamError> {
        product(&[product(&self.batch)?, product(&self.window)?])?;
        let parts = [(&self.batch, &self.slice_batch), (&self.window, &self.slice_window)];
        strided(&parts, 1, 1)?.scaled(element)
    }

    /// Bytes of the tensor that any indices can lead to.
    pub(super) fn tensor_extent(&self, element: usize) -> Result<Extent, ParamError> {
        // Dimensions that a start moves reach as far as the start says.
        let mut sizes = self.window.clone();
        let mut moved = [false; MAX_RANK];
        for start in &self.starts {
            let Some(window) = start.window else { continue };
            let window = usize::from(window);
            let stride = self.tensor_window.get(window).ok_or(ParamError::BadCode)?;
            let size = sizes.get_mut(window).ok_or(ParamError::BadCode)?;
            let again = moved.get_mut(window).ok_or(ParamError::BadCode)?;
            if *stride != start.stride || core::mem::replace(again, true) {
                return Err(ParamError::Mismatch);
            }
            *size = (*size).min(1);
        }
        let parts = [(&self.batch, &self.tensor_batch), (&sizes, &self.tensor_window)];
        let mut extent = strided(&parts, 1, 1)?;
        if extent.start < extent.end {
            for start in &self.starts {
                if start.last >= i32::MAX as u32 {
                    return Err(ParamError::Overflow);
                }
                extent = extent.extend(start.last + 1, start.stride)?;
            }
        }
        extent.scaled(element)
    }
}

impl<P: Copy> Params<P> for Gather<P> {
    type With<Q: Copy> = Gather<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Gather<Q> {
        Gather {
            operand: f(self.operand),
            output: f(self.output),
            element: self.element,
            slices: self.slices.with(f),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let (element, align) = (usize::from(self.element), element_align(self.element)?);
        if self.slices.starts.iter().any(|start| start.window.is_some()) {
            return Err(ParamError::BadCode);
        }
        let tensor = self.slices.tensor_extent(element)?;
        visit(tensor.access(AccessKind::Read, self.operand, align));
        self.slices.starts(visit)?;
        let slices = self.slices.slice_extent(element)?;
        visit(slices.access(AccessKind::Write, self.output, align));
        Ok(())
    }
}

impl<P: Copy> Params<P> for Scatter<P> {
    type With<Q: Copy> = Scatter<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Scatter<Q> {
        Scatter {
            operand: f(self.operand),
            updates: f(self.updates),
            output: f(self.output),
            element: self.element,
            count: self.count,
            slices: self.slices.with(f),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let (element, align) = (usize::from(self.element), element_align(self.element)?);
        let whole = dense(&[self.count, u32::from(self.element)])?;
        let slices = self.slices.slice_extent(element)?;
        whole.holds(self.slices.tensor_extent(element)?)?;
        let mark = |access: Access<P>| access.over(Overlap::IN_PLACE);
        visit(mark(whole.access(AccessKind::Read, self.operand, align)));
        visit(slices.access(AccessKind::Read, self.updates, align));
        self.slices.starts(visit)?;
        visit(mark(whole.access(AccessKind::Write, self.output, align)));
        Ok(())
    }
}
