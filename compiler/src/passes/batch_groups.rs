//! Convolutions whose batch falls into groups, as convolutions whose features do.

use super::rewrite::{Editor, Visit, rewrite};
use crate::ir::{Body, Dim, OpId, TensorType, ValueId};
use crate::ops::OpKind;
use crate::ops::convolution::Convolution;
use crate::ops::reshape::Reshape;
use crate::ops::transpose::Transpose;

/// Rewrites `batch_group_count = g` to `feature_group_count = g`: an output feature reads one group
/// of the batch, so the groups of the batch become groups of input features. Returns whether
/// anything changed. The order of additions stays.
pub fn batch_groups(body: &mut Body) -> bool {
    rewrite(body, |ed, op| {
        let OpKind::Convolution(c) = ed.body.ops[op].kind.clone() else { return Visit::Keep };
        let input = ed.body.ops[op].operands.first().copied();
        match input.and_then(|v| groups_to_features(ed, op, v, &c)) {
            Some(input) => {
                ed.body.ops[op].operands[0] = input;
                let (features, batches) = (c.batch_group_count, 1);
                let kind =
                    Convolution { feature_group_count: features, batch_group_count: batches, ..c };
                ed.body.ops[op].kind = kind.into();
                Visit::Keep
            }
            None => Visit::Keep,
        }
    })
}

/// `[.., g * n, .., c, ..]` with batch and features in place as `[.., n, .., g * c, ..]`.
fn groups_to_features(
    ed: &mut Editor<'_>,
    op: OpId,
    input: ValueId,
    c: &Convolution,
) -> Option<ValueId> {
    let groups = u64::try_from(c.batch_group_count).ok().filter(|&g| g > 1)?;
    let ty = ed.body.ty(input).tensor()?.clone();
    let sizes = ty.static_dims()?;
    let span = ed.body.ops[op].span;
    let (batch, feature) = (c.dims.input_batch as usize, c.dims.input_feature as usize);
    let with = |dims: Vec<u64>| TensorType {
        dims: dims.into_iter().map(Dim::Static).collect(),
        elem: ty.elem.clone(),
    };
    // The groups become a dimension before the batch, which moves before the features.
    let mut split = sizes.clone();
    split[batch] /= groups;
    split.insert(batch, groups);
    let position = |d: usize| if d < batch { d } else { d + 1 };
    let mut order: Vec<usize> = (0..sizes.len()).map(position).collect();
    order.insert(feature, batch);
    let moved: Vec<u64> = order.iter().map(|&d| split[d]).collect();
    let mut merged = sizes;
    merged[batch] /= groups;
    merged[feature] *= groups;
    let value = ed.emit(Reshape, vec![input], with(split), span);
    let permutation = order.iter().map(|&d| d as i64).collect();
    let value = ed.emit(Transpose { permutation }, vec![value], with(moved), span);
    Some(ed.emit(Reshape, vec![value], with(merged), span))
}
