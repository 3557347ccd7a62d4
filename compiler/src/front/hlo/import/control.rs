//! Calls, regions and control flow.

use super::super::graph::{Computation, Instruction, Res, Shape, error};
use super::value::Val;
use super::{Importer, NewOp, fail, is_parameter};
use crate::ir::{Attr, BlockId, Type};
use crate::ops::func::Return;

/// The shapes of a computation's parameters, by their numbers.
pub(super) fn parameters(computation: &Computation) -> Res<Vec<&Shape>> {
    let instructions = computation.instructions.iter().filter(|i| is_parameter(i));
    let mut found: Vec<(Option<u64>, &Instruction)> =
        instructions.map(|i| (i.attrs.parameter, i)).collect();
    found.sort_by_key(|(number, _)| *number);
    for (expected, (number, instruction)) in found.iter().enumerate() {
        if *number != Some(expected as u64) {
            let message = format!(
                "the parameters of `{}` are not numbered from 0 without gaps",
                computation.name
            );
            return Err(error(instruction.span, message));
        }
        if let Some(name) = instruction.shape.foreign() {
            return Err(fail(instruction, format!("values of type `{name}` are not supported")));
        }
    }
    Ok(found.into_iter().map(|(_, i)| &i.shape).collect())
}

impl Importer<'_> {
    /// Index of the computation in a slot.
    pub(super) fn called(&self, at: &Instruction, slot: usize) -> Res<usize> {
        let index = at.attrs.called.get(slot).copied();
        index
            .filter(|&i| i < self.graph.computations.len())
            .ok_or_else(|| fail(at, format!("it names no computation number {slot}")))
    }

    /// `call`, `fusion`: a call of a function.
    pub(super) fn call(&mut self, at: &Instruction, operands: &[Val]) -> Res<Val> {
        let index = self.called(at, 0)?;
        let callee = self.callee(index);
        let mut op = NewOp::new("func.call", flat(operands));
        op.attrs.attr("callee", Attr::Symbol(callee));
        self.emit_op(at, op)
    }

    /// A region with the computation's parameters as arguments.
    pub(super) fn region(&mut self, at: &Instruction, slot: usize, depth: usize) -> Res<BlockId> {
        let index = self.called(at, slot)?;
        let graph = self.graph;
        let shapes = parameters(&graph.computations[index])?;
        let block = self.body.add_block();
        let mut params = Vec::new();
        for shape in shapes {
            let mut args = Vec::new();
            shape.leaves(&mut |a| args.push(self.body.add_arg(block, a.ty.clone().into())));
            params.push(Val::build(shape, &mut args.into_iter()));
        }
        self.fill(at, block, index, &params, depth)
    }

    /// A region without arguments: its parameters are values outside of it.
    fn closed_region(
        &mut self,
        at: &Instruction,
        slot: usize,
        operand: &Val,
        depth: usize,
    ) -> Res<BlockId> {
        let index = self.called(at, slot)?;
        let graph = self.graph;
        let fits = match parameters(&graph.computations[index])?[..] {
            [shape] => operand.fits(shape, &self.body),
            _ => false,
        };
        if !fits {
            let name = &graph.computations[index].name;
            let operand = operand.show(&self.body);
            let message = format!("the branch `{name}` does not take its operand {operand}");
            return Err(fail(at, message));
        }
        let block = self.body.add_block();
        self.fill(at, block, index, std::slice::from_ref(operand), depth)
    }

    fn fill(
        &mut self,
        at: &Instruction,
        block: BlockId,
        index: usize,
        params: &[Val],
        depth: usize,
    ) -> Res<BlockId> {
        let outer = std::mem::replace(&mut self.block, block);
        let root = self.computation(index, params, depth + 1)?;
        let returned = flat(&[root]);
        self.body.append(block, Return.into(), returned, vec![], at.span);
        self.block = outer;
        Ok(block)
    }

    /// `while` of one value, usually a tuple.
    pub(super) fn while_loop(
        &mut self,
        at: &Instruction,
        operands: &[Val],
        depth: usize,
    ) -> Res<Val> {
        let condition = self.region(at, 1, depth)?;
        let body = self.region(at, 0, depth)?;
        let mut op = NewOp::new("stablehlo.while", flat(operands));
        op.regions = vec![condition, body];
        self.emit_op(at, op)
    }

    /// `conditional` on a boolean or an index, with one operand per branch.
    pub(super) fn conditional(
        &mut self,
        at: &Instruction,
        operands: &[Val],
        depth: usize,
    ) -> Res<Val> {
        let Some((Val::One(selector), inputs)) = operands.split_first() else {
            return Err(fail(at, "its first operand selects the branch"));
        };
        if inputs.len() != at.attrs.called.len() {
            let (have, want) = (inputs.len(), at.attrs.called.len());
            return Err(fail(at, format!("it has {have} operands for {want} branches")));
        }
        let mut regions = Vec::new();
        for (slot, input) in inputs.iter().enumerate() {
            regions.push(self.closed_region(at, slot, input, depth)?);
        }
        let boolean = Type::from(crate::ir::TensorType::scalar(microhlo_format::DType::I1));
        let name = match *self.body.ty(*selector) == boolean {
            true => "stablehlo.if",
            false => "stablehlo.case",
        };
        let mut op = NewOp::new(name, vec![*selector]);
        op.regions = regions;
        self.emit_op(at, op)
    }
}

/// All values of operands.
pub(super) fn flat(operands: &[Val]) -> Vec<crate::ir::ValueId> {
    let mut all = Vec::new();
    operands.iter().for_each(|o| o.leaves(&mut all));
    all
}
