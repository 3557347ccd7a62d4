//! `broadcast_in_dim`: repeats the operand along new or unit dimensions.
//!
//! StableHLO specification, section `broadcast_in_dim`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor, strides};
use crate::ir::{TensorType, Type};

/// Repeats the operand along new or unit dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct BroadcastInDim {
    /// Result dimension of each operand dimension.
    pub dims: Vec<i64>,
}

impl StructuralOp for BroadcastInDim {
    const NAME: &'static str = "stablehlo.broadcast_in_dim";
    const SPEC: &'static str = "broadcast_in_dim";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(BroadcastInDim { dims: attrs.ints("broadcast_dimensions")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("broadcast_dimensions", &self.dims);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, result) = (op.tensor(0)?, op.result_tensor(0)?);
        constraint!(
            operand.elem.plain() == result.elem.plain(),
            "C1",
            "operand {operand} and result {result} differ in element type"
        );
        types::expect_len(Some("C2"), "broadcast_dimensions", self.dims.len(), operand.rank())?;
        if let Some(d) = self.dims.iter().find(|&&d| d < 0 || d as usize >= result.rank()) {
            let text = format!("broadcast dimension {d} must lie in 0..{}", result.rank());
            return Err(OpError::constraint("C3", text));
        }
        types::dim_list(Some("C4"), "broadcast_dimensions", &self.dims, result.rank())?;
        for (&from, &d) in operand.dims.iter().zip(&self.dims) {
            let to = result.dims[d as usize];
            constraint!(
                from.size() == Some(1) || to.accepts(from),
                "C5",
                "operand dimension of size {from} cannot become result dimension {d} of size {to}"
            );
        }
        types::expect_single_bound(result)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        Ok(vec![broadcast(&inputs[0], &self.dims, op.result_tensor(0)?)?])
    }
}

/// Repeats a tensor: operand dimension `d` becomes result dimension `dims[d]`.
pub(super) fn broadcast(
    input: &Tensor,
    dims: &[i64],
    result: &TensorType,
) -> Result<Tensor, EvalError> {
    let mut steps = vec![0; result.rank()];
    for ((&d, &size), step) in dims.iter().zip(input.dims()).zip(strides(input.dims())) {
        let d = types::one_dim(Some("C3"), "broadcast_dimensions", d, result.rank())?;
        if size != 1 {
            steps[d] = step;
        }
    }
    input.rearrange(result, |index| index.iter().zip(&steps).map(|(i, s)| i * s).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    #[test]
    fn rows_columns_and_scalars_repeat() {
        let ty = TensorType::fixed(&[2, 3], DType::F32);
        let row = eval_op(BroadcastInDim { dims: vec![1] }, &[floats(&[3], &[1., 2., 3.])], &ty);
        assert_eq!(row.unwrap().to_f32s().unwrap(), [1., 2., 3., 1., 2., 3.]);
        let col = eval_op(BroadcastInDim { dims: vec![0, 1] }, &[floats(&[2, 1], &[1., 2.])], &ty);
        assert_eq!(col.unwrap().to_f32s().unwrap(), [1., 1., 1., 2., 2., 2.]);
        let scalar = eval_op(BroadcastInDim { dims: vec![] }, &[floats(&[], &[7.])], &ty);
        assert_eq!(scalar.unwrap().to_f32s().unwrap(), [7.; 6]);
    }

    #[test]
    fn sizes_must_match() {
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let bad = check_op(BroadcastInDim { dims: vec![0] }, &[t(&[3])], &t(&[2, 3]));
        assert_eq!(bad.unwrap_err().constraint, Some("C5"));
        let bad = check_op(BroadcastInDim { dims: vec![2] }, &[t(&[3])], &t(&[2, 3]));
        assert_eq!(bad.unwrap_err().constraint, Some("C3"));
        let bad = check_op(BroadcastInDim { dims: vec![1, 1] }, &[t(&[1, 3])], &t(&[2, 3]));
        assert_eq!(bad.unwrap_err().constraint, Some("C4"));
    }
}
