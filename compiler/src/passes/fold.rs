//! Constant folding by the evaluator.

use std::collections::{BTreeSet, HashSet};

use super::rewrite::{Visit, rewrite};
use crate::eval::{Evaluator, Tensor};
use crate::ir::{Body, Constant, Module, OpId, TensorType, ValueId};
use crate::ops::{ElementwiseOp, OpKind};

/// Largest result that is folded although it is larger than what it is computed from, in bytes.
const MAX_GROWTH_BYTES: u64 = 256;

/// Largest result of an operation without operands that is folded, in bytes.
pub(super) const MAX_TABLE_BYTES: u64 = 64 << 10;

/// Evaluation steps after which an operation is left to the device, so that compilation ends.
const MAX_STEPS: u64 = 100_000_000;

/// The same for a loop, which may never end and is tried in every round of the passes.
const MAX_LOOP_STEPS: u64 = 2_000_000;

/// Evaluates operations whose operands are all constants.
///
/// Splats stay splats. Nothing is folded that would grow the constants: a broadcast of a bias
/// stays a broadcast, which kernels read by stride.
pub fn fold_constants(body: &mut Body) -> bool {
    let module = Module::default();
    rewrite(body, |editor, op| match fold(editor.body, &module, op) {
        Some(values) => {
            let span = editor.body.ops[op].span;
            let results = editor.body.ops[op].results.clone();
            for (old, value) in results.into_iter().zip(values) {
                let new = editor.constant(value, span);
                editor.replace(old, new);
            }
            Visit::Drop
        }
        None => Visit::Keep,
    })
}

fn fold(body: &Body, module: &Module, op: OpId) -> Option<Vec<Constant>> {
    let o = &body.ops[op];
    let foldable = !matches!(
        o.kind,
        OpKind::Constant(_) | OpKind::CustomCall(_) | OpKind::Return(_) | OpKind::FuncReturn(_)
    ) && !o.kind.name().starts_with("check.");
    if !foldable || o.results.is_empty() {
        return None;
    }
    let outside = captured(body, op)?;
    let inputs: Option<Vec<&Constant>> =
        o.operands.iter().map(|&v| body.constant(v).map(|c| &**c)).collect();
    let Some(inputs) = inputs else { return fold_made(body, module, op, outside) };
    if let Some(value) = fold_splat(body, module, op, &inputs) {
        return Some(vec![value]);
    }
    let read: u64 = inputs.iter().filter_map(|c| c.ty.bytes()).sum();
    let written: u64 = o.results.iter().filter_map(|&v| body.ty(v).tensor()?.bytes()).sum();
    // Indices have no kernel, so a table of them is worth its flash.
    let read = if o.operands.is_empty() { MAX_TABLE_BYTES } else { read };
    // A broadcast is a view: folding it would hide from the kernels that a value is per channel.
    let view = matches!(o.kind, OpKind::BroadcastInDim(_));
    if written > if view { read } else { read.max(MAX_GROWTH_BYTES) } {
        return None;
    }
    let tensors: Vec<Tensor> =
        inputs.iter().map(|c| Tensor::from_constant(c)).collect::<Result<_, _>>().ok()?;
    let control = matches!(o.kind, OpKind::While(_) | OpKind::If(_) | OpKind::Case(_));
    let budget = if control { MAX_LOOP_STEPS } else { MAX_STEPS };
    let out = Evaluator::with_budget(module, budget).fold(body, op, &tensors, outside).ok()?;
    Some(out.iter().map(Tensor::to_constant).collect())
}

