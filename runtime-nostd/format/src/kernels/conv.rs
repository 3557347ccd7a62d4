//! Parameters of convolutions and matrix products.

use serde::{Deserialize, Serialize};

use super::{Params, Sizes, Strides};
use crate::{Access, AccessKind, MicroId, ParamError};

/// Applied to a convolution's result after the bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    /// Nothing.
    None,
    /// `maximum(x, min)`: ReLU for 0.
    Max {
        /// Lower bound.
        min: f32,
    },
    /// `clamp(min, x, max)`.
    Clamp {
        /// Lower bound.
        min: f32,
        /// Upper bound.
        max: f32,
    },
}

/// `f32` convolution, NHWC.
///
/// `input` is `[batch, in_h, in_w, in_c]`, `output` `[batch, out_h, out_w, out_c]`, both dense.
/// `weights` is `[ceil(out_c / 8)][kernel_h][kernel_w][in_c][8]`, the last block padded with
/// zeros; `bias` is `[ceil(out_c / 8) * 8]`. A matrix product `[M, K] x [K, N]` is the
/// convolution with `in_h = out_h = 1`, `in_w = out_w = M`, `in_c = K`, `out_c = N`.
///
/// Each output is the sum over kernel rows, then columns, then input channels, ascending, from
/// +0.0, taps outside the input skipped; then the bias is added; then the activation applied.
/// Every product and sum is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvF32<P> {
    /// Activations read.
    pub input: P,
    /// Packed weights.
    pub weights: P,
    /// Packed bias.
    pub bias: Option<P>,
    /// Activations written.
    pub output: P,
    /// Independent images.
    pub batch: u32,
    /// Input height.
    pub in_h: u32,
    /// Input width.
    pub in_w: u32,
    /// Input channels.
    pub in_c: u32,
    /// Output height.
    pub out_h: u32,
    /// Output width.
    pub out_w: u32,
    /// Output channels.
    pub out_c: u32,
    /// Kernel height.
    pub kernel_h: u32,
    /// Kernel width.
    pub kernel_w: u32,
    /// Vertical stride.
    pub stride_h: u32,
    /// Horizontal stride.
    pub stride_w: u32,
    /// Rows of padding above; negative crops.
    pub pad_top: i32,
    /// Columns of padding on the left; negative crops.
    pub pad_left: i32,
    /// Vertical distance of kernel taps.
    pub dilation_h: u32,
    /// Horizontal distance of kernel taps.
    pub dilation_w: u32,
    /// What follows the bias.
    pub activation: Activation,
}

/// `f32` depthwise convolution, NHWC, one filter per channel.
///
/// As [`ConvF32`] with `out_c = channels`; `weights` is `[ceil(channels / 8)][kernel_h][kernel_w]
/// [8]`, `bias` `[ceil(channels / 8) * 8]`, padded with zeros. Taps are summed row by row,
/// ascending.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DepthwiseF32<P> {
    /// Activations read.
    pub input: P,
    /// Packed weights.
    pub weights: P,
    /// Packed bias.
    pub bias: Option<P>,
    /// Activations written.
    pub output: P,
    /// Independent images.
    pub batch: u32,
    /// Input height.
    pub in_h: u32,
    /// Input width.
    pub in_w: u32,
    /// Channels of input and output.
    pub channels: u32,
    /// Output height.
    pub out_h: u32,
    /// Output width.
    pub out_w: u32,
    /// Kernel height.
    pub kernel_h: u32,
    /// Kernel width.
    pub kernel_w: u32,
    /// Vertical stride.
    pub stride_h: u32,
    /// Horizontal stride.
    pub stride_w: u32,
    /// Rows of padding above; negative crops.
    pub pad_top: i32,
    /// Columns of padding on the left; negative crops.
    pub pad_left: i32,
    /// Vertical distance of kernel taps.
    pub dilation_h: u32,
    /// Horizontal distance of kernel taps.
    pub dilation_w: u32,
    /// What follows the bias.
    pub activation: Activation,
}

