//! Parameters of convolutions and matrix products.

use serde::Serialize;

use super::check::{Extent, Slide, dense, homogeneous, nonzero, product, strided};
use super::overlap::Pixels;
use super::{Params, Sizes, Strides};
use crate::{Access, AccessKind, Field, Fields, MicroId, Overlap, ParamError};

/// Applied to a convolution's result after the bias. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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

impl<'b> Field<'b> for Activation {
    fn take(fields: &mut Fields<'b>) -> Activation {
        match fields.take::<u32>() {
            0 => Activation::None,
            1 => Activation::Max { min: fields.take() },
            2 => Activation::Clamp { min: fields.take(), max: fields.take() },
            _ => {
                fields.fail();
                Activation::None
            }
        }
    }
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
/// Every product and sum is rounded. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
/// ascending. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
/// bytes. `output` is dense `[batch, m, n]`. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
/// See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
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
/// elements when it is dilated, are skipped. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Debug, PartialEq, Serialize)]
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

/// One spatial dimension of a [`ConvAny`]. See the example of [`Kernel`](crate::Kernel).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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

/// A channel count rounded up to whole blocks of eight.
fn blocks_of_8(channels: u32) -> Result<u32, ParamError> {
    channels.checked_next_multiple_of(8).ok_or(ParamError::Overflow)
}

fn wide_product(sizes: &[u32]) -> u64 {
    sizes.iter().fold(1, |total: u64, &size| total.saturating_mul(u64::from(size)))
}

impl<P: Copy> ConvF32<P> {
    fn slides(&self) -> [Slide; 2] {
        [
            Slide {
                input: self.in_h,
                output: self.out_h,
                kernel: self.kernel_h,
                stride: self.stride_h,
                pad: self.pad_top,
                input_dilation: 1,
                kernel_dilation: self.dilation_h,
            },
            Slide {
                input: self.in_w,
                output: self.out_w,
                kernel: self.kernel_w,
                stride: self.stride_w,
                pad: self.pad_left,
                input_dilation: 1,
                kernel_dilation: self.dilation_w,
            },
        ]
    }
}

#[doc(hidden)]
impl<P: Copy> ConvF32<P> {
    /// The depthwise convolution with `out_c` channels, each of which has one filter of these weights.
    pub fn depthwise(&self) -> DepthwiseF32<P> {
        DepthwiseF32 {
            input: self.input,
            weights: self.weights,
            bias: self.bias,
            output: self.output,
            batch: self.batch,
            in_h: self.in_h,
            in_w: self.in_w,
            channels: self.out_c,
            out_h: self.out_h,
            out_w: self.out_w,
            kernel_h: self.kernel_h,
            kernel_w: self.kernel_w,
            stride_h: self.stride_h,
            stride_w: self.stride_w,
            pad_top: self.pad_top,
            pad_left: self.pad_left,
            dilation_h: self.dilation_h,
            dilation_w: self.dilation_w,
            activation: self.activation,
        }
    }
}

impl<P: Copy> Params<P> for ConvF32<P> {
    type With<Q: Copy> = ConvF32<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ConvF32<Q> {
        ConvF32 {
            input: f(self.input),
            weights: f(self.weights),
            bias: self.bias.map(&mut *f),
            output: f(self.output),
            batch: self.batch,
            in_h: self.in_h,
            in_w: self.in_w,
            in_c: self.in_c,
            out_h: self.out_h,
            out_w: self.out_w,
            out_c: self.out_c,
            kernel_h: self.kernel_h,
            kernel_w: self.kernel_w,
            stride_h: self.stride_h,
            stride_w: self.stride_w,
            pad_top: self.pad_top,
            pad_left: self.pad_left,
            dilation_h: self.dilation_h,
            dilation_w: self.dilation_w,
            activation: self.activation,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.batch, self.in_c, self.out_c])?;
        for slide in &self.slides() {
            slide.check()?;
        }
        let out_c = blocks_of_8(self.out_c)?;
        let input = dense(&[self.batch, self.in_h, self.in_w, self.in_c, 4])?;
        let weights = dense(&[out_c, self.kernel_h, self.kernel_w, self.in_c, 4])?;
        let bias = dense(&[out_c, 4])?;
        let output = dense(&[self.batch, self.out_h, self.out_w, self.out_c, 4])?;
        // Two pixels are computed together, block by block, and read again for each.
        let overlap = overlap(&self.slides(), self.batch, [self.in_c, self.out_c], 2);
        visit(input.access(AccessKind::Read, self.input, 4).over(overlap));
        visit(weights.access(AccessKind::Read, self.weights, 4));
        if let Some(place) = self.bias {
            visit(bias.access(AccessKind::Read, place, 4));
        }
        visit(output.access(AccessKind::Write, self.output, 4));
        Ok(())
    }

    fn macs(&self) -> u64 {
        let outputs = wide_product(&[self.batch, self.out_h, self.out_w, self.out_c]);
        outputs.saturating_mul(wide_product(&[self.kernel_h, self.kernel_w, self.in_c]))
    }
}

