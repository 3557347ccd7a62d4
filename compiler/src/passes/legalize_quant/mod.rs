//! Legalisation of quantised types: what operations mean on them, in plain StableHLO.
//!
//! Afterwards every quantised value is one of its storage type. The semantics are those of the
//! specification's `dequantize` and `quantize`, and each operation is, as it says, one on the
//! expressed type between the two (`dequantize_op_quantize`, `hybrid_dequantize_then_op`), but
//! where integers give the same result with less work:
//!
//! - what only moves elements moves stored ones;
//! - `maximum`, `minimum`, `clamp`, `select` and `compare` of values of one type work on the
//!   stored integers, whose order is that of the values;
//! - `add` and `subtract` of values of one type work on the stored integers;
//! - `add`, `subtract`, `multiply` and `uniform_quantize` of quantised values of `f32` or `f64`
//!   multiply integers by ratios of scales (see `fixed_point.rs`);
//! - `dot_general` and `convolution` sum products of integers (see `contraction.rs`).
//!
//! `dequantize` subtracts the zero point exactly: the specification writes the subtraction in the
//! storage type, where `127 - -128` would wrap, which no implementation does.

mod contraction;
mod fixed_point;
pub(crate) mod range;
mod values;

use microhlo_format::DType;

use self::fixed_point::{Term, is_precise, magnitude};
use self::values::Legalizer;
use super::rewrite::{Editor, Visit, rewrite};
use crate::ir::{
    Body, Constant, ElementType, Func, Module, OpId, QuantType, TensorType, Type, ValueId,
};
use crate::ops::compare::Compare;
use crate::ops::{ElementwiseOp, OpKind};

/// Rewrites a function to plain types, its signature included. Returns whether it had quantised
/// ones.
pub fn legalize_quant(func: &mut Func) -> bool {
    if !uses_quant(func) {
        return false;
    }
    rewrite(&mut func.body, legalize);
    to_storage(func);
    true
}

/// The module with plain types only, or `None` if it has no others.
pub fn legalized(module: &Module) -> Option<Module> {
    if !module.funcs.values().any(uses_quant) {
        return None;
    }
    let mut module = module.clone();
    for func in module.funcs.values_mut() {
        legalize_quant(func);
    }
    Some(module)
}

fn uses_quant(func: &Func) -> bool {
    let values = func.body.values.values().map(|v| &v.ty);
    values.chain(&func.results).any(is_quant)
}

fn is_quant(ty: &Type) -> bool {
    match ty {
        Type::Tensor(t) => t.elem.quant().is_some(),
        Type::Token | Type::Opaque(_) => false,
        Type::Tuple(types) | Type::Future(types) => types.iter().any(is_quant),
    }
}

/// Replaces quantised types by their storage types.
///
/// Rules see the quantised types of operands until all operations are rewritten: the last
/// operation of each expansion still has the quantised result type.
fn to_storage(func: &mut Func) {
    for value in func.body.values.values_mut() {
        strip(&mut value.ty);
    }
    func.results.iter_mut().for_each(strip);
    for op in func.body.ops.values_mut() {
        let value = match &mut op.kind {
            OpKind::Constant(c) => &mut c.value,
            OpKind::ExpectEqConst(c) => &mut c.value,
            OpKind::ExpectAlmostEqConst(c) => &mut c.value,
            _ => continue,
        };
        if value.ty.elem.quant().is_some() {
            let elem = ElementType::Plain(value.ty.elem.storage());
            let ty = TensorType { dims: value.ty.dims.clone(), elem };
            *value = Constant { ty, data: value.data.clone() }.into();
        }
    }
}

fn strip(ty: &mut Type) {
    match ty {
        Type::Tensor(t) => {
            if t.elem.quant().is_some() {
                t.elem = ElementType::Plain(t.elem.storage());
            }
        }
        Type::Token | Type::Opaque(_) => {}
        Type::Tuple(types) | Type::Future(types) => types.iter_mut().for_each(strip),
    }
}

