//! Chains: runs of steps that are executed row by row, so that of a value between two of them only
//! the rows exist that are still needed.
//!
//! A program is cut into blocks: single steps, and chains of some steps with some number of rows at a
//! time. Its memory is that of the block that needs most, its cost the sum over all blocks. For a
//! bound on the memory, the cheapest cut is a shortest path over the positions between steps; all
//! bounds that make a difference, from the most to the least, give the Pareto front.

mod block;
mod cost;
mod kernel;
mod windows;

use block::Block;
pub use block::{MAX_STAGES, Model, Needs};
pub(crate) use cost::Costs;

/// Rows at a time that chains are tried with.
const STRIPS: [u32; 5] = [1, 2, 4, 8, 16];

/// Steps that run as one block.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The first step.
    pub first: usize,
    /// The one after the last.
    pub end: usize,
    /// What the steps need.
    pub needs: Needs,
}

impl Cut {
    /// Whether the steps are a chain.
    pub fn is_chain(&self) -> bool {
        !self.needs.strips.is_empty()
    }
}

/// A way to execute a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Blocks in order, of all steps.
    pub cuts: Vec<Cut>,
}

impl Plan {
    /// Bytes that are used at once at most.
    pub fn bytes(&self) -> u64 {
        self.cuts.iter().map(|cut| cut.needs.bytes()).max().unwrap_or(0)
    }

    /// Bytes of values that are alive at once at most.
    pub fn activations(&self) -> u64 {
        self.cuts.iter().map(|cut| cut.needs.activations).max().unwrap_or(0)
    }

    /// Instructions, about.
    pub fn cost(&self) -> f64 {
        self.cuts.iter().map(|cut| cut.needs.cost).sum()
    }
}

/// All blocks that a program can be cut into.
pub struct Cuts {
    steps: usize,
    /// By the step after their last one.
    cuts: Vec<Vec<Cut>>,
}

impl Cuts {
    /// The blocks of a program.
    pub fn new(model: &Model<'_>) -> Cuts {
        let mut cuts = vec![Vec::new(); model.len() + 1];
        let mut most = 0;
        for first in 0..model.len() {
            let cut = single(model, first);
            most = most.max(cut.needs.bytes());
            if first > 0 || !model.is_streamed() {
                cuts[first + 1].push(cut);
            }
        }
        for first in 0..model.len() {
            let shortest = if first == 0 && model.is_streamed() { 1 } else { 2 };
            for end in first + shortest..=model.len() {
                let Some(block) = Block::new(model, first, end) else {
                    if model.kernels[end - 1].is_none() { break } else { continue }
                };
                if block.outside >= most {
                    continue;
                }
                let mut last: Option<Vec<u32>> = None;
                for rows in STRIPS {
                    let strips = block.strips(model, rows);
                    if last.as_ref() == Some(&strips) {
                        continue;
                    }
                    last = Some(strips.clone());
                    let needs = block.needs(model, strips);
                    if needs.bytes() >= most {
                        break;
                    }
                    cuts[end].push(Cut { first, end, needs });
                }
            }
        }
        Cuts { steps: model.len(), cuts }
    }

    /// The cheapest way that uses at most `limit` bytes at once, if there is one.
    pub fn cheapest(&self, limit: u64) -> Option<Plan> {
        let mut best: Vec<Option<(f64, &Cut)>> = vec![None; self.steps + 1];
        for (end, cuts) in self.cuts.iter().enumerate() {
            for cut in cuts.iter().filter(|cut| cut.needs.bytes() <= limit) {
                let before = match (cut.first, best[cut.first]) {
                    (0, _) => 0.0,
                    (_, Some((cost, _))) => cost,
                    (_, None) => continue,
                };
                let cost = before + cut.needs.cost;
                if best[end].is_none_or(|(least, _)| cost < least) {
                    best[end] = Some((cost, cut));
                }
            }
        }
        let mut plan = Plan { cuts: Vec::new() };
        let mut end = self.steps;
        while end > 0 {
            let (_, cut) = best[end]?;
            plan.cuts.push(cut.clone());
            end = cut.first;
        }
        plan.cuts.reverse();
        Some(plan)
    }

    /// The ways of which no other is both smaller and cheaper, the cheapest first.
    pub fn front(&self) -> Vec<Plan> {
        let mut front: Vec<Plan> = Vec::new();
        let mut limit = u64::MAX;
        while let Some(plan) = self.cheapest(limit) {
            limit = plan.bytes().saturating_sub(1);
            if front.last().is_some_and(|last| last.cost() >= plan.cost()) {
                front.pop();
            }
            front.push(plan);
            if limit == 0 {
                break;
            }
        }
        front
    }
}

/// A step by itself.
fn single(model: &Model<'_>, step: usize) -> Cut {
    let alive = model.alive(step, step + 1).map(|(buffer, ..)| buffer);
    let program = model.program;
    let activations = alive.map(|buffer| u64::from(program.buffers[buffer].bytes)).sum::<u64>();
    let needs = Needs {
        strips: Vec::new(),
        capacities: Vec::new(),
        activations: activations - model.saved_in_place(step),
        scratch: u64::from(model.scratch[step]),
        cost: Costs::new(model.target).kernel(&program.steps[step].kernel),
    };
    Cut { first: step, end: step + 1, needs }
}
