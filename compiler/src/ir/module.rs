//! Modules, functions, blocks, operations and values.
//!
//! A [`Body`] owns all operations of a function, nested regions included, in arenas indexed by
//! typed ids. Every StableHLO region has exactly one block, so an operation lists its regions as
//! blocks. Values of enclosing blocks are visible in nested ones, as in MLIR.

use std::sync::Arc;

use super::attr::Dict;
use super::constant::Constant;
use super::entity::{Arena, entity};
use super::types::Type;
use crate::diag::Span;
use crate::ops::OpKind;

entity! {
    /// A function of a module. See the example of [`Module`].
    FuncId "@f";
    /// An operation of a body.
    #[doc(hidden)]
    OpId "op";
    /// An SSA value of a body.
    #[doc(hidden)]
    ValueId "%";
    /// A block of a body.
    #[doc(hidden)]
    BlockId "^bb";
}

/// A whole program.
///
/// ```
/// use microhlo_compiler::front;
/// use microhlo_format::DType;
///
/// let text = "func.func @infer(%x: tensor<4xf32>, %n: tensor<i32>) -> tensor<4xf32> {
///   return %x : tensor<4xf32>
/// }";
/// let (_, module) = front::parse("infer.mlir", text)?;
/// // The only public function is the entry.
/// let id = module.entry().expect("an entry");
/// assert_eq!((module.find("infer"), module.find("main")), (Some(id), None));
/// let func = &module.funcs[id];
/// assert!(func.public && !func.is_declaration());
/// let types: Vec<String> = func.arguments().map(ToString::to_string).collect();
/// assert_eq!(types, ["tensor<4xf32>", "tensor<i32>"]);
/// let result = func.results[0].tensor().expect("a tensor");
/// assert_eq!((result.dtype(), result.bytes()), (Some(DType::F32), Some(16)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Symbol name, if the module has one.
    pub name: Option<Arc<str>>,
    /// Module attributes, kept for printing.
    #[doc(hidden)]
    pub attrs: Dict,
    /// Functions in the order written.
    pub funcs: Arena<FuncId, Func>,
    /// Operations beside the functions, all of other dialects: variables, initialisers, meshes.
    #[doc(hidden)]
    pub globals: Body,
}

impl Module {
    /// Operations of other dialects, which nothing here can compile or evaluate: those beside the
    /// functions, then those of each function in order.
    #[doc(hidden)]
    pub fn foreign_ops(&self) -> Vec<(&Body, OpId)> {
        let bodies = std::iter::once(&self.globals).chain(self.funcs.values().map(|f| &f.body));
        bodies
            .flat_map(|body| {
                let foreign = |&op: &OpId| matches!(body.ops[op].kind, OpKind::Foreign(_));
                body.walk(body.entry).into_iter().filter(foreign).map(move |op| (body, op))
            })
            .collect()
    }

    /// The function called `name`. See the example of [`Module`].
    pub fn find(&self, name: &str) -> Option<FuncId> {
        self.funcs.iter().find(|(_, f)| &*f.name == name).map(|(id, _)| id)
    }

    /// The entry point: `main` if there is one, else the only public function with a body.
    /// See the example of [`Module`].
    pub fn entry(&self) -> Option<FuncId> {
        self.find("main").or_else(|| {
            let mut public = self.funcs.iter().filter(|(_, f)| f.public);
            match (public.next(), public.next()) {
                (Some((id, _)), None) => Some(id),
                _ => None,
            }
        })
    }
}

/// A function: a single-block body with typed arguments and results. See the example of [`Module`].
#[derive(Clone, Debug)]
pub struct Func {
    /// Symbol name.
    pub name: Arc<str>,
    /// Whether other modules may call it. MLIR's default.
    pub public: bool,
    /// One dictionary per argument, possibly empty.
    #[doc(hidden)]
    pub arg_attrs: Vec<Dict>,
    /// Name of each argument, from its location or attributes.
    pub arg_names: Vec<Option<Arc<str>>>,
    /// Result types.
    pub results: Vec<Type>,
    /// One dictionary per result, possibly empty.
    #[doc(hidden)]
    pub result_attrs: Vec<Dict>,
    /// Further function attributes.
    #[doc(hidden)]
    pub attrs: Dict,
    /// The operations. The entry block's arguments are the function's.
    #[doc(hidden)]
    pub body: Body,
    /// Where the function is written.
    pub span: Span,
}

impl Func {
    /// The types of the arguments. See the example of [`Module`].
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = &Type> {
        self.body.blocks[self.body.entry].args.iter().map(|&arg| self.body.ty(arg))
    }

    /// Whether the function is only declared: it has no operations, not even a `return`.
    /// See the example of [`Module`].
    pub fn is_declaration(&self) -> bool {
        self.body.blocks[self.body.entry].ops.is_empty()
    }
}

/// The operations of a function.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Body {
    /// Operations, in no particular order; blocks give the order. Erased ones stay, unreferenced.
    pub ops: Arena<OpId, Op>,
    /// Values.
    pub values: Arena<ValueId, Value>,
    /// Blocks.
    pub blocks: Arena<BlockId, Block>,
    /// The function's own block.
    pub entry: BlockId,
}

