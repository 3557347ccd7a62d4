//! `dynamic_update_slice`: replaces a box at run-time start indices.
//!
//! StableHLO specification, section `dynamic_update_slice`.
use super::dynamic_slice::{clamp_starts, verify_starts};
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Indices, Tensor, linear};
use crate::ir::Type;

/// Replaces a box at run-time start indices.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicUpdateSlice;

impl StructuralOp for DynamicUpdateSlice {
    const NAME: &'static str = "stablehlo.dynamic_update_slice";
    const SPEC: &'static str = "dynamic_update_slice";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C1")];

    fn read(_attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicUpdateSlice)
    }

    fn write(&self, _attrs: &mut AttrWriter) {}

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let (operand, update) = (op.tensor(0)?, op.tensor(1)?);
        op.expect_arity(op.op.operands.len(), 1)?;
        let starts = op.op.operands.len() - 2;
        types::expect_len(Some("C4"), "start_indices", starts, operand.rank())?;
        constraint!(
            operand.elem == update.elem,
            "C2",
            "operand {operand} and update {update} differ in element type"
        );
        constraint!(
            operand.rank() == update.rank(),
            "C3",
            "operand {operand} and update {update} differ in rank"
        );
        for (d, (a, b)) in operand.dims.iter().zip(&update.dims).enumerate() {
            if let (Some(a), Some(b)) = (a.size(), b.size()) {
                constraint!(b <= a, "C6", "update size {b} exceeds dimension {d} of {operand}");
            }
        }
        Ok(Some(vec![operand.clone().into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        verify_starts(op, 2, ["I3", "C5"])
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let [input, update, starts @ ..] = inputs else {
            return Err(OpError::new("expects operand, update and start indices").into());
        };
        let start = clamp_starts(input.dims(), update.dims(), starts)?;
        let size = input.dtype().size();
        let mut bytes = input.bytes().to_vec();
        let mut walk = Indices::new(update.dims());
        for element in update.bytes().chunks_exact(size) {
            let to: Vec<usize> = walk.index().iter().zip(&start).map(|(i, s)| i + s).collect();
            let at = linear(input.dims(), &to) * size;
            bytes[at..at + size].copy_from_slice(element);
            walk.advance();
        }
        Ok(vec![Tensor::from_bytes(input.ty(), bytes)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{eval_op, floats, i64s};

    #[test]
    fn starts_are_clamped() {
        let (a, u) = (floats(&[2, 2], &[0., 1., 2., 3.]), floats(&[1, 2], &[8., 9.]));
        let starts = [i64s(&[], &[7]), i64s(&[], &[1])];
        let inputs = [a.clone(), u, starts[0].clone(), starts[1].clone()];
        let out = eval_op(DynamicUpdateSlice, &inputs, a.ty()).unwrap();
        assert_eq!(out.to_f32s().unwrap(), [0., 1., 8., 9.]);
    }
}
