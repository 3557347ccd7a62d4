//! Attributes, types and locations, decoded when first asked for and kept.
//!
//! Entries refer to each other by number in any order, so that decoding recurses; cycles and deep
//! nesting are refused. Entries may share parts, which the IR does not: a budget in proportion to
//! the file's size keeps a small file from expanding into a large program.

use std::sync::Arc;

use super::container::{Entry, File};
use super::reader::{Reader, Res, advise, fail, unsupported};
use super::{builtin, mhlo, quant, stablehlo, vhlo};
use crate::front::mlir::{self, AliasType};
use crate::ir::{Attr, Dict, ElementType, Type};

/// Deepest nesting of attributes and types, as in the text front end.
const MAX_DEPTH: u32 = 128;

/// Attributes and types that one byte of the file may become. Real files have tens of operations
/// that share one type, and each is several bytes long.
const BUDGET_PER_BYTE: usize = 64;

/// Budget of the smallest file.
const MIN_BUDGET: usize = 1 << 16;

/// A type in the widest sense.
#[derive(Clone, Debug)]
pub(super) enum Ty {
    /// A type of a value.
    Value(Type),
    /// A type of tensor elements.
    Element(ElementType),
    /// The signature of a function.
    Function(Vec<Type>, Vec<Type>),
    /// A type that no value has, in text: `none`, `tf32`, `i5`.
    Other(Arc<str>),
}

impl Ty {
    /// The type as an attribute, as the text front end reads it.
    pub(super) fn into_attr(self) -> Attr {
        match self {
            Ty::Value(ty) => Attr::Type(ty),
            Ty::Element(elem) => Attr::Opaque(elem.to_string().into()),
            Ty::Function(inputs, results) => mlir::function_attr(inputs, results),
            Ty::Other(text) => Attr::Opaque(text),
        }
    }
}

/// What a location tells: the innermost name, and a place in a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Location {
    pub(super) name: Option<Arc<str>>,
    pub(super) place: Option<(Arc<str>, u64, u64)>,
}

impl Location {
    /// Takes what is missing from another one.
    pub(super) fn or(self, other: Location) -> Location {
        Location { name: self.name.or(other.name), place: self.place.or(other.place) }
    }
}

/// An entry's state, with the size of what it decodes to.
#[derive(Clone, Debug)]
enum Memo<T> {
    New,
    Busy,
    Done(T, usize),
}

/// The entries of a file.
pub(super) struct Entries<'a> {
    pub(super) file: &'a File<'a>,
    strings: Vec<Option<Arc<str>>>,
    attrs: Vec<Memo<Attr>>,
    types: Vec<Memo<Ty>>,
    locations: Vec<Memo<Location>>,
    depth: u32,
    budget: usize,
}

/// Number of attributes or types in an attribute, itself included.
fn attr_size(attr: &Attr) -> usize {
    let fields = |d: &Dict| d.iter().map(|(_, v)| attr_size(v)).sum::<usize>();
    1 + match attr {
        Attr::Array(items) => items.iter().map(attr_size).sum(),
        Attr::Dict(d) | Attr::Struct(_, d) => fields(d),
        Attr::DenseInts(v) => v.len() / 8,
        Attr::DenseBools(v) => v.len() / 64,
        Attr::Type(ty) => type_size(ty),
        _ => 0,
    }
}

fn type_size(ty: &Type) -> usize {
    1 + match ty {
        Type::Tensor(t) => t.rank() / 8,
        Type::Token => 0,
        Type::Opaque(text) => text.len() / 64,
        Type::Tuple(items) | Type::Future(items) => items.iter().map(type_size).sum(),
    }
}

fn ty_size(ty: &Ty) -> usize {
    match ty {
        Ty::Value(ty) => type_size(ty),
        Ty::Element(_) | Ty::Other(_) => 1,
        Ty::Function(inputs, results) => {
            1 + inputs.iter().chain(results).map(type_size).sum::<usize>()
        }
    }
}

