//! `cholesky`: factors positive definite matrices into a triangle and its adjoint.
//!
//! StableHLO specification, section `cholesky`.
use microhlo_format::DType;

use super::triangular_solve::conjugate;
use super::{AttrReader, AttrWriter, ElementwiseOp, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::Type;

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
        _op: &OpView<'_>,
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
        let dtype = a.dtype();
        let mut out = vec![Element::zero(dtype); a.len()];
        for base in (0..a.len()).step_by((n * n).max(1)) {
            self.factor(n, dtype, &|i, j| a.at(base + i * n + j), &mut out[base..base + n * n])?;
        }
        Ok(vec![Tensor::from_elements(a.ty(), out)?])
    }
}

impl Cholesky {
    /// Factors one matrix row by row; the other triangle of the result stays zero.
    fn factor(
        &self,
        n: usize,
        dtype: DType,
        a: &dyn Fn(usize, usize) -> Element,
        out: &mut [Element],
    ) -> Result<(), EvalError> {
        let undefined = || EvalError::unsupported(Self::NAME, format!("elements of {dtype}"));
        let binary = |op: ElementwiseOp, a, b| op.apply2(dtype, a, b).ok_or_else(undefined);
        let at = |i: usize, j: usize| if self.lower { i * n + j } else { j * n + i };
        // Entries of the lower factor; the upper one is its adjoint.
        let adjoint = |e| if self.lower { e } else { conjugate(e) };
        for i in 0..n {
            for j in 0..=i {
                let mut sum = if self.lower { a(i, j) } else { conjugate(a(j, i)) };
                for k in 0..j {
                    let (x, y) = (adjoint(out[at(i, k)]), conjugate(adjoint(out[at(j, k)])));
                    let product = binary(ElementwiseOp::Multiply, x, y)?;
                    sum = binary(ElementwiseOp::Subtract, sum, product)?;
                }
                let entry = if i == j {
                    ElementwiseOp::Sqrt.apply1(dtype, sum).ok_or_else(undefined)?
                } else {
                    binary(ElementwiseOp::Divide, sum, adjoint(out[at(j, j)]))?
                };
                out[at(i, j)] = adjoint(entry);
            }
        }
        Ok(())
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
