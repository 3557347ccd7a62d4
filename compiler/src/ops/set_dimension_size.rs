//! `set_dimension_size`: makes a dimension shorter at run time.
//!
//! Not in the StableHLO specification; the dialect has it, with bounded dynamic dimensions.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{EvalError, Evaluator, Tensor, linear};
use crate::ir::{Dim, Type};

/// The first elements of a dimension; their number is an operand.
#[derive(Clone, Debug, PartialEq)]
pub struct SetDimensionSize {
    /// The dimension that becomes shorter.
    pub dim: i64,
}

impl StructuralOp for SetDimensionSize {
    const NAME: &'static str = "stablehlo.set_dimension_size";
    const SPEC: &'static str = "(StableHLO dialect)";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(SetDimensionSize { dim: attrs.int("dimension")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("dimension", self.dim);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        let operand = op.tensor(0)?;
        let dim = types::one_dim(None, "dimension", self.dim, operand.rank())?;
        let mut dims = operand.dims.clone();
        let known = op.constant_ints(1).and_then(|list| list.first().copied());
        dims[dim] = match known.and_then(|size| u64::try_from(size).ok()) {
            Some(size) => Dim::Static(size),
            None => Dim::Dynamic { bound: dims[dim].most() },
        };
        Ok(Some(vec![types::with_dims(operand, dims).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, size, result) = (op.tensor(0)?, op.tensor(1)?, op.result_tensor(0)?);
        let dim = types::one_dim(None, "dimension", self.dim, operand.rank())?;
        if size.rank() != 0 || !size.elem.storage().is_integer() {
            return Err(OpError::new(format!("the size must be an integer scalar, is {size}")));
        }
        let fits = |d: usize| d == dim || result.dims[d].accepts(operand.dims[d]);
        if result.elem != operand.elem
            || result.rank() != operand.rank()
            || !(0..operand.rank()).all(fits)
        {
            let text =
                format!("the result {result} may differ from {operand} in dimension {dim} only");
            return Err(OpError::new(text));
        }
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let operand = &inputs[0];
        let dim = types::one_dim(None, "dimension", self.dim, operand.dims().len())?;
        let size = types::int_list(&inputs[1])?.first().copied().unwrap_or(0);
        let full = operand.dims()[dim];
        let size = usize::try_from(size)
            .ok()
            .filter(|&n| n <= full)
            .ok_or_else(|| OpError::new(format!("a size of {size} does not lie in 0..={full}")))?;
        let mut dims = operand.ty().dims.clone();
        dims[dim] = Dim::Static(size as u64);
        let ty = types::with_dims(operand.ty(), dims);
        Ok(vec![operand.rearrange(&ty, |index| linear(operand.dims(), index))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats, ints};
    use microhlo_format::DType;

    #[test]
    fn keeps_the_first_elements() {
        let a = floats(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        let mut ty = a.ty().clone();
        ty.dims[1] = Dim::Dynamic { bound: Some(3) };
        let n = |v| ints(&TensorType::scalar(DType::I32), &[v]);
        let op = SetDimensionSize { dim: 1 };
        let out = eval_op(op.clone(), &[a.clone(), n(2)], &ty).unwrap();
        assert_eq!((out.dims(), out.to_f32s().unwrap()), (&[2, 2][..], vec![1., 2., 4., 5.]));
        assert!(eval_op(op, &[a, n(4)], &ty).is_err());
    }

    #[test]
    fn types_are_checked() {
        let t = TensorType::fixed(&[2, 3], DType::F32);
        let n = TensorType::scalar(DType::I32);
        let check = |dim, n: &TensorType, to: &[u64]| {
            let types = [t.clone(), n.clone()];
            check_op(SetDimensionSize { dim }, &types, &TensorType::fixed(to, DType::F32))
        };
        assert!(check(1, &n, &[2, 2]).is_ok());
        assert!(check(2, &n, &[2, 2]).is_err());
        assert!(check(-1, &n, &[2, 2]).is_err());
        assert!(check(1, &n, &[1, 2]).is_err());
        assert!(check(1, &TensorType::fixed(&[1], DType::I32), &[2, 2]).is_err());
    }
}