/// `f32` batched matrix product of two activations: `output[b, m, n] = sum_k lhs[b, m, k] *
/// rhs[b, k, n]`, k ascending from +0.0; then bias (`[n]`, may be absent), then activation.
///
/// `k` is contiguous in `lhs` and `n` is contiguous in `rhs`; the other strides are free, in
/// bytes. `output` is dense `[batch, m, n]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DotF32<P> {
    /// Left-hand side.
    pub lhs: P,
    /// Right-hand side.
    pub rhs: P,
    /// Bias per column.
    pub bias: Option<P>,
    /// Result.
    pub output: P,
    /// Batches.
    pub batch: u32,
    /// Rows of the result.
    pub m: u32,
    /// Columns of the result.
    pub n: u32,
    /// Contracted size.
    pub k: u32,
    /// Bytes from one batch of `lhs` to the next.
    pub lhs_batch_stride: i32,
    /// Bytes from one row of `lhs` to the next.
    pub lhs_row_stride: i32,
    /// Bytes from one batch of `rhs` to the next.
    pub rhs_batch_stride: i32,
    /// Bytes from one row (`k`) of `rhs` to the next.
    pub rhs_row_stride: i32,
    /// What follows the bias.
    pub activation: Activation,
}

/// Contraction of any element type: for every index of `sizes` (batch, rows and columns of the
/// result, in its order, dense), `output = sum over contract of lhs * rhs`, ascending row-major,
/// from zero, with the micro-operation `multiply_add` of the element type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DotAny<P> {
    /// `multiply_add` on the common element type.
    pub op: MicroId,
    /// Left-hand side.
    pub lhs: P,
    /// Right-hand side.
    pub rhs: P,
    /// Dense result.
    pub output: P,
    /// Sizes of the result's dimensions.
    pub sizes: Sizes,
    /// Byte strides of `lhs` along the result's dimensions.
    pub lhs_strides: Strides,
    /// Byte strides of `rhs` along the result's dimensions.
    pub rhs_strides: Strides,
    /// Sizes of the contracted dimensions; empty for an outer product.
    pub contract: Sizes,
    /// Byte strides of `lhs` along the contracted dimensions.
    pub lhs_contract_strides: Strides,
    /// Byte strides of `rhs` along the contracted dimensions.
    pub rhs_contract_strides: Strides,
}

/// Convolution of any element type and up to three spatial dimensions, dense tensors.
///
/// `input` is `[batch, spatial.., groups * in_c]`, `weights` `[spatial.., in_c, groups * out_c]`,
/// `output` `[batch, spatial.., groups * out_c]`. Per output: kernel positions ascending, then
/// input channels, `multiply_add` from zero; taps that fall outside the input, or between its
/// elements when it is dilated, are skipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvAny<P> {
    /// `multiply_add` on the common element type.
    pub op: MicroId,
    /// Activations read.
    pub input: P,
    /// Weights, not packed.
    pub weights: P,
    /// Activations written.
    pub output: P,
    /// Independent images.
    pub batch: u32,
    /// Channel groups.
    pub groups: u32,
    /// Input channels of one group.
    pub in_c: u32,
    /// Output channels of one group.
    pub out_c: u32,
    /// The spatial dimensions, outermost first, one to three.
    pub spatial: heapless::Vec<ConvDim, 3>,
}

/// One spatial dimension of a [`ConvAny`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConvDim {
    /// Input size.
    pub input: u32,
    /// Output size.
    pub output: u32,
    /// Kernel size.
    pub kernel: u32,
    /// Window stride.
    pub stride: u32,
    /// Padding before the first element; negative crops.
    pub pad: i32,
    /// Distance of input elements (`lhs_dilate`).
    pub input_dilation: u32,
    /// Distance of kernel taps (`rhs_dilate`).
    pub kernel_dilation: u32,
    /// Whether the kernel is applied reversed.
    pub reverse: bool,
}