impl<'a> Entries<'a> {
    /// The entries of a file of `len` bytes, nothing decoded.
    pub(super) fn new(file: &'a File<'a>, len: usize) -> Entries<'a> {
        Entries {
            file,
            strings: vec![None; file.strings.len()],
            attrs: vec![Memo::New; file.attrs.len()],
            types: vec![Memo::New; file.types.len()],
            locations: vec![Memo::New; file.attrs.len()],
            depth: 0,
            budget: len.saturating_mul(BUDGET_PER_BYTE).max(MIN_BUDGET),
        }
    }

    /// Counts what was copied into the program.
    pub(super) fn spend(&mut self, size: usize, at: usize) -> Res<()> {
        match self.budget.checked_sub(size) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => fail(at, "shared attributes and types expand to too large a program"),
        }
    }

    /// A string. Bytes that are no UTF-8 are replaced, as in text.
    pub(super) fn string(&mut self, index: usize) -> Arc<str> {
        let file = self.file;
        let Some(slot) = self.strings.get_mut(index) else { return "".into() };
        let text = || String::from_utf8_lossy(file.strings.get(index).copied().unwrap_or(b""));
        Arc::clone(slot.get_or_insert_with(|| text().into()))
    }

    fn enter(&mut self, at: usize) -> Res<()> {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => fail(at, format!("attributes or types are nested deeper than {MAX_DEPTH}")),
            false => Ok(()),
        }
    }

    /// Attribute number `index`.
    pub(super) fn attr(&mut self, index: usize) -> Res<Attr> {
        let file = self.file;
        let Some(entry) = file.attrs.get(index) else {
            return fail(0, format!("there is no attribute number {index}"));
        };
        let at = entry.data.at();
        if let Memo::Done(attr, size) = &self.attrs[index] {
            let (attr, size) = (attr.clone(), *size);
            self.spend(size, at)?;
            return Ok(attr);
        }
        if matches!(self.attrs[index], Memo::Busy) {
            return fail(at, "an attribute contains itself");
        }
        self.attrs[index] = Memo::Busy;
        let decoded = self.enter(at).and_then(|()| self.decode_attr(entry));
        self.depth -= 1;
        let attr = decoded.inspect_err(|_| self.attrs[index] = Memo::New)?;
        let size = attr_size(&attr);
        self.spend(size, at)?;
        self.attrs[index] = Memo::Done(attr.clone(), size);
        Ok(attr)
    }

    fn decode_attr(&mut self, entry: &Entry<'a>) -> Res<Attr> {
        let at = entry.data.at();
        let dialect = self.file.dialects[entry.dialect];
        if !entry.custom {
            let text = asm_text(&entry.data)?;
            return match mlir::attr_from_text(text) {
                Some(attr) => Ok(attr),
                None => {
                    unsupported(fail(at, format!("attribute `{}` is not supported", short(text))))
                }
            };
        }
        let mut r = Decoder { entries: self, r: entry.data.clone() };
        let attr = match dialect {
            "builtin" => builtin::attr(&mut r)?,
            "vhlo" => vhlo::attr(&mut r)?,
            "stablehlo" => stablehlo::attr(&mut r)?,
            "mhlo" => mhlo::attr(&mut r)?,
            "chlo" => mhlo::chlo_attr(&mut r)?,
            _ => return Ok(unread(dialect, entry.data.rest())),
        };
        r.finish(at)?;
        Ok(attr)
    }

    /// Type number `index`.
    pub(super) fn ty(&mut self, index: usize) -> Res<Ty> {
        let file = self.file;
        let Some(entry) = file.types.get(index) else {
            return fail(0, format!("there is no type number {index}"));
        };
        let at = entry.data.at();
        if let Memo::Done(ty, size) = &self.types[index] {
            let (ty, size) = (ty.clone(), *size);
            self.spend(size, at)?;
            return Ok(ty);
        }
        if matches!(self.types[index], Memo::Busy) {
            return fail(at, "a type contains itself");
        }
        self.types[index] = Memo::Busy;
        let decoded = self.enter(at).and_then(|()| self.decode_type(entry));
        self.depth -= 1;
        let ty = decoded.inspect_err(|_| self.types[index] = Memo::New)?;
        let size = ty_size(&ty);
        self.spend(size, at)?;
        self.types[index] = Memo::Done(ty.clone(), size);
        Ok(ty)
    }

    fn decode_type(&mut self, entry: &Entry<'a>) -> Res<Ty> {
        let at = entry.data.at();
        let dialect = self.file.dialects[entry.dialect];
        if !entry.custom {
            let text = asm_text(&entry.data)?;
            return match mlir::type_from_text(text) {
                Some(AliasType::Value(Type::Opaque(_))) | None => Ok(Ty::Other(text.into())),
                Some(AliasType::Value(ty)) => Ok(Ty::Value(ty)),
                Some(AliasType::Element(elem)) => Ok(Ty::Element(elem)),
            };
        }
        let mut r = Decoder { entries: self, r: entry.data.clone() };
        let ty = match dialect {
            "builtin" => builtin::ty(&mut r)?,
            "vhlo" => vhlo::ty(&mut r)?,
            "stablehlo" => stablehlo::ty(&mut r)?,
            "mhlo" => mhlo::ty(&mut r)?,
            "quant" => quant::ty(&mut r)?,
            _ => return unknown_dialect(at, dialect),
        };
        r.finish(at)?;
        Ok(ty)
    }

    /// The type of a value.
    pub(super) fn value_type(&mut self, index: usize, at: usize) -> Res<Type> {
        match self.ty(index)? {
            Ty::Value(ty) => Ok(ty),
            Ty::Element(elem) => Ok(Type::Opaque(elem.to_string().into())),
            Ty::Other(text) => Ok(Type::Opaque(text)),
            Ty::Function(..) => not_a_value(at, "function"),
        }
    }

    /// What the location attribute number `index` tells.
    pub(super) fn location(&mut self, index: usize) -> Res<Location> {
        let file = self.file;
        let Some(entry) = file.attrs.get(index) else { return Ok(Location::default()) };
        let at = entry.data.at();
        match &self.locations[index] {
            Memo::Done(location, _) => return Ok(location.clone()),
            Memo::Busy => return fail(at, "a location contains itself"),
            Memo::New => {}
        }
        self.locations[index] = Memo::Busy;
        let builtin = entry.custom && file.dialects[entry.dialect] == "builtin";
        let decoded = self.enter(at).and_then(|()| match builtin {
            true => builtin::location(&mut Decoder { entries: self, r: entry.data.clone() }),
            false => Ok(Location::default()),
        });
        self.depth -= 1;
        let location = decoded.inspect_err(|_| self.locations[index] = Memo::New)?;
        self.locations[index] = Memo::Done(location.clone(), 0);
        Ok(location)
    }
}

