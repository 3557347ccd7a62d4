//! Floats and the stored integers that stand for them.

use crate::ir::{QuantType, TensorType, index_along};

/// The stored integers nearest to elements of a tensor of this shape, in row-major order.
pub fn stored(ty: &TensorType, q: &QuantType, floats: &[f32]) -> Vec<i64> {
    let (least, most) = (q.storage_range.0 as f64, q.storage_range.1 as f64);
    per_element(ty, q, floats, |x, scale, zero| {
        (f64::from(x) / scale + zero as f64).clamp(least, most).round_ties_even() as i64
    })
}

/// The floats that stored integers of a tensor of this shape stand for.
pub fn floats(ty: &TensorType, q: &QuantType, stored: &[i64]) -> Vec<f32> {
    per_element(ty, q, stored, |n, scale, zero| ((n - zero) as f64 * scale) as f32)
}

/// Stored integers as the bytes of a constant.
pub fn bytes(q: &QuantType, stored: &[i64]) -> Vec<u8> {
    let size = q.storage.size();
    stored.iter().flat_map(|n| n.to_le_bytes().into_iter().take(size)).collect()
}

/// Applies a function of each element and its scale and zero point.
fn per_element<T: Copy, U>(
    ty: &TensorType,
    q: &QuantType,
    elements: &[T],
    f: impl Fn(T, f64, i64) -> U,
) -> Vec<U> {
    let sizes = ty.static_dims().unwrap_or_default();
    let axis = q.axis.map_or(sizes.len(), |a| a as usize);
    let channel = index_along(&sizes, axis);
    let parameter = |i: usize| channel(i) % q.scales.len();
    let at = |(i, &x)| f(x, q.scales[parameter(i)], q.zero_points[parameter(i)]);
    elements.iter().enumerate().map(at).collect()
}