fn legalize(ed: &mut Editor<'_>, op: OpId) -> Visit {
    let o = &ed.body.ops[op];
    let mut types = o.operands.iter().chain(&o.results).map(|&v| ed.body.ty(v));
    if !types.any(is_quant) {
        return Visit::Keep;
    }
    let visit = match &o.kind {
        OpKind::Elementwise(e) => elementwise(ed, op, *e),
        OpKind::Compare(c) => compare(ed, op, c.clone()),
        OpKind::UniformQuantize(_) | OpKind::UniformDequantize(_) => convert(ed, op),
        OpKind::Dot(_) | OpKind::DotGeneral(_) | OpKind::Convolution(_) => {
            contraction::contraction(ed, op)
        }
        OpKind::Reduce(_) | OpKind::ReduceWindow(_) | OpKind::Scatter(_) => promote(ed, op),
        OpKind::SelectAndScatter(_) => promote_scattered(ed, op),
        kind if moves(kind) => Some(Visit::Keep),
        _ => None,
    };
    visit.unwrap_or_else(|| through_floats(ed, op))
}

/// Whether an operation takes its elements as they are: it moves them, or what it does with them
/// is said by its regions.
fn moves(kind: &OpKind) -> bool {
    if kind.regions() != Some(0) {
        return true;
    }
    let Some(name) = kind.name().strip_prefix("stablehlo.") else { return true };
    MOVES.contains(&name)
}

/// Operations without regions that do not look at their elements.
const MOVES: &[&str] = &[
    "all_gather",
    "all_to_all",
    "bitcast_convert",
    "broadcast",
    "broadcast_in_dim",
    "collective_broadcast",
    "collective_permute",
    "composite",
    "concatenate",
    "constant",
    "custom_call",
    "dynamic_broadcast_in_dim",
    "dynamic_gather",
    "dynamic_pad",
    "dynamic_reshape",
    "dynamic_slice",
    "dynamic_update_slice",
    "gather",
    "get_dimension_size",
    "get_tuple_element",
    "infeed",
    "optimization_barrier",
    "outfeed",
    "pad",
    "real_dynamic_slice",
    "recv",
    "reshape",
    "return",
    "reverse",
    "send",
    "set_dimension_size",
    "slice",
    "torch_index_select",
    "transpose",
    "tuple",
];

/// The parameters that all tensors among operands and results have in common, if they do.
fn common(body: &Body, op: OpId) -> Option<std::sync::Arc<QuantType>> {
    let o = &body.ops[op];
    let mut types = o.operands.iter().chain(&o.results).map(|&v| body.ty(v).tensor());
    let first = types.next()??.elem.quant()?;
    types.all(|t| t.is_some_and(|t| t.elem.quant() == Some(first))).then(|| first.clone())
}

fn elementwise(ed: &mut Editor<'_>, op: OpId, kind: ElementwiseOp) -> Option<Visit> {
    match kind {
        ElementwiseOp::Convert => convert(ed, op),
        ElementwiseOp::Maximum | ElementwiseOp::Minimum | ElementwiseOp::Clamp => {
            common(ed.body, op).map(|_| Visit::Keep)
        }
        ElementwiseOp::Select => {
            let o = &ed.body.ops[op];
            let elem = |v| ed.body.ty(v).tensor().map(|t| &t.elem);
            let same = |&v| elem(v) == elem(o.results[0]);
            o.operands[1..].iter().all(same).then_some(Visit::Keep)
        }
        ElementwiseOp::Add | ElementwiseOp::Subtract => match common(ed.body, op) {
            Some(quant) => sum(ed, op, kind, &quant),
            None => scaled_sum(ed, op, kind),
        },
        ElementwiseOp::Multiply => product(ed, op),
        _ => None,
    }
}