impl<P: Copy> DepthwiseF32<P> {
    fn slides(&self) -> [Slide; 2] {
        [
            Slide {
                input: self.in_h,
                output: self.out_h,
                kernel: self.kernel_h,
                stride: self.stride_h,
                pad: self.pad_top,
                input_dilation: 1,
                kernel_dilation: self.dilation_h,
            },
            Slide {
                input: self.in_w,
                output: self.out_w,
                kernel: self.kernel_w,
                stride: self.stride_w,
                pad: self.pad_left,
                input_dilation: 1,
                kernel_dilation: self.dilation_w,
            },
        ]
    }
}

impl<P: Copy> Params<P> for DepthwiseF32<P> {
    type With<Q: Copy> = DepthwiseF32<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> DepthwiseF32<Q> {
        DepthwiseF32 {
            input: f(self.input),
            weights: f(self.weights),
            bias: self.bias.map(&mut *f),
            output: f(self.output),
            batch: self.batch,
            in_h: self.in_h,
            in_w: self.in_w,
            channels: self.channels,
            out_h: self.out_h,
            out_w: self.out_w,
            kernel_h: self.kernel_h,
            kernel_w: self.kernel_w,
            stride_h: self.stride_h,
            stride_w: self.stride_w,
            pad_top: self.pad_top,
            pad_left: self.pad_left,
            dilation_h: self.dilation_h,
            dilation_w: self.dilation_w,
            activation: self.activation,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.batch, self.channels])?;
        for slide in &self.slides() {
            slide.check()?;
        }
        let packed = blocks_of_8(self.channels)?;
        let input = dense(&[self.batch, self.in_h, self.in_w, self.channels, 4])?;
        let weights = dense(&[packed, self.kernel_h, self.kernel_w, 4])?;
        let bias = dense(&[packed, 4])?;
        let output = dense(&[self.batch, self.out_h, self.out_w, self.channels, 4])?;
        // Some cores compute a line block by block.
        let overlap = overlap(&self.slides(), self.batch, [self.channels; 2], u32::MAX);
        visit(input.access(AccessKind::Read, self.input, 4).over(overlap));
        visit(weights.access(AccessKind::Read, self.weights, 4));
        if let Some(place) = self.bias {
            visit(bias.access(AccessKind::Read, place, 4));
        }
        visit(output.access(AccessKind::Write, self.output, 4));
        Ok(())
    }

    fn macs(&self) -> u64 {
        let outputs = wide_product(&[self.batch, self.out_h, self.out_w, self.channels]);
        outputs.saturating_mul(wide_product(&[self.kernel_h, self.kernel_w]))
    }
}

/// How far results of an `f32` convolution of these channels may lie over its operand. Of several blocks of
/// eight channels, so many pixels of a line may be written `ahead`, before the first of them has read for the
/// last block; all of the line, before it has read for channels that are left over.
#[inline(never)]
fn overlap(slides: &[Slide; 2], batch: u32, [inputs, outputs]: [u32; 2], ahead: u32) -> Overlap {
    let [h, w] = slides;
    let vertical = h.output > w.output;
    if vertical && w.output > 1 {
        // Columns are computed one after the other.
        return Overlap::NEVER;
    }
    let line = h.output.max(w.output);
    let [together, ahead] = match (outputs / 8, outputs % 8) {
        (0, _) | (1, 0) => [1, 0],
        (_, 0) if ahead < line => [1, ahead],
        _ => [line; 2],
    };
    let [input, output] = [inputs, outputs].map(|channels| channels.wrapping_mul(4));
    Pixels { slides, batch, input, output, together, ahead }.behind()
}

/// Extent of `batch` matrices of `rows` rows of `row` bytes; strides are multiples of 4.
fn matrix(batch: (u32, i32), rows: (u32, i32), row: Extent) -> Result<Extent, ParamError> {
    if batch.1 & 3 != 0 || rows.1 & 3 != 0 {
        return Err(ParamError::Mismatch);
    }
    row.extend(rows.0, rows.1)?.extend(batch.0, batch.1)
}

