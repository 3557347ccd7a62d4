//! Static memory planning: every buffer gets a fixed offset in one arena before the program runs.
//!
//! The planner knows nothing of operations or kernels. A caller describes sizes, alignments and
//! lifetimes as a [`Problem`], [`plan`] answers with a [`Plan`], and [`check()`] re-proves any
//! plan from the problem alone; [`fit`] answers whether a capacity suffices. Values that always share
//! storage (copies, reshapes) are one buffer to the planner: the caller merges them first. A result
//! that may lie over an operand, whole or in part, is an [`Overlap`].
//!
//! Invariant: a [`Plan`] returned by [`plan`] passes [`check()`] for the same problem, and equal
//! problems give equal plans, whatever the speed of the machine.

mod bound;
mod check;
mod exact;
mod greedy;
mod kept;
mod problem;
mod shapes;
mod solve;

#[cfg(test)]
mod overlap_tests;
#[cfg(test)]
mod tests;

pub use check::{Violation, check};
#[doc(hidden)]
pub use kept::Room;
pub(crate) use kept::plan_around;
pub use problem::{Buffer, CsvError, Distance, LiveSet, Overlap, Problem};
pub use solve::{Fit, Options, Plan, PlanError, fit, plan, plan_with};
pub(crate) use solve::{sketch, sketch_backwards};
