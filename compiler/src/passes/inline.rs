//! Inlining: the entry function absorbs every call and composite, and is left without tuples.

use std::collections::HashMap;
use std::sync::Arc;

use crate::compile::CompileError;
use crate::diag::Span;
use crate::ir::{Block, BlockId, Body, Func, Module, OpId, Value, ValueId};
use crate::ops::OpKind;
use crate::verify::Verified;

/// Deepest chain of calls that is followed.
const MAX_DEPTH: usize = 64;

/// Replaces the module's functions by the entry function alone, all calls inlined.
pub fn inline(module: Verified<'_>, entry: &str) -> Result<Func, CompileError> {
    inline_leaving(module, entry, &[])
}

/// The same, with composites of some names left to the firmware.
pub fn inline_leaving(
    module: Verified<'_>,
    entry: &str,
    externs: &[String],
) -> Result<Func, CompileError> {
    let mut done = HashMap::new();
    let inliner = Inliner { module: &module, externs };
    inliner.expand(entry, Span::default(), 0, &mut done)?;
    let (_, func) = find(&module, entry, Span::default())?;
    let mut func = func.clone();
    if let Some(body) = done.remove(entry) {
        func.body = body;
    }
    super::tuples::flatten(&mut func);
    Ok(func)
}

fn find<'m>(module: &'m Module, name: &str, span: Span) -> Result<(usize, &'m Func), CompileError> {
    let found = module.funcs.values().enumerate().find(|(_, f)| &*f.name == name);
    found.ok_or_else(|| {
        CompileError::at(span, format!("function @{name} is not defined in this module"))
    })
}

struct Inliner<'m> {
    module: &'m Module,
    externs: &'m [String],
}

impl Inliner<'_> {
    /// Expands the body of function `name` into `done`.
    fn expand(
        &self,
        name: &str,
        span: Span,
        depth: usize,
        done: &mut HashMap<String, Body>,
    ) -> Result<(), CompileError> {
        if done.contains_key(name) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            let message =
                format!("calls nest more than {MAX_DEPTH} deep at @{name}; is it recursive?");
            return Err(CompileError::at(span, message));
        }
        let (_, func) = find(self.module, name, span)?;
        let mut body = func.body.clone();
        super::externs::leave_composites(&mut body, self.externs);
        super::chlo::recognize(&mut body);
        for block in super::rewrite::reachable_blocks(&body) {
            let ops = std::mem::take(&mut body.blocks[block].ops);
            let mut out = Vec::with_capacity(ops.len());
            for op in ops {
                let Some(callee) = callee(&body.ops[op].kind) else {
                    out.push(op);
                    continue;
                };
                let span = body.ops[op].span;
                self.expand(&callee, span, depth + 1, done)?;
                splice(&mut body, op, &done[&*callee], &mut out, &callee)?;
            }
            body.blocks[block].ops = out;
        }
        done.insert(name.to_string(), body);
        Ok(())
    }
}

fn callee(kind: &OpKind) -> Option<Arc<str>> {
    match kind {
        OpKind::Call(call) => Some(Arc::clone(&call.callee)),
        OpKind::Composite(composite) => Some(Arc::clone(&composite.decomposition)),
        _ => None,
    }
}

/// Copies the callee's operations to `out` and replaces the call's results by what it returns.
fn splice(
    body: &mut Body,
    call: OpId,
    callee: &Body,
    out: &mut Vec<OpId>,
    name: &str,
) -> Result<(), CompileError> {
    let (args, results) = (body.ops[call].operands.clone(), body.ops[call].results.clone());
    let span = body.ops[call].span;
    let params = &callee.blocks[callee.entry].args;
    if params.len() != args.len() || callee.returned(callee.entry).len() != results.len() {
        return Err(CompileError::at(span, format!("the call does not match @{name}'s signature")));
    }
    let mut copy = Copier { from: callee, values: params.iter().copied().zip(args).collect() };
    let Some((_terminator, ops)) = callee.blocks[callee.entry].ops.split_last() else {
        return Err(CompileError::at(span, format!("@{name} has no body")));
    };
    for &op in ops {
        let new = copy.op(body, op);
        out.push(new);
    }
    let returned = callee.returned(callee.entry);
    let map = results.into_iter().zip(returned.iter().map(|v| copy.value(*v))).collect();
    body.replace_uses(&map);
    Ok(())
}

/// Copies a function's block into another body, as a region.
pub(super) fn copy_region(from: &Body, to: &mut Body) -> BlockId {
    let mut copy = Copier { from, values: HashMap::new() };
    let block = copy.block(to, from.entry);
    if let Some(&end) = to.blocks[block].ops.last() {
        to.ops[end].kind = crate::ops::func::Return.into();
    }
    block
}

/// Copies operations from one body into another.
pub(crate) struct Copier<'a> {
    /// The body copied from.
    pub(crate) from: &'a Body,
    /// Copies of values; others stand for themselves.
    pub(crate) values: HashMap<ValueId, ValueId>,
}

impl Copier<'_> {
    fn value(&self, value: ValueId) -> ValueId {
        self.values.get(&value).copied().unwrap_or(value)
    }

    /// Copies an operation with its regions, without placing it in a block.
    pub(crate) fn op(&mut self, to: &mut Body, op: OpId) -> OpId {
        let old = &self.from.ops[op];
        let operands = old.operands.iter().map(|&v| self.value(v)).collect();
        let types = old.results.iter().map(|&v| self.from.ty(v).clone()).collect();
        let regions = old.regions.iter().map(|&b| self.block(to, b)).collect();
        let new = to.make_op(old.kind.clone(), operands, types, regions, old.span);
        let results = to.ops[new].results.clone();
        self.values.extend(old.results.iter().copied().zip(results));
        to.ops[new].attrs = old.attrs.clone();
        new
    }

    fn block(&mut self, to: &mut Body, block: BlockId) -> BlockId {
        let new = to.blocks.push(Block::default());
        for &arg in &self.from.blocks[block].args {
            let Value { ty, .. } = &self.from.values[arg];
            let copy = to.add_arg(new, ty.clone());
            self.values.insert(arg, copy);
        }
        for &op in &self.from.blocks[block].ops {
            let copy = self.op(to, op);
            to.blocks[new].ops.push(copy);
        }
        new
    }
}
