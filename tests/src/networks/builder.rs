//! Quantised layers as StableHLO text.

use std::fmt::Write as _;

use crate::generate::entropy;

/// A value with its quantised type: 8 bits, one scale.
#[derive(Clone, Debug)]
pub struct Tensor {
    name: String,
    /// Sizes: batch, height, width, channels, or batch and channels.
    pub dims: Vec<u64>,
    scale: f64,
    zero: i64,
    /// Standard deviation of the stored value about its zero point, as far as one can tell.
    spread: f64,
}

impl Tensor {
    fn ty(&self) -> String {
        format!(
            "tensor<{}x!quant.uniform<i8:f32, {:?}:{}>>",
            sizes(&self.dims),
            self.scale,
            self.zero
        )
    }
}

/// What follows a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// The values below zero become zero: the zero point is the least stored value.
    Relu,
}

/// The padding of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// The output is the input's size divided by the stride, rounded up.
    Same,
    /// None.
    Valid,
    /// All of it before the first row, as in a stream; columns as in `Same`.
    Causal,
}

/// A convolution.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    /// Height and width.
    pub kernel: [u64; 2],
    /// Along height and width.
    pub stride: [u64; 2],
    /// Along height and width.
    pub dilation: [u64; 2],
    /// Around the input.
    pub padding: Padding,
    /// Of the output.
    pub channels: u64,
    /// `feature_group_count`.
    pub groups: u64,
    /// What follows.
    pub activation: Activation,
}

impl Conv {
    /// A convolution with a square kernel, `SAME` padding and a ReLU.
    pub fn new(kernel: u64, stride: u64, channels: u64) -> Conv {
        Conv {
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            padding: Padding::Same,
            channels,
            groups: 1,
            activation: Activation::Relu,
        }
    }

    /// The same without a ReLU.
    pub fn linear(self) -> Conv {
        Conv { activation: Activation::Linear, ..self }
    }

    /// The padding before and after, and the output's size, along one dimension.
    fn extent(&self, dim: usize, size: u64) -> (u64, u64, u64) {
        let window = (self.kernel[dim] - 1) * self.dilation[dim] + 1;
        let stride = self.stride[dim];
        let out = size.div_ceil(stride);
        let all = ((out - 1) * stride + window).saturating_sub(size);
        match self.padding {
            Padding::Valid => (0, 0, (size - window) / stride + 1),
            Padding::Causal if dim == 0 => (all, 0, out),
            Padding::Causal | Padding::Same => (all / 2, all - all / 2, out),
        }
    }
}

/// A program being written: one function, one input, one output.
pub struct Network {
    body: String,
    input: Tensor,
    values: usize,
    seed: u64,
}

/// Standard deviation of weights drawn evenly from -127 to 127.
const WEIGHTS: f64 = 73.3;

/// Standard deviation that the stored results of a layer shall have.
const RESULTS: f64 = 45.0;

impl Network {
    /// An empty one for an input of the given sizes.
    pub fn new(dims: &[u64]) -> Network {
        Network::with_input(dims, 0.0078125, -1)
    }

    /// An empty one for an input of the given sizes, scale and zero point.
    pub fn with_input(dims: &[u64], scale: f64, zero: i64) -> Network {
        let (name, dims) = ("%input".to_owned(), dims.to_vec());
        let seed = dims.iter().sum();
        // Bytes are drawn evenly.
        let spread = 74.0f64.hypot(zero as f64);
        let input = Tensor { name, dims, scale, zero, spread };
        Network { body: String::new(), input, values: 0, seed }
    }

    /// The input.
    pub fn input(&self) -> Tensor {
        self.input.clone()
    }

    /// The program with `result` as its output.
    pub fn finish(self, result: &Tensor) -> String {
        format!(
            "func.func @main(%input: {}) -> {} {{\n{}  return {} : {}\n}}\n",
            self.input.ty(),
            result.ty(),
            self.body,
            result.name,
            result.ty()
        )
    }

