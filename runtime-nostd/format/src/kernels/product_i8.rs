//! Parameters of products of two `i8` tensors that are both computed: elementwise, and of matrices.

use serde::Serialize;

use super::check::{Extent, dense, nonzero, product, scratch, strided};
use super::{Params, Requant, Sizes, Strides};
use crate::{Access, AccessKind, Overlap, ParamError};

/// Product of two `i8` tensors, element by element: [`Requant::apply`] of `((lhs - lhs_zero) * (rhs -
/// rhs_zero)) << left`, in 32 bits. The operands are strided, so that one may repeat its elements, the
/// result is dense. In place when `output` is a dense operand. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProductI8<P> {
    /// First operand.
    pub lhs: P,
    /// Second operand.
    pub rhs: P,
    /// Result.
    pub output: P,
    /// Sizes of the index space, outermost first; at least one dimension.
    pub sizes: Sizes,
    /// Byte strides of the first operand; 0 repeats.
    pub lhs_strides: Strides,
    /// Byte strides of the second operand; 0 repeats.
    pub rhs_strides: Strides,
    /// Zero point of the first operand.
    pub lhs_zero: i8,
    /// Zero point of the second operand.
    pub rhs_zero: i8,
    /// Products are shifted left by this, at most [`MAX_LEFT`](ProductI8::MAX_LEFT), so that ratios of
    /// a quarter and more have a multiplier.
    pub left: u8,
    /// Multiplier of each shifted product.
    pub multiplier: i32,
    /// How products become results.
    pub requant: Requant,
}

/// Batched matrix product of two `i8` tensors: [`Requant::apply`] of the sum over `depth` of `(lhs -
/// lhs_zero) * (rhs - rhs_zero)`, in 32 bits, which wrap; without `requant`, the sums as `i32`.
///
/// The operands are `[batch, rows, depth]` and `[batch, columns, depth]`, each strided, the result is
/// `[batch, rows, columns]`, dense.
///
/// Scratch holds the operand of fewer rows or columns, the second if both have as many, then four rows
/// of the other one, each as `i16` less the zero point: `[ceil(n / 2)][depth'][2]` and `[depth'][4]`
/// with `depth'` the depth rounded up to a multiple of four. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DotI8<P> {
    /// First operand.
    pub lhs: P,
    /// Second operand.
    pub rhs: P,
    /// Result.
    pub output: P,
    /// Working memory.
    pub scratch: P,
    /// Number of products.
    pub batch: u32,
    /// Rows of the first operand and of the result.
    pub rows: u32,
    /// Columns of the result.
    pub columns: u32,
    /// Products of a sum.
    pub depth: u32,
    /// Bytes from one matrix of the first operand to the next.
    pub lhs_batch_stride: i32,
    /// Bytes from one row to the next.
    pub lhs_row_stride: i32,
    /// Bytes from one factor of a sum to the next.
    pub lhs_depth_stride: i32,
    /// Bytes from one matrix of the second operand to the next.
    pub rhs_batch_stride: i32,
    /// Bytes from one column to the next.
    pub rhs_column_stride: i32,
    /// Bytes from one factor of a sum to the next.
    pub rhs_depth_stride: i32,
    /// Zero point of the first operand.
    pub lhs_zero: i8,
    /// Zero point of the second operand.
    pub rhs_zero: i8,
    /// Multiplier of each sum.
    pub multiplier: i32,
    /// How sums become 8-bit results; without it, they are stored.
    pub requant: Option<Requant>,
}

impl<P> ProductI8<P> {
    /// Most that products are shifted left by: they stay below `2^31`.
    pub const MAX_LEFT: u8 = 14;

    /// Whether an operand has the elements of the result in their order.
    fn is_dense(&self, strides: &Strides) -> bool {
        let mut next = 1u32;
        self.sizes.iter().zip(strides).rev().all(|(&size, &stride)| {
            let here = size == 1 || stride.cast_unsigned() == next;
            next = next.wrapping_mul(size);
            here
        })
    }

    fn operand(&self, place: P, strides: &Strides) -> Result<Access<P>, ParamError> {
        let over = if self.is_dense(strides) { Overlap::behind(0) } else { Overlap::NEVER };
        Ok(strided(&[(&self.sizes, strides)], 1, 1)?.access(AccessKind::Read, place, 1).over(over))
    }
}

