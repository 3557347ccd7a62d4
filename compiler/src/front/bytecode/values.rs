//! Numbers, constants and the pieces that several dialects encode alike.

use std::sync::Arc;

use microhlo_format::DType;
use microhlo_format::float::Format;

use super::entries::{Decoder, Ty};
use super::reader::{Res, fail};
use crate::front::mlir::{self, NO_BOUND};
use crate::ir::{Attr, Constant, Dict, Dim, ElementType, TensorType, Type};

/// Highest accepted rank, as in text.
const MAX_RANK: usize = 64;

/// An integer of known width: one byte up to 8 bits, one signed integer up to 64, several beyond.
/// The result holds at most the low 64 bits, not extended.
pub(super) fn bits(d: &mut Decoder<'_, '_>, width: u32) -> Res<u64> {
    let at = d.r.at();
    match width {
        0..=8 => d.r.byte().map(u64::from),
        9..=64 => d.r.svarint().map(|v| v as u64),
        _ => fail(at, format!("a number of {width} bits")),
    }
}

/// The bits of an `f64`.
pub(super) fn f64_bits(d: &mut Decoder<'_, '_>) -> Res<f64> {
    bits(d, 64).map(f64::from_bits)
}

/// An integer attribute: its type, its value.
pub(super) fn integer(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    let ty = d.ty()?;
    let (dtype, name): (DType, Arc<str>) = match &ty {
        Ty::Element(ElementType::Plain(dtype)) => (*dtype, dtype.name().into()),
        Ty::Element(ElementType::Index) => (DType::I64, "index".into()),
        Ty::Other(text) => match other_width(text) {
            Some(width) => {
                let value = bits(d, width)?;
                let value = i128::from((value << (64 - width)) as i64 >> (64 - width));
                return Ok(Attr::Int(value, text.clone()));
            }
            None => return fail(at, format!("integer of type `{text}`")),
        },
        _ => return fail(at, "an integer's type is no integer type"),
    };
    if !dtype.is_integer() && dtype != DType::I1 {
        return fail(at, format!("integer of type `{dtype}`"));
    }
    let width = dtype.bits();
    let shift = 64 - width;
    let raw = bits(d, width)?;
    Ok(match dtype {
        DType::I1 => Attr::Bool(raw & 1 == 1),
        _ if dtype.is_signed_integer() => {
            Attr::Int(i128::from((raw << shift) as i64 >> shift), name)
        }
        _ => Attr::Int(i128::from(raw << shift >> shift), name),
    })
}

/// The width of `i5`, `si8` and such.
fn other_width(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches(['s', 'u']).strip_prefix('i')?;
    digits.parse().ok().filter(|w| (1..=64).contains(w))
}

/// A float attribute: its type, its bits.
pub(super) fn float(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    let dtype = match d.ty()? {
        Ty::Element(ElementType::Plain(dtype)) if dtype.is_float() => dtype,
        _ => return fail(at, "a float's type is no float type"),
    };
    let raw = bits(d, dtype.bits())?;
    let value = match (dtype, Format::of(dtype)) {
        (DType::F64, _) => f64::from_bits(raw),
        (DType::F32, _) => f64::from(f32::from_bits(raw as u32)),
        (_, Some(format)) => format.decode(raw as u16),
        (_, None) => return fail(at, format!("float of type `{dtype}`")),
    };
    Ok(Attr::Float(value, dtype.name().into()))
}

/// Bits of the places in a sparse list of sizes: MLIR writes lists of more than 256 in full.
const MAX_SPARSE_BITS: u64 = 9;

/// An enum value; `first` is the code of the first one.
pub(super) fn enumeration(d: &mut Decoder<'_, '_>, kind: &str, first: u64) -> Res<Attr> {
    let at = d.r.at();
    let code = d.r.varint()?;
    let values = mlir::enum_values(kind);
    let index = code.checked_sub(first).and_then(|i| usize::try_from(i).ok());
    match index.and_then(|i| values.get(i)) {
        Some(value) => Ok(Attr::enumeration(kind, value)),
        None => d.unknown(at, &format!("`{kind}`"), code),
    }
}

