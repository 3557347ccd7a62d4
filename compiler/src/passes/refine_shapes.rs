//! Shape refinement: a function whose arguments have sizes becomes a function of static shapes.
//!
//! One walk in program order. Operations on dynamic types infer their results anew from operands
//! that are static by then; integer arithmetic on sizes is evaluated; operations that take a shape
//! as an operand become those that have it as an attribute.

use std::collections::HashMap;

use crate::compile::CompileError;
use crate::diag::Span;
use crate::eval::{Evaluator, Tensor};
use crate::ir::{
    Attr, BlockId, Body, Constant, Dict, Dim, Func, Module, OpId, TensorType, Type, ValueId,
};
use crate::ops::chlo::top_k::TopK;
use crate::ops::custom_call::CustomCall;
use crate::ops::{self, AttrReader, AttrWriter, ElementwiseOp, OpKind, OpView};
use crate::verify::Verified;

/// Values of at most this many elements are evaluated: shapes, and what they are computed from.
const MAX_ELEMENTS: u64 = 4096;

/// Evaluation steps per operation on sizes.
const MAX_STEPS: u64 = 1 << 20;

/// Whether any of it is dynamic: a type, or an operation that takes a shape as an operand.
pub fn is_dynamic(func: &Func) -> bool {
    let body = &func.body;
    let values = body.blocks[body.entry].args.iter().copied();
    let ops = body.walk(body.entry);
    let results = ops.iter().flat_map(|&op| body.ops[op].results.iter().copied());
    values.chain(results).any(|v| dynamic(body.ty(v)))
        || ops.iter().any(|&op| {
            let kind = &body.ops[op].kind;
            DYNAMIC.iter().any(|d| d.from == kind.name())
                || matches!(kind, OpKind::GetDimensionSize(_))
                || matches!(kind, OpKind::CustomCall(c) if is_shape_call(c))
        })
}

fn is_shape_call(call: &CustomCall) -> bool {
    matches!(&*call.target, ASSERTION | REDUCE_WINDOW | TOP_K | RANDOM_BITS)
}

const ASSERTION: &str = "shape_assertion";
const REDUCE_WINDOW: &str = "stablehlo.dynamic_reduce_window";
const TOP_K: &str = "stablehlo.dynamic_top_k";
const RANDOM_BITS: &str = "stablehlo.dynamic_rng_bit_generator";

fn dynamic(ty: &Type) -> bool {
    match ty {
        Type::Tensor(t) => t.static_dims().is_none(),
        Type::Tuple(items) | Type::Future(items) => items.iter().any(dynamic),
        Type::Token | Type::Opaque(_) => false,
    }
}

/// An operation that takes a shape as an operand, and the one with an attribute instead.
struct Dynamic {
    from: &'static str,
    to: &'static str,
    /// Operands that stay, the first ones.
    operands: usize,
    /// The operand that is the result's shape.
    shape: Option<usize>,
    /// Operands that become attributes.
    lists: &'static [(usize, &'static str)],
}

const fn row(
    from: &'static str,
    to: &'static str,
    operands: usize,
    shape: Option<usize>,
    lists: &'static [(usize, &'static str)],
) -> Dynamic {
    Dynamic { from, to, operands, shape, lists }
}

#[rustfmt::skip]
const DYNAMIC: &[Dynamic] = &[
    row("stablehlo.dynamic_reshape", "stablehlo.reshape", 1, Some(1), &[]),
    row("stablehlo.dynamic_broadcast_in_dim", "stablehlo.broadcast_in_dim", 1, Some(1), &[]),
    row("stablehlo.dynamic_iota", "stablehlo.iota", 0, Some(0), &[]),
    row("stablehlo.dynamic_pad", "stablehlo.pad", 2, None,
        &[(2, "edge_padding_low"), (3, "edge_padding_high"), (4, "interior_padding")]),
    row("stablehlo.real_dynamic_slice", "stablehlo.slice", 1, None,
        &[(1, "start_indices"), (2, "limit_indices"), (3, "strides")]),
    row("stablehlo.dynamic_gather", "stablehlo.gather", 2, None, &[(2, "slice_sizes")]),
    row("stablehlo.dynamic_conv", "stablehlo.convolution", 2, None, &[(2, "padding")]),
];

