//! Operations on the bits of elements: `reduce_precision`, and `bitcast_convert` of elements
//! narrower than a byte.

use microhlo_format::{DType, float};

use super::Legalizer;
use crate::ir::{Dim, OpId, TensorType, ValueId};
use crate::ops::bitcast_convert::BitcastConvert;
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::compare::{Compare, Direction};
use crate::ops::reduce::Reduce;
use crate::ops::reduce_precision::ReducePrecision;
use crate::ops::reshape::Reshape;
use crate::ops::{ElementwiseOp, OpKind};
use crate::passes::rewrite::Visit;

/// The unsigned integer as wide as a float.
fn pattern_type(dtype: DType) -> DType {
    match dtype.size() {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        _ => DType::U64,
    }
}

/// The type of a chunk of so many bits below a byte.
fn chunk_type(bits: u32) -> Option<DType> {
    match bits {
        1 => Some(DType::I1),
        2 => Some(DType::U2),
        4 => Some(DType::U4),
        8 => Some(DType::U8),
        _ => None,
    }
}

/// Whether an element's bits are all of its bytes, or the others are zero.
fn zero_extended(dtype: DType) -> bool {
    !matches!(dtype, DType::I2 | DType::I4)
}

impl Legalizer<'_, '_> {
    fn bitcast_to(&mut self, value: ValueId, ty: TensorType) -> ValueId {
        self.ed.emit(BitcastConvert, vec![value], ty, self.span)
    }

    /// The rounding of [`float::Reduced`], in integer operations; in `f32` for a type with other
    /// special values than those of IEEE 754.
    pub(super) fn reduce_precision(&mut self, op: OpId, kind: &ReducePrecision) -> Option<Visit> {
        let x = self.operand(op, 0)?;
        let dtype = self.dtype(x)?;
        let dtype = if float::Precision::of(dtype).is_some() { dtype } else { DType::F32 };
        let x = self.cast(x, dtype)?;
        let ty = self.tensor(x)?;
        ty.static_dims()?;
        let precision = float::Precision::of(dtype)?;
        let rounding = precision.reduced(kind.exponent_bits, kind.mantissa_bits);
        let bits = self.bitcast_to(x, ty.with_dtype(pattern_type(dtype)));
        let mask = self.number(bits, rounding.magnitude.into())?;
        let magnitude = self.apply(ElementwiseOp::And, vec![bits, mask])?;
        let signs = self.apply(ElementwiseOp::Xor, vec![bits, magnitude])?;
        let rounded = self.rounded(magnitude, &rounding)?;
        let infinity = self.number(bits, rounding.infinity.into())?;
        let overflow = self.number(bits, rounding.overflow.into())?;
        let bounded = self.chosen(Direction::Ge, [rounded, overflow], infinity, rounded)?;
        let least = self.number(bits, rounding.least.into())?;
        let zero = self.number(bits, 0)?;
        let bounded = self.chosen(Direction::Lt, [rounded, least], zero, bounded)?;
        let signed = self.apply(ElementwiseOp::Or, vec![bounded, signs])?;
        let kept = self.chosen(Direction::Gt, [magnitude, infinity], bits, signed)?;
        let new = self.bitcast_to(kept, ty);
        self.replace(op, new)
    }

    /// `(x + half - 1 + odd) & !(unit - 1)`.
    fn rounded(&mut self, x: ValueId, rounding: &float::Reduced) -> Option<ValueId> {
        if rounding.drop == 0 {
            return Some(x);
        }
        let (drop, one) = (self.number(x, rounding.drop.into())?, self.number(x, 1)?);
        let last = self.apply(ElementwiseOp::ShiftRightLogical, vec![x, drop])?;
        let odd = self.apply(ElementwiseOp::And, vec![last, one])?;
        let half = self.number(x, (1i128 << (rounding.drop - 1)) - 1)?;
        let more = self.apply(ElementwiseOp::Add, vec![x, half])?;
        let more = self.apply(ElementwiseOp::Add, vec![more, odd])?;
        let unit = self.number(x, !((1i128 << rounding.drop) - 1))?;
        self.apply(ElementwiseOp::And, vec![more, unit])
    }

    /// `on_true` where the relation holds, else `on_false`.
    fn chosen(
        &mut self,
        direction: Direction,
        sides: [ValueId; 2],
        on_true: ValueId,
        on_false: ValueId,
    ) -> Option<ValueId> {
        let ty = self.tensor(on_true)?;
        let kind = Compare { direction, compare_type: None };
        let test = self.ed.emit(kind, sides.to_vec(), ty.with_dtype(DType::I1), self.span);
        self.apply(ElementwiseOp::Select, vec![test, on_true, on_false])
    }

    /// Splits or joins elements narrower than a byte by shifts of bytes.
    pub(super) fn bitcast(&mut self, op: OpId) -> Option<Visit> {
        let (x, result) = (self.operand(op, 0)?, self.ed.body.result(op)?);
        let (from, to) = (self.tensor(x)?, self.tensor(result)?);
        let (a, b) = (from.dtype()?, to.dtype()?);
        let plain = zero_extended(a) && zero_extended(b) && a.bits() == b.bits();
        if plain || a.bits() >= 8 && b.bits() >= 8 || to.static_dims().is_none() {
            return None;
        }
        // Chunks as wide as the narrower type, at most one byte, in the shape of its tensor.
        let chunk = chunk_type(a.bits().min(b.bits()))?;
        let new = match a.bits().cmp(&b.bits()) {
            std::cmp::Ordering::Less => {
                let chunks = self.chunk_of(x, chunk)?;
                self.joined(chunks, &to)?
            }
            std::cmp::Ordering::Equal => {
                let chunks = self.chunk_of(x, chunk)?;
                self.value_of_chunk(chunks, to)?
            }
            std::cmp::Ordering::Greater => {
                let chunks = self.split(x, &from, chunk, &to)?;
                self.value_of_chunk(chunks, to)?
            }
        };
        self.ed.replace(result, new);
        Some(Visit::Drop)
    }

