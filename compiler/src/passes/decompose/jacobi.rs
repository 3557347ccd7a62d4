//! Eigenvalues of symmetric and singular values of any matrices, by Jacobi's rotations.
//!
//! Rotations of two rows and columns make one element after the other zero, in sweeps over all of
//! them until none is large. Demmel and Veselic, "Jacobi's method is more accurate than QR" (1992);
//! for singular values the columns themselves are turned until they are orthogonal (Hestenes).

use microhlo_format::DType;

use super::custom::{letter, setting};
use super::factor::{householder, orthogonal};
use super::matrix::{Matrices, abs, conj, from_real, imag, norms, part, real, select, spread};
use crate::eval::Element;
use crate::ir::{Attr, Op, TensorType, ValueId};
use crate::ops::ElementwiseOp::{
    Add, And, Complex, Divide, Maximum, Multiply, Negate, Or, Sqrt, Subtract,
};
use crate::ops::compare::Direction;
use crate::ops::custom_call::CustomCall;
use crate::passes::build::Build;

/// Most sweeps. Convergence is quadratic: real matrices need less than ten.
const MAX_SWEEPS: i64 = 20;

/// `syevd`, `heevd`: eigenvectors in columns, eigenvalues ascending, and 0 where all are numbers.
pub(super) fn eigen(b: &mut Build<'_, '_>, op: &Op, call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[a], &[_, _, info]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let lower = match (letter(op, call, "uplo"), setting(op, call, "lower")) {
        (Some('L'), _) | (None, Some(Attr::Bool(true))) => true,
        (Some('U'), _) | (None, Some(Attr::Bool(false))) => false,
        _ => return None,
    };
    let info = b.ty(info)?;
    let (values, vectors) = symmetric(b, a, lower)?;
    let info = not_numbers(b, values, &info)?;
    Some(vec![vectors, values, info])
}

/// `Eigh`, as XLA calls it: eigenvectors and eigenvalues. Its configuration is `lower,sort,..`.
pub(super) fn eigh_call(b: &mut Build<'_, '_>, op: &Op, call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[a], &[_, _]) = (op.operands.as_slice(), op.results.as_slice()) else { return None };
    let Some(Attr::String(text)) = call.config.get("backend_config") else { return None };
    let lower = match text.split(',').next()?.trim() {
        "1" => true,
        "0" => false,
        _ => return None,
    };
    let (values, vectors) = symmetric(b, a, lower)?;
    Some(vec![vectors, values])
}

/// How many of the values per matrix are not a number.
fn not_numbers(b: &mut Build<'_, '_>, values: ValueId, info: &TensorType) -> Option<ValueId> {
    let wrong = b.compare(Direction::Ne, values, values)?;
    let wrong = b.convert(wrong, info.dtype()?)?;
    let last = b.dims(values)?.len() as i64 - 1;
    b.sum(wrong, &[last])
}

/// A rotation of two vectors `x` and `y`: to `c x - conj(s) y` and `s x + c y`.
struct Rotation {
    /// Of the matrices' type, once per matrix.
    cosine: ValueId,
    sine: ValueId,
    /// The tangent, a real number, 0 where nothing is turned.
    tangent: ValueId,
}

impl Rotation {
    /// The one that makes `product`, the element beside `first` and `second` on the diagonal, zero;
    /// none where `turn` is not set. `size` is the absolute value of `product`.
    fn new(
        b: &mut Build<'_, '_>,
        [first, second]: [ValueId; 2],
        product: ValueId,
        size: ValueId,
        turn: ValueId,
    ) -> Option<Rotation> {
        let (ty, like) = (b.ty(size)?, b.ty(product)?);
        let (zero, one) = (b.number(&ty, 0), b.number(&ty, 1));
        let safe = select(b, turn, size, one)?;
        let twice = b.same(Add, &[safe, safe])?;
        let apart = b.same(Subtract, &[second, first])?;
        let cotangent = b.same(Divide, &[apart, twice])?;
        let square = b.same(Multiply, &[cotangent, cotangent])?;
        let square = b.same(Add, &[one, square])?;
        let root = b.same(Sqrt, &[square])?;
        let length = abs(b, cotangent)?;
        let sum = b.same(Add, &[length, root])?;
        let tangent = b.same(Divide, &[one, sum])?;
        let minus = b.same(Negate, &[tangent])?;
        let positive = b.compare(Direction::Ge, cotangent, zero)?;
        let tangent = select(b, positive, tangent, minus)?;
        let tangent = select(b, turn, tangent, zero)?;
        let square = b.same(Multiply, &[tangent, tangent])?;
        let square = b.same(Add, &[one, square])?;
        let root = b.same(Sqrt, &[square])?;
        let cosine = b.same(Divide, &[one, root])?;
        let sine = b.same(Multiply, &[tangent, cosine])?;
        let sine = phased(b, sine, product, safe)?;
        Some(Rotation { cosine: from_real(b, cosine, &like)?, sine, tangent })
    }

