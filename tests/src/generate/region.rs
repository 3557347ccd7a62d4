//! Operations with regions over elements: reductions, windows, sorting, scattering.

use arbitrary::Result;
use microhlo_format::DType;

use super::elementwise::binary_names;
use super::{Builder, Generator, MAX_ELEMENTS, Ty, Value, array, list};

/// All generators of this family.
pub(super) const ALL: &[Generator] =
    &[reduce, reduce, reduce_general, reduce_window, sort, scatter, select_and_scatter, map];

/// A binary operation that reductions commonly use.
fn reducer(b: &mut Builder<'_, '_>, dtype: DType) -> Result<&'static str> {
    let names: &[&str] = match dtype {
        DType::I1 => &["and", "or"],
        d if d.is_complex() => &["add", "multiply"],
        _ => &["add", "maximum", "minimum", "multiply"],
    };
    b.u.choose(names).copied()
}

/// Some of the dimensions of a type, in rising order.
fn some_dims(b: &mut Builder<'_, '_>, ty: &Ty) -> Result<Vec<usize>> {
    let mut dims = Vec::new();
    for d in 0..ty.dims.len() {
        if b.u.arbitrary()? {
            dims.push(d);
        }
    }
    Ok(dims)
}

/// The type without some dimensions.
fn without(ty: &Ty, dims: &[usize]) -> Ty {
    let kept = ty.dims.iter().enumerate().filter(|(d, _)| !dims.contains(d));
    ty.with_dims(kept.map(|(_, &n)| n).collect())
}

fn reduce(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let init = b.like(&Ty::scalar(x.ty.dtype))?;
    let name = reducer(b, x.ty.dtype)?;
    let dims = some_dims(b, &x.ty)?;
    let ty = without(&x.ty, &dims);
    let text = format!(
        "stablehlo.reduce({x} init: {init}) applies stablehlo.{name} across dimensions = {} : \
         ({}, {}) -> {ty}",
        list(&dims),
        x.ty,
        init.ty
    );
    b.define(ty, text);
    Ok(true)
}

/// Scalar arguments of a region.
fn scalars(b: &mut Builder<'_, '_>, dtypes: &[DType]) -> Vec<Value> {
    dtypes.iter().map(|&d| Value { name: b.name(), ty: Ty::scalar(d) }).collect()
}

/// `^bb0(%a: T, %b: T):`.
fn block(args: &[Value]) -> String {
    let args: Vec<String> = args.iter().map(|v| format!("{v}: {}", v.ty)).collect();
    format!("^bb0({}):", args.join(", "))
}

/// A region over scalars that combines `pairs` of arguments (accumulators, then elements) in a few
/// operations, and returns one value per pair.
fn combiner(b: &mut Builder<'_, '_>, dtypes: &[DType]) -> Result<String> {
    let n = dtypes.len();
    let args = scalars(b, &[dtypes, dtypes].concat());
    let all = args.clone();
    let (text, results) = b.nested(&all, |b| {
        let mut results = Vec::new();
        for i in 0..n {
            let (mut x, y) = (args[i].clone(), args[n + i].clone());
            for _ in 0..b.u.int_in_range(1..=3)? {
                let name = *b.u.choose(binary_names(x.ty.dtype))?;
                let text = format!("stablehlo.{name} {x}, {y} : {}", x.ty);
                x = b.define(x.ty.clone(), text);
            }
            results.push(x);
        }
        Ok(results)
    })?;
    Ok(region(&args, &text, &results))
}

/// A region from its parts.
fn region(args: &[Value], text: &str, results: &[Value]) -> String {
    let names: Vec<String> = results.iter().map(|v| v.name.clone()).collect();
    let types: Vec<String> = results.iter().map(|v| v.ty.to_string()).collect();
    format!(
        "({{\n  {}\n{text}  stablehlo.return {} : {}\n  }})",
        block(args),
        names.join(", "),
        types.join(", ")
    )
}

/// Defines `n` results of one operation.
fn define_all(b: &mut Builder<'_, '_>, types: &[Ty], text: &str) {
    let name = b.name();
    let count = types.len();
    b.text.push_str(&format!("  {name}:{count} = {text}\n"));
    for (i, ty) in types.iter().enumerate() {
        b.values.push(Value { name: format!("{name}#{i}"), ty: ty.clone() });
    }
}

