//! Cholesky factors of one matrix.

use super::{Array, Number};

/// Factors a dense row-major matrix of `n` rows.
///
/// Only one triangle of the operand is read, and each of its elements before the result's element
/// in its place is written, so that `out` may be the operand. The other triangle becomes zero.
///
/// The lower factor's element `(i, j)` is made row by row: products of elements before it in rows
/// `i` and `j` are subtracted from the operand's one after another, ascending; then it is divided
/// by the diagonal's element, or is the square root of the real part on the diagonal. The upper
/// factor is the adjoint.
pub fn factor<T: Number>(
    n: usize,
    lower: bool,
    input: impl Fn(usize) -> T,
    out: &mut impl Array<T>,
) {
    let at = |i: usize, j: usize| if lower { i * n + j } else { j * n + i };
    let adjoint = |value: T| if lower { value } else { value.conjugate() };
    for i in 0..n {
        for j in 0..=i {
            let mut sum = adjoint(input(at(i, j)));
            for k in 0..j {
                let (x, y) = (adjoint(out.get(at(i, k))), adjoint(out.get(at(j, k))));
                sum = sum.minus(x.times(y.conjugate()));
            }
            let entry = if i == j { sum.real_root() } else { sum.over(adjoint(out.get(at(j, j)))) };
            out.set(at(i, j), adjoint(entry));
        }
    }
    for i in 0..n {
        for j in i + 1..n {
            out.set(at(i, j), T::ZERO);
        }
    }
}
