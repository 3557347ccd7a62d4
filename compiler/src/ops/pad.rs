//! `pad`: surrounds and interleaves the operand with a padding value; negative edges crop.
//!
//! StableHLO specification, section `pad`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Indices, Tensor, linear};
use crate::ir::Type;

/// Surrounds and interleaves the operand with a padding value; negative edges crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Elements added before each dimension; negative ones remove.
    pub low: Vec<i64>,
    /// Elements added after each dimension; negative ones remove.
    pub high: Vec<i64>,
    /// Elements added between neighbours of each dimension.
    pub interior: Vec<i64>,
}

impl StructuralOp for Pad {
    const NAME: &'static str = "stablehlo.pad";
    const SPEC: &'static str = "pad";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C4")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Pad {
            low: attrs.ints("edge_padding_low")?,
            high: attrs.ints("edge_padding_high")?,
            interior: attrs.ints("interior_padding")?,
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("edge_padding_low", &self.low);
        attrs.ints("edge_padding_high", &self.high);
        attrs.ints("interior_padding", &self.interior);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(2, 1)?;
        let (operand, value) = (op.tensor(0)?, op.tensor(1)?);
        constraint!(value.rank() == 0, "I2", "the padding value must be a scalar, is {value}");
        constraint!(
            operand.elem == value.elem,
            "C1",
            "the padding value {value} must have the element type of {operand}"
        );
        for (what, list) in [
            ("edge_padding_low", &self.low),
            ("edge_padding_high", &self.high),
            ("interior_padding", &self.interior),
        ] {
            types::expect_len(Some("C2"), what, list.len(), operand.rank())?;
        }
        constraint!(
            self.interior.iter().all(|&i| i >= 0),
            "C3",
            "interior padding {:?} must not be negative",
            self.interior
        );
        let mut dims = Vec::new();
        for (d, dim) in operand.dims.iter().enumerate() {
            dims.push(match dim.size() {
                None => dim.map(|n| u64::try_from(self.size(d, n.into())).ok()),
                Some(n) => types::sized("a padded dimension", self.size(d, n.into()))
                    .map_err(|e| OpError::constraint("C4", e.message))?,
            });
        }
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
        Ok(vec![self.apply(&inputs[0], &inputs[1])?])
    }
}

impl Pad {
    /// Padded size of dimension `d`.
    pub(super) fn size(&self, d: usize, n: i128) -> i128 {
        let interior = i128::from(self.interior[d]);
        i128::from(self.low[d]) + n + (n - 1).max(0) * interior + i128::from(self.high[d])
    }

    /// Pads a tensor with a scalar.
    pub(super) fn apply(&self, input: &Tensor, value: &Tensor) -> Result<Tensor, EvalError> {
        for list in [&self.low, &self.high, &self.interior] {
            types::expect_len(Some("C2"), "padding", list.len(), input.dims().len())?;
        }
        let dims = input.dims();
        let mut sizes = Vec::new();
        for (d, &n) in dims.iter().enumerate() {
            sizes.push(types::sized("a padded dimension", self.size(d, n as i128))?);
        }
        let ty = types::with_dims(input.ty(), sizes);
        let size = input.dtype().size();
        let full = Tensor::filled(&ty, value.bytes())?;
        let mut bytes = full.bytes().to_vec();
        let mut walk = Indices::new(dims);
        for element in input.bytes().chunks_exact(size) {
            let to = walk.index().iter().enumerate().map(|(d, &i)| {
                let at = i128::from(self.low[d]) + i as i128 * (1 + i128::from(self.interior[d]));
                usize::try_from(at).ok().filter(|&at| at < full.dims()[d])
            });
            if let Some(to) = to.collect::<Option<Vec<usize>>>() {
                let at = linear(full.dims(), &to) * size;
                bytes[at..at + size].copy_from_slice(element);
            }
            walk.advance();
        }
        Tensor::from_bytes(&ty, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats};
    use microhlo_format::DType;

    fn pad(low: i64, high: i64, interior: i64) -> Pad {
        Pad { low: vec![low], high: vec![high], interior: vec![interior] }
    }

    #[test]
    fn edges_interior_and_cropping() {
        let (a, z) = (floats(&[3], &[1., 2., 3.]), floats(&[], &[9.]));
        let ty = |n| TensorType::fixed(&[n], DType::F32);
        let out = eval_op(pad(1, 2, 1), &[a.clone(), z.clone()], &ty(8)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [9., 1., 9., 2., 9., 3., 9., 9.]);
        let out = eval_op(pad(-1, 0, 1), &[a.clone(), z.clone()], &ty(4)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [9., 2., 9., 3.]);
        let out = eval_op(pad(-1, -1, 0), &[a, z], &ty(1)).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [2.]);
    }

    #[test]
    fn sizes_below_zero_are_refused() {
        let ty = TensorType::fixed(&[3], DType::F32);
        let scalar = TensorType::scalar(DType::F32);
        let e = check_op(pad(-2, -2, 0), &[ty.clone(), scalar.clone()], &ty).unwrap_err();
        assert_eq!(e.constraint, Some("C4"));
        let e = check_op(pad(0, 0, -1), &[ty.clone(), scalar], &ty).unwrap_err();
        assert_eq!(e.constraint, Some("C3"));
    }
}
