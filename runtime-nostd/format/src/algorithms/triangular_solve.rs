//! Triangular systems of one matrix.

use super::{Array, Number};

/// The system: which matrix, and on which side of the unknowns it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct System {
    /// Rows and columns of the matrix.
    pub n: usize,
    /// Number of right-hand sides.
    pub count: usize,
    /// Whether the matrix stands left of the unknowns.
    pub left_side: bool,
    /// Which triangle of the matrix is read.
    pub lower: bool,
    /// Whether its diagonal is taken as ones.
    pub unit_diagonal: bool,
    /// Whether the matrix is transposed.
    pub transpose: bool,
    /// Whether its elements are conjugated.
    pub conjugate: bool,
}

/// Solves in place: `values` are the right-hand sides, dense and row-major, `n` rows of `count`
/// or `count` rows of `n` elements; they become the unknowns. `matrix` is dense and row-major.
///
/// For each right-hand side by itself, and each unknown in order of substitution: products with
/// the known ones are subtracted one after another in the order in which they became known; then
/// the rest is divided by the diagonal's element.
pub fn solve<T: Number>(system: &System, matrix: impl Fn(usize) -> T, values: &mut impl Array<T>) {
    let System { n, count, left_side, lower, transpose, .. } = *system;
    let forward = lower == (transpose != left_side);
    // Coefficient of unknown `j` in equation `i`.
    let coefficient = |i: usize, j: usize| {
        let value = matrix(if transpose == left_side { j * n + i } else { i * n + j });
        if system.conjugate { value.conjugate() } else { value }
    };
    for line in 0..count {
        let at = |i: usize| if left_side { i * count + line } else { line * n + i };
        for k in 0..n {
            let order = |k: usize| if forward { k } else { n - 1 - k };
            let i = order(k);
            let mut value = values.get(at(i));
            for j in 0..k {
                let j = order(j);
                value = value.minus(coefficient(i, j).times(values.get(at(j))));
            }
            if !system.unit_diagonal {
                value = value.over(coefficient(i, i));
            }
            values.set(at(i), value);
        }
    }
}
