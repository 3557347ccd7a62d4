//! How far an order has come: a downset of tasks, which decides what is alive.

use crate::ir::EntityId;

use super::bits::Bits;
use super::graph::{Graph, TaskId, TensorId, saved};

/// A graph with what the searches look up in it.
pub(super) struct Space<'a> {
    pub(super) graph: &'a Graph,
    touchers: Vec<Vec<TaskId>>,
    /// Tasks that need each task.
    followers: Vec<Vec<TaskId>>,
    /// Bytes below which the peak does not matter.
    floor: u64,
}

/// Tasks that have run, and what follows from that.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) done: Bits,
    /// Tasks that may run, ascending.
    ready: Vec<TaskId>,
    /// Bytes alive.
    alive: u64,
}

/// What it is to run a task next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) task: TaskId,
    /// Bytes alive during the task, at least the floor.
    pub(super) during: u64,
    /// Bytes alive after it.
    pub(super) after: u64,
}

impl<'a> Space<'a> {
    pub(super) fn new(graph: &'a Graph, floor: u64) -> Space<'a> {
        let mut followers = vec![Vec::new(); graph.tasks.len()];
        for (id, task) in graph.tasks.iter() {
            task.needs.iter().for_each(|need| followers[need.index()].push(id));
        }
        Space { graph, touchers: graph.touchers(), followers, floor }
    }

    pub(super) fn start(&self) -> State {
        let graph = self.graph;
        let alive = graph.tensors.values().filter(|t| t.before).map(|t| t.bytes).sum::<u64>();
        let free = graph.tasks.iter().filter(|(_, task)| task.needs.is_empty());
        State {
            done: Bits::new(graph.tasks.len()),
            ready: free.map(|(id, _)| id).collect(),
            alive: alive + graph.base,
        }
    }

    /// The tasks worth running next where the peak has been `peak`.
    ///
    /// One that raises no peak and leaves no more alive than there was may as well run at once: the
    /// later it runs, the more it frees and the less it adds, so whatever runs before it would find
    /// no less alive.
    pub(super) fn moves(&self, state: &State, peak: u64) -> Vec<Move> {
        let mut moves = Vec::with_capacity(state.ready.len());
        for &task in &state.ready {
            let (during, after) = self.run(&state.done, state.alive, task);
            let step = Move { task, during: during.max(self.floor), after };
            if during <= peak.max(self.floor) && after <= state.alive {
                return vec![step];
            }
            moves.push(step);
        }
        moves
    }

    /// Bytes alive during and after a task.
    fn run(&self, done: &Bits, alive: u64, id: TaskId) -> (u64, u64) {
        let task = &self.graph.tasks[id];
        let (mut born, mut dead) = (0, 0);
        for &tensor in &task.touches {
            let bytes = self.graph.tensors[tensor].bytes;
            let (first, last) = self.ends(done, id, tensor);
            born += if first { bytes } else { 0 };
            dead += if last { bytes } else { 0 };
        }
        let saved = match task.in_place.is_empty() {
            true => 0,
            false => saved(self.graph, task, |tensor| self.ends(done, id, tensor)),
        };
        let during = alive + born;
        (during - saved, during - dead)
    }

    /// Whether a task is the first that touches a tensor, and whether it is the last that needs it.
    fn ends(&self, done: &Bits, id: TaskId, tensor: TensorId) -> (bool, bool) {
        let t = &self.graph.tensors[tensor];
        let (mut first, mut last) = (!t.before, !t.after);
        for &toucher in &self.touchers[tensor.index()] {
            let done = done.contains(toucher.index());
            first &= !done;
            last &= done || toucher == id;
        }
        (first, last)
    }

    /// The state after a move.
    pub(super) fn next(&self, state: &State, step: &Move) -> State {
        let mut done = state.done.clone();
        done.insert(step.task.index());
        let waiting = state.ready.iter().copied().filter(|&task| task != step.task);
        let enabled = self.followers[step.task.index()].iter().copied().filter(|follower| {
            let needs = &self.graph.tasks[*follower].needs;
            needs.iter().all(|need| done.contains(need.index()))
        });
        let mut ready: Vec<TaskId> = waiting.chain(enabled).collect();
        ready.sort_unstable();
        State { done, ready, alive: step.after }
    }
}