    /// Elements of a narrow type as unsigned integers of its width.
    fn chunk_of(&mut self, value: ValueId, chunk: DType) -> Option<ValueId> {
        let ty = self.tensor(value)?;
        match ty.dtype()? {
            d if d.is_integer() || d == DType::I1 => self.cast(value, chunk),
            _ => Some(self.bitcast_to(value, ty.with_dtype(chunk))),
        }
    }

    fn value_of_chunk(&mut self, value: ValueId, ty: TensorType) -> Option<ValueId> {
        match ty.dtype()? {
            d if d.is_integer() => self.cast(value, d),
            d if d == self.dtype(value)? => Some(value),
            _ => Some(self.bitcast_to(value, ty)),
        }
    }

    /// Bytes, each or each narrow element of which holds `per` chunks: shifts along a last dimension.
    fn shifts(&mut self, bytes: ValueId, chunk: DType, per: u32) -> Option<(TensorType, ValueId)> {
        let ty = self.tensor(bytes)?;
        let amounts: Vec<u8> = (0..per).map(|i| (i * chunk.bits()) as u8).collect();
        let list = TensorType::fixed(&[per.into()], DType::U8);
        let amounts = self.ed.constant(crate::ir::Constant::dense(list, amounts), self.span);
        let dims = vec![ty.rank() as i64 - 1];
        Some((ty.clone(), self.ed.emit(BroadcastInDim { dims }, vec![amounts], ty, self.span)))
    }

    /// The chunks of wider elements, in the shape of the result.
    fn split(
        &mut self,
        value: ValueId,
        from: &TensorType,
        chunk: DType,
        to: &TensorType,
    ) -> Option<ValueId> {
        let wide_bits = from.dtype()?.bits();
        let mut dims = from.dims.clone();
        let bytes = if wide_bits > 8 {
            dims.push(Dim::Static((wide_bits / 8).into()));
            let ty = TensorType { dims: dims.clone(), ..from.with_dtype(DType::U8) };
            self.bitcast_to(value, ty)
        } else {
            let unsigned = chunk_type(wide_bits)?;
            let value = self.chunk_of(value, unsigned)?;
            self.cast(value, DType::U8)?
        };
        let per = wide_bits.min(8) / chunk.bits();
        let kept = BroadcastInDim { dims: (0..dims.len() as i64).collect() };
        dims.push(Dim::Static(per.into()));
        let ty = TensorType { dims, ..from.with_dtype(DType::U8) };
        let spread = self.ed.emit(kept, vec![bytes], ty, self.span);
        let (_, amounts) = self.shifts(spread, chunk, per)?;
        let shifted = self.apply(ElementwiseOp::ShiftRightLogical, vec![spread, amounts])?;
        // Bits above a chunk vanish; a truth value would be true because of them.
        let one = self.number(shifted, 1)?;
        let lowest = match chunk {
            DType::I1 => self.apply(ElementwiseOp::And, vec![shifted, one])?,
            _ => shifted,
        };
        let chunks = self.cast(lowest, chunk)?;
        Some(self.ed.emit(Reshape, vec![chunks], to.with_dtype(chunk), self.span))
    }

    /// Wider elements from chunks.
    fn joined(&mut self, chunks: ValueId, to: &TensorType) -> Option<ValueId> {
        let (chunk, wide_bits) = (self.dtype(chunks)?, to.dtype()?.bits());
        let bytes = self.cast(chunks, DType::U8)?;
        let per = wide_bits.min(8) / chunk.bits();
        let mut dims = to.dims.clone();
        if wide_bits > 8 {
            dims.push(Dim::Static((wide_bits / 8).into()));
        }
        let joined = TensorType { dims: dims.clone(), ..to.with_dtype(DType::U8) };
        dims.push(Dim::Static(per.into()));
        let ty = TensorType { dims, ..to.with_dtype(DType::U8) };
        let bytes = self.ed.emit(Reshape, vec![bytes], ty, self.span);
        let (ty, amounts) = self.shifts(bytes, chunk, per)?;
        let shifted = self.apply(ElementwiseOp::ShiftLeft, vec![bytes, amounts])?;
        let zero = TensorType::scalar(DType::U8);
        let zero = self.ed.constant(crate::ir::Constant::splat(zero, &[0]), self.span);
        let block = self.region(ElementwiseOp::Or, DType::U8);
        let kind = OpKind::from(Reduce { dims: vec![ty.rank() as i64 - 1] });
        let results = vec![joined.into()];
        let reduced = self.ed.emit_op(kind, vec![shifted, zero], results, vec![block], self.span);
        let bytes = *reduced.first()?;
        match wide_bits {
            8 => Some(if to.dtype()? == DType::U8 {
                bytes
            } else {
                self.bitcast_to(bytes, to.clone())
            }),
            bits if bits > 8 => Some(self.bitcast_to(bytes, to.clone())),
            bits => {
                let unsigned = self.cast(bytes, chunk_type(bits)?)?;
                self.value_of_chunk(unsigned, to.clone())
            }
        }
    }
}
