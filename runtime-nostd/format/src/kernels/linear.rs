//! Parameters of transforms and of linear algebra.
//!
//! These kernels exist once per element type, so that a firmware links the arithmetic of no other
//! type; their parameters are the same but for `dtype`, which must be the kernel's.

use serde::Serialize;

use super::check::{Extent, dense, nonzero, strided};
use super::{Params, Sizes, Strides};
use crate::algorithms::fft::{Kind, Plan, Radices};
use crate::{Access, AccessKind, DType, Overlap, ParamError};

/// Discrete Fourier transforms of strided lines; see `algorithms::fft` for the order of
/// operations.
///
/// For every index of `sizes` one line of complex numbers of `dtype`, `f32` or `f64`, is
/// transformed. Lines on the real side of kind 2 and 3 are of real numbers.
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fft<P> {
    /// First element read.
    pub input: P,
    /// First element written. In place if the lines lie alike.
    pub output: P,
    /// Roots of unity and, for a convolution, chirp and filter: `Plan::table_len` complex numbers.
    pub table: P,
    /// Twice the complex numbers that pass through the stages.
    pub scratch: P,
    /// Type of a real number.
    pub dtype: DType,
    /// 0 forward, 1 inverse, 2 real forward, 3 real inverse.
    pub kind: u8,
    /// Elements of a line, on the real side of real kinds.
    pub n: u32,
    /// Length of the convolution of Bluestein's algorithm, or 0.
    pub convolution: u32,
    /// Factors of the stages.
    pub radices: Radices,
    /// Bytes between neighbours of an input line.
    pub input_stride: i32,
    /// Bytes between neighbours of an output line.
    pub output_stride: i32,
    /// Sizes of the other dimensions.
    pub sizes: Sizes,
    /// Bytes between input lines.
    pub input_strides: Strides,
    /// Bytes between output lines.
    pub output_strides: Strides,
}

/// Cholesky factors of dense matrices; see `algorithms::cholesky` for the order of
/// operations. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cholesky<P> {
    /// `batch` matrices of `n` rows and columns.
    pub input: P,
    /// As many factors. In place if it is `input`.
    pub output: P,
    /// Element type.
    pub dtype: DType,
    /// Number of matrices.
    pub batch: u32,
    /// Rows of a matrix.
    pub n: u32,
    /// Whether the lower triangle is read and written.
    pub lower: bool,
}

/// Triangular systems of dense matrices; see `algorithms::triangular_solve` for the order
/// of operations. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TriangularSolve<P> {
    /// `batch` matrices of `n` rows and columns.
    pub matrix: P,
    /// `batch` times `count` right-hand sides: the columns of matrices of `n` rows, or with
    /// `left_side` unset the rows of matrices of `n` columns.
    pub rhs: P,
    /// The unknowns, which lie like `rhs`. In place if it is `rhs`.
    pub output: P,
    /// Element type.
    pub dtype: DType,
    /// Number of matrices.
    pub batch: u32,
    /// Rows of a matrix.
    pub n: u32,
    /// Right-hand sides per matrix.
    pub count: u32,
    /// Whether the matrix stands left of the unknowns.
    pub left_side: bool,
    /// Whether the lower triangle of the matrix is read.
    pub lower: bool,
    /// Whether its diagonal is taken as ones.
    pub unit_diagonal: bool,
    /// Whether the matrix is transposed.
    pub transpose: bool,
    /// Whether its elements are conjugated.
    pub conjugate: bool,
}

#[doc(hidden)]
impl<P> Fft<P> {
    /// The plan that the parameters describe.
    ///
    /// # Errors
    /// The parameters contradict each other.
    pub fn plan(&self) -> Result<Plan, ParamError> {
        let kind = *Kind::ALL.get(usize::from(self.kind)).ok_or(ParamError::BadCode)?;
        nonzero(&[self.n])?;
        let plan =
            Plan { kind, n: self.n, convolution: self.convolution, radices: self.radices.clone() };
        let mut product = 1u64;
        for &radix in &self.radices {
            product *= u64::from(radix);
            if radix < 2 || product > u64::from(u32::MAX) {
                return Err(ParamError::Mismatch);
            }
        }
        let enough =
            plan.convolution == 0 || u64::from(plan.convolution) >= 2 * u64::from(plan.len()) - 1;
        if product != u64::from(plan.stages_len()) || !enough {
            return Err(ParamError::Mismatch);
        }
        Ok(plan)
    }
}