    /// Turns two vectors; `left` turns rows, for which the sine is conjugate.
    fn apply(
        &self,
        b: &mut Build<'_, '_>,
        [x, y]: [ValueId; 2],
        left: bool,
    ) -> Option<[ValueId; 2]> {
        let dims = b.dims(x)?;
        let conjugate = conj(b, self.sine)?;
        let (s, t) = if left { (conjugate, self.sine) } else { (self.sine, conjugate) };
        let (c, s, t) =
            (spread(b, self.cosine, &dims)?, spread(b, s, &dims)?, spread(b, t, &dims)?);
        let (cx, ty) = (b.same(Multiply, &[c, x])?, b.same(Multiply, &[t, y])?);
        let (sx, cy) = (b.same(Multiply, &[s, x])?, b.same(Multiply, &[c, y])?);
        Some([b.same(Subtract, &[cx, ty])?, b.same(Add, &[sx, cy])?])
    }
}

/// A real number times the sign of `product`, whose absolute value is `size`.
fn phased(
    b: &mut Build<'_, '_>,
    number: ValueId,
    product: ValueId,
    size: ValueId,
) -> Option<ValueId> {
    let ty = b.ty(product)?;
    let re = real(b, product)?;
    let re = b.same(Divide, &[re, size])?;
    let re = b.same(Multiply, &[number, re])?;
    match imag(b, product) {
        Some(im) => {
            let im = b.same(Divide, &[im, size])?;
            let im = b.same(Multiply, &[number, im])?;
            Some(b.op(Complex, &[re, im], ty))
        }
        None => Some(re),
    }
}

/// Turns all pairs `p < q` of `n` until a sweep turns none. `turn` maps the state to the next one
/// and says which matrices were turned.
fn sweeps(
    b: &mut Build<'_, '_>,
    n: u64,
    state: &[ValueId],
    turn: impl FnOnce(&mut Build<'_, '_>, [ValueId; 2], &[ValueId]) -> Option<(Vec<ValueId>, ValueId)>,
) -> Option<Vec<ValueId>> {
    let counter = TensorType::scalar(DType::I32);
    let flag = TensorType::scalar(DType::I1);
    let mut all = vec![b.number(&counter, 0), b.number(&flag, 1)];
    all.extend(state);
    let limit = |b: &mut Build<'_, '_>, state: &[ValueId]| {
        let most = b.number(&TensorType::scalar(DType::I32), MAX_SWEEPS);
        let more = b.compare(Direction::Lt, state[0], most)?;
        b.same(And, &[more, state[1]])
    };
    let out = b.repeat(all, limit, |b, state| {
        let one = b.number(&counter, 1);
        let (zero, still) = (b.number(&counter, 0), b.number(&flag, 0));
        let mut pairs = vec![zero, one, still];
        pairs.extend(&state[2..]);
        let open = |b: &mut Build<'_, '_>, state: &[ValueId]| {
            let last = b.number(&TensorType::scalar(DType::I32), n as i64 - 1);
            b.compare(Direction::Lt, state[0], last)
        };
        let turned = b.repeat(pairs, open, |b, state| {
            let (mut next, moved) = turn(b, [state[0], state[1]], &state[3..])?;
            let rank = b.dims(moved)?.len() as i64;
            let moved = b.sum(moved, &(0..rank).collect::<Vec<_>>())?;
            let moved = b.same(Or, &[state[2], moved])?;
            let [p, q] = next_pair(b, n, [state[0], state[1]])?;
            next.splice(0..0, [p, q, moved]);
            Some(next)
        })?;
        let mut next = vec![b.same(Add, &[state[0], one])?];
        next.extend(&turned[2..]);
        Some(next)
    })?;
    Some(out[2..].to_vec())
}

fn next_pair(b: &mut Build<'_, '_>, n: u64, [p, q]: [ValueId; 2]) -> Option<[ValueId; 2]> {
    let counter = b.ty(p)?;
    let (one, size) = (b.number(&counter, 1), b.number(&counter, n as i64));
    let (down, right) = (b.same(Add, &[p, one])?, b.same(Add, &[q, one])?);
    let inside = b.compare(Direction::Lt, right, size)?;
    let below = b.same(Add, &[down, one])?;
    Some([select(b, inside, p, down)?, select(b, inside, right, below)?])
}

