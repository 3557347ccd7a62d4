//! `chlo.top_k`: the largest elements of each line along the last dimension, with their positions.

use microhlo_format::DType;

use super::super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use super::by_decomposition;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Dim, Type};

/// The `k` largest elements of each line along the last dimension, in descending order, and their
/// positions. Equal elements keep their order; floats are compared in total order, in which NaN
/// comes before infinity.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// Number of elements.
    pub k: u64,
    /// Whether the largest elements are taken, as CHLO does, or the smallest, which `mhlo.topk`
    /// has too.
    pub largest: bool,
}

impl StructuralOp for TopK {
    const NAME: &'static str = "chlo.top_k";
    const SPEC: &'static str = "none; CHLO top_k";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let k = attrs.int("k")?;
        let k = u64::try_from(k)
            .map_err(|_| OpError::new(format!("k must not be negative, is {k}")))?;
        Ok(TopK { k, largest: attrs.opt_bool("largest")?.unwrap_or(true) })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("k", i64::try_from(self.k).unwrap_or(i64::MAX));
        if !self.largest {
            attrs.bool("largest", false);
        }
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 2)?;
        let mut values = op.tensor(0)?.clone();
        let text = format!("the operand {values} has no dimension to take elements from");
        let last = values.dims.last_mut().ok_or_else(|| OpError::new(text))?;
        if let Some(n) = last.size().filter(|&n| n < self.k) {
            let text = format!("the last dimension has {n} elements, k is {}", self.k);
            return Err(OpError::new(text));
        }
        *last = Dim::Static(self.k);
        let indices = values.with_dtype(DType::I32);
        Ok(Some(vec![values.into(), indices.into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let operand = op.tensor(0)?;
        if operand.dtype().is_none_or(DType::is_complex) {
            return Err(OpError::new(format!("elements of {operand} have no order")));
        }
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        by_decomposition(&self.clone().into(), op, inputs, evaluator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_regions, floats};

    fn top(k: u64, largest: bool, input: &Tensor) -> Result<Vec<Tensor>, EvalError> {
        let dims = [&input.ty().static_dims().unwrap()[..input.dims().len() - 1], &[k]].concat();
        let results =
            [TensorType::fixed(&dims, input.dtype()), TensorType::fixed(&dims, DType::I32)];
        eval_regions(TopK { k, largest }, std::slice::from_ref(input), &results, &[])
    }

    #[test]
    fn largest_first_and_equal_ones_in_order() {
        let input = floats(&[2, 4], &[1., 3., 3., 2., -1., -0., 0., -2.]);
        let out = top(3, true, &input).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [3., 3., 2., 0., -0., -1.]);
        assert_eq!(out[1].ints().unwrap(), [1, 2, 3, 2, 1, 0]);
        let out = top(2, false, &input).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [1., 2., -2., -1.]);
        assert_eq!(out[1].ints().unwrap(), [0, 3, 3, 0]);
    }

    #[test]
    fn nan_is_the_largest() {
        let out = top(2, true, &floats(&[3], &[f32::INFINITY, f32::NAN, 1.])).unwrap();
        assert_eq!(out[1].ints().unwrap(), [1, 0]);
    }

    #[test]
    fn there_must_be_k_elements() {
        assert!(top(4, true, &floats(&[3], &[1., 2., 3.])).is_err());
    }
}
