//! Attributes: numbers, strings, lists, dictionaries, StableHLO's structured ones.

use std::sync::Arc;

use microhlo_format::DType;
use microhlo_format::float::Format;

use super::cursor::{PResult, advise, error};
use super::parser::Parser;
use super::types::NO_BOUND;
use crate::ir::{Attr, Dict, Type};

/// Name of the structure that holds a function type: fields `inputs` and `results`.
pub(crate) const FUNCTION: &str = "function";

/// Values of the dialect's enums (StableHLO specification, the attributes of the operations).
const ENUMS: &[(&str, &[&str])] = &[
    ("comparison_direction", &["EQ", "NE", "GE", "GT", "LE", "LT"]),
    ("comparison_type", &["NOTYPE", "FLOAT", "TOTALORDER", "SIGNED", "UNSIGNED"]),
    ("fft_type", &["FFT", "IFFT", "RFFT", "IRFFT"]),
    ("precision", &["DEFAULT", "HIGH", "HIGHEST"]),
    ("result_accuracy_mode", &["DEFAULT", "HIGHEST", "TOLERANCE"]),
    ("rng_algorithm", &["DEFAULT", "THREE_FRY", "PHILOX"]),
    ("rng_distribution", &["UNIFORM", "NORMAL"]),
    ("transpose", &["TRANSPOSE_INVALID", "NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"]),
];

/// Fields of the dialect's structured attributes (`StablehloAttrs.td`).
const STRUCTURES: &[(&str, &[&str])] = &[
    (
        "dot",
        &[
            "lhs_batching_dimensions",
            "rhs_batching_dimensions",
            "lhs_contracting_dimensions",
            "rhs_contracting_dimensions",
        ],
    ),
    (
        "gather",
        &[
            "offset_dims",
            "collapsed_slice_dims",
            "operand_batching_dims",
            "start_indices_batching_dims",
            "start_index_map",
            "index_vector_dim",
        ],
    ),
    (
        "scatter",
        &[
            "update_window_dims",
            "inserted_window_dims",
            "input_batching_dims",
            "scatter_indices_batching_dims",
            "scatter_dims_to_operand_dims",
            "index_vector_dim",
        ],
    ),
    ("channel_handle", &["handle", "type"]),
    ("output_operand_alias", &["output_tuple_indices", "operand_index", "operand_tuple_indices"]),
    ("result_accuracy", &["atol", "rtol", "ulps", "mode"]),
    (
        "dot_algorithm",
        &[
            "lhs_precision_type",
            "rhs_precision_type",
            "accumulation_type",
            "lhs_component_count",
            "rhs_component_count",
            "num_primitive_operations",
            "allow_imprecise_accumulation",
        ],
    ),
];

/// The values of the enum called `kind`, in the order of their codes.
pub(crate) fn enum_values(kind: &str) -> &'static [&'static str] {
    ENUMS.iter().find(|(name, _)| *name == kind).map_or(&[], |(_, values)| values)
}

/// A function type as an attribute.
pub(crate) fn function_attr(inputs: Vec<Type>, results: Vec<Type>) -> Attr {
    let list = |types: Vec<Type>| Attr::Array(types.into_iter().map(Attr::Type).collect());
    let mut fields = Dict::default();
    fields.push("inputs", list(inputs));
    fields.push("results", list(results));
    Attr::Struct(FUNCTION.into(), fields)
}

/// Name of the part of a mesh axis, which has a form of its own inside of `axis_ref`.
const SUB_AXIS: &str = "stablehlo.sub_axis_info";

