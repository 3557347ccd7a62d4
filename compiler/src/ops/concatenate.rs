//! `concatenate`: joins operands along one dimension.
//!
//! StableHLO specification, section `concatenate`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Dim, Type};

/// Joins operands along one dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Concatenate {
    /// The dimension along which the operands follow each other.
    pub dim: i64,
}

impl StructuralOp for Concatenate {
    const NAME: &'static str = "stablehlo.concatenate";
    const SPEC: &'static str = "concatenate";
    const RESULT: [Option<&'static str>; 2] = [Some("C5"), Some("C6")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Concatenate { dim: attrs.int("dimension")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("dimension", self.dim);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, 1)?;
        constraint!(n > 0, "C3", "expects at least one operand");
        let first = op.tensor(0)?;
        let dim = types::one_dim(Some("C4"), "dimension", self.dim, first.rank())?;
        let mut dims = first.dims.clone();
        for i in 1..n {
            let other = op.tensor(i)?;
            constraint!(
                other.elem == first.elem,
                "C1",
                "operands must agree in element type, have {first} and {other}"
            );
            constraint!(
                other.rank() == first.rank(),
                "C2",
                "operands must agree in rank, have {first} and {other}"
            );
            for (d, (a, &b)) in dims.iter_mut().zip(&other.dims).enumerate() {
                if d == dim {
                    *a = match (a.size(), b.size(), a.most().zip(b.most())) {
                        (Some(x), Some(y), _) => {
                            types::sized("the sum", i128::from(x) + i128::from(y))?
                        }
                        (_, _, most) => {
                            Dim::Dynamic { bound: most.and_then(|(x, y)| x.checked_add(y)) }
                        }
                    };
                    continue;
                }
                constraint!(
                    a.accepts(b),
                    "C2",
                    "operands must agree in dimension {d}, have {first} and {other}"
                );
                *a = a.merge(b);
            }
        }
        Ok(Some(vec![types::with_dims(first, dims).into()]))
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
        let first = &inputs[0];
        let dim = types::one_dim(Some("C4"), "dimension", self.dim, first.dims().len())?;
        let outer: usize = first.dims()[..dim].iter().product();
        let total: usize = inputs.iter().map(|t| t.dims()[dim]).sum();
        let mut bytes = Vec::with_capacity(inputs.iter().map(|t| t.bytes().len()).sum());
        for row in 0..outer {
            for t in inputs {
                let size = t.bytes().len() / outer;
                bytes.extend_from_slice(&t.bytes()[row * size..(row + 1) * size]);
            }
        }
        let mut dims = first.ty().dims.clone();
        dims[dim] = Dim::Static(total as u64);
        Ok(vec![Tensor::from_bytes(&types::with_dims(first.ty(), dims), bytes)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    #[test]
    fn inner_dimension_interleaves_rows() {
        let (a, b) = (floats(&[2, 1], &[1., 2.]), floats(&[2, 2], &[3., 4., 5., 6.]));
        let ty = TensorType::fixed(&[2, 3], DType::F32);
        let out = eval_op(Concatenate { dim: 1 }, &[a, b], &ty).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [1., 3., 4., 2., 5., 6.]);
    }

    #[test]
    fn other_dimensions_must_agree() {
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let e = check_op(Concatenate { dim: 0 }, &[t(&[1, 2]), t(&[1, 3])], &t(&[2, 2]));
        assert_eq!(e.unwrap_err().constraint, Some("C2"));
        let e = check_op(Concatenate { dim: 2 }, &[t(&[1, 2])], &t(&[1, 2]));
        assert_eq!(e.unwrap_err().constraint, Some("C4"));
    }
}
