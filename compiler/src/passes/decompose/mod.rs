//! Decomposition of operations that are defined by simpler ones.
//!
//! The evaluator computes these operations through [`evaluate`], so that a decomposition is the
//! only definition of its operation.

mod batch_norm;
pub mod custom;
mod einsum;
mod factor;
mod iota;
mod jacobi;
#[cfg(test)]
mod linalg_tests;
mod linear;
mod map;
mod matrix;
mod rng;
mod select;
mod spatial;
#[cfg(test)]
mod tests;

use std::ops::RangeFrom;

use super::rewrite::{Editor, Visit, rewrite};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Body, Dim, OpId, TensorType, Type, ValueId};
use crate::ops::attrs::dense_ints;
use crate::ops::dynamic_conv::DynamicConv;
use crate::ops::func::FuncReturn;
use crate::ops::{OpKind, OpView};

/// Most rounds: decompositions may consist of operations that decompose further.
const MAX_ROUNDS: usize = 4;

/// Replaces operations that are defined by simpler ones. What it cannot replace stays: shapes must
/// be static. Returns whether anything changed.
pub fn decompose(body: &mut Body) -> bool {
    decompose_from(body, 0)
}

/// The same for a body whose first `rng` is number `first` of its program.
fn decompose_from(body: &mut Body, first: u64) -> bool {
    let mut streams = first..;
    let mut once = |body: &mut Body| {
        rewrite(body, |ed, op| {
            let Some(new) = expand(ed, op, &mut streams) else { return Visit::Keep };
            let old = ed.body.ops[op].results.clone();
            for (old, new) in old.into_iter().zip(new) {
                ed.replace(old, new);
            }
            Visit::Drop
        })
    };
    let mut changed = false;
    for _ in 0..MAX_ROUNDS {
        if !once(body) {
            break;
        }
        changed = true;
    }
    changed
}

/// The values that replace an operation's results.
fn expand(ed: &mut Editor<'_>, op: OpId, streams: &mut RangeFrom<u64>) -> Option<Vec<ValueId>> {
    let one = |value: Option<ValueId>| value.map(|v| vec![v]);
    match ed.body.ops[op].kind.clone() {
        OpKind::BatchNormInference(norm) => one(batch_norm::inference(ed, op, &norm)),
        OpKind::BatchNormTraining(norm) => batch_norm::training(ed, op, &norm),
        OpKind::BatchNormGrad(norm) => batch_norm::gradient(ed, op, &norm),
        OpKind::Einsum(einsum) => one(einsum::binary(ed, op, &einsum.config)),
        OpKind::UnaryEinsum(einsum) => one(einsum::unary(ed, op, &einsum.config)),
        OpKind::TorchIndexSelect(select) => one(select::torch_index_select(ed, op, &select)),
        OpKind::SetDimensionSize(set) => one(select::set_dimension_size(ed, op, &set)),
        OpKind::RngBitGenerator(rng) => rng::bits(ed, op, rng.algorithm),
        OpKind::Rng(rng) => one(rng::distributed(ed, op, rng.distribution, streams.next()?)),
        OpKind::Cholesky(_) | OpKind::TriangularSolve(_) => one(linear::widened(ed, op)),
        OpKind::DynamicConv(conv) => one(dynamic_conv(ed, op, &conv)),
        OpKind::Convolution(conv) => one(spatial::reduced(ed, op, &conv)),
        OpKind::CustomCall(call) => custom::expand(ed, op, &call),
        OpKind::Iota(iota) => one(iota::large(ed, op, &iota)),
        OpKind::Map(_) => one(map::inline(ed, op)),
        _ => None,
    }
}

/// A convolution, if the padding is constant.
fn dynamic_conv(ed: &mut Editor<'_>, op: OpId, conv: &DynamicConv) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let &[lhs, rhs, padding] = o.operands.as_slice() else { return None };
    let padding = dense_ints(ed.body.constant(padding)?)?;
    let ty = ed.body.ty(*o.results.first()?).clone();
    ty.tensor()?.static_dims()?;
    Some(ed.emit(conv.with_padding(&padding), vec![lhs, rhs], ty, o.span))
}

/// Evaluates an operation without regions by evaluating what it decomposes into.
///
/// # Errors
/// The operation does not decompose for these operands, or its parts cannot be evaluated.
pub fn evaluate(
    op: &OpView<'_>,
    inputs: &[Tensor],
    evaluator: &mut Evaluator<'_>,
) -> Result<Vec<Tensor>, EvalError> {
    let (mut body, whole) = alone(op, inputs);
    let view = OpView { body: &body, op: &body.ops[whole] };
    if let Some(types) = op.op.kind.infer(&view)? {
        for (value, ty) in body.ops[whole].results.clone().into_iter().zip(types) {
            body.values[value].ty = ty;
        }
    }
    decomposed(body, whole, 0, inputs, evaluator)
}

/// Evaluates an `rng` whose shape operand gives these dimensions.
///
/// # Errors
/// Such numbers are not defined.
pub fn random(
    op: &OpView<'_>,
    inputs: &[Tensor],
    dims: Vec<Dim>,
    evaluator: &mut Evaluator<'_>,
) -> Result<Vec<Tensor>, EvalError> {
    let (mut body, whole) = alone(op, inputs);
    for value in body.ops[whole].results.clone() {
        let elem = inputs[0].ty().elem.clone();
        body.values[value].ty = TensorType { dims: dims.clone(), elem }.into();
    }
    let random = |id: &OpId| matches!(op.body.ops[*id].kind, OpKind::Rng(_));
    let all = op.body.walk(op.body.entry).into_iter().filter(random);
    let before = all.take_while(|&id| op.body.ops[id].results != op.op.results).count();
    decomposed(body, whole, before as u64, inputs, evaluator)
}

/// A body of this operation on arguments of the inputs' types, which returns its results.
fn alone(op: &OpView<'_>, inputs: &[Tensor]) -> (Body, OpId) {
    let mut body = Body::new();
    let entry = body.entry;
    let args = inputs.iter().map(|t| body.add_arg(entry, t.ty().clone().into())).collect();
    let declared: Vec<Type> = op.op.results.iter().map(|&v| op.body.ty(v).clone()).collect();
    let whole = body.append(entry, op.op.kind.clone(), args, declared, op.op.span);
    body.ops[whole].attrs = op.op.attrs.clone();
    let results = body.ops[whole].results.clone();
    body.append(entry, FuncReturn.into(), results, Vec::new(), op.op.span);
    (body, whole)
}

/// Decomposes a body's one operation and evaluates what becomes of it.
fn decomposed(
    mut body: Body,
    whole: OpId,
    stream: u64,
    inputs: &[Tensor],
    evaluator: &mut Evaluator<'_>,
) -> Result<Vec<Tensor>, EvalError> {
    decompose_from(&mut body, stream);
    let entry = body.entry;
    if body.blocks[entry].ops.contains(&whole) {
        let types: Vec<String> = inputs.iter().map(|t| t.ty().to_string()).collect();
        let why = format!("operands of types {}", types.join(", "));
        return Err(EvalError::unsupported(body.ops[whole].kind.name(), why));
    }
    evaluator.body(&body, inputs)
}
