//! Static memory planning: every buffer gets a fixed offset in one arena before the program runs.
//!
//! The planner knows nothing of operations or kernels. A caller describes sizes, alignments and
//! lifetimes as a [`Problem`], [`plan`] answers with a [`Plan`], and [`check()`] re-proves any
//! plan from the problem alone; [`fit`] answers whether a capacity suffices. Values that share storage (in-place results, reshapes) are one
//! buffer to the planner: the caller merges them first.
//!
//! Invariant: a [`Plan`] returned by [`plan`] passes [`check()`] for the same problem, and equal
//! problems give equal plans, whatever the speed of the machine.

mod check;
mod exact;
mod greedy;
mod problem;
mod solve;

#[cfg(test)]
mod tests;

pub use check::{Violation, check};
pub use problem::{Buffer, CsvError, LiveSet, Problem};
pub use solve::{Fit, Options, Plan, PlanError, fit, plan, plan_with};