impl<P: Copy> Params<P> for ProductI8<P> {
    type With<Q: Copy> = ProductI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ProductI8<Q> {
        ProductI8 {
            lhs: f(self.lhs),
            rhs: f(self.rhs),
            output: f(self.output),
            sizes: self.sizes.clone(),
            lhs_strides: self.lhs_strides.clone(),
            rhs_strides: self.rhs_strides.clone(),
            lhs_zero: self.lhs_zero,
            rhs_zero: self.rhs_zero,
            left: self.left,
            multiplier: self.multiplier,
            requant: self.requant,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        self.requant.check()?;
        if self.left > Self::MAX_LEFT || self.sizes.is_empty() {
            return Err(ParamError::BadCode);
        }
        let bytes = dense(&self.sizes)?;
        visit(self.operand(self.lhs, &self.lhs_strides)?);
        visit(self.operand(self.rhs, &self.rhs_strides)?);
        visit(bytes.access(AccessKind::Write, self.output, 1));
        Ok(())
    }
}

#[doc(hidden)]
impl<P> DotI8<P> {
    /// Rows that are computed together.
    pub const ROWS: u32 = 4;
    /// Columns that are computed together.
    pub const COLUMNS: u32 = 2;

    /// Whether the second operand has more columns than the first one rows: kernels then take the one
    /// for the other.
    pub fn swapped(&self) -> bool {
        self.rows < self.columns
    }

    /// Values of a row in scratch.
    pub fn packed_depth(&self) -> Result<u32, ParamError> {
        self.depth.checked_next_multiple_of(4).ok_or(ParamError::Overflow)
    }

    fn scratch_values(&self) -> Result<u32, ParamError> {
        let kept = self.rows.min(self.columns).checked_next_multiple_of(Self::COLUMNS);
        let rows = kept.and_then(|n| n.checked_add(Self::ROWS)).ok_or(ParamError::Overflow)?;
        product(&[rows, self.packed_depth()?])
    }
}

/// The bytes of an operand of so many matrices, rows and factors.
fn matrices(sizes: [u32; 3], strides: [i32; 3]) -> Result<Extent, ParamError> {
    let mut extent = Extent { start: 0, end: 1 };
    for (size, stride) in sizes.into_iter().zip(strides) {
        extent = extent.extend(size, stride)?;
    }
    Ok(extent)
}

impl<P: Copy> Params<P> for DotI8<P> {
    type With<Q: Copy> = DotI8<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> DotI8<Q> {
        DotI8 {
            lhs: f(self.lhs),
            rhs: f(self.rhs),
            output: f(self.output),
            scratch: f(self.scratch),
            batch: self.batch,
            rows: self.rows,
            columns: self.columns,
            depth: self.depth,
            lhs_batch_stride: self.lhs_batch_stride,
            lhs_row_stride: self.lhs_row_stride,
            lhs_depth_stride: self.lhs_depth_stride,
            rhs_batch_stride: self.rhs_batch_stride,
            rhs_column_stride: self.rhs_column_stride,
            rhs_depth_stride: self.rhs_depth_stride,
            lhs_zero: self.lhs_zero,
            rhs_zero: self.rhs_zero,
            multiplier: self.multiplier,
            requant: self.requant,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let (batch, depth) = (self.batch, self.depth);
        nonzero(&[batch, self.rows, self.columns, depth])?;
        if let Some(requant) = &self.requant {
            requant.check()?;
        }
        let lhs = [self.lhs_batch_stride, self.lhs_row_stride, self.lhs_depth_stride];
        let rhs = [self.rhs_batch_stride, self.rhs_column_stride, self.rhs_depth_stride];
        let lhs = matrices([batch, self.rows, depth], lhs)?;
        let rhs = matrices([batch, self.columns, depth], rhs)?;
        let bytes = if self.requant.is_some() { 1 } else { 4 };
        visit(lhs.access(AccessKind::Read, self.lhs, 1));
        visit(rhs.access(AccessKind::Read, self.rhs, 1));
        let output = dense(&[batch, self.rows, self.columns, bytes])?;
        visit(output.access(AccessKind::Write, self.output, bytes as usize));
        scratch(self.scratch, 4).of(&[self.scratch_values()?, 2], visit)
    }

    fn macs(&self) -> u64 {
        let sizes = [self.batch, self.rows, self.columns, self.depth];
        sizes.iter().fold(1, |n, &size| n.saturating_mul(u64::from(size)))
    }
}