impl<P: Copy> Params<P> for DotF32<P> {
    type With<Q: Copy> = DotF32<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> DotF32<Q> {
        DotF32 {
            lhs: f(self.lhs),
            rhs: f(self.rhs),
            bias: self.bias.map(&mut *f),
            output: f(self.output),
            batch: self.batch,
            m: self.m,
            n: self.n,
            k: self.k,
            lhs_batch_stride: self.lhs_batch_stride,
            lhs_row_stride: self.lhs_row_stride,
            rhs_batch_stride: self.rhs_batch_stride,
            rhs_row_stride: self.rhs_row_stride,
            activation: self.activation,
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        nonzero(&[self.batch, self.m, self.n, self.k])?;
        product(&[self.batch, self.m, self.k])?;
        let batch = |stride| (self.batch, stride);
        let lhs = matrix(
            batch(self.lhs_batch_stride),
            (self.m, self.lhs_row_stride),
            dense(&[self.k, 4])?,
        )?;
        let rhs = matrix(
            batch(self.rhs_batch_stride),
            (self.k, self.rhs_row_stride),
            dense(&[self.n, 4])?,
        )?;
        let output = dense(&[self.batch, self.m, self.n, 4])?;
        visit(lhs.access(AccessKind::Read, self.lhs, 4));
        visit(rhs.access(AccessKind::Read, self.rhs, 4));
        if let Some(place) = self.bias {
            visit(dense(&[self.n, 4])?.access(AccessKind::Read, place, 4));
        }
        visit(output.access(AccessKind::Write, self.output, 4));
        Ok(())
    }

    fn macs(&self) -> u64 {
        wide_product(&[self.batch, self.m, self.n, self.k])
    }
}

impl<P: Copy> Params<P> for DotAny<P> {
    type With<Q: Copy> = DotAny<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> DotAny<Q> {
        DotAny {
            op: self.op,
            lhs: f(self.lhs),
            rhs: f(self.rhs),
            output: f(self.output),
            sizes: self.sizes.clone(),
            lhs_strides: self.lhs_strides.clone(),
            rhs_strides: self.rhs_strides.clone(),
            contract: self.contract.clone(),
            lhs_contract_strides: self.lhs_contract_strides.clone(),
            rhs_contract_strides: self.rhs_contract_strides.clone(),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let dtype = homogeneous(self.op, 3)?;
        let (element, align) = (dtype.size(), dtype.align());
        let operand = |outer: &Strides, inner: &Strides| {
            strided(&[(&self.sizes, outer), (&self.contract, inner)], element, align)
        };
        let outputs = product(&self.sizes)?;
        product(&[outputs, product(&self.contract)?])?;
        let lhs = operand(&self.lhs_strides, &self.lhs_contract_strides)?;
        let rhs = operand(&self.rhs_strides, &self.rhs_contract_strides)?;
        visit(lhs.access(AccessKind::Read, self.lhs, align));
        visit(rhs.access(AccessKind::Read, self.rhs, align));
        let output = dense(&[outputs, element as u32])?;
        visit(output.access(AccessKind::Write, self.output, align));
        Ok(())
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        visit(self.op);
    }

    fn macs(&self) -> u64 {
        wide_product(&self.sizes).saturating_mul(wide_product(&self.contract))
    }
}

impl<P: Copy> Params<P> for ConvAny<P> {
    type With<Q: Copy> = ConvAny<Q>;

    fn map_places<Q: Copy>(&self, f: &mut dyn FnMut(P) -> Q) -> ConvAny<Q> {
        ConvAny {
            op: self.op,
            input: f(self.input),
            weights: f(self.weights),
            output: f(self.output),
            batch: self.batch,
            groups: self.groups,
            in_c: self.in_c,
            out_c: self.out_c,
            spatial: self.spatial.clone(),
        }
    }

    fn accesses(&self, visit: &mut dyn FnMut(Access<P>)) -> Result<(), ParamError> {
        let dtype = homogeneous(self.op, 3)?;
        let (element, align) = (dtype.size() as u32, dtype.align());
        nonzero(&[self.batch, self.groups, self.in_c, self.out_c])?;
        if self.spatial.is_empty() {
            return Err(ParamError::Zero);
        }
        let mut sizes = [
            product(&[self.batch, self.groups, self.in_c, element])?,
            product(&[self.groups, self.in_c, self.out_c, element])?,
            product(&[self.batch, self.groups, self.out_c, element])?,
        ];
        for dim in &self.spatial {
            dim.slide().check()?;
            sizes[0] = product(&[sizes[0], dim.input])?;
            sizes[1] = product(&[sizes[1], dim.kernel])?;
            sizes[2] = product(&[sizes[2], dim.output])?;
        }
        visit(dense(&[sizes[0]])?.access(AccessKind::Read, self.input, align));
        visit(dense(&[sizes[1]])?.access(AccessKind::Read, self.weights, align));
        visit(dense(&[sizes[2]])?.access(AccessKind::Write, self.output, align));
        Ok(())
    }

    fn micro_ops(&self, visit: &mut dyn FnMut(MicroId)) {
        visit(self.op);
    }

    fn macs(&self) -> u64 {
        let channels = wide_product(&[self.batch, self.groups, self.in_c, self.out_c]);
        self.spatial.iter().fold(channels, |total, dim| {
            total.saturating_mul(wide_product(&[dim.output, dim.kernel]))
        })
    }
}

impl ConvDim {
    fn slide(&self) -> Slide {
        Slide {
            input: self.input,
            output: self.output,
            kernel: self.kernel,
            stride: self.stride,
            pad: self.pad,
            input_dilation: self.input_dilation,
            kernel_dilation: self.kernel_dilation,
        }
    }
}