/// A reduction of one or two operands by a region of several operations.
fn reduce_general(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let mut inputs = vec![x.clone()];
    if b.u.arbitrary()? {
        let dtype = *b.u.choose(&[DType::I32, DType::F32, x.ty.dtype])?;
        inputs.push(b.like(&x.ty.with_dtype(dtype))?);
    }
    let dtypes: Vec<DType> = inputs.iter().map(|v| v.ty.dtype).collect();
    let mut operands = inputs.clone();
    for &d in &dtypes {
        operands.push(b.like(&Ty::scalar(d))?);
    }
    let dims = some_dims(b, &x.ty)?;
    let body = combiner(b, &dtypes)?;
    let results: Vec<Ty> = inputs.iter().map(|v| without(&v.ty, &dims)).collect();
    let text = format!(
        "\"stablehlo.reduce\"({}) <{{dimensions = {}}}> {body} : ({}) -> ({})",
        names(&operands),
        array(&dims),
        types(&operands),
        results.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    );
    define_all(b, &results, &text);
    Ok(true)
}

fn names(values: &[Value]) -> String {
    values.iter().map(|v| v.name.clone()).collect::<Vec<_>>().join(", ")
}

fn types(values: &[Value]) -> String {
    values.iter().map(|v| v.ty.to_string()).collect::<Vec<_>>().join(", ")
}

/// Extent of `n` elements at a distance.
fn dilated(n: i64, by: i64) -> i64 {
    if n == 0 { 0 } else { (n - 1) * by + 1 }
}

fn reduce_window(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| !t.dims.is_empty())? else { return Ok(false) };
    let init = b.like(&Ty::scalar(x.ty.dtype))?;
    let (mut window, mut strides, mut base, mut dilation) = (vec![], vec![], vec![], vec![]);
    let (mut pads, mut dims) = (Vec::new(), Vec::new());
    for &n in &x.ty.dims {
        let (w, s) = (b.u.int_in_range(1..=3i64)?, b.u.int_in_range(1..=2i64)?);
        let (bd, wd) = (b.u.int_in_range(1..=2i64)?, b.u.int_in_range(1..=2i64)?);
        let (low, high) = (b.u.int_in_range(-1..=2i64)?, b.u.int_in_range(0..=2i64)?);
        let padded = low + dilated(n as i64, bd) + high;
        let extent = dilated(w, wd);
        dims.push(if padded < extent { 0 } else { ((padded - extent) / s + 1) as u64 });
        window.push(w);
        strides.push(s);
        base.push(bd);
        dilation.push(wd);
        pads.push(list(&[low, high]));
    }
    let ty = x.ty.with_dims(dims);
    if ty.elements() > MAX_ELEMENTS {
        return Ok(false);
    }
    let body = match b.u.arbitrary()? {
        true => combiner(b, &[x.ty.dtype])?,
        false => single(b, x.ty.dtype)?,
    };
    let text = format!(
        "\"stablehlo.reduce_window\"({x}, {init}) <{{window_dimensions = {}, window_strides = {}, \
         base_dilations = {}, window_dilations = {}, padding = dense<{}> : tensor<{}x2xi64>}}> \
         {body} : ({}, {}) -> {ty}",
        array(&window),
        array(&strides),
        array(&base),
        array(&dilation),
        list(&pads),
        pads.len(),
        x.ty,
        init.ty
    );
    b.define(ty, text);
    Ok(true)
}

/// A region of one common operation.
fn single(b: &mut Builder<'_, '_>, dtype: DType) -> Result<String> {
    let args = scalars(b, &[dtype, dtype]);
    let name = reducer(b, dtype)?;
    let result = Value { name: b.name(), ty: Ty::scalar(dtype) };
    let text = format!("  {result} = stablehlo.{name} {}, {} : {}\n", args[0], args[1], result.ty);
    Ok(region(&args, &text, &[result]))
}

