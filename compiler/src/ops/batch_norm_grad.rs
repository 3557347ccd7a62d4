//! `batch_norm_grad`: gradients of a batch normalisation.
//!
//! StableHLO specification, section `batch_norm_grad`.
use super::batch_norm::Normalization;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;
use crate::passes::decompose;

/// Gradients of a batch normalisation with respect to operand, scale and offset.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormGrad(pub Normalization);

impl StructuralOp for BatchNormGrad {
    const NAME: &'static str = "stablehlo.batch_norm_grad";
    const SPEC: &'static str = "batch_norm_grad";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Normalization::read(attrs).map(BatchNormGrad)
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.0.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(5, 3)?;
        self.0.with_statistics(op)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let operand = op.tensor(0)?;
        let feature = operand.dims[self.0.feature_index as usize];
        for i in 1..5 {
            let t = op.tensor(i)?;
            constraint!(
                super::quant::same_baseline(&t.elem, &operand.elem),
                "C2",
                "operands must have one element type, have {operand} and {t}"
            );
        }
        let gradient = op.tensor(4)?;
        constraint!(
            types::same_dims(&operand.dims, &gradient.dims),
            "C3",
            "the operand {operand} and the output's gradient {gradient} differ in shape"
        );
        let scale = op.tensor(1)?;
        for i in 2..4 {
            let t = op.tensor(i)?;
            constraint!(
                types::same_dims(&scale.dims, &t.dims),
                "C4",
                "scale, mean and variance must have one shape, have {scale} and {t}"
            );
        }
        constraint!(
            scale.rank() == 1 && scale.dims[0].accepts(feature),
            "C5",
            "the scale is {scale}, expected one value per feature of {operand}"
        );
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        decompose::evaluate(op, inputs, evaluator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_regions, floats, module_of};
    use microhlo_format::DType;

    #[test]
    fn gradients_of_a_normalised_column() {
        // x = (1, 3), mean 2, variance 1, scale 2, dy = (1, 0).
        let column = |v: [f32; 2]| floats(&[2, 1], &v);
        let one = |v: f32| floats(&[1], &[v]);
        let inputs = [column([1., 3.]), one(2.), one(2.), one(1.), column([1., 0.])];
        let types = [inputs[0].ty().clone(), one(0.).ty().clone(), one(0.).ty().clone()];
        let op = BatchNormGrad(Normalization { epsilon: 3.0, feature_index: 1 });
        let out = eval_regions(op, &inputs, &types, &[]).unwrap();
        // stddev 2; normalised -1/2, 1/2; i6 = 2 dy - 1 - (-1)(x - 2) / 4 = (3/4, -3/4).
        assert_eq!(out[0].to_f32s().unwrap(), [0.375, -0.375]);
        assert_eq!(out[1].to_f32s().unwrap(), [-0.5]);
        assert_eq!(out[2].to_f32s().unwrap(), [1.]);
    }

    #[test]
    fn constraints() {
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let error = |feature_index: i64, at: usize, ty: TensorType| {
            let op = BatchNormGrad(Normalization { epsilon: 0.0, feature_index });
            let mut types = [t(&[2, 3]), t(&[3]), t(&[3]), t(&[3]), t(&[2, 3])];
            types[at] = ty;
            let module = module_of(op.into(), &types, &[t(&[2, 3]), t(&[3]), t(&[3])], &[]);
            crate::verify::verify(&module).unwrap_err()[0].constraint
        };
        assert_eq!(error(-1, 0, t(&[2, 3])), Some("C1"));
        assert_eq!(error(1, 3, TensorType::fixed(&[3], DType::F64)), Some("C2"));
        assert_eq!(error(1, 4, t(&[3, 3])), Some("C3"));
        assert_eq!(error(1, 2, t(&[4])), Some("C4"));
        let op = BatchNormGrad(Normalization { epsilon: 0.0, feature_index: 0 });
        let types = [t(&[2, 3]), t(&[3]), t(&[3]), t(&[3]), t(&[2, 3])];
        let module = module_of(op.into(), &types, &[t(&[2, 3]), t(&[2]), t(&[2])], &[]);
        assert_eq!(crate::verify::verify(&module).unwrap_err()[0].constraint, Some("C5"));
    }
}
