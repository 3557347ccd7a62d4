//! `reverse`: reverses the order of elements along dimensions.
//!
//! StableHLO specification, section `reverse`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{EvalError, Evaluator, Tensor, linear};
use crate::ir::Type;

/// Reverses the order of elements along dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Reverse {
    /// Dimensions to reverse.
    pub dims: Vec<i64>,
}

impl StructuralOp for Reverse {
    const NAME: &'static str = "stablehlo.reverse";
    const SPEC: &'static str = "reverse";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C1")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Reverse { dims: attrs.ints("dimensions")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("dimensions", &self.dims);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        let operand = op.tensor(0)?;
        types::dim_list(("C3", "C2"), "dimensions", &self.dims, operand.rank())?;
        Ok(Some(vec![operand.clone().into()]))
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
        let input = &inputs[0];
        let dims = input.dims();
        let out = input.rearrange(input.ty(), |index| {
            let flip = |(d, &i): (usize, &usize)| match self.dims.contains(&(d as i64)) {
                true => dims[d] - 1 - i,
                false => i,
            };
            let source: Vec<usize> = index.iter().enumerate().map(flip).collect();
            linear(dims, &source)
        })?;
        Ok(vec![out])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats};

    #[test]
    fn one_dimension_of_two() {
        let a = floats(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
        let out = eval_op(Reverse { dims: vec![1] }, std::slice::from_ref(&a), a.ty()).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [3., 2., 1., 6., 5., 4.]);
    }
}
