//! Lowering of `scatter` and `select_and_scatter`.

use microhlo_format::kernels::{MAX_RANK, Scatter, ScatterAny, ScatterOperand, SelectAndScatter};
use microhlo_format::{DType, Kernel};

use super::draft::Arguments;
use super::program::Ref;
use super::reduce_any::window_dims;
use super::region::LANES;
use super::view::View;
use super::{Lowered, Lowerer, too_deep};
use crate::compile::CompileError;
use crate::diag::Span;
use crate::ir::{BlockId, Body, OpId, ValueId};
use crate::ops::OpKind;
use crate::ops::scatter::ScatterDims;
use crate::ops::window::Window;

impl Lowerer<'_> {
    pub(super) fn scatter(&mut self, op: OpId, dims: &ScatterDims) -> Lowered<()> {
        let span = self.span(op);
        let o = &self.body.ops[op];
        let (operands, results, block) = (o.operands.clone(), o.results.clone(), o.regions[0]);
        let n = results.len();
        let (indices, rest) = (operands[n], &operands[n + 1..]);
        let mut tensors = Vec::new();
        let mut updates = Vec::new();
        for i in 0..n {
            let dtype = self.static_tensor(results[i], span)?.0;
            tensors.push(self.dense_as(operands[i], dtype, op)?);
            updates.push(match n {
                1 => self.view_as(rest[i], dtype, op)?,
                // All updates share their strides.
                _ => self.dense_as(rest[i], dtype, op)?,
            });
        }
        let slices = self.scatter_slices(dims, &tensors[0], indices, &updates[0], span)?;
        let count = tensors[0].elements() as u32;
        if returns_updates(self.body, block, n) {
            for i in 0..n {
                let (output, dtype, _) = self.result(results[i], op)?;
                let (operand, updates) = (tensors[i].base, updates[i].base);
                let (element, slices) = (dtype.size() as u8, slices.clone());
                let kernel = Scatter { operand, updates, output, element, count, slices };
                self.step(Kernel::scatter(kernel), op);
            }
            return Ok(());
        }
        let types: Vec<DType> = tensors.iter().chain(&updates).map(|v| v.dtype).collect();
        let of_args: Vec<usize> = (0..2 * n).collect();
        let run = slices.window.last().copied().unwrap_or(1);
        let lanes = run.clamp(1, LANES);
        let arguments = Arguments { operands: &types, of_args: &of_args, lanes };
        let body = self.region_code(block, &arguments, span)?;
        let mut list = heapless::Vec::new();
        for i in 0..n {
            let (output, dtype, _) = self.result(results[i], op)?;
            let (operand, updates) = (tensors[i].base, updates[i].base);
            let operand = ScatterOperand { operand, updates, output, dtype };
            list.push(operand).map_err(|_| too_many(span))?;
        }
        let kernel = ScatterAny { operands: list, count, slices, body };
        self.step(Kernel::scatter_any(kernel), op);
        Ok(())
    }

    /// Where a value lies, converted to an element type if it has another one.
    pub(super) fn view_as(&mut self, value: ValueId, dtype: DType, op: OpId) -> Lowered<View> {
        let view = self.view(value, self.span(op))?;
        if view.dtype == dtype { Ok(view) } else { self.converted(&view, dtype, op) }
    }

    /// As [`Lowerer::view_as`], dense.
    pub(super) fn dense_as(&mut self, value: ValueId, dtype: DType, op: OpId) -> Lowered<View> {
        let view = self.view_as(value, dtype, op)?;
        if view.is_dense() {
            return Ok(view);
        }
        let base = self.dense(value, self.span(op))?;
        Ok(View::dense(base, dtype, &view.sizes))
    }

    pub(super) fn select_and_scatter(&mut self, op: OpId, window: &Window) -> Lowered<()> {
        let span = self.span(op);
        let o = &self.body.ops[op];
        let (operands, regions, result) = (o.operands.clone(), o.regions.clone(), o.results[0]);
        let (element, in_sizes) = self.static_tensor(operands[0], span)?;
        let (_, out_sizes) = self.static_tensor(operands[1], span)?;
        let operand = self.dense(operands[0], span)?;
        let (accumulator, _) = self.static_tensor(result, span)?;
        let source = self.dense_as(operands[1], accumulator, op)?.base;
        let init = self.view_as(operands[2], accumulator, op)?.base;
        if in_sizes.contains(&0) || out_sizes.contains(&0) {
            return self.filled(result, init, op);
        }
        let dims = window_dims(window, &in_sizes, &out_sizes, span)?;
        let dims: heapless::Vec<_, MAX_RANK> =
            heapless::Vec::from_slice(&dims).map_err(|_| too_deep(span))?;
        let compared = Arguments { operands: &[element; 2], of_args: &[0, 1], lanes: 1 };
        let (select, selected) = self.region_test(regions[0], &compared, span)?;
        let combined = Arguments { operands: &[accumulator; 2], of_args: &[0, 1], lanes: 1 };
        let scatter = self.region_code(regions[1], &combined, span)?;
        let (output, ..) = self.result(result, op)?;
        let kernel = SelectAndScatter {
            operand,
            source,
            init,
            output,
            element,
            accumulator,
            dims,
            select,
            selected,
            scatter,
        };
        self.step(Kernel::select_and_scatter(kernel), op);
        Ok(())
    }

    /// A result that holds one element everywhere.
    pub(super) fn filled(&mut self, result: ValueId, value: Ref, op: OpId) -> Lowered<()> {
        let (output, dtype, dims) = self.result(result, op)?;
        let (element, count) = (dtype.size() as u8, dims.iter().product());
        let fill = microhlo_format::kernels::Fill { value, output, element, count };
        self.step(Kernel::fill(fill), op);
        Ok(())
    }

    /// The attributes of an operation that kernels with regions execute.
    pub(super) fn with_region(&mut self, op: OpId) -> Lowered<()> {
        let body = self.body;
        match &body.ops[op].kind {
            OpKind::Scatter(s) => self.scatter(op, &s.dims),
            OpKind::SelectAndScatter(s) => self.select_and_scatter(op, &s.window),
            OpKind::Sort(s) => self.sort(op, s.dim),
            other => Err(CompileError::unsupported(
                self.span(op),
                format!("`{}` is not supported by the device kernels yet", other.name()),
            )),
        }
    }
}

/// Whether a region returns the last `n` of its arguments.
pub(super) fn returns_updates(body: &Body, block: BlockId, n: usize) -> bool {
    let block = &body.blocks[block];
    match block.ops.as_slice() {
        &[ret] => body.ops[ret].operands[..] == block.args[n..],
        _ => false,
    }
}

pub(super) fn too_many(span: Span) -> CompileError {
    let most = microhlo_format::kernels::MAX_REGION_OPERANDS;
    let what = format!("an operation that combines more than {most} tensors is not supported yet");
    CompileError::unsupported(span, what)
}
