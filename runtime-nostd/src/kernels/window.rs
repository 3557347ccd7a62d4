//! Reductions over sliding windows.

use microhlo_format::Place;
use microhlo_format::kernels::{MAX_RANK, Window, WindowDim};

use super::reduce::post_row;
use super::{Memory, dst, src};
use crate::micro::{Fold, Row, Src, Taps};
use crate::registry::{MicroEntry, Undecodable};

entry!(window, Window);

/// A window kernel with its rows found.
struct Rows {
    op: Row,
    fold: Option<Fold>,
    init: *const u8,
    size: u8,
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &Window<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let Some(micro) = p.op.decode() else { return Err(Undecodable) };
    let size = micro.result().size() as u8;
    let &MicroEntry { row: op, fold, .. } = memory.micro(p.op)?;
    let rows = Rows { op, fold, init: memory.read(p.init), size };
    let post = post_row(&p.post, memory)?;
    let n = p.inner as usize;
    let width = i32::from(size);
    let input = memory.read(p.input);
    let mut output = memory.write(p.output);
    let mut index = [0u32; MAX_RANK];
    loop {
        let to = dst(output, width);
        let mut runs = 1;
        // SAFETY: runs of `inner` results inside the checked output; see `taps`.
        unsafe {
            match (rows.fold, grid(p, &index, input, width)) {
                (Some(fold), Some(grid)) => {
                    fold(to, src(rows.init, 0), &grid, n);
                    runs = grid.runs;
                }
                _ => {
                    super::move_::copy_run(size, to, src(rows.init, 0), n);
                    taps(p, &rows, &index, input, output);
                }
            }
            if let Some((row, operand)) = post {
                row(to, &[src(output, width), src(operand, 0), Src::NONE], n * runs as usize);
            }
        }
        output = output.wrapping_add(n * runs as usize * usize::from(size));
        if !next(&mut index, &p.dims, runs, |dim| dim.output) {
            return Ok(());
        }
    }
}

/// Counts an index up by `steps` of the last dimension; false when it wraps to zero.
pub(super) fn next(
    index: &mut [u32; MAX_RANK],
    dims: &[WindowDim],
    mut steps: u32,
    size: impl Fn(&WindowDim) -> u32,
) -> bool {
    for (i, dim) in index.iter_mut().zip(dims).rev() {
        *i += steps;
        steps = 1;
        if *i < size(dim) {
            return true;
        }
        *i = 0;
    }
    false
}

/// The first input coordinate under the window of an output, and how many taps lie inside the
/// input from there on; `None` when they are not all taps that count.
fn covered(dim: &WindowDim, out: u32, padding_counts: bool) -> Option<(u32, u32)> {
    let steps = |distance: u32| match dim.window_dilation {
        0 | 1 => distance,
        dilation => distance.div_ceil(dilation),
    };
    let start = (out * dim.stride) as i32 - dim.pad;
    let skipped = if start < 0 { steps(start.unsigned_abs()) } else { 0 };
    let first = start.wrapping_add_unsigned(skipped * dim.window_dilation) as u32;
    let inside = steps(dim.input.saturating_sub(first));
    let count = dim.window.saturating_sub(skipped).min(inside);
    let counted = dim.base_dilation <= 1 && (count == dim.window || !padding_counts);
    counted.then_some((first, count))
}

/// All taps of the window at `index` as one grid; `None` for windows that are not one of at most
/// two dimensions. Has a run for every further output of the last dimension while all taps lie
/// inside the input.
fn grid(p: &Window<Place>, index: &[u32; MAX_RANK], input: *const u8, width: i32) -> Option<Taps> {
    let mut taps = Taps {
        ptr: input,
        runs: 1,
        run_stride: 0,
        stride: width,
        counts: [1; 2],
        strides: [0; 2],
    };
    let mut free = taps.counts.iter_mut().zip(&mut taps.strides).rev();
    let dense = p.inner.wrapping_mul(width as u32);
    let mut stride = dense;
    for (dim, &out) in p.dims.iter().zip(index).rev() {
        let (first, count) = covered(dim, out, p.padding_counts)?;
        if count != 1 {
            let (size, step) = free.next()?;
            (*size, *step) = (count, stride.wrapping_mul(dim.window_dilation) as i32);
        }
        taps.ptr = taps.ptr.wrapping_add(stride.wrapping_mul(first) as usize);
        stride = stride.wrapping_mul(dim.input);
    }
    if let (Some(dim), Some(&out)) = (p.dims.last(), index.get(p.dims.len().wrapping_sub(1))) {
        let inside = |out| covered(dim, out, true).is_some();
        if inside(out) && inside(dim.output.saturating_sub(1)) {
            taps.runs = dim.output.saturating_sub(out);
            taps.run_stride = dense.wrapping_mul(dim.stride) as i32;
        }
    }
    Some(taps)
}

/// The input coordinate under a window tap, or `None` in the padding.
pub(super) fn coordinate(dim: &WindowDim, out: u32, tap: u32) -> Option<u32> {
    let at = (out * dim.stride + tap * dim.window_dilation) as i32 - dim.pad;
    let at = u32::try_from(at).ok()?;
    let (at, rest) = match dim.base_dilation {
        0 | 1 => (at, 0),
        dilation => (at / dilation, at % dilation),
    };
    (rest == 0 && at < dim.input).then_some(at)
}

/// Applies all taps of the window at `index` to one run of results.
///
/// # Safety
/// The loader has accepted the parameters, `input` is its input and `output` a run of results.
unsafe fn taps(
    p: &Window<Place>,
    rows: &Rows,
    index: &[u32; MAX_RANK],
    input: *const u8,
    output: *mut u8,
) {
    let n = p.inner as usize;
    let width = i32::from(rows.size);
    let mut tap = [0u32; MAX_RANK];
    loop {
        let mut run = Some(0);
        for ((dim, &out), &tap) in p.dims.iter().zip(index).zip(&tap) {
            run = match (run, coordinate(dim, out, tap)) {
                (Some(run), Some(at)) => Some(run * dim.input + at),
                _ => None,
            };
        }
        let operand = match run {
            Some(run) => {
                let offset = run as usize * n * usize::from(rows.size);
                Some(src(input.wrapping_add(offset), width))
            }
            None => p.padding_counts.then_some(src(rows.init, 0)),
        };
        if let Some(operand) = operand {
            let args = [src(output.cast_const(), width), operand, Src::NONE];
            // SAFETY: `inner` elements from a valid coordinate, or the one initial value.
            unsafe { (rows.op)(dst(output, width), &args, n) };
        }
        if !next(&mut tap, &p.dims, 1, |dim| dim.window) {
            return;
        }
    }
}
