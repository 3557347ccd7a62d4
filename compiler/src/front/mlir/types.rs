//! Types: tensors, tokens, tuples, futures, quantised elements, function types.

use std::sync::Arc;

use microhlo_format::DType;

use super::cursor::{PResult, advise, error, is_word, unsupported};
use super::parser::Parser;
use crate::diag::Diagnostic;
use crate::eval::Element;
use crate::ir::{Attr, Dim, ElementType, QuantType, TensorType, Type, full_range};

/// Highest accepted rank.
const MAX_RANK: usize = 64;

/// Greatest number of types in one tuple or future, nested ones included.
const MAX_TYPE_SIZE: usize = 4096;

/// Stands for `?` in the bounds of `#stablehlo.bounds<...>`.
pub(crate) const NO_BOUND: i64 = i64::MIN;

/// What a type alias stands for.
#[derive(Clone)]
pub(crate) enum AliasType {
    Value(Type),
    Element(ElementType),
}

/// Operand and result types of an operation or function.
pub(crate) type Signature = (Vec<Type>, Vec<Type>);

fn type_size(ty: &Type) -> usize {
    match ty {
        Type::Tensor(_) | Type::Token | Type::Opaque(_) => 1,
        Type::Tuple(items) | Type::Future(items) => 1 + items.iter().map(type_size).sum::<usize>(),
    }
}

/// Reports about types of other dialects that are kept.
const MAX_FOREIGN_REPORTS: usize = 20;

const UNRANKED_HELP: &str = "give the rank, with `?` for unknown sizes: `tensor<?x4xf32>`";

const SCALAR_HELP: &str = "values are tensors; a scalar is a tensor of rank 0: `tensor<f32>`";

const TYPES_HELP: &str = "supported are tensors, `!quant.uniform<...>` elements, \
    `!stablehlo.token`, `!stablehlo.future<...>`, tuples, and aliases defined above as \
    `!name = ...`";

/// Whether a type `!name` belongs to another dialect.
fn foreign_type(name: &str) -> bool {
    let dialect = name.split_once('.').map_or("", |(dialect, _)| dialect);
    !matches!(dialect, "" | "stablehlo" | "mhlo" | "chlo" | "vhlo" | "quant")
}

/// Whether a word is the type of a scalar outside of tensors.
fn is_scalar(word: &str) -> bool {
    word == "index" || word == "none" || DType::from_name(word).is_some()
}