impl Parser<'_> {
    /// A bare value of the enum called `kind`.
    pub(crate) fn enum_word(&mut self, kind: &str) -> PResult<Attr> {
        let word = self.c.peek_word();
        let values = ENUMS.iter().find(|(name, _)| *name == kind).map(|(_, values)| *values);
        let known = values.is_none_or(|values| values.contains(&word));
        if word.is_empty() || !known {
            let values = values.map_or_else(|| format!("a value of `{kind}`"), |v| v.join(", "));
            return Err(self.c.expected(&values));
        }
        self.c.word();
        Ok(Attr::enumeration(kind, word))
    }

    /// Any attribute.
    pub(crate) fn parse_attr(&mut self) -> PResult<Attr> {
        self.c.skip();
        let start = self.c.pos();
        self.c.enter(start)?;
        let attr = match self.c.peek() {
            b'"' => Attr::String(self.c.string()?.into()),
            b'@' => self.symbol_reference()?,
            b'[' => Attr::Array(self.attr_list()?),
            b'{' => Attr::Dict(self.attr_dict()?),
            b'#' => self.hash_attr()?,
            b'!' => self.type_attr()?,
            b'(' => self.function_attr()?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word_attr(start)?,
        };
        self.c.leave();
        Ok(attr)
    }

    fn symbol_reference(&mut self) -> PResult<Attr> {
        let mut name = self.c.symbol()?.into_owned();
        while self.c.eat("::") {
            name.push_str("::");
            // The printer writes the joined name; MLIR repeats the `@`.
            match self.c.at("@") {
                true => name.push_str(&self.c.symbol()?),
                false => name.push_str(self.c.name("a symbol name after `::`")?),
            }
        }
        Ok(Attr::Symbol(name.into()))
    }

    fn attr_list(&mut self) -> PResult<Vec<Attr>> {
        self.c.expect("[")?;
        let mut items = Vec::new();
        while !self.c.eat("]") {
            items.push(self.parse_attr()?);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        Ok(items)
    }

    /// `{key = value, flag}`.
    pub(crate) fn attr_dict(&mut self) -> PResult<Dict> {
        self.c.expect("{")?;
        let mut dict = Dict::default();
        while !self.c.eat("}") {
            let start = self.c.pos();
            let key: Arc<str> = match self.c.peek() {
                b'"' => self.c.string()?.into(),
                first if first.is_ascii_alphabetic() || first == b'_' => {
                    self.c.name("an attribute name")?.into()
                }
                _ => return Err(self.c.expected("an attribute name")),
            };
            if dict.0.len() < 64 && dict.get(&key).is_some() {
                return Err(error(
                    self.c.span_since(start),
                    format!("attribute `{key}` is given twice"),
                ));
            }
            let value = if self.c.eat("=") { self.parse_attr()? } else { Attr::Unit };
            dict.0.push((key, value));
            if !self.c.at("}") {
                self.c.expect(",")?;
            }
        }
        Ok(dict)
    }

    /// A dictionary, if one comes next, appended to `attrs`.
    pub(crate) fn optional_dict(&mut self, attrs: &mut Dict) -> PResult<()> {
        if self.c.at("{") && !self.c.at("{-#") {
            attrs.0.extend(self.attr_dict()?.0);
        }
        Ok(())
    }

    /// An integer or float with an optional type.
    pub(crate) fn number(&mut self) -> PResult<Attr> {
        let start = self.c.pos();
        let text = self.c.number_text();
        if text.is_empty() {
            return Err(self.c.expected("a number"));
        }
        let ty = if self.c.eat(":") { Some(self.number_type()?) } else { None };
        let hex = text.contains("0x");
        let dtype = ty.as_deref().and_then(DType::from_name);
        let spelled_float = !hex && text.contains(['.', 'e', 'E', 'i', 'N']);
        if spelled_float || dtype.is_some_and(DType::is_float) {
            let ty = ty.unwrap_or_else(|| "f64".into());
            return match float_value(text, dtype, hex) {
                Some(value) => Ok(Attr::Float(value, ty)),
                None => {
                    let message = format!("`{text}` is no number of type {ty}");
                    Err(error(self.c.span_since(start), message))
                }
            };
        }
        self.c.seek(start);
        let value = self.c.integer()?;
        if ty.is_some() {
            self.c.expect(":")?;
            self.number_type()?;
        }
        Ok(Attr::Int(value, ty.unwrap_or_else(|| "i64".into())))
    }

    fn number_type(&mut self) -> PResult<Arc<str>> {
        let word = self.c.word();
        if word.is_empty() {
            Err(self.c.expected("a number type such as `i64`"))
        } else {
            Ok(word.into())
        }
    }

    fn word_attr(&mut self, start: usize) -> PResult<Attr> {
        let word = self.c.peek_word();
        match word {
            "tensor" | "tuple" => return self.parse_type().map(Attr::Type),
            "inf" | "NaN" => return self.number(),
            "true" | "false" | "unit" | "dense" | "dense_resource" | "array" | "loc" => {
                self.c.word();
            }
            _ => return self.bare_type(start),
        }
        match word {
            "true" => Ok(Attr::Bool(true)),
            "false" => Ok(Attr::Bool(false)),
            "unit" => Ok(Attr::Unit),
            "dense" => self.dense_literal(start),
            "dense_resource" => self.dense_resource(),
            "array" => self.dense_array(start),
            _ => {
                self.location_in_parentheses()?;
                Ok(self.opaque_since(start))
            }
        }
    }

    /// A type that no value has, kept as text: `i32`, `tf32`, `none`, `memref<...>`.
    fn bare_type(&mut self, start: usize) -> PResult<Attr> {
        const OTHERS: &[&str] = &[
            "index",
            "none",
            "tf32",
            "complex",
            "vector",
            "memref",
            "affine_map",
            "affine_set",
            "strided",
            "f80",
            "f128",
            "opaque",
        ];
        let word = self.c.peek_word();
        let integer = word.trim_start_matches(['s', 'u']).strip_prefix('i');
        let integer =
            integer.is_some_and(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_digit()));
        if !(integer || DType::from_name(word).is_some() || OTHERS.contains(&word)) {
            return Err(self.c.expected("an attribute value"));
        }
        self.c.word();
        self.skip_angle()?;
        Ok(self.opaque_since(start))
    }

    /// `!dialect.type<...>` as an attribute.
    fn type_attr(&mut self) -> PResult<Attr> {
        let start = self.c.pos();
        self.c.expect("!")?;
        let name = self.c.name("a type name after `!`")?;
        let known = matches!(name, "stablehlo.token" | "mhlo.token" | "stablehlo.future");
        if known || !name.contains('.') && !self.c.at("<") {
            self.c.seek(start);
            return self.parse_type().map(Attr::Type);
        }
        self.skip_angle()?;
        Ok(self.opaque_since(start))
    }

    fn function_attr(&mut self) -> PResult<Attr> {
        let (inputs, results) = self.function_type()?;
        Ok(function_attr(inputs, results))
    }

    /// `<i64: 1, 2>` after `array`.
    fn dense_array(&mut self, start: usize) -> PResult<Attr> {
        self.c.expect("<")?;
        let dtype = self.dtype("an element type such as `i64`")?;
        if dtype.is_float() {
            self.c.seek(start);
            self.c.word();
            self.skip_angle()?;
            return Ok(self.opaque_since(start));
        }
        let (mut ints, mut bools) = (Vec::new(), Vec::new());
        if self.c.eat(":") {
            loop {
                if dtype == DType::I1 {
                    bools.push(self.boolean()?);
                } else {
                    ints.push(self.c.int64()?);
                }
                if !self.c.eat(",") {
                    break;
                }
            }
        }
        self.c.expect(">")?;
        Ok(if dtype == DType::I1 { Attr::DenseBools(bools) } else { Attr::DenseInts(ints) })
    }

    /// `true`, `false`, `1` or `0`.
    pub(crate) fn boolean(&mut self) -> PResult<bool> {
        if self.c.eat_word("true") || self.c.eat("1") {
            Ok(true)
        } else if self.c.eat_word("false") || self.c.eat("0") {
            Ok(false)
        } else {
            Err(self.c.expected("`true` or `false`"))
        }
    }

    /// `#alias`, `#dialect<...>`, `#dialect.name<...>`.
    fn hash_attr(&mut self) -> PResult<Attr> {
        let start = self.c.pos();
        self.c.expect("#")?;
        let name = self.c.name("an attribute name after `#`")?;
        let (dialect, kind) = name.split_once('.').unwrap_or((name, ""));
        match dialect {
            "stablehlo" | "mhlo" | "chlo" => return self.stablehlo_attr(kind, start),
            "vhlo" => return self.vhlo_attr(kind, start),
            _ => {}
        }
        if kind.is_empty() && self.c.rest().first() != Some(&b'<') {
            let Some(attr) = self.attr_aliases.get(name).cloned() else {
                let stop = error(self.c.span_since(start), format!("`#{name}` is not defined"));
                return Err(advise(stop, "define it above its use: `#name = ...`"));
            };
            self.spend(attr_size(&attr), start)?;
            return Ok(attr);
        }
        self.skip_angle()?;
        Ok(self.opaque_since(start))
    }

    fn stablehlo_attr(&mut self, kind: &str, start: usize) -> PResult<Attr> {
        // Other names after `#` may contain dashes.
        if kind.contains('-') {
            let stop = error(self.c.span_since(start), format!("`{kind}` names no attribute"));
            return Err(advise(stop, "these names consist of letters, digits, `_`, `$` and `.`"));
        }
        self.c.expect("<")?;
        let attr = match kind {
            "" => {
                let kind = self.c.word();
                if enum_values(kind).is_empty() {
                    // Of MHLO alone, which prints it with its own name.
                    self.c.word();
                    self.c.expect(">")?;
                    return Ok(self.opaque_since(start));
                }
                self.enum_word(kind)?
            }
            "conv" => self.conv_dims()?,
            "bounds" => {
                let bounds = self.bound_list(">")?;
                bounds_attr(bounds)
            }
            "type_extensions" => {
                self.c.expect_word("bounds")?;
                self.c.expect("=")?;
                self.c.expect("[")?;
                let bounds = self.bound_list("]")?;
                self.c.expect("]")?;
                bounds_attr(bounds)
            }
            _ => self.struct_or_enum(kind)?,
        };
        self.c.expect(">").map_err(|stop| {
            advise(stop, format!("in the attribute that starts at byte {start}"))
        })?;
        Ok(attr)
    }

    fn struct_or_enum(&mut self, kind: &str) -> PResult<Attr> {
        let back = self.c.pos();
        let word = self.c.word();
        let is_enum = !word.is_empty() && self.c.at(">");
        self.c.seek(back);
        if is_enum {
            return self.enum_word(kind);
        }
        let start = self.c.pos();
        let fields = self.struct_fields()?;
        let known = STRUCTURES.iter().find(|(name, _)| *name == kind).map(|(_, fields)| *fields);
        let other = fields.iter().find(|(k, _)| known.is_some_and(|known| !known.contains(k)));
        if let (Some((key, _)), Some(known)) = (other, known) {
            let message = format!("`#stablehlo.{kind}` has no field `{key}`");
            let stop = error(self.c.span_since(start), message);
            return Err(advise(stop, format!("its fields are {}", known.join(", "))));
        }
        Ok(Attr::Struct(format!("stablehlo.{kind}").into(), fields))
    }

    /// `key = value, ...` up to `>`, which stays.
    pub(crate) fn struct_fields(&mut self) -> PResult<Dict> {
        let mut fields = Dict::default();
        while !self.c.at(">") {
            let key = self.c.word();
            if key.is_empty() {
                return Err(self.c.expected("a field name or `>`"));
            }
            if fields.get(key).is_some() {
                return Err(self.c.expected(&format!("each field once, not `{key}` again")));
            }
            let value = if self.c.eat("=") { self.field_value()? } else { Attr::Unit };
            fields.push(key, value);
            if !self.c.at(">") {
                self.c.expect(",")?;
            }
        }
        Ok(fields)
    }

    /// A value inside a structured attribute: integers carry no type, integer lists are bare.
    fn field_value(&mut self) -> PResult<Attr> {
        if self.c.at("[") {
            let items = self.attr_list()?;
            let ints = items.iter().map(|a| match a {
                Attr::Int(v, _) => i64::try_from(*v).ok(),
                _ => None,
            });
            return Ok(match ints.collect::<Option<Vec<i64>>>() {
                Some(ints) => Attr::DenseInts(ints),
                None => Attr::Array(items),
            });
        }
        if self.c.eat("(") {
            return self.sub_axis();
        }
        self.parse_attr()
    }

    /// Part of a mesh axis, `(1)2`: the product of the sizes before it and its own size.
    fn sub_axis(&mut self) -> PResult<Attr> {
        let mut fields = Dict::default();
        fields.push("pre_size", Attr::i64(self.c.int64()?));
        self.c.expect(")")?;
        fields.push("size", Attr::i64(self.c.int64()?));
        Ok(Attr::Struct(SUB_AXIS.into(), fields))
    }

    /// `5, ?, 3` up to `end`, which stays.
    pub(crate) fn bound_list(&mut self, end: &str) -> PResult<Vec<i64>> {
        let mut bounds = Vec::new();
        while !self.c.at(end) {
            bounds.push(if self.c.eat("?") { NO_BOUND } else { self.c.int64()? });
            if !self.c.at(end) {
                self.c.expect(",")?;
            }
        }
        Ok(bounds)
    }

    /// `[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]`, or the older `raw` spelling.
    pub(crate) fn conv_dims(&mut self) -> PResult<Attr> {
        if self.c.eat_word("raw") {
            let start = self.c.pos();
            let fields = self.struct_fields()?;
            return raw_conv_dims(&fields).ok_or_else(|| {
                error(self.c.span_since(start), "incomplete convolution dimension numbers")
            });
        }
        let lhs = self.dim_labels(["b", "f"])?;
        self.c.expect("x")?;
        let rhs = self.dim_labels(["i", "o"])?;
        self.c.expect("->")?;
        let out = self.dim_labels(["b", "f"])?;
        Ok(Attr::ConvDims(Arc::new([lhs, rhs, out])))
    }

    /// A list that has both of `letters` and numbers from 0 on, each once; `?` is a dimension
    /// without a role.
    fn dim_labels(&mut self, letters: [&str; 2]) -> PResult<Vec<Arc<str>>> {
        self.c.skip();
        let start = self.c.pos();
        self.c.expect("[")?;
        let mut labels: Vec<Arc<str>> = Vec::new();
        while !self.c.eat("]") {
            let label: Arc<str> = match self.c.peek() {
                b'?' => {
                    self.c.expect("?")?;
                    "?".into()
                }
                b'0'..=b'9' => self.c.int64()?.to_string().into(),
                _ => self.c.word().into(),
            };
            if label.is_empty() {
                return Err(self.c.expected("`b`, `f`, `i`, `o` or a spatial dimension number"));
            }
            labels.push(label);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        let [a, b] = letters;
        let roles = labels.iter().filter(|label| &***label != "?").count();
        let numbers = (0..roles.saturating_sub(2)).map(|n| n.to_string());
        let mut wanted = letters.iter().map(|letter| (*letter).to_owned()).chain(numbers);
        if !wanted.all(|want| labels.iter().any(|label| **label == *want)) {
            let message = format!("expected `{a}`, `{b}` and the numbers from 0 on, each once");
            return Err(error(self.c.span_since(start), message));
        }
        Ok(labels)
    }

    /// Skips a balanced `<...>`, if one comes next.
    pub(crate) fn skip_angle(&mut self) -> PResult<()> {
        if self.c.rest().first() != Some(&b'<') {
            return Ok(());
        }
        let start = self.c.pos();
        let mut depth = 0usize;
        loop {
            match self.c.rest() {
                [b'"', ..] => {
                    self.c.raw_string()?;
                    continue;
                }
                [b'-', b'>', ..] => self.c.seek(self.c.pos() + 1),
                [b'<' | b'(' | b'[' | b'{', ..] => depth += 1,
                [b'>' | b')' | b']' | b'}', ..] => depth -= 1,
                [_, ..] => {}
                [] => {
                    let span = crate::diag::Span::new(start, start + 1);
                    return Err(error(span, "the `<` here is never closed"));
                }
            }
            self.c.seek(self.c.pos() + 1);
            if depth == 0 {
                return Ok(());
            }
        }
    }

    pub(super) fn opaque_since(&self, start: usize) -> Attr {
        Attr::Opaque(String::from_utf8_lossy(self.c.since(start)).into())
    }
}

