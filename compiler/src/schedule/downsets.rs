//! Exact scheduling: dynamic programming over downsets, the sets of tasks that may have run.
//!
//! What is alive depends on which tasks have run and not on their order, so an order is a path
//! through downsets, and the least peak a shortest path with the maximum in place of the sum. Paths
//! are extended where the peak is least, and where they are, farthest: what has been reached first has
//! been reached best, and nothing above the least peak is ever looked at.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::bits::Bits;
use super::graph::TaskId;
use super::state::{Move, Space, State};
use crate::ir::EntityId;

/// What a search came to.
pub(super) enum Found {
    /// The order of the least peak, and that peak.
    Least(Vec<TaskId>, u64),
    /// There is none below the bound.
    None,
    /// The limit did not suffice; no peak is below this.
    AtLeast(u64),
}

/// A downset with the best known way to it.
struct Reached {
    /// From when it is extended on.
    state: Option<State>,
    peak: u64,
    /// The last task, and the downset without it; the start has none.
    last: Option<(Move, u32)>,
    tasks: u32,
}

/// Searches for the order of the least peak below `bound`, by trying at most `limit` tasks as the next
/// one of a downset. `limit` is reduced by what was used.
pub(super) fn search(space: &Space<'_>, bound: u64, limit: &mut u64) -> Found {
    let n = space.graph.tasks.len() as u32;
    let mut known: HashMap<Bits, u32> = HashMap::new();
    let mut reached = vec![Reached { state: Some(space.start()), peak: 0, last: None, tasks: 0 }];
    let mut heap = BinaryHeap::from([(Reverse(0), 0, Reverse(0))]);
    while let Some((Reverse(peak), tasks, Reverse(at))) = heap.pop() {
        if reached[at as usize].peak != peak {
            continue;
        }
        if tasks == n {
            return Found::Least(path(&reached, at), peak);
        }
        let (state, moves) = extended(space, &mut reached, at);
        if *limit < moves.len() as u64 {
            return Found::AtLeast(peak);
        }
        *limit -= moves.len() as u64;
        for step in moves {
            let peak = peak.max(step.during);
            if peak >= bound {
                continue;
            }
            let mut done = state.done.clone();
            done.insert(step.task.index());
            let to = *known.entry(done).or_insert(reached.len() as u32);
            let way = Reached { state: None, peak, last: Some((step, at)), tasks: tasks + 1 };
            match reached.get_mut(to as usize) {
                None => reached.push(way),
                Some(old) if old.peak > peak => *old = way,
                Some(_) => continue,
            }
            heap.push((Reverse(peak), tasks + 1, Reverse(to)));
        }
        reached[at as usize].state = Some(state);
    }
    Found::None
}

/// The state of a downset that is now extended, and the tasks worth trying.
fn extended(space: &Space<'_>, reached: &mut [Reached], at: u32) -> (State, Vec<Move>) {
    let state = reached[at as usize].state.take();
    let state = state.or_else(|| {
        let (step, before) = reached[at as usize].last.as_ref()?;
        let before = reached[*before as usize].state.as_ref()?;
        Some(space.next(before, step))
    });
    let state = state.unwrap_or_else(|| space.start());
    let moves = space.moves(&state, reached[at as usize].peak);
    (state, moves)
}

/// The tasks on the way to a downset.
fn path(reached: &[Reached], mut at: u32) -> Vec<TaskId> {
    let mut order = Vec::with_capacity(reached[at as usize].tasks as usize);
    while let Some((step, before)) = &reached[at as usize].last {
        order.push(step.task);
        at = *before;
    }
    order.reverse();
    order
}
