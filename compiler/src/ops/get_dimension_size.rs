//! `get_dimension_size`: size of a dimension as an `i32` scalar.
//!
//! StableHLO specification, section `get_dimension_size`.
use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{TensorType, Type};

/// Size of a dimension as an `i32` scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct GetDimensionSize {
    /// The dimension measured.
    pub dim: i64,
}

impl StructuralOp for GetDimensionSize {
    const NAME: &'static str = "stablehlo.get_dimension_size";
    const SPEC: &'static str = "get_dimension_size";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(GetDimensionSize { dim: attrs.int("dimension")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("dimension", self.dim);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        types::one_dim(Some("C1"), "dimension", self.dim, op.tensor(0)?.rank())?;
        Ok(Some(vec![TensorType::scalar(DType::I32).into()]))
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
        let dims = inputs[0].dims();
        let dim = types::one_dim(Some("C1"), "dimension", self.dim, dims.len())?;
        Ok(vec![Tensor::scalar(DType::I32, Element::Int(dims[dim] as i128))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_op, eval_op, floats};

    #[test]
    fn gives_the_size() {
        let ty = TensorType::scalar(DType::I32);
        let a = floats(&[1, 3], &[0.; 3]);
        let out = eval_op(GetDimensionSize { dim: 1 }, std::slice::from_ref(&a), &ty).unwrap();
        assert_eq!(out.ints().unwrap(), [3]);
        let e = check_op(GetDimensionSize { dim: 2 }, &[a.ty().clone()], &ty).unwrap_err();
        assert_eq!(e.constraint, Some("C1"));
    }
}
