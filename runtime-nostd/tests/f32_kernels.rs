//! `f32` convolutions and matrix products against plain loops, bit for bit.

mod common;

use common::{Constants, after, f32_bytes, f32_values, one_step, run};
use microhlo_format::kernels::{Activation, ConvF32, DepthwiseF32, DotF32};
use microhlo_format::{Kernel, Place};
use proptest::prelude::*;

/// The weight of a kernel position.
type Weight = Box<dyn Fn(usize, usize) -> f32>;

/// Reproducible values with varied signs and magnitudes.
fn values(seed: u32, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 4_194_304.0 - 2.0
        })
        .collect()
}

fn activate(x: f32, activation: Activation) -> f32 {
    match activation {
        Activation::None => x,
        Activation::Max { min } => x.max(min),
        Activation::Clamp { min, max } => x.max(min).min(max),
    }
}

fn pad8(values: &[f32]) -> Vec<f32> {
    let mut padded = values.to_vec();
    padded.resize(values.len().next_multiple_of(8), 0.0);
    padded
}

#[derive(Clone, Debug)]
struct Case {
    seed: u32,
    batch: usize,
    size: [usize; 2],
    channels: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [i32; 2],
    dilation: [usize; 2],
    output: [usize; 2],
    bias: bool,
    activation: Activation,
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::None),
        Just(Activation::Max { min: 0.0 }),
        Just(Activation::Max { min: -0.5 }),
        Just(Activation::Clamp { min: 0.0, max: 6.0 }),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let pair = |lo: usize, hi: usize| [lo..hi, lo..hi];
    let shape = (1usize..3, pair(1, 9), [1usize..6, 1usize..20], pair(1, 5), pair(1, 4));
    let rest = ([-1i32..4, -1i32..4], pair(1, 3), pair(1, 9), any::<bool>(), activations());
    (any::<u32>(), shape, rest).prop_map(
        |(
            seed,
            (batch, size, channels, kernel, stride),
            (pad, dilation, output, bias, activation),
        )| Case {
            seed,
            batch,
            size,
            channels,
            kernel,
            stride,
            pad,
            dilation,
            output,
            bias,
            activation,
        },
    )
}

impl Case {
    /// The input index of a tap, if it is inside.
    fn tap(&self, out: [usize; 2], tap: [usize; 2]) -> Option<[usize; 2]> {
        let mut at = [0; 2];
        for d in 0..2 {
            let i = (out[d] * self.stride[d] + tap[d] * self.dilation[d]) as i32 - self.pad[d];
            if i < 0 || i >= self.size[d] as i32 {
                return None;
            }
            at[d] = i as usize;
        }
        Some(at)
    }

    /// A plain loop: `taps` gives the input channels of an output channel and their weights.
    fn naive(
        &self,
        input: &[f32],
        taps: &dyn Fn(usize) -> Vec<(usize, Weight)>,
        bias: &[f32],
        in_c: usize,
    ) -> Vec<f32> {
        let mut result = Vec::new();
        for b in 0..self.batch {
            for oh in 0..self.output[0] {
                for ow in 0..self.output[1] {
                    for (oc, bias) in bias.iter().enumerate() {
                        let mut acc = 0.0f32;
                        for kh in 0..self.kernel[0] {
                            for kw in 0..self.kernel[1] {
                                let Some([ih, iw]) = self.tap([oh, ow], [kh, kw]) else {
                                    continue;
                                };
                                let pixel = (b * self.size[0] + ih) * self.size[1] + iw;
                                for (ic, weight) in taps(oc) {
                                    acc += input[pixel * in_c + ic] * weight(kh, kw);
                                }
                            }
                        }
                        if self.bias {
                            acc += bias;
                        }
                        result.push(activate(acc, self.activation));
                    }
                }
            }
        }
        result
    }

    fn conv(&self) -> (Vec<f32>, Vec<f32>) {
        let [in_c, out_c] = self.channels;
        let [kh, kw] = self.kernel;
        let input = values(self.seed, self.batch * self.size[0] * self.size[1] * in_c);
        let weights = std::rc::Rc::new(values(self.seed ^ 1, kh * kw * in_c * out_c));
        let bias = values(self.seed ^ 2, out_c);
        let index =
            move |h: usize, w: usize, i: usize, o: usize| ((h * kw + w) * in_c + i) * out_c + o;
        let expected = self.naive(
            &input,
            &|oc| {
                let weights = weights.clone();
                (0..in_c)
                    .map(|ic| {
                        let weights = weights.clone();
                        let f = move |h, w| weights[index(h, w, ic, oc)];
                        (ic, Box::new(f) as Weight)
                    })
                    .collect()
            },
            &bias,
            in_c,
        );
        let mut packed = Vec::new();
        for block in 0..out_c.div_ceil(8) {
            for tap in 0..kh * kw * in_c {
                for lane in 0..8 {
                    let oc = block * 8 + lane;
                    packed.push(if oc < out_c { weights[tap * out_c + oc] } else { 0.0 });
                }
            }
        }
        let mut constants = Constants::default();
        let weights = constants.add_f32(&packed);
        let bias_place = constants.add_f32(&pad8(&bias));
        let bytes = input.len() as u32 * 4;
        let output = (after(bytes), expected.len() as u32 * 4);
        let step = Kernel::conv_f32(ConvF32 {
            input: Place::arena(0),
            weights,
            bias: self.bias.then_some(bias_place),
            output: Place::arena(output.0),
            batch: self.batch as u32,
            in_h: self.size[0] as u32,
            in_w: self.size[1] as u32,
            in_c: in_c as u32,
            out_h: self.output[0] as u32,
            out_w: self.output[1] as u32,
            out_c: out_c as u32,
            kernel_h: kh as u32,
            kernel_w: kw as u32,
            stride_h: self.stride[0] as u32,
            stride_w: self.stride[1] as u32,
            pad_top: self.pad[0],
            pad_left: self.pad[1],
            dilation_h: self.dilation[0] as u32,
            dilation_w: self.dilation[1] as u32,
            activation: self.activation,
        });
        let got = run(&one_step(step, bytes, output, constants.0), &f32_bytes(&input)).unwrap();
        (f32_values(&got), expected)
    }

