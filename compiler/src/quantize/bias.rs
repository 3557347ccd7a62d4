//! Corrected biases as constants of a program.

use std::collections::HashMap;

use super::plan::Layer;
use super::simulate::Bias;
use crate::diag::Span;
use crate::ir::{Body, Constant, Func, OpId, ValueId};
use crate::lower::facts::Constants;
use crate::ops::ElementwiseOp;
use crate::ops::broadcast_in_dim::BroadcastInDim;

/// Adds numbers to the layers' sums: to the biases that they have, or as one. Returns the sums that
/// replace others.
pub fn apply(
    func: &mut Func,
    layers: &[Layer],
    biases: &HashMap<ValueId, Bias>,
) -> HashMap<ValueId, ValueId> {
    let mut replaced = HashMap::new();
    for layer in layers {
        let Some(weights) = layer.weights else { continue };
        let sums = func.body.ops[layer.root].results[0];
        let Some(bias) = biases.get(&sums) else { continue };
        match weights.bias {
            Some(op) => {
                if let Some(old) = old_bias(&func.body, op, sums, bias) {
                    let numbers = old.iter().zip(&bias.numbers).map(|(a, b)| a + b).collect();
                    replace(func, op, sums, &Bias { dim: bias.dim, numbers });
                }
            }
            None => {
                let new = added(func, layer.root, sums, bias);
                replaced.insert(sums, new);
            }
        }
    }
    replaced
}

/// Makes an addition to `sums` one of other numbers.
pub fn replace(func: &mut Func, op: OpId, sums: ValueId, bias: &Bias) {
    let other = broadcast(func, op, sums, bias);
    for operand in &mut func.body.ops[op].operands {
        *operand = if *operand == sums { sums } else { other };
    }
}

fn old_bias(body: &Body, op: OpId, sums: ValueId, bias: &Bias) -> Option<Vec<f32>> {
    let other = body.ops[op].operands.iter().find(|&&v| v != sums)?;
    Constants { body }.per_channel(*other, bias.dim, bias.numbers.len())
}

/// Numbers in the shape of a value, before an operation.
fn broadcast(func: &mut Func, before: OpId, like: ValueId, bias: &Bias) -> ValueId {
    let span = func.body.ops[before].span;
    let constant = Constant::f32s(&[bias.numbers.len() as u64], &bias.numbers);
    let (vector, ty) = (constant.ty.clone(), func.body.ty(like).clone());
    let kind = crate::ops::constant::Constant { value: constant.into() };
    let constant =
        func.body.make_op(kind.into(), Vec::new(), vec![vector.into()], Vec::new(), span);
    let from = func.body.ops[constant].results.clone();
    let kind = BroadcastInDim { dims: vec![bias.dim as i64] };
    let spread = func.body.make_op(kind.into(), from, vec![ty], Vec::new(), span);
    insert(func, before, &[constant, spread], 0);
    func.body.ops[spread].results[0]
}

/// Puts operations into the entry block, at a distance from another.
fn insert(func: &mut Func, at: OpId, new: &[OpId], distance: usize) {
    let block = &mut func.body.blocks[func.body.entry];
    let place = block.ops.iter().position(|&op| op == at).map_or(0, |i| i + distance);
    block.ops.splice(place..place, new.iter().copied());
}

/// The sum of a value and a bias, which all users of the value use instead.
fn added(func: &mut Func, root: OpId, sums: ValueId, bias: &Bias) -> ValueId {
    let span: Span = func.body.ops[root].span;
    let spread = broadcast(func, root, sums, bias);
    let ty = func.body.ty(sums).clone();
    let kind = ElementwiseOp::Add;
    let add = func.body.make_op(kind.into(), vec![sums, spread], vec![ty], Vec::new(), span);
    let new = func.body.ops[add].results[0];
    func.body.replace_uses(&HashMap::from([(sums, new)]));
    func.body.ops[add].operands[0] = sums;
    insert(func, root, &[add], 1);
    new
}
