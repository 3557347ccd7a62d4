//! Einstein's notation as sums, diagonals, `dot_general` and transposes.

use microhlo_format::DType;

use crate::ir::{OpId, TensorType, ValueId};
use crate::ops::ElementwiseOp;
use crate::ops::compare::Direction;
use crate::ops::dot_general::DotGeneral;
use crate::ops::einsum::{Equation, Label};
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// A value with a label for each dimension.
type Labelled = (ValueId, Vec<Label>);

/// One product of both operands, after what concerns one of them alone.
pub(super) fn binary(ed: &mut Editor<'_>, op: OpId, config: &str) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let &[lhs, rhs] = o.operands.as_slice() else { return None };
    let elem = ed.body.ty(*o.results.first()?).tensor()?.elem.clone();
    let mut b = Build::new(ed, o.span);
    let ranks = [b.dims(lhs)?.len(), b.dims(rhs)?.len()];
    let equation = Equation::parse(config, &ranks).ok()?;
    let [l, r] = equation.operands.as_slice() else { return None };
    let kept =
        |other: &[Label], label: &Label| other.contains(label) || equation.result.contains(label);
    let (lhs, l) = simplified(&mut b, (lhs, l.clone()), &|label| kept(r, label))?;
    let (rhs, r) = simplified(&mut b, (rhs, r.clone()), &|label| kept(&l, label))?;

    let result = &equation.result;
    let both = || l.iter().filter(|label| r.contains(label));
    let places = |labels: &[Label], wanted: Vec<&Label>| -> Vec<i64> {
        let at = |w: &&Label| labels.iter().position(|x| x == *w).map(|i| i as i64);
        wanted.iter().filter_map(at).collect()
    };
    let (batch, contracted): (Vec<&Label>, Vec<&Label>) =
        both().partition(|label| result.contains(label));
    let kind = DotGeneral {
        lhs_batching: places(&l, batch.clone()),
        rhs_batching: places(&r, batch.clone()),
        lhs_contracting: places(&l, contracted.clone()),
        rhs_contracting: places(&r, contracted),
        ..DotGeneral::default()
    };
    let free = |labels: &[Label], other: &[Label]| -> Vec<Label> {
        labels.iter().filter(|x| !other.contains(x)).copied().collect()
    };
    let mut labels: Vec<Label> = batch.into_iter().copied().collect();
    labels.extend(free(&l, &r));
    labels.extend(free(&r, &l));
    let (left, right) = (b.ty(lhs)?, b.ty(rhs)?);
    let size = |label: &Label| {
        let in_left = l.iter().position(|x| x == label).map(|i| left.dims[i]);
        in_left.or_else(|| r.iter().position(|x| x == label).map(|i| right.dims[i]))
    };
    let dims = labels.iter().filter_map(size).collect();
    let product = b.op(kind, &[lhs, rhs], TensorType { dims, elem });
    ordered(&mut b, (product, labels), &equation.result)
}

/// Diagonals and sums of the operand, then a transpose.
pub(super) fn unary(ed: &mut Editor<'_>, op: OpId, config: &str) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let &[operand] = o.operands.as_slice() else { return None };
    let mut b = Build::new(ed, o.span);
    let equation = Equation::parse(config, &[b.dims(operand)?.len()]).ok()?;
    let labels = equation.operands.first()?.clone();
    let kept = |label: &Label| equation.result.contains(label);
    let simple = simplified(&mut b, (operand, labels), &kept)?;
    ordered(&mut b, simple, &equation.result)
}

/// The operand with each label once, and only with labels that are needed.
fn simplified(
    b: &mut Build<'_, '_>,
    (mut value, mut labels): Labelled,
    needed: &dyn Fn(&Label) -> bool,
) -> Option<Labelled> {
    while let Some((first, second)) = repeated(&labels) {
        value = diagonal(b, value, first, second)?;
        labels.remove(second);
    }
    let unneeded = labels.iter().enumerate().filter(|(_, l)| !needed(l));
    let dims: Vec<i64> = unneeded.map(|(d, _)| d as i64).collect();
    value = b.sum(value, &dims)?;
    labels.retain(|l| needed(l));
    Some((value, labels))
}

/// Two dimensions with one label.
fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    let first = |i: usize| labels[..i].iter().position(|l| *l == labels[i]);
    (0..labels.len()).find_map(|i| Some((first(i)?, i)))
}

/// Elements whose indices in two dimensions are equal; the second dimension disappears.
fn diagonal(b: &mut Build<'_, '_>, value: ValueId, first: usize, second: usize) -> Option<ValueId> {
    let ty = b.ty(value)?;
    let dims = ty.static_dims()?;
    let count = b.iota(dims[first], DType::I32);
    let row = b.broadcast(count, &[first as i64], &dims)?;
    let column = b.broadcast(count, &[second as i64], &dims)?;
    let on = b.compare(Direction::Eq, row, column)?;
    let zero = b.number(&ty, 0);
    let masked = b.op(ElementwiseOp::Select, &[on, value, zero], ty);
    b.sum(masked, &[second as i64])
}

/// The value with its dimensions in the result's order.
fn ordered(b: &mut Build<'_, '_>, (value, labels): Labelled, result: &[Label]) -> Option<ValueId> {
    let place = |want: &Label| labels.iter().position(|l| l == want);
    let permutation: Vec<usize> = result.iter().map(place).collect::<Option<_>>()?;
    b.transpose(value, &permutation)
}
