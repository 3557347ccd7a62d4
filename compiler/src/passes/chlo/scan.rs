//! `scan` as a loop over the slices of its inputs.

use microhlo_format::DType;

use super::super::rewrite::Editor;
use super::build::Build;
use crate::diag::Span;
use crate::ir::{BlockId, Dim, OpId, TensorType, Type, ValueId};
use crate::ops::chlo::scan::Scan;
use crate::ops::compare::{Compare, Direction};
use crate::ops::dynamic_slice::DynamicSlice;
use crate::ops::dynamic_update_slice::DynamicUpdateSlice;
use crate::ops::func::Return;
use crate::ops::reshape::Reshape;
use crate::ops::while_loop::While;
use crate::ops::{ElementwiseOp, OpKind};

/// Outputs, then the carried values. The loop's state is the position, the carried values, and
/// the outputs so far.
pub fn expand(ed: &mut Editor<'_>, op: OpId, scan: &Scan) -> Option<Vec<ValueId>> {
    let o = ed.body.ops[op].clone();
    let (inputs, carries) = o.operands.split_at_checked(scan.inputs)?;
    let &[block] = o.regions.as_slice() else { return None };
    let types: Vec<TensorType> =
        o.operands.iter().map(|&v| ed.body.ty(v).tensor().cloned()).collect::<Option<_>>()?;
    let count = scan.count(&types[..inputs.len()].iter().collect::<Vec<_>>()).ok()?.size()?;
    let count = i32::try_from(count).ok()?;
    let stacked = o.results.len().checked_sub(carries.len())?;
    let outputs: Vec<TensorType> = o.results[..stacked]
        .iter()
        .map(|&v| ed.body.ty(v).tensor().cloned())
        .collect::<Option<_>>()?;
    if types.iter().chain(&outputs).any(|t| t.static_dims().is_none()) {
        return None;
    }
    let counter = TensorType::scalar(DType::I32);
    let mut build = Build { ed, span: o.span };
    let mut state = vec![build.number(&counter, 0)];
    state.extend(carries);
    for ty in &outputs {
        state.push(build.number(ty, 0));
    }
    let kinds: Vec<Type> = state.iter().map(|&v| build.ed.body.ty(v).clone()).collect();
    let condition = condition(ed, &kinds, count, o.span);
    let parts = Parts { scan, inputs, carries: carries.len(), count, span: o.span };
    parts.body(ed, block, &kinds)?;
    let results = ed.emit_op(While.into(), state, kinds, vec![condition, block], o.span);
    let (carried, stacked) = results.get(1..)?.split_at_checked(carries.len())?;
    Some([stacked, carried].concat())
}

/// Whether the position is less than the number of slices.
fn condition(ed: &mut Editor<'_>, state: &[Type], count: i32, span: Span) -> BlockId {
    let block = ed.body.add_block();
    let args: Vec<ValueId> = state.iter().map(|t| ed.body.add_arg(block, t.clone())).collect();
    let mut at = Inside { ed, ops: Vec::new(), span };
    let count = at.number(count.into());
    let less = Compare { direction: Direction::Lt, compare_type: None };
    let go = at.op(less, vec![args[0], count], &TensorType::scalar(DType::I1));
    at.finish(vec![go]);
    let ops = at.ops;
    ed.body.blocks[block].ops = ops;
    block
}

struct Parts<'s> {
    scan: &'s Scan,
    inputs: &'s [ValueId],
    carries: usize,
    count: i32,
    span: Span,
}

