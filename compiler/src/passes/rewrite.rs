//! The rewriting driver: visits every operation once, in order, with operands already replaced.

use std::collections::HashMap;

use crate::diag::Span;
use crate::ir::{BlockId, Body, Constant, OpId, Type, ValueId};
use crate::ops::func::Return;
use crate::ops::{self, OpKind};

/// Edits one block of a body. Operations emitted go before the visited one.
pub struct Editor<'a> {
    /// The body being edited.
    pub body: &'a mut Body,
    out: Vec<OpId>,
    replaced: HashMap<ValueId, ValueId>,
    changed: bool,
}

impl Editor<'_> {
    /// Emits an operation with one result and returns it.
    pub fn emit(
        &mut self,
        kind: impl Into<OpKind>,
        operands: Vec<ValueId>,
        ty: impl Into<Type>,
        span: Span,
    ) -> ValueId {
        let op = self.body.make_op(kind.into(), operands, vec![ty.into()], Vec::new(), span);
        self.out.push(op);
        self.changed = true;
        self.body.ops[op].results[0]
    }

    /// Emits an operation with any number of results and regions, and returns its results.
    pub fn emit_op(
        &mut self,
        kind: OpKind,
        operands: Vec<ValueId>,
        types: Vec<Type>,
        regions: Vec<BlockId>,
        span: Span,
    ) -> Vec<ValueId> {
        let op = self.body.make_op(kind, operands, types, regions, span);
        self.out.push(op);
        self.changed = true;
        self.body.ops[op].results.clone()
    }

    /// Places an operation that was made before.
    pub fn place(&mut self, op: OpId) {
        self.out.push(op);
        self.changed = true;
    }

    /// A block for a region: what `inside` emits for arguments of these types, and returns.
    pub fn block(
        &mut self,
        args: &[Type],
        span: Span,
        inside: impl FnOnce(&mut Self, &[ValueId]) -> Option<Vec<ValueId>>,
    ) -> Option<BlockId> {
        let block = self.body.add_block();
        let args: Vec<ValueId> =
            args.iter().map(|ty| self.body.add_arg(block, ty.clone())).collect();
        let outer = std::mem::take(&mut self.out);
        let returned = inside(self, &args);
        let mut ops = std::mem::replace(&mut self.out, outer);
        ops.push(self.body.make_op(Return.into(), returned?, Vec::new(), Vec::new(), span));
        self.body.blocks[block].ops = ops;
        Some(block)
    }

    /// Emits a constant.
    pub fn constant(&mut self, value: Constant, span: Span) -> ValueId {
        let ty = value.ty.clone();
        self.emit(ops::constant::Constant { value: value.into() }, Vec::new(), ty, span)
    }

    /// Makes every later use of `old` a use of `new`.
    pub fn replace(&mut self, old: ValueId, new: ValueId) {
        if old != new {
            self.replaced.insert(old, new);
        }
        self.changed = true;
    }

    /// Notes that the rule changed an operation in place.
    pub fn changed(&mut self) {
        self.changed = true;
    }

    /// Moves the operations of a block to before the visited one, but for its terminator.
    pub fn splice(&mut self, block: BlockId) {
        let mut ops = std::mem::take(&mut self.body.blocks[block].ops);
        ops.pop();
        self.out.append(&mut ops);
        self.changed = true;
    }

    /// The value that stands for `value` by now.
    pub fn resolve(&self, mut value: ValueId) -> ValueId {
        while let Some(&new) = self.replaced.get(&value) {
            value = new;
        }
        value
    }
}

/// What a rule did with the visited operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// The operation stays.
    Keep,
    /// Its results have been replaced; it goes.
    Drop,
}

/// Visits every operation of every reachable block once. Returns whether anything changed.
///
/// A rule may rely on its operation's operands being up to date, and on operands being defined by
/// operations that were visited before.
pub fn rewrite(body: &mut Body, mut rule: impl FnMut(&mut Editor<'_>, OpId) -> Visit) -> bool {
    let mut replaced = HashMap::new();
    let mut changed = false;
    for block in reachable_blocks(body) {
        let ops = std::mem::take(&mut body.blocks[block].ops);
        let mut editor = Editor { body, out: Vec::with_capacity(ops.len()), replaced, changed };
        for op in ops {
            for i in 0..editor.body.ops[op].operands.len() {
                let value = editor.resolve(editor.body.ops[op].operands[i]);
                editor.body.ops[op].operands[i] = value;
            }
            match rule(&mut editor, op) {
                Visit::Keep => editor.out.push(op),
                Visit::Drop => editor.changed = true,
            }
        }
        let Editor { body: edited, out, replaced: map, changed: any } = editor;
        edited.blocks[block].ops = out;
        replaced = map;
        changed = any;
    }
    body.replace_uses(&replaced);
    changed
}

/// The entry block and all blocks nested in it, outer ones first.
pub fn reachable_blocks(body: &Body) -> Vec<BlockId> {
    let mut blocks = vec![body.entry];
    for op in body.walk(body.entry) {
        blocks.extend(&body.ops[op].regions);
    }
    blocks
}
