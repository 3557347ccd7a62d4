//! `f32` matrix product of two activations.

use microhlo_format::Place;
use microhlo_format::kernels::{Activation, DotF32};

use super::Memory;
use super::f32_block::{BLOCK, Segment, ZEROS, activate, dot_blocks, is_relu};
use crate::registry::Undecodable;

entry!(dot_f32, DotF32);

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DotF32<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let bias = p.bias.map(|place| memory.read(place));
    let row_bytes = (p.n * 4) as i32;
    let mut segment = Segment {
        input: memory.read(p.lhs),
        output: memory.write(p.output),
        weights: memory.read(p.rhs),
        bias: bias.unwrap_or(ZEROS.as_ptr().cast()),
        pixels: p.m as usize,
        input_step: p.lhs_row_stride,
        output_step: row_bytes,
        blocks: p.n as usize / BLOCK,
        block_weights: size_of::<[f32; BLOCK]>() as i32,
        block_bias: if bias.is_some() { size_of::<[f32; BLOCK]>() as i32 } else { 0 },
        outer: 1,
        rows: 1,
        run: p.k as usize,
        row_input_skip: 0,
        row_weights_skip: p.rhs_row_stride,
        outer_input_skip: 0,
        outer_weights_skip: 0,
        relu: is_relu(p.activation) as usize,
        zeros: ZEROS.as_ptr(),
    };
    for _ in 0..p.batch {
        // SAFETY: the segment is one matrix product of the accepted parameters.
        unsafe { product(p, &segment, bias.map(|bias| bias.cast())) };
        segment.input = segment.input.wrapping_offset(p.lhs_batch_stride as isize);
        segment.weights = segment.weights.wrapping_offset(p.rhs_batch_stride as isize);
        segment.output = segment.output.wrapping_add(p.m as usize * p.n as usize * 4);
    }
    Ok(())
}

/// One matrix product: whole blocks of columns, then the columns left over, then the activation.
///
/// # Safety
/// The segment is one matrix product of accepted parameters.
unsafe fn product(p: &DotF32<Place>, segment: &Segment, bias: Option<*const f32>) {
    if segment.blocks > 0 {
        // SAFETY: the caller's promise.
        unsafe { dot_blocks(segment) };
    }
    for row in 0..p.m as isize {
        let x = segment.input.wrapping_offset(row * p.lhs_row_stride as isize).cast();
        let y = segment.output.wrapping_offset(row * segment.output_step as isize).cast::<f32>();
        for column in segment.blocks * BLOCK..p.n as usize {
            // SAFETY: an element of the result, a row and a column of the operands.
            unsafe {
                let sum = element(p, x, segment.weights.cast::<f32>().wrapping_add(column));
                let value = y.add(column);
                *value = match bias {
                    Some(bias) => sum + *bias.add(column),
                    None => sum,
                };
                if is_relu(p.activation) {
                    activate(value, 1, p.activation);
                }
            }
        }
        if !is_relu(p.activation) && p.activation != Activation::None {
            // SAFETY: a row of the result.
            unsafe { activate(y, p.n as usize, p.activation) };
        }
    }
}

/// The sum of products of a row of the left-hand side and a column of the right-hand side.
///
/// # Safety
/// `row` and `column` are those of accepted parameters.
unsafe fn element(p: &DotF32<Place>, row: *const f32, mut column: *const f32) -> f32 {
    let mut sum = 0.0;
    for k in 0..p.k as usize {
        // SAFETY: value `k` of both.
        sum += unsafe { *row.add(k) * *column };
        column = column.wrapping_byte_offset(p.rhs_row_stride as isize);
    }
    sum
}