/// What is known of the arguments of a function.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// Type of each argument.
    pub types: Vec<Type>,
    /// Values of scalar arguments that stand for sizes.
    pub values: HashMap<usize, i64>,
}

/// Gives every value of a function without calls a static type.
///
/// # Errors
/// Sizes contradict each other or an assertion of the program, or a size stays unknown.
pub fn refine_shapes(
    module: Verified<'_>,
    func: &mut Func,
    arguments: &Arguments,
) -> Result<(), CompileError> {
    arguments_settled(func, &arguments.types)?;
    let mut refiner = Refiner { module, known: HashMap::new() };
    let body = &mut func.body;
    let entry = body.entry;
    for (i, arg) in body.blocks[entry].args.clone().into_iter().enumerate() {
        if let Some(ty) = arguments.types.get(i) {
            body.values[arg].ty = ty.clone();
        }
        let dtype = body.ty(arg).tensor().filter(|t| t.rank() == 0).and_then(TensorType::dtype);
        if let (Some(&value), Some(dtype)) = (arguments.values.get(&i), dtype) {
            let element = crate::eval::Element::small(dtype, value);
            refiner.known.insert(arg, Tensor::scalar(dtype, element));
        }
    }
    refiner.block(body, entry)?;
    func.results = body.returned(entry).iter().map(|&v| body.ty(v).clone()).collect();
    settled(func)
}

/// Fails where an argument is dynamic.
fn arguments_settled(func: &Func, types: &[Type]) -> Result<(), CompileError> {
    for (i, ty) in types.iter().enumerate() {
        if dynamic(ty) {
            let name = match func.arg_names.get(i) {
                Some(Some(name)) => format!(" (`{name}`)"),
                _ => String::new(),
            };
            let message = format!(
                "argument {i}{name} has the dynamic type {ty}; give its shape, for example \
                 `--shape arg{i}={}`",
                example(ty)
            );
            return Err(CompileError::at(func.span, message));
        }
    }
    Ok(())
}

/// Fails where a type is still dynamic.
fn settled(func: &Func) -> Result<(), CompileError> {
    let body = &func.body;
    for op in body.walk(body.entry) {
        let op = &body.ops[op];
        if let Some(&value) = op.results.iter().find(|&&v| dynamic(body.ty(v))) {
            let ty = body.ty(value);
            let message = format!(
                "the result of `{}` has the type {ty}, whose sizes are only known at run time",
                op.kind.spelling()
            );
            return Err(CompileError::unsupported(op.span, message));
        }
    }
    Ok(())
}

/// A shape that a type could have.
fn example(ty: &Type) -> String {
    let dims = ty.tensor().map_or(&[][..], |t| &t.dims);
    let size = |d: &Dim| d.size().map_or_else(|| "8".to_owned(), |n| n.to_string());
    dims.iter().map(size).collect::<Vec<_>>().join("x")
}

struct Refiner<'m> {
    module: Verified<'m>,
    /// Values of small integer tensors.
    known: HashMap<ValueId, Tensor>,
}

