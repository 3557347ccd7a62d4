//! The memory of a lowered program as a problem for the planner.

use std::collections::HashMap;

use microhlo_format::{Access, AccessKind};

use crate::compile::CompileError;
use crate::diag::Span;
use crate::plan::{self, Distance, Overlap, Plan, Problem};

use super::liveness::{Flow, Life, lives};
use super::program::{BufferId, Program, Ref, Step, Storage};
use super::share::{copies_taps, may_share};

/// A plan, and the position in it of every buffer in the arena.
pub struct Planned {
    /// The plan of the arena.
    pub plan: Plan,
    /// Positions in the plan.
    pub groups: HashMap<BufferId, usize>,
}

/// Plans the arena. What shares memory to save copies always does; results lie on their operands, in
/// part or as a whole, where the planner wants them to, or only where buffers have been merged if that
/// takes less. With `apart`, only where buffers have been merged.
pub fn plan_memory(
    program: &Program,
    limits: &plan::Options,
    apart: bool,
) -> Result<Planned, CompileError> {
    let memory = Memory::new(program);
    let (problem, groups) = memory.problem(&program.shared, false);
    let mut best = (solve(&problem, limits)?, problem, groups);
    let steps = limits.search_steps.min(OVERLAP_STEPS);
    let limits = plan::Options { search_steps: steps, ..*limits };
    // Lifetimes from the first to the last step say too little where control jumps.
    let straight = !program.executed().any(Step::is_control);
    let free = program.copied.as_ref().filter(|_| straight);
    let mut proven = None;
    for shared in free.into_iter().chain([&program.shared]).filter(|_| !apart) {
        let (problem, groups) = memory.problem(shared, true);
        let bound = problem.lower_bound().bytes;
        let mut shown = bound;
        if bound < u64::from(best.0.arena_bytes) {
            let plan = solve(&problem, &limits)?;
            shown = plan.proven_bound.into();
            if plan.arena_bytes < best.0.arena_bytes {
                best = (plan, problem, groups);
            }
        }
        proven =
            Some(proven.map_or((bound, shown), |(b, s): (u64, u64)| (b.min(bound), s.min(shown))));
    }
    let (mut plan, problem, groups) = best;
    if let Some((bound, shown)) = proven {
        // What one of the problems allows, the other may not. Neither is more than the arena.
        plan.lower_bound = bound.min(plan.arena_bytes.into()) as u32;
        plan.proven_bound = shown.min(plan.arena_bytes.into()) as u32;
        plan.proven_optimal = plan.proven_bound >= plan.arena_bytes;
    }
    memory.spread(&mut plan, problem, &groups)?;
    Ok(Planned { plan, groups })
}

/// Steps of search for where results lie over operands, see [`plan::Options`]: without, there is a plan
/// already.
const OVERLAP_STEPS: u64 = 2_000_000;

/// Solves a problem, and checks the plan.
fn solve(problem: &Problem, limits: &plan::Options) -> Result<Plan, CompileError> {
    let plan = plan::plan_with(problem, limits)
        .map_err(|e| CompileError::at(Span::default(), e.to_string()))?;
    checked(problem, plan)
}

fn checked(problem: &Problem, plan: Plan) -> Result<Plan, CompileError> {
    match plan::check(problem, &plan.offsets, plan.arena_bytes) {
        Ok(()) => Ok(plan),
        Err(violation) => {
            let message = format!("internal error: the memory plan is wrong: {violation}");
            Err(CompileError::at(Span::default(), message))
        }
    }
}

/// Limits of the search for a plan without an overlap.
const SPREAD: plan::Options = plan::Options { search_steps: 100_000, deadline: None };

/// A program, and when its buffers are in use.
pub struct Memory<'p> {
    program: &'p Program,
    lives: Vec<(BufferId, Life)>,
}

