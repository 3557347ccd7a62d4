//! Lowering of `sort`.

use microhlo_format::Kernel;
use microhlo_format::kernels::{Sort, SortOperand};

use super::draft::Arguments;
use super::program::Storage;
use super::scatter::too_many;
use super::{Lowered, Lowerer};
use crate::ir::OpId;

impl Lowerer<'_> {
    pub(super) fn sort(&mut self, op: OpId, dim: i64) -> Lowered<()> {
        let span = self.span(op);
        let o = &self.body.ops[op];
        let (operands, results, block) = (o.operands.clone(), o.results.clone(), o.regions[0]);
        let (_, dims) = self.static_tensor(operands[0], span)?;
        let dim = if dim < 0 { dim + dims.len() as i64 } else { dim } as usize;
        let outer = dims[..dim].iter().product();
        let inner = dims[dim + 1..].iter().product();
        let n = dims[dim];
        let mut types = Vec::new();
        let mut list = heapless::Vec::new();
        for (&operand, &result) in operands.iter().zip(&results) {
            let input = self.dense(operand, span)?;
            let (output, dtype, dims) = self.result(result, op)?;
            if dims.contains(&0) {
                continue;
            }
            let scratch = self.buffer("scratch", dtype, &[n], Storage::Temp, span)?;
            types.extend([dtype, dtype]);
            let operand = SortOperand { input, output, scratch, dtype };
            list.push(operand).map_err(|_| too_many(span))?;
        }
        if list.is_empty() {
            return Ok(());
        }
        let of_args: Vec<usize> = (0..types.len()).collect();
        let arguments = Arguments { operands: &types, of_args: &of_args, lanes: 1 };
        let (less, result) = self.region_test(block, &arguments, span)?;
        self.step(Kernel::sort(Sort { operands: list, outer, n, inner, less, result }), op);
        Ok(())
    }
}
