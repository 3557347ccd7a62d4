//! Sizes given by name, to the arguments of a function: `m=8`, `arg0=8x16`, `arg0.0=8`.
//!
//! JAX names its symbolic dimensions by arguments marked `jax.global_constant`, to which the entry
//! function passes the sizes that it measures; its shape assertions relate the other dimensions.

use std::collections::HashMap;

use super::refine_shapes::{Arguments, at_bound, no_place};
use crate::compile::{CompileError, Size};
use crate::eval::{Evaluator, Tensor};
use crate::ir::{Attr, Body, Dim, Func, Module, TensorType, Type, ValueId};
use crate::ops::compare::Direction;
use crate::ops::{ElementwiseOp, OpKind};

/// What the sizes say about the arguments of function `entry`.
///
/// # Errors
/// A name is not known, or a shape does not fit its argument.
pub fn bind_shapes(
    module: &Module,
    entry: &str,
    sizes: &[Size],
) -> Result<Arguments, CompileError> {
    let Some(func) = module.find(entry).map(|id| &module.funcs[id]) else {
        return Err(no_place(format!("function @{entry} is not defined in this module")));
    };
    let body = &func.body;
    let types = body.blocks[body.entry].args.iter().map(|&v| body.ty(v).clone()).collect();
    let mut binder =
        Binder { module, func, arguments: Arguments { types, values: HashMap::new() } };
    for size in sizes {
        binder.bind(size)?;
    }
    binder.solve()?;
    let mut arguments = binder.arguments;
    arguments.types.iter_mut().for_each(at_bound);
    Ok(arguments)
}

struct Binder<'m> {
    module: &'m Module,
    func: &'m Func,
    arguments: Arguments,
}

