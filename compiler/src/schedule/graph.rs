//! What is to be scheduled: tasks, the memory that they touch, and what an order needs.

use crate::ir::entity::entity;
use crate::ir::{Arena, EntityId};

entity! {
    /// A task of a graph.
    TaskId "t";
    /// A tensor of a graph.
    TensorId "m";
}

/// A piece of memory, which some task touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Size in bytes.
    pub bytes: u64,
    /// Whether it is alive before the first task.
    pub before: bool,
    /// Whether it is alive after the last task.
    pub after: bool,
}

/// One task. A tensor is alive from the first to the last task that touches it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Tasks that come first. Those of a graph are all numbered lower: the numbers are an order.
    pub needs: Vec<TaskId>,
    /// Memory that is alive while it runs, each tensor once.
    pub touches: Vec<TensorId>,
    /// Results that it computes in the memory of an operand, where the operand is needed by nothing
    /// later and the result by nothing before: result and operand, of one size.
    pub in_place: Vec<(TensorId, TensorId)>,
    /// The result, if computing it again elsewhere is a cheap way not to keep it.
    pub repeats: Option<TensorId>,
    /// Effort, in any unit.
    pub work: u64,
}

/// Tasks between which nothing else runs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The tasks, in an order that is possible.
    pub tasks: Arena<TaskId, Task>,
    /// Memory that the tasks touch.
    pub tensors: Arena<TensorId, Tensor>,
    /// Bytes that are alive all the time and that no task touches.
    pub base: u64,
}

impl Graph {
    /// The order of the numbers.
    pub fn given(&self) -> Vec<TaskId> {
        self.tasks.ids().collect()
    }

    /// The tasks that touch each tensor, ascending.
    pub(super) fn touchers(&self) -> Vec<Vec<TaskId>> {
        let mut touchers = vec![Vec::new(); self.tensors.len()];
        for (id, task) in self.tasks.iter() {
            for tensor in &task.touches {
                touchers[tensor.index()].push(id);
            }
        }
        touchers
    }

    /// Most bytes that are alive at once in an order, and the bytes alive during each of its tasks.
    pub fn peak(&self, order: &[TaskId]) -> (u64, Vec<u64>) {
        let mut walk = Walk::new(self);
        let alive: Vec<u64> = order.iter().map(|&task| walk.run(task)).collect();
        (alive.iter().copied().max().unwrap_or(0).max(self.base), alive)
    }
}

/// How far an order has come: what is alive, tensor by tensor.
struct Walk<'a> {
    graph: &'a Graph,
    /// Tasks that have yet to touch each tensor.
    left: Vec<u32>,
    born: Vec<bool>,
    alive: u64,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a Graph) -> Walk<'a> {
        let left = graph.touchers().iter().map(|tasks| tasks.len() as u32).collect();
        let born = graph.tensors.values().map(|t| t.before).collect();
        let alive = graph.tensors.values().filter(|t| t.before).map(|t| t.bytes).sum::<u64>();
        Walk { graph, left, born, alive: alive + graph.base }
    }

    /// Runs a task; returns the bytes alive during it.
    fn run(&mut self, task: TaskId) -> u64 {
        let task = &self.graph.tasks[task];
        let saved = saved(self.graph, task, |tensor| {
            let (t, at) = (&self.graph.tensors[tensor], tensor.index());
            (!self.born[at], self.left[at] == 1 && !t.after)
        });
        for &tensor in &task.touches {
            if !std::mem::replace(&mut self.born[tensor.index()], true) {
                self.alive += self.graph.tensors[tensor].bytes;
            }
            self.left[tensor.index()] -= 1;
        }
        let during = self.alive - saved;
        for &tensor in &task.touches {
            let t = &self.graph.tensors[tensor];
            if self.left[tensor.index()] == 0 && !t.after {
                self.alive -= t.bytes;
            }
        }
        during
    }
}

/// Bytes that results of a task share with operands, by what is known of a tensor: whether the task
/// is the first that touches it, and whether it is the last that needs it.
pub(super) fn saved(graph: &Graph, task: &Task, ends: impl Fn(TensorId) -> (bool, bool)) -> u64 {
    let mut taken: Vec<TensorId> = Vec::new();
    let mut bytes = 0;
    for &(result, operand) in &task.in_place {
        let free = !taken.contains(&result) && !taken.contains(&operand);
        if free && ends(result).0 && ends(operand).1 {
            taken.extend([result, operand]);
            bytes += graph.tensors[result].bytes;
        }
    }
    bytes
}
