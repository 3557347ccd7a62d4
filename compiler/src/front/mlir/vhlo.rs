//! VHLO as text, as `stablehlo-opt --stablehlo-legalize-to-vhlo` prints it (`VhloTypes.td`,
//! `VhloAttrs.td`): StableHLO with versions in the names of types, attributes and operations.
//!
//! Operations are in the generic form; what becomes of their attributes is the same as for
//! portable artifacts.

use std::sync::Arc;

use microhlo_format::DType;

use super::attrs::function_attr;
use super::cursor::{PResult, advise, error};
use super::func::Header;
use super::op::{RawOp, canonical};
use super::parser::Parser;
use super::types::{quant_violation, tensor_violation};
use crate::front::bytecode::{vhlo_attributes, vhlo_base, vhlo_legalize};
use crate::ir::types::full_range;
use crate::ir::{Attr, Dict, ElementType, QuantType, TensorType, Type};

/// A VHLO type in the widest sense.
enum Ty {
    Value(Type),
    Element(ElementType),
    Function(Vec<Type>, Vec<Type>),
    /// `none` and the like, which no value has.
    Other(Arc<str>),
}

/// The name without its version. All types and attributes are of their first version; a later one
/// is returned as it is, and so is unknown.
fn unversioned(name: &str) -> &str {
    name.strip_suffix("_v1").unwrap_or(name)
}

/// Attributes that are structures of named fields, as in StableHLO.
const STRUCTURES: &[&str] = &[
    "axis_ref",
    "mesh",
    "mesh_axis",
    "output_operand_alias",
    "replica_group_mesh_axes",
    "result_accuracy",
    "sub_axis_info",
];

/// Advice for what this version does not know.
const NEWER: &str = "VHLO is read up to version 1.20.0; export for an older target version";

/// The fields of an `output_operand_alias` in StableHLO's spelling.
fn spell_alias(fields: &mut Dict) {
    for (key, _) in &mut fields.0 {
        let name = match &**key {
            "outputTupleIndices" => "output_tuple_indices",
            "operandIndex" => "operand_index",
            "operandTupleIndices" => "operand_tuple_indices",
            _ => continue,
        };
        *key = name.into();
    }
}

impl<'a> Parser<'a> {
    /// A VHLO type of a value.
    pub(super) fn vhlo_value_type(&mut self) -> PResult<Type> {
        let start = self.c.pos();
        match self.vhlo_type()? {
            Ty::Value(ty) => Ok(ty),
            _ => Err(error(self.c.span_since(start), "this VHLO type is no type of a value")),
        }
    }

    fn vhlo_element(&mut self) -> PResult<ElementType> {
        let start = self.c.pos();
        match self.vhlo_type()? {
            Ty::Element(elem) => Ok(elem),
            _ => Err(error(self.c.span_since(start), "this VHLO type is no element type")),
        }
    }

    fn vhlo_dtype(&mut self) -> PResult<DType> {
        let start = self.c.pos();
        match self.vhlo_element()? {
            ElementType::Plain(dtype) => Ok(dtype),
            _ => Err(error(self.c.span_since(start), "expected a plain element type")),
        }
    }

    fn vhlo_type(&mut self) -> PResult<Ty> {
        self.c.skip();
        let start = self.c.pos();
        self.c.enter(start)?;
        self.c.expect("!vhlo.")?;
        let name = self.c.word();
        let ty = match unversioned(name) {
            "tensor" => Ty::Value(self.vhlo_tensor(start)?.into()),
            "token" => Ty::Value(Type::Token),
            "tuple" => Ty::Value(Type::Tuple(self.type_arguments(start)?)),
            "future" => Ty::Value(Type::Future(self.type_arguments(start)?)),
            "func" => {
                self.c.expect("<")?;
                let (inputs, results) = self.function_type()?;
                self.c.expect(">")?;
                Ty::Function(inputs, results)
            }
            "complex" => {
                self.c.expect("<")?;
                let part = self.vhlo_dtype()?;
                self.c.expect(">")?;
                match DType::from_name(&format!("complex<{part}>")) {
                    Some(dtype) => Ty::Element(ElementType::Plain(dtype)),
                    None => return Err(error(self.c.span_since(start), "no complex type")),
                }
            }
            "quant" => Ty::Element(ElementType::Quant(Arc::new(self.vhlo_quant(start)?))),
            "quant_per_axis" => {
                Ty::Element(ElementType::Quant(Arc::new(self.vhlo_quant_per_axis(start)?)))
            }
            "buffer" => {
                let text = self.vhlo_tensor(start)?.to_string();
                Ty::Value(Type::Opaque(text.replacen("tensor", "memref", 1).into()))
            }
            "index" => Ty::Element(ElementType::Index),
            "bool" => Ty::Element(ElementType::Plain(DType::I1)),
            "tf31" => Ty::Other("tf32".into()),
            "none" => Ty::Other("none".into()),
            "witness" => Ty::Other("!shape.witness".into()),
            other => match DType::from_name(other) {
                Some(dtype) => Ty::Element(ElementType::Plain(dtype)),
                None => {
                    let message = format!("unknown type `!vhlo.{name}`");
                    return Err(advise(error(self.c.span_since(start), message), NEWER));
                }
            },
        };
        self.c.leave();
        Ok(ty)
    }

