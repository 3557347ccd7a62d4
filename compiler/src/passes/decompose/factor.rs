//! LAPACK's LU and QR decompositions, column after column, for matrices of few columns.

use microhlo_format::DType;

use crate::eval::Element;
use crate::ir::{Op, TensorType, ValueId};
use crate::ops::ElementwiseOp::{
    Abs, Add, And, Divide, Imag, Maximum, Minimum, Multiply, Negate, Real, Select, Sqrt, Subtract,
};
use crate::ops::compare::Direction;
use crate::ops::custom_call::CustomCall;
use crate::passes::build::Build;

/// Most columns that are eliminated, each by operations of its own.
const MAX_COLUMNS: u64 = 32;

/// Matrices with the numbers of their rows and columns.
struct Matrices {
    ty: TensorType,
    dims: Vec<u64>,
    rows: ValueId,
    columns: ValueId,
    /// The dimension of rows; that of columns follows.
    row_dim: usize,
}

impl Matrices {
    fn new(b: &mut Build<'_, '_>, value: ValueId) -> Option<Matrices> {
        let (ty, dims) = (b.ty(value)?, b.dims(value)?);
        let row_dim = dims.len().checked_sub(2)?;
        if dims.contains(&0) || dims[row_dim].min(dims[row_dim + 1]) > MAX_COLUMNS {
            return None;
        }
        let rows = b.iota(dims[row_dim], DType::I32);
        let rows = b.broadcast(rows, &[row_dim as i64], &dims)?;
        let columns = b.iota(dims[row_dim + 1], DType::I32);
        let columns = b.broadcast(columns, &[row_dim as i64 + 1], &dims)?;
        Some(Matrices { ty, dims, rows, columns, row_dim })
    }

    /// How many columns are eliminated.
    fn steps(&self) -> u64 {
        self.dims[self.row_dim].min(self.dims[self.row_dim + 1])
    }

    /// Where the row's or column's number relates so to `k`.
    fn mask(
        &self,
        b: &mut Build<'_, '_>,
        numbers: ValueId,
        direction: Direction,
        k: u64,
    ) -> Option<ValueId> {
        let k = b.number(&b.ty(numbers)?, k as i64);
        b.compare(direction, numbers, k)
    }

    /// A value with size one in some dimensions, repeated there.
    fn spread(&self, b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
        let all: Vec<i64> = (0..self.dims.len() as i64).collect();
        b.broadcast(value, &all, &self.dims)
    }

    /// Column `k`, repeated in every column.
    fn column(&self, b: &mut Build<'_, '_>, a: ValueId, k: u64) -> Option<ValueId> {
        let column = b.slice(a, self.row_dim + 1, k, k + 1)?;
        self.spread(b, column)
    }

    /// Row `k`, repeated in every row.
    fn row(&self, b: &mut Build<'_, '_>, a: ValueId, k: u64) -> Option<ValueId> {
        let row = b.slice(a, self.row_dim, k, k + 1)?;
        self.spread(b, row)
    }

    /// Element `(k, k)` everywhere.
    fn diagonal(&self, b: &mut Build<'_, '_>, a: ValueId, k: u64) -> Option<ValueId> {
        let row = b.slice(a, self.row_dim, k, k + 1)?;
        self.column(b, row, k)
    }

    /// The sums of columns, repeated in every row.
    fn column_sums(&self, b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
        let sums = b.sum(value, &[self.row_dim as i64])?;
        let kept = (0..self.dims.len()).filter(|&d| d != self.row_dim);
        let kept: Vec<i64> = kept.map(|d| d as i64).collect();
        b.broadcast(sums, &kept, &self.dims)
    }

    /// What all elements of a matrix have in common, once per matrix: dimensions of size one.
    fn once(&self, b: &mut Build<'_, '_>, value: ValueId) -> Option<ValueId> {
        let one = b.slice(value, self.row_dim, 0, 1)?;
        let one = b.slice(one, self.row_dim + 1, 0, 1)?;
        let mut dims = self.dims[..self.row_dim].to_vec();
        dims.push(1);
        b.reshape(one, &dims)
    }
}

fn select(b: &mut Build<'_, '_>, on: ValueId, yes: ValueId, no: ValueId) -> Option<ValueId> {
    let ty = b.ty(yes)?;
    Some(b.op(Select, &[on, yes, no], ty))
}

fn both(b: &mut Build<'_, '_>, x: ValueId, y: ValueId) -> Option<ValueId> {
    b.same(And, &[x, y])
}

