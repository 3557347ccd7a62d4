//! Batch-norm folding: a chain of per-channel affine operations after a convolution or matrix
//! product with constant weights becomes part of the weights (of their scales, if they are bytes) and
//! one bias.
//!
//! This is the one pass that changes roundings: `(conv(x, w) - m) * s + b` becomes
//! `conv(x, w * s) + (b - m * s)`.

use std::sync::Arc;

use microhlo_format::DType;

use super::rewrite::rewrite;
use super::rewrite::{Editor, Visit};
use crate::ir::{Body, Constant, EntityId, OpId, ValueId, index_along};
use crate::lower::hybrid;
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::{ElementwiseOp, OpKind};

/// Folds every such chain of at least one multiplication. Returns whether anything changed.
pub fn fold_batch_norm(body: &mut Body) -> bool {
    let uses = body.use_counts();
    let users = users(body);
    let mut skip: std::collections::HashSet<OpId> = Default::default();
    rewrite(body, |ed, op| {
        if skip.contains(&op) {
            return Visit::Keep;
        }
        let Some(chain) = Chain::find(ed.body, &uses, &users, op) else { return Visit::Keep };
        skip.extend(&chain.ops);
        chain.apply(ed, op)
    })
}

/// The operation that uses each value, for values that are used once.
fn users(body: &Body) -> Vec<Option<OpId>> {
    let mut users = vec![None; body.values.len()];
    for op in body.walk(body.entry) {
        for &v in &body.ops[op].operands {
            users[v.index()] = Some(op);
        }
    }
    users
}

/// Where the output channels are in result and weights.
#[derive(Clone, Copy)]
struct Feature {
    result_dim: usize,
    weight_dim: usize,
    channels: usize,
}

/// `scale * y + shift`, per channel.
struct Chain {
    feature: Feature,
    ops: Vec<OpId>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    last: ValueId,
}

impl Chain {
    fn find(body: &Body, uses: &[u32], users: &[Option<OpId>], root: OpId) -> Option<Chain> {
        let feature = feature(body, root)?;
        let weights = *body.ops[root].operands.get(1)?;
        match body.constant(weights) {
            Some(c) => (c.ty.dtype() == Some(DType::F32)).then_some(())?,
            None => drop(scales(body, weights, &feature)?),
        }
        let channels = feature.channels;
        let mut chain = Chain {
            feature,
            ops: Vec::new(),
            scale: vec![1.0; channels],
            shift: vec![0.0; channels],
            last: body.result(root)?,
        };
        let mut multiplied = false;
        while uses.get(chain.last.index()) == Some(&1) {
            let Some(user) = users[chain.last.index()] else { break };
            let Some(scaled) = chain.step(body, user) else { break };
            multiplied |= scaled;
            chain.ops.push(user);
            chain.last = body.result(user)?;
        }
        multiplied.then_some(chain)
    }

    /// Takes one operation into the chain; returns whether it multiplies.
    fn step(&mut self, body: &Body, user: OpId) -> Option<bool> {
        let OpKind::Elementwise(e) = body.ops[user].kind else { return None };
        let &[a, b] = body.ops[user].operands.as_slice() else { return None };
        let reversed = b == self.last;
        let c = per_channel(body, if reversed { a } else { b }, &self.feature)?;
        let pairs = self.scale.iter_mut().zip(&mut self.shift).zip(c);
        match (e, reversed) {
            (ElementwiseOp::Add, _) => pairs.for_each(|((_, t), c)| *t += c),
            (ElementwiseOp::Subtract, false) => pairs.for_each(|((_, t), c)| *t -= c),
            (ElementwiseOp::Subtract, true) => pairs.for_each(|((s, t), c)| {
                *s = -*s;
                *t = c - *t;
            }),
            (ElementwiseOp::Multiply, _) => pairs.for_each(|((s, t), c)| {
                *s *= c;
                *t *= c;
            }),
            (ElementwiseOp::Divide, false) => pairs.for_each(|((s, t), c)| {
                *s /= c;
                *t /= c;
            }),
            _ => return None,
        }
        Some(matches!(e, ElementwiseOp::Multiply | ElementwiseOp::Divide))
    }

