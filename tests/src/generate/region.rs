//! Operations with regions over elements: reductions, windows, sorting, scattering.

use arbitrary::Result;
use microhlo_format::DType;

use super::control::{MAX_DEPTH, body};
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

/// Most applications of a region of arbitrary operations, which the evaluator runs one by one.
const MAX_APPLICATIONS: u64 = 48;

/// A region over scalars that combines `pairs` of arguments (accumulators, then elements), and
/// returns one value per pair. Of those that are applied `times` times or less, some consist of
/// any operations on what is visible.
fn combiner(b: &mut Builder<'_, '_>, dtypes: &[DType], times: u64) -> Result<String> {
    let n = dtypes.len();
    let args = scalars(b, &[dtypes, dtypes].concat());
    let few = b.depth < MAX_DEPTH && times <= MAX_APPLICATIONS >> (3 * b.depth);
    let any = few && b.u.ratio(1, 4)?;
    let (text, results) = b.nested(&args, |b| {
        let mut results = Vec::new();
        for i in 0..n {
            let (x, y) = (args[i].clone(), args[n + i].clone());
            results.push(if any { body(b, &x.ty)? } else { chain(b, x, &y)? });
        }
        Ok(results)
    })?;
    Ok(region(&args, &text, &results))
}

/// Some operations on two scalars, rarely more than a kernel has room for.
fn chain(b: &mut Builder<'_, '_>, mut x: Value, y: &Value) -> Result<Value> {
    let most = if b.u.ratio(1, 16)? { 60 } else { 3 };
    for _ in 0..b.u.int_in_range(1..=most)? {
        let name = *b.u.choose(binary_names(x.ty.dtype))?;
        let text = format!("stablehlo.{name} {x}, {y} : {}", x.ty);
        x = b.define(x.ty.clone(), text);
    }
    Ok(x)
}

/// The first of tensors that an operation combines, and others of its shape.
fn together(b: &mut Builder<'_, '_>, first: Value) -> Result<Vec<Value>> {
    let count = *b.u.choose(&[1, 1, 1, 2, 2, 2, 3, 6])?;
    let mut values = vec![first];
    while values.len() < count {
        let dtype = *b.u.choose(&[DType::I32, DType::F32, values[0].ty.dtype])?;
        let ty = values[0].ty.with_dtype(dtype);
        values.push(b.like(&ty)?);
    }
    Ok(values)
}

/// A region that compares pairs of elements of these types: the first ones, or in any way.
fn comparator(
    b: &mut Builder<'_, '_>,
    dtypes: &[DType],
    directions: &[&str],
    times: u64,
) -> Result<String> {
    let pairs: Vec<DType> = dtypes.iter().flat_map(|&d| [d, d]).collect();
    let args = scalars(b, &pairs);
    let few = b.depth < MAX_DEPTH && times <= MAX_APPLICATIONS >> (3 * b.depth);
    let result = Ty::scalar(DType::I1);
    let (text, result) = if few && b.u.ratio(1, 4)? {
        b.nested(&args, |b| body(b, &result))?
    } else {
        let direction = *b.u.choose(directions)?;
        let value = Value { name: b.name(), ty: result };
        let compare = format!(
            "  {value} = stablehlo.compare {direction}, {}, {} : ({2}, {2}) -> tensor<i1>\n",
            args[0], args[1], args[0].ty
        );
        (compare, value)
    };
    Ok(region(&args, &text, &[result]))
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

/// A reduction of one or more operands by a region of several operations.
fn reduce_general(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let inputs = together(b, x.clone())?;
    let dtypes: Vec<DType> = inputs.iter().map(|v| v.ty.dtype).collect();
    let mut operands = inputs.clone();
    for &d in &dtypes {
        operands.push(b.like(&Ty::scalar(d))?);
    }
    let dims = some_dims(b, &x.ty)?;
    let body = combiner(b, &dtypes, x.ty.elements())?;
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
    let taps: i64 = window.iter().product();
    let body = match b.u.arbitrary()? {
        true => combiner(b, &[x.ty.dtype], ty.elements() * taps as u64)?,
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

/// A sort of one or more operands, mostly by the first.
fn sort(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| !t.dims.is_empty() && !t.dtype.is_complex())? else {
        return Ok(false);
    };
    let operands = together(b, x.clone())?;
    let d = b.u.int_in_range(0..=x.ty.dims.len() - 1)?;
    let dtypes: Vec<DType> = operands.iter().map(|v| v.ty.dtype).collect();
    // As many rounds of merging as a line of up to eight elements takes.
    let body = comparator(b, &dtypes, &["LT", "GT", "LE"], 3 * x.ty.elements())?;
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
        true => combiner(b, &[x.ty.dtype], updates.ty.elements())?,
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
    let selection = comparator(b, &[x.ty.dtype], &["GE"], x.ty.elements())?;
    let scattering = match b.u.ratio(1, 4)? {
        true => combiner(b, &[x.ty.dtype], source.ty.elements())?,
        false => single(b, x.ty.dtype)?,
    };
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
    let body = combiner(b, &[x.ty.dtype], x.ty.elements())?;
    let dims: Vec<usize> = (0..x.ty.dims.len()).collect();
    let text = format!(
        "\"stablehlo.map\"({x}, {y}) <{{dimensions = {}}}> {body} : ({1}, {1}) -> {1}",
        array(&dims),
        x.ty
    );
    b.define(x.ty, text);
    Ok(true)
}
