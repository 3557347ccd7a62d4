//! Reductions over dimensions.

use microhlo_format::Place;
use microhlo_format::kernels::{Post, Reduce};

use super::odometer::{Odometer, split_last};
use super::{Memory, dst, src};
use crate::micro::{Dst, Fold, Row, Src, Taps};
use crate::registry::{MicroEntry, Undecodable};

entry!(reduce, Reduce);

/// A reduction with its rows found.
struct Rows {
    op: Row,
    fold: Option<Fold>,
    init: *const u8,
    post: Option<(Row, *const u8)>,
}

/// A finished row or `None`, and its operand.
pub(super) fn post_row(
    post: &Option<Post<Place>>,
    memory: &Memory<'_>,
) -> Result<Option<(Row, *const u8)>, Undecodable> {
    match post {
        Some(post) => Ok(Some((memory.row(post.op)?, memory.read(post.operand)))),
        None => Ok(None),
    }
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Reduce<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let Some(micro) = p.op.decode() else { return Err(Undecodable) };
    let &MicroEntry { row: op, fold, .. } = memory.micro(p.op)?;
    let rows = Rows {
        op,
        fold,
        init: memory.read(p.init),
        post: post_row(&p.post, memory)?,
    };
    if p.sizes.contains(&0) {
        return Ok(());
    }
    let size = micro.result().size() as u8;
    let (sizes, n) = split_last(&p.sizes, 1);
    let (strides, stride) = split_last(&p.strides, 0);
    let input = memory.read(p.input);
    let mut output = memory.write(p.output);
    let mut kept = Odometer::new(sizes, [strides]);
    loop {
        let from = src(input.wrapping_offset(kept.offset[0] as isize), stride);
        // SAFETY: `n` results lie inside the checked output, their operands inside the input.
        unsafe { reduce_run(p, &rows, size, output, from, n as usize) };
        output = output.wrapping_add(n as usize * usize::from(size));
        if !kept.advance() {
            return Ok(());
        }
    }
}

/// Reduces to `n` adjacent results, whose first operand elements lie at `from`.
///
/// # Safety
/// The loader has accepted the parameters; results and operands lie inside their extents.
unsafe fn reduce_run(
    p: &Reduce<Place>,
    rows: &Rows,
    size: u8,
    output: *mut u8,
    from: Src,
    n: usize,
) {
    let width = i32::from(size);
    let to = dst(output, width);
    // SAFETY: `n` results, one initial value and one operand; the functions' promises are this
    // one's.
    unsafe {
        if p.reduce.contains(&0) {
            super::move_::copy_run(size, to, src(rows.init, 0), n);
        } else if let Some(fold) = rows.fold {
            fold_run(p, fold, rows.init, to, from, n);
        } else {
            super::move_::copy_run(size, to, src(rows.init, 0), n);
            row_run(p, rows.op, to, from, n);
        }
        if let Some((row, operand)) = rows.post {
            row(to, &[src(output, width), src(operand, 0), Src::NONE], n);
        }
    }
}

/// Folds the two innermost reduced dimensions at a time.
///
/// # Safety
/// As for [`reduce_run`]; no reduced dimension is empty.
unsafe fn fold_run(
    p: &Reduce<Place>,
    fold: Fold,
    init: *const u8,
    to: Dst,
    from: Src,
    n: usize,
) {
    let (sizes, inner) = split_last(&p.reduce, 1);
    let (strides, inner_stride) = split_last(&p.reduce_strides, 0);
    let (sizes, outer) = split_last(sizes, 1);
    let (strides, outer_stride) = split_last(strides, 0);
    let mut at = Odometer::new(sizes, [strides]);
    let mut first = src(init, 0);
    loop {
        let taps = Taps {
            ptr: from.ptr.wrapping_offset(at.offset[0] as isize),
            runs: 1,
            run_stride: 0,
            stride: from.stride,
            counts: [outer, inner],
            strides: [outer_stride, inner_stride],
        };
        // SAFETY: elements of each result, inside the checked extents.
        unsafe { fold(to, first, &taps, n) };
        first = src(to.ptr.cast_const(), to.stride);
        if !at.advance() {
            return;
        }
    }
}

/// Applies the operation row by row to results that hold the initial value.
///
/// The longer of the last kept and the last reduced dimension is the inner loop; the order of the
/// operations on any one result is the same either way.
///
/// # Safety
/// As for [`reduce_run`]; no reduced dimension is empty.
unsafe fn row_run(p: &Reduce<Place>, op: Row, to: Dst, from: Src, n: usize) {
    let (sizes, inner) = split_last(&p.reduce, 1);
    let (strides, stride) = split_last(&p.reduce_strides, 0);
    if n >= inner as usize {
        let mut at = Odometer::new(&p.reduce, [&p.reduce_strides]);
        loop {
            let x = src(from.ptr.wrapping_offset(at.offset[0] as isize), from.stride);
            // SAFETY: one element per result, inside the checked extents.
            unsafe { op(to, &[src(to.ptr, to.stride), x, Src::NONE], n) };
            if !at.advance() {
                return;
            }
        }
    }
    for i in 0..n as isize {
        let result = to.ptr.wrapping_offset(i * to.stride as isize);
        let start = from.ptr.wrapping_offset(i * from.stride as isize);
        let mut at = Odometer::new(sizes, [strides]);
        loop {
            let x = src(start.wrapping_offset(at.offset[0] as isize), stride);
            let args = [src(result, 0), x, Src::NONE];
            // SAFETY: `inner` elements of one result, inside the checked extents.
            unsafe { op(dst(result, 0), &args, inner as usize) };
            if !at.advance() {
                break;
            }
        }
    }
}
