//! `dynamic_iota`: counts up along one dimension of a run-time shape.
//!
//! StableHLO specification, section `dynamic_iota`.
use super::iota::count;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Counts up along one dimension of a run-time shape.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicIota {
    /// The dimension that counts.
    pub dim: i64,
}

impl StructuralOp for DynamicIota {
    const NAME: &'static str = "stablehlo.dynamic_iota";
    const SPEC: &'static str = "dynamic_iota";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicIota { dim: attrs.int("iota_dimension")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("iota_dimension", self.dim);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let result = op.result_tensor(0)?;
        types::one_dim(Some("C1"), "iota_dimension", self.dim, result.rank())?;
        types::expect_countable(result)?;
        types::verify_shape(op, 0, ["I1", "C2"])
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let ty = types::with_dims(op.result_tensor(0)?, types::shape_of(&inputs[0])?);
        Ok(vec![count(&ty, self.dim)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_op, i64s};
    use microhlo_format::DType;

    #[test]
    fn takes_the_shape_from_an_operand() {
        let ty = TensorType::fixed(&[2, 2], DType::I8);
        let out = eval_op(DynamicIota { dim: 1 }, &[i64s(&[2], &[2, 2])], &ty).unwrap();
        assert_eq!(out.ints().unwrap(), [0, 1, 0, 1]);
    }
}
