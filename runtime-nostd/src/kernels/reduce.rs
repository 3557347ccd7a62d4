//! Reductions over dimensions.

use microhlo_format::Place;
use microhlo_format::kernels::{Post, Reduce};

use super::odometer::{Odometer, split_last};
use super::{Memory, dst, src};
use crate::micro::{Row, Src};
use crate::registry::Undecodable;

entry!(reduce, Reduce);

/// A reduction with its rows found.
struct Rows {
    op: Row,
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
    let rows = Rows {
        op: memory.row(p.op)?,
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
/// The longer of the last kept and the last reduced dimension is the inner loop; the order of the
/// operations on any one result is the same either way.
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
    // SAFETY: `n` results, and one initial value.
    unsafe { super::move_::copy_run(size, to, src(rows.init, 0), n) };
    if !p.reduce.contains(&0) {
        let (sizes, inner) = split_last(&p.reduce, 1);
        let (strides, stride) = split_last(&p.reduce_strides, 0);
        if n >= inner as usize {
            let mut at = Odometer::new(&p.reduce, [&p.reduce_strides]);
            loop {
                let x = src(from.ptr.wrapping_offset(at.offset[0] as isize), from.stride);
                // SAFETY: one element per result, inside the checked extents.
                unsafe { (rows.op)(to, &[src(output, width), x, Src::NONE], n) };
                if !at.advance() {
                    break;
                }
            }
        } else {
            for i in 0..n {
                let result = output.wrapping_add(i * usize::from(size));
                let start = from.ptr.wrapping_offset(i as isize * from.stride as isize);
                let mut at = Odometer::new(sizes, [strides]);
                loop {
                    let x = src(start.wrapping_offset(at.offset[0] as isize), stride);
                    let args = [src(result, 0), x, Src::NONE];
                    // SAFETY: `inner` elements of one result, inside the checked extents.
                    unsafe { (rows.op)(dst(result, 0), &args, inner as usize) };
                    if !at.advance() {
                        break;
                    }
                }
            }
        }
    }
    if let Some((row, operand)) = rows.post {
        // SAFETY: `n` results and one operand.
        unsafe { row(to, &[src(output, width), src(operand, 0), Src::NONE], n) };
    }
}
