//! Data movement.

use arbitrary::Result;
use microhlo_format::DType;

use super::{Builder, Generator, MAX_ELEMENTS, Ty, Value, array, list};

/// All generators of this family.
pub(super) const ALL: &[Generator] = &[
    broadcast,
    reshape,
    transpose,
    slice,
    pad,
    concatenate,
    reverse,
    iota,
    dynamic_slice,
    dynamic_update_slice,
    gather,
];

fn broadcast(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let at = b.u.int_in_range(0..=x.ty.dims.len())?;
    let size = b.u.int_in_range(1..=4u64)?;
    let mut dims = x.ty.dims.clone();
    dims.insert(at, size);
    let mut map: Vec<usize> = (0..x.ty.dims.len()).collect();
    map.iter_mut().filter(|d| **d >= at).for_each(|d| *d += 1);
    // A dimension of one element may grow.
    for (d, &m) in map.iter().enumerate() {
        if x.ty.dims[d] == 1 && b.u.arbitrary()? {
            dims[m] = 3;
        }
    }
    let ty = x.ty.with_dims(dims);
    if ty.elements() > MAX_ELEMENTS || ty.dims.len() > 4 {
        return Ok(false);
    }
    let text =
        format!("stablehlo.broadcast_in_dim {x}, dims = {} : ({}) -> {ty}", list(&map), x.ty);
    b.define(ty, text);
    Ok(true)
}

fn reshape(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let n = x.ty.elements();
    let mut dims = match b.u.int_in_range(0..=2)? {
        0 => vec![n],
        1 if n % 2 == 0 => vec![2, n / 2],
        _ if n % 3 == 0 => vec![n / 3, 3],
        _ => vec![1, n],
    };
    if n == 1 && b.u.arbitrary()? {
        dims.clear();
    }
    let ty = x.ty.with_dims(dims);
    let text = format!("stablehlo.reshape {x} : ({}) -> {ty}", x.ty);
    b.define(ty, text);
    Ok(true)
}

/// A permutation of `0..n`.
fn permutation(b: &mut Builder<'_, '_>, n: usize) -> Result<Vec<usize>> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        let j = b.u.int_in_range(0..=i)?;
        order.swap(i, j);
    }
    Ok(order)
}

fn transpose(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let order = permutation(b, x.ty.dims.len())?;
    let ty = x.ty.with_dims(order.iter().map(|&d| x.ty.dims[d]).collect());
    let text = format!("stablehlo.transpose {x}, dims = {} : ({}) -> {ty}", list(&order), x.ty);
    b.define(ty, text);
    Ok(true)
}

fn slice(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let (mut ranges, mut dims) = (Vec::new(), Vec::new());
    for &n in &x.ty.dims {
        let start = b.u.int_in_range(0..=n)?;
        let limit = b.u.int_in_range(start..=n)?;
        let step = b.u.int_in_range(1..=3u64)?;
        dims.push((limit - start).div_ceil(step));
        ranges.push(format!("{start}:{limit}:{step}"));
    }
    let ty = x.ty.with_dims(dims);
    let text = format!("stablehlo.slice {x} [{}] : ({}) -> {ty}", ranges.join(", "), x.ty);
    b.define(ty, text);
    Ok(true)
}

fn pad(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let value = b.like(&Ty::scalar(x.ty.dtype))?;
    let (mut low, mut high, mut interior, mut dims) = (vec![], vec![], vec![], vec![]);
    for &n in &x.ty.dims {
        let (l, h, i) = (
            b.u.int_in_range(-1..=2i64)?,
            b.u.int_in_range(-1..=2i64)?,
            b.u.int_in_range(0..=1i64)?,
        );
        let n = n as i64;
        let size = l + n + (n - 1).max(0) * i + h;
        if size < 0 {
            return Ok(false);
        }
        dims.push(size as u64);
        low.push(l);
        high.push(h);
        interior.push(i);
    }
    let ty = x.ty.with_dims(dims);
    if ty.elements() > MAX_ELEMENTS {
        return Ok(false);
    }
    let text = format!(
        "stablehlo.pad {x}, {value}, low = {}, high = {}, interior = {} : ({}, {}) -> {ty}",
        list(&low),
        list(&high),
        list(&interior),
        x.ty,
        value.ty
    );
    b.define(ty, text);
    Ok(true)
}