    fn name(&mut self) -> String {
        self.values += 1;
        format!("%{}", self.values)
    }

    fn line(&mut self, text: &str) -> String {
        let name = self.name();
        writeln!(self.body, "  {name} = {text}").expect("writing to a string");
        name
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        self.seed += 1;
        entropy(self.seed, len as usize)
    }

    /// One scale per channel about `scale`.
    fn scales(&mut self, channels: u64, scale: f64) -> Vec<f64> {
        let bytes = self.bytes(channels);
        bytes.iter().map(|&b| scale * (0.7 + f64::from(b) / 425.0)).collect()
    }

    /// A constant of 8-bit weights with a scale per channel along `axis`.
    fn weights(&mut self, dims: &[u64], axis: usize, scales: &[f64]) -> (String, String) {
        let mut bytes = self.bytes(dims.iter().product());
        for byte in bytes.iter_mut().filter(|byte| **byte == 0x80) {
            *byte = 0x81;
        }
        let plain = format!("tensor<{}xi8>", sizes(dims));
        let ty = format!("tensor<{}x{}>", sizes(dims), per_axis("i8", axis, scales));
        (self.constant(&bytes, &plain, &ty), ty)
    }

    fn constant(&mut self, bytes: &[u8], plain: &str, ty: &str) -> String {
        let hex = bytes.iter().fold(String::from("0x"), |mut text, byte| {
            write!(text, "{byte:02X}").expect("writing to a string");
            text
        });
        self.line(&format!(
            "stablehlo.constant() <{{value = dense<\"{hex}\"> : {plain}}}> : () -> {ty}"
        ))
    }

    /// Adds a bias to sums of 32 bits along the last dimension and makes them 8 bits.
    fn finish_sums(
        &mut self,
        sums: &str,
        dims: &[u64],
        scales: &[f64],
        depth: f64,
        activation: Activation,
        spread: f64,
    ) -> Tensor {
        let axis = dims.len() - 1;
        let sum_spread = WEIGHTS * spread * depth.sqrt();
        let mean = scales.iter().sum::<f64>() / scales.len() as f64;
        let bytes = self.bytes(2 * dims[axis]);
        let bias: Vec<u8> = bytes
            .chunks(2)
            .flat_map(|b| {
                let unit = f64::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0;
                ((unit * sum_spread) as i32).to_le_bytes()
            })
            .collect();
        let ty = format!("tensor<{}x{}>", sizes(dims), per_axis("i32", axis, scales));
        let flat = format!("tensor<{}x{}>", dims[axis], per_axis("i32", 0, scales));
        let bias = self.constant(&bias, &format!("tensor<{}xi32>", dims[axis]), &flat);
        let wide = self.line(&format!(
            "stablehlo.broadcast_in_dim {bias}, dims = [{axis}] : ({flat}) -> {ty}"
        ));
        let sum = self.line(&format!("stablehlo.add {sums}, {wide} : {ty}"));
        let zero = match activation {
            Activation::Linear => 3,
            Activation::Relu => -128,
        };
        let scale = mean * sum_spread / RESULTS;
        // Half of the values of a ReLU are zero, the others are spread about their mean.
        let spread = match activation {
            Activation::Linear => RESULTS,
            Activation::Relu => RESULTS * 0.71,
        };
        let result = Tensor { name: String::new(), dims: dims.to_vec(), scale, zero, spread };
        let name =
            self.line(&format!("stablehlo.uniform_quantize {sum} : ({ty}) -> {}", result.ty()));
        Tensor { name, ..result }
    }

