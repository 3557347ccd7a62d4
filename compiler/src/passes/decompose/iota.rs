//! Tables of indices that are too large to be stored.

use microhlo_format::DType;

use super::rng::with;
use crate::ir::{OpId, ValueId};
use crate::ops::ElementwiseOp::{Add, Multiply};
use crate::ops::iota::Iota;
use crate::passes::build::Build;
use crate::passes::fold::MAX_TABLE_BYTES;
use crate::passes::rewrite::Editor;

/// Longest table that [`counting`] makes others of.
const MAX_TABLE: u64 = 1024;

/// `iota` of more bytes than are folded to a constant: one row of it, repeated.
pub(super) fn large(ed: &mut Editor<'_>, op: OpId, iota: &Iota) -> Option<ValueId> {
    let o = &ed.body.ops[op];
    let (span, ty) = (o.span, ed.body.ty(*o.results.first()?).tensor()?.clone());
    let (dims, dtype) = (ty.static_dims()?, ty.dtype()?);
    let n = *dims.get(usize::try_from(iota.dim).ok()?)?;
    if ty.bytes()? <= MAX_TABLE_BYTES {
        return None;
    }
    let mut b = Build::new(ed, span);
    let wide = if i32::try_from(n).is_ok() { DType::I32 } else { DType::I64 };
    let row = counting(&mut b, n, wide)?;
    let row = b.convert(row, dtype)?;
    b.broadcast(row, &[iota.dim], &dims)
}

/// `0..n`, computed from small tables.
pub(super) fn counting(b: &mut Build<'_, '_>, n: u64, dtype: DType) -> Option<ValueId> {
    if n <= MAX_TABLE {
        return Some(b.iota(n, dtype));
    }
    let rows = n.div_ceil(MAX_TABLE);
    let (high, low) = (counting(b, rows, dtype)?, b.iota(MAX_TABLE, dtype));
    let high = with(b, Multiply, high, MAX_TABLE)?;
    let dims = [rows, MAX_TABLE];
    let (high, low) = (b.broadcast(high, &[0], &dims)?, b.broadcast(low, &[1], &dims)?);
    let all = b.same(Add, &[high, low])?;
    let flat = b.reshape(all, &[rows * MAX_TABLE])?;
    b.slice(flat, 0, 0, n)
}
