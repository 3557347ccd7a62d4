//! Elementwise operations that a few of StableHLO compute as well as one of their own would.

use microhlo_format::DType;

use super::super::rewrite::Editor;
use super::build::Build;
use crate::eval::Element;
use crate::ir::{OpId, TensorType, ValueId};
use crate::ops::ElementwiseOp as E;
use crate::ops::bitcast_convert::BitcastConvert;
use crate::ops::compare::Direction;

/// The replacement's result, or `None` where the operation stays.
pub fn expand(ed: &mut Editor<'_>, op: OpId, kind: E) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let first = *o.operands.first()?;
    let ty = ed.body.ty(first).tensor()?.clone();
    let dtype = ty.elem.plain()?;
    // The replacements need constants of the operand's shape.
    ty.static_dims()?;
    let mut build = Build { ed, span: o.span };
    match (kind, o.operands.as_slice()) {
        (E::ChloTan, &[x]) => build.map(E::Tan, &[x]),
        (E::Conj, &[z]) if dtype.is_complex() => conjugate(&mut build, z, &ty),
        (E::Conj, &[x]) => Some(x),
        (E::Square, &[x]) if !dtype.is_complex() => build.map(E::Multiply, &[x, x]),
        (E::IsInf, &[x]) => {
            let magnitude = build.map(E::Abs, &[x])?;
            equals(&mut build, magnitude, &ty, f64::INFINITY)
        }
        (E::IsPosInf, &[x]) => equals(&mut build, x, &ty, f64::INFINITY),
        (E::IsNegInf, &[x]) => equals(&mut build, x, &ty, f64::NEG_INFINITY),
        (E::MulHi, &[a, b]) if dtype.bits() < 8 => mulhi(&mut build, a, b, &ty),
        (E::NextAfter, &[from, to]) => next_after(&mut build, from, to, &ty),
        _ => None,
    }
}

/// Whether elements are equal to a number; none are if the type does not have it.
fn equals(build: &mut Build<'_, '_>, x: ValueId, ty: &TensorType, value: f64) -> Option<ValueId> {
    let dtype = ty.dtype()?;
    let mut bytes = vec![0; dtype.size()];
    Element::Float(value).encode(dtype, &mut bytes);
    if Element::decode(dtype, &bytes) != Element::Float(value) {
        return Some(build.splat(&ty.with_dtype(DType::I1), &[0]));
    }
    let number = build.splat(ty, &bytes);
    build.compare(Direction::Eq, x, number)
}

/// Real and imaginary part.
fn parts(build: &mut Build<'_, '_>, z: ValueId, ty: &TensorType) -> Option<(ValueId, ValueId)> {
    let real = match ty.dtype()? {
        DType::C64 => ty.with_dtype(DType::F32),
        DType::C128 => ty.with_dtype(DType::F64),
        _ => return None,
    };
    Some((build.op(E::Real, &[z], &real), build.op(E::Imag, &[z], &real)))
}

fn conjugate(build: &mut Build<'_, '_>, z: ValueId, ty: &TensorType) -> Option<ValueId> {
    let (re, im) = parts(build, z, ty)?;
    let im = build.map(E::Negate, &[im])?;
    Some(build.op(E::Complex, &[re, im], ty))
}

/// Of integers narrower than a byte, by a product of bytes.
fn mulhi(build: &mut Build<'_, '_>, a: ValueId, b: ValueId, ty: &TensorType) -> Option<ValueId> {
    let dtype = ty.dtype()?;
    let (wide, shift) = match dtype.is_signed_integer() {
        true => (ty.with_dtype(DType::I8), E::ShiftRightArithmetic),
        false => (ty.with_dtype(DType::U8), E::ShiftRightLogical),
    };
    let (a, b) = (build.op(E::Convert, &[a], &wide), build.op(E::Convert, &[b], &wide));
    let product = build.map(E::Multiply, &[a, b])?;
    let bits = build.number(&wide, dtype.bits().into());
    let upper = build.map(shift, &[product, bits])?;
    Some(build.op(E::Convert, &[upper], ty))
}

/// The encoding plus or minus one, on the encodings as integers.
fn next_after(
    build: &mut Build<'_, '_>,
    from: ValueId,
    to: ValueId,
    ty: &TensorType,
) -> Option<ValueId> {
    let bits = match ty.dtype()?.bits() {
        16 => ty.with_dtype(DType::U16),
        32 => ty.with_dtype(DType::U32),
        64 => ty.with_dtype(DType::U64),
        _ => return None,
    };
    let a = build.op(BitcastConvert, &[from], &bits);
    let b = build.op(BitcastConvert, &[to], &bits);
    let (zero, one) = (build.number(ty, 0), build.number(&bits, 1));
    let shift = build.number(&bits, i64::from(ty.dtype()?.bits()) - 1);
    let sign = build.map(E::ShiftLeft, &[one, shift])?;
    // The magnitude shrinks where the other number lies on the side of zero.
    let rises = build.compare(Direction::Lt, from, to)?;
    let positive = build.compare(Direction::Gt, from, zero)?;
    let shrinks = build.map(E::Xor, &[rises, positive])?;
    let (less, more) = (build.map(E::Subtract, &[a, one])?, build.map(E::Add, &[a, one])?);
    let step = build.map(E::Select, &[shrinks, less, more])?;
    let side = build.map(E::And, &[b, sign])?;
    let least = build.map(E::Or, &[side, one])?;
    let at_zero = build.compare(Direction::Eq, from, zero)?;
    let step = build.map(E::Select, &[at_zero, least, step])?;
    let arrived = build.compare(Direction::Eq, from, to)?;
    let nowhere = build.compare(Direction::Ne, to, to)?;
    let stays = build.map(E::Or, &[arrived, nowhere])?;
    let step = build.map(E::Select, &[stays, b, step])?;
    let undefined = build.compare(Direction::Ne, from, from)?;
    let next = build.map(E::Select, &[undefined, a, step])?;
    Some(build.op(BitcastConvert, &[next], ty))
}
