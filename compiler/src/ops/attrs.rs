//! Reading and writing of an operation's inherent attributes.

use std::sync::Arc;

use crate::ir::{Attr, Constant, Dict, Type};

use super::{OpError, inputs};
use crate::front::mlir::enum_values;

/// The attributes of an operation being read. What is taken is inherent; the rest is discardable.
pub struct AttrReader<'a> {
    attrs: Dict,
    operands: &'a [Type],
    results: &'a [Type],
    /// Section of the specification whose inputs the attributes are.
    section: &'static str,
}

impl<'a> AttrReader<'a> {
    /// A reader over properties and attributes, with the operation's types for defaults.
    pub fn new(attrs: Dict, operands: &'a [Type], results: &'a [Type]) -> Self {
        AttrReader { attrs, operands, results, section: "" }
    }

    /// Says which section of the specification the attributes belong to, so that errors name
    /// the input.
    pub fn section(&mut self, section: &'static str) {
        self.section = section;
    }

    /// Operand types.
    pub fn operands(&self) -> &'a [Type] {
        self.operands
    }

    /// Result types.
    pub fn results(&self) -> &'a [Type] {
        self.results
    }

    /// Rank of tensor operand `i`, 0 if there is none.
    pub fn rank(&self, i: usize) -> usize {
        self.operands.get(i).and_then(Type::tensor).map_or(0, |t| t.rank())
    }

    /// What was not taken.
    pub fn finish(self) -> Dict {
        self.attrs
    }

    /// Takes an attribute of any form.
    pub fn take(&mut self, name: &str) -> Option<Attr> {
        let at = self.attrs.0.iter().position(|(k, _)| &**k == name)?;
        Some(self.attrs.0.remove(at).1)
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, OpError> {
        let constraint = inputs::label(self.section, name);
        let missing = || OpError { constraint, message: format!("attribute `{name}` is missing") };
        value.ok_or_else(missing)
    }

    fn mismatch<T>(&self, name: &str, expected: &str, found: &Attr) -> Result<T, OpError> {
        let constraint = inputs::label(self.section, name);
        let message = format!("attribute `{name}` must be {expected}, is `{found}`");
        Err(OpError { constraint, message })
    }

    /// An optional integer.
    pub fn opt_int(&mut self, name: &str) -> Result<Option<i64>, OpError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attr::Int(v, _)) => i64::try_from(v)
                .map(Some)
                .map_err(|_| OpError::new(format!("attribute `{name}` = {v} exceeds 64 bits"))),
            Some(other) => self.mismatch(name, "an integer", &other),
        }
    }

    /// A required integer.
    pub fn int(&mut self, name: &str) -> Result<i64, OpError> {
        let v = self.opt_int(name)?;
        self.required(name, v)
    }

    /// An optional integer whose bits are an unsigned number.
    pub fn opt_u64(&mut self, name: &str) -> Result<Option<u64>, OpError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attr::Int(v, _)) => Ok(Some(v as u64)),
            Some(other) => self.mismatch(name, "an integer", &other),
        }
    }

    /// An optional boolean.
    pub fn opt_bool(&mut self, name: &str) -> Result<Option<bool>, OpError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attr::Bool(b)) => Ok(Some(b)),
            Some(Attr::Unit) => Ok(Some(true)),
            Some(other) => self.mismatch(name, "a boolean", &other),
        }
    }

    /// An optional float.
    pub fn opt_float(&mut self, name: &str) -> Result<Option<f64>, OpError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attr::Float(v, _)) => Ok(Some(v)),
            Some(other) => self.mismatch(name, "a float", &other),
        }
    }

    /// A required float.
    pub fn float(&mut self, name: &str) -> Result<f64, OpError> {
        let v = self.opt_float(name)?;
        self.required(name, v)
    }

    /// `precision_config`: one precision name per operand, or none.
    pub fn precision(&mut self) -> Result<Vec<Arc<str>>, OpError> {
        let name = "precision_config";
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Attr::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Attr::Enum(_, v) | Attr::String(v)
                        if enum_values("precision").contains(&&**v) =>
                    {
                        Ok(Arc::clone(v))
                    }
                    other => self.mismatch(name, "a list of precisions", other),
                })
                .collect(),
            Some(other) => self.mismatch(name, "a list of precisions", &other),
        }
    }

    /// An optional list of integers: `array<i64: ...>`, a one-dimensional `dense`, or `[...]`.
    pub fn opt_ints(&mut self, name: &str) -> Result<Option<Vec<i64>>, OpError> {
        match self.take(name) {
            None => Ok(None),
            Some(attr) => match ints_of(&attr) {
                Some(v) => Ok(Some(v)),
                None => self.mismatch(name, "a list of integers", &attr),
            },
        }
    }

    /// A required list of integers.
    pub fn ints(&mut self, name: &str) -> Result<Vec<i64>, OpError> {
        let v = self.opt_ints(name)?;
        self.required(name, v)
    }

    /// An optional list of booleans.
    pub fn opt_bools(&mut self, name: &str) -> Result<Option<Vec<bool>>, OpError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attr::DenseBools(v)) => Ok(Some(v)),
            Some(attr) => match ints_of(&attr) {
                Some(v) => Ok(Some(v.iter().map(|&x| x != 0).collect())),
                None => self.mismatch(name, "a list of booleans", &attr),
            },
        }
    }

    /// An optional N x 2 list, as `padding` is: `dense<[[0, 1], ...]> : tensor<Nx2xi64>`.
    pub fn opt_pairs(&mut self, name: &str) -> Result<Option<Vec<(i64, i64)>>, OpError> {
        let Some(attr) = self.take(name) else { return Ok(None) };
        let flat = match &attr {
            Attr::Array(rows) => {
                rows.iter().map(ints_of).collect::<Option<Vec<_>>>().map(|r| r.concat())
            }
            Attr::Dense(c) if c.ty.static_dims().is_none_or(|d| d.len() != 2 || d[1] != 2) => None,
            other => ints_of(other),
        };
        match flat {
            Some(v) if v.len() % 2 == 0 => {
                Ok(Some(v.chunks_exact(2).map(|p| (p[0], p[1])).collect()))
            }
            _ => self.mismatch(name, "a list of pairs of integers", &attr),
        }
    }

    /// An optional enum value, spelled `#stablehlo<kind VALUE>` or as a bare string.
    pub fn opt_enum(&mut self, name: &str) -> Result<Option<Arc<str>>, OpError> {
        match self.take(name) {
            None => Ok(None),
            Some(Attr::Enum(_, value)) | Some(Attr::String(value)) => Ok(Some(value)),
            Some(other) => self.mismatch(name, "an enum value", &other),
        }
    }

    /// A required enum value.
    pub fn enumeration(&mut self, name: &str) -> Result<Arc<str>, OpError> {
        let v = self.opt_enum(name)?;
        self.required(name, v)
    }

    /// A required string.
    pub fn string(&mut self, name: &str) -> Result<Arc<str>, OpError> {
        match self.take(name) {
            Some(Attr::String(s)) => Ok(s),
            Some(other) => self.mismatch(name, "a string", &other),
            None => self.required(name, None),
        }
    }

    /// A required symbol reference.
    pub fn symbol(&mut self, name: &str) -> Result<Arc<str>, OpError> {
        match self.take(name) {
            Some(Attr::Symbol(s)) | Some(Attr::String(s)) => Ok(s),
            Some(other) => self.mismatch(name, "a symbol", &other),
            None => self.required(name, None),
        }
    }

    /// A required `dense<...>` value.
    pub fn dense(&mut self, name: &str) -> Result<Arc<Constant>, OpError> {
        match self.take(name) {
            Some(Attr::Dense(c)) => Ok(c),
            Some(other) => self.mismatch(name, "a dense constant", &other),
            None => self.required(name, None),
        }
    }

    /// The fields of a structured attribute, `#stablehlo.dot<...>`.
    pub fn fields(&mut self, name: &str) -> Result<AttrReader<'a>, OpError> {
        match self.take(name) {
            Some(Attr::Struct(_, fields)) => Ok(AttrReader { attrs: fields, ..*self }),
            Some(other) => self.mismatch(name, "a structured attribute", &other),
            None => self.required(name, None),
        }
    }
}

