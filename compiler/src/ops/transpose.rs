//! `transpose`: permutes dimensions.
//!
//! StableHLO specification, section `transpose`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor, strides};
use crate::ir::{ElementType, TensorType, Type};

/// `result[i_0, ...] = operand[...]` with `result` dimension `d` being `operand` dimension
/// `permutation[d]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transpose {
    /// A permutation of the operand's dimensions.
    pub permutation: Vec<i64>,
}

impl StructuralOp for Transpose {
    const NAME: &'static str = "stablehlo.transpose";
    const SPEC: &'static str = "transpose";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C3")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Transpose { permutation: attrs.ints("permutation")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("permutation", &self.permutation);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        let operand = op.tensor(0)?;
        let mut sorted = self.permutation.clone();
        sorted.sort_unstable();
        let rank = operand.rank() as i64;
        constraint!(
            sorted.iter().copied().eq(0..rank),
            "C2",
            "permutation {:?} must be a permutation of 0..{rank}",
            self.permutation
        );
        if matches!(operand.elem, ElementType::Quant(_)) {
            return Ok(None);
        }
        let dims = self.permutation.iter().map(|&p| operand.dims[p as usize]).collect();
        Ok(Some(vec![Type::Tensor(TensorType { dims, elem: operand.elem.clone() })]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, result) = (op.tensor(0)?, op.result_tensor(0)?);
        let dims: Vec<_> = self.permutation.iter().map(|&p| operand.dims[p as usize]).collect();
        constraint!(
            types::same_dims(&dims, &result.dims),
            "C3",
            "{operand} permuted by {:?} does not have the shape of {result}",
            self.permutation
        );
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let input = &inputs[0];
        let steps = strides(input.dims());
        let steps: Vec<usize> = self.permutation.iter().map(|&p| steps[p as usize]).collect();
        let dims = self.permutation.iter().map(|&p| input.ty().dims[p as usize]).collect();
        let out = input.rearrange(&types::with_dims(input.ty(), dims), |index| {
            index.iter().zip(&steps).map(|(i, s)| i * s).sum()
        })?;
        Ok(vec![out])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    #[test]
    fn result_dimension_d_is_operand_dimension_permutation_d() {
        let a = floats(&[1, 2, 3], &[1., 2., 3., 4., 5., 6.]);
        let op = Transpose { permutation: vec![2, 0, 1] };
        let out = eval_op(op, &[a], &TensorType::fixed(&[3, 1, 2], DType::F32)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [1., 4., 2., 5., 3., 6.]);
    }

    #[test]
    fn must_be_a_permutation() {
        let ty = TensorType::fixed(&[2, 2], DType::F32);
        for permutation in [vec![0, 0], vec![0], vec![0, 2], vec![-1, 0]] {
            let e =
                check_op(Transpose { permutation }, std::slice::from_ref(&ty), &ty).unwrap_err();
            assert_eq!(e.constraint, Some("C2"));
        }
    }
}
