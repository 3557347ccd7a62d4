//! `f32` convolution with `i8` weights: a block of channels at a time, whose weights are made floats
//! once.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::HybridF32;

use super::f32_block::{
    BLOCK, Placed, Pointers, conv_blocks, conv_lanes, depthwise_blocks, depthwise_lanes, sweep,
};
use super::{Memory, conv_f32};
use crate::registry::Undecodable;

entry!(hybrid_f32, HybridF32 => Blocks);

/// Bytes of a block of channels.
const BLOCK_BYTES: usize = BLOCK * size_of::<f32>();

/// A convolution whose weights are made floats block by block.
struct Blocks {
    /// That of a block, at first of all channels.
    placed: Placed,
    /// Weights and scales of the block.
    weights: *const i8,
    scales: *const f32,
    /// Weights of a block.
    count: usize,
}

fn prepare<'v>(
    to: &'v mut MaybeUninit<Blocks>,
    p: &HybridF32<Place>,
    memory: &Memory<'_>,
) -> &'v mut Blocks {
    let c = &p.conv;
    let pointers = Pointers {
        input: memory.read(c.input),
        weights: memory.write(p.scratch),
        bias: c.bias.map(|place| memory.read(place)),
        output: memory.write(c.output),
    };
    let blocks = to.write(Blocks {
        placed: Placed { shape: conv_f32::shape(c), pointers },
        weights: memory.read(c.weights).cast(),
        scales: memory.read(p.scales).cast(),
        count: p.block_weights() as usize,
    });
    if p.depthwise {
        // Each channel has a filter of one channel.
        let shape = &mut blocks.placed.shape;
        for axis in &mut shape.axes {
            axis.input_step *= shape.channels as i32;
        }
        shape.input_image *= shape.channels;
        shape.in_c = None;
    }
    blocks
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(p: &mut Blocks) -> Result<(), Undecodable> {
    let Placed { shape, pointers } = &mut p.placed;
    let scratch = pointers.weights.cast_mut().cast();
    let mut left = shape.channels;
    while left > 0 {
        shape.channels = left.min(BLOCK);
        // SAFETY: the block's weights, scales and scratch were checked; the shape is that of the
        // accepted parameters with a block of its channels, which the pointers are those of.
        unsafe {
            expand(p.weights, p.scales, scratch, p.count);
            if shape.in_c.is_none() {
                sweep(shape, *pointers, depthwise_blocks, depthwise_lanes);
                pointers.input = pointers.input.wrapping_add(BLOCK_BYTES);
            } else {
                sweep(shape, *pointers, conv_blocks, conv_lanes);
            }
        }
        p.weights = p.weights.wrapping_add(p.count);
        p.scales = p.scales.wrapping_add(BLOCK);
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
#[inline(never)]
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
