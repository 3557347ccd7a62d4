//! The architectures.

use super::builder::{Activation, Conv, Network, Padding, Tensor};

/// MobileNetV1 (Howard et al., 2017) for images of `size` by `size` by 3: a 3x3 convolution with
/// stride 2 to `base` channels, thirteen pairs of depthwise 3x3 and pointwise convolutions, the mean
/// and a layer to 2 classes. `base` is 32 times the width multiplier.
pub fn mobilenet_v1(size: u64, base: u64) -> String {
    let mut net = Network::new(&[1, size, size, 3]);
    let mut x = net.conv(&net.input(), Conv::new(3, 2, base));
    let blocks = [(2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2)];
    let rest = [(16, 1), (16, 1), (16, 1), (16, 1), (16, 1), (32, 2), (32, 1)];
    for (times, stride) in blocks.into_iter().chain(rest) {
        x = net.depthwise(&x, Conv::new(3, stride, 0));
        x = net.pointwise(&x, base * times, Activation::Relu);
    }
    let mean = net.mean(&x);
    let result = net.dense(&mean, 2);
    net.finish(&result)
}

/// Channels times a width multiplier in hundredths, as MobileNetV2 rounds them: to multiples of 8, and
/// never below nine tenths.
fn scaled(channels: u64, percent: u64) -> u64 {
    let exact = channels * percent;
    let rounded = ((exact + 400) / 800 * 8).max(8);
    if rounded * 1000 < exact * 9 { rounded + 8 } else { rounded }
}

/// MobileNetV2 (Sandler et al., 2018) for images of `size` by `size` by 3 and a width multiplier in
/// hundredths, to 1000 classes: inverted residual blocks with linear bottlenecks.
pub fn mobilenet_v2(size: u64, percent: u64) -> String {
    let mut net = Network::new(&[1, size, size, 3]);
    let mut x = net.conv(&net.input(), Conv::new(3, 2, scaled(32, percent)));
    let table = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ];
    for (expansion, channels, repeats, stride) in table {
        for repeat in 0..repeats {
            let stride = if repeat == 0 { stride } else { 1 };
            x = inverted_residual(&mut net, &x, expansion, scaled(channels, percent), stride);
        }
    }
    x = net.pointwise(&x, 1280, Activation::Relu);
    let mean = net.mean(&x);
    let result = net.dense(&mean, 1000);
    net.finish(&result)
}

fn inverted_residual(
    net: &mut Network,
    x: &Tensor,
    expansion: u64,
    channels: u64,
    stride: u64,
) -> Tensor {
    let inputs = x.dims[3];
    let mut y = x.clone();
    if expansion > 1 {
        y = net.pointwise(&y, inputs * expansion, Activation::Relu);
    }
    y = net.depthwise(&y, Conv::new(3, stride, 0));
    y = net.pointwise(&y, channels, Activation::Linear);
    if stride == 1 && channels == inputs { net.add(x, &y) } else { y }
}

/// A temporal convolutional network (Bai et al., 2018) over `steps` of 16 features: residual blocks
/// of two causal convolutions of 3 steps to `channels`, dilated by 1, 2, 4 and 8.
pub fn temporal(steps: u64, channels: u64) -> String {
    let mut net = Network::new(&[1, steps, 1, 16]);
    let mut x = net.pointwise(&net.input(), channels, Activation::Relu);
    for dilation in [1, 2, 4, 8] {
        let conv = Conv {
            kernel: [3, 1],
            dilation: [dilation, 1],
            padding: Padding::Causal,
            ..Conv::new(3, 1, channels)
        };
        let y = net.conv(&x, conv);
        let y = net.conv(&y, conv.linear());
        x = net.add(&x, &y);
    }
    let mean = net.mean(&x);
    let result = net.dense(&mean, 10);
    net.finish(&result)
}

/// A streaming keyword spotter's step: `steps` of 40 features, depthwise convolutions of 9, 7 and 5
/// steps and pointwise ones to `channels`, without padding along time.
pub fn separable_stream(steps: u64, channels: u64) -> String {
    let mut net = Network::new(&[1, steps, 1, 40]);
    let mut x = net.input();
    for (kernel, stride) in [(9, 1), (7, 2), (5, 1), (5, 1)] {
        let conv = Conv {
            kernel: [kernel, 1],
            stride: [stride, 1],
            padding: Padding::Valid,
            ..Conv::new(kernel, 1, 0)
        };
        x = net.depthwise(&x, conv);
        x = net.pointwise(&x, channels, Activation::Relu);
    }
    let mean = net.mean(&x);
    let result = net.dense(&mean, 12);
    net.finish(&result)
}
