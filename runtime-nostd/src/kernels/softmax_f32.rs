//! `f32` softmax over rows.

use microhlo_format::kernels::SoftmaxF32;
use microhlo_format::{Place, scalar};

use super::Memory;
use crate::registry::Undecodable;

entry!(softmax_f32, SoftmaxF32);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &SoftmaxF32<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let n = p.n as usize;
    let mut x = memory.read(p.input).cast::<f32>();
    let mut y = memory.write(p.output).cast::<f32>();
    for _ in 0..p.rows {
        let mut max = f32::NEG_INFINITY;
        for i in 0..n {
            // SAFETY: element `i` of a checked row.
            max = scalar::max_f32(max, unsafe { *x.add(i) });
        }
        let mut sum = 0.0;
        for i in 0..n {
            // SAFETY: element `i` of a checked row, read before it is written.
            let e = scalar::exp_f32(unsafe { *x.add(i) } - max);
            // SAFETY: as above.
            unsafe { *y.add(i) = e };
            sum += e;
        }
        for i in 0..n {
            // SAFETY: element `i` of a checked row.
            unsafe { *y.add(i) /= sum };
        }
        x = x.wrapping_add(n);
        y = y.wrapping_add(n);
    }
    Ok(())
}
