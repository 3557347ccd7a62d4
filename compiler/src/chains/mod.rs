//! Chains: runs of steps that are executed row by row, so that of a value between two of them only
//! the rows exist that are still needed.
//!
//! A program is cut into blocks: single steps, and chains of some steps with some number of rows at a
//! time. Its memory is that of the block that needs most, its cost the sum over all blocks. For a
//! bound on the memory, the cheapest cut is a shortest path over the positions between steps; all
//! bounds that make a difference, from the most to the least, give the Pareto front.

mod apply;
mod block;
mod choose;
mod cost;
mod held;
mod kernel;
mod recompute;
mod stripes;
mod trace;
mod windows;

pub(crate) use apply::apply;
use block::Block;
pub(crate) use block::{Model, Needs};
pub(crate) use choose::Choice;
pub use choose::{Options, Rows};
pub(crate) use choose::{choose, pareto};
pub(crate) use cost::Costs;
pub(crate) use stripes::Stripes;
pub(crate) use trace::Trace;

/// Most steps of a chain: longer ones seldom save anything that two do not.
const LONGEST: usize = 16;
/// How often the largest chains are looked at for stripes.
const ROUNDS: usize = 3;
/// Rows at a time that chains are tried with.
const STRIPS: [u32; 4] = [1, 2, 4, 8];

/// Steps that run as one block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cut {
    /// The first step.
    pub first: usize,
    /// The one after the last.
    pub end: usize,
    /// What the steps need.
    pub needs: Needs,
    /// The last of them that run in stripes of columns, if any do.
    pub stripes: Option<Stripes>,
    /// Multiply-accumulates that stripes compute again.
    pub again: u64,
}

impl Cut {
    /// Whether the steps are a chain.
    pub(crate) fn is_chain(&self) -> bool {
        !self.needs.strips.is_empty()
    }
}

/// A way to execute a program.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Blocks in order, of all steps.
    pub cuts: Vec<Cut>,
}

impl Plan {
    /// Bytes that are used at once at most.
    pub(crate) fn bytes(&self) -> u64 {
        self.cuts.iter().map(|cut| cut.needs.bytes()).max().unwrap_or(0)
    }

    /// Instructions, about.
    pub(crate) fn cost(&self) -> f64 {
        self.cuts.iter().map(|cut| cut.needs.cost).sum()
    }

    /// Multiply-accumulates that are computed again.
    pub(crate) fn again(&self) -> u64 {
        self.cuts.iter().map(|cut| cut.again).sum()
    }
}

/// All blocks that a program can be cut into.
pub(crate) struct Cuts {
    steps: usize,
    /// By the step after their last one.
    cuts: Vec<Vec<Cut>>,
    /// Most multiply-accumulates that are computed again.
    again: u64,
}

impl Cuts {
    /// The blocks of a program, of which at most `recompute` percent of the multiply-accumulates are computed
    /// again.
    pub(crate) fn new(model: &Model<'_>, recompute: u32) -> Cuts {
        let steps = model.steps();
        let mut cuts = vec![Vec::new(); steps + 1];
        // Stripes are looked for in the smallest program, where rows that wait take more than they seem to.
        let lates: &[bool] = if recompute > 0 { &[false] } else { &[false, true] };
        let mut most = 0;
        for first in 0..steps {
            let singles = single(model, first);
            most = singles.iter().map(|cut| cut.needs.bytes()).max().unwrap_or(0).max(most);
            if first > 0 || !model.is_streamed() {
                cuts[first + 1].extend(singles);
            }
        }
        for first in 0..steps {
            let shortest = if first == 0 && model.is_streamed() { 1 } else { 2 };
            let ends = cuts.iter_mut().enumerate().take(first + LONGEST + 1);
            for (end, cuts) in ends.skip(first + shortest) {
                match chains(model, first, end, most, lates) {
                    Some(chains) => cuts.extend(chains),
                    None => break,
                }
            }
        }
        let again = model.program.macs().saturating_mul(recompute.into()) / 100;
        let mut cuts = Cuts { steps, cuts, again };
        let mut tried = Vec::new();
        for _ in 0..if again > 0 { ROUNDS } else { 0 } {
            // Once the largest chain is smaller, another one may be the largest.
            let smallest = cuts.front().pop();
            let striped = smallest.map(|plan| recompute::striped(model, again, &plan, &mut tried));
            let Some(striped) = striped.filter(|striped| !striped.is_empty()) else { break };
            striped.into_iter().for_each(|cut| cuts.cuts[cut.end].push(cut));
        }
        cuts
    }

    /// The cheapest way found that uses at most `limit` bytes at once, if there is one.
    pub(crate) fn cheapest(&self, limit: u64) -> Option<Plan> {
        self.cheapest_of(limit, &|_| true)
    }

    /// The same of some blocks alone.
    fn cheapest_of(&self, limit: u64, may: &dyn Fn(&Cut) -> bool) -> Option<Plan> {
        // If all blocks together compute too much again, each may compute less.
        let shares = [1, 2, 3, 4, 8].map(|part| self.again / part).into_iter().chain([0]);
        let within = |again: u64| {
            move |cut: &Cut| cut.needs.bytes() <= limit && cut.again <= again && may(cut)
        };
        let mut plans = shares.filter_map(|again| self.shortest(&within(again)));
        plans.find(|plan| plan.again() <= self.again)
    }

