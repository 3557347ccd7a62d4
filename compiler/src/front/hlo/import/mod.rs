//! The graph to the IR.
//!
//! A computation that is called as a function, by `call` or `fusion`, becomes a private function.
//! One that belongs to an operation, such as the body of `while`, becomes its region each time.

mod attrs;
mod control;
mod names;
mod ops;
mod scatter;
mod special;
mod value;

use std::sync::Arc;

use super::graph::{ArrayShape, Computation, Graph, Instruction, MAX_DEPTH, Res, error};
use crate::diag::Diagnostic;
use crate::ir::{BlockId, Body, Dict, Func, Module, Type, ValueId};
use crate::ops::func::FuncReturn;
use crate::ops::{AttrReader, AttrWriter, OpKind};
use value::Val;

pub(super) use ops::knows;

/// Most operations that a module may expand to: a computation is copied to each of its uses.
const MAX_OPS: usize = 1 << 20;

/// Converts a graph.
pub(super) fn import(graph: &Graph) -> Res<Module> {
    let mut importer = Importer {
        graph,
        names: names::functions(graph),
        wanted: vec![graph.entry],
        requested: vec![false; graph.computations.len()],
        body: Body::new(),
        block: Body::new().entry,
        operand_shapes: Vec::new(),
        budget: MAX_OPS,
    };
    importer.requested[graph.entry] = true;
    let mut module = Module { name: Some(graph.name.as_str().into()), ..Module::default() };
    let mut done = 0;
    while let Some(&computation) = importer.wanted.get(done) {
        let func = importer.function(computation)?;
        module.funcs.push(func);
        done += 1;
    }
    Ok(module)
}

/// State of a conversion.
struct Importer<'g> {
    graph: &'g Graph,
    /// Name of each computation as a function.
    names: Vec<Arc<str>>,
    /// Computations that are functions, in the order found.
    wanted: Vec<usize>,
    requested: Vec<bool>,
    /// The function being built.
    body: Body,
    /// Where operations go.
    block: BlockId,
    /// Shapes of the current instruction's operands that are arrays.
    operand_shapes: Vec<ArrayShape>,
    budget: usize,
}

/// An operation's StableHLO name and the parts that are not the result.
struct NewOp<'a> {
    name: &'a str,
    attrs: AttrWriter,
    operands: Vec<ValueId>,
    regions: Vec<BlockId>,
}

impl<'a> NewOp<'a> {
    fn new(name: &'a str, operands: Vec<ValueId>) -> NewOp<'a> {
        NewOp { name, attrs: AttrWriter::default(), operands, regions: Vec::new() }
    }
}

impl Importer<'_> {
    /// A computation as a function; the entry computation is the public `main`.
    fn function(&mut self, index: usize) -> Res<Func> {
        let graph = self.graph;
        let computation = &graph.computations[index];
        self.body = Body::new();
        self.block = self.body.entry;
        let shapes = control::parameters(computation)?;
        let mut params = Vec::new();
        for shape in &shapes {
            let entry = self.block;
            let mut args = Vec::new();
            shape.leaves(&mut |a| {
                args.push(self.body.add_arg(entry, Type::Tensor(a.ty.clone())));
            });
            params.push(Val::build(shape, &mut args.into_iter()));
        }
        let root = self.computation(index, &params, 0)?;
        let mut returned = Vec::new();
        root.leaves(&mut returned);
        let results: Vec<Type> = returned.iter().map(|&v| self.body.ty(v).clone()).collect();
        self.body.append(self.block, FuncReturn.into(), returned, vec![], computation.span);
        let is_entry = index == graph.entry;
        let args = self.body.blocks[self.body.entry].args.len();
        let (arg_names, arg_attrs, result_attrs) = match is_entry {
            true => names::signature(graph, computation, args, results.len()),
            false => (
                vec![None; args],
                vec![Dict::default(); args],
                vec![Dict::default(); results.len()],
            ),
        };
        Ok(Func {
            name: Arc::clone(&self.names[index]),
            public: is_entry,
            arg_attrs,
            arg_names,
            results,
            result_attrs,
            attrs: Dict::default(),
            body: std::mem::take(&mut self.body),
            span: computation.span,
        })
    }

