//! Lowering of data movement: concatenate and pad.

use microhlo_format::Kernel;
use microhlo_format::kernels::{Fill, TableMoveI8};

use super::program::Ref;
use super::view::{View, dense_strides};
use super::{Lowered, Lowerer};
use crate::compile::CompileError;
use crate::ir::{OpId, ValueId};
use crate::ops::concatenate::Concatenate;
use crate::ops::pad::Pad;

impl Lowerer<'_> {
    /// One strided copy per operand. What is a table of bytes, needed by nothing else, is looked up on the way.
    pub(super) fn concatenate(&mut self, op: OpId, c: &Concatenate) -> Lowered<()> {
        let span = self.span(op);
        let operands = self.body.ops[op].operands.clone();
        let source = |this: &mut Self, v: ValueId| match this.placed.get(&v) {
            Some(placed) => Ok((placed.from.clone(), Some(placed.table))),
            None => this.view(v, span).map(|view| (view, None)),
        };
        let sources = operands.iter().map(|&v| source(self, v)).collect::<Lowered<Vec<_>>>()?;
        let (output, dtype, dims) = self.result(self.body.ops[op].results[0], op)?;
        let strides = dense_strides(&dims, dtype.size());
        let mut offset = i64::from(output.offset);
        for (from, table) in sources {
            if from.elements() == 0 {
                continue;
            }
            let base = Ref { buffer: output.buffer, offset: offset as u32 };
            let d = c.dim as usize;
            offset += strides[d] * i64::from(from.sizes[d]);
            let to = View { base, dtype, sizes: from.sizes.clone(), strides: strides.clone() };
            let copy = self.copy_of(&from, &to, span)?;
            let kernel = match table {
                Some(table) => Kernel::table_move_i8(TableMoveI8::new(copy, table)),
                None => Kernel::move_(copy),
            };
            self.step(kernel, op);
        }
        Ok(())
    }

    /// Fills the result, then copies the part of the operand that negative padding leaves.
    pub(super) fn pad(&mut self, op: OpId, p: &Pad) -> Lowered<()> {
        let span = self.span(op);
        let (operand, value) = (self.body.ops[op].operands[0], self.body.ops[op].operands[1]);
        let from = self.view(operand, span)?;
        let value = self.view(value, span)?.base;
        let (output, dtype, dims) = self.result(self.body.ops[op].results[0], op)?;
        let count = dims.iter().product();
        if count == 0 {
            return Ok(());
        }
        let element = dtype.size() as u8;
        self.step(Kernel::fill(Fill { value, output, element, count }), op);
        let strides = dense_strides(&dims, dtype.size());
        // Padding amounts are any 64-bit numbers, so positions are computed in 128 bits.
        let (mut source, mut target) = (i128::from(from.base.offset), i128::from(output.offset));
        let mut sizes = Vec::new();
        let mut to_strides = Vec::new();
        for d in 0..dims.len() {
            let (low, step) = (i128::from(p.low[d]), i128::from(p.interior[d]) + 1);
            let first = ((-low).max(0) + step - 1) / step;
            // Element i lands at low + i * step, which must lie inside the result.
            let room = i128::from(dims[d]) - 1 - low;
            let last = if room < 0 { -1 } else { (room / step).min(i128::from(from.sizes[d]) - 1) };
            if last < first {
                return Ok(());
            }
            sizes.push((last - first + 1) as u32);
            source += first * i128::from(from.strides[d]);
            target += (low + first * step) * i128::from(strides[d]);
            to_strides.push(strides[d].saturating_mul(p.interior[d].saturating_add(1)));
        }
        let offset = |o: i128| {
            u32::try_from(o).map_err(|_| CompileError::unsupported(span, "padding exceeds 4 GiB"))
        };
        let source = Ref { buffer: from.base.buffer, offset: offset(source)? };
        let target = Ref { buffer: output.buffer, offset: offset(target)? };
        let from = View { base: source, dtype, sizes: sizes.clone(), strides: from.strides };
        let to = View { base: target, dtype, sizes, strides: to_strides };
        let kernel = self.move_kernel(&from, &to, span)?;
        self.step(kernel, op);
        Ok(())
    }
}
