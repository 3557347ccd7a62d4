//! Rewrites what converters leave of other dialects, as far as it means something in StableHLO.
//!
//! Shape arithmetic (`shape`, `tensor`, `arith` on `index`) becomes arithmetic on `i64` tensors,
//! which folds away when shapes are known. `mhlo.copy` is the identity, `tf.Reshape` a
//! `dynamic_reshape`. How Shardy lays values out on several devices means nothing on one.
//! Meaning: the operations' descriptions in MLIR, TensorFlow and Shardy.

use std::collections::HashMap;
use std::sync::Arc;

use microhlo_format::DType;

use super::rewrite::{Editor, Visit, reachable_blocks, rewrite};
use crate::ir::{Attr, Body, Constant, ElementType, Module, OpId, TensorType, Type, ValueId};
use crate::ops::attrs::ints_of;
use crate::ops::compare::{Compare, Direction};
use crate::ops::concatenate::Concatenate;
use crate::ops::dynamic_reshape::DynamicReshape;
use crate::ops::dynamic_slice::DynamicSlice;
use crate::ops::foreign::Foreign;
use crate::ops::get_dimension_size::GetDimensionSize;
use crate::ops::reshape::Reshape;
use crate::ops::slice::Slice;
use crate::ops::{self, ElementwiseOp, OpKind};

/// Rewrites a module. All or nothing of the shape arithmetic: where operations remain that have no
/// meaning here, the others stay as they are for the host.
pub fn legalize_foreign(module: &mut Module) {
    let entry = module.globals.entry;
    let globals = &mut module.globals;
    globals.blocks[entry].ops.retain(|&op| globals.ops[op].kind.spelling() != "sdy.mesh");
    for func in module.funcs.values_mut() {
        rewrite(&mut func.body, identity);
        rewrite(&mut func.body, widen_operands);
    }
    let foreign = module.foreign_ops();
    let names = foreign.iter().map(|&(body, op)| body.ops[op].kind.spelling());
    if foreign.is_empty() || !names.clone().all(is_legal) {
        return;
    }
    for func in module.funcs.values_mut() {
        plain_types(&mut func.body);
        func.results.iter_mut().for_each(plain_type);
        inline_assuming(&mut func.body);
        rewrite(&mut func.body, legalize);
        // Witnesses: nothing uses them any more.
        rewrite(&mut func.body, |ed, op| match foreign_of(ed.body, op) {
            Some(f) if f.name.starts_with("shape.c") => Visit::Drop,
            _ => Visit::Keep,
        });
    }
}

fn foreign_of(body: &Body, op: OpId) -> Option<Foreign> {
    match &body.ops[op].kind {
        OpKind::Foreign(foreign) => Some(foreign.clone()),
        _ => None,
    }
}

/// Operations that give their first operand: copies, which mean nothing but an order of
/// instructions, and hints about several devices. Bytecode casts between VHLO's types and others.
const COPIES: &[&str] = &[
    "builtin.unrealized_conversion_cast",
    "mhlo.add_dependency",
    "mhlo.copy",
    "sdy.propagation_barrier",
    "sdy.reshard",
    "sdy.sharding_constraint",
    "sdy.sharding_group",
];

/// Removes [`COPIES`].
fn identity(ed: &mut Editor<'_>, op: OpId) -> Visit {
    let o = &ed.body.ops[op];
    let copies = matches!(o.kind, OpKind::Foreign(_)) && COPIES.contains(&o.kind.spelling());
    match (copies, o.operands.first().copied(), o.results.as_slice()) {
        (true, Some(_), []) => Visit::Drop,
        (true, Some(from), &[to]) if ed.body.ty(from) == ed.body.ty(to) => {
            ed.replace(to, from);
            Visit::Drop
        }
        _ => Visit::Keep,
    }
}

/// Longest list that is taken for a shape.
const MAX_RANK: usize = 64;

