//! Scheduling: the order of tasks that needs the least memory at once.
//!
//! Like the planner it knows nothing of operations or kernels. A caller describes tasks, what they need
//! and touch, as a `Graph`; `order` answers with an `Order`, and `check` proves it from the
//! graph alone. `repeated` goes below it by computing cheap results twice.
//!
//! Invariant: an order passes `check`, its peak is never above that of the order of the numbers,
//! and equal graphs give equal orders, whatever the speed of the machine.

mod beam;
mod bits;
mod bound;
#[cfg(test)]
mod check;
mod downsets;
mod graph;
mod remat;
mod state;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use check::{Wrong, check};
pub(crate) use graph::{Graph, Task, TaskId, Tensor, TensorId};
pub(crate) use remat::Variant;

use state::Space;

/// Limits of the search.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::{front, schedule};
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<64xf32> {
///   %0 = stablehlo.broadcast_in_dim %x, dims = [0] : (tensor<4xf32>) -> tensor<4x16xf32>
///   %1 = stablehlo.sine %0 : tensor<4x16xf32>
///   %2 = stablehlo.reshape %1 : (tensor<4x16xf32>) -> tensor<64xf32>
///   return %2 : tensor<64xf32>
/// }";
/// let (_, module) = front::parse("wide.mlir", text)?;
/// // No order is looked for.
/// let schedule = schedule::Options { tries: 0, tasks: 0 };
/// let options = CompileOptions { schedule, ..CompileOptions::default() };
/// let report = compile(&module, &options)?.report;
/// assert_eq!((report.schedule.tries, report.schedule.reordered), (0, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Tasks that the searches try, each as the next one of a set that has run; some 300 nanoseconds
    /// each. Counted rather than timed so that a slow machine gives the same order.
    pub tries: u64,
    /// Tasks between branches beyond which their order is left as it is.
    pub tasks: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { tries: 60_000, tasks: 1_000 }
    }
}

/// An order of the tasks of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The tasks.
    pub tasks: Vec<TaskId>,
    /// Most bytes that are alive at once.
    pub peak: u64,
    /// Bytes below which no order comes, or which the caller does not mind.
    pub lower_bound: u64,
    /// Tasks that were tried.
    pub tries: u64,
}

impl Order {
    /// Whether no order has a lower peak, or none that matters.
    pub(crate) fn proven_optimal(&self) -> bool {
        self.peak <= self.lower_bound
    }

    /// Looks for better orders, at first fast and then more thoroughly.
    fn improve(&mut self, space: &Space<'_>, bound: u64, limit: &mut u64) {
        for width in [1, 8, 64, 512, 4096] {
            while self.peak > bound {
                match beam::search(space, self.peak, width, limit) {
                    beam::Found::Better(order) => self.take(space.graph, order),
                    beam::Found::None => {
                        self.lower_bound = self.peak;
                        return;
                    }
                    beam::Found::Unknown => break,
                }
            }
        }
    }

    fn take(&mut self, graph: &Graph, better: Vec<TaskId>) {
        self.peak = graph.peak(&better).0;
        self.tasks = better;
    }
}

/// The order of the least peak, as far as the limits suffice to find it. Peaks up to `floor` are all
/// the same; the order of the numbers is kept if none is better.
pub(crate) fn order(graph: &Graph, floor: u64, options: &Options) -> Order {
    let given = graph.given();
    let (peak, _) = graph.peak(&given);
    let mut found = Order { tasks: given, peak, lower_bound: floor, tries: 0 };
    if peak <= floor || graph.tasks.len() > options.tasks {
        return found;
    }
    let bound = bound::lower_bound(graph).max(floor);
    found.lower_bound = bound;
    if peak <= bound {
        return found;
    }
    let space = Space::new(graph, bound);
    let mut limit = options.tries;
    found.improve(&space, bound, &mut limit);
    if !found.proven_optimal() {
        // What lies below a good order is less to look at.
        let mut rest = limit.max(options.tries / 4);
        match downsets::search(&space, found.peak, &mut rest) {
            downsets::Found::Least(order, least) => {
                found.lower_bound = least;
                found.take(graph, order);
            }
            downsets::Found::None => found.lower_bound = found.peak,
            downsets::Found::AtLeast(least) => found.lower_bound = least,
        }
        limit = limit.min(rest);
    }
    found.tries = options.tries - limit;
    found
}

/// The least lower bound of a graph that costs little time: bytes that no order can do without.
pub(crate) fn lower_bound(graph: &Graph, options: &Options) -> u64 {
    if graph.tasks.len() > options.tasks { graph.base } else { bound::lower_bound(graph) }
}

/// The tasks in an order, with cheap ones repeated where that lowers the peak, and in a better order
/// if that exists then. `None` if the peak stays. Peaks up to `floor` are all the same.
pub(crate) fn repeated(
    graph: &Graph,
    tasks: &[TaskId],
    floor: u64,
    options: &Options,
) -> Option<(Variant, Order)> {
    if graph.tasks.len() > options.tasks {
        return None;
    }
    let variant = remat::rematerialise(graph, tasks, floor)?;
    let better = order(&variant.graph, floor, options);
    Some((variant.reordered(&better.tasks), better))
}
