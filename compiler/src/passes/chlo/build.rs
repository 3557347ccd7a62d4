//! Short ways to emit the operations that replacements are made of.

use microhlo_format::DType;

use super::super::rewrite::Editor;
use crate::diag::Span;
use crate::ir::{Constant, Dim, TensorType, ValueId};
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::chlo::encoded;
use crate::ops::compare::{Compare, CompareType, Direction};
use crate::ops::reshape::Reshape;
use crate::ops::slice::Slice;
use crate::ops::{ElementwiseOp, OpKind};

/// Emits operations at one place.
pub struct Build<'e, 'b> {
    /// Where operations go.
    pub ed: &'e mut Editor<'b>,
    /// Where they come from.
    pub span: Span,
}

impl Build<'_, '_> {
    /// An operation with one result.
    pub fn op(
        &mut self,
        kind: impl Into<OpKind>,
        operands: &[ValueId],
        ty: &TensorType,
    ) -> ValueId {
        self.ed.emit(kind, operands.to_vec(), ty.clone(), self.span)
    }

    /// An elementwise operation whose result has the type of its last operand.
    pub fn map(&mut self, op: ElementwiseOp, operands: &[ValueId]) -> Option<ValueId> {
        let ty = self.ed.body.ty(*operands.last()?).tensor()?.clone();
        Some(self.op(op, operands, &ty))
    }

    /// A comparison, of floats by value.
    pub fn compare(&mut self, direction: Direction, a: ValueId, b: ValueId) -> Option<ValueId> {
        let ty = self.ed.body.ty(a).tensor()?.with_dtype(DType::I1);
        let compare = Compare { direction, compare_type: None::<CompareType> };
        Some(self.op(compare, &[a, b], &ty))
    }

    /// A constant of one repeated element.
    pub fn splat(&mut self, ty: &TensorType, element: &[u8]) -> ValueId {
        self.ed.constant(Constant::splat(ty.clone(), element), self.span)
    }

    /// A constant of one repeated small integer.
    pub fn number(&mut self, ty: &TensorType, value: i64) -> ValueId {
        let element = encoded(ty.elem.storage(), value);
        self.splat(ty, &element)
    }

    /// The value with its dimensions at those of the given type.
    pub fn spread(&mut self, value: ValueId, dims: Vec<i64>, ty: &TensorType) -> ValueId {
        self.op(BroadcastInDim { dims }, &[value], ty)
    }

    /// Indices `from..to` of dimension `dim`, which has a size of 1 or is dropped after.
    pub fn take(
        &mut self,
        value: ValueId,
        dim: usize,
        from: u64,
        to: u64,
        drop: bool,
    ) -> Option<ValueId> {
        let ty = self.ed.body.ty(value).tensor()?.clone();
        let sizes = ty.static_dims()?;
        let mut start = vec![0; sizes.len()];
        let mut limit: Vec<i64> = sizes.iter().map(|&n| n as i64).collect();
        (start[dim], limit[dim]) = (from as i64, to as i64);
        let mut dims = ty.dims.clone();
        dims[dim] = Dim::Static(to - from);
        let part = TensorType { dims: dims.clone(), elem: ty.elem.clone() };
        let slice = Slice { start, limit, strides: vec![1; sizes.len()] };
        let value = if part == ty { value } else { self.op(slice, &[value], &part) };
        if !drop {
            return Some(value);
        }
        dims.remove(dim);
        Some(self.op(Reshape, &[value], &TensorType { dims, elem: ty.elem }))
    }
}
