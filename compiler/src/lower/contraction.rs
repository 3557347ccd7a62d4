//! Lowering of convolutions and matrix products.

use microhlo_format::kernels::{Activation, ConvAny, ConvDim, ConvF32, DotAny, DotF32};
use microhlo_format::{DType, Kernel, MicroId, MicroOp};

use super::epilogue::Epilogue;
use super::geometry::Geometry;
use super::hybrid::dequantised;
use super::program::Ref;
use super::view::{self, Nest, View};
use super::{Lowered, Lowerer, cluster, too_deep};
use crate::compile::CompileError;
use crate::ir::{Body, OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::convolution::Convolution;
use crate::ops::dot_general::DotGeneral;

/// Channels that the packed kernels compute together.
const BLOCK: usize = 8;

/// Whether a convolution runs on the packed `f32` kernels: constant weights, one or two spatial
/// dimensions, channels last, and either one group or depthwise with multiplier one.
pub fn is_packed_conv(body: &Body, op: OpId, c: &Convolution) -> bool {
    let o = &body.ops[op];
    let f32s = |v: ValueId| cluster::dtype(body, v) == Some(DType::F32);
    let all_f32 = o.operands.iter().chain(&o.results).all(|&v| f32s(v));
    let spatial = c.dims.input_spatial.len();
    let channels = |v: ValueId, d: i64| body.ty(v).tensor().and_then(|t| t.dims[d as usize].size());
    let groups = u64::try_from(c.feature_group_count).ok();
    let depthwise = groups.is_some()
        && channels(o.operands[0], c.dims.input_feature) == groups
        && channels(o.results[0], c.dims.output_feature) == groups;
    all_f32
        && has_weights(body, o.operands[1])
        && (1..=2).contains(&spatial)
        && channels_last(c)
        && c.batch_group_count == 1
        && (c.feature_group_count == 1 || depthwise)
        && c.lhs_dilation.iter().all(|&d| d == 1)
        && c.reversal.iter().all(|&r| !r)
}

/// Whether weights are constant, or bytes times a scale for each output channel.
fn has_weights(body: &Body, weights: ValueId) -> bool {
    body.constant(weights).is_some() || dequantised(body, weights).is_some()
}

/// Whether the packed kernels execute a contraction.
pub fn is_packed(body: &Body, op: OpId) -> bool {
    match &body.ops[op].kind {
        OpKind::Convolution(c) => is_packed_conv(body, op, c),
        OpKind::DotGeneral(d) => is_packed_dot(body, op, d),
        _ => false,
    }
}

pub(super) fn channels_last(c: &Convolution) -> bool {
    let n = c.dims.input_spatial.len() as i64;
    c.dims.input_batch == 0
        && c.dims.input_feature == n + 1
        && c.dims.input_spatial.iter().copied().eq(1..=n)
        && c.dims.kernel_spatial.iter().copied().eq(0..n)
        && c.dims.kernel_input_feature == n
        && c.dims.kernel_output_feature == n + 1
        && c.dims.output_batch == 0
        && c.dims.output_feature == n + 1
        && c.dims.output_spatial.iter().copied().eq(1..=n)
}

/// Whether a matrix product runs on the packed `f32` kernel: constant right-hand side, no batch.
pub fn is_packed_dot(body: &Body, op: OpId, d: &DotGeneral) -> bool {
    let o = &body.ops[op];
    let f32s = |v: ValueId| cluster::dtype(body, v) == Some(DType::F32);
    let all_f32 = o.operands.iter().chain(&o.results).all(|&v| f32s(v));
    let rank = |v: ValueId| body.ty(v).tensor().map_or(0, |t| t.rank());
    all_f32
        && has_weights(body, o.operands[1])
        // Scales are those of the last dimension.
        && (body.constant(o.operands[1]).is_some()
            || !d.rhs_contracting.contains(&(rank(o.operands[1]) as i64 - 1)))
        && d.lhs_batching.is_empty()
        && !d.rhs_contracting.is_empty()
        && d.rhs_contracting.len() + 1 == rank(o.operands[1])
}

/// Packs `[rows, columns]` row-major to `[ceil(columns / 8), rows, 8]`, padded with zeros.
fn pack<T: Copy + Default>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    let blocks = columns.div_ceil(BLOCK);
    let mut out = vec![T::default(); blocks * rows * BLOCK];
    for (i, &v) in values.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        out[(column / BLOCK * rows + row) * BLOCK + column % BLOCK] = v;
    }
    out
}

