//! Batched matrix products of two computed `i8` tensors.
//!
//! One operand is widened whole, less its zero point, the other four rows at a time, so that the loop
//! over a sum has nothing to do but to load and to multiply. Factors are widened four by four, the first
//! and the third of them as one pair: the order in a sum does not matter.

use microhlo_format::Place;
use microhlo_format::kernels::DotI8;

use super::Memory;
use super::i8_block::Common;
#[cfg(not(cortex_m_dsp))]
use super::i8_block::dot_4x2;
#[cfg(cortex_m_dsp)]
use super::i8_block::{clamp, dot_columns, dot_sums, widened};
use crate::registry::Undecodable;

entry!(dot_i8, DotI8);

/// Rows that are computed together.
pub(super) const ROWS: usize = DotI8::<Place>::ROWS as usize;
/// Columns that are computed together.
pub(super) const COLUMNS: usize = DotI8::<Place>::COLUMNS as usize;

/// Two factors of a row.
pub(super) type Pair = [i16; 2];

/// An operand.
#[derive(Clone, Copy)]
struct Side {
    start: *const i8,
    batch_stride: i32,
    row_stride: i32,
    depth_stride: i32,
    zero: i8,
    rows: usize,
}

/// Four rows of one operand against all of the other.
pub(super) struct Strip<'p> {
    pub params: &'p DotI8<Place>,
    /// Factors of the four rows, `[pair][row]`.
    pub rows: *const Pair,
    /// Factors of all columns, `[ceil(columns / 2)][pair][column]`.
    pub columns: *const Pair,
    /// Pairs of a sum.
    pub pairs: usize,
    /// The first result.
    pub output: *mut u8,
    /// Bytes from one row of results to the next.
    pub row_step: usize,
    /// Bytes from one column of results to the next.
    pub column_step: usize,
    /// Columns of results.
    pub count: usize,
}

/// # Safety
/// The loader has accepted the parameters for this memory.
unsafe fn execute(p: &DotI8<Place>, memory: &Memory<'_>) -> Result<(), Undecodable> {
    let mut rows = Side {
        start: memory.read(p.lhs).cast(),
        batch_stride: p.lhs_batch_stride,
        row_stride: p.lhs_row_stride,
        depth_stride: p.lhs_depth_stride,
        zero: p.lhs_zero,
        rows: p.rows as usize,
    };
    let mut columns = Side {
        start: memory.read(p.rhs).cast(),
        batch_stride: p.rhs_batch_stride,
        row_stride: p.rhs_column_stride,
        depth_stride: p.rhs_depth_stride,
        zero: p.rhs_zero,
        rows: p.columns as usize,
    };
    let bytes = if p.requant.is_some() { 1 } else { size_of::<i32>() };
    let (mut row_step, mut column_step) = (p.columns as usize * bytes, bytes);
    if p.swapped() {
        (rows, columns) = (columns, rows);
        (row_step, column_step) = (column_step, row_step);
    }
    let pairs = p.packed_depth().unwrap_or(0) as usize / 2;
    let kept = memory.write(p.scratch).cast::<Pair>();
    let four = kept.wrapping_add(columns.rows.next_multiple_of(COLUMNS) * pairs);
    let (mut output, matrix) = (memory.write(p.output), rows.rows * columns.rows * bytes);
    let depth = p.depth as usize;
    for _ in 0..p.batch {
        // SAFETY: a matrix of each operand and of the result, and the scratch, of accepted parameters.
        unsafe {
            columns.keep(kept, pairs, depth);
            for first in (0..rows.rows).step_by(ROWS) {
                let here = (rows.rows - first).min(ROWS);
                rows.four(first, here, four, depth);
                let output = output.wrapping_add(first * row_step);
                let count = columns.rows;
                #[rustfmt::skip]
                let strip = Strip {
                    params: p, rows: four, columns: kept, pairs, output, row_step, column_step, count,
                };
                strip.products(here);
            }
        }
        rows.start = rows.start.wrapping_offset(rows.batch_stride as isize);
        columns.start = columns.start.wrapping_offset(columns.batch_stride as isize);
        output = output.wrapping_add(matrix);
    }
    #[cfg(cortex_m_dsp)]
    // SAFETY: all results, which have been computed; sums are left as they are.
    unsafe {
        clamp(&p.requant, memory.write(p.output), matrix * p.batch as usize);
    }
    Ok(())
}

