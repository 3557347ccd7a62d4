//! The planner's entry: heuristics first, exact search when they leave a gap.

use super::problem::{Buffer, Problem};
use super::{exact, greedy};

/// Where every buffer lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Offset in bytes per buffer, by position in the problem.
    pub offsets: Vec<u32>,
    /// Bytes of arena needed: the largest end of any buffer.
    pub arena_bytes: u32,
    /// Bytes of the largest live set; no plan needs fewer.
    pub lower_bound: u32,
    /// Whether no smaller arena exists: the lower bound is met, or the search was exhaustive.
    pub proven_optimal: bool,
}

/// Limits of the planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Steps of exact search after the heuristics; a step is about a nanosecond. Counted rather
    /// than timed so that a slow machine gives the same plan.
    pub search_steps: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { search_steps: 50_000_000 }
    }
}

/// A problem that has no plan. Buffers are named by position in the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The lifetime is empty.
    #[error("buffer {0} is never alive: its lifetime must cover at least one step")]
    Lifetime(usize),
    /// The alignment is not a power of two.
    #[error("the alignment of buffer {0} is not a power of two")]
    Align(usize),
    /// The arena would pass 4 GiB.
    #[error("the buffers need {0} bytes of arena; offsets are limited to 4294967295")]
    TooLarge(u64),
}

/// Plans with the default limits.
///
/// # Errors
/// A malformed buffer, or an arena that offsets of 32 bits cannot address.
pub fn plan(problem: &Problem) -> Result<Plan, PlanError> {
    plan_with(problem, &Options::default())
}

/// Plans within the given limits. Deterministic.
///
/// # Errors
/// See [`plan`].
pub fn plan_with(problem: &Problem, options: &Options) -> Result<Plan, PlanError> {
    for (i, b) in problem.buffers.iter().enumerate() {
        if b.lower >= b.upper {
            return Err(PlanError::Lifetime(i));
        }
        if !b.align.is_power_of_two() {
            return Err(PlanError::Align(i));
        }
    }
    let lower_bound = problem.lower_bound().bytes;
    if lower_bound > u64::from(u32::MAX) {
        return Err(PlanError::TooLarge(lower_bound));
    }
    let mut offsets = vec![0; problem.buffers.len()];
    let mut proven_optimal = true;
    let parts = independent_parts(&problem.buffers);
    // The tallest part decides the arena, so only parts above that height are worth a search.
    let mut height = lower_bound;
    for part in parts {
        let sub = Problem { buffers: part.iter().map(|&i| problem.buffers[i]).collect() };
        let solved = solve_part(&sub, height, options);
        if solved.height > height {
            height = solved.height;
            proven_optimal = solved.optimal;
        }
        for (&i, offset) in part.iter().zip(&solved.offsets) {
            offsets[i] = *offset;
        }
    }
    let narrow = |v: u64| u32::try_from(v).map_err(|_| PlanError::TooLarge(height));
    let height = end(&problem.buffers, &offsets);
    Ok(Plan {
        offsets: offsets.into_iter().map(narrow).collect::<Result<_, _>>()?,
        arena_bytes: narrow(height)?,
        lower_bound: narrow(lower_bound)?,
        proven_optimal,
    })
}

struct Solved {
    offsets: Vec<u64>,
    height: u64,
    optimal: bool,
}

/// Solves buffers whose lifetimes form one connected stretch; nothing below `target` is sought.
fn solve_part(part: &Problem, target: u64, options: &Options) -> Solved {
    let first = greedy::portfolio(part, target);
    let mut solved = Solved { offsets: first.offsets, height: first.height, optimal: false };
    if solved.height > target && part.buffers.len() <= exact::MAX_BUFFERS {
        let outcome = exact::search(part, solved.height, target, options.search_steps);
        if let Some(offsets) = outcome.improved {
            solved.height = end(&part.buffers, &offsets);
            solved.offsets = offsets;
        }
        solved.optimal = outcome.complete;
    }
    solved
}

/// The largest end of any buffer that occupies storage.
fn end(buffers: &[Buffer], offsets: &[u64]) -> u64 {
    let ends = buffers.iter().zip(offsets).map(|(b, o)| o + u64::from(b.size));
    ends.max().unwrap_or(0)
}

/// Groups of buffers of which no two groups are alive at a common step, as positions.
fn independent_parts(buffers: &[Buffer]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| buffers[i].lower);
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut reach = 0;
    for i in order {
        match parts.last_mut() {
            Some(part) if buffers[i].lower < reach => part.push(i),
            _ => parts.push(vec![i]),
        }
        reach = reach.max(buffers[i].upper);
    }
    // Positions rise within a part, so that ties are decided as in the whole problem.
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}
