//! Microkernels for every target.

use microhlo_format::scalar;

use super::{BLOCK, Segment};

type Block = [f32; BLOCK];

/// Reads a value and moves on.
///
/// # Safety
/// An aligned `T` is readable at the position.
#[inline(always)]
unsafe fn take<T: Copy>(ptr: &mut *const u8) -> T {
    // SAFETY: the caller's promise.
    let value = unsafe { ptr.cast::<T>().read() };
    *ptr = ptr.wrapping_add(size_of::<T>());
    value
}

fn skip(ptr: &mut *const u8, bytes: i32) {
    *ptr = ptr.wrapping_offset(bytes as isize);
}

#[inline(always)]
fn multiply_add(acc: &mut Block, x: f32, w: &Block) {
    for (acc, w) in acc.iter_mut().zip(w) {
        *acc += x * w;
    }
}

/// Adds the bias and applies the rectifier.
#[inline(always)]
fn complete(acc: &mut [f32], bias: &Block, relu: bool) {
    for (acc, bias) in acc.iter_mut().zip(bias) {
        *acc += bias;
        if relu {
            *acc = scalar::max_f32(*acc, 0.0);
        }
    }
}

/// Computes all pixels and whole blocks of a convolution's segment.
///
/// # Safety
/// The segment is one of an accepted convolution.
#[allow(dead_code, reason = "targets with assembly do not need it")]
pub(in crate::kernels) unsafe fn conv_blocks(segment: &Segment) {
    let s = segment;
    for pixel in 0..s.pixels as isize {
        let input = s.input.wrapping_offset(pixel * s.input_step as isize);
        let mut output = s.output.wrapping_offset(pixel * s.output_step as isize);
        let (mut weights, mut bias) = (s.weights, s.bias);
        for _ in 0..s.blocks {
            // SAFETY: the taps and one block of results of this segment.
            unsafe {
                let mut acc = conv_block(s, input, weights);
                complete(&mut acc, &bias.cast::<Block>().read(), s.relu != 0);
                output.cast::<Block>().write(acc);
            }
            skip(&mut weights, s.block_weights);
            skip(&mut bias, s.block_bias);
            output = output.wrapping_add(size_of::<Block>());
        }
    }
}

/// The sums of one pixel and one block.
///
/// # Safety
/// As for [`conv_blocks`], with `input` the pixel's and `weights` the block's first tap.
#[inline(always)]
unsafe fn conv_block(s: &Segment, mut input: *const u8, mut weights: *const u8) -> Block {
    let mut acc = [0.0; BLOCK];
    for _ in 0..s.outer {
        for _ in 0..s.rows {
            for _ in 0..s.run {
                // SAFETY: one value and its eight weights, inside the segment's taps.
                unsafe { multiply_add(&mut acc, take(&mut input), &take(&mut weights)) };
            }
            skip(&mut input, s.row_input_skip);
            skip(&mut weights, s.row_weights_skip);
        }
        skip(&mut input, s.outer_input_skip);
        skip(&mut weights, s.outer_weights_skip);
    }
    acc
}

/// Computes all rows and whole blocks of columns of a matrix product.
///
/// # Safety
/// The segment is that of an accepted matrix product.
#[allow(dead_code, reason = "targets with assembly do not need it")]
pub(in crate::kernels) unsafe fn dot_blocks(segment: &Segment) {
    let s = segment;
    for row in 0..s.pixels as isize {
        let lhs = s.input.wrapping_offset(row * s.input_step as isize);
        let mut output = s.output.wrapping_offset(row * s.output_step as isize);
        let (mut columns, mut bias) = (s.weights, s.bias);
        for _ in 0..s.blocks {
            let (mut x, mut weights) = (lhs, columns);
            let mut acc = [0.0; BLOCK];
            for _ in 0..s.run {
                // SAFETY: one value of the row and eight columns of the same `k`.
                unsafe { multiply_add(&mut acc, take(&mut x), &weights.cast::<Block>().read()) };
                skip(&mut weights, s.row_weights_skip);
            }
            // SAFETY: one block of bias and results.
            unsafe {
                complete(&mut acc, &bias.cast::<Block>().read(), s.relu != 0);
                output.cast::<Block>().write(acc);
            }
            skip(&mut columns, s.block_weights);
            skip(&mut bias, s.block_bias);
            output = output.wrapping_add(size_of::<Block>());
        }
    }
}

/// Computes all pixels and whole blocks of a depthwise convolution's segment.
///
/// # Safety
/// The segment is one of an accepted depthwise convolution.
#[allow(dead_code, reason = "targets with assembly do not need it")]
pub(in crate::kernels) unsafe fn depthwise_blocks(segment: &Segment) {
    let mut block = *segment;
    for _ in 0..segment.blocks {
        // SAFETY: one whole block of this segment.
        unsafe { depthwise_lanes(&mut block, BLOCK) };
        skip(&mut block.weights, block.block_weights);
        skip(&mut block.bias, block.block_bias);
        skip(&mut block.input, size_of::<Block>() as i32);
        block.output = block.output.wrapping_add(size_of::<Block>());
    }
}

/// Computes the first block of a depthwise convolution's segment, of which `lanes` channels exist.
///
/// # Safety
/// The segment is one of an accepted depthwise convolution.
pub(in crate::kernels) unsafe fn depthwise_lanes(segment: &mut Segment, lanes: usize) {
    let s = segment;
    for pixel in 0..s.pixels as isize {
        let mut input = s.input.wrapping_offset(pixel * s.input_step as isize);
        let output = s.output.wrapping_offset(pixel * s.output_step as isize);
        let mut weights = s.weights;
        let mut acc = [0.0; BLOCK];
        for _ in 0..s.outer {
            for _ in 0..s.rows {
                for (lane, acc) in acc.iter_mut().enumerate().take(lanes) {
                    let (x, w) = (input.cast::<f32>(), weights.cast::<f32>());
                    // SAFETY: channel `lane` of one tap, inside the segment's taps.
                    *acc += unsafe { *x.add(lane) * *w.add(lane) };
                }
                skip(&mut input, s.row_input_skip);
                skip(&mut weights, s.row_weights_skip);
            }
            skip(&mut input, s.outer_input_skip);
            skip(&mut weights, s.outer_weights_skip);
        }
        // SAFETY: one block of bias, which is padded, and `lanes` results.
        unsafe {
            complete(&mut acc, &s.bias.cast::<Block>().read(), s.relu != 0);
            acc.as_ptr().copy_to_nonoverlapping(output.cast(), lanes.min(BLOCK));
        }
    }
}