/// `getrf`: both factors in one matrix, pivots from 1, and per matrix 0 or the number of the first
/// pivot that is zero.
pub(super) fn getrf(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[operand], &[_, pivots, info]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let m = Matrices::new(b, operand)?;
    let (pivots_ty, info_ty) = (b.ty(pivots)?, b.ty(info)?);
    let mut a = operand;
    let mut found = Vec::new();
    let numbers = m.ty.with_dtype(DType::I32);
    let mut first_zero = b.number(&numbers, 0);
    for k in 0..m.steps() {
        let at = pivot_row(b, &m, a, k)?;
        found.push(m.once(b, at)?);
        a = swapped(b, &m, a, k, at)?;
        let pivot = m.diagonal(b, a, k)?;
        let zero = b.number(&m.ty, 0);
        let is_zero = b.compare(Direction::Eq, pivot, zero)?;
        let none = b.number(&numbers, 0);
        let first = b.compare(Direction::Eq, first_zero, none)?;
        let first = both(b, first, is_zero)?;
        let number = b.number(&numbers, k as i64 + 1);
        first_zero = select(b, first, number, first_zero)?;

        let column = m.column(b, a, k)?;
        let quotient = b.same(Divide, &[column, pivot])?;
        let factor = select(b, is_zero, column, quotient)?;
        let row = m.row(b, a, k)?;
        let product = b.same(Multiply, &[factor, row])?;
        let rest = b.same(Subtract, &[a, product])?;
        let below = m.mask(b, m.rows, Direction::Gt, k)?;
        let right = m.mask(b, m.columns, Direction::Gt, k)?;
        let here = m.mask(b, m.columns, Direction::Eq, k)?;
        let eliminated = select(b, here, factor, a)?;
        let eliminated = select(b, right, rest, eliminated)?;
        a = select(b, below, eliminated, a)?;
    }
    let pivots = b.concatenate(&found, m.row_dim)?;
    let one = b.number(&b.ty(pivots)?, 1);
    let pivots = b.same(Add, &[pivots, one])?;
    let first_zero = m.once(b, first_zero)?;
    let first_zero = b.reshape(first_zero, &info_ty.static_dims()?)?;
    let info = b.convert(first_zero, info_ty.dtype()?)?;
    Some(vec![a, b.convert(pivots, pivots_ty.dtype()?)?, info])
}

/// The first row from `k` on with the largest element in column `k`, everywhere. Complex numbers
/// are as large as the sum of their parts, as in LAPACK.
fn pivot_row(b: &mut Build<'_, '_>, m: &Matrices, a: ValueId, k: u64) -> Option<ValueId> {
    let column = m.column(b, a, k)?;
    let size = match m.ty.dtype()? {
        d @ (DType::C64 | DType::C128) => {
            let part = if d == DType::C64 { DType::F32 } else { DType::F64 };
            let real = b.op(Real, &[column], m.ty.with_dtype(part));
            let imag = b.op(Imag, &[column], m.ty.with_dtype(part));
            let (real, imag) = (b.same(Abs, &[real])?, b.same(Abs, &[imag])?);
            b.same(Add, &[real, imag])?
        }
        _ => b.same(Abs, &[column])?,
    };
    let size_ty = b.ty(size)?;
    let candidate = m.mask(b, m.rows, Direction::Ge, k)?;
    let none = b.number(&size_ty, -1);
    let size = select(b, candidate, size, none)?;
    let dims = [m.row_dim as i64];
    let kept: Vec<i64> = (0..m.dims.len()).filter(|&d| d != m.row_dim).map(|d| d as i64).collect();
    let largest = b.fold(Maximum, Element::Float(-1.0), size, &dims)?;
    let largest = b.broadcast(largest, &kept, &m.dims)?;
    let is_largest = b.compare(Direction::Eq, size, largest)?;
    let last = b.number(&b.ty(m.rows)?, m.dims[m.row_dim] as i64 - 1);
    let rows = select(b, is_largest, m.rows, last)?;
    let row = b.fold(Minimum, Element::Int(i32::MAX.into()), rows, &dims)?;
    b.broadcast(row, &kept, &m.dims)
}

/// The matrices with row `k` and the row that `at` says everywhere exchanged.
fn swapped(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    a: ValueId,
    k: u64,
    at: ValueId,
) -> Option<ValueId> {
    let zero = b.number(&m.ty, 0);
    let there = b.compare(Direction::Eq, m.rows, at)?;
    let only = select(b, there, a, zero)?;
    let other = m.column_sums(b, only)?;
    let this = m.row(b, a, k)?;
    let here = m.mask(b, m.rows, Direction::Eq, k)?;
    let moved = select(b, there, this, a)?;
    select(b, here, other, moved)
}

