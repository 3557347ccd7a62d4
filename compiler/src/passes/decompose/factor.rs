//! LAPACK's LU and QR decompositions, column after column in a loop.

use microhlo_format::DType;

use super::matrix::{
    Matrices, abs, both, conj, from_real, imag, norms, part, real, reflection, select, spread,
};
use crate::eval::Element;
use crate::ir::{Op, TensorType, ValueId};
use crate::ops::ElementwiseOp::{
    Add, Complex, Divide, Maximum, Minimum, Multiply, Negate, Or, Sqrt, Subtract,
};
use crate::ops::compare::Direction;
use crate::ops::custom_call::CustomCall;
use crate::passes::build::Build;

/// Both factors in one matrix, pivot rows from 0, and per matrix 0 or the number of the first pivot
/// that is zero.
struct Lu {
    factors: ValueId,
    pivots: ValueId,
    first_zero: ValueId,
    /// The numbers of rows in their new order, in every column.
    order: Option<ValueId>,
}

/// `getrf`: both factors, pivots from 1, and the first pivot that is zero.
pub(super) fn getrf(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[operand], &[_, pivots, info]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let (pivots_ty, info_ty) = (b.ty(pivots)?, b.ty(info)?);
    let m = Matrices::new(b, operand)?;
    let lu = lu(b, &m, operand, false)?;
    let one = b.number(&b.ty(lu.pivots)?, 1);
    let pivots = b.same(Add, &[lu.pivots, one])?;
    let first_zero = b.reshape(lu.first_zero, &info_ty.static_dims()?)?;
    let info = b.convert(first_zero, info_ty.dtype()?)?;
    Some(vec![lu.factors, b.convert(pivots, pivots_ty.dtype()?)?, info])
}

/// `LuDecomposition`, as XLA calls it: both factors, pivots from 0, and the order of rows.
pub(super) fn lu_call(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[operand], &[_, pivots, order]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let (pivots_ty, order_ty) = (b.ty(pivots)?, b.ty(order)?);
    let m = Matrices::new(b, operand)?;
    let lu = lu(b, &m, operand, true)?;
    let order = b.slice(lu.order?, m.row_dim + 1, 0, 1)?;
    let order = b.reshape(order, &order_ty.static_dims()?)?;
    let pivots = b.convert(lu.pivots, pivots_ty.dtype()?)?;
    Some(vec![lu.factors, pivots, b.convert(order, order_ty.dtype()?)?])
}

fn lu(b: &mut Build<'_, '_>, m: &Matrices, operand: ValueId, ordered: bool) -> Option<Lu> {
    let once = |size: u64| {
        let mut dims = m.dims[..m.row_dim].to_vec();
        dims.push(size);
        TensorType::fixed(&dims, DType::I32)
    };
    let pivots = b.number(&once(m.steps()), 0);
    let first_zero = b.number(&once(1), 0);
    let mut state = vec![operand, pivots, first_zero];
    if ordered {
        state.push(m.rows);
    }
    let out = b.count_to(m.steps(), &state, |b, k, state| {
        let at = pivot_row(b, m, state[0], k)?;
        let mut next = Vec::new();
        let a = swapped(b, m, state[0], k, at)?;
        let pivot = m.at(b, a, k, k)?;
        let pivot = m.spread(b, pivot)?;
        let zero = b.number(&m.ty, 0);
        let is_zero = b.compare(Direction::Eq, pivot, zero)?;
        next.push(eliminated(b, m, a, k, pivot, is_zero)?);
        let found = m.once(b, at)?;
        next.push(b.put(state[1], found, &[(m.row_dim, k)])?);

        let none = b.number(&b.ty(state[2])?, 0);
        let first = b.compare(Direction::Eq, state[2], none)?;
        let is_zero = m.once(b, is_zero)?;
        let first = both(b, first, is_zero)?;
        let number = b.broadcast(k, &[], &b.dims(state[2])?)?;
        let one = b.number(&b.ty(number)?, 1);
        let number = b.same(Add, &[number, one])?;
        next.push(select(b, first, number, state[2])?);
        if let Some(&order) = state.get(3) {
            next.push(swapped(b, m, order, k, at)?);
        }
        Some(next)
    })?;
    let order = out.get(3).copied();
    Some(Lu { factors: out[0], pivots: out[1], first_zero: out[2], order })
}

