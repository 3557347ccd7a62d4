//! `f32` depthwise convolution.

use core::mem::MaybeUninit;

use microhlo_format::Place;
use microhlo_format::kernels::DepthwiseF32;

use super::f32_block::{Axis, Placed, Pointers, Shape, depthwise_blocks, depthwise_lanes, sweep};
use super::Memory;
use crate::registry::Undecodable;

entry!(depthwise_f32, DepthwiseF32 => Placed);
stage!(DepthwiseF32 => Placed);

fn prepare<'v>(
    to: &'v mut MaybeUninit<Placed>,
    p: &DepthwiseF32<Place>,
    memory: &Memory<'_>,
) -> &'v mut Placed {
    let pointers = Pointers {
        input: memory.read(p.input),
        weights: memory.read(p.weights),
        bias: p.bias.map(|place| memory.read(place)),
        output: memory.write(p.output),
    };
    to.write(Placed { shape: shape(p), pointers })
}

/// # Safety
/// The loader has accepted the parameters for the memory.
unsafe fn execute(Placed { shape, pointers }: &Placed) -> Result<(), Undecodable> {
    // SAFETY: the shape is that of the accepted parameters.
    unsafe { sweep(shape, *pointers, depthwise_blocks, depthwise_lanes) };
    Ok(())
}

/// All sizes fit in an `i32`, as the parameters' check has found.
fn shape(p: &DepthwiseF32<Place>) -> Shape {
    let pixel = p.channels as i32 * 4;
    let (in_w, out_w, kernel_w) = (p.in_w as i32, p.out_w as i32, p.kernel_w as i32);
    let height = Axis {
        input: p.in_h as i32,
        output: p.out_h as i32,
        kernel: p.kernel_h as i32,
        stride: p.stride_h as i32,
        pad: p.pad_top,
        dilation: p.dilation_h as i32,
        input_step: in_w * pixel,
        output_step: out_w * pixel,
        weights_step: kernel_w * 32,
    };
    let width = Axis {
        input: in_w,
        output: out_w,
        kernel: kernel_w,
        stride: p.stride_w as i32,
        pad: p.pad_left,
        dilation: p.dilation_w as i32,
        input_step: pixel,
        output_step: pixel,
        weights_step: 32,
    };
    Shape {
        batch: p.batch,
        axes: [height, width],
        input_image: (height.input * height.input_step) as usize,
        channels: p.channels as usize,
        block_weights: height.kernel * height.weights_step,
        in_c: None,
        activation: p.activation,
    }
}
