//! `torch_index_select`: slices of one dimension at given indices.
//!
//! Not in the StableHLO specification; the dialect keeps it. The meaning is that of XLA's
//! `TorchIndexSelect`: a gather along one dimension, batched over the first ones.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;
use crate::passes::decompose;

/// Slices of one dimension at given indices.
#[derive(Clone, Debug, PartialEq)]
pub struct TorchIndexSelect {
    /// The dimension that is indexed.
    pub dim: i64,
    /// Leading dimensions of operand and indices that belong together.
    pub batch_dims: i64,
}

impl StructuralOp for TorchIndexSelect {
    const NAME: &'static str = "stablehlo.torch_index_select";
    const SPEC: &'static str = "(StableHLO dialect, deprecated)";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(TorchIndexSelect { dim: attrs.int("dim")?, batch_dims: attrs.int("batch_dims")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("dim", self.dim);
        attrs.int("batch_dims", self.batch_dims);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        let (operand, indices) = (op.tensor(0)?, op.tensor(1)?);
        let dim = types::one_dim(None, "dim", self.dim, operand.rank())?;
        let batch = usize::try_from(self.batch_dims).ok();
        let batch = batch.filter(|&n| n <= dim && n <= indices.rank()).ok_or_else(|| {
            let text = format!("batch_dims {} must lie in 0..={dim}", self.batch_dims);
            OpError::new(format!("{text} and in 0..={}", indices.rank()))
        })?;
        if !types::same_dims(&operand.dims[..batch], &indices.dims[..batch]) {
            let text = format!("the first {batch} dimensions of {operand} and {indices} differ");
            return Err(OpError::new(text));
        }
        let mut dims = operand.dims[..dim].to_vec();
        dims.extend(&indices.dims[batch..]);
        dims.extend(&operand.dims[dim + 1..]);
        Ok(Some(vec![types::with_dims(operand, dims).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let indices = op.tensor(1)?;
        if indices.elem.plain().is_some_and(|d| d.is_integer()) {
            return Ok(());
        }
        Err(OpError::new(format!("the indices must be integers, are {indices}")))
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        decompose::evaluate(op, inputs, evaluator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats, i64s};
    use microhlo_format::DType;

    fn run(op: TorchIndexSelect, a: &Tensor, i: &Tensor, dims: &[u64]) -> Vec<f32> {
        let ty = TensorType::fixed(dims, DType::F32);
        eval_op(op, &[a.clone(), i.clone()], &ty).unwrap().to_f32s().unwrap()
    }

    #[test]
    fn picks_rows_columns_and_batches() {
        let a = floats(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        let op = |dim, batch_dims| TorchIndexSelect { dim, batch_dims };
        let i = i64s(&[2], &[1, 0]);
        assert_eq!(run(op(0, 0), &a, &i, &[2, 3]), [4., 5., 6., 1., 2., 3.]);
        let i = i64s(&[2, 1], &[2, 0]);
        assert_eq!(run(op(1, 0), &a, &i, &[2, 2, 1]), [3., 1., 6., 4.]);
        assert_eq!(run(op(1, 1), &a, &i, &[2, 1]), [3., 4.]);
        let b = floats(&[1, 2, 2], &[1., 2., 3., 4.]);
        assert_eq!(run(op(1, 0), &b, &i64s(&[1], &[1]), &[1, 1, 2]), [3., 4.]);
    }

    #[test]
    fn types_are_checked() {
        let t = TensorType::fixed(&[2, 3], DType::F32);
        let i = |dims: &[u64]| TensorType::fixed(dims, DType::I32);
        let check = |dim, batch_dims, i: TensorType, to: &[u64]| {
            let op = TorchIndexSelect { dim, batch_dims };
            check_op(op, &[t.clone(), i], &TensorType::fixed(to, DType::F32))
        };
        assert!(check(1, 1, i(&[2, 4]), &[2, 4]).is_ok());
        assert!(check(1, 1, i(&[3, 4]), &[2, 4]).is_err());
        assert!(check(0, 1, i(&[2, 4]), &[2, 4]).is_err());
        assert!(check(2, 0, i(&[2]), &[2, 2]).is_err());
        assert!(check(0, 0, TensorType::fixed(&[2], DType::F32), &[2, 3]).is_err());
    }
}