    /// The cheapest way with blocks that are `fit`.
    fn shortest(&self, fit: &dyn Fn(&Cut) -> bool) -> Option<Plan> {
        let mut best: Vec<Option<(f64, &Cut)>> = vec![None; self.steps + 1];
        for (end, cuts) in self.cuts.iter().enumerate() {
            for cut in cuts.iter().filter(|cut| fit(cut)) {
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

    /// The ways of which no other is both smaller and cheaper, the cheapest first. As an arena may be larger than what
    /// is alive where rows wait, those among the ways without such rows, too.
    pub(crate) fn front(&self) -> Vec<Plan> {
        let mut front = self.front_of(&|_| true);
        let late = |cut: &Cut| cut.needs.are_late();
        if front.iter().any(|plan| plan.cuts.iter().any(late)) {
            front.extend(self.front_of(&|cut| !late(cut)));
            front.sort_by(|one, other| one.cost().total_cmp(&other.cost()));
            front.dedup();
        }
        front
    }

    /// The ways of which no other is both smaller and cheaper, of some blocks alone.
    fn front_of(&self, may: &dyn Fn(&Cut) -> bool) -> Vec<Plan> {
        let mut front: Vec<Plan> = Vec::new();
        let mut limit = u64::MAX;
        while let Some(plan) = self.cheapest_of(limit, may) {
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

/// A plan whose chains compute more rows at a time, as long as that is cheaper and no step uses more than
/// `limit` bytes.
pub(crate) fn widened(model: &Model<'_>, plan: &Plan, limit: u64) -> Plan {
    // A plan that computes results again is for the least memory, of which stages that grow one by one leave less
    // unused.
    let together = plan.again() == 0;
    let taller = |block: &Block, needs: &Needs| match together {
        true => even(model, block, needs, limit),
        false => needs.clone(),
    };
    let widen = |cut: &Cut| {
        let block = Block::new(model, cut.first, cut.end);
        let block = block.filter(|_| cut.is_chain() && cut.stripes.is_none());
        let needs = block.map(|block| widest(model, &block, taller(&block, &cut.needs), limit));
        Cut { needs: needs.unwrap_or_else(|| cut.needs.clone()), ..*cut }
    };
    Plan { cuts: plan.cuts.iter().map(widen).collect() }
}

/// By how many rows strips of all stages may grow together.
const TALLEST: usize = 16;

/// Tries that one chain is worth.
const TRIES: usize = 100;

/// Needs of a block with as many rows at a time for all its stages as fit. One stage alone may gain nothing
/// from more, as it waits for others.
fn even(model: &Model<'_>, block: &Block, needs: &Needs, limit: u64) -> Needs {
    let mut best = needs.clone();
    let least = best.strips.iter().min().copied().unwrap_or(1);
    for late in [false, true] {
        for rows in (least..).skip(1).take(TALLEST) {
            let Some(taller) = block.needs(model, &block.uniform(rows), late) else { continue };
            let fits = taller.bytes() <= limit;
            if fits && taller.cost < best.cost {
                best = taller;
            } else if !fits && !late {
                break;
            }
        }
    }
    best
}

/// Needs of a block with more rows at a time.
fn widest(model: &Model<'_>, block: &Block, mut best: Needs, limit: u64) -> Needs {
    let stages = best.strips.len();
    let (mut at, mut since) = (0, 0);
    for _ in 0..TRIES {
        if since > stages {
            break;
        }
        let mut strips = best.strips.clone();
        strips[at] += 1;
        let wider = block.needs(model, &strips, best.are_late());
        let better = |wider: &Needs| wider.cost < best.cost && wider.bytes() <= limit;
        match wider.filter(better) {
            Some(wider) => (best, since) = (wider, 0),
            None => {
                at = (at + 1) % stages;
                since += 1;
            }
        }
    }
    best
}

/// The steps `first..end` as a chain, with different strips, as far as it uses less than `most` bytes.
/// `lates` says whether rows may wait for the first stage. `None` if no longer run of steps from the first on can be
/// one either.
fn chains(
    model: &Model<'_>,
    first: usize,
    end: usize,
    most: u64,
    lates: &[bool],
) -> Option<Vec<Cut>> {
    let block = Block::new(model, first, end)?;
    let mut cuts: Vec<Cut> = Vec::new();
    for &late in lates {
        for rows in STRIPS {
            let Some(needs) = block.needs(model, &block.uniform(rows), late) else { continue };
            if needs.bytes() >= most {
                break;
            }
            let same =
                |last: &Cut| last.needs.strips == needs.strips && last.needs.rests == needs.rests;
            if !cuts.last().is_some_and(same) {
                cuts.push(Cut { first, end, needs, stripes: None, again: 0 });
            }
        }
    }
    Some(cuts)
}

/// A step by itself: with results apart from operands, unless that makes no difference, and over them.
fn single(model: &Model<'_>, step: usize) -> Vec<Cut> {
    let alive = model.alive(step, step + 1);
    let bytes = alive.map(|(buffer, ..)| model.bytes(buffer)).sum::<u64>();
    let cut = |saved: u64, more: f64| {
        let cost = model.costs.kernel(&model.program.steps[step].kernel) * (1.0 + more);
        let (strips, capacities) = (Vec::new(), Vec::new());
        let (leads, rests) = (Vec::new(), Vec::new());
        let (activations, scratch) = (bytes - saved, model.scratch(step));
        let needs =
            Needs { strips, capacities, leads, rests, activations, scratch, state: 0, cost };
        Cut { first: step, end: step + 1, needs, stripes: None, again: 0 }
    };
    let (saved, more) = model.saved(step);
    let apart = (more > 0.0).then(|| cut(model.saved_in_place(step), 0.0));
    apart.into_iter().chain([cut(saved, more)]).collect()
}
