//! `dot`: matrix product of rank 1 and 2, the older form of `dot_general`.
//!
//! StableHLO specification, section `dot`.
use std::sync::Arc;

use super::dot_general::DotGeneral;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Matrix product of rank 1 and 2, the older form of `dot_general`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dot {
    /// One precision name per operand, or none.
    pub precision: Vec<Arc<str>>,
}

impl StructuralOp for Dot {
    const NAME: &'static str = "stablehlo.dot";
    const SPEC: &'static str = "dot";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Dot { precision: attrs.precision()? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.precision(&self.precision);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        self.general(op.tensor(0)?.rank(), op.tensor(1)?.rank())?.infer(op)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        self.general(op.tensor(0)?.rank(), op.tensor(1)?.rank())?.verify(op)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        self.general(inputs[0].dims().len(), inputs[1].dims().len())?.eval(op, inputs, evaluator)
    }
}

impl Dot {
    /// The same as a `dot_general` of operands of the given ranks: the left operand's last
    /// dimension is contracted with the right operand's first.
    pub fn general(&self, lhs: usize, rhs: usize) -> Result<DotGeneral, OpError> {
        if !(1..=2).contains(&lhs) || !(1..=2).contains(&rhs) {
            return Err(OpError::new(format!(
                "operands of rank {lhs} and {rhs} have no dot product"
            )));
        }
        Ok(DotGeneral {
            lhs_contracting: vec![lhs as i64 - 1],
            rhs_contracting: vec![0],
            precision: self.precision.clone(),
            ..DotGeneral::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    #[test]
    fn vectors_and_matrices() {
        let (v, m) = (floats(&[2], &[1., 10.]), floats(&[2, 2], &[1., 2., 3., 4.]));
        let op = Dot { precision: vec![] };
        let ty = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let out = eval_op(op.clone(), &[v.clone(), v.clone()], &ty(&[])).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [101.]);
        let out = eval_op(op.clone(), &[m.clone(), v], &ty(&[2])).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [21., 43.]);
        assert!(check_op(op, &[ty(&[]), ty(&[2])], &ty(&[2])).is_err());
    }
}