    /// `<1x16x!vhlo.f32_v1>`, or with bounds after it.
    fn vhlo_tensor(&mut self, start: usize) -> PResult<TensorType> {
        self.c.expect("<")?;
        let dims = self.dimensions(start)?;
        let elem = self.vhlo_element()?;
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

    /// `<!vhlo.i8_v1:!vhlo.f32_v1, 3.4e+01:16, -128:127, 1>`.
    fn vhlo_quant(&mut self, start: usize) -> PResult<QuantType> {
        self.c.expect("<")?;
        let (storage, expressed) = self.quant_types()?;
        let (mut scales, mut zero_points) = (Vec::new(), Vec::new());
        self.quant_parameter(&mut scales, &mut zero_points)?;
        self.quant_rest(
            start,
            QuantType {
                storage,
                expressed,
                storage_range: full_range(storage),
                axis: None,
                scales,
                zero_points,
            },
        )
    }

    /// `<!vhlo.i8_v1:!vhlo.f32_v1, 0, [3.4e+01, 2.0e+00], [16, 0], -128:127, 1>`.
    fn vhlo_quant_per_axis(&mut self, start: usize) -> PResult<QuantType> {
        self.c.expect("<")?;
        let (storage, expressed) = self.quant_types()?;
        let axis = self.c.int64()?;
        let Ok(axis) = u32::try_from(axis) else {
            let message = format!("quantisation axis {axis} is out of range");
            return Err(error(self.c.span_since(start), message));
        };
        self.c.expect(",")?;
        let scales = self.bracketed(|p| {
            let text = p.c.number_text();
            text.parse::<f64>().map_err(|_| p.c.expected("a scale such as `0.5`"))
        })?;
        self.c.expect(",")?;
        let zero_points = self.bracketed(|p| p.c.int64())?;
        if scales.len() != zero_points.len() {
            let (a, b) = (scales.len(), zero_points.len());
            let message = format!("{a} scales and {b} zero points");
            return Err(error(self.c.span_since(start), message));
        }
        self.quant_rest(
            start,
            QuantType {
                storage,
                expressed,
                storage_range: full_range(storage),
                axis: Some(axis),
                scales,
                zero_points,
            },
        )
    }

    /// Storage and expressed type, and the comma after them.
    fn quant_types(&mut self) -> PResult<(DType, DType)> {
        let storage = self.vhlo_dtype()?;
        self.c.expect(":")?;
        let expressed = self.vhlo_dtype()?;
        self.c.expect(",")?;
        Ok((storage, expressed))
    }

    /// The storage range and the flags, the lowest of which says that the storage is signed.
    fn quant_rest(&mut self, start: usize, mut ty: QuantType) -> PResult<QuantType> {
        if self.c.eat(",") {
            let low = self.c.int64()?;
            self.c.expect(":")?;
            let high = self.c.int64()?;
            self.c.expect(",")?;
            if self.c.integer()? & 1 == 0 && ty.storage.is_signed_integer() {
                ty.storage = DType::from_name(&format!("u{}", ty.storage)).unwrap_or(ty.storage);
            }
            ty.storage_range = (low, high);
        }
        self.c.expect(">")?;
        match quant_violation(&ty) {
            None => Ok(ty),
            Some(message) => Err(error(self.c.span_since(start), message)),
        }
    }

    /// `[item, ...]`.
    fn bracketed<T>(&mut self, item: impl Fn(&mut Self) -> PResult<T>) -> PResult<Vec<T>> {
        self.c.expect("[")?;
        let mut items = Vec::new();
        while !self.c.eat("]") {
            items.push(item(self)?);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        Ok(items)
    }

    /// The attribute after `#vhlo`, whose name without the dialect is `kind`.
    pub(super) fn vhlo_attr(&mut self, kind: &str, start: usize) -> PResult<Attr> {
        self.c.expect("<")?;
        let attr = match unversioned(kind) {
            "" => {
                let name = unversioned(self.c.word());
                match name {
                    "api_version" => self.vhlo_api_version()?,
                    name => self.enum_word(name)?,
                }
            }
            "tensor" | "string" | "bool" | "array" => self.parse_attr()?,
            "integer" => self.number()?,
            "float" => {
                let text = self.c.number_text();
                self.c.expect(":")?;
                let dtype = self.vhlo_dtype()?;
                let value = super::attrs::float_value(text, Some(dtype), text.contains("0x"));
                let Some(value) = value else {
                    return Err(error(self.c.span_since(start), format!("`{text}` is no {dtype}")));
                };
                Attr::Float(value, dtype.name().into())
            }
            "type" => match self.vhlo_type()? {
                Ty::Value(ty) => Attr::Type(ty),
                Ty::Element(elem) => Attr::Opaque(elem.to_string().into()),
                Ty::Function(inputs, results) => function_attr(inputs, results),
                Ty::Other(text) => Attr::Opaque(text),
            },
            "dict" => Attr::Dict(self.vhlo_dict()?),
            "type_extensions" => {
                self.c.expect_word("bounds")?;
                self.c.expect("=")?;
                self.c.expect("[")?;
                let bounds = self.bound_list("]")?;
                self.c.expect("]")?;
                super::attrs::bounds_attr(bounds)
            }
            other if !STRUCTURES.contains(&other) => {
                let message = format!("unknown attribute `#vhlo.{kind}`");
                return Err(advise(error(self.c.span_since(start), message), NEWER));
            }
            other => {
                let mut fields = self.struct_fields()?;
                if memchr::memmem::find(self.c.since(start), b"#stablehlo").is_some() {
                    let message = format!("`#vhlo.{kind}` holds attributes of another dialect");
                    return Err(error(self.c.span_since(start), message));
                }
                for (key, value) in &mut fields.0 {
                    if let ("replica_group_mesh_axes", "mesh", Attr::String(name)) =
                        (other, &**key, &*value)
                    {
                        *value = Attr::Symbol(Arc::clone(name));
                    }
                }
                if other == "output_operand_alias" {
                    spell_alias(&mut fields);
                }
                if other == "result_accuracy" {
                    // As in StableHLO, tolerances that are zero are not spelled.
                    fields.0.retain(|(_, v)| !matches!(v, Attr::Float(0.0, _) | Attr::Int(0, _)));
                }
                Attr::Struct(format!("stablehlo.{other}").into(), fields)
            }
        };
        self.c.expect(">")?;
        Ok(attr)
    }

    fn vhlo_api_version(&mut self) -> PResult<Attr> {
        const NAMES: [&str; 5] = [
            "UNSPECIFIED",
            "ORIGINAL",
            "STATUS_RETURNING",
            "STATUS_RETURNING_UNIFIED",
            "TYPED_FFI",
        ];
        let word = self.c.peek_word();
        let name = word.strip_prefix("API_VERSION_").unwrap_or(word);
        match NAMES.iter().position(|n| *n == name) {
            Some(code) => {
                self.c.word();
                Ok(Attr::Int(code as i128, "i32".into()))
            }
            None => Err(self.c.expected("an API version")),
        }
    }

    /// `{#vhlo.string_v1<"key"> = value}`.
    fn vhlo_dict(&mut self) -> PResult<Dict> {
        self.c.expect("{")?;
        let mut dict = Dict::default();
        while !self.c.eat("}") {
            if !self.c.at("#vhlo.string_v1") {
                return Err(self.c.expected("a key `#vhlo.string_v1<...>`"));
            }
            let Attr::String(key) = self.parse_attr()? else {
                return Err(self.c.expected("a key"));
            };
            self.c.expect("=")?;
            let value = self.parse_attr()?;
            dict.0.push((key, value));
            if !self.c.at("}") {
                self.c.expect(",")?;
            }
        }
        Ok(dict)
    }

    /// An operation, whose name is consumed, in StableHLO's spelling.
    pub(super) fn vhlo_op(&mut self, mut raw: RawOp<'a>, top: bool) -> PResult<RawOp<'a>> {
        let name = raw.name.strip_prefix("vhlo.").unwrap_or_default().to_owned();
        let Some(names) = vhlo_attributes(&name) else {
            let stop = error(raw.span, format!("unknown operation `vhlo.{name}`"));
            return Err(advise(stop, NEWER));
        };
        let names: Vec<&str> = names.collect();
        self.generic_op(&mut raw)?;
        let attrs = std::mem::take(&mut raw.attrs.0).into_iter();
        let (inherent, rest): (Vec<_>, Vec<_>) =
            attrs.partition(|(key, _)| names.contains(&&**key));
        let base = vhlo_base(&name);
        raw.attrs = vhlo_legalize(base, Dict(inherent));
        raw.attrs.0.extend(rest);
        raw.name = match base {
            "return" if top => "func.return".into(),
            "call" => "func.call".into(),
            base => canonical(format!("stablehlo.{base}").into()),
        };
        Ok(raw)
    }

    /// `vhlo.func_v1 @f(%a: T) -> (U) { ... } {arg_attrs = ..}`.
    pub(super) fn vhlo_func(&mut self) -> PResult<()> {
        self.c.word();
        let mut header = Header { public: true, ..Header::default() };
        self.c.skip();
        let start = self.c.pos();
        header.name = self.c.symbol()?.into();
        header.span = self.c.span_since(start);
        self.check_new_function(&header)?;
        header.args = self.argument_list()?;
        if self.c.eat("->") {
            self.function_results(&mut header)?;
        }
        self.braced_body(&mut header)?;
        let mut attrs = Dict::default();
        self.optional_dict(&mut attrs)?;
        self.described_by(&mut header, attrs);
        self.finish_func(header);
        self.optional_location().map(|_| ())
    }
}
