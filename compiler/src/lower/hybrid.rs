//! Weights that a program stores as 8-bit integers and multiplies with scales when it runs.

use microhlo_format::kernels::{ConvF32, HybridF32};
use microhlo_format::{DType, Kernel};

use super::facts::{Constants, Facts};
use super::program::Ref;
use super::{Lowered, Lowerer, cluster};
use crate::ir::{Body, Constant, OpId, ValueId};
use crate::ops::{ElementwiseOp, OpKind};

/// The multiplication that makes floats of constant bytes, the conversion before it, and the
/// scales, which vary along the last dimension at most.
pub struct Dequantised<'b> {
    /// The bytes.
    pub weights: &'b Constant,
    /// What they are multiplied with.
    pub scales: ValueId,
    /// The operations.
    pub ops: [OpId; 2],
}

/// The bytes behind float weights, if they are made of them.
pub fn dequantised(body: &Body, value: ValueId) -> Option<Dequantised<'_>> {
    let elementwise = |value: ValueId, kind: ElementwiseOp| {
        let op = body.def_op(value)?;
        matches!(body.ops[op].kind, OpKind::Elementwise(e) if e == kind).then_some(op)
    };
    let product = elementwise(value, ElementwiseOp::Multiply)?;
    let &[a, b] = body.ops[product].operands.as_slice() else { return None };
    let converted = |v: ValueId| elementwise(v, ElementwiseOp::Convert);
    let (convert, scales) = match (converted(a), converted(b)) {
        (Some(convert), _) => (convert, b),
        (_, Some(convert)) => (convert, a),
        _ => return None,
    };
    let weights = body.constant(*body.ops[convert].operands.first()?)?;
    let narrow = weights.ty.dtype() == Some(DType::I8);
    let float = cluster::dtype(body, value) == Some(DType::F32);
    let dims = &body.ty(value).tensor()?.dims;
    let channels = usize::try_from(dims.last()?.size()?).ok()?;
    let known = scales_of(body, scales, channels).is_some();
    (narrow && float && known).then_some(Dequantised { weights, scales, ops: [product, convert] })
}

/// Scales that vary along the last dimension at most.
fn scales_of(body: &Body, value: ValueId, channels: usize) -> Option<Vec<f32>> {
    let dim = body.ty(value).tensor()?.rank().checked_sub(1)?;
    Constants { body }.per_channel(value, dim, channels)
}

/// The operations that make floats of the weights of a contraction, if nothing else needs them.
pub fn absorbed(facts: &Facts<'_>, root: OpId) -> Vec<OpId> {
    let operands = &facts.body.ops[root].operands;
    let made = operands.get(1).and_then(|&v| dequantised(facts.body, v));
    let private = |op: &OpId| facts.body.result(*op).is_some_and(|v| facts.only_user(v).is_some());
    made.map_or(Vec::new(), |d| if d.ops.iter().all(private) { d.ops.to_vec() } else { Vec::new() })
}

impl Lowerer<'_> {
    /// The step of a convolution whose weights are bytes, packed, with a scale for each channel.
    pub(super) fn hybrid_step(
        &mut self,
        conv: ConvF32<Ref>,
        scales: ValueId,
        depthwise: bool,
        op: OpId,
    ) -> Lowered<()> {
        let channels = conv.out_c as usize;
        let mut scales =
            scales_of(self.body, scales, channels).ok_or_else(|| super::too_deep(self.span(op)))?;
        scales.resize(channels.next_multiple_of(8), 0.0);
        let scales = self.f32_constant(&scales);
        let params = HybridF32 { conv, scales, scratch: conv.input, depthwise };
        let scratch = self.scratch_i8(&Kernel::hybrid_f32(params), op)?;
        self.step(Kernel::hybrid_f32(HybridF32 { scratch, ..params }), op);
        Ok(())
    }
}