/// Bytes of a real number.
fn real_bytes(dtype: DType) -> Result<u32, ParamError> {
    match dtype {
        DType::F32 | DType::F64 => Ok(dtype.size() as u32),
        _ => Err(ParamError::BadCode),
    }
}

/// Bytes and alignment of an element of linear algebra.
fn element(dtype: DType) -> Result<(u32, usize), ParamError> {
    match dtype {
        DType::F32 | DType::F64 | DType::C64 | DType::C128 => {
            Ok((dtype.size() as u32, dtype.align()))
        }
        _ => Err(ParamError::BadCode),
    }
}

/// An extent as an access that may share memory.
fn shareable<P>(extent: Extent, kind: AccessKind, place: P, align: usize) -> Access<P> {
    extent.access(kind, place, align).over(Overlap::IN_PLACE)
}

impl<P: Copy> Params<P> for Fft<P> {
    type With<Q: Copy> = Fft<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Fft<Q> {
        Fft {
            input: f(self.input),
            output: f(self.output),
            table: f(self.table),
            scratch: f(self.scratch),
            dtype: self.dtype,
            kind: self.kind,
            n: self.n,
            convolution: self.convolution,
            radices: self.radices.clone(),
            input_stride: self.input_stride,
            output_stride: self.output_stride,
            sizes: self.sizes.clone(),
            input_strides: self.input_strides.clone(),
            output_strides: self.output_strides.clone(),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let plan = self.plan()?;
        let real = real_bytes(self.dtype)?;
        let align = real as usize;
        let table = u32::try_from(plan.table_len()).map_err(|_| ParamError::Overflow)?;
        let line = |strides: &Strides, complex: bool, n: u32, stride: i32| {
            let bytes = if complex { 2 * align } else { align };
            let extent = strided(&[(&self.sizes, strides)], bytes, align)?;
            if stride.unsigned_abs() as usize & (align - 1) != 0 {
                return Err(ParamError::Mismatch);
            }
            if extent.start == extent.end { Ok(extent) } else { extent.extend(n, stride) }
        };
        let complex = [plan.kind != Kind::RealForward, plan.kind != Kind::RealInverse];
        let read = line(&self.input_strides, complex[0], plan.inputs(), self.input_stride)?;
        let write = line(&self.output_strides, complex[1], plan.outputs(), self.output_stride)?;
        // Each line is read completely before it is written.
        let alike = complex == [true; 2]
            && self.input_stride == self.output_stride
            && self.input_strides == self.output_strides;
        let overlap = if alike { Overlap::IN_PLACE } else { Overlap::NEVER };
        visit(read.access(AccessKind::Read, self.input, align).over(overlap));
        visit(write.access(AccessKind::Write, self.output, align));
        visit(dense(&[table, 2, real])?.access(AccessKind::Read, self.table, align));
        let scratch = dense(&[plan.stages_len(), 2, 2, real])?;
        visit(scratch.access(AccessKind::Scratch, self.scratch, align));
        Ok(())
    }
}

impl<P: Copy> Params<P> for Cholesky<P> {
    type With<Q: Copy> = Cholesky<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> Cholesky<Q> {
        let &Cholesky { dtype, batch, n, lower, .. } = self;
        Cholesky { input: f(self.input), output: f(self.output), dtype, batch, n, lower }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let (bytes, align) = element(self.dtype)?;
        nonzero(&[self.batch, self.n])?;
        let extent = dense(&[self.batch, self.n, self.n, bytes])?;
        visit(shareable(extent, AccessKind::Read, self.input, align));
        visit(shareable(extent, AccessKind::Write, self.output, align));
        Ok(())
    }
}

impl<P: Copy> Params<P> for TriangularSolve<P> {
    type With<Q: Copy> = TriangularSolve<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> TriangularSolve<Q> {
        TriangularSolve {
            matrix: f(self.matrix),
            rhs: f(self.rhs),
            output: f(self.output),
            dtype: self.dtype,
            batch: self.batch,
            n: self.n,
            count: self.count,
            left_side: self.left_side,
            lower: self.lower,
            unit_diagonal: self.unit_diagonal,
            transpose: self.transpose,
            conjugate: self.conjugate,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let (bytes, align) = element(self.dtype)?;
        nonzero(&[self.batch, self.n, self.count])?;
        let matrix = dense(&[self.batch, self.n, self.n, bytes])?;
        let values = dense(&[self.batch, self.n, self.count, bytes])?;
        visit(matrix.access(AccessKind::Read, self.matrix, align));
        visit(shareable(values, AccessKind::Read, self.rhs, align));
        visit(shareable(values, AccessKind::Write, self.output, align));
        Ok(())
    }
}