impl Binder<'_> {
    fn bind(&mut self, size: &Size) -> Result<(), CompileError> {
        if let Some((arg, dim)) = self.argument(&size.name) {
            return match (dim, size.dims.as_slice()) {
                (Some(dim), &[n]) => self.set(arg, dim, n),
                (None, dims) => self.shape(arg, dims, &size.name),
                _ => Err(no_place(format!("`{}` is one dimension, give one size", size.name))),
            };
        }
        let &[n] = size.dims.as_slice() else {
            let known = self.known_names();
            return Err(no_place(format!("there is no argument `{}`; {known}", size.name)));
        };
        let symbols = self.symbols();
        match symbols.get(size.name.as_str()) {
            Some(places) => places.iter().try_for_each(|&place| match place {
                Place::Dim(arg, dim) => self.set(arg, dim, n),
                Place::Value(arg) => {
                    self.arguments.values.insert(arg, i64::try_from(n).unwrap_or(i64::MAX));
                    Ok(())
                }
            }),
            // Without names in the program, one name can only mean every open dimension.
            None if symbols.is_empty() => self.everywhere(n),
            None => {
                let known = self.known_names();
                Err(no_place(format!("there is no dimension `{}`; {known}", size.name)))
            }
        }
    }

    /// The argument that a name means, and the dimension in `arg0.1`.
    fn argument(&self, name: &str) -> Option<(usize, Option<usize>)> {
        let count = self.arguments.types.len();
        let whole = |name: &str| {
            let position =
                |n: &Option<_>| n.as_ref().is_some_and(|n: &std::sync::Arc<str>| **n == *name);
            let digits = name.strip_prefix("arg").or(name.strip_prefix("in")).unwrap_or(name);
            let named = self.func.arg_names.iter().position(position);
            named.or_else(|| digits.parse().ok().filter(|&i| i < count))
        };
        if let Some(arg) = whole(name) {
            return Some((arg, None));
        }
        let (arg, dim) = name.rsplit_once('.')?;
        Some((whole(arg)?, Some(dim.parse().ok()?)))
    }

    fn known_names(&self) -> String {
        let mut names: Vec<String> = self.symbols().keys().map(|n| format!("`{n}`")).collect();
        names.sort();
        let dynamic = |t: &Type| t.tensor().is_some_and(|t| t.static_dims().is_none());
        for (i, ty) in self.arguments.types.iter().enumerate().filter(|(_, t)| dynamic(t)) {
            names.push(format!("`arg{i}` ({ty})"));
        }
        match names.is_empty() {
            true => "no argument has a dynamic shape".to_owned(),
            false => format!("known are {}", names.join(", ")),
        }
    }

    fn set(&mut self, arg: usize, dim: usize, size: u64) -> Result<(), CompileError> {
        let ty = &mut self.arguments.types[arg];
        let message = match ty {
            Type::Tensor(t) => match t.dims.get_mut(dim) {
                Some(d) if d.accepts(Dim::Static(size)) => {
                    *d = Dim::Static(size);
                    return Ok(());
                }
                Some(d) => format!("dimension {dim} of argument {arg} cannot be {size}, is {d}"),
                None => format!("argument {arg} has no dimension {dim}: {t}"),
            },
            other => format!("argument {arg} is {other}, which has no dimensions"),
        };
        Err(CompileError::at(self.func.span, message))
    }

    fn shape(&mut self, arg: usize, dims: &[u64], name: &str) -> Result<(), CompileError> {
        let rank = self.arguments.types[arg].tensor().map_or(0, TensorType::rank);
        if let (0, &[value]) = (rank, dims) {
            self.arguments.values.insert(arg, i64::try_from(value).unwrap_or(i64::MAX));
            return Ok(());
        }
        if rank != dims.len() {
            let ty = &self.arguments.types[arg];
            let message = format!("`{name}` has {} sizes, the argument is {ty}", dims.len());
            return Err(CompileError::at(self.func.span, message));
        }
        dims.iter().enumerate().try_for_each(|(dim, &n)| self.set(arg, dim, n))
    }

    fn everywhere(&mut self, size: u64) -> Result<(), CompileError> {
        let mut open = Vec::new();
        for (arg, ty) in self.arguments.types.iter().enumerate() {
            let dims = ty.tensor().map_or(&[][..], |t| &t.dims);
            open.extend(
                dims.iter().enumerate().filter(|(_, d)| d.size().is_none()).map(|(d, _)| (arg, d)),
            );
        }
        if open.is_empty() {
            return Err(no_place(self.known_names()));
        }
        open.into_iter().try_for_each(|(arg, dim)| self.set(arg, dim, size))
    }

    /// Symbolic dimensions by name: where the function measures them.
    fn symbols(&self) -> HashMap<String, Vec<Place>> {
        let mut found: HashMap<String, Vec<Place>> = HashMap::new();
        for i in 0..self.arguments.types.len() {
            if let Some(name) = constant_name(self.func, i) {
                found.entry(name).or_default().push(Place::Value(i));
            }
        }
        let body = &self.func.body;
        for op in body.walk(body.entry) {
            let OpKind::Call(call) = &body.ops[op].kind else { continue };
            let Some(callee) = self.module.find(&call.callee) else { continue };
            let callee = &self.module.funcs[callee];
            for (i, &operand) in body.ops[op].operands.iter().enumerate() {
                let Some(name) = constant_name(callee, i) else { continue };
                let places = found.entry(name).or_default();
                places.extend(measured(body, operand).map(|(arg, dim)| Place::Dim(arg, dim)));
            }
        }
        found
    }

    /// Dimensions that follow from assertions of equality.
    fn solve(&mut self) -> Result<(), CompileError> {
        let body = &self.func.body;
        loop {
            let mut changed = false;
            for [a, b] in asserted_equal(body) {
                for (open, other) in [(a, b), (b, a)] {
                    let Some((arg, dim)) = measured(body, open) else { continue };
                    let ty = self.arguments.types[arg].tensor();
                    let open = ty.and_then(|t| t.dims.get(dim)).is_some_and(|d| d.size().is_none());
                    let size = if open { self.value(body, other) } else { None };
                    if let Some(size) = size {
                        self.set(arg, dim, u64::try_from(size).unwrap_or(0))?;
                        changed = true;
                    }
                }
            }
            if !changed {
                return Ok(());
            }
        }
    }

    /// The value of a scalar that is computed from known sizes.
    fn value(&self, body: &Body, value: ValueId) -> Option<i64> {
        self.value_at(body, value, &mut HashMap::new(), 0)
    }

    fn value_at(
        &self,
        body: &Body,
        value: ValueId,
        seen: &mut HashMap<ValueId, Option<i64>>,
        depth: usize,
    ) -> Option<i64> {
        const MAX_DEPTH: usize = 32;
        if let Some(&known) = seen.get(&value) {
            return known;
        }
        let found = match measured(body, value) {
            Some((arg, dim)) => {
                let dims = &self.arguments.types[arg].tensor()?.dims;
                dims.get(dim).and_then(|d| i64::try_from(d.size()?).ok())
            }
            None if depth < MAX_DEPTH => self.computed(body, value, seen, depth),
            None => None,
        };
        seen.insert(value, found);
        found
    }

    fn computed(
        &self,
        body: &Body,
        value: ValueId,
        seen: &mut HashMap<ValueId, Option<i64>>,
        depth: usize,
    ) -> Option<i64> {
        let op = body.def_op(value)?;
        let mut inputs = Vec::new();
        for &operand in &body.ops[op].operands {
            let known = self.value_at(body, operand, seen, depth + 1)?;
            let dtype = body.ty(operand).tensor().filter(|t| t.rank() == 0)?.dtype()?;
            inputs.push(Tensor::scalar(dtype, crate::eval::Element::small(dtype, known)));
        }
        let out = Evaluator::with_budget(self.module, 1 << 16)
            .fold(body, op, &inputs, Vec::new())
            .ok()?;
        match out.first()?.ints()?.as_slice() {
            &[value] => Some(value),
            _ => None,
        }
    }
}

