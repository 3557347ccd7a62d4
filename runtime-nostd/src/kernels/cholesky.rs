//! Cholesky factors, one kernel per element type.

use microhlo_format::Place;
use microhlo_format::algorithms::{Array, Number, cholesky};
use microhlo_format::kernels::Cholesky;

use super::Memory;
use super::numbers::Elements;
use crate::registry::Undecodable;

typed_entries! {
    Cholesky;
    cholesky_f32 = f32, F32;
    cholesky_f64 = f64, F64;
    cholesky_c64 = [f32; 2], C64;
    cholesky_c128 = [f64; 2], C128;
}

/// # Safety
/// The loader has accepted the parameters, with elements of type `T`, for this memory.
unsafe fn execute<T: Number>(
    p: &Cholesky<Place>,
    memory: &Memory<'_>,
) -> Result<(), Undecodable> {
    let n = p.n as usize;
    // SAFETY: both hold `batch` matrices; the input is only read.
    let (input, output) = unsafe {
        (
            Elements::<T>::new(memory.read(p.input).cast_mut()),
            Elements::<T>::new(memory.write(p.output)),
        )
    };
    for matrix in 0..p.batch as usize {
        let from = input.from(matrix * n * n);
        cholesky::factor(n, p.lower, |at| from.get(at), &mut output.from(matrix * n * n));
    }
    Ok(())
}
