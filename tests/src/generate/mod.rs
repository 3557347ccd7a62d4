//! Arbitrary valid programs, for fuzzing and for random tests.
//!
//! [`program`] turns entropy into StableHLO text that must parse, verify and compute the same bits
//! in the evaluator and in the kernels. Its operations cover every family and element type, in
//! pretty and generic form, with regions and control flow.
//!
//! Two things are left out because results may differ there without anything being wrong: the
//! bits of NaNs are never looked at (no bitcast of floats, no total order), and float constants
//! only appear where no contraction is, whose weights batch-norm folding would scale.

mod contract;
mod control;
mod elementwise;
mod inputs;
mod region;
mod shape;

use std::fmt::{self, Write as _};

use arbitrary::{Result, Unstructured};
use microhlo_format::DType;

pub use inputs::{entropy, inputs};

/// A tensor type with static sizes.
#[derive(Clone, Debug, PartialEq)]
struct Ty {
    dtype: DType,
    dims: Vec<u64>,
}

impl Ty {
    fn new(dtype: DType, dims: &[u64]) -> Ty {
        Ty { dtype, dims: dims.to_vec() }
    }

    fn scalar(dtype: DType) -> Ty {
        Ty::new(dtype, &[])
    }

    fn elements(&self) -> u64 {
        self.dims.iter().product()
    }

    fn with_dims(&self, dims: Vec<u64>) -> Ty {
        Ty { dtype: self.dtype, dims }
    }

    fn with_dtype(&self, dtype: DType) -> Ty {
        Ty { dtype, dims: self.dims.clone() }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensor<")?;
        for d in &self.dims {
            write!(f, "{d}x")?;
        }
        write!(f, "{}>", self.dtype)
    }
}

/// An SSA value.
#[derive(Clone, Debug)]
struct Value {
    name: String,
    ty: Ty,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Element types that programs use, the common ones several times.
const DTYPES: &[DType] = &[
    DType::F32,
    DType::F32,
    DType::F32,
    DType::F32,
    DType::I32,
    DType::I32,
    DType::I8,
    DType::I1,
    DType::I64,
    DType::F16,
    DType::BF16,
    DType::F64,
    DType::I16,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::I4,
    DType::U4,
    DType::I2,
    DType::U2,
    DType::F8E4M3FN,
    DType::F8E5M2,
    DType::F4E2M1FN,
    DType::C64,
    DType::C128,
];

/// Most elements of a generated tensor.
const MAX_ELEMENTS: u64 = 256;

/// Writes one function.
struct Builder<'u, 'a> {
    u: &'u mut Unstructured<'a>,
    text: String,
    values: Vec<Value>,
    next: usize,
    /// Whether float constants may appear; otherwise contractions may.
    constants: bool,
    /// Nesting of regions.
    depth: usize,
}

/// Adds an operation; false if no value suits it.
type Generator = fn(&mut Builder<'_, '_>) -> Result<bool>;

/// A program of one function `main`, as text.
///
/// # Errors
/// The entropy does not suffice, which does not happen: missing bytes count as zeros.
pub fn program(u: &mut Unstructured<'_>) -> Result<String> {
    let constants = u.arbitrary()?;
    let mut b =
        Builder { u, text: String::new(), values: Vec::new(), next: 0, constants, depth: 0 };
    let args = b.u.int_in_range(1..=4)?;
    for i in 0..args {
        let ty = b.ty()?;
        b.values.push(Value { name: format!("%arg{i}"), ty });
    }
    let params: Vec<String> = b.values.iter().map(|v| format!("{}: {}", v.name, v.ty)).collect();
    let count = b.u.int_in_range(1..=20)?;
    b.operations(count)?;
    let results = b.results()?;
    let types: Vec<String> = results.iter().map(|v| v.ty.to_string()).collect();
    let names: Vec<String> = results.iter().map(|v| v.name.clone()).collect();
    Ok(format!(
        "func.func @main({}) -> ({}) {{\n{}  return {} : {}\n}}\n",
        params.join(", "),
        types.join(", "),
        b.text,
        names.join(", "),
        types.join(", ")
    ))
}

impl Builder<'_, '_> {
    /// Adds operations of all families.
    fn operations(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            if self.u.is_empty() {
                break;
            }
            let family: &[Generator] = match self.u.int_in_range(0..=9)? {
                0..=3 => elementwise::ALL,
                4..=5 => shape::ALL,
                6..=7 => region::ALL,
                8 => contract::ALL,
                _ => control::ALL,
            };
            let generator = *self.u.choose(family)?;
            generator(self)?;
        }
        Ok(())
    }

    /// The last value and some others.
    fn results(&mut self) -> Result<Vec<Value>> {
        let mut results: Vec<Value> = self.values.last().cloned().into_iter().collect();
        for _ in 0..self.u.int_in_range(0..=2)? {
            results.push(self.any()?);
        }
        Ok(results)
    }

