//! `sort`: sorts operands together along one dimension by a comparator region.
//!
//! StableHLO specification, section `sort`.
use microhlo_format::DType;

use super::region::ScalarRegion;
use super::{AttrReader, AttrWriter, OpError, OpView, StructuralOp, types};
use crate::constraint;
use crate::eval::{EvalError, Evaluator, Tensor, strides};
use crate::ir::{TensorType, Type};

/// Sorts operands together along one dimension by a comparator region.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// The dimension to sort along; negative ones count from the end.
    pub dim: i64,
    /// Whether equal elements keep their order.
    pub stable: bool,
}

impl StructuralOp for Sort {
    const NAME: &'static str = "stablehlo.sort";
    const SPEC: &'static str = "sort";
    const RESULT: [Option<&'static str>; 2] = [Some("C2"), Some("C2")];

    fn read(attrs: &mut AttrReader<'_>) -> Result<Self, OpError> {
        Ok(Sort {
            dim: attrs.opt_int("dimension")?.unwrap_or(-1),
            stable: attrs.opt_bool("is_stable")?.unwrap_or(false),
        })
    }

    fn write(&self, attrs: &mut AttrWriter) {
        attrs.int("dimension", self.dim);
        attrs.bool("is_stable", self.stable);
    }

    fn infer(&self, op: &OpView<'_>) -> Result<Option<Vec<Type>>, OpError> {
        let n = op.op.operands.len();
        op.expect_arity(n.max(1), n.max(1))?;
        (0..n).map(|i| op.operand(i).cloned()).collect::<Result<Vec<_>, _>>().map(Some)
    }

    fn verify(&self, op: &OpView<'_>) -> Result<(), OpError> {
        let first = op.tensor(0)?;
        let rank = first.rank() as i64;
        constraint!(
            -rank <= self.dim && self.dim < rank,
            "C4",
            "dimension {} must lie in {}..{rank}",
            self.dim,
            -rank
        );
        let mut want = Vec::new();
        for i in 0..op.op.operands.len() {
            let other = op.tensor(i)?;
            constraint!(
                types::same_dims(&first.dims, &other.dims),
                "C3",
                "operands must have one shape, have {first} and {other}"
            );
            let scalar = Type::Tensor(types::with_dims(other, vec![]));
            want.extend([scalar.clone(), scalar]);
        }
        let block = op.region(0)?;
        let (args, returns) = (op.region_args(block), op.region_returns(block));
        let boolean = Type::Tensor(TensorType::scalar(DType::I1));
        constraint!(
            args.iter().copied().eq(&want) && returns == [&boolean],
            "C5",
            "the comparator must take two scalars per operand and return {boolean}"
        );
        Ok(())
    }

    fn eval(
        &self,
        op: &OpView<'_>,
        inputs: &[Tensor],
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<Tensor>, EvalError> {
        let less = ScalarRegion::new(op, 0)?;
        types::same_shapes(inputs)?;
        let shape = inputs[0].dims();
        let dim = if self.dim < 0 { self.dim + shape.len() as i64 } else { self.dim };
        let dim = types::one_dim(Some("C4"), "dimension", dim, shape.len())?;
        let (n, step) = (shape[dim], strides(shape)[dim]);
        // order[p] is the position of the element that moves to position p.
        let mut order: Vec<usize> = (0..inputs[0].len()).collect();
        for start in 0..order.len() {
            if start / step % n.max(1) != 0 {
                continue;
            }
            let line: Vec<usize> = (0..n).map(|i| start + i * step).collect();
            let sorted = merge_sort(line.clone(), &mut |a, b| {
                evaluator.charge(1)?;
                let pairs = inputs.iter().flat_map(|t| [t.at(a), t.at(b)]);
                less.test(evaluator, &pairs.collect::<Vec<_>>())
            })?;
            for (to, from) in line.into_iter().zip(sorted) {
                order[to] = from;
            }
        }
        let moved = |t: &Tensor| {
            let mut next = order.iter();
            t.rearrange(t.ty(), |_| next.next().copied().unwrap_or(0))
        };
        inputs.iter().map(moved).collect()
    }
}

/// A stable merge sort for comparators that can fail and need not be consistent: `less(b, a)`
/// alone moves `b` before `a`.
fn merge_sort(
    items: Vec<usize>,
    less: &mut impl FnMut(usize, usize) -> Result<bool, EvalError>,
) -> Result<Vec<usize>, EvalError> {
    let mut items = items;
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for run in items.chunks(2 * width) {
            let (mut a, mut b) = run.split_at(width.min(run.len()));
            while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
                if less(y, x)? {
                    merged.push(y);
                    b = &b[1..];
                } else {
                    merged.push(x);
                    a = &a[1..];
                }
            }
            merged.extend_from_slice(a);
            merged.extend_from_slice(b);
        }
        items = merged;
        width *= 2;
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::compare::{Compare, Direction};
    use crate::ops::testing::{binary, eval_regions, floats, i64s};

    #[test]
    fn operands_move_together_and_stably() {
        let keys = floats(&[2, 3], &[3., 1., 3., 2., 2., 1.]);
        let values = i64s(&[2, 3], &[0, 1, 2, 3, 4, 5]);
        let f = TensorType::scalar(DType::F32);
        let i = TensorType::scalar(DType::I64);
        let args = [f.clone(), f, i.clone(), i];
        let lt = binary(Compare { direction: Direction::Gt, compare_type: None });
        let types = [keys.ty().clone(), values.ty().clone()];
        let op = Sort { dim: -1, stable: true };
        let out = eval_regions(op, &[keys, values], &types, &[(&args, &lt)]).unwrap();
        assert_eq!(out[0].to_f32s().unwrap(), [3., 3., 1., 2., 2., 1.]);
        assert_eq!(out[1].ints().unwrap(), [0, 2, 1, 3, 4, 5]);
    }
}
