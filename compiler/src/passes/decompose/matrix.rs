//! What decompositions of matrices have in common: rows, columns and elements at a number that is
//! only known at run time, and complex numbers beside real ones.
//!
//! A value of size one in the last two dimensions stands for one number per matrix.

use microhlo_format::DType;

use crate::ir::{TensorType, ValueId};
use crate::ops::ElementwiseOp::{
    Abs, Add, And, Complex, Imag, Multiply, Negate, Real, Select, Subtract,
};
use crate::ops::compare::Direction;
use crate::passes::build::Build;

/// Matrices with the numbers of their rows and columns.
pub(super) struct Matrices {
    pub(super) ty: TensorType,
    pub(super) dims: Vec<u64>,
    pub(super) rows: ValueId,
    pub(super) columns: ValueId,
    /// The dimension of rows; that of columns follows.
    pub(super) row_dim: usize,
}

impl Matrices {
    /// `None` for what is no matrix of floats or complex numbers of 32 or 64 bits, or is empty.
    pub(super) fn new(b: &mut Build<'_, '_>, value: ValueId) -> Option<Matrices> {
        let (ty, dims) = (b.ty(value)?, b.dims(value)?);
        let row_dim = dims.len().checked_sub(2)?;
        let known = [DType::F32, DType::F64, DType::C64, DType::C128];
        if dims.contains(&0) || !known.contains(&ty.dtype()?) {
            return None;
        }
        let rows = b.iota(dims[row_dim], DType::I32);
        let rows = b.broadcast(rows, &[row_dim as i64], &dims)?;
        let columns = b.iota(dims[row_dim + 1], DType::I32);
        let columns = b.broadcast(columns, &[row_dim as i64 + 1], &dims)?;
        Some(Matrices { ty, dims, rows, columns, row_dim })
    }

    pub(super) fn height(&self) -> u64 {
        self.dims[self.row_dim]
    }

    pub(super) fn width(&self) -> u64 {
        self.dims[self.row_dim + 1]
    }

    /// How many columns are eliminated.
    pub(super) fn steps(&self) -> u64 {
        self.height().min(self.width())
    }

    /// The dimensions of one number per matrix.
    pub(super) fn single(&self) -> Vec<u64> {
        let mut dims = self.dims[..self.row_dim].to_vec();
        dims.extend([1, 1]);
        dims
    }

    /// Where the row's or column's number relates so to `k`.
    pub(super) fn mask(
        &self,
        b: &mut Build<'_, '_>,
        numbers: ValueId,
        direction: Direction,
        k: ValueId,
    ) -> Option<ValueId> {
        let k = b.broadcast(k, &[], &b.dims(numbers)?)?;
        b.compare(direction, numbers, k)
    }

    /// A value with size one in some dimensions, repeated there.
    pub(super) fn spread(&self, b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
        spread(b, value, &self.dims)
    }

    /// Column `k`, repeated in every column.
    pub(super) fn column(&self, b: &mut Build<'_, '_>, a: ValueId, k: ValueId) -> Option<ValueId> {
        let column = b.pick(a, &[(self.row_dim + 1, k)])?;
        self.spread(b, column)
    }

    /// Row `k`, repeated in every row.
    pub(super) fn row(&self, b: &mut Build<'_, '_>, a: ValueId, k: ValueId) -> Option<ValueId> {
        let row = b.pick(a, &[(self.row_dim, k)])?;
        self.spread(b, row)
    }

    /// Element `(i, j)`, once per matrix.
    pub(super) fn at(
        &self,
        b: &mut Build<'_, '_>,
        a: ValueId,
        i: ValueId,
        j: ValueId,
    ) -> Option<ValueId> {
        b.pick(a, &[(self.row_dim, i), (self.row_dim + 1, j)])
    }

    /// The sums of columns, repeated in every row.
    pub(super) fn column_sums(&self, b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
        let sums = b.sum(value, &[self.row_dim as i64])?;
        let kept = (0..self.dims.len()).filter(|&d| d != self.row_dim);
        let kept: Vec<i64> = kept.map(|d| d as i64).collect();
        b.broadcast(sums, &kept, &self.dims)
    }

    /// What all elements of a matrix have in common, once per matrix: a last dimension of size one.
    pub(super) fn once(&self, b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
        let one = b.slice(value, self.row_dim, 0, 1)?;
        let one = b.slice(one, self.row_dim + 1, 0, 1)?;
        let mut dims = self.dims[..self.row_dim].to_vec();
        dims.push(1);
        b.reshape(one, &dims)
    }