/// The integers of a list attribute of any spelling.
pub fn ints_of(attr: &Attr) -> Option<Vec<i64>> {
    match attr {
        Attr::DenseInts(v) => Some(v.clone()),
        Attr::DenseBools(v) => Some(v.iter().map(|&b| i64::from(b)).collect()),
        Attr::Array(items) => items
            .iter()
            .map(|a| match a {
                Attr::Int(v, _) => i64::try_from(*v).ok(),
                Attr::Bool(b) => Some(i64::from(*b)),
                _ => None,
            })
            .collect(),
        Attr::Dense(c) => dense_ints(c),
        _ => None,
    }
}

/// The elements of an integer or boolean constant, sign- or zero-extended.
pub fn dense_ints(c: &Constant) -> Option<Vec<i64>> {
    let dtype = c.ty.elem.storage();
    if !dtype.is_integer() && dtype.bits() != 1 {
        return None;
    }
    let bytes = c.to_bytes();
    let one = |e: &[u8]| {
        let mut wide = [0u8; 8];
        wide[..e.len()].copy_from_slice(e);
        let shift = 64 - 8 * e.len() as u32;
        let raw = i64::from_le_bytes(wide);
        if dtype.is_signed_integer() { raw << shift >> shift } else { raw }
    };
    Some(bytes.chunks_exact(dtype.size()).map(one).collect())
}

