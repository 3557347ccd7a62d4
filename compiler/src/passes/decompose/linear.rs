//! LAPACK's factorisations in terms of `cholesky` and `triangular_solve`.

use microhlo_format::DType;

use super::custom::letter;
use crate::eval::Element;
use crate::ir::{Op, OpId, TensorType, ValueId};
use crate::ops::ElementwiseOp;
use crate::ops::cholesky::Cholesky;
use crate::ops::compare::Direction;
use crate::ops::custom_call::CustomCall;
use crate::ops::triangular_solve::{Transform, TriangularSolve};
use crate::passes::build::Build;
use crate::passes::rewrite::Editor;

/// `potrf`: a Cholesky factor beside the other triangle of the operand, and per matrix 0 or the
/// order of the first leading minor that is not positive.
pub(super) fn potrf(b: &mut Build<'_, '_>, op: &Op, call: &CustomCall) -> Option<Vec<ValueId>> {
    let (&[a], &[_, info]) = (op.operands.as_slice(), op.results.as_slice()) else { return None };
    let lower = match letter(op, call, "uplo")? {
        'L' => true,
        'U' => false,
        _ => return None,
    };
    let dims = b.dims(a)?;
    let rank = dims.len().checked_sub(2)?;
    let ty = b.ty(a)?;
    let factor = b.op(Cholesky { lower }, &[a], ty.clone());
    let (row, column) = matrix_indices(b, &dims)?;
    let inside = if lower { Direction::Ge } else { Direction::Le };
    let inside = b.compare(inside, row, column)?;
    let result = b.op(ElementwiseOp::Select, &[inside, factor, a], ty.clone());

    // Once a pivot is not positive, all later ones are NaN: their number tells the first.
    let diagonal = b.compare(Direction::Eq, row, column)?;
    let real = match ty.dtype()? {
        DType::C64 => b.op(ElementwiseOp::Real, &[factor], ty.with_dtype(DType::F32)),
        DType::C128 => b.op(ElementwiseOp::Real, &[factor], ty.with_dtype(DType::F64)),
        _ => factor,
    };
    let zero = b.number(&b.ty(real)?, 0);
    let positive = b.compare(Direction::Gt, real, zero)?;
    let not_positive = b.same(ElementwiseOp::Not, &[positive])?;
    let failed = b.same(ElementwiseOp::And, &[diagonal, not_positive])?;
    let failed = b.convert(failed, b.ty(info)?.dtype()?)?;
    let failures = b.sum(failed, &[rank as i64, rank as i64 + 1])?;
    let count_ty = b.ty(failures)?;
    let zero = b.number(&count_ty, 0);
    let any = b.compare(Direction::Ne, failures, zero)?;
    let after = b.splat(&count_ty, Element::Int(i128::from(dims[rank]) + 1));
    let first = b.same(ElementwiseOp::Subtract, &[after, failures])?;
    let info = b.op(ElementwiseOp::Select, &[any, first, zero], count_ty);
    Some(vec![result, info])
}

/// Row and column numbers of the elements of matrices.
fn matrix_indices(b: &mut Build<'_, '_>, dims: &[u64]) -> Option<(ValueId, ValueId)> {
    let rank = dims.len() - 2;
    let rows = b.iota(dims[rank], DType::I32);
    let columns = b.iota(dims[rank + 1], DType::I32);
    let rows = b.broadcast(rows, &[rank as i64], dims)?;
    Some((rows, b.broadcast(columns, &[rank as i64 + 1], dims)?))
}

/// `trsm`: a triangular system.
pub(super) fn trsm(b: &mut Build<'_, '_>, op: &Op, call: &CustomCall) -> Option<Vec<ValueId>> {
    let &[a, rhs] = op.operands.as_slice() else { return None };
    let either = |name: &str, yes: char, no: char| match letter(op, call, name)? {
        c if c == yes => Some(true),
        c if c == no => Some(false),
        _ => None,
    };
    let kind = TriangularSolve {
        left_side: either("side", 'L', 'R')?,
        lower: either("uplo", 'L', 'U')?,
        unit_diagonal: either("diag", 'U', 'N')?,
        transpose: match letter(op, call, "trans_x")? {
            'N' => Transform::None,
            'T' => Transform::Transpose,
            'C' => Transform::Adjoint,
            _ => return None,
        },
    };
    let ty: TensorType = b.ty(rhs)?;
    Some(vec![b.op(kind, &[a, rhs], ty)])
}

/// An operation on floats narrower than `f32`, computed in `f32` and rounded once.
pub(super) fn widened(ed: &mut Editor<'_>, op: OpId) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let ty = ed.body.ty(*o.results.first()?).tensor()?.clone();
    let narrow = ty.dtype().filter(|d| d.is_float() && d.bits() < 32)?;
    ty.static_dims()?;
    let mut b = Build::new(ed, o.span);
    let mut operands = Vec::new();
    for v in o.operands {
        operands.push(b.convert(v, DType::F32)?);
    }
    let wide = b.op(o.kind, &operands, ty.with_dtype(DType::F32));
    b.convert(wide, narrow)
}
