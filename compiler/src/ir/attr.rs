//! MLIR attributes, as the front end reads them and the printer writes them.

use std::fmt;
use std::sync::Arc;

use super::constant::Constant;
use super::print;
use super::types::Type;

/// One attribute value.
#[derive(Clone, Debug, PartialEq)]
pub enum Attr {
    /// `unit`, or a bare key of a dictionary.
    Unit,
    /// `true`, `false`.
    Bool(bool),
    /// An integer with its type's spelling (`i64` where none was written).
    Int(i128, Arc<str>),
    /// A float with its type's spelling (`f64` where none was written).
    Float(f64, Arc<str>),
    /// `"..."`, unescaped. Not always UTF-8 in the wild; invalid bytes are replaced.
    String(Arc<str>),
    /// `@name`; nested references are joined by `::`.
    Symbol(Arc<str>),
    /// `[...]`.
    Array(Vec<Attr>),
    /// `array<i64: ...>` and `array<i32: ...>`.
    DenseInts(Vec<i64>),
    /// `array<i1: ...>`.
    DenseBools(Vec<bool>),
    /// `{key = value, ...}`.
    Dict(Dict),
    /// `dense<...> : tensor<...>`.
    Dense(Arc<Constant>),
    /// A type used as attribute.
    Type(Type),
    /// A structured StableHLO attribute: `#stablehlo.dot<lhs_contracting_dimensions = [1], ...>`
    /// has the name `stablehlo.dot` and its fields in the order written.
    Struct(Arc<str>, Dict),
    /// An enum attribute: `#stablehlo<precision HIGH>`, `#stablehlo<comparison_direction LT>`:
    /// the kind (`precision`) and the value (`HIGH`).
    Enum(Arc<str>, Arc<str>),
    /// `#stablehlo.conv<[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]>`: the three lists' texts.
    ConvDims(Arc<[Vec<Arc<str>>; 3]>),
    /// An attribute of another dialect, kept as text.
    Opaque(Arc<str>),
}

/// Named attributes in the order written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dict(pub Vec<(Arc<str>, Attr)>);

impl Dict {
    /// The attribute called `name`.
    pub fn get(&self, name: &str) -> Option<&Attr> {
        self.0.iter().find(|(k, _)| &**k == name).map(|(_, v)| v)
    }

    /// Appends an attribute.
    pub fn push(&mut self, name: &str, value: Attr) {
        self.0.push((name.into(), value));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All attributes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attr)> {
        self.0.iter().map(|(k, v)| (&**k, v))
    }
}

impl Attr {
    /// An `i64` attribute.
    pub fn i64(value: i64) -> Attr {
        Attr::Int(i128::from(value), "i64".into())
    }

    /// An enum attribute of the StableHLO dialect.
    pub fn enumeration(kind: &str, value: &str) -> Attr {
        Attr::Enum(kind.into(), value.into())
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
}

/// Writes `text` as an MLIR string literal.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' => out.push_str("\\22"),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(byte)),
            other => out.push_str(&format!("\\{other:02X}")),
        }
    }
    out.push('"');
    out
}

/// Writes a symbol reference; parts of a nested one, joined by `::`, are quoted unless they are
/// identifiers. A dash at the end is quoted too: it may be the beginning of an arrow.
pub fn symbol(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '-');
    let digit = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let bare = |part: &str| !part.is_empty() && !digit(part) && !part.ends_with('-');
    let one = |part: &str| match bare(part) && part.chars().all(plain) {
        true => format!("@{part}"),
        false => format!("@{}", quote(part)),
    };
    name.split("::").map(one).collect::<Vec<_>>().join("::")
}

impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attr::Unit => f.write_str("unit"),
            Attr::Bool(b) => write!(f, "{b}"),
            Attr::Int(v, ty) => write!(f, "{v} : {ty}"),
            Attr::Float(v, ty) => f.write_str(&print::typed_float(*v, ty)),
            Attr::String(s) => f.write_str(&quote(s)),
            Attr::Symbol(s) => f.write_str(&symbol(s)),
            Attr::Array(items) => write!(f, "[{}]", list(items)),
            Attr::DenseInts(v) if v.is_empty() => f.write_str("array<i64>"),
            Attr::DenseInts(v) => write!(f, "array<i64: {}>", list(v)),
            Attr::DenseBools(v) if v.is_empty() => f.write_str("array<i1>"),
            Attr::DenseBools(v) => write!(f, "array<i1: {}>", list(v)),
            Attr::Dict(d) => write!(f, "{{{d}}}"),
            Attr::Dense(c) => write!(f, "{c}"),
            Attr::Type(t) => write!(f, "{t}"),
            Attr::Struct(name, fields) => {
                // Field lists are bare: `[1]`, not `array<i64: 1>`; integers carry no type.
                let field = |(k, v): (&str, &Attr)| format!("{k} = {}", Bare(v));
                write!(f, "#{name}<{}>", list(fields.iter().map(field)))
            }
            Attr::Enum(kind, value) => write!(f, "#stablehlo<{kind} {value}>"),
            Attr::ConvDims(parts) => {
                let [lhs, rhs, out] = &**parts;
                write!(f, "#stablehlo.conv<[{}]x[{}]->[{}]>", list(lhs), list(rhs), list(out))
            }
            Attr::Opaque(text) => f.write_str(text),
        }
    }
}

/// An attribute inside a structured one, printed without types.
struct Bare<'a>(&'a Attr);

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match print::bare(self.0) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = |(k, v): (&str, &Attr)| match v {
            Attr::Unit => print::key(k),
            other => format!("{} = {other}", print::key(k)),
        };
        f.write_str(&list(self.iter().map(entry)))
    }
}
