//! Type legalisation: operations on types that the kernels do not compute in become conversions to
//! a wider type, the operation there, and a conversion back.
//!
//! Floats narrower than `f32` compute in `f32`, as the evaluator does; integers narrower than a byte
//! compute in bytes and wrap. Conversions without a row of their own go through an intermediate
//! type that rounds nothing. No bit of a result changes, in regions either.

mod bits;
mod elementwise;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use microhlo_format::{DType, MicroId};

use super::rewrite::{Editor, Visit, rewrite};
use crate::diag::Span;
use crate::eval::{Element, Tensor};
use crate::ir::{Body, Constant, OpId, TensorType, ValueId};
use crate::lower::facts::region_op;
use crate::ops::func::Return;
use crate::ops::region::simple_op;
use crate::ops::{ElementwiseOp, OpKind};

/// Legalises every operation. Returns whether anything changed.
pub fn legalize_types(body: &mut Body) -> bool {
    let single = single_operations(body);
    rewrite(body, |ed, op| {
        if single.contains(&op) {
            return Visit::Keep;
        }
        legalize(ed, op).unwrap_or(Visit::Keep)
    })
}

/// Operations of regions that are one micro-operation, which kernels apply as it is.
fn single_operations(body: &Body) -> HashSet<OpId> {
    let regions = body.walk(body.entry).into_iter().flat_map(|op| &body.ops[op].regions);
    let single = regions.filter(|&&region| {
        let arg = body.blocks[region].args.first();
        let dtype = arg.and_then(|&v| body.ty(v).tensor()?.dtype());
        let id = region_op(body, region).zip(dtype).map(|(op, dtype)| MicroId::op(op, dtype));
        id.is_some_and(|id| microhlo::Kernels::ALL.has_micro(id))
    });
    single.flat_map(|&region| body.blocks[region].ops.iter().copied()).collect()
}

/// The type that a narrow type computes in.
fn wide(dtype: DType) -> Option<DType> {
    match dtype {
        DType::I2 | DType::I4 => Some(DType::I8),
        DType::U2 | DType::U4 => Some(DType::U8),
        d if d.is_narrow_float() => Some(DType::F32),
        _ => None,
    }
}

/// The type to convert to first where there is no row from one type to another.
fn via(from: DType, to: DType) -> Option<DType> {
    if from == to || microhlo::Kernels::ALL.has_micro(MicroId::convert(from, to)) {
        return None;
    }
    if let Some(wide) = wide(from) {
        return Some(wide);
    }
    match to {
        _ if from.is_complex() => Some(from.real_part()),
        _ if to.is_narrow_integer() => wide(to),
        _ if to.is_complex() => Some(to.real_part()),
        // Integers that `f32` rounds overflow in the narrow floats without a row from them.
        _ => Some(DType::F32),
    }
}

fn legalize(ed: &mut Editor<'_>, op: OpId) -> Option<Visit> {
    let span = ed.body.ops[op].span;
    let lg = &mut Legalizer { ed, span };
    match lg.ed.body.ops[op].kind.clone() {
        OpKind::Elementwise(kind) => lg.elementwise(op, kind),
        OpKind::Compare(kind) => lg.compare(op, kind),
        OpKind::DotGeneral(_) | OpKind::Convolution(_) => lg.contraction(op),
        OpKind::Reduce(_) | OpKind::ReduceWindow(_) => lg.reduction(op),
        OpKind::ReducePrecision(kind) => lg.reduce_precision(op, &kind),
        OpKind::BitcastConvert(_) => lg.bitcast(op),
        _ => None,
    }
}

struct Legalizer<'e, 'b> {
    ed: &'e mut Editor<'b>,
    span: Span,
}

impl Legalizer<'_, '_> {
    /// The type of a value, which is a tensor of a plain type.
    fn tensor(&self, value: ValueId) -> Option<TensorType> {
        let ty = self.ed.body.ty(value).tensor()?;
        ty.dtype().map(|_| ty.clone())
    }

    fn dtype(&self, value: ValueId) -> Option<DType> {
        self.ed.body.ty(value).tensor()?.dtype()
    }

    fn operand(&self, op: OpId, i: usize) -> Option<ValueId> {
        self.ed.body.ops[op].operands.get(i).copied()
    }

    /// Applies an elementwise operation to operands of one shape and element type, which the
    /// result has as well.
    fn apply(&mut self, op: ElementwiseOp, operands: Vec<ValueId>) -> Option<ValueId> {
        let ty = self.tensor(*operands.last()?)?;
        Some(self.ed.emit(op, operands, ty, self.span))
    }

    /// A number in the type and shape of another value.
    fn number(&mut self, like: ValueId, value: i128) -> Option<ValueId> {
        let ty = self.tensor(like)?;
        ty.static_dims()?;
        let element = Tensor::scalar(ty.dtype()?, Element::Int(value));
        Some(self.ed.constant(Constant::splat(ty, element.bytes()), self.span))
    }