/// XLA multiplies integers of two widths, which TensorFlow's quantiser makes use of, and floats
/// with integers, as JAX does on mixed operands; StableHLO wants one type. The operands become what
/// the result is, as in XLA.
fn widen_operands(ed: &mut Editor<'_>, op: OpId) -> Visit {
    let o = &ed.body.ops[op];
    let product = matches!(o.kind, OpKind::Dot(_) | OpKind::DotGeneral(_) | OpKind::Convolution(_));
    let (true, &[lhs, rhs], &[result]) = (product, o.operands.as_slice(), o.results.as_slice())
    else {
        return Visit::Keep;
    };
    let span = o.span;
    let dtype = |v: ValueId| ed.body.ty(v).tensor().and_then(TensorType::dtype);
    let (Some(a), Some(b), Some(wide)) = (dtype(lhs), dtype(rhs), dtype(result)) else {
        return Visit::Keep;
    };
    let holds = |d: DType| match wide.is_float() {
        true => d.is_integer() || d.is_float() && d.bits() <= wide.bits(),
        false => {
            let sign = d.is_signed_integer() == wide.is_signed_integer() || wide.bits() > d.bits();
            d == wide || d.is_integer() && d.bits() < wide.bits() && sign
        }
    };
    let real = wide.is_signed_integer() || wide.is_float();
    if a == b || !real || !holds(a) || !holds(b) {
        return Visit::Keep;
    }
    for (i, value) in [lhs, rhs].into_iter().enumerate() {
        if let Some(ty) = ed.body.ty(value).tensor().filter(|t| t.dtype() != Some(wide)) {
            let ty = ty.with_dtype(wide);
            let converted = ed.emit(ElementwiseOp::Convert, vec![value], ty, span);
            ed.body.ops[op].operands[i] = converted;
        }
    }
    Visit::Keep
}

/// Binary operations on integers.
const BINARY: &[(&str, ElementwiseOp)] = &[
    ("arith.addi", ElementwiseOp::Add),
    ("arith.subi", ElementwiseOp::Subtract),
    ("arith.muli", ElementwiseOp::Multiply),
    ("arith.divsi", ElementwiseOp::Divide),
    ("arith.divui", ElementwiseOp::Divide),
    ("arith.remsi", ElementwiseOp::Remainder),
    ("arith.remui", ElementwiseOp::Remainder),
    ("arith.maxsi", ElementwiseOp::Maximum),
    ("arith.minsi", ElementwiseOp::Minimum),
    ("arith.maxui", ElementwiseOp::Maximum),
    ("arith.minui", ElementwiseOp::Minimum),
    ("arith.andi", ElementwiseOp::And),
    ("arith.ori", ElementwiseOp::Or),
    ("arith.xori", ElementwiseOp::Xor),
];

/// Other operations that [`legalize`] knows.
const LEGAL: &[&str] = &[
    "arith.cmpi",
    "arith.constant",
    "arith.extsi",
    "arith.extui",
    "arith.index_cast",
    "arith.index_castui",
    "arith.select",
    "arith.trunci",
    "shape.any",
    "shape.assuming",
    "shape.assuming_yield",
    "shape.broadcast",
    "shape.concat",
    "shape.const_shape",
    "shape.const_witness",
    "shape.cstr_broadcastable",
    "shape.cstr_eq",
    "shape.dim",
    "shape.from_extent_tensor",
    "shape.get_extent",
    "shape.index_to_size",
    "shape.num_elements",
    "shape.shape_of",
    "shape.size_to_index",
    "shape.to_extent_tensor",
    "tensor.cast",
    "tensor.dim",
    "tensor.extract",
    "tensor.from_elements",
    "tf.Reshape",
];

fn is_legal(name: &str) -> bool {
    LEGAL.contains(&name) || BINARY.iter().any(|(known, _)| *known == name)
}

/// `index` becomes `i64`, and scalars become tensors of rank 0.
fn plain_types(body: &mut Body) {
    body.values.values_mut().for_each(|v| plain_type(&mut v.ty));
    for op in body.ops.values_mut() {
        if let OpKind::Constant(c) = &mut op.kind
            && c.value.ty.elem == ElementType::Index
        {
            let value = Constant { ty: c.value.ty.with_dtype(DType::I64), ..(*c.value).clone() };
            c.value = Arc::new(value);
        }
    }
}

fn plain_type(ty: &mut Type) {
    match ty {
        Type::Tensor(t) if t.elem == ElementType::Index => *t = t.with_dtype(DType::I64),
        Type::Opaque(text) => {
            let scalar = match &**text {
                "index" | "!shape.size" => Some(DType::I64),
                other => DType::from_name(other),
            };
            if let Some(dtype) = scalar {
                *ty = TensorType::scalar(dtype).into();
            }
        }
        _ => {}
    }
}