    fn apply(self, ed: &mut Editor<'_>, root: OpId) -> Visit {
        let op = ed.body.ops[root].clone();
        let old = ed.body.constant(op.operands[1]).cloned();
        let weights = match old {
            Some(old) => self.scale_weights(&old).map(|scaled| ed.constant(scaled, op.span)),
            None => self.scale_scales(ed, op.operands[1]),
        };
        let (Some(weights), Some(result)) = (weights, ed.body.ty(op.results[0]).tensor().cloned())
        else {
            return Visit::Keep;
        };
        let root_value = ed.emit(op.kind, vec![op.operands[0], weights], result.clone(), op.span);
        let shift = Constant::f32s(&[self.feature.channels as u64], &self.shift);
        let bias = ed.constant(shift, op.span);
        let dims = BroadcastInDim { dims: vec![self.feature.result_dim as i64] };
        let bias = ed.emit(dims, vec![bias], result.clone(), op.span);
        let sum = ed.emit(ElementwiseOp::Add, vec![root_value, bias], result, op.span);
        ed.replace(self.last, sum);
        Visit::Drop
    }

    fn scale_weights(&self, old: &Arc<Constant>) -> Option<Constant> {
        let mut values = old.to_f32s()?;
        let dims = old.ty.static_dims()?;
        let channel = index_along(&dims, self.feature.weight_dim);
        for (i, v) in values.iter_mut().enumerate() {
            *v *= self.scale[channel(i)];
        }
        Some(Constant::f32s(&dims, &values))
    }
}

impl Chain {
    /// Weights that are made of bytes, with scales times these.
    fn scale_scales(&self, ed: &mut Editor<'_>, weights: ValueId) -> Option<ValueId> {
        let (bytes, mut values) = scales(ed.body, weights, &self.feature)?;
        values.iter_mut().zip(&self.scale).for_each(|(v, s)| *v *= s);
        let ty = ed.body.ty(weights).tensor()?.clone();
        let span = ed.body.ops[ed.body.def_op(weights)?].span;
        let scales = ed.constant(Constant::f32s(&[values.len() as u64], &values), span);
        let dims = BroadcastInDim { dims: vec![self.feature.weight_dim as i64] };
        let scales = ed.emit(dims, vec![scales], ty.clone(), span);
        Some(ed.emit(ElementwiseOp::Multiply, vec![bytes, scales], ty, span))
    }
}

/// The converted bytes that weights are made of, and the scales of output features.
fn scales(body: &Body, weights: ValueId, feature: &Feature) -> Option<(ValueId, Vec<f32>)> {
    let made = hybrid::dequantised(body, weights)?;
    let at = Feature { result_dim: feature.weight_dim, ..*feature };
    Some((body.result(made.ops[1])?, per_channel(body, made.scales, &at)?))
}

fn feature(body: &Body, root: OpId) -> Option<Feature> {
    let op = &body.ops[root];
    let weights = body.ty(*op.operands.get(1)?).tensor()?;
    let result = body.ty(body.result(root)?).tensor()?;
    let (result_dim, weight_dim) = match &op.kind {
        OpKind::Convolution(c) if c.batch_group_count == 1 => {
            (c.dims.output_feature as usize, c.dims.kernel_output_feature as usize)
        }
        // The free dimension of the right-hand side comes last in the result.
        OpKind::DotGeneral(d)
            if d.rhs_batching.is_empty() && d.rhs_contracting.len() + 1 == weights.rank() =>
        {
            let free = (0..weights.rank()).find(|&i| !d.rhs_contracting.contains(&(i as i64)))?;
            (result.rank().checked_sub(1)?, free)
        }
        _ => return None,
    };
    let channels = result.dims[result_dim].size()? as usize;
    Some(Feature { result_dim, weight_dim, channels })
}

/// The values of a constant that varies along the feature dimension only.
fn per_channel(body: &Body, value: ValueId, feature: &Feature) -> Option<Vec<f32>> {
    if let Some(c) = body.constant(value) {
        let one = c.splat_bytes()?;
        let v = f32::from_le_bytes(one.try_into().ok()?);
        return (c.ty.dtype() == Some(DType::F32)).then(|| vec![v; feature.channels]);
    }
    let def = &body.ops[body.def_op(value)?];
    let OpKind::BroadcastInDim(b) = &def.kind else { return None };
    let c = body.constant(def.operands[0])?;
    // Every dimension but the one mapped to the features has size one.
    let ok =
        c.ty.dims
            .iter()
            .zip(&b.dims)
            .all(|(size, &d)| size.size() == Some(1) || d as usize == feature.result_dim);
    let values = c.to_f32s()?;
    if !ok {
        return None;
    }
    match values.len() {
        1 => Some(vec![values[0]; feature.channels]),
        n if n == feature.channels => Some(values),
        _ => None,
    }
}