/// Weights of a contraction and their sizes.
struct Weights {
    values: Values,
    dims: Vec<usize>,
}

/// Floats, or bytes with the value of their scales.
enum Values {
    Floats(Vec<f32>),
    Bytes(Vec<u8>, ValueId),
}

impl Lowerer<'_> {
    pub(super) fn contraction(&mut self, op: OpId, epilogue: &Epilogue) -> Lowered<()> {
        match &self.body.ops[op].kind {
            OpKind::Convolution(c) if is_packed_conv(self.body, op, c) => {
                let c = c.clone();
                self.conv_f32(op, &c, epilogue)
            }
            OpKind::Convolution(c) => {
                let c = c.clone();
                self.conv_any(op, &c)
            }
            OpKind::DotGeneral(d) if is_packed_dot(self.body, op, d) => {
                let d = d.clone();
                self.dot_packed(op, &d, epilogue)
            }
            OpKind::DotGeneral(d) => {
                let d = d.clone();
                self.dot_dynamic(op, &d)
            }
            other => {
                let message = format!("`{}` is not a contraction", other.name());
                Err(CompileError::at(self.span(op), message))
            }
        }
    }

    /// The constant weights of a contraction.
    fn weights(&self, op: OpId) -> Lowered<Weights> {
        let operand = self.body.ops[op].operands[1];
        let found = match (self.body.constant(operand), dequantised(self.body, operand)) {
            (Some(c), _) => c.to_f32s().map(Values::Floats).zip(c.ty.static_dims()),
            (_, Some(d)) => {
                let bytes = Values::Bytes(d.weights.to_bytes().to_vec(), d.scales);
                Some(bytes).zip(d.weights.ty.static_dims())
            }
            _ => None,
        };
        let (values, dims) =
            found.ok_or_else(|| CompileError::at(self.span(op), "the weights are not constant"))?;
        Ok(Weights { values, dims: dims.iter().map(|&d| d as usize).collect() })
    }

    /// Weights of a number of output channels, in the last dimension, as kernels take them.
    fn packed_weights(&mut self, values: &Values, columns: usize) -> Ref {
        match values {
            Values::Floats(values) => {
                let rows = values.len().checked_div(columns).unwrap_or(0);
                self.f32_constant(&pack(values, rows, columns))
            }
            Values::Bytes(bytes, _) => {
                let rows = bytes.len().checked_div(columns).unwrap_or(0);
                self.constant(pack(bytes, rows, columns).into(), 4)
            }
        }
    }

    /// The step of a convolution with these weights.
    fn conv_step(
        &mut self,
        conv: ConvF32<Ref>,
        values: &Values,
        depthwise: bool,
        op: OpId,
    ) -> Lowered<()> {
        match *values {
            Values::Bytes(_, scales) => return self.hybrid_step(conv, scales, depthwise, op),
            Values::Floats(_) if depthwise => {
                self.step(Kernel::depthwise_f32(conv.depthwise()), op)
            }
            Values::Floats(_) => self.step(Kernel::conv_f32(conv), op),
        }
        Ok(())
    }

    fn packed_bias(&mut self, epilogue: &Epilogue) -> Option<Ref> {
        let mut bias = epilogue.bias.clone()?;
        bias.resize(bias.len().next_multiple_of(BLOCK), 0.0);
        Some(self.f32_constant(&bias))
    }

    fn name_epilogue(&mut self, epilogue: &Epilogue) {
        if let Some(step) = self.program.steps.last_mut() {
            if epilogue.bias.is_some() {
                step.name.push_str("+bias");
            }
            step.name.push_str(cluster::activation_name(&epilogue.activation));
        }
    }

    fn conv_f32(&mut self, op: OpId, c: &Convolution, epilogue: &Epilogue) -> Lowered<()> {
        let span = self.span(op);
        let Weights { values, dims: kernel } = self.weights(op)?;
        let input = self.dense(self.body.ops[op].operands[0], span)?;
        let (_, in_dims) = self.static_tensor(self.body.ops[op].operands[0], span)?;
        let (_, out_dims) = self.static_tensor(self.body.ops[op].results[0], span)?;
        let spatial = kernel.len() - 2;
        let taps: Vec<u32> = kernel[..spatial].iter().map(|&k| k as u32).collect();
        let lows: Vec<i64> = c.padding.iter().map(|p| p.0).collect();
        let g = Geometry::of(c, &in_dims, &out_dims, &taps, &lows).ok_or_else(|| too_deep(span))?;
        let columns = kernel[kernel.len() - 1];
        let weights = self.packed_weights(&values, columns);
        let bias = self.packed_bias(epilogue);
        let (output, ..) = self.result(epilogue.result, op)?;
        let Geometry { batch, in_c, out_c, .. } = g;
        let ([in_h, in_w], [out_h, out_w]) = (g.input, g.output);
        let ([kernel_h, kernel_w], [stride_h, stride_w]) = (g.kernel, g.stride);
        let ([pad_top, pad_left], [dilation_h, dilation_w]) = (g.pad, g.dilation);
        let (activation, depthwise) = (epilogue.activation, c.feature_group_count != 1);
        let in_c = if depthwise { 1 } else { in_c };
        #[rustfmt::skip]
        let conv = ConvF32 {
            input, weights, bias, output, batch, in_h, in_w, in_c, out_h, out_w, out_c, kernel_h,
            kernel_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, activation,
        };
        self.conv_step(conv, &values, depthwise, op)?;
        self.name_epilogue(epilogue);
        Ok(())
    }

    /// A matrix product with constant right-hand side, as a convolution over rows.
    fn dot_packed(&mut self, op: OpId, d: &DotGeneral, epilogue: &Epilogue) -> Lowered<()> {
        let Weights { values, dims } = self.weights(op)?;
        let MatrixProduct { input, rows, depth, columns, order } =
            self.matrix_product(op, d, &dims)?;
        let values = match values {
            Values::Floats(values) => Values::Floats(permuted_values(&values, &dims, &order)),
            Values::Bytes(bytes, scales) => {
                Values::Bytes(permuted_values(&bytes, &dims, &order), scales)
            }
        };
        let weights = self.packed_weights(&values, columns as usize);
        let bias = self.packed_bias(epilogue);
        let (output, ..) = self.result(epilogue.result, op)?;
        let kernel = ConvF32 {
            input,
            weights,
            bias,
            output,
            batch: 1,
            in_h: 1,
            in_w: rows,
            in_c: depth,
            out_h: 1,
            out_w: rows,
            out_c: columns,
            kernel_h: 1,
            kernel_w: 1,
            stride_h: 1,
            stride_w: 1,
            pad_top: 0,
            pad_left: 0,
            dilation_h: 1,
            dilation_w: 1,
            activation: epilogue.activation,
        };
        self.conv_step(kernel, &values, false, op)?;
        self.name_epilogue(epilogue);
        Ok(())
    }

    /// A matrix product without batch, with the right-hand side's one free dimension, as rows times
    /// a matrix; `dims` are the right-hand side's.
    pub(super) fn matrix_product(
        &mut self,
        op: OpId,
        d: &DotGeneral,
        dims: &[usize],
    ) -> Lowered<MatrixProduct> {
        let span = self.span(op);
        let lhs = self.view(self.body.ops[op].operands[0], span)?;
        // Rows of the left-hand side, contracted dimensions last in the order of the weights'.
        let free: Vec<i64> =
            (0..lhs.sizes.len() as i64).filter(|i| !d.lhs_contracting.contains(i)).collect();
        let order: Vec<i64> = free.iter().chain(&d.lhs_contracting).copied().collect();
        let lhs = lhs.permuted(&order);
        let input = if lhs.is_dense() { lhs.base } else { self.copied(&lhs, "lhs", span)? };
        let column = (0..dims.len()).find(|i| !d.rhs_contracting.contains(&(*i as i64)));
        let column = column.ok_or_else(|| too_deep(span))?;
        let mut order: Vec<usize> = d.rhs_contracting.iter().map(|&i| i as usize).collect();
        order.push(column);
        Ok(MatrixProduct {
            input,
            rows: lhs.sizes[..free.len()].iter().product(),
            depth: lhs.sizes[free.len()..].iter().product(),
            columns: dims[column] as u32,
            order,
        })
    }

    /// Any other matrix product.
    fn dot_dynamic(&mut self, op: OpId, d: &DotGeneral) -> Lowered<()> {
        let span = self.span(op);
        let result = self.body.ops[op].results[0];
        let (dtype, out_sizes) = self.static_tensor(result, span)?;
        let lhs = self.typed_view(self.body.ops[op].operands[0], dtype, op)?;
        let rhs = self.typed_view(self.body.ops[op].operands[1], dtype, op)?;
        let free = |v: &View, batch: &[i64], contract: &[i64]| -> Vec<i64> {
            let used = |i: &i64| batch.contains(i) || contract.contains(i);
            (0..v.sizes.len() as i64).filter(|i| !used(i)).collect()
        };
        let lhs_free = free(&lhs, &d.lhs_batching, &d.lhs_contracting);
        let rhs_free = free(&rhs, &d.rhs_batching, &d.rhs_contracting);
        if dtype == DType::F32 && !out_sizes.contains(&0) {
            let l = Sides::new(lhs, &d.lhs_batching, &lhs_free, &d.lhs_contracting);
            let r = Sides::new(rhs, &d.rhs_batching, &rhs_free, &d.rhs_contracting);
            return self.dot_f32(op, l, r);
        }
        let pick = |v: &View, dims: &[i64]| -> Vec<i64> {
            dims.iter().map(|&i| v.strides[i as usize]).collect()
        };
        let zeros = |n: usize| vec![0i64; n];
        let lhs_strides =
            [pick(&lhs, &d.lhs_batching), pick(&lhs, &lhs_free), zeros(rhs_free.len())].concat();
        let rhs_strides =
            [pick(&rhs, &d.rhs_batching), zeros(lhs_free.len()), pick(&rhs, &rhs_free)].concat();
        let dense = view::dense_strides(&out_sizes, dtype.size());
        let outer = Nest::new(&out_sizes, &[&lhs_strides, &rhs_strides, &dense]);
        let contract: Vec<u32> = d.lhs_contracting.iter().map(|&i| lhs.sizes[i as usize]).collect();
        let (lc, rc) = (pick(&lhs, &d.lhs_contracting), pick(&rhs, &d.rhs_contracting));
        let inner = Nest::new(&contract, &[&lc, &rc]);
        let (output, ..) = self.result(result, op)?;
        let deep = || too_deep(span);
        let kernel = DotAny {
            op: MicroId::op(MicroOp::multiply_add, dtype),
            lhs: lhs.base,
            rhs: rhs.base,
            output,
            sizes: view::sizes(&outer.sizes).ok_or_else(deep)?,
            lhs_strides: view::strides(&outer.strides[0]).ok_or_else(deep)?,
            rhs_strides: view::strides(&outer.strides[1]).ok_or_else(deep)?,
            contract: view::sizes(&inner.sizes).ok_or_else(deep)?,
            lhs_contract_strides: view::strides(&inner.strides[0]).ok_or_else(deep)?,
            rhs_contract_strides: view::strides(&inner.strides[1]).ok_or_else(deep)?,
        };
        self.step(Kernel::dot_any(kernel), op);
        Ok(())
    }

    fn dot_f32(&mut self, op: OpId, lhs: Sides, rhs: Sides) -> Lowered<()> {
        let span = self.span(op);
        // [batch, m, k] with k contiguous; [batch, k, n] with n contiguous.
        let l = self.matrix(&lhs, [lhs.batch, lhs.free, lhs.contract], false, span)?;
        let r = self.matrix(&rhs, [rhs.batch, rhs.contract, rhs.free], true, span)?;
        let (output, ..) = self.result(self.body.ops[op].results[0], op)?;
        let stride = |s: i64| i32::try_from(s).map_err(|_| too_deep(span));
        let kernel = DotF32 {
            lhs: l.base,
            rhs: r.base,
            bias: None,
            output,
            batch: l.sizes[0],
            m: l.sizes[1],
            n: r.sizes[2],
            k: l.sizes[2],
            lhs_batch_stride: stride(l.strides[0])?,
            lhs_row_stride: stride(l.strides[1])?,
            rhs_batch_stride: stride(r.strides[0])?,
            rhs_row_stride: stride(r.strides[1])?,
            activation: Activation::None,
        };
        self.step(Kernel::dot_f32(kernel), op);
        Ok(())
    }

    /// The operand as three merged dimensions, the last contiguous; copied where strides cannot
    /// express that. `swap` says that the contracted dimensions come before the free ones.
    fn matrix(
        &mut self,
        side: &Sides,
        counts: [usize; 3],
        swap: bool,
        span: crate::diag::Span,
    ) -> Lowered<View> {
        let (b, f) = (side.batch, side.batch + side.free);
        let rank = side.view.sizes.len();
        let order: Vec<i64> = if swap {
            (0..b).chain(f..rank).chain(b..f).map(|i| i as i64).collect()
        } else {
            (0..rank as i64).collect()
        };
        let ordered = side.view.permuted(&order);
        let (i, j) = (counts[0], counts[0] + counts[1]);
        let product = |r: std::ops::Range<usize>| ordered.sizes[r].iter().product::<u32>();
        let sizes = [product(0..i), product(i..j), product(j..rank)];
        let contiguous = |v: &View| v.sizes[2] == 1 || v.strides[2] == v.dtype.size() as i64;
        if let Some(view) = ordered.reshaped(&sizes).filter(contiguous) {
            return Ok(view);
        }
        let base = self.copied(&ordered, "operand", span)?;
        Ok(View::dense(base, ordered.dtype, &sizes))
    }

    /// A value's view, converted to `dtype` if it has another type.
    pub(super) fn typed_view(&mut self, value: ValueId, dtype: DType, op: OpId) -> Lowered<View> {
        let view = self.view(value, self.span(op))?;
        if view.dtype == dtype { Ok(view) } else { self.converted(&view, dtype, op) }
    }

    /// A convolution of any type, by the general kernel.
    fn conv_any(&mut self, op: OpId, c: &Convolution) -> Lowered<()> {
        let span = self.span(op);
        let unsupported = |what: &str| CompileError::unsupported(span, what.to_string());
        if c.batch_group_count != 1 {
            return Err(unsupported("batch_group_count other than 1 is not supported yet"));
        }
        let spatial = c.dims.input_spatial.len();
        if !channels_last(c) || spatial > 3 {
            return Err(unsupported("more than three spatial dimensions are not supported"));
        }
        let (&[lhs, rhs], &[result]) =
            (self.body.ops[op].operands.as_slice(), self.body.ops[op].results.as_slice())
        else {
            return Err(unsupported("a convolution has two operands and one result"));
        };
        let (dtype, out) = self.static_tensor(result, span)?;
        let (_, ins) = self.static_tensor(lhs, span)?;
        let (_, kernel) = self.static_tensor(rhs, span)?;
        let input = self.typed_dense(lhs, dtype, op)?;
        let weights = self.typed_dense(rhs, dtype, op)?;
        let size = |v: i64| u32::try_from(v).map_err(|_| too_deep(span));
        let mut dims = heapless::Vec::<ConvDim, 3>::new();
        for d in 0..spatial {
            let dim = ConvDim {
                input: ins[d + 1],
                output: out[d + 1],
                kernel: kernel[d],
                stride: size(c.strides[d])?,
                pad: i32::try_from(c.padding[d].0).map_err(|_| too_deep(span))?,
                input_dilation: size(c.lhs_dilation[d])?,
                kernel_dilation: size(c.rhs_dilation[d])?,
                reverse: c.reversal[d],
            };
            dims.push(dim).map_err(|_| too_deep(span))?;
        }
        if spatial == 0 {
            #[rustfmt::skip]
            let one = ConvDim {
                input: 1, output: 1, kernel: 1, stride: 1, pad: 0, input_dilation: 1,
                kernel_dilation: 1, reverse: false,
            };
            dims.push(one).map_err(|_| too_deep(span))?;
        }
        let groups = size(c.feature_group_count)?;
        let (output, ..) = self.result(result, op)?;
        let kernel = ConvAny {
            op: MicroId::op(MicroOp::multiply_add, dtype),
            input,
            weights,
            output,
            batch: ins[0],
            groups,
            in_c: kernel[spatial],
            out_c: kernel[spatial + 1].checked_div(groups).unwrap_or(0),
            spatial: dims,
        };
        self.step(Kernel::conv_any(kernel), op);
        Ok(())
    }

    fn typed_dense(&mut self, value: ValueId, dtype: DType, op: OpId) -> Lowered<Ref> {
        let span = self.span(op);
        if cluster::dtype(self.body, value) == Some(dtype) {
            return self.dense(value, span);
        }
        Ok(self.typed_view(value, dtype, op)?.base)
    }
}

