//! `bitcast_convert`: reinterprets the bits of elements.
//!
//! StableHLO specification, section `bitcast_convert`.
use microhlo_format::DType;

use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor};
use crate::ir::Type;

/// Reinterprets the bits of elements.
#[derive(Clone, Debug, PartialEq)]
pub struct BitcastConvert;

impl StructuralOp for BitcastConvert {
    const NAME: &'static str = "stablehlo.bitcast_convert";
    const SPEC: &'static str = "bitcast_convert";

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(BitcastConvert)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        op.expect_arity(1, 1)?;
        Ok(None)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let (a, b) = (op.tensor(0)?, op.result_tensor(0)?);
        let (na, nb) = (a.elem.storage().bits(), b.elem.storage().bits());
        let (wide, narrow, ratio) = if na >= nb { (a, b, na / nb) } else { (b, a, nb / na) };
        let fits = match ratio {
            1 if na == nb => types::same_dims(&a.dims, &b.dims),
            _ => match narrow.dims.split_last() {
                Some((last, rest)) => {
                    na.max(nb) == ratio * na.min(nb)
                        && types::same_dims(&wide.dims, rest)
                        && last.accepts(crate::ir::Dim::Static(ratio.into()))
                }
                None => false,
            },
        };
        constraint!(fits, "C1", "the bits of {a} do not form a {b}");
        let mixed = a.elem.storage().is_complex() != b.elem.storage().is_complex();
        constraint!(!mixed, "C2", "{a} and {b} must both be complex or both be real");
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let (input, result) = (&inputs[0], op.result_tensor(0)?);
        let (from, to) = (input.dtype(), result.elem.storage());
        let whole = |d: DType| d.bits() as usize == 8 * d.size();
        if whole(from) && whole(to) {
            return Ok(vec![input.with_type(result)?]);
        }
        // Elements narrower than their storage are packed without gaps, first element lowest.
        let mut bits = Vec::new();
        for element in input.bytes().chunks_exact(from.size()) {
            bits.extend((0..from.bits() as usize).map(|i| element[i / 8] >> (i % 8) & 1));
        }
        let out = bits.chunks_exact(to.bits() as usize).flat_map(|bits| {
            let mut bytes = vec![0u8; to.size()];
            for (i, bit) in bits.iter().enumerate() {
                bytes[i / 8] |= bit << (i % 8);
            }
            if to.is_signed_integer() && bytes.len() == 1 {
                let shift = 8 - to.bits();
                bytes[0] = ((bytes[0] << shift) as i8 >> shift) as u8;
            }
            bytes
        });
        Ok(vec![Tensor::from_bytes(result, out.collect::<Vec<u8>>())?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{check_op, eval_op, floats, ints};

    #[test]
    fn equal_wider_and_narrower_elements() {
        let out =
            eval_op(BitcastConvert, &[floats(&[1], &[1.0])], &TensorType::fixed(&[1], DType::I32));
        assert_eq!(out.unwrap().ints().unwrap(), [0x3f80_0000]);
        let bytes = TensorType::fixed(&[1, 4], DType::U8);
        let out = eval_op(BitcastConvert, &[floats(&[1], &[1.0])], &bytes).unwrap();
        assert_eq!(out.ints().unwrap(), [0, 0, 0x80, 0x3f]);
        let nibbles = ints(&TensorType::fixed(&[2], DType::I4), &[-1, 2]);
        let out = eval_op(BitcastConvert, &[nibbles], &TensorType::fixed(&[], DType::I8)).unwrap();
        assert_eq!(out.ints().unwrap(), [0x2f]);
    }

    #[test]
    fn shapes_must_account_for_all_bits() {
        let f = TensorType::fixed(&[1], DType::F32);
        let e = check_op(BitcastConvert, &[f], &TensorType::fixed(&[1, 3], DType::U8));
        assert_eq!(e.unwrap_err().constraint, Some("C1"));
    }
}