/// The largest absolute value per matrix.
fn largest(b: &mut Build<'_, '_>, m: &Matrices, a: ValueId) -> Option<ValueId> {
    let size = abs(b, a)?;
    let dims = [m.row_dim as i64, m.row_dim as i64 + 1];
    let largest = b.fold(Maximum, Element::Float(0.0), size, &dims)?;
    b.reshape(largest, &m.single())
}

/// The distance of 1 to the next number of the parts' type.
fn epsilon(ty: &TensorType) -> Option<f64> {
    Some(match part(ty)?.dtype()? {
        DType::F64 => f64::EPSILON,
        _ => f64::from(f32::EPSILON),
    })
}

/// Eigenvalues ascending and eigenvectors in columns, of the matrices whose lower or upper triangle
/// counts.
fn symmetric(b: &mut Build<'_, '_>, a: ValueId, lower: bool) -> Option<(ValueId, ValueId)> {
    let m = Matrices::new(b, a)?;
    if m.height() != m.width() {
        return None;
    }
    let adjoint = m.adjoint(b, a)?;
    let direction = if lower { Direction::Ge } else { Direction::Le };
    let inside = b.compare(direction, m.rows, m.columns)?;
    let whole = select(b, inside, a, adjoint)?;
    let diagonal = b.compare(Direction::Eq, m.rows, m.columns)?;
    let only_real = real(b, whole)?;
    let only_real = from_real(b, only_real, &m.ty)?;
    let whole = select(b, diagonal, only_real, whole)?;
    let (zero, one) = (b.number(&m.ty, 0), b.number(&m.ty, 1));
    let vectors = select(b, diagonal, one, zero)?;

    let largest = largest(b, &m, whole)?;
    let part_ty = b.ty(largest)?;
    let small = b.splat(&part_ty, Element::Float(epsilon(&m.ty)? / 16.0));
    let limit = b.same(Multiply, &[largest, small])?;
    let out = sweeps(b, m.height(), &[whole, vectors], |b, pair, state| {
        turned_both(b, &m, limit, pair, state)
    })?;
    let values = real(b, out[0])?;
    let values = m.diagonal(b, values)?;
    let sorted = sorted_columns(b, &m, values, &[out[1]], Direction::Lt)?;
    Some((sorted[0], sorted[1]))
}

/// Turns rows and columns `p` and `q` of the matrices, and columns of the vectors.
fn turned_both(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    limit: ValueId,
    [p, q]: [ValueId; 2],
    state: &[ValueId],
) -> Option<(Vec<ValueId>, ValueId)> {
    let (mut a, vectors) = (state[0], state[1]);
    let product = m.at(b, a, p, q)?;
    let (first, second) = (m.at(b, a, p, p)?, m.at(b, a, q, q)?);
    let (first, second) = (real(b, first)?, real(b, second)?);
    let size = abs(b, product)?;
    let turn = b.compare(Direction::Gt, size, limit)?;
    let rotation = Rotation::new(b, [first, second], product, size, turn)?;
    a = turned(b, m.row_dim + 1, a, [p, q], &rotation, false)?;
    a = turned(b, m.row_dim, a, [p, q], &rotation, true)?;
    let vectors = turned(b, m.row_dim + 1, vectors, [p, q], &rotation, false)?;

    // What is known of the four elements in the middle is more exact than what was computed.
    let change = b.same(Multiply, &[rotation.tangent, size])?;
    let first = b.same(Subtract, &[first, change])?;
    let second = b.same(Add, &[second, change])?;
    let none = b.number(&b.ty(product)?, 0);
    let rest = select(b, turn, none, product)?;
    let other = conj(b, rest)?;
    let (first, second) = (from_real(b, first, &m.ty)?, from_real(b, second, &m.ty)?);
    for (value, i, j) in [(first, p, p), (second, q, q), (rest, p, q), (other, q, p)] {
        a = b.put(a, value, &[(m.row_dim, i), (m.row_dim + 1, j)])?;
    }
    Some((vec![a, vectors], turn))
}

