//! Elementwise operations and comparisons.

use microhlo_format::DType;

use super::{Legalizer, via, wide};
use crate::ir::{OpId, ValueId};
use crate::ops::ElementwiseOp;
use crate::ops::compare::{Compare, CompareType, Direction};
use crate::passes::rewrite::Visit;

/// The unsigned integer type of the same width.
fn unsigned(dtype: DType) -> DType {
    match dtype {
        DType::I2 => DType::U2,
        DType::I4 => DType::U4,
        other => other,
    }
}

/// The signed integer type of the same width.
fn signed(dtype: DType) -> DType {
    match dtype {
        DType::U2 => DType::I2,
        DType::U4 => DType::I4,
        other => other,
    }
}

impl Legalizer<'_, '_> {
    pub(super) fn elementwise(&mut self, op: OpId, kind: ElementwiseOp) -> Option<Visit> {
        let first = self.operand(op, 0)?;
        let dtype = self.dtype(first)?;
        match kind {
            ElementwiseOp::Convert => {
                via(dtype, self.dtype(self.ed.body.result(op)?)?)?;
                self.replace(op, first)
            }
            ElementwiseOp::Real if !dtype.is_complex() => self.replace(op, first),
            ElementwiseOp::Imag if !dtype.is_complex() => {
                let zero = self.number(first, 0)?;
                self.replace(op, zero)
            }
            // Moves bits.
            ElementwiseOp::Select => None,
            _ => {
                let wide = wide(dtype)?;
                match dtype.is_narrow_integer() {
                    true => self.integer(op, kind, dtype),
                    false => self.in_type(op, kind, wide),
                }
            }
        }
    }

    /// The operation on operands converted to a type.
    fn in_type(&mut self, op: OpId, kind: ElementwiseOp, to: DType) -> Option<Visit> {
        let operands = self.ed.body.ops[op].operands.clone();
        let result = self.tensor(self.ed.body.result(op)?)?;
        let operands =
            operands.into_iter().map(|v| self.cast(v, to)).collect::<Option<Vec<_>>>()?;
        // Predicates stay what they are.
        let ty = if result.dtype() == Some(DType::I1) { result } else { result.with_dtype(to) };
        let new = self.ed.emit(kind, operands, ty, self.span);
        self.replace(op, new)
    }

    /// An operation on integers narrower than a byte. Arithmetic wraps on the way back; what looks
    /// at the bits above the width needs them to be zero, or copies of the sign.
    fn integer(&mut self, op: OpId, kind: ElementwiseOp, dtype: DType) -> Option<Visit> {
        use ElementwiseOp::{CountLeadingZeros, Popcnt, ShiftRightArithmetic, ShiftRightLogical};
        match kind {
            ShiftRightLogical | Popcnt => self.by_way_of(op, kind, unsigned(dtype)),
            ShiftRightArithmetic => self.by_way_of(op, kind, signed(dtype)),
            CountLeadingZeros => {
                let bytes = self.bytes(self.operand(op, 0)?, unsigned(dtype))?;
                let zeros = self.apply(kind, vec![bytes])?;
                let above = self.number(zeros, i128::from(8 - dtype.bits()))?;
                let zeros = self.apply(ElementwiseOp::Subtract, vec![zeros, above])?;
                self.replace(op, zeros)
            }
            _ => self.in_type(op, kind, wide(dtype)?),
        }
    }

    /// The value as another type of its width, in bytes.
    fn bytes(&mut self, value: ValueId, narrow: DType) -> Option<ValueId> {
        let value = self.cast(value, narrow)?;
        self.cast(value, wide(narrow)?)
    }

    /// A shift or count of a value in the extension of `narrow`, by an unsigned amount.
    fn by_way_of(&mut self, op: OpId, kind: ElementwiseOp, narrow: DType) -> Option<Visit> {
        let mut operands = vec![self.bytes(self.operand(op, 0)?, narrow)?];
        if let Some(amount) = self.operand(op, 1) {
            let amount = self.bytes(amount, unsigned(self.dtype(amount)?))?;
            operands.push(self.cast(amount, wide(narrow)?)?);
        }
        let new = self.apply(kind, operands)?;
        let new = self.cast(new, narrow)?;
        self.replace(op, new)
    }

    /// Comparisons compute in the wide type; total orders are made of "less".
    pub(super) fn compare(&mut self, op: OpId, kind: Compare) -> Option<Visit> {
        let (a, b) = (self.operand(op, 0)?, self.operand(op, 1)?);
        let dtype = self.dtype(a)?;
        let to = wide(dtype).unwrap_or(dtype);
        let total = kind.compare_type == Some(CompareType::TotalOrder) && dtype.is_float();
        if to == dtype && (!total || kind.direction == Direction::Lt) {
            return None;
        }
        let (a, b) = (self.cast(a, to)?, self.cast(b, to)?);
        let ty = self.tensor(self.ed.body.result(op)?)?;
        let test = |this: &mut Self, direction, a, b| {
            let kind = Compare { direction, ..kind.clone() };
            this.ed.emit(kind, vec![a, b], ty.clone(), this.span)
        };
        if !total {
            let new = test(self, kind.direction, a, b);
            return self.replace(op, new);
        }
        let less = |this: &mut Self, a, b| test(this, Direction::Lt, a, b);
        let (test, negated) = match kind.direction {
            Direction::Lt => (less(self, a, b), false),
            Direction::Gt => (less(self, b, a), false),
            Direction::Ge => (less(self, a, b), true),
            Direction::Le => (less(self, b, a), true),
            Direction::Eq | Direction::Ne => {
                let both = vec![less(self, a, b), less(self, b, a)];
                (self.apply(ElementwiseOp::Or, both)?, kind.direction == Direction::Eq)
            }
        };
        let new = if negated { self.apply(ElementwiseOp::Not, vec![test])? } else { test };
        self.replace(op, new)
    }
}