/// A straight sequence of operations, the last of which is a `return`.
#[derive(Clone, Debug, Default)]
#[doc(hidden)]
pub struct Block {
    /// Block arguments.
    pub args: Vec<ValueId>,
    /// Operations in execution order.
    pub ops: Vec<OpId>,
}

/// An SSA value.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Value {
    /// Its type.
    pub ty: Type,
    /// Where it comes from.
    pub def: Def,
}

/// The definition of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Def {
    /// Result number `.1` of an operation.
    Result(OpId, u32),
    /// Argument number `.1` of a block.
    Arg(BlockId, u32),
}

/// An operation.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct Op {
    /// What it does, with its attributes.
    pub kind: OpKind,
    /// Operands.
    pub operands: Vec<ValueId>,
    /// Results.
    pub results: Vec<ValueId>,
    /// Regions, each of one block.
    pub regions: Vec<BlockId>,
    /// Discardable attributes, kept for printing.
    pub attrs: Dict,
    /// Where it is written.
    pub span: Span,
}

impl Default for Body {
    fn default() -> Self {
        Body::new()
    }
}

#[doc(hidden)]
impl Body {
    /// A body with an empty entry block.
    pub fn new() -> Self {
        let mut blocks = Arena::new();
        let entry = blocks.push(Block::default());
        Body { ops: Arena::new(), values: Arena::new(), blocks, entry }
    }

    /// Adds an empty block for a region.
    pub fn add_block(&mut self) -> BlockId {
        self.blocks.push(Block::default())
    }

    /// Appends an argument to a block.
    pub fn add_arg(&mut self, block: BlockId, ty: Type) -> ValueId {
        let index = self.blocks[block].args.len() as u32;
        let value = self.values.push(Value { ty, def: Def::Arg(block, index) });
        self.blocks[block].args.push(value);
        value
    }

    /// Creates an operation and its results without placing it in a block.
    pub fn make_op(
        &mut self,
        kind: OpKind,
        operands: Vec<ValueId>,
        result_types: Vec<Type>,
        regions: Vec<BlockId>,
        span: Span,
    ) -> OpId {
        let id = self.ops.push(Op {
            kind,
            operands,
            results: Vec::new(),
            regions,
            attrs: Dict::default(),
            span,
        });
        for (i, ty) in result_types.into_iter().enumerate() {
            let value = self.values.push(Value { ty, def: Def::Result(id, i as u32) });
            self.ops[id].results.push(value);
        }
        id
    }

    /// Creates an operation and appends it to a block.
    pub fn append(
        &mut self,
        block: BlockId,
        kind: OpKind,
        operands: Vec<ValueId>,
        result_types: Vec<Type>,
        span: Span,
    ) -> OpId {
        let id = self.make_op(kind, operands, result_types, Vec::new(), span);
        self.blocks[block].ops.push(id);
        id
    }

    /// Type of a value.
    pub fn ty(&self, value: ValueId) -> &Type {
        &self.values[value].ty
    }

    /// The operation that defines a value, or `None` for a block argument.
    pub fn def_op(&self, value: ValueId) -> Option<OpId> {
        match self.values[value].def {
            Def::Result(op, _) => Some(op),
            Def::Arg(..) => None,
        }
    }

    /// The constant that a value is, if a `constant` operation defines it.
    pub fn constant(&self, value: ValueId) -> Option<&Arc<Constant>> {
        match &self.ops[self.def_op(value)?].kind {
            OpKind::Constant(c) => Some(&c.value),
            _ => None,
        }
    }

    /// The only result of an operation. Operations with another number of results have none.
    pub fn result(&self, op: OpId) -> Option<ValueId> {
        match self.ops[op].results.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The terminator's operands of a block: what the region or function returns.
    pub fn returned(&self, block: BlockId) -> &[ValueId] {
        match self.blocks[block].ops.last() {
            Some(&op) => &self.ops[op].operands,
            None => &[],
        }
    }

    /// Replaces every use of a value in the operations of `map`'s keys, in place, everywhere.
    ///
    /// `map[v]` is the replacement of `v`; values map to themselves by default. Chains are
    /// followed.
    pub fn replace_uses(&mut self, map: &std::collections::HashMap<ValueId, ValueId>) {
        if map.is_empty() {
            return;
        }
        for op in self.ops.values_mut() {
            for operand in &mut op.operands {
                while let Some(&new) = map.get(operand) {
                    *operand = new;
                }
            }
        }
    }

    /// All operations of a block and of the regions nested in it, in order, outer ones first.
    pub fn walk(&self, block: BlockId) -> Vec<OpId> {
        let mut out = Vec::new();
        let mut stack: Vec<OpId> = self.blocks[block].ops.iter().rev().copied().collect();
        while let Some(op) = stack.pop() {
            out.push(op);
            for &region in self.ops[op].regions.iter().rev() {
                stack.extend(self.blocks[region].ops.iter().rev());
            }
        }
        out
    }

    /// How often each value is used by operations reachable from the entry block.
    pub fn use_counts(&self) -> Vec<u32> {
        let mut counts = vec![0u32; self.values.len()];
        for op in self.walk(self.entry) {
            for &v in &self.ops[op].operands {
                counts[super::entity::EntityId::index(v)] += 1;
            }
        }
        counts
    }
}