/// Rows or columns, as `dim` says, turned.
fn turned(
    b: &mut Build<'_, '_>,
    dim: usize,
    a: ValueId,
    [p, q]: [ValueId; 2],
    rotation: &Rotation,
    left: bool,
) -> Option<ValueId> {
    let pair = [b.pick(a, &[(dim, p)])?, b.pick(a, &[(dim, q)])?];
    let [x, y] = rotation.apply(b, pair, left)?;
    let a = b.put(a, x, &[(dim, p)])?;
    b.put(a, y, &[(dim, q)])
}

/// Values in the last dimension in their order, and matrices with their columns in that order.
fn sorted_columns(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    values: ValueId,
    matrices: &[ValueId],
    direction: Direction,
) -> Option<Vec<ValueId>> {
    let mut out = Vec::new();
    for &matrix in matrices {
        let dims = b.dims(matrix)?;
        let at: Vec<i64> = (0..dims.len() as i64).filter(|&d| d != m.row_dim as i64).collect();
        let keys = b.broadcast(values, &at, &dims)?;
        let sorted = b.sort(&[keys, matrix], m.row_dim + 1, direction)?;
        if out.is_empty() {
            let first = b.slice(sorted[0], m.row_dim, 0, 1)?;
            out.push(b.reshape(first, &b.dims(values)?)?);
        }
        out.push(sorted[1]);
    }
    Some(out)
}

/// `gesdd`, `gesvd`: the operand, singular values descending, both factors, and 0 where all are
/// numbers. The mode is `A`ll vectors, as many as there are values (`S`), or `N`one.
pub(super) fn singular(b: &mut Build<'_, '_>, op: &Op, call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[a], &[_, _, left, right, info]) = (op.operands.as_slice(), op.results.as_slice()) else {
        return None;
    };
    let (left_ty, right_ty, info_ty) = (b.ty(left)?, b.ty(right)?, b.ty(info)?);
    let full = match letter(op, call, "mode")? {
        'A' => Some(true),
        'S' => Some(false),
        'N' => None,
        _ => return None,
    };
    let m = Matrices::new(b, a)?;
    let wide = m.height() < m.width();
    let tall = if wide { m.adjoint(b, a)? } else { a };
    let m = Matrices::new(b, tall)?;
    let (values, x, v) = orthogonalised(b, &m, tall)?;
    let info = not_numbers(b, values, &info_ty)?;
    let Some(full) = full else {
        let (left, right) = (b.number(&left_ty, 0), b.number(&right_ty, 0));
        return Some(vec![a, values, left, right, info]);
    };
    let u = basis(b, &m, x, full)?;
    let square = Matrices::new(b, v)?;
    let (left, right) = match wide {
        // The adjoint's factors are exchanged.
        true => (v, Matrices::new(b, u)?.adjoint(b, u)?),
        false => (u, square.adjoint(b, v)?),
    };
    let fits = b.ty(left)? == left_ty && b.ty(right)? == right_ty;
    fits.then_some(vec![a, values, left, right, info])
}

/// Singular values descending, the columns of `a` turned until they are orthogonal, and the
/// product of all rotations.
fn orthogonalised(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    a: ValueId,
) -> Option<(ValueId, ValueId, ValueId)> {
    let (scale, scaled) = scaled(b, m, a)?;
    let mut dims = m.dims.clone();
    dims[m.row_dim] = m.width();
    let start = b.number(&m.ty.with_dims(&dims), 0);
    let square = Matrices::new(b, start)?;
    let on = b.compare(Direction::Eq, square.rows, square.columns)?;
    let one = b.number(&square.ty, 1);
    let identity = select(b, on, one, start)?;
    let out = sweeps(b, m.width(), &[scaled, identity], |b, pair, state| {
        turned_columns(b, m, pair, state)
    })?;
    let squares = norms(b, out[0])?;
    let sums = b.sum(squares, &[m.row_dim as i64])?;
    let lengths = b.same(Sqrt, &[sums])?;
    let sorted = sorted_columns(b, m, lengths, &out, Direction::Gt)?;
    let kept: Vec<i64> = (0..m.row_dim as i64).collect();
    let scale = b.reshape(scale, &m.dims[..m.row_dim])?;
    let scale = b.broadcast(scale, &kept, &b.dims(sorted[0])?)?;
    Some((b.same(Multiply, &[sorted[0], scale])?, sorted[1], sorted[2]))
}