impl Parser<'_> {
    /// A type of a value.
    pub(crate) fn parse_type(&mut self) -> PResult<Type> {
        let start = self.c.pos();
        if self.c.at("!vhlo.") {
            return self.vhlo_value_type();
        }
        if self.c.at("!") {
            return self.dialect_type();
        }
        match self.c.peek_word() {
            "tensor" if self.foreign_tensor() => self.opaque_type(start, UNRANKED_HELP),
            "tensor" => self.tensor_type().map(Type::Tensor),
            word if is_scalar(word) => self.opaque_type(start, SCALAR_HELP),
            "memref" | "vector" => self.opaque_type(start, SCALAR_HELP),
            "tuple" => {
                self.c.word();
                Ok(Type::Tuple(self.type_arguments(start)?))
            }
            "" => Err(self.c.expected("a type such as `tensor<4xf32>`")),
            _ => {
                let stop = self.c.expected("a tensor, token or tuple type");
                Err(advise(
                    stop,
                    "values are tensors; a scalar is a tensor of rank 0: `tensor<f32>`",
                ))
            }
        }
    }

    /// `<T, U, ...>`.
    pub(crate) fn type_arguments(&mut self, start: usize) -> PResult<Vec<Type>> {
        self.c.expect("<")?;
        self.c.enter(start)?;
        let mut items = Vec::new();
        if !self.c.at(">") {
            items = self.type_list()?;
        }
        self.c.leave();
        self.c.expect(">")?;
        if items.iter().map(type_size).sum::<usize>() > MAX_TYPE_SIZE {
            let message = format!("the type holds more than {MAX_TYPE_SIZE} types");
            return Err(error(self.c.span_since(start), message));
        }
        Ok(items)
    }

    /// `T, U, ...`, at least one.
    pub(crate) fn type_list(&mut self) -> PResult<Vec<Type>> {
        let mut types = vec![self.parse_type()?];
        while self.c.eat(",") {
            types.push(self.parse_type()?);
        }
        Ok(types)
    }

    fn dialect_type(&mut self) -> PResult<Type> {
        let start = self.c.pos();
        self.c.expect("!")?;
        let name = self.c.name("a type name after `!`")?;
        match name {
            "stablehlo.token" | "mhlo.token" => Ok(Type::Token),
            "stablehlo.future" => {
                let items = self.type_arguments(start)?;
                match items.iter().find(|ty| matches!(ty, Type::Opaque(_))) {
                    None => Ok(Type::Future(items)),
                    Some(other) => {
                        let message = format!("a future is of tensors, not of {other}");
                        Err(error(self.c.span_since(start), message))
                    }
                }
            }
            _ => match self.type_alias(name, start)? {
                Some(AliasType::Value(ty)) => Ok(ty),
                Some(AliasType::Element(_)) => {
                    let message = format!("`!{name}` is an element type, expected a tensor type");
                    Err(error(self.c.span_since(start), message))
                }
                None if foreign_type(name) => {
                    self.c.seek(start);
                    self.opaque_type(start, TYPES_HELP)
                }
                None => Err(self.unknown_type(name, start)),
            },
        }
    }

    /// Whether the tensor type that begins here has no rank or elements of another dialect.
    fn foreign_tensor(&mut self) -> bool {
        let Some(rest) = self.c.rest().strip_prefix(b"tensor<") else { return false };
        let dims = rest.iter().position(|b| !(b.is_ascii_digit() || matches!(b, b'?' | b'x')));
        match dims.and_then(|at| rest.get(at..)) {
            Some([b'*', ..]) => true,
            Some([b'!', name @ ..]) => {
                let len = name.iter().position(|&b| !is_word(b)).unwrap_or(name.len());
                std::str::from_utf8(&name[..len]).is_ok_and(foreign_type)
            }
            _ => false,
        }
    }

    /// A type that only values of other dialects have, kept as text.
    fn opaque_type(&mut self, start: usize, help: &str) -> PResult<Type> {
        self.c.skip();
        let start = start.max(self.c.pos());
        if !self.c.eat("!") {
            self.c.word();
        } else {
            self.c.name("a type name after `!`")?;
        }
        self.skip_angle()?;
        let text = String::from_utf8_lossy(self.c.since(start));
        if self.foreign_types.len() < MAX_FOREIGN_REPORTS {
            let message = format!("values of type `{text}` are not supported");
            // A scalar outside of a tensor is no StableHLO; other types are those of others.
            let report = match help == SCALAR_HELP {
                true => Diagnostic::error(message),
                false => Diagnostic::unsupported(message),
            };
            self.foreign_types.push(report.at(self.c.span_since(start)).help(help));
        }
        Ok(Type::Opaque(text.into()))
    }

    fn type_alias(&mut self, name: &str, start: usize) -> PResult<Option<AliasType>> {
        let Some(alias) = self.type_aliases.get(name).cloned() else { return Ok(None) };
        let size = match &alias {
            AliasType::Value(ty) => type_size(ty),
            AliasType::Element(_) => 1,
        };
        self.spend(size, start)?;
        Ok(Some(alias))
    }

    fn unknown_type(&self, name: &str, start: usize) -> super::cursor::Stop {
        let span = self.c.span_since(start);
        // A type of StableHLO itself that is not known does not exist.
        let message = format!("unknown type `!{name}`");
        let foreign = !name.starts_with("stablehlo.") && name.contains('.');
        let stop = if foreign { unsupported(span, message) } else { error(span, message) };
        advise(stop, TYPES_HELP)
    }

    /// `tensor<4x?xf32>` with optional bounds.
    pub(crate) fn tensor_type(&mut self) -> PResult<TensorType> {
        self.c.skip();
        let start = self.c.pos();
        self.c.expect_word("tensor")?;
        self.c.expect("<")?;
        if self.c.at("*") {
            let stop = unsupported(self.c.span_since(start), "unranked tensors are not supported");
            return Err(advise(stop, UNRANKED_HELP));
        }
        let dims = self.dimensions(start)?;
        let elem = self.element_type(dims.len())?;
        let mut ty = TensorType { dims, elem };
        if self.c.eat(",") {
            self.bounds(&mut ty)?;
        }
        self.c.expect(">")?;
        match tensor_violation(&ty) {
            None => Ok(ty),
            Some(message) => Err(error(self.c.span_since(start), message)),
        }
    }

    pub(crate) fn dimensions(&mut self, start: usize) -> PResult<Vec<Dim>> {
        let mut dims = Vec::new();
        loop {
            let first = self.c.peek();
            if first == b'?' {
                self.c.expect("?")?;
                dims.push(Dim::Dynamic { bound: None });
            } else if first.is_ascii_digit() {
                dims.push(Dim::Static(self.dimension()?));
            } else {
                return Ok(dims);
            }
            if dims.len() > MAX_RANK {
                let message = format!("rank is greater than {MAX_RANK}");
                return Err(error(self.c.span_since(start), message));
            }
            self.c.expect("x")?;
        }
    }

    /// Decimal digits only: the `0x` of `0xf32` is a dimension and its separator.
    fn dimension(&mut self) -> PResult<u64> {
        let start = self.c.pos();
        let rest = self.c.rest();
        let len = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
        self.c.seek(start + len);
        let digits = std::str::from_utf8(self.c.since(start)).unwrap_or("");
        match digits.parse::<u64>() {
            Ok(n) if i64::try_from(n).is_ok() => Ok(n),
            _ => Err(error(self.c.span_since(start), "the dimension does not fit in 63 bits")),
        }
    }

    /// The element type of a tensor of the given rank.
    fn element_type(&mut self, rank: usize) -> PResult<ElementType> {
        let start = self.c.pos();
        if self.c.at("!") {
            self.c.expect("!")?;
            let name = self.c.name("a type name after `!`")?;
            if name == "quant.uniform" {
                return Ok(ElementType::Quant(Arc::new(self.quant_type(start)?)));
            }
            return match self.type_alias(name, start)? {
                Some(AliasType::Element(elem)) => Ok(elem),
                Some(AliasType::Value(_)) => {
                    let message = format!("`!{name}` is no element type");
                    Err(error(self.c.span_since(start), message))
                }
                None => Err(self.unknown_type(name, start)),
            };
        }
        let word = self.c.peek_word();
        if word == "index" {
            self.c.word();
            return Ok(ElementType::Index);
        }
        let after = if rank == 0 { "dimensions and an element type" } else { "an element type" };
        self.dtype(&format!("{after} such as `f32`, `i8`, `ui8` or `i1`")).map(ElementType::Plain)
    }

    /// A plain element type.
    pub(crate) fn dtype(&mut self, what: &str) -> PResult<DType> {
        let word = self.c.peek_word();
        if word == "complex" {
            let start = self.c.pos();
            self.c.word();
            self.c.expect("<")?;
            let part = self.c.word();
            self.c.expect(">")?;
            return DType::from_name(&format!("complex<{part}>")).ok_or_else(|| {
                let message = format!("`complex<{part}>`: parts must be `f32` or `f64`");
                error(self.c.span_since(start), message)
            });
        }
        let name = word.strip_prefix('s').filter(|w| w.starts_with('i')).unwrap_or(word);
        match DType::from_name(name) {
            Some(dtype) => {
                self.c.word();
                Ok(dtype)
            }
            None => Err(self.c.expected(what)),
        }
    }

    pub(crate) fn bounds(&mut self, ty: &mut TensorType) -> PResult<()> {
        self.c.skip();
        let start = self.c.pos();
        let attr = self.parse_attr()?;
        // How elements are stored says nothing about their values.
        if matches!(&attr, Attr::Opaque(text) if text.starts_with("#sparse_tensor.encoding")) {
            return Ok(());
        }
        let bounds = match &attr {
            Attr::Struct(name, fields) if &**name == "stablehlo.bounds" => fields.get("bounds"),
            _ => None,
        };
        let Some(Attr::DenseInts(bounds)) = bounds else {
            let stop = unsupported(self.c.span_since(start), "unsupported tensor encoding");
            return Err(advise(stop, "only `#stablehlo.bounds<...>` is supported"));
        };
        if bounds.len() != ty.rank() {
            let message = format!("{} bounds for a tensor of rank {}", bounds.len(), ty.rank());
            return Err(error(self.c.span_since(start), message));
        }
        for (dim, &bound) in ty.dims.iter_mut().zip(bounds) {
            match (dim, u64::try_from(bound)) {
                (Dim::Dynamic { bound: slot }, Ok(n)) => *slot = Some(n),
                (Dim::Static(n), Ok(_)) => {
                    let message = format!("dimension of size {n} has a bound; write `?` there");
                    return Err(error(self.c.span_since(start), message));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `<i8<-128:127>:f32:1, {0.2:20, 0.1:10}>` after `!quant.uniform`.
    fn quant_type(&mut self, start: usize) -> PResult<QuantType> {
        self.c.expect("<")?;
        let storage = self.quant_storage()?;
        let mut storage_range = full_range(storage);
        if self.c.eat("<") {
            storage_range.0 = self.c.int64()?;
            self.c.expect(":")?;
            storage_range.1 = self.c.int64()?;
            self.c.expect(">")?;
        }
        self.c.expect(":")?;
        let expressed = self.dtype("the expressed type such as `f32`")?;
        let mut axis = None;
        if self.c.eat(":") {
            let value = self.c.int64()?;
            axis = Some(u32::try_from(value).map_err(|_| {
                error(
                    self.c.span_since(start),
                    format!("quantisation axis {value} is out of range"),
                )
            })?);
        }
        self.c.expect(",")?;
        let (mut scales, mut zero_points) = (Vec::new(), Vec::new());
        if axis.is_some() {
            self.c.expect("{")?;
            loop {
                self.quant_parameter(&mut scales, &mut zero_points)?;
                if !self.c.eat(",") {
                    break;
                }
            }
            self.c.expect("}")?;
        } else {
            self.quant_parameter(&mut scales, &mut zero_points)?;
        }
        self.c.expect(">")?;
        let ty = QuantType { storage, expressed, storage_range, axis, scales, zero_points };
        match quant_violation(&ty) {
            None => Ok(ty),
            Some(message) => Err(error(self.c.span_since(start), message)),
        }
    }

    fn quant_storage(&mut self) -> PResult<DType> {
        let word = self.c.peek_word();
        // MLIR's quant dialect spells unsigned storage `u8`.
        let spelled =
            word.strip_prefix('u').filter(|w| w.starts_with(|c: char| c.is_ascii_digit()));
        if let Some(dtype) = spelled.and_then(|bits| DType::from_name(&format!("ui{bits}"))) {
            self.c.word();
            return Ok(dtype);
        }
        self.dtype("the storage type such as `i8`")
    }

    pub(crate) fn quant_parameter(
        &mut self,
        scales: &mut Vec<f64>,
        zeros: &mut Vec<i64>,
    ) -> PResult<()> {
        self.c.skip();
        let start = self.c.pos();
        let text = self.c.number_text();
        let Ok(scale) = text.parse::<f64>() else {
            self.c.seek(start);
            return Err(self.c.expected("a scale such as `0.5`"));
        };
        scales.push(scale);
        zeros.push(if self.c.eat(":") { self.c.int64()? } else { 0 });
        Ok(())
    }

    /// `(A, B) -> C`, `() -> ()`, `(A) -> (B, C)`.
    pub(crate) fn function_type(&mut self) -> PResult<Signature> {
        self.c.expect("(")?;
        let mut inputs = Vec::new();
        if !self.c.at(")") {
            inputs = self.type_list()?;
        }
        self.c.expect(")")?;
        self.c.expect("->")?;
        Ok((inputs, self.result_types()?))
    }

    /// `C`, `()` or `(A, B)`.
    pub(crate) fn result_types(&mut self) -> PResult<Vec<Type>> {
        if !self.c.eat("(") {
            return Ok(vec![self.parse_type()?]);
        }
        let mut results = Vec::new();
        if !self.c.at(")") {
            results = self.type_list()?;
        }
        self.c.expect(")")?;
        Ok(results)
    }

    /// The right-hand side of `!name = ...`.
    pub(crate) fn alias_type(&mut self) -> PResult<AliasType> {
        let start = self.c.pos();
        let element = self.c.at("!quant.") || DType::from_name(self.c.peek_word()).is_some();
        if element || self.c.peek_word() == "complex" {
            return self.element_type(1).map(AliasType::Element);
        }
        if self.c.eat("!") {
            let name = self.c.name("a type name after `!`")?;
            if let Some(alias) = self.type_alias(name, start)? {
                return Ok(alias);
            }
            self.c.seek(start);
        }
        self.parse_type().map(AliasType::Value)
    }
}

/// What is wrong with a tensor type: its size, or its axis of quantisation.
pub(crate) fn tensor_violation(ty: &TensorType) -> Option<String> {
    let fixed = ty.dims.iter().all(|d| d.size().is_some());
    if fixed && ty.bytes().is_none_or(|n| i64::try_from(n).is_err()) {
        return Some(format!("the size of `{ty}` overflows 63 bits"));
    }
    let ElementType::Quant(q) = &ty.elem else { return None };
    let axis = q.axis?;
    match ty.dims.get(axis as usize) {
        None => {
            Some(format!("(C12) quantisation axis {axis} must be less than the rank {}", ty.rank()))
        }
        Some(Dim::Static(n)) if *n != q.scales.len() as u64 => {
            let have = q.scales.len();
            Some(format!("(C13) {have} scales for dimension {axis} of size {n}"))
        }
        Some(_) => None,
    }
}

/// The first constraint that quantisation parameters violate, with its label (StableHLO
/// specification, section "Quantized types").
pub(crate) fn quant_violation(q: &QuantType) -> Option<String> {
    if !q.storage.is_integer() || q.storage.bits() > 32 {
        return Some(format!(
            "storage type must be an integer of at most 32 bits, is {}",
            q.storage
        ));
    }
    if !q.expressed.is_float() {
        return Some(format!("expressed type must be a float type, is {}", q.expressed));
    }
    let (least, greatest) = full_range(q.storage);
    let (min, max) = q.storage_range;
    if min >= max || min < least || max > greatest {
        return Some(format!("(C4) storage range {min}:{max} must lie within {least}:{greatest}"));
    }
    let bad_scale = q.scales.iter().find(|s| !(s.is_finite() && **s > 0.0));
    if let Some(scale) = bad_scale {
        return Some(format!("(C6, C7) scale must be positive and finite, is {scale}"));
    }
    let bad_scale = q.scales.iter().find(|&&s| !is_representable(s, q.expressed));
    if let Some(scale) = bad_scale {
        return Some(format!("(C5) scale {scale} is beyond the range of {}", q.expressed));
    }
    let bad_zero = q.zero_points.iter().find(|z| !(min..=max).contains(z));
    bad_zero.map(|z| format!("(C8) zero point {z} must lie within {min}:{max}"))
}

/// Whether a positive number is at least the least positive one of a float type, and rounds to a
/// finite one.
fn is_representable(scale: f64, expressed: DType) -> bool {
    let number = |bytes: &[u8]| match Element::decode(expressed, bytes) {
        Element::Float(v) => v,
        _ => f64::NAN,
    };
    let mut bytes = [0u8; 16];
    let bytes = &mut bytes[..expressed.size()];
    Element::Float(scale).encode(expressed, bytes);
    let rounded = number(bytes);
    bytes.fill(0);
    // The type of powers of two has no zero: its least number is all zeros.
    bytes[0] = u8::from(expressed != DType::F8E8M0FNU);
    rounded.is_finite() && scale >= number(bytes)
}
