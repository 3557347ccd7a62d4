//! The specification's `quantize` and `dequantize`, as operations.

use microhlo_format::DType;

use super::super::rewrite::Editor;
use super::fixed_point::Term;
use crate::diag::Span;
use crate::eval::Element;
use crate::ir::{Constant, Dim, QuantType, TensorType, ValueId, full_range};
use crate::ops::broadcast_in_dim::BroadcastInDim;
use crate::ops::concatenate::Concatenate;
use crate::ops::dynamic_broadcast_in_dim::DynamicBroadcastInDim;
use crate::ops::get_dimension_size::GetDimensionSize;
use crate::ops::reshape::Reshape;
use crate::ops::{ElementwiseOp, OpKind};

/// Emits operations in place of one on quantised values.
pub(super) struct Legalizer<'e, 'b> {
    pub(super) ed: &'e mut Editor<'b>,
    /// Where the replaced operation is written.
    pub(super) span: Span,
}

/// The bytes of an element.
fn bytes(dtype: DType, value: Element) -> Vec<u8> {
    let mut out = vec![0; dtype.size()];
    value.encode(dtype, &mut out);
    out
}

/// The type that values of expressed type are scaled in when they come from exact integers.
pub(super) fn scaling_type(expressed: DType) -> DType {
    if expressed == DType::F64 { DType::F64 } else { DType::F32 }
}

impl Legalizer<'_, '_> {
    /// The type of a value that is known to be a tensor.
    pub(super) fn tensor(&self, value: ValueId) -> TensorType {
        let ty = self.ed.body.ty(value).tensor();
        ty.cloned().unwrap_or_else(|| TensorType::scalar(DType::I1))
    }

    /// Applies an elementwise operation to operands of the shape of the first.
    pub(super) fn apply(&mut self, op: ElementwiseOp, operands: Vec<ValueId>) -> ValueId {
        let ty = self.tensor(operands[0]);
        self.ed.emit(op, operands, ty, self.span)
    }

    /// Converts elements to a plain type.
    pub(super) fn cast(&mut self, value: ValueId, to: DType) -> ValueId {
        let ty = self.tensor(value);
        if ty.dtype() == Some(to) {
            return value;
        }
        self.ed.emit(ElementwiseOp::Convert, vec![value], ty.with_dtype(to), self.span)
    }

    /// A rank-0 constant.
    pub(super) fn scalar(&mut self, dtype: DType, value: Element) -> ValueId {
        let constant = Constant::splat(TensorType::scalar(dtype), &bytes(dtype, value));
        self.ed.constant(constant, self.span)
    }

    /// Numbers in the shape of a value: one for all elements, or one per index of a dimension.
    pub(super) fn spread(
        &mut self,
        like: ValueId,
        dtype: DType,
        axis: Option<u32>,
        values: &[Element],
    ) -> ValueId {
        let ty = self.tensor(like).with_dtype(dtype);
        let one = values.first().filter(|first| values.iter().all(|v| v == *first));
        let dims: Vec<i64> = match one {
            Some(_) => Vec::new(),
            None => axis.into_iter().map(i64::from).collect(),
        };
        let fixed = ty.static_dims().is_some();
        let constant = match one {
            Some(&v) if fixed => Constant::splat(ty.clone(), &bytes(dtype, v)),
            Some(&v) => Constant::splat(TensorType::scalar(dtype), &bytes(dtype, v)),
            None => {
                let all: Vec<u8> = values.iter().flat_map(|&v| bytes(dtype, v)).collect();
                Constant::dense(TensorType::fixed(&[values.len() as u64], dtype), all)
            }
        };
        let constant = self.ed.constant(constant, self.span);
        match (one, fixed) {
            (Some(_), true) => constant,
            (None, true) => self.ed.emit(BroadcastInDim { dims }, vec![constant], ty, self.span),
            (_, false) => {
                let shape = self.shape(like);
                let op = DynamicBroadcastInDim { dims, expanding: None, nonexpanding: None };
                self.ed.emit(op, vec![constant, shape], ty, self.span)
            }
        }
    }

    /// The dimensions of a value, as integers at run time.
    fn shape(&mut self, value: ValueId) -> ValueId {
        let dims = self.tensor(value).dims;
        let one = TensorType::fixed(&[1], DType::I32);
        let mut sizes = Vec::new();
        for (i, dim) in dims.iter().enumerate() {
            sizes.push(match dim {
                Dim::Static(n) => {
                    let n = bytes(DType::I32, Element::Int(i128::from(*n)));
                    self.ed.constant(Constant::splat(one.clone(), &n), self.span)
                }
                Dim::Dynamic { .. } => {
                    let size = GetDimensionSize { dim: i as i64 };
                    let ty = TensorType::scalar(DType::I32);
                    let size = self.ed.emit(size, vec![value], ty, self.span);
                    self.ed.emit(Reshape, vec![size], one.clone(), self.span)
                }
            });
        }
        let ty = TensorType::fixed(&[dims.len() as u64], DType::I32);
        self.ed.emit(Concatenate { dim: 0 }, sizes, ty, self.span)
    }

    /// Adds or subtracts the zero points of a type, which are integers of the value's type.
    pub(super) fn shift(&mut self, value: ValueId, q: &QuantType, op: ElementwiseOp) -> ValueId {
        if q.zero_points.iter().all(|&z| z == 0) {
            return value;
        }
        let dtype = self.tensor(value).elem.storage();
        let zeros: Vec<Element> = q.zero_points.iter().map(|&z| Element::small(dtype, z)).collect();
        let zeros = self.spread(value, dtype, q.axis, &zeros);
        self.apply(op, vec![value, zeros])
    }