fn not_a_value<T>(at: usize, what: &str) -> Res<T> {
    let help = "values are tensors, tokens and tuples; legalise the program to StableHLO";
    advise(at, format!("type `{what}` is no type of a value"), help)
}

fn unknown_dialect<T>(at: usize, dialect: &str) -> Res<T> {
    let help = "legalise the program to StableHLO before compiling it";
    let message = format!("type of the dialect `{dialect}`, which is not supported");
    unsupported(advise(at, message, help))
}

/// An attribute in the encoding of another dialect, such as the shardings that JAX adds to
/// operations. What reads it decides whether it matters.
fn unread(dialect: &str, bytes: &[u8]) -> Attr {
    let mut text = format!("#{dialect}<\"0x");
    for byte in bytes {
        text.push_str(&format!("{byte:02X}"));
    }
    text.push_str("\">");
    Attr::Opaque(text.into())
}

/// The beginning of a text, for messages.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(60)]
}

/// The text form of an entry.
fn asm_text<'a>(data: &Reader<'a>) -> Res<&'a str> {
    let mut r = data.clone();
    let at = r.at();
    match std::str::from_utf8(r.c_string()?) {
        Ok(text) => Ok(text),
        Err(_) => fail(at, "an attribute or type in text form is not UTF-8"),
    }
}

/// Reads the payload of one entry.
pub(super) struct Decoder<'c, 'a> {
    pub(super) entries: &'c mut Entries<'a>,
    pub(super) r: Reader<'a>,
}