/// Puts what `shape.assuming` computes in its place: its witness is only a promise.
fn inline_assuming(body: &mut Body) {
    let mut map = HashMap::new();
    // Outer blocks come first, so that nested ones are inlined into their final place in order.
    for block in reachable_blocks(body) {
        let mut pending: Vec<OpId> = body.blocks[block].ops.iter().rev().copied().collect();
        let mut out = Vec::with_capacity(pending.len());
        while let Some(op) = pending.pop() {
            let o = &body.ops[op];
            let (true, &[region]) = (o.kind.spelling() == "shape.assuming", o.regions.as_slice())
            else {
                out.push(op);
                continue;
            };
            let results = o.results.clone();
            map.extend(results.into_iter().zip(body.returned(region).iter().copied()));
            let inner = std::mem::take(&mut body.blocks[region].ops);
            pending.extend(inner.iter().rev().skip(1));
        }
        body.blocks[block].ops = out;
    }
    body.replace_uses(&map);
}

fn legalize(ed: &mut Editor<'_>, op: OpId) -> Visit {
    let Some(foreign) = foreign_of(ed.body, op) else { return Visit::Keep };
    let Some(old) = ed.body.result(op) else { return Visit::Keep };
    let Some(ty) = ed.body.ty(old).tensor().cloned() else { return Visit::Keep };
    match value(&mut Shapes { ed, op }, &foreign, &ty) {
        Some(new) => {
            ed.replace(old, new);
            Visit::Drop
        }
        None => Visit::Keep,
    }
}

/// The StableHLO value of an operation; `None` if its operands are not what they should be.
fn value(s: &mut Shapes<'_, '_>, foreign: &Foreign, ty: &TensorType) -> Option<ValueId> {
    let args = s.ed.body.ops[s.op].operands.clone();
    let first = args.first().copied();
    let name = &*foreign.name;
    if let Some((_, e)) = BINARY.iter().find(|(known, _)| *known == name) {
        return (args.len() == 2).then(|| s.emit(*e, args, ty.clone()));
    }
    Some(match name {
        "arith.constant" => constant(s, foreign, ty)?,
        "arith.cmpi" => {
            let direction = predicate(&s.attr(foreign, "predicate")?)?;
            s.emit(Compare { direction, compare_type: None }, args, ty.clone())
        }
        "arith.select" => s.emit(ElementwiseOp::Select, args, ty.clone()),
        "arith.extsi" | "arith.extui" | "arith.trunci" | "arith.index_cast"
        | "arith.index_castui" => s.converted(first?, ty.dtype()?)?,
        "tensor.cast" => s.cast(first?, ty),
        "shape.shape_of" => {
            let shape = s.shape_of(first?)?;
            s.cast(shape, ty)
        }
        "tensor.dim" | "shape.dim" => {
            let shape = s.shape_of(first?)?;
            s.element(shape, &args[1..])?
        }
        "tensor.extract" | "shape.get_extent" => s.element(first?, &args[1..])?,
        "tensor.from_elements" => {
            let list = s.list(&args)?;
            s.emit(Reshape, vec![list], ty.clone())
        }
        "shape.const_shape" => {
            let shape = ints_of(&s.attr(foreign, "shape")?)?;
            s.ints(&shape)
        }
        "shape.num_elements" => s.product(first?)?,
        "shape.broadcast" | "shape.any" => s.broadcast(&args)?,
        "shape.concat" => s.concat(args)?,
        "shape.from_extent_tensor"
        | "shape.to_extent_tensor"
        | "shape.index_to_size"
        | "shape.size_to_index" => first?,
        "tf.Reshape" => s.tf_reshape(first?, *args.get(1)?, ty)?,
        _ => return None,
    })
}

fn constant(s: &mut Shapes<'_, '_>, foreign: &Foreign, ty: &TensorType) -> Option<ValueId> {
    let value = match s.attr(foreign, "value")? {
        Attr::Dense(c) => {
            let same = c.ty.dims == ty.dims && c.ty.elem.storage() == ty.elem.storage();
            same.then(|| Constant { ty: ty.clone(), data: c.data.clone() })?
        }
        Attr::Int(v, _) => {
            let bytes = (v as i64).to_le_bytes();
            Constant::splat(ty.clone(), bytes.get(..ty.dtype()?.size())?)
        }
        Attr::Bool(b) => Constant::splat(ty.clone(), &[u8::from(b)]),
        Attr::Float(v, _) => match ty.dtype()? {
            DType::F32 => Constant::splat(ty.clone(), &(v as f32).to_le_bytes()),
            DType::F64 => Constant::splat(ty.clone(), &v.to_le_bytes()),
            _ => return None,
        },
        _ => return None,
    };
    Some(s.emit(ops::constant::Constant { value: value.into() }, Vec::new(), ty.clone()))
}