/// The sum or difference of values of one type: the zero point is in it twice, or not at all.
///
/// Narrow storage saturates. 32 bits are taken to be accumulators, whose sums fit.
fn sum(ed: &mut Editor<'_>, op: OpId, kind: ElementwiseOp, q: &QuantType) -> Option<Visit> {
    let o = ed.body.ops[op].clone();
    let ty = ed.body.ty(o.results[0]).tensor()?.clone();
    let mut lg = Legalizer { ed, span: o.span };
    if q.storage.bits() == 32 {
        let whole = q.storage_range == crate::ir::full_range(q.storage);
        let zero = q.zero_points.iter().all(|&z| z == 0);
        return (whole && zero).then_some(Visit::Keep);
    }
    let wide = lg.integers(&o.operands, DType::I32);
    let int = ty.with_dtype(DType::I32);
    let sum = lg.ed.emit(kind, wide, int, o.span);
    let sum = match kind {
        ElementwiseOp::Add => lg.shift(sum, q, ElementwiseOp::Subtract),
        _ => lg.shift(sum, q, ElementwiseOp::Add),
    };
    let new = lg.saturated(sum, &ty);
    lg.ed.replace(o.results[0], new);
    Some(Visit::Drop)
}

/// Operands and result of an operation on two quantised values.
type Binary = (ValueId, ValueId, TensorType);

fn binary(body: &Body, op: OpId) -> Option<Binary> {
    let &[lhs, rhs] = body.ops[op].operands.as_slice() else { return None };
    let ty = body.ty(body.result(op)?).tensor()?.clone();
    for operand in [lhs, rhs] {
        body.ty(operand).tensor()?.elem.quant()?;
    }
    Some((lhs, rhs, ty))
}

/// The sum or difference of values of different types.
fn scaled_sum(ed: &mut Editor<'_>, op: OpId, kind: ElementwiseOp) -> Option<Visit> {
    let (lhs, rhs, ty) = binary(ed.body, op)?;
    let (q, span) = (ty.elem.quant()?.clone(), ed.body.ops[op].span);
    let sign = if kind == ElementwiseOp::Subtract { -1.0 } else { 1.0 };
    let mut lg = Legalizer { ed, span };
    let terms = [lg.term(lhs, 1.0, &q)?, lg.term(rhs, sign, &q)?];
    let new = lg.requantised(&terms, &ty)?;
    replace(ed, op, new)
}

/// The product of values is one of integers as long as 32 bits hold it.
fn product(ed: &mut Editor<'_>, op: OpId) -> Option<Visit> {
    let (lhs, rhs, ty) = binary(ed.body, op)?;
    let (q, span) = (ty.elem.quant()?.clone(), ed.body.ops[op].span);
    let mut lg = Legalizer { ed, span };
    let (l, r) = (lg.term(lhs, 1.0, &q)?, lg.tensor(rhs).elem.quant()?.clone());
    let largest = l.largest.checked_mul(magnitude(&r)).filter(|&n| n <= i32::MAX as u64)?;
    let per_tensor = l.axis.is_none() && r.axis.is_none() && is_precise(r.expressed);
    if !per_tensor || r.expressed != q.expressed {
        return None;
    }
    let centred = lg.centred(rhs, &r);
    let factors = lg.integers(&[l.value, centred], DType::I32);
    let value = lg.apply(ElementwiseOp::Multiply, factors);
    let ratios = vec![l.ratios[0] * r.scales[0]];
    let new = lg.requantised(&[Term { value, largest, ratios, axis: None }], &ty)?;
    replace(ed, op, new)
}

/// Makes a value the operation's only result.
fn replace(ed: &mut Editor<'_>, op: OpId, new: ValueId) -> Option<Visit> {
    let old = ed.body.result(op)?;
    ed.replace(old, new);
    Some(Visit::Drop)
}

