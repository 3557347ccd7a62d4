//! `batch_norm_inference`: normalises with given mean and variance.
//!
//! StableHLO specification, section `batch_norm_inference`.
use super::batch_norm::Normalization;
use super::elementwise::round_to;
use super::{AttrReader, AttrWriter, ElementwiseOp, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{Element, EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Normalises with given mean and variance.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormInference(pub Normalization);

impl StructuralOp for BatchNormInference {
    const NAME: &'static str = "stablehlo.batch_norm_inference";
    const SPEC: &'static str = "batch_norm_inference";
    const RESULT: [Option<&'static str>; 2] = [Some("C2"), Some("C7")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Normalization::read(attrs).map(BatchNormInference)
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.0.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(5, 1)?;
        self.0.dim(op)?;
        Ok(Some(vec![op.tensor(0)?.clone().into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let operand = op.tensor(0)?;
        types::expect_floats("I1", "the operand", operand)?;
        let feature = operand.dims[self.0.feature_index as usize];
        for (i, label) in [(1, "C3"), (2, "C4"), (3, "C5"), (4, "C6")] {
            let t = op.tensor(i)?;
            if t.rank() != 1 || !t.dims[0].accepts(feature) {
                let text =
                    format!("operand {i} is {t}, expected one value per feature of {operand}");
                return Err(OpError::constraint(label, text));
            }
            constraint!(
                super::quant::same_baseline(&t.elem, &operand.elem),
                "C2",
                "operands must have one element type, have {operand} and {t}"
            );
        }
        Ok(())
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let [operand, scale, offset, mean, variance] = inputs else {
            return Err(OpError::new("expects five operands").into());
        };
        let dtype = operand.dtype();
        let feature = types::one_dim(
            Some("C1"),
            "feature_index",
            self.0.feature_index,
            operand.dims().len(),
        )?;
        let undefined = || EvalError::unsupported(Self::NAME, format!("elements of {dtype}"));
        let epsilon = round_to(dtype, Element::Float(self.0.epsilon));
        let binary = |op: ElementwiseOp, a, b| op.apply2(dtype, a, b).ok_or_else(undefined);
        let out = Tensor::try_from_fn(operand.ty(), |index| {
            let f = index[feature];
            let centred = binary(ElementwiseOp::Subtract, operand.element(index), mean.at(f))?;
            let spread = binary(ElementwiseOp::Add, variance.at(f), epsilon)?;
            let deviation = ElementwiseOp::Sqrt.apply1(dtype, spread).ok_or_else(undefined)?;
            let normal = binary(ElementwiseOp::Divide, centred, deviation)?;
            let scaled = binary(ElementwiseOp::Multiply, scale.at(f), normal)?;
            binary(ElementwiseOp::Add, scaled, offset.at(f))
        })?;
        Ok(vec![out])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats};

    #[test]
    fn normalises_per_feature() {
        let a = floats(&[1, 2], &[3., 10.]);
        let f = |v: [f32; 2]| floats(&[2], &v);
        let inputs = [a.clone(), f([2., 1.]), f([1., 0.]), f([1., 2.]), f([3., 15.])];
        let op = BatchNormInference(Normalization { epsilon: 1.0, feature_index: 1 });
        assert_eq!(eval_op(op, &inputs, a.ty()).unwrap().to_f32s().unwrap(), [3., 2.]);
    }
}
