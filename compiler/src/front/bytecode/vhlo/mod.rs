//! VHLO, StableHLO's versioned serialisation dialect: attributes and types by their codes
//! (`VhloBytecode.cpp`), operations by name (`VhloOps.td`).

mod legalize;
mod ops;

use microhlo_format::DType;

pub(super) use legalize::is_default_accuracy;
pub(crate) use legalize::legalize;
pub(crate) use ops::{attributes, base};

use super::entries::{Decoder, Ty};
use super::reader::Res;
use super::{builtin, quant, values};
use crate::ir::{Attr, Dict, ElementType, Type};

/// An attribute.
pub(super) fn attr(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let at = d.r.at();
    Ok(match d.r.varint()? {
        1 => Attr::Array(d.attrs()?),
        2 => Attr::Bool(d.r.varint()? != 0),
        3 => values::enumeration(d, "comparison_direction", 0)?,
        4 => values::enumeration(d, "comparison_type", 0)?,
        5 => Attr::Int(d.r.varint()?.into(), "i32".into()),
        6 => Attr::Dict(d.dictionary()?),
        7 => values::enumeration(d, "fft_type", 0)?,
        8 => values::float(d)?,
        9 => values::integer(d)?,
        10 => values::output_operand_alias(d)?,
        11 => values::enumeration(d, "precision", 0)?,
        12 => values::enumeration(d, "rng_algorithm", 0)?,
        13 => values::enumeration(d, "rng_distribution", 1)?,
        14 => Attr::String(d.string()?),
        15 => values::constant(d)?,
        16 => values::enumeration(d, "transpose", 0)?,
        17 => d.ty()?.into_attr(),
        18 => values::bounds(d)?,
        19 => values::enumeration(d, "result_accuracy_mode", 0)?,
        20 => values::result_accuracy(d)?,
        21 => values::numbers(d, "stablehlo.sub_axis_info", &["pre_size", "size"])?,
        22 => axis_ref(d)?,
        23 => {
            let mut fields = Dict::default();
            // VHLO keeps symbols as strings.
            let mesh = match d.attr()? {
                Attr::String(name) => Attr::Symbol(name),
                other => other,
            };
            fields.push("mesh", mesh);
            fields.push("axes", d.attr()?);
            Attr::Struct("stablehlo.replica_group_mesh_axes".into(), fields)
        }
        24 => {
            let mut fields = Dict::default();
            fields.push("name", d.attr()?);
            fields.push("size", Attr::i64(d.svarint()?));
            Attr::Struct("stablehlo.mesh_axis".into(), fields)
        }
        25 => mesh(d)?,
        code => return d.unknown(at, "VHLO attribute", code),
    })
}

fn axis_ref(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let mut fields = Dict::default();
    fields.push("name", d.attr()?);
    if d.r.varint()? != 0 {
        fields.push("sub_axis_info", d.attr()?);
    }
    Ok(Attr::Struct("stablehlo.axis_ref".into(), fields))
}

fn mesh(d: &mut Decoder<'_, '_>) -> Res<Attr> {
    let mut fields = Dict::default();
    fields.push("axes", d.attr()?);
    if let Some(index) = d.r.optional_index(d.entries.file.attrs.len(), "attribute")? {
        fields.push("device_ids", d.entries.attr(index)?);
    }
    Ok(Attr::Struct("stablehlo.mesh".into(), fields))
}

/// Element types by code; the gaps are other kinds of types.
fn element(code: u64) -> Option<DType> {
    Some(match code {
        0 => DType::I1,
        2 => DType::BF16,
        3 => DType::F16,
        4 => DType::F32,
        5 => DType::F64,
        6 => DType::F8E4M3FN,
        7 => DType::F8E5M2,
        10 => DType::I4,
        11 => DType::I8,
        12 => DType::I16,
        13 => DType::I32,
        14 => DType::I64,
        15 => DType::U4,
        16 => DType::U8,
        17 => DType::U16,
        18 => DType::U32,
        19 => DType::U64,
        27 => DType::F8E4M3FNUZ,
        28 => DType::F8E5M2FNUZ,
        29 => DType::F8E4M3B11FNUZ,
        31 => DType::I2,
        32 => DType::U2,
        35 => DType::F8E4M3,
        36 => DType::F8E3M4,
        37 => DType::F4E2M1FN,
        38 => DType::F6E2M3FN,
        39 => DType::F6E3M2FN,
        40 => DType::F8E8M0FNU,
        _ => return None,
    })
}

/// A type.
pub(super) fn ty(d: &mut Decoder<'_, '_>) -> Res<Ty> {
    let at = d.r.at();
    let code = d.r.varint()?;
    if let Some(dtype) = element(code) {
        return Ok(Ty::Element(ElementType::Plain(dtype)));
    }
    match code {
        1 => builtin::complex(d),
        8 => Ok(Ty::Function(d.value_types()?, d.value_types()?)),
        9 => Ok(Ty::Element(ElementType::Index)),
        20 => values::ranked(d, None).map(values::tensor_type),
        21 => {
            let encoding = d.attr()?;
            values::ranked(d, Some(encoding)).map(values::tensor_type)
        }
        22 => Ok(Ty::Value(Type::Token)),
        23 => Ok(Ty::Value(Type::Tuple(d.value_types()?))),
        24 => quant::per_tensor(d),
        25 => builtin::unranked(at),
        26 => Ok(Ty::Other("!shape.witness".into())),
        30 => quant::per_axis(d),
        33 => Ok(Ty::Other("none".into())),
        34 => Ok(Ty::Other("tf32".into())),
        41 => {
            let ty = values::ranked(d, None)?;
            Ok(Ty::Other(ty.to_string().replacen("tensor", "memref", 1).into()))
        }
        42 => Ok(Ty::Value(Type::Future(d.value_types()?))),
        code => d.unknown(at, "VHLO type", code),
    }
}
