//! Plans around buffers that are alive for ever, of this problem and of others that use the same arena.

use super::{Options, Plan, PlanError, Problem, plan_with};

/// Alignment of what comes behind buffers that are kept: that of an arena.
const ALIGN: u64 = 16;

/// The part of an arena, from its start on, in which several problems keep buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct Room {
    /// Where this problem's begin, in bytes.
    pub first: u32,
    /// How many bytes all of them have. Those of this problem may need more, if they are the last.
    pub bytes: u32,
}

impl Room {
    /// Bytes from the start of the arena that buffers of these sizes and alignments end at.
    pub(crate) fn end(self, kept: impl IntoIterator<Item = (u32, u32)>) -> u64 {
        let end = kept.into_iter().fold(u64::from(self.first), |at, (bytes, align)| {
            at.next_multiple_of(u64::from(align.max(1))) + u64::from(bytes)
        });
        end.next_multiple_of(ALIGN)
    }
}

/// Plans a problem of which the buffers at the positions `kept` stay in use before the first step and
/// behind the last one: they lie at the start of the arena, one after the other, and all others behind
/// the room of those that are kept, also for other problems.
///
/// # Errors
/// The arena would be too large.
pub(crate) fn plan_around(
    problem: &Problem,
    kept: &[usize],
    room: Room,
    limits: &Options,
) -> Result<Plan, PlanError> {
    let others: Vec<usize> = (0..problem.buffers.len()).filter(|i| !kept.contains(i)).collect();
    let plan = plan_with(&problem.part(&others), limits)?;
    let sizes = kept.iter().map(|&i| (problem.buffers[i].size, problem.buffers[i].align));
    let base = room.end(sizes).max(room.bytes.into()).next_multiple_of(ALIGN);
    let above = |bytes: u32| fits(base + u64::from(bytes));
    let mut offsets = vec![0; problem.buffers.len()];
    let mut at = u64::from(room.first);
    for &i in kept {
        let buffer = &problem.buffers[i];
        at = at.next_multiple_of(u64::from(buffer.align.max(1)));
        offsets[i] = fits(at)?;
        at += u64::from(buffer.size);
    }
    for (&i, &offset) in others.iter().zip(&plan.offsets) {
        offsets[i] = above(offset)?;
    }
    Ok(Plan {
        offsets,
        arena_bytes: above(plan.arena_bytes)?,
        lower_bound: above(plan.lower_bound)?,
        proven_bound: above(plan.proven_bound)?,
        proven_optimal: plan.proven_optimal,
    })
}

fn fits(bytes: u64) -> Result<u32, PlanError> {
    u32::try_from(bytes).map_err(|_| PlanError::TooLarge(bytes))
}
