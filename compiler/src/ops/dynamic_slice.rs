//! `dynamic_slice`: takes a box of fixed sizes at run-time start indices.
//!
//! StableHLO specification, section `dynamic_slice`.
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor, linear};
use crate::ir::{Dim, Type};

/// Takes a box of fixed sizes at run-time start indices.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicSlice {
    /// Size of each result dimension.
    pub sizes: Vec<i64>,
}

impl StructuralOp for DynamicSlice {
    const NAME: &'static str = "stablehlo.dynamic_slice";
    const SPEC: &'static str = "dynamic_slice";
    const RESULT: [Option<&'static str>; 2] = [Some("C1"), Some("C5")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(DynamicSlice { sizes: attrs.ints("slice_sizes")? })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.ints("slice_sizes", &self.sizes);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let operand = op.tensor(0)?;
        op.expect_arity(op.op.operands.len(), 1)?;
        let starts = op.op.operands.len() - 1;
        types::expect_len(Some("C2"), "start_indices", starts, operand.rank())?;
        types::expect_len(Some("C2"), "slice_sizes", self.sizes.len(), operand.rank())?;
        let mut dims = Vec::new();
        for (d, (&size, dim)) in self.sizes.iter().zip(&operand.dims).enumerate() {
            let end = dim.most().map_or(i128::MAX, i128::from);
            constraint!(
                size >= 0 && i128::from(size) <= end,
                "C4",
                "slice size {size} does not fit dimension {d} of {operand}"
            );
            dims.push(Dim::Static(size.unsigned_abs()));
        }
        Ok(Some(vec![types::with_dims(operand, dims).into()]))
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        verify_starts(op, 1, ["I2", "C3"])
    }

    fn eval(
        &self,
        _op: &OpView<'_>,
        inputs: &[Tensor],
        _evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let (input, starts) = inputs.split_first().ok_or_else(|| OpError::new("no operand"))?;
        let sizes: Vec<usize> = self.sizes.iter().map(|&s| s.max(0) as usize).collect();
        let start = clamp_starts(input.dims(), &sizes, starts)?;
        let dims = sizes.iter().map(|&s| Dim::Static(s as u64)).collect();
        let out = input.rearrange(&types::with_dims(input.ty(), dims), |index| {
            let source: Vec<usize> = index.iter().zip(&start).map(|(i, s)| i + s).collect();
            linear(input.dims(), &source)
        })?;
        Ok(vec![out])
    }
}

/// Start indices are integer scalars of one type, from operand `first` on.
pub(super) fn verify_starts(
    op: &OpView<'_>,
    first: usize,
    [ty, same]: [&'static str; 2],
) -> Result<(), OpError> {
    for i in first..op.op.operands.len() {
        let start = op.tensor(i)?;
        if start.rank() != 0 || !start.elem.storage().is_integer() {
            let text = format!("start index {} must be an integer scalar, is {start}", i - first);
            return Err(OpError::constraint(ty, text));
        }
        let other = op.tensor(first)?;
        if start.elem != other.elem {
            let text = format!("start indices must have one type, have {start} and {other}");
            return Err(OpError::constraint(same, text));
        }
    }
    Ok(())
}

/// Start indices moved so that the box lies inside of the operand.
pub(super) fn clamp_starts(
    dims: &[usize],
    sizes: &[usize],
    starts: &[Tensor],
) -> Result<Vec<usize>, EvalError> {
    types::expect_len(None, "start indices", starts.len(), dims.len())?;
    types::expect_len(None, "slice sizes", sizes.len(), dims.len())?;
    let one = |(start, (&dim, &size)): (&Tensor, (&usize, &usize))| {
        let last = dim.checked_sub(size).ok_or_else(|| OpError::new("the slice is too large"))?;
        let start = start.at(0).as_int().ok_or_else(|| OpError::new("starts are integers"))?;
        Ok(start.clamp(0, last as i128) as usize)
    };
    starts.iter().zip(dims.iter().zip(sizes)).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::TensorType;
    use crate::ops::testing::{eval_op, floats, i64s};
    use microhlo_format::DType;

    #[test]
    fn starts_are_clamped() {
        let a = floats(&[4], &[0., 1., 2., 3.]);
        let ty = TensorType::fixed(&[2], DType::F32);
        for (start, want) in [(1, [1., 2.]), (9, [2., 3.]), (-5, [0., 1.])] {
            let op = DynamicSlice { sizes: vec![2] };
            let out = eval_op(op, &[a.clone(), i64s(&[], &[start])], &ty).unwrap();
            assert_eq!(out.to_f32s().unwrap(), want);
        }
    }
}
