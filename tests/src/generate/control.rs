//! Control flow.

use arbitrary::Result;
use microhlo_format::DType;

use super::{Builder, Generator, Ty, Value};

/// All generators of this family.
pub(super) const ALL: &[Generator] = &[counted_loop, counted_loop, branch, switch, barrier];

/// Deepest nesting of regions.
pub(super) const MAX_DEPTH: usize = 2;

/// A few operations that end in a value of the type.
pub(super) fn body(b: &mut Builder<'_, '_>, ty: &Ty) -> Result<Value> {
    let count = b.u.int_in_range(0..=4)?;
    b.operations(count)?;
    b.like(ty)
}

/// A loop of a few rounds that carries a counter and two values.
fn counted_loop(b: &mut Builder<'_, '_>) -> Result<bool> {
    if b.depth >= MAX_DEPTH {
        return Ok(false);
    }
    let (x, y) = (b.any()?, b.any()?);
    let rounds = b.u.int_in_range(0..=3)?;
    let counter = Ty::scalar(DType::I32);
    let start = b.zero(&counter)?;
    let (i, p, q) = (b.name(), b.name(), b.name());
    let args: Vec<Value> = [(&i, &counter), (&p, &x.ty), (&q, &y.ty)]
        .map(|(name, ty)| Value { name: name.clone(), ty: ty.clone() })
        .into();
    let swap = x.ty == y.ty && b.u.arbitrary()?;
    let (text, (next, mut new_x, mut new_y)) = b.nested(&args, |b| {
        let new_x = body(b, &x.ty)?;
        let new_y = body(b, &y.ty)?;
        let one = b.define(counter.clone(), format!("stablehlo.constant dense<1> : {counter}"));
        let next = b.define(counter.clone(), format!("stablehlo.add {i}, {one} : {counter}"));
        Ok((next, new_x, new_y))
    })?;
    if swap {
        std::mem::swap(&mut new_x, &mut new_y);
    }
    let (limit, test) = (b.name(), b.name());
    let result = b.name();
    let tys = format!("{counter}, {}, {}", x.ty, y.ty);
    b.text.push_str(&format!(
        "  {result}:3 = stablehlo.while({i} = {start}, {p} = {x}, {q} = {y}) : {tys} cond {{\n  \
         {limit} = stablehlo.constant dense<{rounds}> : {counter}\n  {test} = stablehlo.compare \
         LT, {i}, {limit} : ({counter}, {counter}) -> tensor<i1>\n  stablehlo.return {test} : \
         tensor<i1>\n  }} do {{\n{text}  stablehlo.return {next}, {new_x}, {new_y} : {tys}\n  }}\n"
    ));
    b.values.push(Value { name: format!("{result}#1"), ty: x.ty });
    b.values.push(Value { name: format!("{result}#2"), ty: y.ty });
    Ok(true)
}

/// The regions of a branch, each ending in a value of the type.
fn regions(b: &mut Builder<'_, '_>, ty: &Ty, count: usize) -> Result<String> {
    let mut regions = Vec::new();
    for _ in 0..count {
        let (text, value) = b.nested(&[], |b| body(b, ty))?;
        regions.push(format!("{{\n{text}  stablehlo.return {value} : {ty}\n  }}"));
    }
    Ok(regions.join(", "))
}

fn branch(b: &mut Builder<'_, '_>) -> Result<bool> {
    if b.depth >= MAX_DEPTH {
        return Ok(false);
    }
    let p = b.like(&Ty::scalar(DType::I1))?;
    let ty = b.any()?.ty;
    let regions = regions(b, &ty, 2)?;
    b.define(ty.clone(), format!("\"stablehlo.if\"({p}) ({regions}) : (tensor<i1>) -> {ty}"));
    Ok(true)
}

fn switch(b: &mut Builder<'_, '_>) -> Result<bool> {
    if b.depth >= MAX_DEPTH {
        return Ok(false);
    }
    let index = b.like(&Ty::scalar(DType::I32))?;
    let ty = b.any()?.ty;
    let count = b.u.int_in_range(1..=3)?;
    let regions = regions(b, &ty, count)?;
    let text = format!("\"stablehlo.case\"({index}) ({regions}) : (tensor<i32>) -> {ty}");
    b.define(ty, text);
    Ok(true)
}

fn barrier(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let text = format!("stablehlo.optimization_barrier {x} : {}", x.ty);
    b.define(x.ty, text);
    Ok(true)
}
