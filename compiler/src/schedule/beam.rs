//! Scheduling where there are too many downsets: the most promising ones of every size.

use std::collections::HashSet;

use super::bits::Bits;
use super::graph::TaskId;
use super::state::{Move, Space, State};
use crate::ir::EntityId;

/// One task more than a downset of the level before.
struct Step {
    before: u32,
    step: Move,
}

/// What a search came to.
pub(super) enum Found {
    /// An order with a peak below the bound.
    Better(Vec<TaskId>),
    /// There is none: no downset was left out.
    None,
    /// None was found.
    Unknown,
}

/// Searches for an order with a peak below `bound`: task by task, the `width` downsets that leave least
/// alive are followed. How high the peak has been does not matter as long as it is below the bound.
/// At most `limit` tasks are tried, which is reduced by what was used.
pub(super) fn search(space: &Space<'_>, bound: u64, width: usize, limit: &mut u64) -> Found {
    let mut level = vec![space.start()];
    let mut history: Vec<Vec<(u32, TaskId)>> = Vec::new();
    let mut complete = true;
    for _ in 0..space.graph.tasks.len() {
        let Some(mut next) = extended(space, &level, bound, limit) else { return Found::Unknown };
        if next.len() > width {
            next.sort_by_key(|step| step.step.after);
            next.truncate(width);
            complete = false;
        }
        history.push(next.iter().map(|step| (step.before, step.step.task)).collect());
        level = next.iter().map(|s| space.next(&level[s.before as usize], &s.step)).collect();
    }
    if level.is_empty() {
        return if complete { Found::None } else { Found::Unknown };
    }
    let mut order = Vec::with_capacity(history.len());
    let mut at = 0;
    for level in history.iter().rev() {
        let (before, task) = level[at as usize];
        order.push(task);
        at = before;
    }
    order.reverse();
    Found::Better(order)
}

/// Every downset that is one task larger than one of the level; `None` beyond the limit.
fn extended(space: &Space<'_>, level: &[State], bound: u64, limit: &mut u64) -> Option<Vec<Step>> {
    let mut next: Vec<Step> = Vec::new();
    let mut known: HashSet<Bits> = HashSet::new();
    for (before, state) in level.iter().enumerate() {
        let moves = space.moves(state, bound.saturating_sub(1));
        *limit = limit.checked_sub(moves.len() as u64)?;
        for step in moves.into_iter().filter(|step| step.during < bound) {
            let mut done = state.done.clone();
            done.insert(step.task.index());
            if known.insert(done) {
                next.push(Step { before: before as u32, step });
            }
        }
    }
    Some(next)
}