/// Where a symbolic dimension is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A dimension of an argument.
    Dim(usize, usize),
    /// The value of an argument.
    Value(usize),
}

/// Pairs of values that the program asserts to be equal.
fn asserted_equal(body: &Body) -> Vec<[ValueId; 2]> {
    let mut pairs = Vec::new();
    for op in body.walk(body.entry) {
        let op = &body.ops[op];
        let asserts = matches!(&op.kind, OpKind::CustomCall(c) if &*c.target == "shape_assertion");
        let test = op.operands.first().filter(|_| asserts).and_then(|&v| body.def_op(v));
        if let Some(test) = test.map(|test| &body.ops[test])
            && matches!(&test.kind, OpKind::Compare(c) if c.direction == Direction::Eq)
            && let &[a, b] = test.operands.as_slice()
        {
            pairs.push([a, b]);
        }
    }
    pairs
}

/// The name of the symbolic dimension that an argument stands for.
fn constant_name(func: &Func, arg: usize) -> Option<String> {
    match func.arg_attrs.get(arg)?.get("jax.global_constant")? {
        Attr::String(name) => Some(name.to_string()),
        _ => None,
    }
}

/// The argument and dimension whose size a value is, if it is measured directly.
fn measured(body: &Body, mut value: ValueId) -> Option<(usize, usize)> {
    loop {
        let op = &body.ops[body.def_op(value)?];
        let &source = op.operands.first()?;
        match &op.kind {
            OpKind::Elementwise(ElementwiseOp::Convert) | OpKind::Reshape(_) => value = source,
            OpKind::GetDimensionSize(g) => {
                let arg = body.blocks[body.entry].args.iter().position(|&a| a == source)?;
                return Some((arg, usize::try_from(g.dim).ok()?));
            }
            _ => return None,
        }
    }
}