pub(super) fn float_value(text: &str, dtype: Option<DType>, hex: bool) -> Option<f64> {
    if !hex {
        return match dtype {
            Some(DType::F32) => text.parse::<f32>().ok().map(f64::from),
            _ => text.parse::<f64>().ok(),
        };
    }
    let bits = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    match dtype? {
        DType::F64 => Some(f64::from_bits(bits)),
        DType::F32 => u32::try_from(bits).ok().map(|b| f64::from(f32::from_bits(b))),
        narrow => Some(Format::of(narrow)?.decode(u16::try_from(bits).ok()?)),
    }
}

pub(super) fn bounds_attr(bounds: Vec<i64>) -> Attr {
    let mut fields = Dict::default();
    fields.push("bounds", Attr::DenseInts(bounds));
    Attr::Struct("stablehlo.bounds".into(), fields)
}

/// Number of attributes in an attribute, itself included.
fn attr_size(attr: &Attr) -> usize {
    let fields = |d: &Dict| d.iter().map(|(_, v)| attr_size(v)).sum::<usize>();
    1 + match attr {
        Attr::Array(items) => items.iter().map(attr_size).sum(),
        Attr::Dict(d) | Attr::Struct(_, d) => fields(d),
        Attr::DenseInts(v) => v.len() / 8,
        _ => 0,
    }
}