/// `tensor<...>` of sizes and an element type, which may be of another dialect.
pub(super) fn ranked_or_other(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let start = d.r.clone();
    let sizes = d.svarints()?;
    let Ty::Other(elem) = d.ty()? else {
        d.r = start;
        return ranked(d, None).map(tensor_type);
    };
    let mut text = String::from("tensor<");
    for size in sizes {
        match size {
            i64::MIN => text.push_str("?x"),
            n => text.push_str(&format!("{n}x")),
        }
    }
    Ok(Ty::Other(format!("{text}{elem}>").into()))
}

/// `tensor<...>` of sizes and an element type.
pub(super) fn ranked(d: &mut Decoder<'_, '_>, encoding: Option<Attr>) -> Res<TensorType> {
    let at = d.r.at();
    let sizes = d.svarints()?;
    if sizes.len() > MAX_RANK {
        return fail(at, format!("rank is greater than {MAX_RANK}"));
    }
    let mut dims = Vec::with_capacity(sizes.len());
    for size in sizes {
        dims.push(match u64::try_from(size) {
            Ok(n) => Dim::Static(n),
            Err(_) if size == i64::MIN => Dim::Dynamic { bound: None },
            Err(_) => return fail(at, format!("dimension of size {size}")),
        });
    }
    let elem = d.element()?;
    let mut ty = TensorType { dims, elem };
    if let Some(encoding) = encoding {
        bounded(at, &mut ty, &encoding)?;
    }
    match mlir::tensor_violation(&ty) {
        None => Ok(ty),
        Some(message) => fail(at, message),
    }
}

/// Applies `#stablehlo.bounds<...>`.
fn bounded(at: usize, ty: &mut TensorType, encoding: &Attr) -> Res<()> {
    // How elements are stored says nothing about their values.
    if matches!(encoding, Attr::Opaque(text) if text.starts_with("#sparse_tensor.encoding")) {
        return Ok(());
    }
    let bounds = match encoding {
        Attr::Struct(name, fields) if &**name == "stablehlo.bounds" => fields.get("bounds"),
        _ => None,
    };
    let Some(Attr::DenseInts(bounds)) = bounds else {
        return fail(at, "a tensor's encoding is not `#stablehlo.bounds<...>`");
    };
    if bounds.len() != ty.rank() {
        let (n, rank) = (bounds.len(), ty.rank());
        return fail(at, format!("{n} bounds for a tensor of rank {rank}"));
    }
    for (dim, &bound) in ty.dims.iter_mut().zip(bounds) {
        if let (Dim::Dynamic { bound: slot }, Ok(n)) = (dim, u64::try_from(bound)) {
            *slot = Some(n);
        }
    }
    Ok(())
}

/// The bounds of a tensor type.
pub(super) fn bounds(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let bounds = d.svarints()?;
    let bounds = bounds.into_iter().map(|b| if b < 0 { NO_BOUND } else { b }).collect();
    let mut fields = Dict::default();
    fields.push("bounds", Attr::DenseInts(bounds));
    Ok(Attr::Struct("stablehlo.bounds".into(), fields))
}

/// `#stablehlo.output_operand_alias<...>`.
pub(super) fn output_operand_alias(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let mut fields = Dict::default();
    fields.push("output_tuple_indices", Attr::DenseInts(d.svarints()?));
    fields.push("operand_index", Attr::i64(d.svarint()?));
    fields.push("operand_tuple_indices", Attr::DenseInts(d.svarints()?));
    Ok(Attr::Struct("stablehlo.output_operand_alias".into(), fields))
}

/// `#stablehlo.result_accuracy<...>`, fields that are zero left out.
pub(super) fn result_accuracy(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let (atol, rtol, ulps) = (f64_bits(d)?, f64_bits(d)?, d.svarint()?);
    let mode = d.attr()?;
    let mut fields = Dict::default();
    for (name, value) in [("atol", atol), ("rtol", rtol)] {
        if value != 0.0 {
            fields.push(name, Attr::Float(value, "f64".into()));
        }
    }
    if ulps != 0 {
        fields.push("ulps", Attr::i64(ulps));
    }
    fields.push("mode", mode);
    Ok(Attr::Struct("stablehlo.result_accuracy".into(), fields))
}

