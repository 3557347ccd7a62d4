//! Lowering of reductions of several tensors, or by a general region.

use microhlo_format::kernels::{MAX_RANK, ReduceAny, ReduceOperand, WindowDim};
use microhlo_format::{DType, Kernel};

use super::draft::Arguments;
use super::program::Ref;
use super::region::LANES;
use super::scatter::too_many;
use super::view::{Nest, View, dense_strides};
use super::{Lowered, Lowerer, too_deep};
use crate::diag::Span;
use crate::ir::{OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::window::Window;

/// One dimension with the strides of every operand and, last, of the results, in elements.
struct Dim {
    window: WindowDim,
    strides: Vec<i64>,
}

/// A dimension that is kept.
fn kept(size: u32) -> WindowDim {
    WindowDim {
        input: size,
        output: size,
        window: 1,
        stride: 1,
        pad: 0,
        base_dilation: 1,
        window_dilation: 1,
    }
}

/// A dimension that is reduced.
fn reduced(size: u32) -> WindowDim {
    WindowDim { output: 1, window: size, ..kept(size) }
}

/// The dimensions of a window over an operand.
pub(super) fn window_dims(
    w: &Window,
    input: &[u32],
    output: &[u32],
    span: Span,
) -> Lowered<Vec<WindowDim>> {
    let size = |v: i64| u32::try_from(v).map_err(|_| too_deep(span));
    let dim = |d: usize| {
        Ok(WindowDim {
            input: input[d],
            output: output[d],
            window: size(w.dimensions[d])?,
            stride: size(w.strides[d])?,
            pad: i32::try_from(w.padding[d].0).map_err(|_| too_deep(span))?,
            base_dilation: size(w.base_dilations[d])?,
            window_dilation: size(w.window_dilations[d])?,
        })
    };
    (0..input.len()).map(dim).collect()
}

impl Lowerer<'_> {
    pub(super) fn reduce_any(&mut self, op: OpId) -> Lowered<()> {
        let body = self.body;
        let (span, o) = (self.span(op), &body.ops[op]);
        let (inputs, inits) = o.operands.split_at(o.results.len());
        let (_, in_sizes) = self.static_tensor(inputs[0], span)?;
        let (_, out_sizes) = self.static_tensor(o.results[0], span)?;
        if out_sizes.contains(&0) {
            return o.results.iter().try_for_each(|&r| self.result(r, op).map(|_| ()));
        }
        match &o.kind {
            OpKind::Reduce(_) if in_sizes.contains(&0) => {
                for (&result, &init) in o.results.iter().zip(inits) {
                    let dtype = self.static_tensor(result, span)?.0;
                    let init = self.view_as(init, dtype, op)?.base;
                    self.filled(result, init, op)?;
                }
                Ok(())
            }
            OpKind::Reduce(r) => {
                let views = inputs.iter().map(|&v| self.view(v, span));
                let views = views.collect::<Lowered<Vec<View>>>()?;
                let dims = reduce_dims(&views, &r.dims);
                self.emit_reduce_any(op, &views, inits, dims, false)
            }
            OpKind::ReduceWindow(w) => self.window_any(op, &w.window, inputs, inits, &out_sizes),
            _ => Err(self.not_lowered(op)),
        }
    }

    fn window_any(
        &mut self,
        op: OpId,
        window: &Window,
        inputs: &[ValueId],
        inits: &[ValueId],
        out_sizes: &[u32],
    ) -> Lowered<()> {
        let span = self.span(op);
        let padded = |d: usize| window.padding[d] != (0, 0) || window.base_dilations[d] != 1;
        let padding = (0..out_sizes.len()).any(padded);
        let results = self.body.ops[op].results.clone();
        let mut views = Vec::new();
        for (&input, &result) in inputs.iter().zip(&results) {
            // Padding is an initial value, which then has the type of an element.
            let dtype = self.static_tensor(if padding { result } else { input }, span)?.0;
            views.push(self.view_as(input, dtype, op)?);
        }
        let in_sizes = views[0].sizes.clone();
        let mut dims = window_dims(window, &in_sizes, out_sizes, span)?;
        if in_sizes.contains(&0) {
            // All is padding: one element that repeats, whatever is in it, is never reached.
            for (view, &init) in views.iter_mut().zip(inits) {
                view.base = self.view_as(init, view.dtype, op)?.base;
                view.strides = vec![0; in_sizes.len()];
            }
            for (dim, window) in dims.iter_mut().zip(&window.dimensions) {
                let reach = i64::from(dim.output) * i64::from(dim.stride) + window;
                dim.input = u32::try_from(reach).map_err(|_| too_deep(span))?;
                (dim.pad, dim.base_dilation, dim.window_dilation) = (0, 1, 1);
            }
        }
        let out = dense_strides(out_sizes, 1);
        let dims = dims.into_iter().enumerate().map(|(d, window)| {
            let mut strides: Vec<i64> = views.iter().map(|v| v.strides[d]).collect();
            strides.push(out[d]);
            Dim { window, strides }
        });
        let dims = dims.collect();
        self.emit_reduce_any(op, &views, inits, dims, padding)
    }

    /// Chooses the lanes, and emits the kernel.
    fn emit_reduce_any(
        &mut self,
        op: OpId,
        views: &[View],
        inits: &[ValueId],
        mut dims: Vec<Dim>,
        padding_counts: bool,
    ) -> Lowered<()> {
        let body = self.body;
        let (span, o) = (self.span(op), &body.ops[op]);
        dims.retain(|d| d.window != kept(1));
        let plain = dims.iter().enumerate().filter(|(_, d)| d.window == kept(d.window.input));
        let widest = plain.max_by_key(|(_, d)| d.window.input).map(|(i, _)| i);
        let lane = widest.map_or_else(
            || Dim { window: kept(1), strides: vec![0; views.len() + 1] },
            |i| dims.remove(i),
        );
        let stride = |d: &Dim, i: usize| i32::try_from(d.strides[i]).map_err(|_| too_deep(span));
        let mut list = heapless::Vec::new();
        let (mut elements, mut accumulators) = (Vec::new(), Vec::new());
        for (i, view) in views.iter().enumerate() {
            let (output, accumulator, _) = self.result(o.results[i], op)?;
            let init = self.view_as(inits[i], accumulator, op)?.base;
            let mut strides = heapless::Vec::<i32, MAX_RANK>::new();
            for dim in &dims {
                strides.push(stride(dim, i)?).map_err(|_| too_deep(span))?;
            }
            let (input, element, lane_stride) = (view.base, view.dtype, stride(&lane, i)?);
            let operand = ReduceOperand::<Ref> {
                input,
                init,
                output,
                element,
                accumulator,
                strides,
                lane_stride,
            };
            list.push(operand).map_err(|_| too_many(span))?;
            elements.push(element);
            accumulators.push(accumulator);
        }
        let types: Vec<DType> = [accumulators, elements].concat();
        let of_args: Vec<usize> = (0..types.len()).collect();
        let lanes = lane.window.input;
        let together = lanes.min(LANES);
        let arguments = Arguments { operands: &types, of_args: &of_args, lanes: together };
        let code = self.region_code(o.regions[0], &arguments, span)?;
        let mut output_strides = heapless::Vec::new();
        let mut windows = heapless::Vec::new();
        for dim in &dims {
            output_strides.push(stride(dim, views.len())?).map_err(|_| too_deep(span))?;
            windows.push(dim.window).map_err(|_| too_deep(span))?;
        }
        let kernel = ReduceAny {
            operands: list,
            dims: windows,
            output_strides,
            lanes,
            lane_output_stride: stride(&lane, views.len())?,
            padding_counts,
            body: code,
        };
        self.step(Kernel::reduce_any(kernel), op);
        Ok(())
    }
}