impl<'p> Memory<'p> {
    /// The memory of a program.
    pub fn new(program: &'p Program) -> Memory<'p> {
        Memory { program, lives: lives(program, &Flow::new(program)).into_iter().collect() }
    }

    /// The arena's buffers with their lifetimes, and, if wanted, where results may lie over operands;
    /// buffers that share memory, by these pairs, are one. Also returns the position in the problem of
    /// every buffer in the arena.
    pub fn problem(
        &self,
        shared: &[(BufferId, BufferId)],
        overlaps: bool,
    ) -> (Problem, HashMap<BufferId, usize>) {
        let shared: HashMap<BufferId, BufferId> = shared.iter().copied().collect();
        let mut groups: HashMap<BufferId, usize> = HashMap::new();
        let mut buffers: Vec<plan::Buffer> = Vec::new();
        for (id, life) in &self.lives {
            let Some((lower, upper)) = life.hull() else { continue };
            let buffer = &self.program.buffers[*id];
            let owner = shared.get(id).copied().unwrap_or(*id);
            // The owner may come later in the list than what lies on it.
            let group = *groups.entry(owner).or_insert(buffers.len());
            groups.insert(*id, group);
            match buffers.get_mut(group) {
                Some(b) => {
                    b.lower = b.lower.min(lower);
                    b.upper = b.upper.max(upper);
                    b.size = b.size.max(buffer.bytes);
                    b.align = b.align.max(buffer.align);
                }
                None => {
                    let (size, align) = (buffer.bytes, buffer.align);
                    buffers.push(plan::Buffer { size, align, lower, upper });
                }
            }
        }
        let mut problem = Problem { buffers, overlaps: Vec::new() };
        if overlaps {
            problem.overlaps = self.overlaps(&problem, &groups);
        }
        (problem, groups)
    }

    /// Moves results off operands that their kernels would copy, as far as the arena has room for that;
    /// those that take most work first.
    fn spread(
        &self,
        plan: &mut Plan,
        mut problem: Problem,
        groups: &HashMap<BufferId, usize>,
    ) -> Result<(), CompileError> {
        let mut costly: Vec<(u64, Overlap)> = Vec::new();
        for step in self.program.executed().filter(|step| copies_taps(&step.kernel)) {
            let touches: Vec<usize> =
                self.accesses(step, groups).iter().map(|(group, _)| *group).collect();
            let here = |o: &&Overlap| touches.contains(&o.input) && touches.contains(&o.output);
            costly.extend(problem.overlaps.iter().filter(here).map(|o| (step.kernel.macs(), *o)));
        }
        costly.sort_by_key(|(macs, _)| std::cmp::Reverse(*macs));
        for (_, overlap) in costly {
            let mut without = problem.clone();
            without.overlaps.retain(|other| *other != overlap);
            let kept = plan::check(&without, &plan.offsets, plan.arena_bytes).is_ok();
            let found = match kept {
                true => None,
                false => plan::fit(&without, plan.arena_bytes, &SPREAD).ok(),
            };
            if let Some(plan::Fit::Fits(found)) = found {
                plan.offsets = checked(&without, found)?.offsets;
            } else if !kept {
                continue;
            }
            problem = without;
        }
        Ok(())
    }

    /// Where results may lie over operands: the groups of buffers share the step, and nothing else.
    fn overlaps(&self, problem: &Problem, groups: &HashMap<BufferId, usize>) -> Vec<Overlap> {
        let mut last: HashMap<usize, u32> = HashMap::new();
        for (id, life) in &self.lives {
            if let (Some(&group), Some(&step)) = (groups.get(id), life.needed_after.last()) {
                let needed = last.entry(group).or_default();
                *needed = step.max(*needed);
            }
        }
        let mut overlaps = Vec::new();
        for (at, step) in self.program.steps.iter().enumerate().filter(|(_, step)| !step.elided) {
            let accesses = self.accesses(step, groups);
            let of = |kind: AccessKind| {
                let mut found: Vec<usize> =
                    accesses.iter().filter(|(_, a)| a.kind == kind).map(|(g, _)| *g).collect();
                found.sort_unstable();
                found.dedup();
                found
            };
            let read = of(AccessKind::Read);
            for &input in &read {
                for output in of(AccessKind::Write) {
                    // Contents that are needed later, perhaps in another round of a loop, stay.
                    if last.get(&input).is_some_and(|&needed| needed >= at as u32) {
                        continue;
                    }
                    let Some(distance) = distance(step, &accesses, input, output) else { continue };
                    let overlap = Overlap { input, output, distance };
                    let born = problem.buffers[output].lower == at as u32;
                    if born && !read.contains(&output) && problem.is_overlap(&overlap) {
                        overlaps.push(overlap);
                    }
                }
            }
        }
        overlaps
    }

    /// The accesses of a step to the arena, with their groups.
    fn accesses(
        &self,
        step: &Step,
        groups: &HashMap<BufferId, usize>,
    ) -> Vec<(usize, Access<Ref>)> {
        let mut all = Vec::new();
        let _ = step.kernel.accesses(&mut |access| {
            let constant =
                matches!(self.program.buffers[access.place.buffer].storage, Storage::Const(_));
            if let Some(&group) = groups.get(&access.place.buffer)
                && !constant
                && access.start < access.end
            {
                all.push((group, access));
            }
        });
        all
    }
}

/// How the buffers of a step's output may lie over those of an input that dies, if they may: the
/// largest distance of all accesses to them.
fn distance(
    step: &Step,
    accesses: &[(usize, Access<Ref>)],
    input: usize,
    output: usize,
) -> Option<Distance> {
    let of = |group: usize| accesses.iter().filter(move |(g, _)| *g == group).map(|(_, a)| a);
    let mut least = i64::MIN;
    let mut zero = false;
    for read in of(input) {
        for write in of(output) {
            if !may_share(&step.kernel, write, read, |_| true) {
                return None;
            }
            let first = |a: &Access<Ref>| i64::from(a.place.offset) + a.start;
            let (bytes, only) = read.overlap.least()?;
            let distance = i64::from(bytes) + first(write) - first(read);
            if only && distance != 0 {
                return None;
            }
            zero |= only;
            least = least.max(distance);
        }
    }
    match (zero, u32::try_from(least.max(0)).ok()?) {
        (true, 0) => Some(Distance::Zero),
        (true, _) => None,
        (false, least) => Some(Distance::AtLeast(least)),
    }
}