/// The label lists of `input_batch_dimension = 0, input_feature_dimension = 3, ...`.
pub(crate) fn raw_conv_dims(fields: &Dict) -> Option<Attr> {
    let part = |prefix: &str, first: &str, second: &str| {
        let name = |s: &str| format!("{prefix}_{s}");
        let one = |s: &str| match fields.get(&name(s))? {
            Attr::Int(v, _) => usize::try_from(*v).ok(),
            _ => None,
        };
        let Some(Attr::DenseInts(spatial)) = fields.get(&name("spatial_dimensions")) else {
            return None;
        };
        let mut labels: Vec<Option<Arc<str>>> = vec![None; spatial.len() + 2];
        let labelled = |s: &str| s.chars().next().map(|c| Arc::<str>::from(c.to_string()));
        *labels.get_mut(one(&format!("{first}_dimension"))?)? = labelled(first);
        *labels.get_mut(one(&format!("{second}_dimension"))?)? = labelled(second);
        for (i, &d) in spatial.iter().enumerate() {
            *labels.get_mut(usize::try_from(d).ok()?)? = Some(i.to_string().into());
        }
        // `input_feature` and `output_feature` give the labels `i` and `o`.
        labels.into_iter().collect::<Option<Vec<_>>>()
    };
    Some(Attr::ConvDims(Arc::new([
        part("input", "batch", "feature")?,
        part("kernel", "input_feature", "output_feature")?,
        part("output", "batch", "feature")?,
    ])))
}
