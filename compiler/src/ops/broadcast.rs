//! `broadcast`: prepends dimensions, the older form of `broadcast_in_dim`.
//!
//! StableHLO specification, section `broadcast`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{EvalError, Evaluator, Tensor, strides};
use crate::ir::Type;

/// Prepends dimensions, the older form of `broadcast_in_dim`.
#[derive(Clone, Debug, PartialEq)]
pub struct Broadcast {
    /// Sizes of the new leading dimensions.
    pub sizes: Vec<i64>,
}

impl StructuralOp for Broadcast {
    const NAME: &'static str = "stablehlo.broadcast";
    const SPEC: &'static str = "broadcast";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Broadcast { sizes: attrs.ints("broadcast_sizes")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("broadcast_sizes", &self.sizes);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        let operand = op.tensor(0)?;
        let mut dims = Vec::new();
        for &size in &self.sizes {
            dims.push(types::sized("a broadcast dimension", size.into())?);
        }
        dims.extend(&operand.dims);
        Ok(Some(vec![types::with_dims(operand, dims).into()]))
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
        let input = &inputs[0];
        let mut dims = Vec::new();
        for &size in &self.sizes {
            dims.push(types::sized("a broadcast dimension", size.into())?);
        }
        dims.extend(&input.ty().dims);
        let n = input.len();
        let steps = strides(input.dims());
        let lead = self.sizes.len();
        let out = input.rearrange(&types::with_dims(input.ty(), dims), |index| {
            let at: usize = index[lead..].iter().zip(&steps).map(|(i, s)| i * s).sum();
            at.min(n)
        })?;
        Ok(vec![out])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_op, floats};
    use microhlo_format::DType;

    #[test]
    fn new_dimensions_come_first() {
        let ty = TensorType::fixed(&[2, 2], DType::F32);
        let out = eval_op(Broadcast { sizes: vec![2] }, &[floats(&[2], &[1., 2.])], &ty).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [1., 2., 1., 2.]);
    }
}