/// Dimensions of a reduction, merged where every operand walks them evenly.
fn reduce_dims(views: &[View], reduce: &[i64]) -> Vec<Dim> {
    let sizes = &views[0].sizes;
    let gone = |d: &usize| reduce.contains(&(*d as i64));
    let kept_dims: Vec<usize> = (0..sizes.len()).filter(|d| !gone(d)).collect();
    let gone_dims: Vec<usize> = (0..sizes.len()).filter(gone).collect();
    let kept_sizes: Vec<u32> = kept_dims.iter().map(|&d| sizes[d]).collect();
    let out = dense_strides(&kept_sizes, 1);
    let nest = |list: &[usize], results: &[i64], dim: fn(u32) -> WindowDim| -> Vec<Dim> {
        let sizes: Vec<u32> = list.iter().map(|&d| sizes[d]).collect();
        let pick = |v: &View| list.iter().map(|&d| v.strides[d]).collect::<Vec<i64>>();
        let mut strides: Vec<Vec<i64>> = views.iter().map(pick).collect();
        strides.push(results.to_vec());
        let operands: Vec<&[i64]> = strides.iter().map(Vec::as_slice).collect();
        let nest = Nest::new(&sizes, &operands);
        let one = |(i, &size): (usize, &u32)| Dim {
            window: dim(size),
            strides: nest.strides.iter().map(|s| s[i]).collect(),
        };
        nest.sizes.iter().enumerate().map(one).collect()
    };
    let mut dims = nest(&kept_dims, &out, kept);
    dims.extend(nest(&gone_dims, &vec![0; gone_dims.len()], reduced));
    dims
}