/// Stored integers of one type are ordered as the values that they stand for.
fn compare(ed: &mut Editor<'_>, op: OpId, mut kind: Compare) -> Option<Visit> {
    let o = &ed.body.ops[op];
    let elem = |v| ed.body.ty(v).tensor().and_then(|t| t.elem.quant());
    let same = elem(o.operands[0]) == elem(o.operands[1]);
    kind.compare_type = None;
    if same {
        ed.body.ops[op].kind = kind.into();
        return Some(Visit::Keep);
    }
    // The comparison of what they stand for is one of floats.
    ed.body.ops[op].kind = kind.into();
    None
}

/// `uniform_quantize`, `uniform_dequantize`.
fn convert(ed: &mut Editor<'_>, op: OpId) -> Option<Visit> {
    let o = ed.body.ops[op].clone();
    let (&[operand], &[result]) = (o.operands.as_slice(), o.results.as_slice()) else {
        return None;
    };
    let ty = ed.body.ty(result).tensor()?.clone();
    let mut lg = Legalizer { ed, span: o.span };
    let new = lg.converted(operand, &ty)?;
    lg.ed.replace(result, new);
    Some(Visit::Drop)
}

/// `dequantize_op_quantize`, and `hybrid_dequantize_then_op` where results are floats.
fn through_floats(ed: &mut Editor<'_>, op: OpId) -> Visit {
    let o = ed.body.ops[op].clone();
    let mut lg = Legalizer { ed, span: o.span };
    let operands = o.operands.iter().map(|&v| lg.dequantized(v)).collect();
    let old: Vec<Type> = o.results.iter().map(|&v| lg.ed.body.ty(v).clone()).collect();
    let expressed = |ty: &Type| match ty {
        Type::Tensor(t) => match t.elem.quant() {
            Some(q) => t.with_dtype(q.expressed).into(),
            None => ty.clone(),
        },
        other => other.clone(),
    };
    let types = old.iter().map(expressed).collect();
    let new = lg.ed.emit_op(o.kind, operands, types, o.regions, o.span);
    for ((old, ty), new) in o.results.iter().zip(&old).zip(new) {
        let new = match ty {
            Type::Tensor(t) if t.elem.quant().is_some() => lg.quantized(new, t),
            _ => new,
        };
        lg.ed.replace(*old, new);
    }
    Visit::Drop
}

/// Gives what a region reduces or scatters the type that the region computes on.
fn promote(ed: &mut Editor<'_>, op: OpId) -> Option<Visit> {
    let o = &ed.body.ops[op];
    let args = ed.body.blocks[*o.regions.first()?].args.clone();
    let scatter = matches!(o.kind, OpKind::Scatter(_));
    let n = args.len() / 2;
    // Inputs and initial values, or inputs, one tensor of indices, and updates.
    let place = |i: usize| if scatter && i >= n { i + 1 } else { i };
    for (i, &arg) in args.iter().enumerate() {
        to_elem_of(ed, op, place(i), arg)?;
    }
    Some(Visit::Keep)
}

/// What is scattered, and the initial value, get the type that the second region computes on.
fn promote_scattered(ed: &mut Editor<'_>, op: OpId) -> Option<Visit> {
    let arg = *ed.body.blocks[*ed.body.ops[op].regions.get(1)?].args.first()?;
    to_elem_of(ed, op, 1, arg)?;
    to_elem_of(ed, op, 2, arg)?;
    Some(Visit::Keep)
}

/// Converts operand `i` to the element type of a value, if both are quantised and differ.
fn to_elem_of(ed: &mut Editor<'_>, op: OpId, i: usize, like: ValueId) -> Option<()> {
    let operand = *ed.body.ops[op].operands.get(i)?;
    let (have, want) = (ed.body.ty(operand).tensor()?, ed.body.ty(like).tensor()?);
    if have.elem == want.elem || have.elem.quant().is_none() || want.elem.quant().is_none() {
        return Some(());
    }
    let ty = TensorType { dims: have.dims.clone(), elem: want.elem.clone() };
    let span = ed.body.ops[op].span;
    let new = Legalizer { ed, span }.converted(operand, &ty)?;
    ed.body.ops[op].operands[i] = new;
    Some(())
}

#[cfg(test)]
mod tests;
