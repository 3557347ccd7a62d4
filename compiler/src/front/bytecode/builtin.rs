//! Attributes, types and locations of MLIR's `builtin` dialect (`BuiltinDialectBytecode.td`).

use std::sync::Arc;

use microhlo_format::DType;

use super::entries::{Decoder, Location, Ty};
use super::reader::{Res, advise, fail, unsupported};
use super::values;
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
        code @ 19..=21 => {
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
        18 => Ok(Ty::Other(format!("tensor<*x{}>", d.ty()?.into_attr()).into())),
        code @ (10 | 11 | 16 | 17 | 19 | 20) => {
            let help = "legalise the program to StableHLO, whose values are tensors";
            let message = format!("builtin type code {code} (memref, vector) is not supported");
            unsupported(advise(at, message, help))
        }
        code => d.unknown(at, "builtin type", code),
    }
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