    /// The transposed matrices, of conjugate numbers.
    pub(super) fn adjoint(&self, b: &mut Build<'_, '_>, a: ValueId) -> Option<ValueId> {
        let mut permutation: Vec<usize> = (0..self.dims.len()).collect();
        permutation.swap(self.row_dim, self.row_dim + 1);
        let transposed = b.transpose(a, &permutation)?;
        conj(b, transposed)
    }

    /// The diagonal, in the dimension of columns.
    pub(super) fn diagonal(&self, b: &mut Build<'_, '_>, a: ValueId) -> Option<ValueId> {
        let on = b.compare(Direction::Eq, self.rows, self.columns)?;
        let zero = b.number(&b.ty(a)?, 0);
        let only = select(b, on, a, zero)?;
        b.sum(only, &[self.row_dim as i64])
    }
}

/// A value with size one in some dimensions, repeated there.
pub(super) fn spread(b: &mut Build<'_, '_>, value: ValueId, dims: &[u64]) -> Option<ValueId> {
    let all: Vec<i64> = (0..dims.len() as i64).collect();
    match b.dims(value)? == dims {
        true => Some(value),
        false => b.broadcast(value, &all, dims),
    }
}

pub(super) fn select(
    b: &mut Build<'_, '_>,
    on: ValueId,
    yes: ValueId,
    no: ValueId,
) -> Option<ValueId> {
    let ty = b.ty(yes)?;
    Some(b.op(Select, &[on, yes, no], ty))
}

pub(super) fn both(b: &mut Build<'_, '_>, x: ValueId, y: ValueId) -> Option<ValueId> {
    b.same(And, &[x, y])
}

/// The type of the parts of complex numbers; that of real numbers is itself.
pub(super) fn part(ty: &TensorType) -> Option<TensorType> {
    Some(match ty.dtype()? {
        DType::C64 => ty.with_dtype(DType::F32),
        DType::C128 => ty.with_dtype(DType::F64),
        _ => ty.clone(),
    })
}

fn is_complex(ty: &TensorType) -> bool {
    ty.dtype().is_some_and(DType::is_complex)
}

/// The real parts.
pub(super) fn real(b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
    let ty = b.ty(value)?;
    match is_complex(&ty) {
        true => Some(b.op(Real, &[value], part(&ty)?)),
        false => Some(value),
    }
}

/// The imaginary parts, unless the numbers are real.
pub(super) fn imag(b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
    let ty = b.ty(value)?;
    match is_complex(&ty) {
        true => Some(b.op(Imag, &[value], part(&ty)?)),
        false => None,
    }
}

/// Real numbers as numbers of the element type of `like`.
pub(super) fn from_real(
    b: &mut Build<'_, '_>,
    value: ValueId,
    like: &TensorType,
) -> Option<ValueId> {
    let ty = b.ty(value)?;
    if !is_complex(like) {
        return Some(value);
    }
    let zero = b.number(&ty, 0);
    Some(b.op(Complex, &[value, zero], ty.with_dtype(like.dtype()?)))
}

/// The conjugate numbers.
pub(super) fn conj(b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
    let ty = b.ty(value)?;
    let Some(im) = imag(b, value) else { return Some(value) };
    let (re, im) = (real(b, value)?, b.same(Negate, &[im])?);
    Some(b.op(Complex, &[re, im], ty))
}

/// The squares of the absolute values.
pub(super) fn norms(b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
    let re = real(b, value)?;
    let square = b.same(Multiply, &[re, re])?;
    match imag(b, value) {
        Some(im) => {
            let other = b.same(Multiply, &[im, im])?;
            b.same(Add, &[square, other])
        }
        None => Some(square),
    }
}

/// The absolute values.
pub(super) fn abs(b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
    let ty = part(&b.ty(value)?)?;
    Some(b.op(Abs, &[value], ty))
}

/// `a - tau v (v^H a)`, with `v` in every column.
pub(super) fn reflection(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    a: ValueId,
    vector: ValueId,
    tau: ValueId,
) -> Option<ValueId> {
    let conjugate = conj(b, vector)?;
    let products = b.same(Multiply, &[conjugate, a])?;
    let sums = m.column_sums(b, products)?;
    let scaled = b.same(Multiply, &[tau, vector])?;
    let change = b.same(Multiply, &[scaled, sums])?;
    b.same(Subtract, &[a, change])
}