    /// Appends a computation's operations to the current block and returns its result.
    fn computation(&mut self, index: usize, params: &[Val], depth: usize) -> Res<Val> {
        let graph = self.graph;
        let computation = &graph.computations[index];
        if depth > MAX_DEPTH {
            let message = format!(
                "computations nest more than {MAX_DEPTH} deep at `{}`; is it recursive?",
                computation.name
            );
            return Err(error(computation.span, message));
        }
        let mut vals: Vec<Val> = Vec::with_capacity(computation.instructions.len());
        for instruction in &computation.instructions {
            if let Some(name) = instruction.shape.foreign() {
                let message = format!("values of type `{name}` are not supported");
                return Err(fail(instruction, message));
            }
            let val = match instruction.attrs.parameter.filter(|_| is_parameter(instruction)) {
                Some(n) => params[n as usize].clone(),
                None => {
                    let operand = |&i: &usize| vals[i].clone();
                    let operands: Vec<Val> = instruction.operands.iter().map(operand).collect();
                    self.note_layouts(computation, instruction);
                    self.instruction(instruction, operands, depth)?
                }
            };
            if !val.fits(&instruction.shape, &self.body) {
                let message = format!(
                    "its operands give {}, its shape is {}",
                    val.show(&self.body),
                    instruction.shape
                );
                return Err(fail(instruction, message));
            }
            vals.push(val);
        }
        Ok(vals[computation.root].clone())
    }

    /// Keeps the operand's shapes of a `bitcast`: values do not know their layouts.
    fn note_layouts(&mut self, computation: &Computation, instruction: &Instruction) {
        self.operand_shapes.clear();
        if instruction.opcode == "bitcast" {
            let shape = |&i: &usize| computation.instructions[i].shape.array().cloned();
            self.operand_shapes.extend(instruction.operands.iter().filter_map(shape));
        }
    }

    /// The name of a computation called as a function.
    fn callee(&mut self, index: usize) -> Arc<str> {
        if !std::mem::replace(&mut self.requested[index], true) {
            self.wanted.push(index);
        }
        Arc::clone(&self.names[index])
    }

    /// Appends an operation with results of the given types.
    fn emit(&mut self, at: &Instruction, op: NewOp<'_>, results: Vec<Type>) -> Res<Vec<ValueId>> {
        let operands: Vec<Type> = op.operands.iter().map(|&v| self.body.ty(v).clone()).collect();
        let mut reader = AttrReader::new(op.attrs.attrs, &operands, &results);
        let kind = match OpKind::read(op.name, &mut reader) {
            Some(Ok(kind)) => kind,
            Some(Err(reason)) => return Err(fail(at, reason.to_string())),
            None => return Err(unsupported(at)),
        };
        let rest = reader.finish();
        let Some(budget) = self.budget.checked_sub(1) else {
            return Err(fail(at, format!("the module expands to more than {MAX_OPS} operations")));
        };
        self.budget = budget;
        let id = self.body.make_op(kind, op.operands, results, op.regions, at.span);
        self.body.ops[id].attrs = rest;
        self.body.blocks[self.block].ops.push(id);
        Ok(self.body.ops[id].results.clone())
    }

    /// Appends an operation with the instruction's own results.
    fn emit_op(&mut self, at: &Instruction, op: NewOp<'_>) -> Res<Val> {
        let results = self.emit(at, op, at.shape.types())?;
        Ok(Val::build(&at.shape, &mut results.into_iter()))
    }

    /// Appends an operation with one result.
    fn emit_one(&mut self, at: &Instruction, op: NewOp<'_>, ty: Type) -> Res<ValueId> {
        let results = self.emit(at, op, vec![ty])?;
        results.first().copied().ok_or_else(|| fail(at, "it has no result"))
    }
}

fn is_parameter(instruction: &Instruction) -> bool {
    instruction.opcode == "parameter"
}

/// A report about an instruction.
fn fail(at: &Instruction, message: impl std::fmt::Display) -> Box<Diagnostic> {
    error(at.span, format!("`{}` of `{}`: {message}", at.opcode, at.name))
}

fn unsupported(at: &Instruction) -> Box<Diagnostic> {
    let message = format!("the opcode `{}` of `{}` is not supported", at.opcode, at.name);
    Box::new(Diagnostic::unsupported(message).at(at.span))
}
