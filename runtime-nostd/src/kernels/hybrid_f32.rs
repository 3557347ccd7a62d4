//! `f32` convolution with `i8` weights: a block of channels at a time, whose weights are made floats
//! once.

use microhlo_format::Place;
use microhlo_format::kernels::HybridF32;

use super::f32_block::{
    BLOCK, Pointers, conv_blocks, conv_lanes, depthwise_blocks, depthwise_lanes, sweep,
};
use super::{Memory, conv_f32, depthwise_f32};
use crate::registry::Undecodable;

entry!(hybrid_f32, HybridF32);

/// Bytes of a block of channels.
const BLOCK_BYTES: usize = BLOCK * size_of::<f32>();

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &HybridF32<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let c = &p.conv;
    let mut pointers = Pointers {
        input: memory.read(c.input),
        weights: memory.write(p.scratch),
        bias: c.bias.map(|place| memory.read(place)),
        output: memory.write(c.output),
    };
    let mut shape =
        if p.depthwise { depthwise_f32::shape(&c.depthwise()) } else { conv_f32::shape(c) };
    let scratch = memory.write(p.scratch).cast::<f32>();
    let mut weights = memory.read(c.weights).cast::<i8>();
    let mut scales = memory.read(p.scales).cast::<f32>();
    let (count, mut left) = (p.block_weights() as usize, c.out_c as usize);
    while left > 0 {
        shape.channels = left.min(BLOCK);
        // SAFETY: the block's weights, scales and scratch were checked; the shape is that of the
        // accepted parameters with a block of its channels, which the pointers are those of.
        unsafe {
            expand(weights, scales, scratch, count);
            if p.depthwise {
                sweep(&shape, pointers, depthwise_blocks, depthwise_lanes);
                pointers.input = pointers.input.wrapping_add(BLOCK_BYTES);
            } else {
                sweep(&shape, pointers, conv_blocks, conv_lanes);
            }
        }
        weights = weights.wrapping_add(count);
        scales = scales.wrapping_add(BLOCK);
        pointers.bias = pointers.bias.map(|bias| bias.wrapping_add(BLOCK_BYTES));
        pointers.output = pointers.output.wrapping_add(BLOCK_BYTES);
        left -= shape.channels;
    }
    Ok(())
}

/// Multiplies a block's weights with their scales.
///
/// # Safety
/// `count` weights, a multiple of eight, are readable, and as many floats writable; there are
/// eight scales.
unsafe fn expand(weights: *const i8, scales: *const f32, out: *mut f32, count: usize) {
    for channel in 0..BLOCK {
        // SAFETY: the caller's promise.
        unsafe {
            let scale = *scales.add(channel);
            for i in (channel..count).step_by(BLOCK) {
                *out.add(i) = f32::from(*weights.add(i)) * scale;
            }
        }
    }
}
