//! The independent checker: re-proves a plan from the definition alone.
//!
//! It shares no code with the solvers and compares all pairs, so that a mistake in a clever
//! algorithm cannot hide in a clever check.

use super::{Distance, Problem};

/// Why a plan is wrong. Buffers are named by position in the problem. See the example of [`check`](super::check()).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// There is not exactly one offset per buffer.
    #[error("{offsets} offsets for {buffers} buffers")]
    Count {
        /// Offsets given.
        offsets: usize,
        /// Buffers to place.
        buffers: usize,
    },
    /// The buffer reaches past the end of the arena.
    #[error("buffer {0} ends past the arena")]
    Bounds(usize),
    /// The offset is not a multiple of the buffer's alignment.
    #[error("buffer {0} is not aligned")]
    Align(usize),
    /// Two buffers share a byte during a common step.
    #[error("buffers {0} and {1} overlap while both are alive")]
    Overlap(usize, usize),
}

/// Proves that `offsets` place every buffer of `problem` inside `arena_bytes`, aligned, and that
/// no two buffers share a byte during a common step, unless the problem allows it of two that share no
/// other step, at the distance at which they lie. Quadratic in the number of buffers.
///
/// ```
/// use microhlo_compiler::plan::{Problem, Violation, check};
///
/// let problem = Problem::from_csv("id,lower,upper,size\na,0,2,100\nb,1,3,50\n")?;
/// assert_eq!(check(&problem, &[0, 100], 150), Ok(()));
/// assert_eq!(check(&problem, &[0, 99], 150), Err(Violation::Overlap(0, 1)));
/// assert_eq!(check(&problem, &[0, 100], 149), Err(Violation::Bounds(1)));
/// # Ok::<(), microhlo_compiler::plan::CsvError>(())
/// ```
pub fn check(problem: &Problem, offsets: &[u32], arena_bytes: u32) -> Result<(), Violation> {
    let buffers = &problem.buffers;
    if offsets.len() != buffers.len() {
        return Err(Violation::Count { offsets: offsets.len(), buffers: buffers.len() });
    }
    let span = |i: usize| {
        let start = u64::from(offsets[i]);
        (start, start + u64::from(buffers[i].size))
    };
    for (i, a) in buffers.iter().enumerate() {
        let (start, end) = span(i);
        if end > u64::from(arena_bytes) {
            return Err(Violation::Bounds(i));
        }
        if !offsets[i].is_multiple_of(a.align) {
            return Err(Violation::Align(i));
        }
        for (j, b) in buffers.iter().enumerate().take(i) {
            let (other_start, other_end) = span(j);
            let share_step = a.lower < b.upper && b.lower < a.upper;
            let share_byte = start.max(other_start) < end.min(other_end);
            if share_step && share_byte && !allowed(problem, i, j, offsets) {
                return Err(Violation::Overlap(j, i));
            }
        }
    }
    Ok(())
}

/// Whether the problem lets two buffers share bytes where they lie.
fn allowed(problem: &Problem, i: usize, j: usize, offsets: &[u32]) -> bool {
    problem.overlaps.iter().any(|overlap| {
        let pair = (overlap.input, overlap.output);
        if pair != (i, j) && pair != (j, i) {
            return false;
        }
        let (input, output) = (&problem.buffers[overlap.input], &problem.buffers[overlap.output]);
        let ends_where_it_begins =
            input.lower <= output.lower && u64::from(input.upper) == u64::from(output.lower) + 1;
        let behind = offsets[overlap.input].checked_sub(offsets[overlap.output]);
        let far_enough = behind.is_some_and(|bytes| match overlap.distance {
            Distance::AtLeast(least) => bytes >= least,
            Distance::Zero => bytes == 0,
        });
        ends_where_it_begins && far_enough
    })
}