/// Rows times a matrix.
pub(super) struct MatrixProduct {
    /// The rows, dense: `[rows, depth]`.
    pub(super) input: Ref,
    pub(super) rows: u32,
    pub(super) depth: u32,
    pub(super) columns: u32,
    /// The right-hand side's dimensions, contracted ones first, as the rows have them.
    pub(super) order: Vec<usize>,
}

/// An operand of a matrix product with its dimensions ordered batch, free, contracted.
pub(super) struct Sides {
    pub(super) view: View,
    /// Number of batch dimensions.
    pub(super) batch: usize,
    /// Number of free dimensions.
    pub(super) free: usize,
    contract: usize,
}

impl Sides {
    /// The operand with these batch and contracted dimensions.
    pub(super) fn of(view: View, batch: &[i64], contract: &[i64]) -> Sides {
        let used = |i: &i64| batch.contains(i) || contract.contains(i);
        let free: Vec<i64> = (0..view.sizes.len() as i64).filter(|i| !used(i)).collect();
        Sides::new(view, batch, &free, contract)
    }

    fn new(view: View, batch: &[i64], free: &[i64], contract: &[i64]) -> Sides {
        let order: Vec<i64> = [batch, free, contract].concat();
        Sides {
            view: view.permuted(&order),
            batch: batch.len(),
            free: free.len(),
            contract: contract.len(),
        }
    }
}

/// Values of a row-major tensor with its dimensions reordered.
pub(super) fn permuted_values<T: Copy>(values: &[T], dims: &[usize], order: &[usize]) -> Vec<T> {
    let mut strides = vec![1; dims.len()];
    for d in (1..dims.len()).rev() {
        strides[d - 1] = strides[d] * dims[d];
    }
    (0..values.len())
        .map(|mut flat| {
            let mut source = 0;
            for &d in order.iter().rev() {
                source += flat % dims[d] * strides[d];
                flat /= dims[d];
            }
            values[source]
        })
        .collect()
}