    fn depthwise(&self) -> (Vec<f32>, Vec<f32>) {
        let channels = self.channels[1];
        let [kh, kw] = self.kernel;
        let input = values(self.seed, self.batch * self.size[0] * self.size[1] * channels);
        let weights = std::rc::Rc::new(values(self.seed ^ 1, kh * kw * channels));
        let bias = values(self.seed ^ 2, channels);
        let expected = self.naive(
            &input,
            &|c| {
                let weights = weights.clone();
                let f = move |h, w| weights[(h * kw + w) * channels + c];
                vec![(c, Box::new(f) as Weight)]
            },
            &bias,
            channels,
        );
        let mut packed = Vec::new();
        for block in 0..channels.div_ceil(8) {
            for tap in 0..kh * kw {
                for c in block * 8..block * 8 + 8 {
                    packed.push(if c < channels { weights[tap * channels + c] } else { 0.0 });
                }
            }
        }
        let mut constants = Constants::default();
        let weights = constants.add_f32(&packed);
        let bias_place = constants.add_f32(&pad8(&bias));
        let bytes = input.len() as u32 * 4;
        let output = (after(bytes), expected.len() as u32 * 4);
        let step = Kernel::depthwise_f32(DepthwiseF32 {
            input: Place::arena(0),
            weights,
            bias: self.bias.then_some(bias_place),
            output: Place::arena(output.0),
            batch: self.batch as u32,
            in_h: self.size[0] as u32,
            in_w: self.size[1] as u32,
            channels: channels as u32,
            out_h: self.output[0] as u32,
            out_w: self.output[1] as u32,
            kernel_h: kh as u32,
            kernel_w: kw as u32,
            stride_h: self.stride[0] as u32,
            stride_w: self.stride[1] as u32,
            pad_top: self.pad[0],
            pad_left: self.pad[1],
            dilation_h: self.dilation[0] as u32,
            dilation_w: self.dilation[1] as u32,
            activation: self.activation,
        });
        let got = run(&one_step(step, bytes, output, constants.0), &f32_bytes(&input)).unwrap();
        (f32_values(&got), expected)
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn conv_equals_a_plain_loop(case in cases()) {
        let (got, expected) = case.conv();
        prop_assert_eq!(bits(&got), bits(&expected));
    }

    #[test]
    fn depthwise_equals_a_plain_loop(case in cases()) {
        let (got, expected) = case.depthwise();
        prop_assert_eq!(bits(&got), bits(&expected));
    }

    #[test]
    fn dot_equals_a_plain_loop(
        seed: u32, batch in 1usize..3, m in 1usize..5, n in 1usize..20, k in 1usize..9,
        gap in 0usize..3, bias: bool, activation in activations(),
    ) {
        let lhs = values(seed, batch * m * k);
        let rhs = values(seed ^ 1, batch * k * (n + gap));
        let offset = values(seed ^ 2, n);
        let mut expected = Vec::new();
        for b in 0..batch {
            for i in 0..m {
                for j in 0..n {
                    let mut acc = 0.0f32;
                    for l in 0..k {
                        acc += lhs[(b * m + i) * k + l] * rhs[(b * k + l) * (n + gap) + j];
                    }
                    expected.push(activate(if bias { acc + offset[j] } else { acc }, activation));
                }
            }
        }
        let mut constants = Constants::default();
        let rhs_place = constants.add_f32(&rhs);
        let bias_place = constants.add_f32(&offset);
        let bytes = lhs.len() as u32 * 4;
        let output = (after(bytes), expected.len() as u32 * 4);
        let step = Kernel::dot_f32(DotF32 {
            lhs: Place::arena(0),
            rhs: rhs_place,
            bias: bias.then_some(bias_place),
            output: Place::arena(output.0),
            batch: batch as u32,
            m: m as u32,
            n: n as u32,
            k: k as u32,
            lhs_batch_stride: (m * k * 4) as i32,
            lhs_row_stride: (k * 4) as i32,
            rhs_batch_stride: (k * (n + gap) * 4) as i32,
            rhs_row_stride: ((n + gap) * 4) as i32,
            activation,
        });
        let got = run(&one_step(step, bytes, output, constants.0), &f32_bytes(&lhs)).unwrap();
        prop_assert_eq!(bits(&f32_values(&got)), bits(&expected));
    }
}
