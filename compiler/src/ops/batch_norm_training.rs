//! `batch_norm_training`: normalises with the mean and variance of the operand itself.
//!
//! StableHLO specification, section `batch_norm_training`.
use super::batch_norm::Normalization;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;
use crate::passes::decompose;

/// Normalises with the mean and variance of the operand itself, which are results too.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNormTraining(pub Normalization);

impl StructuralOp for BatchNormTraining {
    const NAME: &'static str = "stablehlo.batch_norm_training";
    const SPEC: &'static str = "batch_norm_training";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Normalization::read(attrs).map(BatchNormTraining)
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.0.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(3, 3)?;
        self.0.with_statistics(op)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let operand = op.tensor(0)?;
        let feature = operand.dims[self.0.feature_index as usize];
        for (i, label) in [(1, "C3"), (2, "C4")] {
            let t = op.tensor(i)?;
            constraint!(
                super::quant::same_baseline(&t.elem, &operand.elem),
                "C2",
                "operands must have one element type, have {operand} and {t}"
            );
            if t.rank() != 1 || !t.dims[0].accepts(feature) {
                let text =
                    format!("operand {i} is {t}, expected one value per feature of {operand}");
                return Err(OpError::constraint(label, text));
            }
        }
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
    use crate::ops::testing::{check_op, eval_regions, floats};
    use microhlo_format::DType;

    #[test]
    fn gives_the_normalised_operand_mean_and_variance() {
        let a = floats(&[2, 2], &[1., 10., 3., 20.]);
        let f = |v: [f32; 2]| floats(&[2], &v);
        let op = BatchNormTraining(Normalization { epsilon: 0.0, feature_index: 1 });
        let types = [a.ty().clone(), f([0.; 2]).ty().clone(), f([0.; 2]).ty().clone()];
        let out = eval_regions(op, &[a, f([2., 1.]), f([1., 0.])], &types, &[]).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [-1., -1., 3., 1.]);
        assert_eq!(out[1].to_f32s().unwrap(), [2., 15.]);
        assert_eq!(out[2].to_f32s().unwrap(), [1., 25.]);
    }

    #[test]
    fn constraints() {
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let error = |feature_index: i64, types: [TensorType; 3]| {
            let op = BatchNormTraining(Normalization { epsilon: 0.0, feature_index });
            let results = [t(&[2, 3]), t(&[3]), t(&[3])];
            let module = crate::ops::testing::module_of(op.into(), &types, &results, &[]);
            crate::verify::verify(&module).unwrap_err()[0].constraint
        };
        assert_eq!(error(2, [t(&[2, 3]), t(&[3]), t(&[3])]), Some("C1"));
        assert_eq!(
            error(1, [t(&[2, 3]), TensorType::fixed(&[3], DType::F64), t(&[3])]),
            Some("C2")
        );
        assert_eq!(error(1, [t(&[2, 3]), t(&[2]), t(&[3])]), Some("C3"));
        assert_eq!(error(1, [t(&[2, 3]), t(&[3]), t(&[2])]), Some("C4"));
        assert!(
            check_op(
                BatchNormTraining(Normalization { epsilon: 0.0, feature_index: 0 }),
                &[],
                &t(&[])
            )
            .is_err()
        );
    }
}