impl Side {
    /// Widens all rows, by twos.
    ///
    /// # Safety
    /// They are readable, and there is room for so many pairs of an even number of rows.
    unsafe fn keep(&self, to: *mut Pair, pairs: usize, depth: usize) {
        for row in 0..self.rows.next_multiple_of(COLUMNS) {
            let to = to.wrapping_add(row / COLUMNS * COLUMNS * pairs + row % COLUMNS);
            // SAFETY: the caller's promise.
            unsafe { self.widen(row.min(self.rows - 1), to, COLUMNS, depth) };
        }
    }

    /// Widens `count` rows from `first` on, the last of them as often as four need.
    ///
    /// # Safety
    /// They are readable, at least one, and there is room for four.
    unsafe fn four(&self, first: usize, count: usize, to: *mut Pair, depth: usize) {
        for lane in 0..ROWS {
            let row = first + lane.min(count - 1);
            // SAFETY: the caller's promise.
            unsafe { self.widen(row, to.wrapping_add(lane), ROWS, depth) };
        }
    }

    /// Widens a row to pairs that are `lanes` apart, with zeros behind it.
    ///
    /// # Safety
    /// It is readable, and there is room.
    unsafe fn widen(&self, row: usize, mut to: *mut Pair, lanes: usize, depth: usize) {
        let (stride, zero) = (self.depth_stride as isize, i32::from(self.zero));
        let mut from = self.start.wrapping_offset(row as isize * self.row_stride as isize);
        #[cfg(not(cortex_m_dsp))]
        let mut left = depth;
        #[cfg(cortex_m_dsp)]
        // SAFETY: the caller's promise.
        let mut left =
            if stride == 1 { unsafe { widened(&mut from, &mut to, lanes, depth, zero) } } else { depth };
        while left > 0 {
            let next = |i: isize| {
                // SAFETY: the caller's promise.
                let x = unsafe { *from.wrapping_offset(i * stride) };
                (i32::from(x) - zero) as i16
            };
            let four = match left {
                1 => [next(0), 0, 0, 0],
                2 => [next(0), next(1), 0, 0],
                3 => [next(0), next(1), next(2), 0],
                _ => [next(0), next(1), next(2), next(3)],
            };
            // SAFETY: the caller's promise.
            unsafe {
                to.write([four[0], four[2]]);
                to.wrapping_add(lanes).write([four[1], four[3]]);
            }
            from = from.wrapping_offset(4 * stride);
            to = to.wrapping_add(2 * lanes);
            left = left.saturating_sub(4);
        }
    }
}

impl Strip<'_> {
    /// Computes `here` rows of results.
    ///
    /// # Safety
    /// Factors and results lie there.
    unsafe fn products(&self, here: usize) {
        #[cfg(not(cortex_m_dsp))]
        let first = 0;
        #[cfg(cortex_m_dsp)]
        // SAFETY: the caller's promise.
        let first = if here == ROWS { unsafe { dot_columns(self) } } else { 0 };
        let common = self.params.requant.as_ref().and_then(Common::of);
        for column in (first..self.count).step_by(COLUMNS) {
            let columns = self.columns.wrapping_add(column * self.pairs);
            // SAFETY: the factors of two columns, and the results of those that exist.
            unsafe {
                let sums = dot_sums(self, columns);
                let count = (self.count - column).min(COLUMNS);
                for (row, sums) in sums.chunks_exact(COLUMNS).enumerate().take(here) {
                    for (i, &sum) in sums.iter().enumerate().take(count) {
                        let at = row * self.row_step + (column + i) * self.column_step;
                        self.store(&common, sum, self.output.wrapping_add(at));
                    }
                }
            }
        }
    }

    /// Stores the result of a sum.
    ///
    /// # Safety
    /// It is the place of a result.
    #[inline(always)]
    unsafe fn store(&self, common: &Option<Common>, sum: i32, to: *mut u8) {
        let p = self.params;
        // SAFETY: the caller's promise; places of sums are aligned.
        unsafe {
            match (common, &p.requant) {
                (Some(common), _) => *to = common.apply(sum, p.multiplier),
                (None, Some(r)) => *to = r.apply(sum, p.multiplier, r.shift) as u8,
                (None, None) => to.cast::<i32>().write(sum),
            }
        }
    }
}

/// The sums of four rows and two columns.
///
/// # Safety
/// Their factors lie there.
#[cfg(not(cortex_m_dsp))]
unsafe fn dot_sums(strip: &Strip<'_>, columns: *const Pair) -> [i32; ROWS * COLUMNS] {
    // SAFETY: the caller's promise.
    unsafe { dot_4x2(strip.rows.cast(), columns.cast(), strip.pairs) }
}
