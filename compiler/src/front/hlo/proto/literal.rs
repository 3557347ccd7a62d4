//! `LiteralProto`.

use microhlo_format::DType;
use prost::bytes::Bytes;

use super::super::graph::{ArrayShape, Literal, Shape};
use super::super::text::packed;
use super::messages::LiteralProto;
use super::shape::shape;

/// The value of a constant of shape `declared`.
pub(super) fn literal(proto: LiteralProto, declared: &Shape) -> Result<Literal, String> {
    // The order of the elements is that of the literal's own layout.
    let own = match &proto.shape {
        Some(own) => shape(own)?,
        None => declared.clone(),
    };
    match (own, declared) {
        (Shape::Tuple(_), Shape::Tuple(parts)) => {
            if proto.tuple_literals.len() != parts.len() {
                let (have, want) = (proto.tuple_literals.len(), parts.len());
                return Err(format!("the literal has {have} parts, its shape {want}"));
            }
            let parts = proto.tuple_literals.into_iter().zip(parts);
            let items = parts.map(|(p, s)| literal(p, s)).collect::<Result<_, _>>()?;
            Ok(Literal::Tuple(items))
        }
        (Shape::Array(own), Shape::Array(declared)) if own.ty == declared.ty => array(proto, &own),
        (own, _) => Err(format!("the literal has the shape {own}, the instruction {declared}")),
    }
}

fn array(proto: LiteralProto, shape: &ArrayShape) -> Result<Literal, String> {
    let dtype = shape.ty.elem.storage();
    let want = shape.ty.bytes().ok_or("the literal's shape is not static")?;
    let bytes = extend(elements(proto, dtype)?, dtype);
    let have = bytes.len() as u64;
    if have == 0 && want > 0 {
        return Ok(Literal::Elided);
    }
    if have != want {
        return Err(format!("the literal has {have} bytes, its shape {want}"));
    }
    Ok(Literal::Array(match shape.physical() {
        Some(order) => packed(&shape.ty, &row_major(&bytes, shape, &order, dtype.size())),
        None => packed(&shape.ty, &bytes),
    }))
}

/// The elements' bytes in the order of the literal's layout, those of the file where they are the
/// same.
fn elements(proto: LiteralProto, dtype: DType) -> Result<Bytes, String> {
    let joined = |chunks: Vec<Bytes>| match <[Bytes; 1]>::try_from(chunks) {
        Ok([one]) => one,
        Err(chunks) => chunks.concat().into(),
    };
    Ok(match dtype {
        DType::I1 => booleans(joined(proto.preds))?,
        DType::I2 => proto.s2s,
        DType::I4 => proto.s4s,
        DType::I8 => proto.s8s,
        DType::I16 => proto.s16s,
        DType::I32 => proto.s32s.into_iter().flat_map(i32::to_le_bytes).collect(),
        DType::I64 => proto.s64s.into_iter().flat_map(i64::to_le_bytes).collect(),
        DType::U2 => proto.u2s,
        DType::U4 => proto.u4s,
        DType::U8 => proto.u8s,
        DType::U16 => proto.u16s,
        DType::U32 => proto.u32s.into_iter().flat_map(u32::to_le_bytes).collect(),
        DType::U64 => proto.u64s.into_iter().flat_map(u64::to_le_bytes).collect(),
        DType::F4E2M1FN => proto.f4e2m1fns,
        DType::F8E3M4 => proto.f8e3m4s,
        DType::F8E4M3 => proto.f8e4m3s,
        DType::F8E4M3FN => proto.f8e4m3fns,
        DType::F8E4M3FNUZ => proto.f8e4m3fnuzs,
        DType::F8E4M3B11FNUZ => proto.f8e4m3b11fnuzs,
        DType::F8E5M2 => proto.f8e5m2s,
        DType::F8E5M2FNUZ => proto.f8e5m2fnuzs,
        DType::F8E8M0FNU => proto.f8e8m0fnus,
        DType::BF16 => proto.bf16s,
        DType::F16 => proto.f16s,
        DType::F32 => joined(proto.f32s),
        DType::F64 => joined(proto.f64s),
        DType::C64 => joined(proto.c64s),
        DType::C128 => joined(proto.c128s),
        DType::F6E2M3FN | DType::F6E3M2FN => {
            return Err(format!("HLO has no literals of type {dtype}"));
        }
    })
}

fn booleans(bytes: Bytes) -> Result<Bytes, String> {
    match bytes.iter().find(|&&b| b > 1) {
        Some(b) => Err(format!("a boolean of the literal is {b}")),
        None => Ok(bytes),
    }
}

/// Extends sub-byte elements, which have a byte each, by sign or by zeros.
fn extend(bytes: Bytes, dtype: DType) -> Bytes {
    let unused = 8u32.saturating_sub(dtype.bits());
    // Booleans have been checked.
    if unused == 0 || dtype == DType::I1 {
        return bytes;
    }
    let mut bytes = Vec::from(bytes);
    for byte in &mut bytes {
        *byte = match dtype.is_signed_integer() {
            true => (((*byte << unused) as i8) >> unused) as u8,
            false => (*byte << unused) >> unused,
        };
    }
    bytes.into()
}

/// Elements in physical order, dimensions `order` from major to minor, to row-major ones.
fn row_major(bytes: &[u8], shape: &ArrayShape, order: &[usize], size: usize) -> Vec<u8> {
    let dims: Vec<usize> =
        shape.ty.static_dims().unwrap_or_default().iter().map(|&d| d as usize).collect();
    // Distance in memory, in elements, of neighbours along each dimension.
    let mut strides = vec![1usize; dims.len()];
    let mut step = 1;
    for &d in order.iter().rev() {
        strides[d] = step;
        step *= dims[d];
    }
    let mut index = vec![0usize; dims.len()];
    let mut out = Vec::with_capacity(bytes.len());
    while out.len() < bytes.len() {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        out.extend_from_slice(&bytes[at * size..(at + 1) * size]);
        for d in (0..dims.len()).rev() {
            index[d] += 1;
            if index[d] < dims[d] {
                break;
            }
            index[d] = 0;
        }
    }
    out
}
