//! `ShapeProto`.

use microhlo_format::DType;

use super::super::graph::{ArrayShape, Shape};
use super::super::text::{is_permutation, tensor};
use super::messages::ShapeProto;
use crate::ir::Dim;

/// The element type with a number of `xla.PrimitiveType`.
pub(super) fn element_type(number: i32) -> Option<DType> {
    Some(match number {
        1 => DType::I1,
        2 => DType::I8,
        3 => DType::I16,
        4 => DType::I32,
        5 => DType::I64,
        6 => DType::U8,
        7 => DType::U16,
        8 => DType::U32,
        9 => DType::U64,
        10 => DType::F16,
        11 => DType::F32,
        12 => DType::F64,
        15 => DType::C64,
        16 => DType::BF16,
        18 => DType::C128,
        19 => DType::F8E5M2,
        20 => DType::F8E4M3FN,
        21 => DType::I4,
        22 => DType::U4,
        23 => DType::F8E4M3B11FNUZ,
        24 => DType::F8E5M2FNUZ,
        25 => DType::F8E4M3FNUZ,
        26 => DType::I2,
        27 => DType::U2,
        28 => DType::F8E4M3,
        29 => DType::F8E3M4,
        32 => DType::F4E2M1FN,
        33 => DType::F8E8M0FNU,
        _ => return None,
    })
}

/// A shape. Its depth is bounded by the decoder's recursion limit.
pub(super) fn shape(proto: &ShapeProto) -> Result<Shape, String> {
    match proto.element_type {
        13 => proto.tuple_shapes.iter().map(shape).collect::<Result<_, _>>().map(Shape::Tuple),
        14 => Ok(Shape::Other("opaque".to_string())),
        17 => Ok(Shape::Token),
        30 => Ok(Shape::Other("s1".to_string())),
        31 => Ok(Shape::Other("u1".to_string())),
        34 => Ok(Shape::Other("buffer".to_string())),
        number => match element_type(number) {
            Some(dtype) => array(proto, dtype).map(Shape::Array),
            None => Err(format!("the element type {number} is not known")),
        },
    }
}

fn array(proto: &ShapeProto, dtype: DType) -> Result<ArrayShape, String> {
    let dynamic = |i: usize| proto.is_dynamic_dimension.get(i).copied().unwrap_or(false);
    let dim = |(i, &size): (usize, &i64)| match (u64::try_from(size), dynamic(i)) {
        (Ok(n), false) => Ok(Dim::Static(n)),
        (Ok(n), true) => Ok(Dim::Dynamic { bound: Some(n) }),
        (Err(_), true) => Ok(Dim::Dynamic { bound: None }),
        (Err(_), false) => Err(format!("a dimension has the size {size}")),
    };
    let dims: Vec<Dim> = proto.dimensions.iter().enumerate().map(dim).collect::<Result<_, _>>()?;
    let rank = dims.len();
    let ty = tensor(dims, dtype).ok_or("the size of its shape overflows 63 bits")?;
    let (mut order, mut tiled) = (Vec::new(), false);
    if let Some(layout) = &proto.layout {
        order = layout.minor_to_major.iter().map(|&d| d as usize).collect();
        // 0 is `DIM_DENSE`.
        tiled = !layout.tiles.is_empty() || layout.dim_level_types.iter().any(|&t| t != 0);
    }
    if !order.is_empty() && !is_permutation(&order, rank) {
        return Err(format!("its layout {order:?} does not order {rank} dimensions"));
    }
    Ok(ArrayShape { ty, minor_to_major: order, tiled })
}
