//! Contractions, transforms and linear algebra.

use arbitrary::Result;
use microhlo_format::DType;

use super::{Builder, Generator, MAX_ELEMENTS, Ty};

/// All generators of this family.
pub(super) const ALL: &[Generator] = &[dot, dot_constant, convolution, fft, triangular_solve];

/// Whether contractions may appear: a constant factor could be folded into constant weights.
fn allowed(b: &Builder<'_, '_>, dtype: DType) -> bool {
    dtype.is_integer() || !b.constants
}

fn dot(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| t.dims.len() == 2)? else { return Ok(false) };
    if !allowed(b, x.ty.dtype) {
        return Ok(false);
    }
    let n = b.u.int_in_range(1..=5u64)?;
    let contract = b.u.int_in_range(0..=1usize)?;
    let k = x.ty.dims[contract];
    let y = b.like(&x.ty.with_dims(vec![k, n]))?;
    let ty = x.ty.with_dims(vec![x.ty.dims[1 - contract], n]);
    let text = format!(
        "stablehlo.dot_general {x}, {y}, contracting_dims = [{contract}] x [0] : ({}, {}) -> {ty}",
        x.ty, y.ty
    );
    b.define(ty, text);
    Ok(true)
}

/// A product with constant weights, which kernels lay out for themselves.
fn dot_constant(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| t.dtype == DType::F32 && t.dims.len() == 2 && !t.dims.contains(&0))?
    else {
        return Ok(false);
    };
    if b.constants {
        return Ok(false);
    }
    let (k, n) = (x.ty.dims[1], b.u.int_in_range(1..=6u64)?);
    let mut rows = Vec::new();
    for i in 0..k {
        let row: Vec<String> =
            (0..n).map(|j| format!("{}.25", (i * 7 + j * 3) as i64 % 5 - 2)).collect();
        rows.push(format!("[{}]", row.join(", ")));
    }
    let weights = x.ty.with_dims(vec![k, n]);
    let name = b.name();
    b.text.push_str(&format!(
        "  {name} = stablehlo.constant dense<[{}]> : {weights}\n",
        rows.join(", ")
    ));
    let ty = x.ty.with_dims(vec![x.ty.dims[0], n]);
    let text = format!(
        "stablehlo.dot_general {x}, {name}, contracting_dims = [1] x [0] : ({}, {weights}) -> {ty}",
        x.ty
    );
    b.define(ty, text);
    Ok(true)
}

fn convolution(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| t.dims.len() == 3 && !t.dims.contains(&0))? else {
        return Ok(false);
    };
    if !allowed(b, x.ty.dtype) {
        return Ok(false);
    }
    let (batch, length, channels) = (x.ty.dims[0], x.ty.dims[1], x.ty.dims[2]);
    let (taps, stride) = (b.u.int_in_range(1..=3u64)?, b.u.int_in_range(1..=2u64)?);
    let (dilation, pad) = (b.u.int_in_range(1..=2u64)?, b.u.int_in_range(0..=2u64)?);
    let groups = if channels % 2 == 0 && b.u.arbitrary()? { 2 } else { 1 };
    let out = groups * b.u.int_in_range(1..=3u64)?;
    let (padded, extent) = (length + 2 * pad, (taps - 1) * dilation + 1);
    let size = if padded < extent { 0 } else { (padded - extent) / stride + 1 };
    let w = b.like(&x.ty.with_dims(vec![taps, channels / groups, out]))?;
    let ty = x.ty.with_dims(vec![batch, size, out]);
    if ty.elements() > MAX_ELEMENTS {
        return Ok(false);
    }
    let text = format!(
        "stablehlo.convolution({x}, {w}) dim_numbers = [b, 0, f]x[0, i, o]->[b, 0, f], window = \
         {{stride = [{stride}], pad = [[{pad}, {pad}]], rhs_dilate = [{dilation}]}} \
         {{batch_group_count = 1 : i64, feature_group_count = {groups} : i64}} : ({}, {}) -> {ty}",
        x.ty, w.ty
    );
    b.define(ty, text);
    Ok(true)
}

fn fft(b: &mut Builder<'_, '_>) -> Result<bool> {
    let n = b.u.int_in_range(1..=8u64)?;
    let x = b.like(&Ty::new(DType::C64, &[2, n]))?;
    let kind = *b.u.choose(&["FFT", "IFFT"])?;
    let text = format!("stablehlo.fft {x}, type = {kind}, length = [{n}] : ({0}) -> {0}", x.ty);
    b.define(x.ty, text);
    Ok(true)
}

fn triangular_solve(b: &mut Builder<'_, '_>) -> Result<bool> {
    let n = b.u.int_in_range(1..=4u64)?;
    let dtype = *b.u.choose(&[DType::F32, DType::F64])?;
    let a = b.like(&Ty::new(dtype, &[n, n]))?;
    let y = b.like(&Ty::new(dtype, &[n, 2]))?;
    let (lower, unit) = (b.u.arbitrary::<bool>()?, b.u.arbitrary::<bool>()?);
    let transpose = *b.u.choose(&["NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"])?;
    let text = format!(
        "\"stablehlo.triangular_solve\"({a}, {y}) <{{left_side = true, lower = {lower}, \
         transpose_a = #stablehlo<transpose {transpose}>, unit_diagonal = {unit}}}> : ({}, {}) -> {1}",
        a.ty, y.ty
    );
    b.define(y.ty, text);
    Ok(true)
}
