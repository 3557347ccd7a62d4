//! Attributes, types and locations of MLIR's `builtin` dialect (`BuiltinDialectBytecode.td`).

use std::sync::Arc;

use microhlo_format::DType;

use super::entries::{Decoder, Location, Ty};
use super::reader::{Res, advise, fail, unsupported};
use super::values;
use crate::ir::attr::quote;
use crate::ir::{Attr, ElementType, Type};

/// Name under which text spells weights that were left out.
const ELIDED: &str = "__elided__";

/// Advice for weights that are missing.
const ELIDED_HELP: &str = "export again without eliding large constants";

/// An attribute. Locations are `unit`: nothing but [`location`] looks into them.
pub(super) fn attr(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    Ok(match d.r.varint()? {
        0 => Attr::Array(d.attrs()?),
        1 => Attr::Dict(d.dictionary()?),
        2 => Attr::String(d.string()?),
        3 => {
            let text = d.string()?;
            d.ty()?;
            Attr::String(text)
        }
        4 => Attr::Symbol(d.string_attr()?),
        5 => nested_symbol(d)?,
        6 => d.ty()?.into_attr(),
        7 => Attr::Unit,
        8 => values::integer(d)?,
        9 => values::float(d)?,
        10..=15 => {
            let rest = d.r.rest().len();
            d.r.take(rest)?;
            Attr::Unit
        }
        16 => resource(d)?,
        17 => values::dense_array(d)?,
        18 => values::constant(d)?,
        19 => strings(d)?,
        code @ 20..=21 => {
            let help = "use dense numeric constants";
            let message = format!("builtin attribute code {code} is not supported");
            return unsupported(advise(at, message, help));
        }
        22 => {
            let rest = d.r.rest().len();
            d.r.take(rest)?;
            Attr::Unit
        }
        code => return d.unknown(at, "builtin attribute", code),
    })
}

fn nested_symbol(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let mut name = d.string_attr()?.to_string();
    let at = d.r.at();
    for part in d.attrs()? {
        let Attr::Symbol(part) = part else { return fail(at, "expected a symbol") };
        name.push_str("::");
        name.push_str(&part);
    }
    Ok(Attr::Symbol(name.into()))
}

/// `dense_resource<name> : tensor<...>`.
fn resource(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    let ty = d.tensor()?;
    let resources = &d.entries.file.resources;
    let index = d.r.index(resources.len(), "resource")?;
    let resource = &resources[index];
    let Some(data) = resource.data.filter(|_| resource.name != ELIDED) else {
        let message = format!("the weights `{}` were elided: their values are lost", resource.name);
        return advise(at, message, ELIDED_HELP);
    };
    // Several attributes may name one resource, and each gets a buffer of its own.
    d.entries.spend(data.len() / 16, at)?;
    values::dense(at, ty, data)
}

/// A type.
pub(super) fn ty(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let at = d.r.at();
    let plain = |dtype| Ok(Ty::Element(ElementType::Plain(dtype)));
    match d.r.varint()? {
        0 => integer_type(d),
        1 => Ok(Ty::Element(ElementType::Index)),
        2 => Ok(Ty::Function(d.value_types()?, d.value_types()?)),
        3 => plain(DType::BF16),
        4 => plain(DType::F16),
        5 => plain(DType::F32),
        6 => plain(DType::F64),
        7 => Ok(Ty::Other("f80".into())),
        8 => Ok(Ty::Other("f128".into())),
        9 => complex(d),
        12 => Ok(Ty::Other("none".into())),
        13 => values::ranked_or_other(d),
        14 => {
            let encoding = d.attr()?;
            values::ranked(d, Some(encoding)).map(values::tensor_type)
        }
        15 => Ok(Ty::Value(Type::Tuple(d.value_types()?))),
        10 => shaped(d, "memref", false, true),
        11 => {
            let space = d.attr()?;
            let memref = shaped(d, "memref", false, true)?;
            Ok(in_space(memref, &space))
        }
        16 => Ok(Ty::Other(format!("memref<*x{}>", d.ty()?.into_attr()).into())),
        17 => {
            let space = d.attr()?;
            let memref = Ty::Other(format!("memref<*x{}>", d.ty()?.into_attr()).into());
            Ok(in_space(memref, &space))
        }
        18 => Ok(Ty::Other(format!("tensor<*x{}>", d.ty()?.into_attr()).into())),
        19 => shaped(d, "vector", false, false),
        20 => shaped(d, "vector", true, false),
        21 => Ok(Ty::Other("tf32".into())),
        22 => plain(DType::F8E5M2),
        23 => plain(DType::F8E4M3),
        24 => plain(DType::F8E4M3FN),
        25 => plain(DType::F8E5M2FNUZ),
        26 => plain(DType::F8E4M3FNUZ),
        27 => plain(DType::F8E4M3B11FNUZ),
        28 => plain(DType::F8E3M4),
        29 => plain(DType::F4E2M1FN),
        30 => plain(DType::F6E2M3FN),
        31 => plain(DType::F6E3M2FN),
        32 => plain(DType::F8E8M0FNU),
        code => d.unknown(at, "builtin type", code),
    }
}

