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