impl Refiner<'_> {
    fn block(&mut self, body: &mut Body, block: BlockId) -> Result<(), CompileError> {
        let ops = std::mem::take(&mut body.blocks[block].ops);
        let mut kept = Vec::with_capacity(ops.len());
        for op in ops {
            if self.op(body, op)? {
                kept.push(op);
            }
        }
        body.blocks[block].ops = kept;
        Ok(())
    }

    /// Refines an operation; `false` if it is not needed any more.
    fn op(&mut self, body: &mut Body, op: OpId) -> Result<bool, CompileError> {
        match body.ops[op].kind.clone() {
            OpKind::GetDimensionSize(g) => self.dimension_size(body, op, g.dim),
            OpKind::CustomCall(call) if &*call.target == ASSERTION => {
                return self.assertion(body, op, &call);
            }
            OpKind::CustomCall(call) if &*call.target == REDUCE_WINDOW => {
                self.reduce_window(body, op, &call)?;
            }
            OpKind::CustomCall(call) if &*call.target == TOP_K => self.top_k(body, op)?,
            OpKind::CustomCall(call) if &*call.target == RANDOM_BITS => {
                self.random_bits(body, op, &call)?;
            }
            OpKind::While(_) => {
                self.carried(body, op);
                for region in body.ops[op].regions.clone() {
                    self.block(body, region)?;
                }
                return Ok(true);
            }
            OpKind::If(_) | OpKind::Case(_) => {
                let regions = body.ops[op].regions.clone();
                for &region in &regions {
                    self.block(body, region)?;
                }
                for region in regions {
                    let returned = body.returned(region).to_vec();
                    let types = returned.iter().map(|&v| body.ty(v).clone()).collect();
                    self.set_results(body, op, types)?;
                }
                return Ok(true);
            }
            _ => {}
        }
        if let Some(row) = DYNAMIC.iter().find(|d| d.from == body.ops[op].kind.name()) {
            self.made_static(body, op, row)?;
        }
        self.infer(body, op)?;
        self.learn(body, op);
        Ok(true)
    }

    fn ints(&self, value: ValueId) -> Option<Vec<i64>> {
        self.known.get(&value)?.ints()
    }

    fn dimension_size(&mut self, body: &mut Body, op: OpId, dim: i64) {
        let source = body.ops[op].operands.first().and_then(|&v| body.def_op(v));
        if let Some(source) = source
            && let OpKind::SetDimensionSize(set) = &body.ops[source].kind
            && set.dim == dim
            && let Some(&size) = body.ops[source].operands.get(1)
        {
            // What was set at run time, though the tensor itself takes the room of its bound.
            let scalar = TensorType::scalar(microhlo_format::DType::I32);
            if *body.ty(size) == Type::Tensor(scalar) {
                body.ops[op].kind = ops::reshape::Reshape.into();
                body.ops[op].operands = vec![size];
                return;
            }
        }
        let operand = body.ops[op].operands.first().and_then(|&v| body.ty(v).tensor());
        let dim = operand.and_then(|t| t.dims.get(usize::try_from(dim).ok()?));
        let Some(size) = dim.and_then(|d| i32::try_from(d.size()?).ok()) else { return };
        let ty = TensorType::scalar(microhlo_format::DType::I32);
        let value = Constant::splat(ty, &size.to_le_bytes());
        body.ops[op].kind = ops::constant::Constant { value: value.into() }.into();
        body.ops[op].operands.clear();
    }

    /// An assertion about sizes: dropped where it holds.
    fn assertion(
        &mut self,
        body: &Body,
        op: OpId,
        call: &CustomCall,
    ) -> Result<bool, CompileError> {
        let o = &body.ops[op];
        let holds = o.operands.first().and_then(|&v| self.ints(v));
        if holds.as_deref() != Some(&[0]) {
            // Not known: an assertion of values, which the caller has to keep.
            return Ok(holds.is_none());
        }
        let text = o.attrs.get("error_message").or_else(|| call.config.get("error_message"));
        let mut text = match text {
            Some(Attr::String(text)) => text.to_string(),
            _ => "an assertion about the shapes of the arguments does not hold".to_owned(),
        };
        for (i, &v) in o.operands.iter().skip(1).enumerate() {
            if let Some([value]) = self.ints(v).as_deref() {
                text = text.replace(&format!("{{{i}}}"), &value.to_string());
            }
        }
        Err(CompileError::at(o.span, text))
    }

    /// Loop-carried values have the types of their initial ones.
    fn carried(&mut self, body: &mut Body, op: OpId) {
        let o = body.ops[op].clone();
        for (i, &init) in o.operands.iter().enumerate() {
            let ty = body.ty(init).clone();
            let args = o.regions.iter().filter_map(|&r| body.blocks[r].args.get(i).copied());
            for value in args.chain(o.results.get(i).copied()).collect::<Vec<_>>() {
                body.values[value].ty = ty.clone();
            }
        }
    }

    /// Replaces an operation that takes a shape as an operand, if that is known.
    fn made_static(
        &mut self,
        body: &mut Body,
        op: OpId,
        row: &Dynamic,
    ) -> Result<(), CompileError> {
        let o = body.ops[op].clone();
        let fail = |text: String| CompileError::at(o.span, format!("`{}`: {text}", row.from));
        let mut writer = AttrWriter::default();
        o.kind.write(&mut writer);
        let mut attrs = writer.attrs;
        attrs.0.retain(|(name, _)| !name.starts_with("known_"));
        for &(operand, name) in row.lists {
            let Some(&value) = o.operands.get(operand) else { return Ok(()) };
            let Some(tensor) = self.known.get(&value) else { return Ok(()) };
            attrs.push(name, Attr::Dense(tensor.to_constant().into()));
        }
        let mut results: Vec<Type> = o.results.iter().map(|&v| body.ty(v).clone()).collect();
        if let Some(operand) = row.shape {
            let shape = o.operands.get(operand).and_then(|&v| self.ints(v));
            let declared = results.first().and_then(Type::tensor).cloned();
            let (Some(declared), true) = (declared, results.len() == 1) else { return Ok(()) };
            match shape {
                Some(shape) => {
                    let sizes = shape.iter().map(|&n| u64::try_from(n).ok());
                    let Some(sizes) = sizes.collect::<Option<Vec<u64>>>() else {
                        return Err(fail(format!("the shape {shape:?} has a negative size")));
                    };
                    results = vec![declared.with_dims(&sizes).into()];
                    self.set_results(body, op, results.clone())?;
                }
                None if declared.static_dims().is_some() => {}
                None => return Ok(()),
            }
        }
        let operands: Vec<ValueId> = o.operands.into_iter().take(row.operands).collect();
        let types: Vec<Type> = operands.iter().map(|&v| body.ty(v).clone()).collect();
        match OpKind::read(row.to, &mut AttrReader::new(attrs, &types, &results)) {
            Some(Ok(kind)) => {
                body.ops[op].kind = kind;
                body.ops[op].operands = operands;
                Ok(())
            }
            Some(Err(e)) => Err(CompileError::at(o.span, format!("`{}`: {e}", row.from))),
            None => Ok(()),
        }
    }

    /// `reduce_window` with its window as operands: inputs, initial values, sizes, strides, base
    /// dilations, window dilations, padding; the function called is the body.
    fn reduce_window(
        &mut self,
        body: &mut Body,
        op: OpId,
        call: &CustomCall,
    ) -> Result<(), CompileError> {
        const NAMES: [&str; 5] = [
            "window_dimensions",
            "window_strides",
            "base_dilations",
            "window_dilations",
            "padding",
        ];
        let o = body.ops[op].clone();
        let Some(count) = o.operands.len().checked_sub(NAMES.len()) else { return Ok(()) };
        let mut attrs = Dict::default();
        for (name, value) in NAMES.iter().zip(&o.operands[count..]) {
            let Some(tensor) = self.known.get(value) else { return Ok(()) };
            attrs.push(name, Attr::Dense(tensor.to_constant().into()));
        }
        let callee = match call.config.get("called_computations") {
            Some(Attr::Array(items)) => match items.as_slice() {
                [Attr::Symbol(name)] => name.clone(),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        let reducer = super::inline::inline(self.module, &callee)?;
        let operands: Vec<ValueId> = o.operands[..count].to_vec();
        let types: Vec<Type> = operands.iter().map(|&v| body.ty(v).clone()).collect();
        let results: Vec<Type> = o.results.iter().map(|&v| body.ty(v).clone()).collect();
        let name = "stablehlo.reduce_window";
        let kind = match OpKind::read(name, &mut AttrReader::new(attrs, &types, &results)) {
            Some(Ok(kind)) => kind,
            Some(Err(e)) => {
                return Err(CompileError::at(o.span, format!("`{}`: {e}", call.target)));
            }
            None => return Ok(()),
        };
        let region = super::inline::copy_region(&reducer.body, body);
        let o = &mut body.ops[op];
        (o.kind, o.operands, o.regions) = (kind, operands, vec![region]);
        o.attrs = Dict::default();
        Ok(())
    }

    /// `top_k` with its number as an operand.
    fn top_k(&mut self, body: &mut Body, op: OpId) -> Result<(), CompileError> {
        let o = body.ops[op].clone();
        let &[operand, count] = o.operands.as_slice() else { return Ok(()) };
        let Some([k]) = self.ints(count).as_deref().and_then(|k| <[i64; 1]>::try_from(k).ok())
        else {
            return Ok(());
        };
        let Ok(k) = u64::try_from(k) else {
            let text = format!("`{TOP_K}`: {k} is no number of elements");
            return Err(CompileError::at(o.span, text));
        };
        body.ops[op].kind = TopK { k, largest: true }.into();
        body.ops[op].operands = vec![operand];
        body.ops[op].attrs = Dict::default();
        Ok(())
    }

    /// `rng_bit_generator` with the shape of its numbers as an operand.
    fn random_bits(
        &mut self,
        body: &mut Body,
        op: OpId,
        call: &CustomCall,
    ) -> Result<(), CompileError> {
        let o = body.ops[op].clone();
        let (&[state, shape], &[_, bits]) = (o.operands.as_slice(), o.results.as_slice()) else {
            return Ok(());
        };
        let Some(sizes) = self.ints(shape) else { return Ok(()) };
        let sizes = sizes.iter().map(|&n| u64::try_from(n).ok()).collect::<Option<Vec<u64>>>();
        let name = "rng_algorithm";
        let algorithm = o.attrs.get(name).or_else(|| call.config.get(name)).cloned();
        let (Some(sizes), Some(algorithm)) = (sizes, algorithm) else { return Ok(()) };
        let Some(declared) = body.ty(bits).tensor().cloned() else { return Ok(()) };
        let results = vec![body.ty(state).clone(), declared.with_dims(&sizes).into()];
        let mut attrs = Dict::default();
        attrs.push(name, algorithm);
        let types = [body.ty(state).clone()];
        let mut reader = AttrReader::new(attrs, &types, &results);
        match OpKind::read("stablehlo.rng_bit_generator", &mut reader) {
            Some(Ok(kind)) => {
                self.set_results(body, op, results.clone())?;
                body.ops[op].kind = kind;
                body.ops[op].operands = vec![state];
                body.ops[op].attrs = Dict::default();
                Ok(())
            }
            Some(Err(e)) => Err(CompileError::at(o.span, format!("`{RANDOM_BITS}`: {e}"))),
            None => Ok(()),
        }
    }

    /// Infers the results anew, and gives those that no rule infers what their operands say.
    fn infer(&mut self, body: &mut Body, op: OpId) -> Result<(), CompileError> {
        let o = &body.ops[op];
        if !o.results.iter().any(|&v| dynamic(body.ty(v))) {
            return Ok(());
        }
        let fail = |e: ops::OpError| {
            CompileError::at(o.span, format!("with these sizes, `{}`: {e}", o.kind.name()))
        };
        let view = OpView { body, op: o };
        let types = match o.kind.infer(&view).map_err(fail)? {
            Some(types) => types,
            None => like_operands(body, op),
        };
        self.set_results(body, op, types)?;
        for value in body.ops[op].results.clone() {
            at_bound(&mut body.values[value].ty);
        }
        Ok(())
    }

    /// Gives the results types that are known to be more precise.
    fn set_results(
        &mut self,
        body: &mut Body,
        op: OpId,
        types: Vec<Type>,
    ) -> Result<(), CompileError> {
        let (span, name) = (body.ops[op].span, body.ops[op].kind.name());
        for (value, found) in body.ops[op].results.clone().into_iter().zip(types) {
            let declared = &body.values[value].ty;
            if !declared.accepts(&found) {
                let message = format!("with these sizes, `{name}` gives {found}, not {declared}");
                return Err(CompileError::at(span, message));
            }
            body.values[value].ty = meet(declared, &found);
        }
        Ok(())
    }

    /// Evaluates integer arithmetic on values that are known.
    fn learn(&mut self, body: &Body, op: OpId) {
        let o = &body.ops[op];
        let small = |&v: &ValueId| {
            body.ty(v).tensor().is_some_and(|t| {
                let integer = t.dtype().is_some_and(|d| d.is_integer() || d.bits() == 1);
                integer && t.elements().is_some_and(|n| n <= MAX_ELEMENTS)
            })
        };
        if o.results.is_empty() || !o.results.iter().all(small) || o.kind.has_side_effect() {
            return;
        }
        let inputs = o.operands.iter().map(|v| self.known.get(v).cloned());
        let Some(inputs) = inputs.collect::<Option<Vec<Tensor>>>() else { return };
        let module: &Module = self.module.module();
        let outputs = Evaluator::with_budget(module, MAX_STEPS).fold(body, op, &inputs, Vec::new());
        if let Ok(outputs) = outputs {
            self.known.extend(o.results.iter().copied().zip(outputs));
        }
    }
}

/// Types of results that have the operand's shape, or its number of elements.
fn like_operands(body: &Body, op: OpId) -> Vec<Type> {
    let o = &body.ops[op];
    let declared = o.results.first().and_then(|&v| body.ty(v).tensor());
    let operand = o.operands.first().and_then(|&v| body.ty(v).tensor());
    let (Some(declared), Some(operand), 1) = (declared, operand, o.results.len()) else {
        return o.operands.iter().map(|&v| body.ty(v).clone()).take(o.results.len()).collect();
    };
    let mut ty = declared.clone();
    match &o.kind {
        OpKind::Reshape(_) => reshaped(&mut ty, operand),
        OpKind::BroadcastInDim(b) => {
            for (&d, &from) in b.dims.iter().zip(&operand.dims) {
                let to = usize::try_from(d).ok().and_then(|d| ty.dims.get_mut(d));
                if let Some(to) = to.filter(|to| to.size().is_none() && from.size() != Some(1)) {
                    *to = from;
                }
            }
        }
        _ if operand.rank() == ty.rank()
            && !matches!(o.kind, OpKind::Elementwise(ElementwiseOp::Complex)) =>
        {
            ty.dims.clone_from(&operand.dims);
        }
        _ => {}
    }
    vec![ty.into()]
}

/// A single unknown size of a reshape follows from the number of elements.
fn reshaped(ty: &mut TensorType, operand: &TensorType) {
    let known: Option<u64> = ty.dims.iter().filter_map(|d| d.size()).try_fold(1, u64::checked_mul);
    let mut open = ty.dims.iter_mut().filter(|d| d.size().is_none());
    if let (Some(dim), None) = (open.next(), open.next())
        && let (Some(total), Some(known)) = (operand.elements(), known.filter(|&n| n > 0))
        && total % known == 0
    {
        *dim = Dim::Static(total / known);
    }
}

/// The type with the static sizes of both.
fn meet(declared: &Type, found: &Type) -> Type {
    match (declared, found) {
        (Type::Tensor(a), Type::Tensor(b)) => {
            let pairs = a.dims.iter().zip(&b.dims);
            let dims = pairs.map(|(&a, &b)| if a.size().is_some() { a } else { b }).collect();
            TensorType { dims, elem: a.elem.clone() }.into()
        }
        (Type::Tuple(a), Type::Tuple(b)) => {
            Type::Tuple(a.iter().zip(b).map(|(a, b)| meet(a, b)).collect())
        }
        (_, found) => found.clone(),
    }
}

/// A bounded size that nothing determines is the bound.
pub(super) fn at_bound(ty: &mut Type) {
    let Type::Tensor(t) = ty else { return };
    for dim in &mut t.dims {
        if let Dim::Dynamic { bound: Some(n) } = *dim {
            *dim = Dim::Static(n);
        }
    }
}

/// The message for a function whose span is not known.
pub(super) fn no_place(message: String) -> CompileError {
    CompileError::at(Span::default(), message)
}

#[cfg(test)]
#[path = "refine_tests.rs"]
mod tests;