    /// The value converted to another element type, in as many steps as it takes.
    fn cast(&mut self, value: ValueId, to: DType) -> Option<ValueId> {
        let ty = self.tensor(value)?;
        let from = ty.dtype()?;
        if from == to {
            return Some(value);
        }
        let step = via(from, to).unwrap_or(to);
        let next =
            self.ed.emit(ElementwiseOp::Convert, vec![value], ty.with_dtype(step), self.span);
        self.cast(next, to)
    }

    /// A constant converted to the type that a contraction computes in: a kernel reads it from flash
    /// then, instead of from a copy in memory.
    fn weights(&mut self, value: ValueId, to: DType) -> Option<ValueId> {
        let Some(constant) = self.ed.body.constant(value).cloned() else {
            return self.cast(value, to);
        };
        let Some(wide) = converted(&constant, to) else { return self.cast(value, to) };
        Some(self.ed.constant(wide, self.span))
    }

    /// Puts a value in the place of an operation's result.
    fn replace(&mut self, op: OpId, new: ValueId) -> Option<Visit> {
        let old = self.ed.body.result(op)?;
        let dtype = self.dtype(old)?;
        let new = self.cast(new, dtype)?;
        self.ed.replace(old, new);
        Some(Visit::Drop)
    }

    /// Accumulates in `f32` or in bytes, and converts the sums.
    fn contraction(&mut self, op: OpId) -> Option<Visit> {
        let o = self.ed.body.ops[op].clone();
        let result = self.tensor(self.ed.body.result(op)?)?;
        let dtype = result.dtype()?;
        let sums = wide(dtype).unwrap_or(dtype);
        let mut operands = Vec::new();
        for &v in &o.operands {
            let from = self.dtype(v)?;
            // Integers that are only narrower than the sums are left to the kernel's operand.
            let to = if sums.is_integer() { wide(from).unwrap_or(from) } else { sums };
            operands.push(if to == from { v } else { self.weights(v, to)? });
        }
        if operands == o.operands && sums == dtype {
            return None;
        }
        let new = self.ed.emit(o.kind, operands, result.with_dtype(sums), self.span);
        self.replace(op, new)
    }

    /// Converts operands to the types that the region folds; folds narrow types in wide ones where
    /// that is the same.
    fn reduction(&mut self, op: OpId) -> Option<Visit> {
        let region = *self.ed.body.ops[op].regions.first()?;
        let accumulators = self.ed.body.blocks[region].args.clone();
        for i in 0..self.ed.body.ops[op].operands.len() {
            let to = self.dtype(*accumulators.get(i)?)?;
            let value = self.operand(op, i)?;
            let cast = self.cast(value, to)?;
            self.ed.body.ops[op].operands[i] = cast;
        }
        self.fold_wide(op)
    }

    fn fold_wide(&mut self, op: OpId) -> Option<Visit> {
        use ElementwiseOp::{Add, And, Maximum, Minimum, Multiply, Or, Xor};
        let o = self.ed.body.ops[op].clone();
        let region = *o.regions.first()?;
        let (kind, _) = simple_op(self.ed.body, region)?;
        let result = self.tensor(self.ed.body.result(op)?)?;
        let dtype = result.dtype()?;
        let to = wide(dtype)?;
        let micro = region_op(self.ed.body, region).map(|micro| MicroId::op(micro, dtype));
        let same = match kind {
            Maximum | Minimum => true,
            // Sums and products modulo 256 agree modulo 16.
            Add | Multiply | And | Or | Xor => dtype.is_integer(),
            _ => false,
        };
        if !same || micro.is_some_and(|id| microhlo::Kernels::ALL.has_micro(id)) {
            return None;
        }
        let operands = o.operands.iter().map(|&v| self.cast(v, to)).collect::<Option<Vec<_>>>()?;
        let block = self.region(kind, to);
        let results = vec![result.with_dtype(to).into()];
        let new = self.ed.emit_op(o.kind, operands, results, vec![block], self.span);
        self.replace(op, *new.first()?)
    }

    /// A region that applies a binary operation to its two arguments.
    fn region(&mut self, kind: ElementwiseOp, dtype: DType) -> crate::ir::BlockId {
        let body = &mut *self.ed.body;
        let scalar = || crate::ir::Type::from(TensorType::scalar(dtype));
        let block = body.add_block();
        let args = vec![body.add_arg(block, scalar()), body.add_arg(block, scalar())];
        let op = body.append(block, kind.into(), args, vec![scalar()], self.span);
        let results = body.ops[op].results.clone();
        body.append(block, Return.into(), results, Vec::new(), self.span);
        block
    }
}

/// A constant in another element type.
fn converted(constant: &Constant, to: DType) -> Option<Constant> {
    use crate::ops::elementwise::convert_element;
    let ty = constant.ty.with_dtype(to);
    if let Some(bytes) = constant.splat_bytes() {
        let element = Element::decode(constant.ty.dtype()?, bytes);
        let scalar = Tensor::scalar(to, convert_element(element, to));
        return Some(Constant::splat(ty, scalar.bytes()));
    }
    let tensor = Tensor::from_constant(constant).ok()?;
    let elements = tensor.elements().map(|e| convert_element(e, to));
    Some(Tensor::from_elements(&ty, elements).ok()?.to_constant())
}
