//! What a contraction or reduction applies to each result before it is stored.

use microhlo_format::kernels::Activation;
use microhlo_format::{DType, MicroOp};

use super::facts::Facts;
use crate::ir::{OpId, ValueId};
use crate::ops::{ElementwiseOp, OpKind};

/// Bias and activation after a contraction, and the value that results.
#[derive(Clone, Debug)]
pub struct Epilogue {
    /// One value per output channel.
    pub bias: Option<Vec<f32>>,
    /// What follows.
    pub activation: Activation,
    /// The value that the fused kernel computes.
    pub result: ValueId,
}

/// A last operation with a constant on each element of a reduction.
#[derive(Clone, Copy, Debug)]
pub struct PostOp {
    /// The operation.
    pub op: OpId,
    /// The micro-operation.
    pub micro: MicroOp,
    /// Its second operand, a splat.
    pub operand: ValueId,
    /// The value that the fused kernel computes.
    pub result: ValueId,
}

/// Matches `add(y, bias)`, then `maximum(y, c)` or a clamp, behind a contraction. Also returns the
/// operations absorbed.
pub fn of_contraction(facts: &Facts<'_>, root: OpId) -> (Epilogue, Vec<OpId>) {
    let body = facts.body;
    let result = body.ops[root].results[0];
    let mut epilogue = Epilogue { bias: None, activation: Activation::None, result };
    let mut absorbed = Vec::new();
    let (Some(ty), Some((feature, channels))) = (body.ty(result).tensor(), feature(facts, root))
    else {
        return (epilogue, absorbed);
    };
    if ty.dtype() != Some(DType::F32) {
        return (epilogue, absorbed);
    }
    if let Some((user, other)) = commuted(facts, epilogue.result, ElementwiseOp::Add)
        && let Some(bias) = facts.per_channel(other, feature, channels)
    {
        epilogue.bias = Some(bias);
        epilogue.result = body.ops[user].results[0];
        absorbed.push(user);
    }
    activation(facts, &mut epilogue, &mut absorbed);
    (epilogue, absorbed)
}

/// Output channels of a contraction that the packed kernels execute.
fn feature(facts: &Facts<'_>, root: OpId) -> Option<(usize, usize)> {
    let op = &facts.body.ops[root];
    let result = facts.body.ty(op.results[0]).tensor()?;
    let dim = match &op.kind {
        OpKind::Convolution(c) if super::contraction::is_packed_conv(facts.body, root, c) => {
            c.dims.output_feature as usize
        }
        OpKind::DotGeneral(d) if super::contraction::is_packed_dot(facts.body, root, d) => {
            result.rank().checked_sub(1)?
        }
        _ => return None,
    };
    Some((dim, result.dims[dim].size()? as usize))
}

/// The only user of a value if it is this commutative operation, with its other operand.
fn commuted(facts: &Facts<'_>, value: ValueId, kind: ElementwiseOp) -> Option<(OpId, ValueId)> {
    let user = facts.only_user(value)?;
    match (&facts.body.ops[user].kind, facts.body.ops[user].operands.as_slice()) {
        (OpKind::Elementwise(e), &[a, b]) if *e == kind => {
            Some((user, if a == value { b } else { a }))
        }
        _ => None,
    }
}

fn activation(facts: &Facts<'_>, epilogue: &mut Epilogue, absorbed: &mut Vec<OpId>) {
    let body = facts.body;
    if let Some((user, bound)) = commuted(facts, epilogue.result, ElementwiseOp::Maximum)
        && let Some(min) = facts.splat_f32(bound).filter(|m| !m.is_nan())
    {
        epilogue.activation = Activation::Max { min };
        epilogue.result = body.ops[user].results[0];
        absorbed.push(user);
        if let Some((user, bound)) = commuted(facts, epilogue.result, ElementwiseOp::Minimum)
            && let Some(max) = facts.splat_f32(bound).filter(|m| !m.is_nan())
        {
            epilogue.activation = Activation::Clamp { min, max };
            epilogue.result = body.ops[user].results[0];
            absorbed.push(user);
        }
        return;
    }
    let Some(user) = facts.only_user(epilogue.result) else { return };
    if let (OpKind::Elementwise(ElementwiseOp::Clamp), &[low, x, high]) =
        (&body.ops[user].kind, body.ops[user].operands.as_slice())
        && x == epilogue.result
        && let (Some(min), Some(max)) = (facts.splat_f32(low), facts.splat_f32(high))
        && !min.is_nan()
        && !max.is_nan()
    {
        epilogue.activation = Activation::Clamp { min, max };
        epilogue.result = body.ops[user].results[0];
        absorbed.push(user);
    }
}

/// Matches `divide(y, c)` or `multiply(y, c)` with a splat behind a reduction, through reshapes.
pub fn of_reduction(facts: &Facts<'_>, root: OpId) -> Option<PostOp> {
    let body = facts.body;
    super::facts::simple_reduction(body, root)?;
    let mut value = body.result(root)?;
    let mut user = facts.only_user(value)?;
    while matches!(body.ops[user].kind, OpKind::Reshape(_)) {
        value = body.ops[user].results[0];
        user = facts.only_user(value)?;
    }
    let (OpKind::Elementwise(e), &[a, b]) =
        (&body.ops[user].kind, body.ops[user].operands.as_slice())
    else {
        return None;
    };
    let (micro, operand) = match e {
        ElementwiseOp::Divide if a == value => (MicroOp::divide, b),
        ElementwiseOp::Multiply if a == value => (MicroOp::multiply, b),
        ElementwiseOp::Multiply if b == value => (MicroOp::multiply, a),
        _ => return None,
    };
    facts.splat(operand)?;
    Some(PostOp { op: user, micro, operand, result: body.ops[user].results[0] })
}