/// The direction of `arith.cmpi`, by name or by code.
fn predicate(attr: &Attr) -> Option<Direction> {
    const NAMES: [&str; 10] = ["eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"];
    let code = match attr {
        Attr::String(name) => NAMES.iter().position(|n| *n == &**name)?,
        Attr::Int(code, _) => usize::try_from(*code).ok()?,
        _ => return None,
    };
    // Sizes are not negative: signed and unsigned order agree.
    Some(match NAMES.get(code)?.trim_start_matches(['s', 'u']) {
        "eq" => Direction::Eq,
        "ne" => Direction::Ne,
        "lt" => Direction::Lt,
        "le" => Direction::Le,
        "gt" => Direction::Gt,
        _ => Direction::Ge,
    })
}

/// Emits arithmetic on shapes: tensors of rank 1 of `i64`, and scalars.
struct Shapes<'e, 'b> {
    ed: &'e mut Editor<'b>,
    op: OpId,
}

impl Shapes<'_, '_> {
    fn emit(&mut self, kind: impl Into<OpKind>, operands: Vec<ValueId>, ty: TensorType) -> ValueId {
        let span = self.ed.body.ops[self.op].span;
        self.ed.emit(kind, operands, ty, span)
    }

    fn attr(&self, foreign: &Foreign, name: &str) -> Option<Attr> {
        let discardable = &self.ed.body.ops[self.op].attrs;
        foreign.properties.get(name).or_else(|| discardable.get(name)).cloned()
    }

    fn tensor(&self, value: ValueId) -> Option<TensorType> {
        self.ed.body.ty(value).tensor().cloned()
    }

    fn ints(&mut self, values: &[i64]) -> ValueId {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let ty = TensorType::fixed(&[values.len() as u64], DType::I64);
        let value = Constant::dense(ty.clone(), bytes);
        self.emit(ops::constant::Constant { value: value.into() }, Vec::new(), ty)
    }

    /// The value with elements of another type.
    fn converted(&mut self, value: ValueId, dtype: DType) -> Option<ValueId> {
        let ty = self.tensor(value)?;
        let same = ty.dtype() == Some(dtype);
        let to = ty.with_dtype(dtype);
        Some(if same { value } else { self.emit(ElementwiseOp::Convert, vec![value], to) })
    }

    /// The value with a type that says more or less about its shape.
    fn cast(&mut self, value: ValueId, ty: &TensorType) -> ValueId {
        match self.tensor(value) {
            // Nothing can be lost by knowing more.
            Some(known) if ty.accepts(&known) => value,
            _ => self.emit(Reshape, vec![value], ty.clone()),
        }
    }

    /// Size of a dimension, as a list of one.
    fn size(&mut self, value: ValueId, dim: usize) -> Option<ValueId> {
        if let Some(n) = self.tensor(value)?.dims.get(dim)?.size() {
            return Some(self.ints(&[i64::try_from(n).ok()?]));
        }
        let kind = GetDimensionSize { dim: dim as i64 };
        let size = self.emit(kind, vec![value], TensorType::scalar(DType::I32));
        let wide = self.converted(size, DType::I64)?;
        Some(self.emit(Reshape, vec![wide], TensorType::fixed(&[1], DType::I64)))
    }

    fn shape_of(&mut self, value: ValueId) -> Option<ValueId> {
        let ty = self.tensor(value)?;
        if let Some(dims) = ty.static_dims() {
            let dims: Vec<i64> =
                dims.iter().map(|&d| i64::try_from(d).ok()).collect::<Option<_>>()?;
            return Some(self.ints(&dims));
        }
        let sizes = (0..ty.rank()).map(|d| self.size(value, d)).collect::<Option<Vec<_>>>()?;
        self.concat(sizes)
    }

    /// Lists one after the other.
    fn concat(&mut self, lists: Vec<ValueId>) -> Option<ValueId> {
        if let &[one] = lists.as_slice() {
            return Some(one);
        }
        let mut total = 0;
        for &list in &lists {
            let &[n] = self.tensor(list)?.static_dims()?.as_slice() else { return None };
            total += n;
        }
        let dtype = self.tensor(*lists.first()?)?.dtype()?;
        Some(self.emit(Concatenate { dim: 0 }, lists, TensorType::fixed(&[total], dtype)))
    }

