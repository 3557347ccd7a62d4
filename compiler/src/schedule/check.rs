//! An independent proof that an order is possible and needs the memory that it is said to need.

use std::collections::HashMap;

use crate::ir::EntityId;

use super::graph::{Graph, TaskId, TensorId};

/// What is wrong with an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A task is missing, or runs twice.
    #[error("task {0} runs {1} times")]
    Runs(TaskId, usize),
    /// A task runs before one that it needs.
    #[error("task {0} runs before {1}, which it needs")]
    Early(TaskId, TaskId),
    /// More is alive than was said.
    #[error("{alive} bytes are alive during task {task}, not at most {said}")]
    Peak {
        /// The task.
        task: TaskId,
        /// Bytes alive while it runs.
        alive: u64,
        /// Bytes that were said to suffice.
        said: u64,
    },
}

/// Checks an order of all tasks, and that at most `said` bytes are alive at once.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(graph: &Graph, order: &[TaskId], said: u64) -> Result<(), Wrong> {
    let mut runs: HashMap<TaskId, Vec<usize>> = HashMap::new();
    for (at, &task) in order.iter().enumerate() {
        runs.entry(task).or_default().push(at);
    }
    for id in graph.tasks.ids() {
        let times = runs.get(&id).map_or(0, Vec::len);
        if times != 1 {
            return Err(Wrong::Runs(id, times));
        }
    }
    if let Some((&foreign, at)) = runs.iter().find(|(id, _)| graph.tasks.get(**id).is_none()) {
        return Err(Wrong::Runs(foreign, at.len()));
    }
    for (id, task) in graph.tasks.iter() {
        for &need in &task.needs {
            if runs[&need][0] >= runs[&id][0] {
                return Err(Wrong::Early(id, need));
            }
        }
    }
    for (&task, alive) in order.iter().zip(alive(graph, order)) {
        if alive > said {
            return Err(Wrong::Peak { task, alive, said });
        }
    }
    Ok(())
}

/// Bytes alive during each task of an order.
pub(super) fn alive(graph: &Graph, order: &[TaskId]) -> Vec<u64> {
    let lives: Vec<(usize, usize)> = graph.tensors.ids().map(|id| life(graph, order, id)).collect();
    (0..order.len()).map(|at| alive_at(graph, order, &lives, at)).collect()
}

/// First position in the order at which a tensor is alive, and one past the last.
fn life(graph: &Graph, order: &[TaskId], id: TensorId) -> (usize, usize) {
    let touches = |task: &TaskId| graph.tasks[*task].touches.contains(&id);
    let (first, last) = (order.iter().position(touches), order.iter().rposition(touches));
    let tensor = &graph.tensors[id];
    let lower = if tensor.before { Some(0) } else { first };
    let upper = if tensor.after { Some(order.len()) } else { last.map(|last| last + 1) };
    match (lower, upper) {
        (Some(lower), Some(upper)) => (lower, upper),
        // Alive before, and touched by nothing: it ends at once.
        _ => (0, 0),
    }
}

fn alive_at(graph: &Graph, order: &[TaskId], lives: &[(usize, usize)], at: usize) -> u64 {
    let life = |id: TensorId| lives[id.index()];
    let alive = graph.tensors.iter().filter(|(id, _)| (life(*id).0..life(*id).1).contains(&at));
    let mut bytes = graph.base + alive.map(|(_, tensor)| tensor.bytes).sum::<u64>();
    let mut sharing: Vec<TensorId> = Vec::new();
    for &(result, operand) in &graph.tasks[order[at]].in_place {
        let met = life(result).0 == at && life(operand).1 == at + 1;
        let outside = graph.tensors[result].before || graph.tensors[operand].after;
        if met && !outside && !sharing.contains(&result) && !sharing.contains(&operand) {
            sharing.extend([result, operand]);
            bytes -= graph.tensors[result].bytes;
        }
    }
    bytes
}
