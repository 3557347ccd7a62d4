//! Rematerialisation: results that are cheap to compute again are not kept over the peak.

use crate::ir::EntityId;

use super::graph::{Graph, Task, TaskId, Tensor, TensorId};

/// A graph whose tasks are numbered in the order in which they run, some of them repeated.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The tasks and tensors. Tensors that are added come after those of the first graph.
    pub graph: Graph,
    /// The task of the first graph that each task is.
    pub origin: Vec<TaskId>,
    /// Tensors of the first graph in whose place each task touches others.
    pub renamed: Vec<Vec<(TensorId, TensorId)>>,
    /// The tensor of the first graph that each added one repeats.
    pub added: Vec<TensorId>,
}

impl Variant {
    /// The tasks of a graph in an order, each once.
    pub fn new(graph: &Graph, order: &[TaskId]) -> Variant {
        let base = Variant {
            graph: graph.clone(),
            origin: graph.given(),
            renamed: vec![Vec::new(); graph.tasks.len()],
            added: Vec::new(),
        };
        base.reordered(order)
    }

    /// The same with its tasks in another order.
    pub fn reordered(&self, order: &[TaskId]) -> Variant {
        let mut position = vec![TaskId::new(0); order.len()];
        for (at, task) in order.iter().enumerate() {
            position[task.index()] = TaskId::new(at);
        }
        let mut graph = Graph { tensors: self.graph.tensors.clone(), ..Graph::default() };
        graph.base = self.graph.base;
        for &id in order {
            let mut task = self.graph.tasks[id].clone();
            task.needs.iter_mut().for_each(|need| *need = position[need.index()]);
            graph.tasks.push(task);
        }
        Variant {
            graph,
            origin: order.iter().map(|task| self.origin[task.index()]).collect(),
            renamed: order.iter().map(|task| self.renamed[task.index()].clone()).collect(),
            added: self.added.clone(),
        }
    }

    /// Effort of the tasks that the first graph does not have.
    fn added_work(&self, first: &Graph) -> u64 {
        let work = |graph: &Graph| graph.tasks.values().map(|task| task.work).sum::<u64>();
        work(&self.graph).saturating_sub(work(first))
    }

    /// Tensors that are alive during a task that does not touch them, and whose maker could be
    /// repeated after it.
    fn candidates(&self, at: TaskId) -> Vec<(TensorId, TaskId)> {
        let makers = self.graph.tasks.iter().take(at.index());
        let made = makers.filter_map(|(id, task)| Some((task.repeats?, id)));
        let kept = |(tensor, _): &(TensorId, TaskId)| {
            let later = |task: &Task| task.touches.contains(tensor);
            !self.graph.tensors[*tensor].after
                && !later(&self.graph.tasks[at])
                && self.graph.tasks.values().skip(at.index() + 1).any(later)
        };
        made.filter(kept).collect()
    }

    /// Makes a tensor again for those who touch it after `at`.
    fn repeated(&self, tensor: TensorId, maker: TaskId, at: TaskId) -> Variant {
        let mut all = self.clone();
        let mut again = self.graph.tasks[maker].clone();
        let kept: Vec<TensorId> = again.touches.clone();
        // Scratch is not kept between the two.
        let touchers = self.graph.touchers();
        let scratch = |t: &TensorId| {
            let (alone, t) = (touchers[t.index()].len() == 1, &self.graph.tensors[*t]);
            alone && !t.before && !t.after
        };
        let scratch = kept.iter().copied().filter(scratch);
        let mut names: Vec<(TensorId, TensorId)> = Vec::new();
        for old in scratch.chain([tensor]).collect::<Vec<_>>() {
            names.push((old, all.add(old)));
        }
        again.rename(&names);
        let result = names.last().copied();
        let clone = all.graph.tasks.push(again);
        all.origin.push(self.origin[maker.index()]);
        all.renamed.push(self.renamed[maker.index()].clone());
        all.note(clone, &names);
        let mut first = None;
        for id in self.graph.tasks.ids().skip(at.index() + 1) {
            let task = &mut all.graph.tasks[id];
            if !task.touches.contains(&tensor) {
                continue;
            }
            first.get_or_insert(id);
            let other = |touched: &TensorId| *touched != tensor && kept.contains(touched);
            if !task.touches.iter().any(other) {
                task.needs.retain(|need| *need != maker);
            }
            task.needs.push(clone);
            task.rename(result.as_slice());
            all.note(id, result.as_slice());
        }
        let mut order = self.graph.given();
        order.insert(first.map_or(order.len(), TaskId::index), clone);
        all.reordered(&order)
    }

    /// One more tensor like another.
    fn add(&mut self, like: TensorId) -> TensorId {
        let original = self.original(like);
        self.added.push(original);
        let tensor = Tensor { before: false, after: false, ..self.graph.tensors[like].clone() };
        self.graph.tensors.push(tensor)
    }

    /// The tensor of the first graph that a tensor is or repeats.
    pub fn original(&self, tensor: TensorId) -> TensorId {
        let first = self.graph.tensors.len() - self.added.len();
        match tensor.index().checked_sub(first) {
            Some(added) => self.added[added],
            None => tensor,
        }
    }

    /// Notes that a task touches other tensors than it did.
    fn note(&mut self, task: TaskId, names: &[(TensorId, TensorId)]) {
        for &(from, to) in names {
            let original = self.original(from);
            let renamed = &mut self.renamed[task.index()];
            renamed.retain(|(first, _)| *first != original);
            renamed.push((original, to));
        }
    }
}

impl Task {
    fn rename(&mut self, names: &[(TensorId, TensorId)]) {
        let new = |t: &mut TensorId| {
            if let Some((_, to)) = names.iter().find(|(from, _)| from == t) {
                *t = *to;
            }
        };
        self.touches.iter_mut().for_each(new);
        self.in_place.iter_mut().for_each(|(a, b)| [a, b].into_iter().for_each(new));
        self.repeats.iter_mut().for_each(new);
    }
}

/// Repeats tasks until the peak of an order is at most `floor` or nothing lowers it any more. The
/// repeated tasks take at most a twentieth of the effort of all. `None` if the peak stays.
pub(super) fn rematerialise(graph: &Graph, order: &[TaskId], floor: u64) -> Option<Variant> {
    let total: u64 = graph.tasks.values().map(|task| task.work).sum();
    let mut now = Variant::new(graph, order);
    let mut least = graph.peak(order).0;
    let mut height = height(&now);
    let mut best = None;
    while height.0 > floor {
        let (_, alive) = now.graph.peak(&now.graph.given());
        let Some(at) = alive.iter().position(|&bytes| bytes == height.0).map(TaskId::new) else {
            break;
        };
        let variants = now.candidates(at).into_iter().map(|(t, maker)| now.repeated(t, maker, at));
        let allowed = variants.filter(|v| v.added_work(graph) <= total / 20);
        let better = allowed.map(|v| (self::height(&v), v)).min_by_key(|(height, _)| *height);
        let Some((lower, variant)) = better.filter(|(lower, _)| *lower < height) else { break };
        if lower.0 < least {
            best = Some(variant.clone());
            least = lower.0;
        }
        (height, now) = (lower, variant);
    }
    best
}

/// The peak of a variant, and how many tasks have it.
fn height(variant: &Variant) -> (u64, usize) {
    let (peak, alive) = variant.graph.peak(&variant.graph.given());
    (peak, alive.iter().filter(|&&bytes| bytes == peak).count())
}