    /// Scalars as a list.
    fn list(&mut self, scalars: &[ValueId]) -> Option<ValueId> {
        let mut lists = Vec::new();
        for &scalar in scalars {
            let dtype = self.tensor(scalar)?.dtype()?;
            lists.push(self.emit(Reshape, vec![scalar], TensorType::fixed(&[1], dtype)));
        }
        match lists.is_empty() {
            true => Some(self.ints(&[])),
            false => self.concat(lists),
        }
    }

    /// The element at `indices`, as a scalar.
    fn element(&mut self, value: ValueId, indices: &[ValueId]) -> Option<ValueId> {
        let ty = self.tensor(value)?;
        if ty.rank() == 0 {
            return Some(value);
        }
        let mut operands = vec![value];
        operands.extend(indices);
        let ones = vec![1; ty.rank()];
        let one = TensorType::fixed(&vec![1; ty.rank()], ty.dtype()?);
        let slice = self.emit(DynamicSlice { sizes: ones }, operands, one);
        Some(self.emit(Reshape, vec![slice], TensorType::scalar(ty.dtype()?)))
    }

    /// Item `i` of a list, as a list of one.
    fn item(&mut self, list: ValueId, i: i64) -> Option<ValueId> {
        let ty = TensorType::fixed(&[1], self.tensor(list)?.dtype()?);
        let slice = Slice { start: vec![i], limit: vec![i + 1], strides: vec![1] };
        Some(self.emit(slice, vec![list], ty))
    }

    /// Number of items of a list, if it can be a shape.
    fn len(&self, list: ValueId) -> Option<usize> {
        let &[n] = self.tensor(list)?.static_dims()?.as_slice() else { return None };
        usize::try_from(n).ok().filter(|&n| n <= MAX_RANK)
    }

    /// The product of a list's items, as a scalar.
    fn product(&mut self, list: ValueId) -> Option<ValueId> {
        let n = self.len(list)?;
        let one = TensorType::fixed(&[1], DType::I64);
        let mut product = self.ints(&[1]);
        for i in 0..n as i64 {
            let item = self.item(list, i)?;
            product = self.emit(ElementwiseOp::Multiply, vec![product, item], one.clone());
        }
        Some(self.emit(Reshape, vec![product], TensorType::scalar(DType::I64)))
    }

    /// `condition(a, b) ? yes : no` on lists.
    fn choose(
        &mut self,
        direction: Direction,
        [a, b]: [ValueId; 2],
        yes: ValueId,
        no: ValueId,
    ) -> Option<ValueId> {
        let ty = self.tensor(a)?;
        let kind = Compare { direction, compare_type: None };
        let test = self.emit(kind, vec![a, b], ty.with_dtype(DType::I1));
        Some(self.emit(ElementwiseOp::Select, vec![test, yes, no], ty))
    }

    /// The shape that all these shapes broadcast to.
    fn broadcast(&mut self, shapes: &[ValueId]) -> Option<ValueId> {
        let mut most = 0;
        for &shape in shapes {
            most = most.max(self.len(shape)?);
        }
        let ones = self.ints(&vec![1; most]);
        let mut result = ones;
        for &shape in shapes {
            let missing = most - self.len(shape)?;
            let padding = self.ints(&vec![1; missing]);
            let padded = if missing == 0 { shape } else { self.concat(vec![padding, shape])? };
            result = self.choose(Direction::Eq, [padded, ones], result, padded)?;
        }
        Some(result)
    }

    /// `tf.Reshape`, whose shape may say -1 once for whatever is left.
    fn tf_reshape(&mut self, value: ValueId, shape: ValueId, ty: &TensorType) -> Option<ValueId> {
        let shape = self.converted(shape, DType::I64)?;
        let n = self.len(shape)?;
        let (zeros, ones) = (self.ints(&vec![0; n]), self.ints(&vec![1; n]));
        let known = self.choose(Direction::Lt, [shape, zeros], ones, shape)?;
        let known = self.product(known)?;
        let own = self.shape_of(value)?;
        let total = self.product(own)?;
        let scalar = TensorType::scalar(DType::I64);
        let rest = self.emit(ElementwiseOp::Divide, vec![total, known], scalar);
        let rest = self.list(&vec![rest; n])?;
        let shape = self.choose(Direction::Lt, [shape, zeros], rest, shape)?;
        Some(self.emit(DynamicReshape, vec![value, shape], ty.clone()))
    }
}

#[cfg(test)]
mod tests {
    use crate::diag::Source;
    use crate::eval::{Evaluator, Tensor};
    use crate::front::mlir::parse_module;
    use crate::ir::TensorType;
    use crate::verify::verify;
    use microhlo_format::DType;

