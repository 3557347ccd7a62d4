//! `iota`: counts up along one dimension.
//!
//! StableHLO specification, section `iota`.
use super::elementwise::convert_element;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{TensorType, Type};

/// Counts up along one dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Iota {
    /// The dimension that counts.
    pub dim: i64,
}

impl StructuralOp for Iota {
    const NAME: &'static str = "stablehlo.iota";
    const SPEC: &'static str = "iota";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Iota { dim: attrs.int("iota_dimension")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("iota_dimension", self.dim);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(0, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let result = op.result_tensor(0)?;
        types::one_dim(Some("C1"), "iota_dimension", self.dim, result.rank())?;
        types::expect_countable(result)?;
        if result.static_dims().is_none() {
            return Err(OpError::new(format!("the result {result} must have a static shape")));
        }
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        _inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Ok(vec![count(op.result_tensor(0)?, self.dim)?])
    }
}

/// A tensor whose elements are their index in one dimension.
pub(super) fn count(ty: &TensorType, dim: i64) -> Result<Tensor, EvalError> {
    let dim = types::one_dim(Some("C1"), "iota_dimension", dim, ty.rank())?;
    let dtype = ty.elem.storage();
    Tensor::from_fn(ty, |index| convert_element(Element::Int(index[dim] as i128), dtype))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::eval_op;
    use microhlo_format::DType;

    #[test]
    fn counts_along_one_dimension() {
        let ty = TensorType::fixed(&[2, 3], DType::I32);
        assert_eq!(eval_op(Iota { dim: 0 }, &[], &ty).unwrap().ints().unwrap(), [0, 0, 0, 1, 1, 1]);
        let ty = TensorType::fixed(&[2, 2], DType::F32);
        assert_eq!(
            eval_op(Iota { dim: 1 }, &[], &ty).unwrap().to_f32s().unwrap(),
            [0., 1., 0., 1.]
        );
    }
}
