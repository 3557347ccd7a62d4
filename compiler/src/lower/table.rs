//! Elementwise clusters of one 8-bit tensor as tables: any function of 256 values is one.

use std::collections::{HashMap, HashSet};

use microhlo_format::kernels::TableI8;
use microhlo_format::{DType, Kernel};

use super::cluster::{self, is_output};
use super::{Lowered, Lowerer};
use crate::eval::{Evaluator, Tensor};
use crate::ir::{Body, Constant, Module, OpId, TensorType, ValueId};
use crate::ops::func::Return;

/// Elements from which on a table is worth its 256 bytes.
const MIN_ELEMENTS: u64 = 64;

/// Least operations that a table replaces.
const MIN_OPS: usize = 2;

/// A function of single bytes.
pub struct Table {
    input: ValueId,
    result: ValueId,
    bytes: Vec<u8>,
}

fn is_byte(dtype: Option<DType>) -> bool {
    matches!(dtype, Some(DType::I8 | DType::U8))
}

impl Lowerer<'_> {
    /// The table that an elementwise cluster is, if it computes one 8-bit tensor from one.
    pub(super) fn table_of(&self, ops: &[OpId]) -> Option<Table> {
        let inside: HashSet<OpId> = ops.iter().copied().collect();
        let body = self.body;
        let results = ops.iter().map(|&op| body.ops[op].results[0]);
        let mut outputs = results.filter(|&v| is_output(self.facts, v, &inside));
        let result = outputs.next().filter(|_| outputs.next().is_none())?;
        let ty = body.ty(result).tensor()?;
        if ops.len() < MIN_OPS || ty.elements()? < MIN_ELEMENTS || !is_byte(ty.dtype()) {
            return None;
        }
        let operands = ops.iter().flat_map(|&op| &body.ops[op].operands);
        let outside = |v: &&ValueId| body.def_op(**v).is_none_or(|op| !inside.contains(&op));
        let mut inputs = operands.filter(outside).filter(|&&v| self.facts.splat(v).is_none());
        let &input = inputs.next()?;
        let same = body.ty(input).tensor()?.dims == ty.dims;
        if !same || !is_byte(cluster::dtype(body, input)) || inputs.any(|&v| v != input) {
            return None;
        }
        let bytes = self.tabulated(ops, input, result)?;
        Some(Table { input, result, bytes })
    }

    /// The results of a cluster for all bytes, by the evaluator.
    fn tabulated(&self, ops: &[OpId], input: ValueId, result: ValueId) -> Option<Vec<u8>> {
        let all = |dtype| TensorType::fixed(&[256], dtype);
        let mut table = Body::default();
        let block = table.entry;
        let from = all(cluster::dtype(self.body, input)?);
        let mut values = HashMap::from([(input, table.add_arg(block, from.clone().into()))]);
        for &op in ops {
            let o = &self.body.ops[op];
            for &v in &o.operands {
                if values.contains_key(&v) {
                    continue;
                }
                let (constant, element) = self.facts.splat(v)?;
                let rank = self.body.ty(v).tensor()?.rank();
                let dims: &[u64] = if rank == 0 { &[] } else { &[256] };
                let ty = TensorType::fixed(dims, constant.ty.dtype()?);
                let value = Constant::splat(ty.clone(), element).into();
                let constant = crate::ops::constant::Constant { value };
                let made =
                    table.append(block, constant.into(), Vec::new(), vec![ty.into()], o.span);
                values.insert(v, table.ops[made].results[0]);
            }
            let operands = o.operands.iter().map(|v| values[v]).collect();
            let ty = all(cluster::dtype(self.body, o.results[0])?);
            let made = table.append(block, o.kind.clone(), operands, vec![ty.into()], o.span);
            values.insert(o.results[0], table.ops[made].results[0]);
        }
        let returned = vec![*values.get(&result)?];
        table.append(block, Return.into(), returned, Vec::new(), self.body.ops[ops[0]].span);
        let bytes: Vec<u8> = (0..=255).collect();
        let input = Tensor::from_constant(&Constant::dense(from, bytes)).ok()?;
        let module = Module::default();
        let out = Evaluator::new(&module).body(&table, &[input]).ok()?;
        Some(out.first()?.to_constant().to_bytes().to_vec())
    }

    /// The step of a table.
    pub(super) fn table(&mut self, table: Table, op: OpId) -> Lowered<()> {
        let input = self.dense(table.input, self.span(op))?;
        let (output, _, dims) = self.result(table.result, op)?;
        let count = dims.iter().product();
        let table = self.constant(table.bytes.into(), 4);
        self.step(Kernel::table_i8(TableI8 { input, table, output, count }), op);
        Ok(())
    }
}