/// The inherent attributes of an operation being printed.
#[derive(Default)]
pub struct AttrWriter {
    /// What was written so far.
    pub attrs: Dict,
}

impl AttrWriter {
    /// Writes any attribute.
    pub fn attr(&mut self, name: &str, value: Attr) {
        self.attrs.push(name, value);
    }

    /// Writes an `i64`.
    pub fn int(&mut self, name: &str, value: i64) {
        self.attr(name, Attr::i64(value));
    }

    /// Writes an `i32`.
    pub fn i32(&mut self, name: &str, value: i64) {
        self.attr(name, Attr::Int(i128::from(value), "i32".into()));
    }

    /// Writes an `f32`.
    pub fn f32(&mut self, name: &str, value: f64) {
        self.attr(name, Attr::Float(value, "f32".into()));
    }

    /// Writes `precision_config` unless it is empty.
    pub fn precision(&mut self, names: &[Arc<str>]) {
        if !names.is_empty() {
            let items = names.iter().map(|n| Attr::enumeration("precision", n)).collect();
            self.attr("precision_config", Attr::Array(items));
        }
    }

    /// Writes `array<i64: ...>`.
    pub fn ints(&mut self, name: &str, values: &[i64]) {
        self.attr(name, Attr::DenseInts(values.to_vec()));
    }

    /// Writes a boolean.
    pub fn bool(&mut self, name: &str, value: bool) {
        self.attr(name, Attr::Bool(value));
    }

    /// Writes `#stablehlo<kind VALUE>`.
    pub fn enumeration(&mut self, name: &str, kind: &str, value: &str) {
        self.attr(name, Attr::enumeration(kind, value));
    }

    /// Writes an N x 2 `dense` of `i64`.
    pub fn pairs(&mut self, name: &str, pairs: &[(i64, i64)]) {
        let bytes: Vec<u8> =
            pairs.iter().flat_map(|&(a, b)| [a, b]).flat_map(i64::to_le_bytes).collect();
        let ty =
            crate::ir::TensorType::fixed(&[pairs.len() as u64, 2], microhlo_format::DType::I64);
        self.attr(name, Attr::Dense(Arc::new(Constant::dense(ty, bytes))));
    }
}