    fn run(text: &str, input: &[u64]) -> Vec<Vec<i64>> {
        let module = parse_module(&Source::new("t.mlir", text)).expect("it parses");
        verify(&module).expect("it is valid");
        let count = input.iter().product::<u64>() as usize;
        let ty = TensorType::fixed(input, DType::F32);
        let x = Tensor::from_bytes(&ty, vec![0u8; 4 * count].as_slice()).expect("a tensor");
        let results = Evaluator::new(&module).call("main", &[x]).expect("it runs");
        let ints = |t: &Tensor| t.ints().expect("integers");
        results.iter().map(ints).collect()
    }

    #[test]
    fn shape_arithmetic_computes_sizes() {
        let text = "func.func @main(%x: tensor<?x3xf32>) -> (tensor<2xindex>, tensor<3xi32>, \
            tensor<1xindex>) {
            %c1 = arith.constant 1 : index
            %s = shape.shape_of %x : tensor<?x3xf32> -> tensor<2xindex>
            %n = shape.num_elements %s : tensor<2xindex> -> index
            %d = tensor.dim %x, %c1 : tensor<?x3xf32>
            %m = arith.muli %n, %d : index
            %l = tensor.from_elements %m, %c1, %d : tensor<3xindex>
            %i = arith.index_cast %l : tensor<3xindex> to tensor<3xi32>
            %k = shape.const_shape [3] : tensor<1xindex>
            %b = shape.broadcast %s, %k : tensor<2xindex>, tensor<1xindex> -> tensor<2xindex>
            %e = tensor.extract %b[%c1] : tensor<2xindex>
            %f = tensor.from_elements %e : tensor<1xindex>
            return %b, %i, %f : tensor<2xindex>, tensor<3xi32>, tensor<1xindex>
        }";
        assert_eq!(run(text, &[4, 3]), [vec![4, 3], vec![36, 1, 3], vec![3]]);
        assert_eq!(run(text, &[1, 3])[0], [1, 3]);
    }

    #[test]
    fn assumptions_are_inlined_and_witnesses_go() {
        let text = "func.func @main(%x: tensor<?x3xf32>) -> tensor<2xi64> {
            %s = shape.shape_of %x : tensor<?x3xf32> -> tensor<2xindex>
            %w = shape.cstr_broadcastable %s, %s : tensor<2xindex>, tensor<2xindex>
            %r = shape.assuming %w -> (tensor<2xi64>) {
              %t = arith.index_cast %s : tensor<2xindex> to tensor<2xi64>
              shape.assuming_yield %t : tensor<2xi64>
            }
            return %r : tensor<2xi64>
        }";
        assert_eq!(run(text, &[2, 3]), [vec![2, 3]]);
    }

    #[test]
    fn tf_reshape_finds_the_size_left_open() {
        let text = "func.func @main(%x: tensor<?x4xf32>) -> tensor<2xindex> {
            %c = stablehlo.constant dense<[-1, 2]> : tensor<2xi32>
            %r = \"tf.Reshape\"(%x, %c) : (tensor<?x4xf32>, tensor<2xi32>) -> tensor<?x2xf32>
            %s = shape.shape_of %r : tensor<?x2xf32> -> tensor<2xindex>
            return %s : tensor<2xindex>
        }";
        assert_eq!(run(text, &[3, 4]), [vec![6, 2]]);
    }

    #[test]
    fn products_of_two_integer_types_are_taken_in_the_result_s() {
        let text = "func.func @main(%x: tensor<2xf32>) -> tensor<i32> {
            %a = stablehlo.constant dense<[300, 2]> : tensor<2xi32>
            %b = stablehlo.constant dense<[-100, 7]> : tensor<2xi8>
            %c = stablehlo.dot_general %a, %b, contracting_dims = [0] x [0] :
              (tensor<2xi32>, tensor<2xi8>) -> tensor<i32>
            return %c : tensor<i32>
        }";
        assert_eq!(run(text, &[2]), [vec![-29_986]]);
    }

    #[test]
    fn copies_are_their_operands() {
        let text = "func.func @main(%x: tensor<2xf32>) -> tensor<i32> {
            %y = mhlo.copy %x : tensor<2xf32>
            %n = stablehlo.get_dimension_size %y, dim = 0 : (tensor<2xf32>) -> tensor<i32>
            return %n : tensor<i32>
        }";
        assert_eq!(run(text, &[2]), [vec![2]]);
    }
}