/// `geqrf`: the triangular factor, below it the vectors of Householder's reflections, and their
/// factors.
pub(super) fn geqrf(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[operand], &[_, _]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let m = Matrices::new(b, operand)?;
    m.ty.dtype().filter(|d| d.is_float())?;
    let zero = b.number(&m.ty, 0);
    let mut a = operand;
    let mut factors = Vec::new();
    for k in 0..m.steps() {
        let below = m.mask(b, m.rows, Direction::Gt, k)?;
        let here = m.mask(b, m.rows, Direction::Eq, k)?;
        let column = m.column(b, a, k)?;
        let alpha = m.diagonal(b, a, k)?;
        let tail = select(b, below, column, zero)?;
        let squares = b.same(Multiply, &[tail, tail])?;
        let rest = m.column_sums(b, squares)?;
        let square = b.same(Multiply, &[alpha, alpha])?;
        let square = b.same(Add, &[square, rest])?;
        let norm = b.same(Sqrt, &[square])?;
        let minus = b.same(Negate, &[norm])?;
        let positive = b.compare(Direction::Ge, alpha, zero)?;
        let beta = select(b, positive, minus, norm)?;
        // A column that is zero already needs no reflection.
        let needed = b.compare(Direction::Ne, rest, zero)?;
        let beta = select(b, needed, beta, alpha)?;
        let apart = b.same(Subtract, &[beta, alpha])?;
        let tau = b.same(Divide, &[apart, beta])?;
        let tau = select(b, needed, tau, zero)?;
        factors.push(m.once(b, tau)?);

        let scale = b.same(Subtract, &[alpha, beta])?;
        let scaled = b.same(Divide, &[column, scale])?;
        let inside = both(b, below, needed)?;
        let vector = unit_vector(b, &m, here, inside, scaled)?;
        let reflected = reflection(b, &m, a, vector, tau)?;
        let right = m.mask(b, m.columns, Direction::Gt, k)?;
        let middle = m.mask(b, m.columns, Direction::Eq, k)?;
        let kept = select(b, here, beta, column)?;
        let kept = select(b, below, vector, kept)?;
        let left = select(b, middle, kept, a)?;
        a = select(b, right, reflected, left)?;
    }
    let factors = b.concatenate(&factors, m.row_dim)?;
    Some(vec![a, factors])
}

/// One at `here`, the values `inside`, zero elsewhere.
fn unit_vector(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    here: ValueId,
    inside: ValueId,
    values: ValueId,
) -> Option<ValueId> {
    let (zero, one) = (b.number(&m.ty, 0), b.number(&m.ty, 1));
    let outside = select(b, here, one, zero)?;
    select(b, inside, values, outside)
}

/// `a - tau v (v^T a)`, with `v` in every column.
fn reflection(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    a: ValueId,
    vector: ValueId,
    tau: ValueId,
) -> Option<ValueId> {
    let products = b.same(Multiply, &[vector, a])?;
    let sums = m.column_sums(b, products)?;
    let scaled = b.same(Multiply, &[tau, vector])?;
    let change = b.same(Multiply, &[scaled, sums])?;
    b.same(Subtract, &[a, change])
}

/// `orgqr`: the first columns of the product of reflections as `geqrf` leaves them.
pub(super) fn orgqr(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[a, factors], &[_]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let m = Matrices::new(b, a)?;
    m.ty.dtype().filter(|d| d.is_float())?;
    let count = *b.dims(factors)?.last()?;
    if count > m.steps() {
        return None;
    }
    let diagonal = b.compare(Direction::Eq, m.rows, m.columns)?;
    let (zero, one) = (b.number(&m.ty, 0), b.number(&m.ty, 1));
    let mut q = select(b, diagonal, one, zero)?;
    for k in (0..count).rev() {
        let below = m.mask(b, m.rows, Direction::Gt, k)?;
        let here = m.mask(b, m.rows, Direction::Eq, k)?;
        let column = m.column(b, a, k)?;
        let vector = unit_vector(b, &m, here, below, column)?;
        let tau = b.slice(factors, m.row_dim, k, k + 1)?;
        let mut dims = m.dims[..m.row_dim].to_vec();
        dims.extend([1, 1]);
        let tau = b.reshape(tau, &dims)?;
        let tau = m.spread(b, tau)?;
        q = reflection(b, &m, q, vector, tau)?;
    }
    Some(vec![q])
}
