//! Elementwise operations.

use arbitrary::Result;
use microhlo_format::DType;

use super::{Builder, DTYPES, Generator, Ty, literal};

/// All generators of this family; the general ones count more.
pub(super) const ALL: &[Generator] =
    &[unary, unary, binary, binary, binary, compare, select, clamp, convert, constant, parts];

const FLOAT_UNARY: &[&str] = &[
    "abs",
    "negate",
    "sign",
    "floor",
    "ceil",
    "round_nearest_even",
    "round_nearest_afz",
    "sqrt",
    "rsqrt",
    "cbrt",
    "exponential",
    "exponential_minus_one",
    "log",
    "log_plus_one",
    "logistic",
    "tanh",
    "sine",
    "cosine",
    "tan",
];
const COMPLEX_UNARY: &[&str] = &["negate", "exponential", "log", "sqrt", "tanh", "sine", "cosine"];
const INT_UNARY: &[&str] = &["not", "popcnt", "count_leading_zeros"];
const SIGNED_UNARY: &[&str] = &["abs", "negate", "sign", "not", "popcnt", "count_leading_zeros"];

const FLOAT_BINARY: &[&str] =
    &["add", "subtract", "multiply", "divide", "maximum", "minimum", "remainder", "power", "atan2"];
const COMPLEX_BINARY: &[&str] = &["add", "subtract", "multiply", "divide"];
const BOOL_BINARY: &[&str] = &["and", "or", "xor", "add", "multiply", "maximum", "minimum"];
const INT_BINARY: &[&str] = &[
    "add",
    "subtract",
    "multiply",
    "divide",
    "remainder",
    "maximum",
    "minimum",
    "and",
    "or",
    "xor",
    "power",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
];

fn unary(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let names = match x.ty.dtype {
        DType::I1 => &["not"],
        d if d.is_complex() => COMPLEX_UNARY,
        d if d.is_float() => FLOAT_UNARY,
        d if d.is_signed_integer() => SIGNED_UNARY,
        _ => INT_UNARY,
    };
    let name = *b.u.choose(names)?;
    let text = match b.u.arbitrary()? {
        true => format!("stablehlo.{name} {x} : {}", x.ty),
        false => format!("\"stablehlo.{name}\"({x}) : ({}) -> {}", x.ty, x.ty),
    };
    b.define(x.ty, text);
    Ok(true)
}

/// Names of the binary operations that an element type has.
pub(super) fn binary_names(dtype: DType) -> &'static [&'static str] {
    match dtype {
        DType::I1 => BOOL_BINARY,
        d if d.is_complex() => COMPLEX_BINARY,
        d if d.is_float() => FLOAT_BINARY,
        _ => INT_BINARY,
    }
}

fn binary(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let y = b.like(&x.ty)?;
    let name = *b.u.choose(binary_names(x.ty.dtype))?;
    let text = format!("stablehlo.{name} {x}, {y} : {}", x.ty);
    b.define(x.ty, text);
    Ok(true)
}

fn compare(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let y = b.like(&x.ty)?;
    let all = ["EQ", "NE", "LT", "LE", "GT", "GE"];
    let directions = if x.ty.dtype.is_complex() { &all[..2] } else { &all[..] };
    let direction = *b.u.choose(directions)?;
    let ty = x.ty.with_dtype(DType::I1);
    let text = format!("stablehlo.compare {direction}, {x}, {y} : ({0}, {0}) -> {ty}", x.ty);
    b.define(ty, text);
    Ok(true)
}

fn select(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let y = b.like(&x.ty)?;
    let scalar = b.u.arbitrary()?;
    let predicate = if scalar { Ty::scalar(DType::I1) } else { x.ty.with_dtype(DType::I1) };
    let p = b.like(&predicate)?;
    let text = format!("stablehlo.select {p}, {x}, {y} : {}, {}", p.ty, x.ty);
    b.define(x.ty, text);
    Ok(true)
}

fn clamp(b: &mut Builder<'_, '_>) -> Result<bool> {
    let Some(x) = b.pick(|t| !t.dtype.is_complex() && t.dtype != DType::I1)? else {
        return Ok(false);
    };
    let scalar = b.u.arbitrary()?;
    let bound = if scalar { Ty::scalar(x.ty.dtype) } else { x.ty.clone() };
    let (low, high) = (b.like(&bound)?, b.like(&bound)?);
    let text =
        format!("\"stablehlo.clamp\"({low}, {x}, {high}) : ({bound}, {0}, {bound}) -> {0}", x.ty);
    b.define(x.ty, text);
    Ok(true)
}

fn convert(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let dtype = *b.u.choose(DTYPES)?;
    b.converted(x, dtype);
    Ok(true)
}

fn constant(b: &mut Builder<'_, '_>) -> Result<bool> {
    let ty = b.ty()?;
    let exact = !ty.dtype.is_float() && !ty.dtype.is_complex();
    if !b.constants && !exact {
        return Ok(false);
    }
    let n = b.u.int_in_range(0..=9)?;
    let text = format!("stablehlo.constant dense<{}> : {ty}", literal(ty.dtype, n));
    b.define(ty, text);
    Ok(true)
}

/// Complex numbers from parts, and parts from complex numbers; whether floats are finite.
fn parts(b: &mut Builder<'_, '_>) -> Result<bool> {
    let x = b.any()?;
    let (dtype, ty) = (x.ty.dtype, x.ty.clone());
    let (ty, text) = match dtype {
        DType::F32 | DType::F64 if b.u.arbitrary()? => {
            let y = b.like(&ty)?;
            let whole = if dtype == DType::F32 { DType::C64 } else { DType::C128 };
            let result = ty.with_dtype(whole);
            let text = format!("stablehlo.complex {x}, {y} : {result}");
            (result, text)
        }
        d if d.is_float() => {
            let result = ty.with_dtype(DType::I1);
            let text = format!("stablehlo.is_finite {x} : ({ty}) -> {result}");
            (result, text)
        }
        d if d.is_complex() => {
            let part = if d == DType::C64 { DType::F32 } else { DType::F64 };
            let result = ty.with_dtype(part);
            let name = b.u.choose(&["real", "imag", "abs"])?;
            let text = format!("stablehlo.{name} {x} : ({ty}) -> {result}");
            (result, text)
        }
        _ => return Ok(false),
    };
    b.define(ty, text);
    Ok(true)
}
