//! Decomposition of operations that are defined by simpler ones.

use microhlo_format::DType;

use super::rewrite::{Editor, Visit, rewrite};
use crate::ir::{Body, Constant, OpId, TensorType, ValueId};
use crate::ops::batch_norm_inference::BatchNormInference;
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::{ElementwiseOp, OpKind};

/// Replaces `batch_norm_inference` by the elementwise operations that the specification defines
/// it with, which fold into the convolution before it. Returns whether anything changed.
pub fn decompose(body: &mut Body) -> bool {
    rewrite(body, |ed, op| {
        let OpKind::BatchNormInference(norm) = ed.body.ops[op].kind.clone() else {
            return Visit::Keep;
        };
        match (batch_norm(ed, op, &norm), ed.body.result(op)) {
            (Some(new), Some(old)) => {
                ed.replace(old, new);
                Visit::Drop
            }
            _ => Visit::Keep,
        }
    })
}

/// `scale * ((operand - mean) / sqrt(variance + epsilon)) + offset`, in this order of roundings.
fn batch_norm(ed: &mut Editor<'_>, op: OpId, norm: &BatchNormInference) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let &[operand, scale, offset, mean, variance] = o.operands.as_slice() else { return None };
    let ty = ed.body.ty(operand).tensor()?.clone();
    let channel = ed.body.ty(variance).tensor()?.clone();
    ty.static_dims()?;
    let epsilon = match ty.dtype()? {
        DType::F32 => (norm.epsilon as f32).to_le_bytes().to_vec(),
        DType::F64 => norm.epsilon.to_le_bytes().to_vec(),
        _ => return None,
    };
    let dims = vec![norm.feature_index];
    let spread = |ed: &mut Editor<'_>, v: ValueId, ty: &TensorType| {
        ed.emit(BroadcastInDim { dims: dims.clone() }, vec![v], ty.clone(), o.span)
    };
    let binary = |ed: &mut Editor<'_>, e: ElementwiseOp, a, b, ty: &TensorType| {
        ed.emit(e, vec![a, b], ty.clone(), o.span)
    };
    let epsilon = ed.constant(Constant::splat(channel.clone(), &epsilon), o.span);
    let spread_variance = binary(ed, ElementwiseOp::Add, variance, epsilon, &channel);
    let deviation = ed.emit(ElementwiseOp::Sqrt, vec![spread_variance], channel, o.span);
    let mean = spread(ed, mean, &ty);
    let centred = binary(ed, ElementwiseOp::Subtract, operand, mean, &ty);
    let deviation = spread(ed, deviation, &ty);
    let normal = binary(ed, ElementwiseOp::Divide, centred, deviation, &ty);
    let scale = spread(ed, scale, &ty);
    let scaled = binary(ed, ElementwiseOp::Multiply, scale, normal, &ty);
    let offset = spread(ed, offset, &ty);
    Some(binary(ed, ElementwiseOp::Add, scaled, offset, &ty))
}