fn concatenate(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| !t.dims.is_empty())? else { return Ok(false) };
    let y = b.like(&x.ty)?;
    let d = b.u.int_in_range(0..=x.ty.dims.len() - 1)?;
    let mut dims = x.ty.dims.clone();
    dims[d] *= 2;
    let ty = x.ty.with_dims(dims);
    if ty.elements() > MAX_ELEMENTS {
        return Ok(false);
    }
    let text = format!("stablehlo.concatenate {x}, {y}, dim = {d} : ({0}, {0}) -> {ty}", x.ty);
    b.define(ty, text);
    Ok(true)
}

fn reverse(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| !t.dims.is_empty())? else { return Ok(false) };
    let d = b.u.int_in_range(0..=x.ty.dims.len() - 1)?;
    let text = format!("stablehlo.reverse {x}, dims = [{d}] : {}", x.ty);
    b.define(x.ty, text);
    Ok(true)
}

fn iota(b: &mut Builder<'_, '_>) -> Result<bool> {
    let ty = b.ty()?;
    // Constants of floats would be weights of contractions.
    let exact = ty.dtype.is_integer();
    if ty.dims.is_empty() || !exact {
        return Ok(false);
    }
    let d = b.u.int_in_range(0..=ty.dims.len() - 1)?;
    let text = format!("stablehlo.iota dim = {d} : {ty}");
    b.define(ty, text);
    Ok(true)
}

/// One start index per dimension, of any value.
fn starts(b: &mut Builder<'_, '_>, rank: usize) -> Result<Vec<Value>> {
    let dtype = *b.u.choose(&[DType::I32, DType::I64, DType::U8, DType::I8])?;
    (0..rank).map(|_| b.like(&Ty::scalar(dtype))).collect()
}

/// The operands after the first as text, and the types of all.
fn with_starts(x: &[&Value], starts: &[Value]) -> (String, String) {
    let all = x.iter().copied().chain(starts);
    let names: Vec<String> = all.clone().map(|v| v.name.clone()).collect();
    let types: Vec<String> = all.map(|v| v.ty.to_string()).collect();
    (names.join(", "), types.join(", "))
}

/// Sizes of a part of a tensor.
fn part(b: &mut Builder<'_, '_>, x: &Ty) -> Result<Ty> {
    let dims = x.dims.iter().map(|&n| b.u.int_in_range(n.min(1)..=n)).collect::<Result<_>>()?;
    Ok(x.with_dims(dims))
}

fn dynamic_slice(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let ty = part(b, &x.ty)?;
    let starts = starts(b, x.ty.dims.len())?;
    let (names, types) = with_starts(&[&x], &starts);
    let text =
        format!("stablehlo.dynamic_slice {names}, sizes = {} : ({types}) -> {ty}", list(&ty.dims));
    b.define(ty, text);
    Ok(true)
}

fn dynamic_update_slice(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let ty = part(b, &x.ty)?;
    let update = b.like(&ty)?;
    let starts = starts(b, x.ty.dims.len())?;
    let (names, types) = with_starts(&[&x, &update], &starts);
    let text = format!("stablehlo.dynamic_update_slice {names} : ({types}) -> {}", x.ty);
    b.define(x.ty, text);
    Ok(true)
}

/// Rows of a tensor by number, as `jnp.take` gives them.
fn gather(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| !t.dims.is_empty() && !t.dims.contains(&0))? else {
        return Ok(false);
    };
    let count = b.u.int_in_range(1..=4u64)?;
    let indices = b.like(&Ty::new(DType::I32, &[count, 1]))?;
    let axis = b.u.int_in_range(0..=x.ty.dims.len() - 1)?;
    let mut sizes = x.ty.dims.clone();
    sizes[axis] = 1;
    let mut dims = vec![count];
    dims.extend(x.ty.dims.iter().enumerate().filter(|(d, _)| *d != axis).map(|(_, &n)| n));
    let offsets: Vec<usize> = (1..dims.len()).collect();
    let ty = x.ty.with_dims(dims);
    if ty.elements() > MAX_ELEMENTS {
        return Ok(false);
    }
    let text = format!(
        "\"stablehlo.gather\"({x}, {indices}) <{{dimension_numbers = #stablehlo.gather<offset_dims \
         = {}, collapsed_slice_dims = [{axis}], start_index_map = [{axis}], index_vector_dim = 1>, \
         indices_are_sorted = false, slice_sizes = {}}}> : ({}, {}) -> {ty}",
        list(&offsets),
        array(&sizes),
        x.ty,
        indices.ty
    );
    b.define(ty, text);
    Ok(true)
}
