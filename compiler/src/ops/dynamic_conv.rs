//! `dynamic_conv`: convolution with padding given at run time.
//!
//! StableHLO specification, section `dynamic_conv`.
use microhlo_format::DType;

use super::convolution::Convolution;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::{Dim, ElementType, TensorType, Type};

/// Convolution with padding given at run time: one pair of numbers per spatial dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicConv {
    /// The convolution; its own padding is not used.
    pub conv: Convolution,
}

impl StructuralOp for DynamicConv {
    const NAME: &'static str = "stablehlo.dynamic_conv";
    const SPEC: &'static str = "dynamic_conv";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        let shape = attrs.operands().first().and_then(Type::tensor).cloned();
        let mut conv = Convolution::read(attrs)?;
        // JAX writes two strides for one dimension when a size is not known.
        if shape.is_some_and(|t| t.static_dims().is_none()) {
            conv.strides.truncate(conv.dims.input_spatial.len());
        }
        Ok(DynamicConv { conv })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        self.conv.write(attrs);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(3, 1)?;
        let (lhs, rhs, result) = (op.tensor(0)?, op.tensor(1)?, op.result_tensor(0)?);
        // Without the padding, the sizes of spatial dimensions say nothing.
        let mut unknown = lhs.clone();
        for &d in &self.conv.dims.input_spatial {
            if let Some(d) = types::dim_index(d, lhs.rank()) {
                unknown.dims[d] = Dim::Dynamic { bound: None };
            }
        }
        let dims = self.conv.result_dims(&unknown, rhs)?;
        Ok(Some(vec![types::with_dims(result, dims).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let padding = op.tensor(2)?;
        let want = [Dim::Static(op.tensor(0)?.rank() as u64 - 2), Dim::Static(2)];
        constraint!(
            types::same_dims(&padding.dims, &want),
            "C4",
            "the padding must be a pair per spatial dimension, is {padding}"
        );
        let integers = padding.elem == ElementType::Index || padding.elem.storage().is_integer();
        constraint!(integers, "I3", "the padding must be of integers, is {padding}");
        let kernel = op.tensor(1)?;
        for &d in &self.conv.dims.kernel_spatial {
            let size = kernel.dims[d as usize];
            constraint!(
                size != Dim::Static(0),
                "C26",
                "dimension {d} of the kernel {kernel} is empty"
            );
        }
        self.conv.verify(op)
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let padding = types::int_list(&inputs[2])?;
        self.with_padding(&padding).eval(op, &inputs[..2], evaluator)
    }
}

impl DynamicConv {
    /// The convolution with this padding, pairs one after another.
    pub fn with_padding(&self, padding: &[i64]) -> Convolution {
        let pairs = padding.chunks_exact(2).map(|p| (p[0], p[1])).collect();
        Convolution { padding: pairs, ..self.conv.clone() }
    }

    /// The type of the padding operand for a convolution with `n` spatial dimensions.
    pub fn padding_type(n: u64) -> TensorType {
        TensorType::fixed(&[n, 2], DType::I64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::convolution::ConvDims;
    use crate::ops::testing::{check_op, eval_op, floats, i64s};

    fn nwc() -> DynamicConv {
        let dims = ConvDims {
            input_batch: 0,
            input_feature: 2,
            input_spatial: vec![1],
            kernel_input_feature: 1,
            kernel_output_feature: 2,
            kernel_spatial: vec![0],
            output_batch: 0,
            output_feature: 2,
            output_spatial: vec![1],
        };
        let conv = Convolution {
            dims,
            strides: vec![1],
            padding: vec![(0, 0)],
            lhs_dilation: vec![1],
            rhs_dilation: vec![1],
            reversal: vec![false],
            feature_group_count: 1,
            batch_group_count: 1,
            precision: vec![],
        };
        DynamicConv { conv }
    }

    #[test]
    fn takes_the_padding_from_its_operand() {
        let (a, k) = (floats(&[1, 2, 1], &[1., 2.]), floats(&[2, 1, 1], &[1., 10.]));
        let ty = TensorType::fixed(&[1, 3, 1], DType::F32);
        let out = eval_op(nwc(), &[a, k, i64s(&[1, 2], &[0, 2])], &ty).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [21., 2., 0.]);
    }

    #[test]
    fn the_padding_is_checked() {
        let t = |dims: &[u64]| TensorType::fixed(dims, DType::F32);
        let check = |padding| {
            let types = [t(&[1, 2, 1]), t(&[2, 1, 1]), padding];
            check_op(nwc(), &types, &t(&[1, 3, 1])).map_err(|e| e.constraint)
        };
        assert!(check(DynamicConv::padding_type(1)).is_ok());
        assert_eq!(check(DynamicConv::padding_type(2)), Err(Some("C4")));
        assert_eq!(check(t(&[1, 2])), Err(Some("I3")));
    }
}