/// `vector<...>` and `memref<...>`, whose values no operation here takes: flags of scalable
/// dimensions, sizes, element type, layout.
fn shaped(d: &mut Decoder<'_, '_>, name: &str, scalable: bool, layout: bool) -> Res<Ty> {
    let flags = if scalable { d.list(|d| d.r.byte())? } else { Vec::new() };
    let mut text = format!("{name}<");
    for (i, size) in d.svarints()?.into_iter().enumerate() {
        let size = if size == i64::MIN { "?".to_owned() } else { size.to_string() };
        match flags.get(i) {
            Some(1..) => text.push_str(&format!("[{size}]x")),
            _ => text.push_str(&format!("{size}x")),
        }
    }
    text.push_str(&d.ty()?.into_attr().to_string());
    if layout {
        let map = d.attr()?.to_string();
        if !is_identity(&map) {
            text.push_str(&format!(", {map}"));
        }
    }
    Ok(Ty::Other(format!("{text}>").into()))
}

/// Whether an affine map is the layout that is not written: `affine_map<(d0, d1) -> (d0, d1)>`.
fn is_identity(map: &str) -> bool {
    let inner = map.strip_prefix("affine_map<").and_then(|m| m.strip_suffix('>'));
    inner.and_then(|m| m.split_once(" -> ")).is_some_and(|(from, to)| from == to)
}

/// A `memref` in a memory space.
fn in_space(memref: Ty, space: &Attr) -> Ty {
    match memref {
        Ty::Other(text) => {
            let inner = text.strip_suffix('>').unwrap_or(&text);
            // As everywhere, the type of a number is written unless it is `i64`.
            let space = space.to_string();
            let space = space.strip_suffix(" : i64").unwrap_or(&space);
            Ty::Other(format!("{inner}, {space}>").into())
        }
        other => other,
    }
}

/// Strings in a tensor, which belong to other dialects: type, whether one stands for all, strings.
fn strings(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    let ty = d.ty()?.into_attr().to_string();
    let splat = d.r.varint()? != 0;
    let mut items = Vec::new();
    while !d.r.is_empty() {
        items.push(d.string()?);
    }
    let quoted: Vec<_> = items.iter().map(|text| quote(text)).collect();
    let text = match (splat, &quoted[..], ty.bytes().filter(|&b| b == b'x').count()) {
        (true, [one], _) => format!("dense<{one}> : {ty}"),
        (false, [one], 0) => format!("dense<{one}> : {ty}"),
        (false, many, 1) => format!("dense<[{}]> : {ty}", many.join(", ")),
        _ => return unsupported(fail(at, format!("strings in a constant of type `{ty}`"))),
    };
    Ok(Attr::Opaque(text.into()))
}

/// `complex<T>`.
pub(super) fn complex(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let at = d.r.at();
    let part = d.element()?;
    match DType::from_name(&format!("complex<{part}>")) {
        Some(dtype) => Ok(Ty::Element(ElementType::Plain(dtype))),
        None => fail(at, format!("`complex<{part}>`: parts must be `f32` or `f64`")),
    }
}

/// `tensor<*xT>` has no meaning here.
pub(super) fn unranked<T>(at: usize) -> Res<T> {
    let help = "give the rank, with `?` for unknown sizes: `tensor<?x4xf32>`";
    unsupported(advise(at, "unranked tensors are not supported", help))
}

/// Width and signedness.
fn integer_type(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let code = d.r.varint()?;
    let (width, sign) = (code >> 2, code & 3);
    let name = match sign {
        2 => format!("ui{width}"),
        _ => format!("i{width}"),
    };
    Ok(match DType::from_name(&name) {
        Some(dtype) => Ty::Element(ElementType::Plain(dtype)),
        None => Ty::Other(name.into()),
    })
}

/// What a location attribute tells.
pub(super) fn location(d: &mut Decoder<'_, '_>) -> Res<Location> {
    match d.r.varint()? {
        // A call site: callee, caller.
        10 => Ok(d.location()?.or(d.location()?)),
        11 => place(d),
        12 => fused(d),
        13 => {
            let found = fused(d)?;
            d.r.varint()?;
            Ok(found)
        }
        14 => {
            let name = Some(d.string_attr()?);
            let child = d.location()?;
            Ok(Location { name, place: child.place })
        }
        // A range: file, number of positions, the first line and column.
        22 => {
            let file = d.string_attr()?;
            let count = d.r.varint()?;
            let line = if count > 0 { d.r.varint()? } else { 0 };
            let column = if count > 1 { d.r.varint()? } else { 0 };
            Ok(Location { name: None, place: Some((file, line, column)) })
        }
        _ => Ok(Location::default()),
    }
}

fn place(d: &mut Decoder<'_, '_>) -> Res<Location> {
    let file: Arc<str> = d.string_attr()?;
    Ok(Location { name: None, place: Some((file, d.r.varint()?, d.r.varint()?)) })
}

fn fused(d: &mut Decoder<'_, '_>) -> Res<Location> {
    let parts = d.list(Decoder::location)?;
    Ok(parts.into_iter().fold(Location::default(), Location::or))
}
