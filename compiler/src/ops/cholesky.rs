//! `cholesky`: factors positive definite matrices into a triangle and its adjoint.
//!
//! StableHLO specification, section `cholesky`.
use microhlo_format::DType;
use microhlo_format::algorithms::Number;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::native::{self, Native};
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;
use crate::passes::decompose;

/// Factors positive definite matrices into a triangle and its adjoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Cholesky {
    /// Which triangle is read and returned.
    pub lower: bool,
}

impl StructuralOp for Cholesky {
    const NAME: &'static str = "stablehlo.cholesky";
    const SPEC: &'static str = "cholesky";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C1")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Cholesky { lower: attrs.opt_bool("lower")?.unwrap_or(false) })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.bool("lower", self.lower);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(Some(vec![op.operand(0)?.clone()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let a = op.tensor(0)?;
        types::expect_floats_or_complex("I1", "the operand", a)?;
        constraint!(a.rank() >= 2, "C2", "the operand must be of matrices, is {a}");
        let n = a.rank();
        constraint!(a.dims[n - 2].accepts(a.dims[n - 1]), "C3", "matrices of {a} must be square");
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let a = &inputs[0];
        let [.., rows, n] = *a.dims() else {
            return Err(OpError::constraint("C2", "the operand must be of matrices").into());
        };
        if rows != n {
            return Err(OpError::constraint("C3", "matrices must be square").into());
        }
        evaluator.charge((a.len() * n) as u64)?;
        let batch = a.len() / (n * n).max(1);
        let out = match a.dtype() {
            DType::F32 => self.factors::<f32>(a, batch, n),
            DType::F64 => self.factors::<f64>(a, batch, n),
            DType::C64 => self.factors::<[f32; 2]>(a, batch, n),
            DType::C128 => self.factors::<[f64; 2]>(a, batch, n),
            _ => return decompose::evaluate(op, inputs, evaluator),
        };
        Ok(vec![Tensor::from_bytes(a.ty(), out)?])
    }
}

impl Cholesky {
    /// Factors of `batch` matrices of `n` rows.
    fn factors<T: Native + Number>(&self, a: &Tensor, batch: usize, n: usize) -> Vec<u8> {
        let all: Vec<T> = native::vector(a);
        let mut out = Vec::with_capacity(all.len());
        for matrix in 0..batch {
            let mut factor = vec![T::ZERO; n * n];
            let input = |at: usize| all[matrix * n * n + at];
            microhlo_format::algorithms::cholesky::factor(n, self.lower, input, &mut factor);
            out.extend(factor);
        }
        native::bytes(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats};

    #[test]
    fn both_triangles() {
        let a = floats(&[2, 2], &[4., 2., 2., 10.]);
        let out = eval_op(Cholesky { lower: true }, std::slice::from_ref(&a), a.ty()).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [2., 0., 1., 3.]);
        let out = eval_op(Cholesky { lower: false }, std::slice::from_ref(&a), a.ty()).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [2., 1., 0., 3.]);
    }
}
