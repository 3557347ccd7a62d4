//! Batch normalisation, as the specification defines it in terms of simpler operations.

use crate::eval::Element;
use crate::ir::{OpId, TensorType, ValueId};
use crate::ops::ElementwiseOp::{Add, Divide, Multiply, Sqrt, Subtract};
use crate::ops::batch_norm_grad::BatchNormGrad;
use crate::ops::batch_norm_inference::BatchNormInference;
use crate::ops::batch_norm_training::BatchNormTraining;
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// What all three operations have: an operand with a feature dimension.
struct Norm<'e, 'b> {
    b: Build<'e, 'b>,
    operand: ValueId,
    ty: TensorType,
    dims: Vec<u64>,
    feature: i64,
    epsilon: f64,
}

impl<'e, 'b> Norm<'e, 'b> {
    fn new(ed: &'e mut Editor<'b>, op: OpId, feature: i64, epsilon: f64) -> Option<Self> {
        let o = &ed.body.ops[op];
        let (operand, span) = (*o.operands.first()?, o.span);
        let ty = ed.body.ty(operand).tensor()?.clone();
        let dims = ty.static_dims()?;
        ty.dtype().filter(|d| d.is_float())?;
        dims.get(usize::try_from(feature).ok()?)?;
        Some(Norm { b: Build::new(ed, span), operand, ty, dims, feature, epsilon })
    }

    /// One value per feature, repeated to the operand's shape.
    fn spread(&mut self, value: ValueId) -> Option<ValueId> {
        self.b.broadcast(value, &[self.feature], &self.dims)
    }

    /// The sum of each feature's elements.
    fn sum(&mut self, value: ValueId) -> Option<ValueId> {
        let others = (0..self.dims.len() as i64).filter(|&d| d != self.feature);
        let others: Vec<i64> = others.collect();
        self.b.sum(value, &others)
    }

    fn elements_per_feature(&self) -> i64 {
        let others = self.dims.iter().enumerate().filter(|(d, _)| *d as i64 != self.feature);
        others.map(|(_, &n)| n as i64).product()
    }

    fn mean(&mut self, value: ValueId) -> Option<ValueId> {
        let sum = self.sum(value)?;
        let ty = self.b.ty(sum)?;
        let divisor = self.b.number(&ty, self.elements_per_feature());
        self.b.same(Divide, &[sum, divisor])
    }

    /// `value + epsilon`.
    fn plus_epsilon(&mut self, value: ValueId) -> Option<ValueId> {
        let ty = self.b.ty(value)?;
        let epsilon = self.b.splat(&ty, Element::Float(self.epsilon));
        self.b.same(Add, &[value, epsilon])
    }

    /// `operand - mean`.
    fn centred(&mut self, mean: ValueId) -> Option<ValueId> {
        let mean = self.spread(mean)?;
        self.b.same(Subtract, &[self.operand, mean])
    }

    /// `scale * ((operand - mean) / sqrt(variance + epsilon)) + offset`, in this order of
    /// roundings.
    fn normalise(
        &mut self,
        scale: ValueId,
        offset: ValueId,
        mean: ValueId,
        variance: ValueId,
    ) -> Option<ValueId> {
        let spread = self.plus_epsilon(variance)?;
        let deviation = self.b.same(Sqrt, &[spread])?;
        let centred = self.centred(mean)?;
        let deviation = self.spread(deviation)?;
        let normal = self.b.same(Divide, &[centred, deviation])?;
        let scale = self.spread(scale)?;
        let scaled = self.b.same(Multiply, &[scale, normal])?;
        let offset = self.spread(offset)?;
        self.b.same(Add, &[scaled, offset])
    }
}

pub(super) fn inference(
    ed: &mut Editor<'_>,
    op: OpId,
    norm: &BatchNormInference,
) -> Option<ValueId> {
    let &[_, scale, offset, mean, variance] = ed.body.ops[op].operands.as_slice() else {
        return None;
    };
    Norm::new(ed, op, norm.0.feature_index, norm.0.epsilon)?
        .normalise(scale, offset, mean, variance)
}

/// The normalised operand, the mean and the variance of each feature.
pub(super) fn training(
    ed: &mut Editor<'_>,
    op: OpId,
    norm: &BatchNormTraining,
) -> Option<Vec<ValueId>> {
    let &[operand, scale, offset] = ed.body.ops[op].operands.as_slice() else { return None };
    let mut n = Norm::new(ed, op, norm.0.feature_index, norm.0.epsilon)?;
    let mean = n.mean(operand)?;
    let centred = n.centred(mean)?;
    let squares = n.b.same(Multiply, &[centred, centred])?;
    let variance = n.mean(squares)?;
    Some(vec![n.normalise(scale, offset, mean, variance)?, mean, variance])
}

/// The gradients of operand, scale and offset, with the names of the specification.
pub(super) fn gradient(
    ed: &mut Editor<'_>,
    op: OpId,
    norm: &BatchNormGrad,
) -> Option<Vec<ValueId>> {
    let &[_, scale, mean, variance, grad_output] = ed.body.ops[op].operands.as_slice() else {
        return None;
    };
    let mut n = Norm::new(ed, op, norm.0.feature_index, norm.0.epsilon)?;
    let centred = n.centred(mean)?;
    let variance = n.plus_epsilon(variance)?;
    let deviation = n.b.same(Sqrt, &[variance])?;
    let (variance, deviation) = (n.spread(variance)?, n.spread(deviation)?);
    let normal = n.b.same(Divide, &[centred, deviation])?;
    let count = n.elements_per_feature();
    let count = n.b.number(&n.ty.clone(), count);

    let grad_offset = n.sum(grad_output)?;
    let weighted = n.b.same(Multiply, &[grad_output, normal])?;
    let grad_scale = n.sum(weighted)?;

    let i1 = n.b.same(Multiply, &[grad_output, count])?;
    let i2 = n.spread(grad_offset)?;
    let products = n.b.same(Multiply, &[grad_output, centred])?;
    let i3 = n.sum(products)?;
    let i3 = n.spread(i3)?;
    let i4 = n.b.same(Multiply, &[i3, centred])?;
    let i5 = n.b.same(Divide, &[i4, variance])?;
    let i6 = n.b.same(Subtract, &[i1, i2])?;
    let i6 = n.b.same(Subtract, &[i6, i5])?;
    let scale = n.spread(scale)?;
    let factor = n.b.same(Divide, &[scale, deviation])?;
    let factor = n.b.same(Divide, &[factor, count])?;
    let grad_operand = n.b.same(Multiply, &[factor, i6])?;
    Some(vec![grad_operand, grad_scale, grad_offset])
}
