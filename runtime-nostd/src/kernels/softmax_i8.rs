//! Softmax over rows of 8-bit integers.

use microhlo_format::kernels::SoftmaxI8;
use microhlo_format::{Place, scalar};

use super::Memory;
use crate::registry::Undecodable;

entry!(softmax_i8, SoftmaxI8);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &SoftmaxI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let n = p.n as usize;
    let mut input = memory.read(p.input).cast::<i8>();
    let mut output = memory.write(p.output).cast::<i8>();
    let powers = memory.write(p.scratch).cast::<f32>();
    let value = |x: i8| i32::from(x).wrapping_sub(p.input_zero) as f32 * p.input_scale;
    for _ in 0..p.rows {
        let mut largest = i8::MIN;
        for i in 0..n {
            // SAFETY: element `i` of a checked row.
            largest = largest.max(unsafe { *input.add(i) });
        }
        let max = value(largest);
        let mut sum = 0.0;
        for i in 0..n {
            // SAFETY: element `i` of a checked row, and its place in scratch.
            unsafe {
                let e = scalar::exp_f32(value(*input.add(i)) - max);
                *powers.add(i) = e;
                sum += e;
            }
        }
        for i in 0..n {
            // SAFETY: element `i` of scratch and of a checked row, all of which has been read.
            unsafe {
                let y = *powers.add(i) / sum / p.output_scale + p.output_zero;
                let y = scalar::clamp_f32(p.min, y, p.max);
                *output.add(i) = scalar::round_even_f32(y) as i8;
            }
        }
        input = input.wrapping_add(n);
        output = output.wrapping_add(n);
    }
    Ok(())
}