/// The matrices divided by a number each, 1 unless squares of their elements would be infinite or
/// lose bits.
fn scaled(b: &mut Build<'_, '_>, m: &Matrices, a: ValueId) -> Option<(ValueId, ValueId)> {
    let largest = largest(b, m, a)?;
    let ty = b.ty(largest)?;
    let edge = if ty.dtype()? == DType::F64 { 1e100 } else { 1e12 };
    let (zero, one) = (b.number(&ty, 0), b.number(&ty, 1));
    let (high, low) =
        (b.splat(&ty, Element::Float(edge)), b.splat(&ty, Element::Float(1.0 / edge)));
    let huge = b.compare(Direction::Gt, largest, high)?;
    let tiny = b.compare(Direction::Lt, largest, low)?;
    let some = b.compare(Direction::Gt, largest, zero)?;
    let tiny = b.same(And, &[tiny, some])?;
    let extreme = b.same(Or, &[huge, tiny])?;
    let scale = select(b, extreme, largest, one)?;
    let typed = from_real(b, scale, &m.ty)?;
    let typed = m.spread(b, typed)?;
    Some((scale, b.same(Divide, &[a, typed])?))
}

/// Turns columns `p` and `q` of the matrices and of the product of rotations.
fn turned_columns(
    b: &mut Build<'_, '_>,
    m: &Matrices,
    [p, q]: [ValueId; 2],
    state: &[ValueId],
) -> Option<(Vec<ValueId>, ValueId)> {
    let (x, v) = (state[0], state[1]);
    let first = b.pick(x, &[(m.row_dim + 1, p)])?;
    let second = b.pick(x, &[(m.row_dim + 1, q)])?;
    let conjugate = conj(b, first)?;
    let product = b.same(Multiply, &[conjugate, second])?;
    let (squares_p, squares_q) = (norms(b, first)?, norms(b, second)?);
    let mut sum = |value: ValueId| {
        let sum = b.sum(value, &[m.row_dim as i64])?;
        b.reshape(sum, &m.single())
    };
    let (product, first, second) = (sum(product)?, sum(squares_p)?, sum(squares_q)?);
    let size = abs(b, product)?;
    let ty = b.ty(size)?;
    let roundings = 2.0 * (m.height() as f64).sqrt();
    let small = b.splat(&ty, Element::Float(epsilon(&m.ty)? * roundings));
    let (root_p, root_q) = (b.same(Sqrt, &[first])?, b.same(Sqrt, &[second])?);
    let lengths = b.same(Multiply, &[root_p, root_q])?;
    let limit = b.same(Multiply, &[small, lengths])?;
    let turn = b.compare(Direction::Gt, size, limit)?;
    let rotation = Rotation::new(b, [first, second], product, size, turn)?;
    let x = turned(b, m.row_dim + 1, x, [p, q], &rotation, false)?;
    let v = turned(b, m.row_dim + 1, v, [p, q], &rotation, false)?;
    Some((vec![x, v], turn))
}

/// Orthonormal columns in the directions of those of `x`, which are orthogonal and may be zero, and
/// if `full` as many as there are rows. A QR decomposition finds them: its triangle is a diagonal.
fn basis(b: &mut Build<'_, '_>, m: &Matrices, x: ValueId, full: bool) -> Option<ValueId> {
    let [packed, factors] = *householder(b, m, x)?.as_slice() else { return None };
    let lengths = real(b, packed)?;
    let lengths = m.diagonal(b, lengths)?;
    let mut signs = signs(b, lengths)?;
    let mut whole = packed;
    let more = m.height() - m.width();
    if full && more > 0 {
        let mut dims = m.dims.clone();
        dims[m.row_dim + 1] = more;
        let zeros = b.number(&m.ty.with_dims(&dims), 0);
        whole = b.concatenate(&[packed, zeros], m.row_dim + 1)?;
        dims.remove(m.row_dim);
        let ones = b.number(&b.ty(signs)?.with_dims(&dims), 1);
        signs = b.concatenate(&[signs, ones], m.row_dim)?;
    }
    let m = Matrices::new(b, whole)?;
    let q = orthogonal(b, &m, whole, factors)?;
    let kept: Vec<i64> = (0..m.dims.len() as i64).filter(|&d| d != m.row_dim as i64).collect();
    let signs = b.broadcast(signs, &kept, &m.dims)?;
    let signs = from_real(b, signs, &m.ty)?;
    b.same(Multiply, &[q, signs])
}

/// 1, or -1 for negative numbers.
fn signs(b: &mut Build<'_, '_>, values: ValueId) -> Option<ValueId> {
    let ty = b.ty(values)?;
    let (zero, one, minus) = (b.number(&ty, 0), b.number(&ty, 1), b.number(&ty, -1));
    let negative = b.compare(Direction::Lt, values, zero)?;
    select(b, negative, minus, one)
}
