//! `map`: applies a region to corresponding elements.
//!
//! StableHLO specification, section `map`.
use super::region::ScalarRegion;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::{TensorType, Type};

/// Applies a region to corresponding elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// All dimensions in order.
    pub dims: Vec<i64>,
}

impl StructuralOp for Map {
    const NAME: &'static str = "stablehlo.map";
    const SPEC: &'static str = "map";
    const RESULT: [Option<&'static str>; 2] = [Some("C4"), Some("C1")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Map { dims: attrs.ints("dimensions")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("dimensions", &self.dims);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n, 1)?;
        constraint!(n > 0, "C2", "expects at least one operand");
        let first = op.tensor(0)?;
        let returns = op.region_returns(op.region(0)?);
        let [Type::Tensor(scalar)] = returns.as_slice() else {
            return Err(OpError::constraint("C4", "the region must return one scalar"));
        };
        constraint!(scalar.rank() == 0, "C4", "the region must return a scalar, not {scalar}");
        let mut dims = first.dims.clone();
        for i in 1..n {
            let other = op.tensor(i)?;
            dims.iter_mut().zip(&other.dims).for_each(|(a, &b)| *a = a.merge(b));
        }
        Ok(Some(vec![types::with_dims(scalar, dims).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let first = op.tensor(0)?;
        constraint!(
            self.dims.iter().copied().eq(0..first.rank() as i64),
            "C3",
            "dimensions must be 0..{}, are {:?}",
            first.rank(),
            self.dims
        );
        let args = op.region_args(op.region(0)?);
        types::expect_len(Some("C4"), "the region's arguments", args.len(), op.op.operands.len())?;
        for (i, arg) in args.into_iter().enumerate() {
            let input = op.tensor(i)?;
            constraint!(
                types::same_dims(&first.dims, &input.dims),
                "C1",
                "operands must have one shape, have {first} and {input}"
            );
            let scalar = Type::Tensor(types::with_dims(input, vec![]));
            constraint!(*arg == scalar, "C4", "region argument {i} must be {scalar}, is {arg}");
        }
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let region = ScalarRegion::new(op, 0)?;
        types::same_shapes(inputs)?;
        let mut out = Vec::with_capacity(inputs[0].len());
        for at in 0..inputs[0].len() {
            let elements: Vec<Element> = inputs.iter().map(|t| t.at(at)).collect();
            out.extend(region.apply(evaluator, &elements)?.into_iter().take(1));
        }
        let elem = op.result_tensor(0)?.elem.clone();
        let ty = TensorType { dims: inputs[0].ty().dims.clone(), elem };
        Ok(vec![Tensor::from_elements(&ty, out)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::ElementwiseOp;
    use crate::ops::testing::{binary, eval_regions, floats};
    use microhlo_format::DType;

    #[test]
    fn applies_the_region_to_each_pair() {
        let inputs = [floats(&[2], &[7., 5.]), floats(&[2], &[1., 2.])];
        let args = [TensorType::scalar(DType::F32), TensorType::scalar(DType::F32)];
        let sub = binary(ElementwiseOp::Subtract);
        let ty = inputs[0].ty().clone();
        let out = eval_regions(
            Map { dims: vec![0] },
            &inputs,
            std::slice::from_ref(&ty),
            &[(&args, &sub)],
        );
        assert_eq!(out.unwrap()[0].to_f32s().unwrap(), [6., 3.]);
        let wrong = eval_regions(Map { dims: vec![1] }, &inputs, &[ty], &[(&args, &sub)]);
        assert!(wrong.unwrap_err().to_string().contains("(C3)"));
    }
}