    /// Multiplies or divides by scales, rounded to the value's type.
    pub(super) fn scale(
        &mut self,
        value: ValueId,
        axis: Option<u32>,
        scales: &[f64],
        op: ElementwiseOp,
    ) -> ValueId {
        if scales.iter().all(|&s| s == 1.0) {
            return value;
        }
        let dtype = self.tensor(value).elem.storage();
        let scales: Vec<Element> = scales.iter().map(|&s| Element::Float(s)).collect();
        let scales = self.spread(value, dtype, axis, &scales);
        self.apply(op, vec![value, scales])
    }

    /// The stored integers of quantised values in a wider type.
    pub(super) fn integers(&mut self, values: &[ValueId], to: DType) -> Vec<ValueId> {
        values.iter().map(|&v| self.cast(v, to)).collect()
    }

    /// The differences of stored integers and zero points, in a type that holds them all.
    pub(super) fn centred(&mut self, value: ValueId, q: &QuantType) -> ValueId {
        if q.zero_points.iter().all(|&z| z == 0) {
            return value;
        }
        let wide = if q.storage.bits() <= 16 { DType::I32 } else { DType::I64 };
        let value = self.cast(value, wide);
        self.shift(value, q, ElementwiseOp::Subtract)
    }

    /// The floats that a value stands for; a plain value as it is.
    pub(super) fn dequantized(&mut self, value: ValueId) -> ValueId {
        let ty = self.ed.body.ty(value).tensor().cloned();
        let Some(q) = ty.as_ref().and_then(|t| t.elem.quant()) else { return value };
        let centred = self.centred(value, q);
        let float = self.cast(centred, q.expressed);
        self.scale(float, q.axis, &q.scales, ElementwiseOp::Multiply)
    }

    /// The nearest values of a quantised type to floats of its expressed type: clamped first,
    /// then rounded.
    pub(super) fn quantized(&mut self, value: ValueId, ty: &TensorType) -> ValueId {
        let Some(q) = ty.elem.quant() else { return value };
        let value = self.cast(value, q.expressed);
        let scaled = self.scale(value, q.axis, &q.scales, ElementwiseOp::Divide);
        let mut x = scaled;
        if q.zero_points.iter().any(|&z| z != 0) {
            let zeros: Vec<Element> =
                q.zero_points.iter().map(|&z| Element::Float(z as f64)).collect();
            let zeros = self.spread(x, q.expressed, q.axis, &zeros);
            x = self.apply(ElementwiseOp::Add, vec![x, zeros]);
        }
        let (min, max) = q.storage_range;
        let min = self.scalar(q.expressed, Element::Float(min as f64));
        let max = self.scalar(q.expressed, Element::Float(max as f64));
        let shape = self.tensor(x);
        let x = self.ed.emit(ElementwiseOp::Clamp, vec![min, x, max], shape, self.span);
        let x = self.apply(ElementwiseOp::RoundNearestEven, vec![x]);
        self.ed.emit(ElementwiseOp::Convert, vec![x], ty.clone(), self.span)
    }

    /// Integers as values of a quantised type, those beyond its range as the nearest in it.
    pub(super) fn saturated(&mut self, value: ValueId, ty: &TensorType) -> ValueId {
        let from = self.tensor(value);
        let dtype = from.elem.storage();
        let Some(q) = ty.elem.quant() else { return value };
        let mut value = value;
        if q.storage != dtype || q.storage_range != full_range(dtype) {
            let (min, max) = q.storage_range;
            let min = self.scalar(dtype, Element::Int(min.into()));
            let max = self.scalar(dtype, Element::Int(max.into()));
            value = self.ed.emit(ElementwiseOp::Clamp, vec![min, value, max], from, self.span);
        }
        self.ed.emit(ElementwiseOp::Convert, vec![value], ty.clone(), self.span)
    }

    /// A value as one of another type: quantised, dequantised, or both.
    pub(super) fn converted(&mut self, value: ValueId, ty: &TensorType) -> Option<ValueId> {
        let have = self.ed.body.ty(value).tensor()?;
        if have.elem == ty.elem {
            return Some(value);
        }
        if let (Some(_), Some(to)) = (have.elem.quant(), ty.elem.quant().cloned())
            && let Some(term) = self.term(value, 1.0, &to)
            && let Some(new) = self.rebased(&term, ty).or_else(|| self.requantised(&[term], ty))
        {
            return Some(new);
        }
        let float = self.dequantized(value);
        Some(match (ty.elem.quant(), ty.dtype()) {
            (Some(_), _) => self.quantized(float, ty),
            (None, Some(dtype)) => self.cast(float, dtype),
            (None, None) => return None,
        })
    }

    /// Values of the same scales with another zero point or storage type.
    fn rebased(&mut self, term: &Term, ty: &TensorType) -> Option<ValueId> {
        let q = ty.elem.quant()?.clone();
        let narrow = |&z: &i64| z.unsigned_abs() < 1 << 30;
        let (min, max) = q.storage_range;
        let fits = |n: i64| i32::try_from(n).is_ok();
        let small = term.largest < 1 << 30 && q.zero_points.iter().all(narrow);
        let small = small && fits(min) && fits(max);
        if term.ratios.iter().any(|&r| r != 1.0) {
            return None;
        }
        let wide = self.cast(term.value, if small { DType::I32 } else { DType::I64 });
        let value = self.shift(wide, &q, ElementwiseOp::Add);
        Some(self.saturated(value, ty))
    }

    /// Emits any operation with one result.
    pub(super) fn emit(
        &mut self,
        kind: impl Into<OpKind>,
        operands: Vec<ValueId>,
        ty: TensorType,
    ) -> ValueId {
        self.ed.emit(kind, operands, ty, self.span)
    }
}