/// Folds operations on what is made of constants and is not folded itself, as that would make them
/// larger: a reduction of converted ones, such as the sum of weights, and an elementwise operation
/// on one that is as large as the result, and broadcasts.
fn fold_made(
    body: &Body,
    module: &Module,
    op: OpId,
    outside: Vec<(ValueId, Tensor)>,
) -> Option<Vec<Constant>> {
    let o = &body.ops[op];
    let wanted = |kind: &OpKind| match o.kind {
        OpKind::Reduce(_) => *kind == ElementwiseOp::Convert.into(),
        OpKind::Elementwise(_) => matches!(kind, OpKind::BroadcastInDim(_)),
        _ => false,
    };
    let tensors: Option<Vec<Tensor>> = o
        .operands
        .iter()
        .map(|&v| {
            if let Some(c) = body.constant(v) {
                return Tensor::from_constant(c).ok();
            }
            let making = body.def_op(v)?;
            let made = &body.ops[making];
            let c = body.constant(*made.operands.first().filter(|_| wanted(&made.kind))?)?;
            let tensor = Tensor::from_constant(c).ok()?;
            let mut evaluator = Evaluator::with_budget(module, MAX_STEPS);
            evaluator.fold(body, making, &[tensor], Vec::new()).ok()?.pop()
        })
        .collect();
    let dense = |c: &Constant| c.splat_bytes().is_none().then(|| c.ty.bytes()).flatten();
    let constants = o.operands.iter().filter_map(|&v| body.constant(v));
    let largest = constants.filter_map(|c| dense(c)).max().unwrap_or(0);
    let out = Evaluator::with_budget(module, MAX_STEPS).fold(body, op, &tensors?, outside).ok()?;
    let read: u64 = o.operands.iter().filter_map(|&v| body.ty(v).tensor()?.bytes()).sum();
    let size = out.iter().map(|t| t.bytes().len() as u64).max()?;
    (size <= largest || size < read / 8).then(|| out.iter().map(Tensor::to_constant).collect())
}

/// What the regions of an operation use from outside it, if all of that is constant.
fn captured(body: &Body, op: OpId) -> Option<Vec<(ValueId, Tensor)>> {
    let mut inside: HashSet<ValueId> = HashSet::new();
    let mut used: BTreeSet<ValueId> = BTreeSet::new();
    for &region in &body.ops[op].regions {
        inside.extend(&body.blocks[region].args);
        for inner in body.walk(region) {
            inside.extend(&body.ops[inner].results);
            used.extend(&body.ops[inner].operands);
            for &block in &body.ops[inner].regions {
                inside.extend(&body.blocks[block].args);
            }
        }
    }
    let outside = used.into_iter().filter(|v| !inside.contains(v));
    outside.map(|v| Some((v, Tensor::from_constant(body.constant(v)?).ok()?))).collect()
}

/// Folds an elementwise operation on splats, or a broadcast of one, to a splat.
fn fold_splat(body: &Body, module: &Module, op: OpId, inputs: &[&Constant]) -> Option<Constant> {
    let o = &body.ops[op];
    let result = body.ty(body.result(op)?).tensor()?;
    if inputs.is_empty() {
        return None;
    }
    let elements: Vec<&[u8]> = inputs.iter().map(|c| c.splat_bytes()).collect::<Option<_>>()?;
    match &o.kind {
        OpKind::BroadcastInDim(_)
        | OpKind::Reshape(_)
        | OpKind::Transpose(_)
        | OpKind::Slice(_)
        | OpKind::Reverse(_) => Some(Constant::splat(result.clone(), elements[0])),
        OpKind::Elementwise(_) | OpKind::Compare(_) => {
            // One element through the same operation, then spread again.
            let scalar = |t: &TensorType| TensorType { dims: Vec::new(), elem: t.elem.clone() };
            let mut tiny = Body::new();
            let mut operands = Vec::new();
            let mut tensors = Vec::new();
            for (c, e) in inputs.iter().zip(&elements) {
                let ty = scalar(&c.ty);
                operands.push(tiny.add_arg(tiny.entry, ty.clone().into()));
                tensors.push(Tensor::from_bytes(&ty, e.to_vec()).ok()?);
            }
            let ty = scalar(result).into();
            let one = tiny.make_op(o.kind.clone(), operands, vec![ty], Vec::new(), o.span);
            let out = Evaluator::new(module).fold(&tiny, one, &tensors, Vec::new()).ok()?;
            Some(Constant::splat(result.clone(), out.first()?.bytes()))
        }
        _ => None,
    }
}
