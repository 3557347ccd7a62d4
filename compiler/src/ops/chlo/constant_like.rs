//! `chlo.constant_like`: one value in the shape of the operand.

use microhlo_format::DType;

use super::super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::eval::{Element, EvalError, Evaluator, Tensor, wrap};
use crate::ir::{Attr, ElementType, Type};
use crate::ops::elementwise::round_to;

/// One value in the shape of the operand.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantLike {
    /// A number with its type, as written.
    pub value: Attr,
}

impl ConstantLike {
    /// Encoding of the value in the result's element type.
    pub fn encoded(&self, dtype: DType) -> Result<Vec<u8>, OpError> {
        let element = match (&self.value, dtype) {
            (Attr::Bool(b), DType::I1) => Some(Element::Bool(*b)),
            (Attr::Int(v, _), DType::I1) => Some(Element::Bool(*v != 0)),
            (Attr::Int(v, _), d) if d.is_integer() => Some(Element::Int(wrap(d, *v))),
            (Attr::Float(v, _), d) if d.is_float() => Some(Element::Float(*v)),
            (Attr::Float(v, _), d) if d.is_complex() => Some(Element::Complex(*v, 0.0)),
            (Attr::Dense(c), d) if c.ty.dtype() == Some(d) => {
                return c
                    .splat_bytes()
                    .map(<[u8]>::to_vec)
                    .ok_or_else(|| OpError::new("attribute `value` must hold one element"));
            }
            _ => None,
        };
        let Some(element) = element else {
            return Err(OpError::new(format!("the value `{}` is not a {dtype}", self.value)));
        };
        let mut bytes = vec![0; dtype.size()];
        round_to(dtype, element).encode(dtype, &mut bytes);
        Ok(bytes)
    }
}

impl StructuralOp for ConstantLike {
    const NAME: &'static str = "chlo.constant_like";
    const SPEC: &'static str = "none; CHLO constant_like";

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        match attrs.take("value") {
            Some(value) => Ok(ConstantLike { value }),
            None => Err(OpError::new("attribute `value` is missing")),
        }
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.attr("value", self.value.clone());
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        let elem = op.result_tensor(0)?.elem.clone();
        let dims = op.tensor(0)?.dims.clone();
        Ok(Some(vec![crate::ir::TensorType { dims, elem }.into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (operand, result) = (op.tensor(0)?, op.result_tensor(0)?);
        let ElementType::Plain(dtype) = result.elem else {
            return Err(OpError::new(format!("the result cannot be {result}")));
        };
        if !types::same_dims(&operand.dims, &result.dims) {
            let text = format!("operand {operand} and result {result} differ in shape");
            return Err(OpError::new(text));
        }
        self.encoded(dtype).map(|_| ())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let [like] = inputs else { return Err(OpError::new("one operand expected").into()) };
        let ty = types::with_dims(op.result_tensor(0)?, like.ty().dims.clone());
        Ok(vec![Tensor::filled(&ty, &self.encoded(ty.elem.storage())?)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats};

    #[test]
    fn fills_the_operands_shape() {
        let op = ConstantLike { value: Attr::Float(3.5, "f32".into()) };
        let like = floats(&[2], &[1.0, 2.0]);
        let out = eval_op(op.clone(), std::slice::from_ref(&like), like.ty()).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [3.5, 3.5]);
        let half = TensorType::fixed(&[2], DType::BF16);
        let out = eval_op(op, &[like], &half).unwrap();
        assert_eq!(out.at(1), Element::Float(3.5));
    }

    #[test]
    fn the_value_must_fit_the_result() {
        let op = ConstantLike { value: Attr::Float(3.5, "f32".into()) };
        let t = |dtype| TensorType::fixed(&[2], dtype);
        assert!(check_op(op.clone(), &[t(DType::F32)], &t(DType::I32)).is_err());
        assert!(check_op(op, &[t(DType::F32)], &TensorType::fixed(&[3], DType::F32)).is_err());
    }
}