impl<'a> Decoder<'_, 'a> {
    /// The payload must be used up.
    fn finish(&self, at: usize) -> Res<()> {
        match self.r.rest().len() {
            0 => Ok(()),
            n => fail(at, format!("an attribute or type has {n} bytes too many")),
        }
    }

    /// Failure for an unknown code at `at`.
    pub(super) fn unknown<T>(&self, at: usize, what: &str, code: u64) -> Res<T> {
        let producer = self.entries.file.producer;
        let message = format!("unknown {what} code {code} in a file by {producer}");
        advise(at, message, super::NEWER_HELP)
    }

    /// A list of items that take at least one byte each.
    pub(super) fn list<T>(&mut self, item: impl Fn(&mut Self) -> Res<T>) -> Res<Vec<T>> {
        let count = self.r.count("items")?;
        // Items may be larger than their bytes: the vector grows with what was really read.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Names with attributes; a name stands only once.
    pub(super) fn dictionary(&mut self) -> Res<Dict> {
        let at = self.r.at();
        let items = self.list(|d| Ok((d.string_attr()?, d.attr()?)))?;
        let mut names: Vec<&Arc<str>> = items.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => fail(at, format!("attribute `{}` is given twice", pair[0])),
            None => Ok(Dict(items)),
        }
    }

    pub(super) fn svarint(&mut self) -> Res<i64> {
        self.r.svarint()
    }

    pub(super) fn svarints(&mut self) -> Res<Vec<i64>> {
        self.list(|d| d.r.svarint())
    }

    pub(super) fn string(&mut self) -> Res<Arc<str>> {
        let index = self.r.index(self.entries.file.strings.len(), "string")?;
        Ok(self.entries.string(index))
    }

    pub(super) fn attr(&mut self) -> Res<Attr> {
        let index = self.r.index(self.entries.file.attrs.len(), "attribute")?;
        self.entries.attr(index)
    }

    /// An attribute that must be a string.
    pub(super) fn string_attr(&mut self) -> Res<Arc<str>> {
        let at = self.r.at();
        match self.attr()? {
            Attr::String(text) => Ok(text),
            other => fail(at, format!("expected a string, found `{}`", brief(&other))),
        }
    }

    pub(super) fn attrs(&mut self) -> Res<Vec<Attr>> {
        self.list(Decoder::attr)
    }

    pub(super) fn ty(&mut self) -> Res<Ty> {
        let index = self.r.index(self.entries.file.types.len(), "type")?;
        self.entries.ty(index)
    }

    pub(super) fn value_types(&mut self) -> Res<Vec<Type>> {
        self.list(|d| {
            let at = d.r.at();
            let index = d.r.index(d.entries.file.types.len(), "type")?;
            d.entries.value_type(index, at)
        })
    }

    /// The element type that a type is.
    pub(super) fn element(&mut self) -> Res<ElementType> {
        let at = self.r.at();
        match self.ty()? {
            Ty::Element(elem) => Ok(elem),
            Ty::Other(text) => {
                unsupported(fail(at, format!("element type `{}` is not supported", short(&text))))
            }
            other => {
                let found = brief(&other.into_attr());
                fail(at, format!("expected an element type, found `{found}`"))
            }
        }
    }

    /// A tensor type.
    pub(super) fn tensor(&mut self) -> Res<crate::ir::TensorType> {
        let at = self.r.at();
        match self.ty()? {
            Ty::Value(Type::Tensor(ty)) => Ok(ty),
            other => {
                let found = brief(&other.into_attr());
                fail(at, format!("expected a tensor type, found `{found}`"))
            }
        }
    }

    pub(super) fn location(&mut self) -> Res<Location> {
        let index = self.r.index(self.entries.file.attrs.len(), "attribute")?;
        self.entries.location(index)
    }
}

/// An attribute's beginning, for messages.
fn brief(attr: &Attr) -> String {
    match attr {
        Attr::Dense(c) => format!("dense<...> : {}", c.ty),
        other => short(&other.to_string()).to_owned(),
    }
}
