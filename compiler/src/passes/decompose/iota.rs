//! Indices that would be a large table: a table of one dimension that is repeated, and if that is
//! large too, the sum of two small ones.

use microhlo_format::DType;

use crate::ir::{OpId, ValueId};
use crate::ops::ElementwiseOp::{Add, Multiply};
use crate::ops::iota::Iota;
use crate::passes::build::Build;
use crate::passes::fold::MAX_TABLE_BYTES;
use crate::passes::rewrite::Editor;

/// The values of an `iota` whose result is larger than what is stored as a constant.
pub(super) fn large(ed: &mut Editor<'_>, op: OpId, iota: &Iota) -> Option<ValueId> {
    let o = ed.body.ops[op].clone();
    let ty = ed.body.ty(*o.results.first()?).tensor()?.clone();
    let dims = ty.static_dims()?;
    let (dtype, bytes) = (ty.dtype()?, ty.bytes()?);
    let n = *dims.get(usize::try_from(iota.dim).ok()?)?;
    let table = n.checked_mul(dtype.size() as u64)?;
    if bytes <= MAX_TABLE_BYTES {
        return None;
    }
    let mut b = Build::new(ed, o.span);
    let line = match table <= MAX_TABLE_BYTES {
        true => b.iota(n, dtype),
        false => counted(&mut b, n, dtype)?,
    };
    b.broadcast(line, &[iota.dim], &dims)
}

/// The numbers from 0 to `n`: a multiple of about the square root, and the rest.
fn counted(b: &mut Build<'_, '_>, n: u64, dtype: DType) -> Option<ValueId> {
    let index = if i32::try_from(n).is_ok() { DType::I32 } else { DType::I64 };
    let low = n.isqrt().max(1);
    let high = n.div_ceil(low);
    let (rows, columns) = (b.iota(high, index), b.iota(low, index));
    let row = b.number(&b.ty(rows)?, i64::try_from(low).ok()?);
    let rows = b.same(Multiply, &[rows, row])?;
    let rows = b.broadcast(rows, &[0], &[high, low])?;
    let columns = b.broadcast(columns, &[1], &[high, low])?;
    let all = b.same(Add, &[rows, columns])?;
    let all = b.convert(all, dtype)?;
    let all = b.reshape(all, &[high * low])?;
    b.slice(all, 0, 0, n)
}