    /// A convolution over height and width, channels last.
    pub fn conv(&mut self, x: &Tensor, conv: Conv) -> Tensor {
        let (top, bottom, height) = conv.extent(0, x.dims[1]);
        let (left, right, width) = conv.extent(1, x.dims[2]);
        let [kh, kw] = conv.kernel;
        let depth = x.dims[3] / conv.groups;
        let scales = self.scales(conv.channels, 0.01);
        let (weights, weights_ty) = self.weights(&[kh, kw, depth, conv.channels], 3, &scales);
        let scales: Vec<f64> = scales.iter().map(|s| s * x.scale).collect();
        let dims = [x.dims[0], height, width, conv.channels];
        let ty = format!("tensor<{}x{}>", sizes(&dims), per_axis("i32", 3, &scales));
        let sums = self.line(&format!(
            "stablehlo.convolution({}, {weights}) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], \
             window = {{stride = {:?}, pad = [[{top}, {bottom}], [{left}, {right}]], rhs_dilate = {:?}}} \
             {{batch_group_count = 1 : i64, feature_group_count = {} : i64}} : ({}, {weights_ty}) -> {ty}",
            x.name, conv.stride, conv.dilation, conv.groups, x.ty()
        ));
        self.finish_sums(&sums, &dims, &scales, (kh * kw * depth) as f64, conv.activation, x.spread)
    }

    /// A depthwise convolution.
    pub fn depthwise(&mut self, x: &Tensor, conv: Conv) -> Tensor {
        let channels = x.dims[3];
        self.conv(x, Conv { channels, groups: channels, ..conv })
    }

    /// A 1x1 convolution.
    pub fn pointwise(&mut self, x: &Tensor, channels: u64, activation: Activation) -> Tensor {
        self.conv(x, Conv { activation, ..Conv::new(1, 1, channels) })
    }

    /// A fully connected layer on batch and channels.
    pub fn dense(&mut self, x: &Tensor, channels: u64) -> Tensor {
        let scales = self.scales(channels, 0.01);
        let (weights, weights_ty) = self.weights(&[x.dims[1], channels], 1, &scales);
        let scales: Vec<f64> = scales.iter().map(|s| s * x.scale).collect();
        let dims = [x.dims[0], channels];
        let ty = format!("tensor<{}x{}>", sizes(&dims), per_axis("i32", 1, &scales));
        let sums = self.line(&format!(
            "stablehlo.dot_general {}, {weights}, contracting_dims = [1] x [0] : ({}, {weights_ty}) -> {ty}",
            x.name, x.ty()
        ));
        self.finish_sums(&sums, &dims, &scales, x.dims[1] as f64, Activation::Linear, x.spread)
    }

    /// The sum of two values of the same sizes.
    pub fn add(&mut self, x: &Tensor, y: &Tensor) -> Tensor {
        let spread = (x.spread * x.scale).hypot(y.spread * y.scale);
        let scale = spread / RESULTS;
        let result =
            Tensor { name: String::new(), dims: x.dims.clone(), scale, zero: 2, spread: RESULTS };
        let name = self.line(&format!(
            "stablehlo.add {}, {} : ({}, {}) -> {}",
            x.name,
            y.name,
            x.ty(),
            y.ty(),
            result.ty()
        ));
        Tensor { name, ..result }
    }

    /// The same value with another scale and zero point.
    fn like(&mut self, x: &Tensor, scale: f64, zero: i64) -> Tensor {
        if (x.scale, x.zero) == (scale, zero) {
            return x.clone();
        }
        let spread = x.spread * x.scale / scale;
        let result = Tensor { name: String::new(), dims: x.dims.clone(), scale, zero, spread };
        let float = format!("tensor<{}xf32>", sizes(&x.dims));
        let real = self.line(&format!(
            "stablehlo.uniform_dequantize {} : ({}) -> {float}",
            x.name,
            x.ty()
        ));
        let name =
            self.line(&format!("stablehlo.uniform_quantize {real} : ({float}) -> {}", result.ty()));
        Tensor { name, ..result }
    }