/// A sort by the first operand, which others follow.
fn sort(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| !t.dims.is_empty() && !t.dtype.is_complex())? else {
        return Ok(false);
    };
    let mut operands = vec![x.clone()];
    if b.u.arbitrary()? {
        let dtype = *b.u.choose(&[DType::I32, DType::F32])?;
        operands.push(b.like(&x.ty.with_dtype(dtype))?);
    }
    let d = b.u.int_in_range(0..=x.ty.dims.len() - 1)?;
    let args: Vec<DType> = operands.iter().flat_map(|v| [v.ty.dtype, v.ty.dtype]).collect();
    let args = scalars(b, &args);
    let direction = *b.u.choose(&["LT", "GT", "LE"])?;
    let result = Value { name: b.name(), ty: Ty::scalar(DType::I1) };
    let text = format!(
        "  {result} = stablehlo.compare {direction}, {}, {} : ({2}, {2}) -> tensor<i1>\n",
        args[0], args[1], args[0].ty
    );
    let body = region(&args, &text, &[result]);
    let results: Vec<Ty> = operands.iter().map(|v| v.ty.clone()).collect();
    let text = format!(
        "\"stablehlo.sort\"({}) <{{dimension = {d} : i64, is_stable = true}}> {body} : ({1}) -> ({1})",
        names(&operands),
        types(&operands)
    );
    define_all(b, &results, &text);
    Ok(true)
}

/// Updates of rows, as `x.at[i].set(...)` or `.add(...)` give them.
fn scatter(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| !t.dims.is_empty() && !t.dims.contains(&0))? else {
        return Ok(false);
    };
    let count = b.u.int_in_range(1..=4u64)?;
    let indices = b.like(&Ty::new(DType::I32, &[count, 1]))?;
    let mut dims = x.ty.dims.clone();
    dims[0] = count;
    let updates = b.like(&x.ty.with_dims(dims))?;
    let windows: Vec<usize> = (1..x.ty.dims.len()).collect();
    let body = match b.u.arbitrary()? {
        true => combiner(b, &[x.ty.dtype])?,
        false => assignment(b, x.ty.dtype),
    };
    let text = format!(
        "\"stablehlo.scatter\"({x}, {indices}, {updates}) <{{scatter_dimension_numbers = \
         #stablehlo.scatter<update_window_dims = {}, inserted_window_dims = [0], \
         scatter_dims_to_operand_dims = [0], index_vector_dim = 1>, indices_are_sorted = false, \
         unique_indices = false}}> {body} : ({1}, {2}, {3}) -> {1}",
        list(&windows),
        x.ty,
        indices.ty,
        updates.ty
    );
    b.define(x.ty, text);
    Ok(true)
}

/// A region that returns the update.
fn assignment(b: &mut Builder<'_, '_>, dtype: DType) -> String {
    let args = scalars(b, &[dtype, dtype]);
    region(&args, "", &args[1..])
}

/// The gradient of max pooling.
fn select_and_scatter(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) =
        b.pick(|t| t.dims.len() == 2 && t.dims.iter().all(|&n| n >= 2) && !t.dtype.is_complex())?
    else {
        return Ok(false);
    };
    let source = b.like(&x.ty.with_dims(x.ty.dims.iter().map(|&n| n / 2).collect()))?;
    let init = b.like(&Ty::scalar(x.ty.dtype))?;
    let args = scalars(b, &[x.ty.dtype, x.ty.dtype]);
    let result = Value { name: b.name(), ty: Ty::scalar(DType::I1) };
    let text = format!(
        "  {result} = stablehlo.compare GE, {}, {} : ({2}, {2}) -> tensor<i1>\n",
        args[0], args[1], args[0].ty
    );
    let selection = region(&args, &text, &[result]);
    let scattering = single(b, x.ty.dtype)?;
    // Both regions stand in one pair of parentheses.
    let regions =
        format!("{}, {}", selection.trim_end_matches(')'), scattering.trim_start_matches('('));
    let text = format!(
        "\"stablehlo.select_and_scatter\"({x}, {source}, {init}) <{{window_dimensions = \
         array<i64: 2, 2>, window_strides = array<i64: 2, 2>}}> {regions} : ({0}, {1}, {2}) -> {0}",
        x.ty, source.ty, init.ty
    );
    b.define(x.ty, text);
    Ok(true)
}

fn map(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let y = b.like(&x.ty)?;
    let body = combiner(b, &[x.ty.dtype])?;
    let dims: Vec<usize> = (0..x.ty.dims.len()).collect();
    let text = format!(
        "\"stablehlo.map\"({x}, {y}) <{{dimensions = {}}}> {body} : ({1}, {1}) -> {1}",
        array(&dims),
        x.ty
    );
    b.define(x.ty, text);
    Ok(true)
}