/// A structure of named signed integers.
pub(super) fn numbers(d: &mut Decoder<'_, '_>, name: &str, keys: &[&str]) -> Res<Attr> {
    let mut fields = Dict::default();
    for key in keys {
        fields.push(key, Attr::i64(d.svarint()?));
    }
    Ok(Attr::Struct(name.into(), fields))
}

/// A constant from its type and its bytes.
pub(super) fn constant(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    let ty = d.tensor()?;
    let blob = d.r.blob()?;
    dense(at, ty, blob)
}

/// A constant. Booleans are packed eight to a byte or stored one per byte, depending on the
/// writer's age; `0xff` alone is `true` everywhere.
pub(super) fn dense(at: usize, ty: TensorType, blob: &[u8]) -> Res<Attr> {
    let Some(elements) = ty.elements() else {
        return fail(at, format!("a constant of type {ty} has no size"));
    };
    let bytes: Arc<[u8]> = match (ty.elem.storage(), blob) {
        (DType::I1, [0xff]) => Arc::from([1u8]),
        (DType::I1, [byte]) if (2..=8).contains(&elements) => {
            (0..elements).map(|i| byte >> i & 1).collect()
        }
        _ => Arc::from(blob),
    };
    match mlir::constant_from_bytes(ty, bytes) {
        Ok(constant) => Ok(Attr::Dense(Arc::new(constant))),
        Err(message) => fail(at, message),
    }
}

/// The elements of `array<i64: ...>` and its like.
pub(super) fn dense_array(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    let elem = d.element()?;
    let count = d.r.varint()?;
    let blob = d.r.blob()?;
    let ElementType::Plain(dtype) = elem else {
        return fail(at, format!("an array of `{elem}`"));
    };
    let size = dtype.size();
    if u64::try_from(blob.len() / size) != Ok(count) || !blob.len().is_multiple_of(size) {
        let len = blob.len();
        return fail(at, format!("an array of {count} {dtype} has {len} bytes"));
    }
    if dtype == DType::I1 {
        return Ok(Attr::DenseBools(blob.iter().map(|&b| b != 0).collect()));
    }
    let ty = TensorType::fixed(&[count], dtype);
    let constant = Constant::dense(ty, blob);
    Ok(match crate::ops::attrs::dense_ints(&constant) {
        Some(ints) => Attr::DenseInts(ints),
        None => Attr::Dense(Arc::new(constant)),
    })
}

/// Sizes of groups of operands or results: all of them, or those that are not 0 with their places
/// in the low bits.
pub(super) fn sparse_array(d: &mut Decoder<'_, '_>) -> Res<Vec<i64>> {
    let at = d.r.at();
    let (count, sparse) = d.r.count_with_flag("sizes")?;
    let size = |raw: u64| match i32::try_from(raw) {
        Ok(size) => Ok(size.into()),
        Err(_) => fail(at, format!("a group of {raw} values")),
    };
    if !sparse {
        return (0..count).map(|_| size(d.r.varint()?)).collect();
    }
    let bits = if count > 0 { d.r.varint()? } else { 0 };
    if bits > MAX_SPARSE_BITS {
        return fail(at, format!("a list of sizes with places of {bits} bits"));
    }
    let mut sizes = Vec::new();
    for _ in 0..count {
        let raw = d.r.varint()?;
        let place = (raw & ((1 << bits) - 1)) as usize;
        if sizes.len() <= place {
            sizes.resize(place + 1, 0);
        }
        sizes[place] = size(raw >> bits)?;
    }
    Ok(sizes)
}

/// A tensor type as a type.
pub(super) fn tensor_type(ty: TensorType) -> Ty {
    Ty::Value(Type::Tensor(ty))
}