    /// Values side by side along the channels, in the type of the one with the largest scale.
    pub fn concat(&mut self, all: &[Tensor]) -> Tensor {
        let Some(widest) = all.iter().max_by(|a, b| a.scale.total_cmp(&b.scale)) else {
            panic!("nothing to put side by side")
        };
        let (scale, zero) = (widest.scale, widest.zero);
        let parts: Vec<Tensor> = all.iter().map(|x| self.like(x, scale, zero)).collect();
        if let [one] = parts.as_slice() {
            return one.clone();
        }
        let mut dims = parts[0].dims.clone();
        dims[3] = parts.iter().map(|x| x.dims[3]).sum();
        let spread = parts.iter().map(|x| x.spread).sum::<f64>() / parts.len() as f64;
        let result = Tensor { name: String::new(), dims, scale, zero, spread };
        let list =
            |part: fn(&Tensor) -> String| parts.iter().map(part).collect::<Vec<_>>().join(", ");
        let name = self.line(&format!(
            "stablehlo.concatenate {}, dim = 3 : ({}) -> {}",
            list(|x| x.name.clone()),
            list(Tensor::ty),
            result.ty()
        ));
        Tensor { name, ..result }
    }

    /// The maximum over square windows, as many as there are elements.
    pub fn max_pool(&mut self, x: &Tensor, kernel: u64) -> Tensor {
        let element = format!("tensor<!quant.uniform<i8:f32, {:?}:{}>>", x.scale, x.zero);
        let least = self.line(&format!(
            "stablehlo.constant() <{{value = dense<-128> : tensor<i8>}}> : () -> {element}"
        ));
        let (low, high) = ((kernel - 1) / 2, kernel / 2);
        let ty = x.ty();
        let name = self.line(&format!(
            "\"stablehlo.reduce_window\"({}, {least}) <{{window_dimensions = array<i64: 1, {kernel}, \
             {kernel}, 1>, padding = dense<[[0, 0], [{low}, {high}], [{low}, {high}], [0, 0]]> : \
             tensor<4x2xi64>}}> ({{\n  ^bb0(%a: {element}, %b: {element}):\n    %m = \
             stablehlo.maximum %a, %b : {element}\n    stablehlo.return %m : {element}\n  }}) : \
             ({ty}, {element}) -> {ty}",
            x.name
        ));
        Tensor { name, ..x.clone() }
    }

    /// The mean over height and width: batch and channels.
    pub fn mean(&mut self, x: &Tensor) -> Tensor {
        let [batch, height, width, channels] = [x.dims[0], x.dims[1], x.dims[2], x.dims[3]];
        let float = format!("tensor<{}xf32>", sizes(&x.dims));
        let flat = format!("tensor<{batch}x{channels}xf32>");
        let real = self.line(&format!(
            "stablehlo.uniform_dequantize {} : ({}) -> {float}",
            x.name,
            x.ty()
        ));
        let zero = self.line("stablehlo.constant dense<0.0> : tensor<f32>");
        let sum = self.line(&format!(
            "stablehlo.reduce({real} init: {zero}) applies stablehlo.add across dimensions = [1, 2] : ({float}, tensor<f32>) -> {flat}"
        ));
        let count =
            self.line(&format!("stablehlo.constant dense<{:?}> : {flat}", (height * width) as f64));
        let mean = self.line(&format!("stablehlo.divide {sum}, {count} : {flat}"));
        // Means are less spread than values: a smaller scale keeps them apart.
        let scale = x.scale / 3.0;
        let result = Tensor {
            name: String::new(),
            dims: vec![batch, channels],
            scale,
            zero: -128,
            // Means of what a ReLU leaves are positive.
            spread: 2.0 * RESULTS,
        };
        let name =
            self.line(&format!("stablehlo.uniform_quantize {mean} : ({flat}) -> {}", result.ty()));
        Tensor { name, ..result }
    }
}

fn sizes(dims: &[u64]) -> String {
    dims.iter().map(u64::to_string).collect::<Vec<_>>().join("x")
}

fn per_axis(storage: &str, axis: usize, scales: &[f64]) -> String {
    let list = scales.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(",");
    format!("!quant.uniform<{storage}:f32:{axis}, {{{list}}}>")
}
