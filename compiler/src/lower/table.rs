//! Elementwise clusters of one 8-bit tensor as tables: any function of 256 values is one.

use std::collections::HashMap;

use microhlo_format::kernels::TableI8;
use microhlo_format::{DType, Kernel};

use super::cluster::{self, is_elementwise};
use super::facts::Facts;
use super::program::Ref;
use super::view::View;
use super::{Lowered, Lowerer};
use crate::eval::{Evaluator, Tensor};
use crate::ir::{Body, Constant, Module, OpId, TensorType, ValueId};
use crate::ops::OpKind;
use crate::ops::func::Return;

/// Elements from which on a table is worth its 256 bytes.
const MIN_ELEMENTS: u64 = 64;

/// Least operations that a table replaces.
const MIN_OPS: usize = 2;

/// A function of single bytes.
#[derive(Clone, Debug)]
pub struct Table {
    input: ValueId,
    result: ValueId,
    bytes: Vec<u8>,
}

fn is_byte(body: &Body, value: ValueId) -> bool {
    matches!(cluster::dtype(body, value), Some(DType::I8 | DType::U8))
}

/// The table that ends with `last`, and the elementwise operations that it replaces: as many as
/// depend on one 8-bit tensor and on constants. `order` sorts them as the program does.
pub fn find(
    facts: &Facts<'_>,
    last: OpId,
    order: impl Fn(&mut Vec<OpId>),
) -> Option<(Table, Vec<OpId>)> {
    let result = facts.body.result(last).filter(|&v| is_byte(facts.body, v))?;
    let many = facts.body.ty(result).tensor()?.elements()? >= MIN_ELEMENTS;
    let one = |v: ValueId| facts.splat(v).is_some();
    let found = [true, false].into_iter().find_map(|through| grown(facts, last, through, one));
    let (input, mut ops) = found.filter(|(_, ops)| many && ops.len() >= MIN_OPS)?;
    order(&mut ops);
    let bytes = tabulated(facts, &ops, input, result, None)?;
    Some((Table { input, result, bytes }, ops))
}

/// The operations that lead to `last` from one 8-bit tensor, which is returned first, and from
/// values that are constant enough. They go on behind 8-bit values that nothing else needs if
/// `through`.
pub fn grown(
    facts: &Facts<'_>,
    last: OpId,
    through: bool,
    is_constant: impl Fn(ValueId) -> bool,
) -> Option<(ValueId, Vec<OpId>)> {
    let body = facts.body;
    let home = facts.block(last);
    let dims = &body.ty(body.result(last)?).tensor()?.dims;
    let is_step = |op: OpId| {
        let here = facts.block(op) == home && is_elementwise(&body.ops[op].kind);
        here && body.result(op).and_then(|v| body.ty(v).tensor()).is_some_and(|t| t.dims == *dims)
    };
    if !is_step(last) {
        return None;
    }
    let mut ops = vec![last];
    let mut at = 0;
    let mut inputs = Vec::new();
    while let Some(&op) = ops.get(at) {
        at += 1;
        for &v in &body.ops[op].operands {
            if is_constant(v) {
                continue;
            }
            let ends = is_byte(body, v) && !through;
            match body.def_op(v).filter(|&def| !ends && is_step(def)) {
                Some(def) if ops.contains(&def) => {}
                Some(def) => ops.push(def),
                None => inputs.push(v),
            }
        }
    }
    let &input = inputs.first()?;
    let inside = |v: ValueId| facts.users(v).iter().all(|user| ops.contains(user));
    let private = ops[1..].iter().all(|&op| body.ops[op].results.iter().all(|&v| inside(v)));
    let same = body.ty(input).tensor()?.dims == *dims && is_byte(body, input);
    (same && private && inputs.iter().all(|&v| v == input)).then_some((input, ops))
}

/// The results of a cluster for the bytes from 0 to 255, by the evaluator. With channels, which are
/// the last dimension of the cluster's, those of a byte lie together.
pub fn tabulated(
    facts: &Facts<'_>,
    ops: &[OpId],
    input: ValueId,
    result: ValueId,
    channels: Option<usize>,
) -> Option<Vec<u8>> {
    let sizes: Vec<u64> = [256].into_iter().chain(channels.map(|n| n as u64)).collect();
    let all = |dtype| TensorType::fixed(&sizes, dtype);
    let mut table = Body::default();
    let block = table.entry;
    let from = all(cluster::dtype(facts.body, input)?);
    let mut values = HashMap::from([(input, table.add_arg(block, from.clone().into()))]);
    for &op in ops {
        let o = &facts.body.ops[op];
        for &v in &o.operands {
            if values.contains_key(&v) {
                continue;
            }
            let ty = facts.body.ty(v).tensor()?;
            let dims: &[u64] = if ty.rank() == 0 { &[] } else { &sizes };
            let made = TensorType::fixed(dims, ty.dtype()?);
            let value = match facts.splat(v) {
                Some((_, element)) => Constant::splat(made, element),
                None => {
                    let row = facts.channel_bytes(v, ty.rank().checked_sub(1)?, channels?)?;
                    Constant::dense(made, row.repeat(256))
                }
            };
            let ty = value.ty.clone();
            let constant = crate::ops::constant::Constant { value: value.into() };
            let made = table.append(block, constant.into(), Vec::new(), vec![ty.into()], o.span);
            values.insert(v, table.ops[made].results[0]);
        }
        let operands = o.operands.iter().map(|v| values[v]).collect();
        let ty = all(cluster::dtype(facts.body, o.results[0])?);
        let made = table.append(block, o.kind.clone(), operands, vec![ty.into()], o.span);
        values.insert(o.results[0], table.ops[made].results[0]);
    }
    let returned = vec![*values.get(&result)?];
    table.append(block, Return.into(), returned, Vec::new(), facts.body.ops[ops[0]].span);
    let bytes: Vec<u8> =
        (0..=255).flat_map(|b| std::iter::repeat_n(b, channels.unwrap_or(1))).collect();
    let input = Tensor::from_constant(&Constant::dense(from, bytes)).ok()?;
    let module = Module::default();
    let out = Evaluator::new(&module).body(&table, &[input]).ok()?;
    Some(out.first()?.to_constant().to_bytes().to_vec())
}

/// A function of single bytes whose results are computed where a concatenation wants them.
#[derive(Clone, Debug)]
pub struct Placed {
    /// What is looked up.
    pub from: View,
    /// 256 results.
    pub table: Ref,
}

impl Lowerer<'_> {
    /// The step of a table that replaces operations of which `op` is the first; none if a concatenation is all
    /// that needs it, and looks up by itself.
    pub(super) fn table(&mut self, table: &Table, op: OpId) -> Lowered<()> {
        let user = self.facts.only_user(table.result);
        if user.is_some_and(|u| matches!(self.body.ops[u].kind, OpKind::Concatenate(_))) {
            let from = self.view(table.input, self.span(op))?;
            let bytes = self.constant(table.bytes.clone().into(), 4);
            self.placed.insert(table.result, Placed { from, table: bytes });
            return Ok(());
        }
        let input = self.dense(table.input, self.span(op))?;
        let (output, _, dims) = self.result(table.result, op)?;
        let count = dims.iter().product();
        let bytes = self.constant(table.bytes.clone().into(), 4);
        self.step(Kernel::table_i8(TableI8 { input, table: bytes, output, count }), op);
        Ok(())
    }
}