impl Parts<'_> {
    /// Turns the scan's region into the loop's body, in place so that its operations are visited.
    fn body(&self, ed: &mut Editor<'_>, block: BlockId, state: &[Type]) -> Option<()> {
        let returned = ed.body.returned(block).to_vec();
        let (slices, carried) = returned.split_at_checked(returned.len() - self.carries)?;
        let formal = std::mem::take(&mut ed.body.blocks[block].args);
        let mut rest = std::mem::take(&mut ed.body.blocks[block].ops);
        rest.pop();
        let args: Vec<ValueId> = state.iter().map(|t| ed.body.add_arg(block, t.clone())).collect();
        let (&position, values) = args.split_first()?;
        let (carries, outputs) = values.split_at_checked(self.carries)?;
        let dim = self.scan.dimension as usize;

        let mut at = Inside { ed, ops: Vec::new(), span: self.span };
        let scalar = TensorType::scalar(DType::I32);
        let index = match self.scan.reverse {
            true => {
                let last = at.number(i64::from(self.count) - 1);
                at.op(ElementwiseOp::Subtract, vec![last, position], &scalar)
            }
            false => position,
        };
        let zero = at.number(0);
        let mut actual = Vec::new();
        for &input in self.inputs {
            actual.push(at.slice(input, dim, index, zero)?);
        }
        actual.extend(carries);
        for (&old, new) in formal.iter().zip(actual) {
            at.ed.replace(old, new);
        }
        at.ops.append(&mut rest);
        let one = at.number(1);
        let mut next = vec![at.op(ElementwiseOp::Add, vec![position, one], &scalar)];
        next.extend(carried);
        for (&output, &slice) in outputs.iter().zip(slices) {
            next.push(at.update(output, slice, dim, index, zero)?);
        }
        at.finish(next);
        let ops = at.ops;
        ed.body.blocks[block].ops = ops;
        Some(())
    }
}

/// Emits operations into a block of its own.
struct Inside<'e, 'b> {
    ed: &'e mut Editor<'b>,
    ops: Vec<OpId>,
    span: Span,
}

impl Inside<'_, '_> {
    fn op(&mut self, kind: impl Into<OpKind>, operands: Vec<ValueId>, ty: &TensorType) -> ValueId {
        let types = vec![ty.clone().into()];
        let op = self.ed.body.make_op(kind.into(), operands, types, vec![], self.span);
        self.ops.push(op);
        self.ed.body.ops[op].results[0]
    }

    fn finish(&mut self, values: Vec<ValueId>) {
        let op = self.ed.body.make_op(Return.into(), values, vec![], vec![], self.span);
        self.ops.push(op);
    }

    fn number(&mut self, value: i64) -> ValueId {
        let ty = TensorType::scalar(DType::I32);
        let bytes = crate::ops::chlo::encoded(DType::I32, value);
        let value = crate::ir::Constant::splat(ty.clone(), &bytes).into();
        self.op(crate::ops::constant::Constant { value }, vec![], &ty)
    }

    /// The value without dimension `dim`, at an index of it.
    fn slice(&mut self, value: ValueId, dim: usize, i: ValueId, zero: ValueId) -> Option<ValueId> {
        let ty = self.ed.body.ty(value).tensor()?.clone();
        let mut sizes: Vec<i64> = ty.static_dims()?.iter().map(|&n| n as i64).collect();
        let (mut part, mut flat) = (ty.clone(), ty);
        *sizes.get_mut(dim)? = 1;
        *part.dims.get_mut(dim)? = Dim::Static(1);
        flat.dims.remove(dim);
        let starts = (0..part.rank()).map(|d| if d == dim { i } else { zero });
        let operands = [value].into_iter().chain(starts).collect();
        let one = self.op(DynamicSlice { sizes }, operands, &part);
        Some(self.op(Reshape, vec![one], &flat))
    }

    /// The value with a slice at an index of dimension `dim` replaced.
    fn update(
        &mut self,
        value: ValueId,
        slice: ValueId,
        dim: usize,
        i: ValueId,
        zero: ValueId,
    ) -> Option<ValueId> {
        let ty = self.ed.body.ty(value).tensor()?.clone();
        let mut part = ty.clone();
        *part.dims.get_mut(dim)? = Dim::Static(1);
        let slice = self.op(Reshape, vec![slice], &part);
        let starts = (0..part.rank()).map(|d| if d == dim { i } else { zero });
        let operands = [value, slice].into_iter().chain(starts).collect();
        Some(self.op(DynamicUpdateSlice, operands, &ty))
    }
}
