//! `dynamic_broadcast_in_dim`: repeats the operand to a run-time shape.
//!
//! StableHLO specification, section `dynamic_broadcast_in_dim`.
use super::broadcast_in_dim::broadcast;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Repeats the operand to a run-time shape.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicBroadcastInDim {
    /// Result dimension of each operand dimension.
    pub dims: Vec<i64>,
    /// Operand dimensions known to be repeated.
    pub expanding: Option<Vec<i64>>,
    /// Operand dimensions known not to be repeated.
    pub nonexpanding: Option<Vec<i64>>,
}

impl StructuralOp for DynamicBroadcastInDim {
    const NAME: &'static str = "stablehlo.dynamic_broadcast_in_dim";
    const SPEC: &'static str = "dynamic_broadcast_in_dim";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicBroadcastInDim {
            dims: attrs.ints("broadcast_dimensions")?,
            expanding: attrs.opt_ints("known_expanding_dimensions")?,
            nonexpanding: attrs.opt_ints("known_nonexpanding_dimensions")?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("broadcast_dimensions", &self.dims);
        if let Some(list) = &self.expanding {
            attrs.ints("known_expanding_dimensions", list);
        }
        if let Some(list) = &self.nonexpanding {
            attrs.ints("known_nonexpanding_dimensions", list);
        }
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, result) = (op.tensor(0)?, op.result_tensor(0)?);
        types::expect_len(Some("C2"), "broadcast_dimensions", self.dims.len(), operand.rank())?;
        let dims =
            types::dim_list(("C3", "C4"), "broadcast_dimensions", &self.dims, result.rank())?;
        for (&from, &d) in operand.dims.iter().zip(&dims) {
            constraint!(
                from.size() == Some(1) || result.dims[d].accepts(from),
                "C5",
                "operand dimension of size {from} cannot become result dimension {d} of {result}"
            );
        }
        constraint!(
            operand.elem.plain() == result.elem.plain(),
            "C1",
            "operand {operand} and result {result} differ in element type"
        );
        let (expanding, nonexpanding) = (
            self.expanding.as_deref().unwrap_or_default(),
            self.nonexpanding.as_deref().unwrap_or_default(),
        );
        for (label, what, list) in [
            ("C9", "known_expanding_dimensions", expanding),
            ("C10", "known_nonexpanding_dimensions", nonexpanding),
        ] {
            let all = list.iter().all(|&d| types::dim_index(d, operand.rank()).is_some());
            if !all {
                let text = format!("{what} {list:?} must lie in 0..{}", operand.rank());
                return Err(OpError::constraint(label, text));
            }
        }
        let both = [expanding, nonexpanding].concat();
        types::dim_list(Some("C8"), "known dimensions", &both, operand.rank())?;
        types::verify_shape(op, 1, ["I2", "C7"])
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let ty = types::with_dims(inputs[0].ty(), types::shape_of(&inputs[1])?);
        for (&d, &size) in self.dims.iter().zip(inputs[0].dims()) {
            let d = types::one_dim(Some("C3"), "broadcast_dimensions", d, ty.rank())?;
            if size != 1 && ty.dims[d].size() != Some(size as u64) {
                let text = format!("{} cannot be repeated to {ty}", inputs[0].ty());
                return Err(OpError::constraint("C5", text).into());
            }
        }
        Ok(vec![broadcast(&inputs[0], &self.dims, &ty)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_op, floats, i64s};
    use microhlo_format::DType;

    #[test]
    fn takes_the_shape_from_an_operand() {
        let op = DynamicBroadcastInDim { dims: vec![1], expanding: None, nonexpanding: None };
        let inputs = [floats(&[2], &[1., 2.]), i64s(&[2], &[2, 2])];
        let ty = TensorType::fixed(&[2, 2], DType::F32);
        let out = eval_op(op.clone(), &inputs, &ty).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [1., 2., 1., 2.]);
        let inputs = [inputs[0].clone(), i64s(&[2], &[2, 3])];
        assert!(eval_op(op, &inputs, &TensorType::fixed(&[2, 3], DType::F32)).is_err());
    }
}