/// Column `k` below the diagonal becomes factors, and what is right of it loses their multiples of
/// row `k`.
fn eliminated(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    a: ValueId,
    k: ValueId,
    pivot: ValueId,
    is_zero: ValueId,
) -> Option<ValueId> {
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
    select(b, below, eliminated, a)
}

/// The first row from `k` on with the largest element in column `k`, everywhere. Complex numbers
/// are compared by the sum of their parts' absolute values, as in LAPACK.
fn pivot_row(b: &mut Build<'_, '_>, m: &Matrices, a: ValueId, k: ValueId) -> Option<ValueId> {
    let column = m.column(b, a, k)?;
    let re = real(b, column)?;
    let mut size = abs(b, re)?;
    if let Some(im) = imag(b, column) {
        let im = abs(b, im)?;
        size = b.same(Add, &[size, im])?;
    }
    let size_ty = b.ty(size)?;
    let candidate = m.mask(b, m.rows, Direction::Ge, k)?;
    let none = b.number(&size_ty, -1);
    let size = select(b, candidate, size, none)?;
    let dims = [m.row_dim as i64];
    let kept: Vec<i64> = (0..m.dims.len()).filter(|&d| d != m.row_dim).map(|d| d as i64).collect();
    let largest = b.fold(Maximum, Element::Float(-1.0), size, &dims)?;
    let largest = b.broadcast(largest, &kept, &m.dims)?;
    let is_largest = b.compare(Direction::Eq, size, largest)?;
    let last = b.number(&b.ty(m.rows)?, m.height() as i64 - 1);
    let rows = select(b, is_largest, m.rows, last)?;
    let row = b.fold(Minimum, Element::Int(i32::MAX.into()), rows, &dims)?;
    b.broadcast(row, &kept, &m.dims)
}

/// The matrices with row `k` and the row that `at` says everywhere exchanged.
fn swapped(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    a: ValueId,
    k: ValueId,
    at: ValueId,
) -> Option<ValueId> {
    let zero = b.number(&b.ty(a)?, 0);
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
    householder(b, &m, operand)
}

/// What [`geqrf`] gives: the packed factors, and `tau` of each reflection `1 - tau v v^H`.
pub(super) fn householder(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    operand: ValueId,
) -> Option<Vec<ValueId>> {
    let mut dims = m.dims[..m.row_dim].to_vec();
    dims.push(m.steps());
    let factors = b.number(&m.ty.with_dims(&dims), 0);
    b.count_to(m.steps(), &[operand, factors], |b, k, state| {
        let a = state[0];
        let below = m.mask(b, m.rows, Direction::Gt, k)?;
        let here = m.mask(b, m.rows, Direction::Eq, k)?;
        let column = m.column(b, a, k)?;
        let r = Reflector::new(b, m, a, k, column, below)?;
        let tau = m.once(b, r.tau)?;
        let factors = b.put(state[1], tau, &[(m.row_dim, k)])?;

        let beta = from_real(b, r.beta, &m.ty)?;
        let scale = b.same(Subtract, &[r.alpha, beta])?;
        let scaled = b.same(Divide, &[column, scale])?;
        let inside = both(b, below, r.needed)?;
        let vector = unit_vector(b, m, here, inside, scaled)?;
        let tau = conj(b, r.tau)?;
        let reflected = reflection(b, m, a, vector, tau)?;
        let right = m.mask(b, m.columns, Direction::Gt, k)?;
        let middle = m.mask(b, m.columns, Direction::Eq, k)?;
        let kept = select(b, here, beta, column)?;
        let kept = select(b, below, vector, kept)?;
        let left = select(b, middle, kept, a)?;
        Some(vec![select(b, right, reflected, left)?, factors])
    })
}

