//! `f32` convolutions with `i8` weights: the bits of those with the weights' products.

mod common;

use common::{Aligned, Constants, after, f32_bytes, one_step, run};
use microhlo::{LoadError, Model, ParamError, StepError};
use microhlo_format::kernels::{Activation, ConvF32, HybridF32};
use microhlo_format::{ArtifactSpec, Kernel, Place, encode};
use proptest::prelude::*;

/// A convolution of weights that are bytes, and the same with their products with scales.
fn both(conv: ConvF32<Place>, depthwise: bool, seed: u32) -> [ArtifactSpec; 2] {
    let (channels, taps) = (conv.out_c, conv.kernel_h * conv.kernel_w * conv.in_c);
    let blocks = channels.div_ceil(8);
    let weights = common::i8_cases::bytes(seed, (blocks * taps * 8) as usize);
    let scales: Vec<f32> = (0..blocks * 8).map(|i| 0.003 + 0.0007 * i as f32).collect();
    let products: Vec<f32> = (0u32..)
        .zip(&weights)
        .map(|(i, &w)| f32::from(w) * scales[(i / (taps * 8) * 8 + i % 8) as usize])
        .collect();
    let in_c = if depthwise { channels } else { conv.in_c };
    let input = 4 * conv.batch * conv.in_h * conv.in_w * in_c;
    let output = (after(input), 4 * conv.batch * conv.out_h * conv.out_w * channels);
    let bias: Vec<f32> = (0..blocks * 8).map(|i| i as f32 * 0.25 - 1.0).collect();
    let spec = |bytes: bool| {
        let mut constants = Constants::default();
        let weights: Vec<u8> = weights.iter().map(|&w| w as u8).collect();
        let weights = if bytes { constants.add(&weights) } else { constants.add_f32(&products) };
        let bias = conv.bias.map(|_| constants.add_f32(&bias));
        let conv = ConvF32 { weights, bias, output: Place::arena(output.0), ..conv };
        let scales = constants.add_f32(&scales);
        let scratch = Place::arena(after(output.0 + output.1));
        let hybrid = HybridF32 { conv, scales, scratch, depthwise };
        let kernel = match (bytes, depthwise) {
            (true, _) => Kernel::hybrid_f32(hybrid),
            (_, true) => Kernel::depthwise_f32(conv.depthwise()),
            _ => Kernel::conv_f32(conv),
        };
        let mut spec = one_step(kernel, input, output, constants.0);
        spec.arena_bytes = scratch.offset + taps * 32;
        spec
    };
    [spec(true), spec(false)]
}

fn convolution(channels: [u32; 2], size: [u32; 2]) -> ConvF32<Place> {
    ConvF32 {
        input: Place::arena(0),
        weights: Place::constant(0),
        bias: Some(Place::constant(0)),
        output: Place::arena(0),
        batch: 1,
        in_h: size[0],
        in_w: size[1],
        in_c: channels[0],
        out_h: size[0],
        out_w: size[1],
        out_c: channels[1],
        kernel_h: 1,
        kernel_w: 1,
        stride_h: 1,
        stride_w: 1,
        pad_top: 0,
        pad_left: 0,
        dilation_h: 1,
        dilation_w: 1,
        activation: Activation::None,
    }
}

proptest! {
    #[test]
    fn bits_are_those_of_float_weights(
        (batch, size, output) in (1u32..3, [1u32..8, 1u32..8], [1u32..8, 1u32..8]),
        channels in [1u32..6, 1u32..27],
        (kernel, stride, dilation) in ([1u32..5, 1u32..5], [1u32..4, 1u32..4], [1u32..3, 1u32..3]),
        pad in [-1i32..4, -1i32..4],
        (bias, depthwise, seed) in (any::<bool>(), any::<bool>(), any::<u32>()),
        activation in prop_oneof![
            Just(Activation::None),
            Just(Activation::Max { min: 0.0 }),
            Just(Activation::Clamp { min: -0.5, max: 0.5 }),
        ],
    ) {
        let channels = if depthwise { [1, channels[1]] } else { channels };
        let same = convolution(channels, size);
        let conv = ConvF32 {
            bias: same.bias.filter(|_| bias),
            batch,
            out_h: output[0],
            out_w: output[1],
            kernel_h: kernel[0],
            kernel_w: kernel[1],
            stride_h: stride[0],
            stride_w: stride[1],
            pad_top: pad[0],
            pad_left: pad[1],
            dilation_h: dilation[0],
            dilation_w: dilation[1],
            activation,
            ..same
        };
        let [hybrid, float] = both(conv, depthwise, seed);
        let n = hybrid.inputs[0].dims[0] as usize / 4;
        let input: Vec<f32> =
            common::i8_cases::bytes(!seed, n).iter().map(|&b| f32::from(b) / 37.0).collect();
        let input = f32_bytes(&input);
        prop_assert_eq!(run(&hybrid, &input).unwrap(), run(&float, &input).unwrap());
    }
}

#[test]
fn weights_scales_and_scratch_are_checked() {
    let load = |change: &dyn Fn(&mut HybridF32<Place>), arena: u32| {
        let [mut spec, _] = both(convolution([3, 9], [2, 2]), false, 1);
        spec.arena_bytes = spec.arena_bytes + arena - 96;
        if let Kernel::hybrid_f32(p) = &mut spec.steps[0] {
            change(p);
        }
        Model::load(Aligned::new(&encode(&spec).unwrap()).bytes()).map(|_| ())
    };
    let fails = |error| Err(LoadError::Step { step: 0, offset: 64, error });
    assert_eq!(load(&|_| (), 96), Ok(()));
    assert_eq!(load(&|_| (), 80), fails(StepError::OutOfBounds));
    assert_eq!(load(&|p| p.scratch = p.conv.output, 96), fails(StepError::Overlap));
    assert_eq!(load(&|p| p.conv.weights = Place::constant(160), 96), fails(StepError::OutOfBounds));
    assert_eq!(load(&|p| p.scales = Place::constant(160), 96), fails(StepError::OutOfBounds));
    assert_eq!(load(&|p| p.depthwise = true, 96), fails(StepError::Params(ParamError::Mismatch)));
}
