//! Arithmetic shared by the parameter checks.
//!
//! Every size, offset and extent that passes these checks fits in an `i32`, so kernels may compute
//! with 32-bit integers on every target.

use super::{Sizes, Strides};
use crate::{Access, AccessKind, DType, Micro, MicroId, Overlap, ParamError};

/// Largest byte extent or iteration count of one kernel.
const LIMIT: i64 = i32::MAX as i64;

/// Bytes touched relative to a place, `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub start: i64,
    pub end: i64,
}

impl Extent {
    /// A read, write or scratch access of this extent.
    pub(super) fn access<P>(self, kind: AccessKind, place: P, align: usize) -> Access<P> {
        Access {
            kind,
            place,
            start: self.start,
            end: self.end,
            align: align as u8,
            overlap: if kind == AccessKind::Write { Overlap::IN_PLACE } else { Overlap::NEVER },
        }
    }
}

/// Product of sizes; an error when it exceeds the limit. Zero sizes are allowed.
#[inline(never)]
pub(super) fn product(sizes: &[u32]) -> Result<u32, ParamError> {
    let mut total = 1u32;
    for &size in sizes {
        let wide = u64::from(total) * u64::from(size);
        if wide > LIMIT as u64 {
            return Err(ParamError::Overflow);
        }
        total = wide as u32;
    }
    Ok(total)
}

/// A dense operand of a kernel.
#[derive(Clone, Copy)]
pub(super) struct Dense<P> {
    pub kind: AccessKind,
    pub place: P,
    pub align: u32,
    pub overlap: Overlap,
}

impl<P: Copy> Dense<P> {
    /// Reports the access to a tensor of the given sizes, the last of which may be the element's
    /// bytes. One function that is called, since every kernel has several such operands.
    #[inline(never)]
    pub fn of(&self, sizes: &[u32], visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let access = dense(sizes)?.access(self.kind, self.place, self.align as usize);
        visit(access.over(self.overlap));
        Ok(())
    }

    /// The operand with results over it.
    pub fn over(self, overlap: Overlap) -> Dense<P> {
        Dense { overlap, ..self }
    }
}

/// A dense operand that is read.
pub(super) fn read<P>(place: P, align: u32) -> Dense<P> {
    Dense { kind: AccessKind::Read, place, align, overlap: Overlap::NEVER }
}

/// A dense operand that is written.
pub(super) fn write<P>(place: P, align: u32) -> Dense<P> {
    Dense { kind: AccessKind::Write, place, align, overlap: Overlap::IN_PLACE }
}

/// Dense working memory.
pub(super) fn scratch<P>(place: P, align: u32) -> Dense<P> {
    Dense { kind: AccessKind::Scratch, place, align, overlap: Overlap::NEVER }
}

/// Fails unless every size is at least one.
#[inline(never)]
pub(super) fn nonzero(sizes: &[u32]) -> Result<(), ParamError> {
    if sizes.contains(&0) { Err(ParamError::Zero) } else { Ok(()) }
}

/// Extent of a dense tensor with the given sizes, the last of which may be the element's bytes.
pub(super) fn dense(sizes: &[u32]) -> Result<Extent, ParamError> {
    Ok(Extent { start: 0, end: i64::from(product(sizes)?) })
}

/// Extent of a strided tensor; empty when a size is zero.
pub(super) fn strided(
    parts: &[(&Sizes, &Strides)],
    element: usize,
    align: usize,
) -> Result<Extent, ParamError> {
    let mut extent = Extent { start: 0, end: element as i64 };
    let mut empty = false;
    for (sizes, strides) in parts {
        if sizes.len() != strides.len() {
            return Err(ParamError::Mismatch);
        }
        for (&size, &stride) in sizes.iter().zip(strides.iter()) {
            if stride.unsigned_abs() as usize & (align - 1) != 0 {
                return Err(ParamError::Mismatch);
            }
            if size == 0 {
                empty = true;
                continue;
            }
            extent = extent.extend(size, stride)?;
        }
    }
    Ok(if empty { Extent { start: 0, end: 0 } } else { extent })
}

impl Extent {
    /// The extent of elements of `element` bytes, from one counted in elements.
    pub(super) fn scaled(self, element: usize) -> Result<Extent, ParamError> {
        let bytes = |n: i64| n.checked_mul(element as i64).filter(|n| n.abs() <= LIMIT);
        match (bytes(self.start), bytes(self.end)) {
            (Some(start), Some(end)) => Ok(Extent { start, end }),
            _ => Err(ParamError::Overflow),
        }
    }

    /// Fails unless the other extent lies inside this one or is empty.
    pub(super) fn holds(self, other: Extent) -> Result<(), ParamError> {
        let inside = self.start <= other.start && other.end <= self.end;
        if inside || other.start >= other.end { Ok(()) } else { Err(ParamError::Mismatch) }
    }

    /// The extent after repeating it `size` times, at least once, `stride` bytes apart.
    pub(super) fn extend(mut self, size: u32, stride: i32) -> Result<Extent, ParamError> {
        let reach = i64::from(size.saturating_sub(1))
            .checked_mul(i64::from(stride))
            .ok_or(ParamError::Overflow)?;
        if !(-LIMIT..=LIMIT).contains(&reach) {
            return Err(ParamError::Overflow);
        }
        if reach < 0 {
            self.start += reach
        } else {
            self.end += reach
        }
        if self.start < -LIMIT || self.end > LIMIT {
            return Err(ParamError::Overflow);
        }
        Ok(self)
    }
}

/// Alignment of an opaque element of `bytes` bytes: complex<f64> is aligned like its parts.
pub(super) fn element_align(bytes: u8) -> Result<usize, ParamError> {
    match bytes {
        1 | 2 | 4 | 8 => Ok(usize::from(bytes)),
        16 => Ok(8),
        _ => Err(ParamError::BadCode),
    }
}

/// The element type of a binary operation whose result has the operands' type.
pub(super) fn binary(op: MicroId) -> Result<DType, ParamError> {
    homogeneous(op, 2)
}

/// The element type of an operation with `arity` operands, all of the result's type.
pub(super) fn homogeneous(op: MicroId, arity: usize) -> Result<DType, ParamError> {
    let micro = op.decode().ok_or(ParamError::BadCode)?;
    let dtype = micro.result();
    let same = (0..arity).all(|i| micro.operand(i) == dtype);
    if micro.arity() == arity && same { Ok(dtype) } else { Err(ParamError::BadCode) }
}

/// Decodes a micro-operation.
pub(super) fn micro(op: MicroId) -> Result<Micro, ParamError> {
    op.decode().ok_or(ParamError::BadCode)
}

/// One dimension of a sliding window or convolution.
pub(super) struct Slide {
    pub input: u32,
    pub output: u32,
    pub kernel: u32,
    pub stride: u32,
    pub pad: i32,
    pub input_dilation: u32,
    pub kernel_dilation: u32,
}

impl Slide {
    /// Fails unless all sizes are positive and every input coordinate fits in an `i32`.
    #[inline(never)]
    pub(super) fn check(&self) -> Result<(), ParamError> {
        let s = self;
        nonzero(&[s.input, s.output, s.kernel, s.stride, s.input_dilation, s.kernel_dilation])?;
        let products =
            [(s.output, s.stride), (s.kernel, s.kernel_dilation), (s.input, s.input_dilation)];
        let mut reach = u64::from(s.pad.unsigned_abs());
        for (a, b) in products {
            reach = reach.saturating_add(u64::from(a) * u64::from(b));
        }
        if reach > LIMIT as u64 { Err(ParamError::Overflow) } else { Ok(()) }
    }
}
