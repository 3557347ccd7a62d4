//! `slice`: takes a strided box.
//!
//! StableHLO specification, section `slice`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor, linear};
use crate::ir::{Dim, TensorType, Type};

/// Takes a strided box.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// First index of each dimension.
    pub start: Vec<i64>,
    /// One past the last index of each dimension.
    pub limit: Vec<i64>,
    /// Step of each dimension.
    pub strides: Vec<i64>,
}

impl StructuralOp for Slice {
    const NAME: &'static str = "stablehlo.slice";
    const SPEC: &'static str = "slice";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C5")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Slice {
            start: attrs.ints("start_indices")?,
            limit: attrs.ints("limit_indices")?,
            strides: attrs.ints("strides")?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("start_indices", &self.start);
        attrs.ints("limit_indices", &self.limit);
        attrs.ints("strides", &self.strides);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(Some(vec![self.result(op.tensor(0)?)?.into()]))
    }

    fn verify(&self, _op: &OpView<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Ok(vec![self.apply(&inputs[0])?])
    }
}

impl Slice {
    /// Type of the slice of an operand.
    fn result(&self, operand: &TensorType) -> Result<TensorType, OpError> {
        for (what, list) in [
            ("start_indices", &self.start),
            ("limit_indices", &self.limit),
            ("strides", &self.strides),
        ] {
            types::expect_len(Some("C2"), what, list.len(), operand.rank())?;
        }
        let mut dims = Vec::new();
        for (d, dim) in operand.dims.iter().enumerate() {
            let (start, limit, stride) = (self.start[d], self.limit[d], self.strides[d]);
            let end = dim.most().map_or(i128::MAX, i128::from);
            constraint!(
                0 <= start && start <= limit && i128::from(limit) <= end,
                "C3",
                "slice {start}:{limit} does not lie in dimension {d} of {operand}"
            );
            constraint!(stride > 0, "C4", "stride {stride} of dimension {d} must be positive");
            dims.push(Dim::Static((limit - start).unsigned_abs().div_ceil(stride.unsigned_abs())));
        }
        Ok(types::with_dims(operand, dims))
    }

    /// Takes the slice.
    pub(super) fn apply(&self, input: &Tensor) -> Result<Tensor, EvalError> {
        let ty = self.result(input.ty())?;
        input.rearrange(&ty, |index| {
            let source =
                |(d, &i): (usize, &usize)| self.start[d] as usize + i * self.strides[d] as usize;
            let source: Vec<usize> = index.iter().enumerate().map(source).collect();
            linear(input.dims(), &source)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    #[test]
    fn strided_box() {
        let a = floats(&[3, 4], &[0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11.]);
        let op = Slice { start: vec![1, 0], limit: vec![3, 4], strides: vec![1, 3] };
        let out = eval_op(op, &[a], &TensorType::fixed(&[2, 2], DType::F32)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [4., 7., 8., 11.]);
    }

    #[test]
    fn limits_are_checked() {
        let ty = TensorType::fixed(&[3], DType::F32);
        let op = Slice { start: vec![0], limit: vec![4], strides: vec![1] };
        assert_eq!(
            check_op(op, std::slice::from_ref(&ty), &ty).unwrap_err().constraint,
            Some("C3")
        );
        let op = Slice { start: vec![0], limit: vec![3], strides: vec![0] };
        assert_eq!(
            check_op(op, std::slice::from_ref(&ty), &ty).unwrap_err().constraint,
            Some("C4")
        );
    }
}
