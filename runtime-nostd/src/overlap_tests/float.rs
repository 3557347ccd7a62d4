//! Convolutions of `f32`, whose distances are those of the core that needs most.

use microhlo_format::Kernel;
use microhlo_format::kernels::{Activation, ConvF32, DepthwiseF32, HybridF32};

use super::{CONSTANTS, INPUT, OUTPUT, SCRATCH, distance, run};

/// Runs a kernel apart, at its distance, and nearer by what other cores need more than computers, and one
/// element.
fn check(kernel: &Kernel<u8>, more: u32) {
    let (least, only) = distance(kernel).expect("results may lie over the operand");
    assert!(!only && least.is_multiple_of(4), "{kernel:?}: {least}");
    let (least, nearer, mut wrong) = (i64::from(least), i64::from(more + 4), 0);
    for seed in 0..20 {
        let apart = run(kernel, 1 << 16, seed);
        for behind in [least, least + 4] {
            assert_eq!(run(kernel, behind, seed), apart, "{kernel:?} at {behind}");
        }
        wrong += u32::from(run(kernel, least - nearer, seed) != apart);
    }
    assert!(wrong > 0, "{kernel:?}: less than {least} would do");
}

fn conv(size: [u32; 2], channels: [u32; 2], kernel: u32, stride: u32) -> ConvF32<u8> {
    ConvF32 {
        input: INPUT,
        weights: CONSTANTS,
        bias: None,
        output: OUTPUT,
        batch: 1,
        in_h: size[0],
        in_w: size[1],
        in_c: channels[0],
        out_h: size[0].div_ceil(stride),
        out_w: size[1].div_ceil(stride),
        out_c: channels[1],
        kernel_h: kernel,
        kernel_w: kernel,
        stride_h: stride,
        stride_w: stride,
        pad_top: (kernel as i32 - 1) / 2,
        pad_left: (kernel as i32 - 1) / 2,
        dilation_h: 1,
        dilation_w: 1,
        activation: Activation::None,
    }
}

#[test]
fn convolutions_at_their_distance() {
    for (size, channels, kernel, stride, more) in [
        // One block of channels, or less, and more of them: two pixels, less what is written before the last.
        ([6, 7], [3, 8], 3, 1, 0),
        ([6, 6], [2, 5], 3, 2, 0),
        ([6, 7], [4, 16], 3, 1, 2 * 64 - 32),
        ([4, 4], [16, 24], 1, 1, 2 * 96 - 64),
        // Channels that are left over: a line, less its border and these.
        ([3, 5], [4, 9], 1, 1, 4),
        ([9, 1], [4, 12], 3, 1, 48 + 4 * 4),
    ] {
        check(&Kernel::conv_f32(conv(size, channels, kernel, stride)), more);
    }
    check(&Kernel::conv_f32(ConvF32 { batch: 2, ..conv([4, 5], [3, 8], 3, 1) }), 0);
    // Columns are computed one after the other.
    assert_eq!(distance(&Kernel::conv_f32(conv([7, 5], [4, 8], 3, 1))), None);
}

#[test]
fn depthwise_convolutions_at_their_distance() {
    for (size, channels, stride) in
        [([6, 7], 8, 1), ([8, 8], 5, 2), ([5, 5], 16, 1), ([4, 6], 11, 1), ([8, 12], 16, 2)]
    {
        let c = conv(size, [channels; 2], 3, stride);
        let kernel = Kernel::depthwise_f32(DepthwiseF32 {
            input: INPUT,
            weights: CONSTANTS,
            bias: None,
            output: OUTPUT,
            batch: 1,
            in_h: c.in_h,
            in_w: c.in_w,
            channels,
            out_h: c.out_h,
            out_w: c.out_w,
            kernel_h: 3,
            kernel_w: 3,
            stride_h: stride,
            stride_w: stride,
            pad_top: 1,
            pad_left: 1,
            dilation_h: 1,
            dilation_w: 1,
            activation: Activation::None,
        });
        // Several blocks of channels: a line, whose border and own channels have not been written.
        check(&kernel, if channels > 8 { 2 * 4 * channels } else { 0 });
    }
}

/// Weights of 8 bits: of one block of channels as others; the image is gone through again for each block.
#[test]
fn convolutions_with_weights_of_bytes_at_their_distance() {
    let hybrid = |channels, kernel, depthwise| {
        let conv = conv([6, 7], channels, kernel, 1);
        let scales = CONSTANTS + 2;
        Kernel::hybrid_f32(HybridF32 { conv, scales, scratch: SCRATCH, depthwise })
    };
    for kernel in [hybrid([3, 8], 3, false), hybrid([2, 6], 3, false), hybrid([1, 8], 3, true)] {
        check(&kernel, 0);
    }
    for kernel in [hybrid([3, 9], 3, false), hybrid([8, 16], 1, false), hybrid([1, 16], 3, true)] {
        assert_eq!(distance(&kernel), None, "{kernel:?}");
    }
}
