//! Triangular systems, one kernel per element type.

use microhlo_format::Place;
use microhlo_format::algorithms::triangular_solve::{System, solve};
use microhlo_format::algorithms::{Array, Number};
use microhlo_format::kernels::TriangularSolve;

use super::Memory;
use super::numbers::Elements;
use crate::registry::Undecodable;

typed_entries! {
    TriangularSolve;
    triangular_solve_f32 = f32, F32;
    triangular_solve_f64 = f64, F64;
    triangular_solve_c64 = [f32; 2], C64;
    triangular_solve_c128 = [f64; 2], C128;
}

/// # Safety
/// The loader has accepted the parameters, with elements of type `T`, for this memory.
unsafe fn execute<T: Number>(
    p: &TriangularSolve<Place>,
    memory: &Memory<'_>,
) -> Result<(), Undecodable> {
    let system = System {
        n: p.n as usize,
        count: p.count as usize,
        left_side: p.left_side,
        lower: p.lower,
        unit_diagonal: p.unit_diagonal,
        transpose: p.transpose,
        conjugate: p.conjugate,
    };
    let values = system.n * system.count;
    // SAFETY: each holds `batch` of what the parameters say; matrix and right-hand sides are only
    // read.
    let (matrix, rhs, output) = unsafe {
        (
            Elements::<T>::new(memory.read(p.matrix).cast_mut()),
            Elements::<T>::new(memory.read(p.rhs).cast_mut()),
            Elements::<T>::new(memory.write(p.output)),
        )
    };
    for batch in 0..p.batch as usize {
        let matrix = matrix.from(batch * system.n * system.n);
        let (from, mut to) = (rhs.from(batch * values), output.from(batch * values));
        for at in 0..values {
            to.set(at, from.get(at));
        }
        solve(&system, |at| matrix.get(at), &mut to);
    }
    Ok(())
}
