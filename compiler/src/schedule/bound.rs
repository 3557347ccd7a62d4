//! Bytes that no order can do without.

use crate::ir::EntityId;

use super::bits::Bits;
use super::graph::{Graph, Task, TaskId, Tensor, saved};

/// The most that is alive during some task in every order: what it touches, and what something
/// before it has touched in every order and something after it needs. During the first task all is
/// alive that was before, and during the last all that is after.
pub(super) fn lower_bound(graph: &Graph) -> u64 {
    let n = graph.tasks.len();
    let mut before: Vec<Bits> = Vec::with_capacity(n);
    for (id, task) in graph.tasks.iter() {
        let mut set = Bits::new(n);
        set.insert(id.index());
        task.needs.iter().for_each(|need| set.extend(&before[need.index()]));
        before.push(set);
    }
    let mut after: Vec<Bits> = vec![Bits::new(n); n];
    for (id, task) in graph.tasks.iter().rev() {
        after[id.index()].insert(id.index());
        let set = after[id.index()].clone();
        task.needs.iter().for_each(|need| after[need.index()].extend(&set));
    }
    // Whether each tensor has been touched, and is needed yet, when each task runs.
    let mut alive = vec![graph.base; n];
    let touchers = graph.touchers();
    for (id, tensor) in graph.tensors.iter() {
        let (mut born, mut needed) = (Bits::new(n), Bits::new(n));
        for toucher in &touchers[id.index()] {
            born.extend(&after[toucher.index()]);
            needed.extend(&before[toucher.index()]);
        }
        for (task, alive) in alive.iter_mut().enumerate() {
            let surely =
                (tensor.before || born.contains(task)) && (tensor.after || needed.contains(task));
            *alive += if surely { tensor.bytes } else { 0 };
        }
    }
    let least = |id: TaskId, task: &Task| alive[id.index()] - saved_at_most(graph, task);
    let most = graph.tasks.iter().map(|(id, task)| least(id, task)).max();
    let ends: [fn(&Tensor) -> bool; 2] = [|t| t.before, |t| t.after];
    let ends = ends.map(|alive| {
        let tensors = graph.tensors.values().filter(|t| alive(t));
        graph.base + tensors.map(|t| t.bytes).sum::<u64>()
    });
    let [first, last] = if n == 0 { [0, 0] } else { ends };
    most.unwrap_or(0).max(graph.base).max(first).max(last)
}

/// Bytes that a task's results share with operands in the best of cases.
fn saved_at_most(graph: &Graph, task: &Task) -> u64 {
    saved(graph, task, |tensor| {
        let t = &graph.tensors[tensor];
        (!t.before, !t.after)
    })
}
