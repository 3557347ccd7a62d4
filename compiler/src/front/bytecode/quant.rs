//! Quantised element types, in VHLO's encoding and in that of MLIR's `quant` dialect, which are
//! the same but for their codes.

use std::sync::Arc;

use microhlo_format::DType;

use super::entries::{Decoder, Ty};
use super::reader::{Res, fail};
use super::values::f64_bits;
use crate::front::mlir::quant_violation;
use crate::ir::{ElementType, QuantType};

/// A type of the `quant` dialect (`QuantDialectBytecode.td`).
pub(super) fn ty(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let at = d.r.at();
    match d.r.varint()? {
        4 => per_tensor(d),
        5 => per_axis(d),
        code => d.unknown(at, "`quant` type", code),
    }
}

fn plain(d: &mut Decoder<'_, '_>) -> Res<DType> {
    let at = d.r.at();
    match d.element()? {
        ElementType::Plain(dtype) => Ok(dtype),
        other => fail(at, format!("expected a plain type, found `{other}`")),
    }
}

/// Storage and expressed type. The lowest flag says that the storage is signed; MLIR itself
/// stores it as a signless integer.
fn types(d: &mut Decoder<'_, '_>) -> Res<(DType, DType)> {
    let signed = d.r.varint()? & 1 == 1;
    let (mut storage, expressed) = (plain(d)?, plain(d)?);
    if !signed && storage.is_signed_integer() {
        storage = DType::from_name(&format!("u{storage}")).unwrap_or(storage);
    }
    Ok((storage, expressed))
}

fn checked(at: usize, ty: QuantType) -> Res<Ty> {
    match quant_violation(&ty) {
        None => Ok(Ty::Element(ElementType::Quant(Arc::new(ty)))),
        Some(message) => fail(at, message),
    }
}

/// Flags, types, scale, zero point, storage range.
pub(super) fn per_tensor(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let at = d.r.at();
    let (storage, expressed) = types(d)?;
    let scales = vec![f64_bits(d)?];
    let zero_points = vec![d.svarint()?];
    let storage_range = (d.svarint()?, d.svarint()?);
    let ty = QuantType { storage, expressed, storage_range, axis: None, scales, zero_points };
    checked(at, ty)
}

/// Flags, types, axis, storage range, scales, zero points.
pub(super) fn per_axis(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let at = d.r.at();
    let (storage, expressed) = types(d)?;
    let axis = d.r.varint()?;
    let Ok(axis) = u32::try_from(axis) else {
        return fail(at, format!("quantisation axis {axis} is out of range"));
    };
    let storage_range = (d.svarint()?, d.svarint()?);
    let scales = d.list(f64_bits)?;
    let zero_points = d.svarints()?;
    if scales.len() != zero_points.len() || scales.is_empty() {
        let (a, b) = (scales.len(), zero_points.len());
        return fail(at, format!("{a} scales and {b} zero points"));
    }
    checked(
        at,
        QuantType { storage, expressed, storage_range, axis: Some(axis), scales, zero_points },
    )
}