    /// A type with few elements.
    fn ty(&mut self) -> Result<Ty> {
        let dtype = *self.u.choose(DTYPES)?;
        let rank = self.u.int_in_range(0..=3)?;
        let mut dims = Vec::new();
        for _ in 0..rank {
            // Empty tensors are rare.
            dims.push(*self.u.choose(&[1u64, 2, 3, 4, 5, 2, 3, 4, 5, 3, 2, 4, 8, 0])?);
        }
        Ok(Ty { dtype, dims })
    }

    /// Any value, recent ones more often, so that chains form.
    fn any(&mut self) -> Result<Value> {
        let recent = self.values.len().saturating_sub(4);
        let from = if self.u.arbitrary()? { recent } else { 0 };
        Ok(self.u.choose(&self.values[from..])?.clone())
    }

    /// A value that fulfils a condition, if there is one.
    fn pick(&mut self, condition: impl Fn(&Ty) -> bool) -> Result<Option<Value>> {
        let fit: Vec<Value> = self.values.iter().filter(|v| condition(&v.ty)).cloned().collect();
        if fit.is_empty() { Ok(None) } else { self.u.choose(&fit).cloned().map(Some) }
    }

    /// A new name.
    fn name(&mut self) -> String {
        self.next += 1;
        format!("%v{}", self.next)
    }

    /// Adds a line `NAME = TEXT` that defines a value which later operations may use.
    fn define(&mut self, ty: Ty, text: impl fmt::Display) -> Value {
        let name = self.name();
        let _ = writeln!(self.text, "  {name} = {text}");
        let value = Value { name, ty };
        self.values.push(value.clone());
        value
    }

    /// A value of the type: one that exists, or one made from another.
    fn like(&mut self, ty: &Ty) -> Result<Value> {
        if let Some(value) = self.pick(|t| t == ty)? {
            return Ok(value);
        }
        let source = self.any()?;
        let mut value = self.converted(source, ty.dtype);
        if value.ty.dims != ty.dims {
            value = self.first_element(value)?;
            let text =
                format!("stablehlo.broadcast_in_dim {value}, dims = [] : ({}) -> {ty}", value.ty);
            value = self.define(ty.clone(), text);
        }
        Ok(value)
    }

    /// The value as another element type.
    fn converted(&mut self, value: Value, dtype: DType) -> Value {
        if value.ty.dtype == dtype {
            return value;
        }
        let ty = value.ty.with_dtype(dtype);
        let text = format!("stablehlo.convert {value} : ({}) -> {ty}", value.ty);
        self.define(ty, text)
    }

    /// The first element as a scalar; zero of an empty tensor.
    fn first_element(&mut self, value: Value) -> Result<Value> {
        let scalar = Ty::scalar(value.ty.dtype);
        if value.ty.dims.is_empty() {
            return Ok(value);
        }
        if value.ty.elements() == 0 {
            return self.zero(&scalar);
        }
        let one = value.ty.with_dims(vec![1; value.ty.dims.len()]);
        let ranges = vec!["0:1"; value.ty.dims.len()].join(", ");
        let text = format!("stablehlo.slice {value} [{ranges}] : ({}) -> {one}", value.ty);
        let slice = self.define(one, text);
        let text = format!("stablehlo.reshape {slice} : ({}) -> {scalar}", slice.ty);
        Ok(self.define(scalar, text))
    }

    /// A constant of zeros, which no rewrite scales.
    fn zero(&mut self, ty: &Ty) -> Result<Value> {
        let text = format!("stablehlo.constant dense<{}> : {ty}", literal(ty.dtype, 0));
        Ok(self.define(ty.clone(), text))
    }

    /// Runs `inside` as a region: what it defines is not visible afterwards. Returns its text.
    fn nested<T>(
        &mut self,
        args: &[Value],
        inside: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(String, T)> {
        let visible = self.values.len();
        self.values.extend(args.iter().cloned());
        let outer = std::mem::take(&mut self.text);
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        let text = std::mem::replace(&mut self.text, outer);
        self.values.truncate(visible);
        Ok((text, result?))
    }
}

/// A small whole number as a literal of an element type.
fn literal(dtype: DType, n: u8) -> String {
    match dtype {
        DType::I1 => (n % 2 == 1).to_string(),
        DType::I2 | DType::U2 => (n % 2).to_string(),
        DType::I4 | DType::U4 => (n % 8).to_string(),
        d if d.is_integer() => n.to_string(),
        d if d.is_complex() => format!("({n}.0, -0.5)"),
        DType::F8E8M0FNU => "1.0".into(),
        DType::F4E2M1FN => format!("{}.0", n % 5),
        _ => format!("{n}.0"),
    }
}

/// `[a, b, c]`.
fn list<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("[{}]", items.join(", "))
}

/// `array<i64: a, b, c>`.
fn array<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "array<i64>".into();
    }
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("array<i64: {}>", items.join(", "))
}