/// The reflection that clears a column below the diagonal, its numbers in every element.
struct Reflector {
    /// The diagonal's element before.
    alpha: ValueId,
    /// The diagonal's element afterwards, a real number.
    beta: ValueId,
    tau: ValueId,
    /// Whether the column is not clear already.
    needed: ValueId,
}

impl Reflector {
    fn new(
        b: &mut Build<'_, '_>,
        m: &Matrices,
        a: ValueId,
        k: ValueId,
        column: ValueId,
        below: ValueId,
    ) -> Option<Reflector> {
        let zero = b.number(&m.ty, 0);
        let none = b.number(&part(&m.ty)?, 0);
        let alpha = m.at(b, a, k, k)?;
        let alpha = m.spread(b, alpha)?;
        let tail = select(b, below, column, zero)?;
        let squares = norms(b, tail)?;
        let rest = m.column_sums(b, squares)?;
        let square = norms(b, alpha)?;
        let square = b.same(Add, &[square, rest])?;
        let norm = b.same(Sqrt, &[square])?;
        let minus = b.same(Negate, &[norm])?;
        let first = real(b, alpha)?;
        let positive = b.compare(Direction::Ge, first, none)?;
        let beta = select(b, positive, minus, norm)?;
        // A column that is zero already needs no reflection.
        let mut needed = b.compare(Direction::Ne, rest, none)?;
        let second = imag(b, alpha);
        if let Some(second) = second {
            let turned = b.compare(Direction::Ne, second, none)?;
            needed = b.same(Or, &[needed, turned])?;
        }
        let beta = select(b, needed, beta, first)?;
        let apart = b.same(Subtract, &[beta, first])?;
        let mut tau = b.same(Divide, &[apart, beta])?;
        if let Some(second) = second {
            let second = b.same(Negate, &[second])?;
            let second = b.same(Divide, &[second, beta])?;
            tau = b.op(Complex, &[tau, second], m.ty.clone());
        }
        let tau = select(b, needed, tau, zero)?;
        Some(Reflector { alpha, beta, tau, needed })
    }
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

/// `orgqr`: the first columns of the product of reflections as `geqrf` leaves them.
pub(super) fn orgqr(b: &mut Build<'_, '_>, op: &Op, _call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[a, factors], &[_]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let m = Matrices::new(b, a)?;
    Some(vec![orthogonal(b, &m, a, factors)?])
}

/// The product of the reflections in `a`, as many columns as that has.
pub(super) fn orthogonal(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    a: ValueId,
    factors: ValueId,
) -> Option<ValueId> {
    let count = *b.dims(factors)?.last()?;
    if count > m.steps() {
        return None;
    }
    let diagonal = b.compare(Direction::Eq, m.rows, m.columns)?;
    let (zero, one) = (b.number(&m.ty, 0), b.number(&m.ty, 1));
    let q = select(b, diagonal, one, zero)?;
    let out = b.count_to(count, &[q], |b, round, state| {
        let last = b.number(&TensorType::scalar(DType::I32), count as i64 - 1);
        let k = b.same(Subtract, &[last, round])?;
        let below = m.mask(b, m.rows, Direction::Gt, k)?;
        let here = m.mask(b, m.rows, Direction::Eq, k)?;
        let column = m.column(b, a, k)?;
        let vector = unit_vector(b, m, here, below, column)?;
        let tau = b.pick(factors, &[(m.row_dim, k)])?;
        let tau = b.reshape(tau, &m.single())?;
        let tau = spread(b, tau, &m.dims)?;
        Some(vec![reflection(b, m, state[0], vector, tau)?])
    })?;
    out.first().copied()
}
