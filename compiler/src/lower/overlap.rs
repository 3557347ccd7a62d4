//! Where results of kernels may lie over their operands, for the memory planner.

use std::collections::HashMap;

use microhlo_format::{Access, AccessKind};

use crate::plan::{self, Distance, Overlap, Plan, Problem};

use super::liveness::{Flow, lives};
use super::program::{BufferId, Program, Ref, Step, Storage};
use super::share::{copies_taps, may_share};

/// The position in the problem of every buffer in the arena.
pub type Groups = HashMap<BufferId, usize>;

/// Adds where results may lie over operands: the buffers share the step, and nothing else. Chains, which
/// run several steps in turns, see to themselves.
pub fn add_overlaps(program: &Program, groups: &Groups, problem: &mut Problem) {
    let mut needed: HashMap<usize, u32> = HashMap::new();
    for (id, life) in lives(program, &Flow::new(program)) {
        if let (Some(&group), Some(&step)) = (groups.get(&id), life.needed_after.last()) {
            let last = needed.entry(group).or_default();
            *last = step.max(*last);
        }
    }
    // States are in use at all times.
    for group in program.states.iter().filter_map(|state| groups.get(state)) {
        needed.insert(*group, u32::MAX);
    }
    let moments = program.moments();
    let chained: Vec<usize> = program.chains().flatten().collect();
    for (at, step) in program.steps.iter().enumerate() {
        let slower = program.keeps_taps && copies_taps(&step.kernel);
        if step.elided || slower || chained.contains(&at) {
            continue;
        }
        let accesses = accesses(program, step, groups);
        for (input, output) in pairs(&accesses) {
            // Contents that are needed later, perhaps in another round of a loop, stay.
            if needed.get(&input).is_some_and(|&needed| needed >= at as u32) {
                continue;
            }
            let Some(distance) = distance(step, &accesses, input, output) else { continue };
            let overlap = Overlap { input, output, distance };
            let born = problem.buffers[output].lower == moments[at];
            if born && problem.is_overlap(&overlap) {
                problem.overlaps.push(overlap);
            }
        }
    }
}

/// Groups that a step reads, each with those that it writes and does not read.
fn pairs(accesses: &[(usize, Access<Ref>)]) -> Vec<(usize, usize)> {
    let of = |kind: AccessKind| {
        let found = accesses.iter().filter(move |(_, a)| a.kind == kind).map(|(group, _)| *group);
        let mut found: Vec<usize> = found.collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let read = of(AccessKind::Read);
    let mut written = of(AccessKind::Write);
    written.retain(|group| !read.contains(group));
    read.iter().flat_map(|&input| written.iter().map(move |&output| (input, output))).collect()
}

/// The accesses of a step to the arena, with their groups.
fn accesses(program: &Program, step: &Step, groups: &Groups) -> Vec<(usize, Access<Ref>)> {
    let mut all = Vec::new();
    let _ = step.kernel.accesses(&mut |access| {
        let constant = matches!(program.buffers[access.place.buffer].storage, Storage::Const(_));
        if let Some(&group) = groups.get(&access.place.buffer)
            && !constant
            && access.start < access.end
        {
            all.push((group, access));
        }
    });
    all
}

/// Moves results off operands that some core's kernels would copy, those first that take most work: as
/// far as the arena has room for that, and as it may grow to `most` bytes. `find` finds plans of at most
/// so many bytes. Returns the problem with the overlaps that are left.
pub fn spread(
    program: &Program,
    (problem, groups): (&Problem, &Groups),
    plan: &mut Plan,
    most: u32,
    find: &dyn Fn(&Problem, u32) -> Option<Plan>,
) -> Problem {
    let mut problem = problem.clone();
    let mut costly: Vec<(u64, Overlap)> = Vec::new();
    let chained: Vec<usize> = program.chains().flatten().collect();
    let steps = program.steps.iter().enumerate();
    // The rows that a chain computes lie apart from those that it reads for them.
    let alone = steps.filter(|(at, step)| !step.elided && !chained.contains(at));
    for step in alone.map(|(_, step)| step).filter(|step| copies_taps(&step.kernel)) {
        let touches: Vec<usize> =
            accesses(program, step, groups).iter().map(|(group, _)| *group).collect();
        let here = |o: &&Overlap| touches.contains(&o.input) && touches.contains(&o.output);
        costly.extend(problem.overlaps.iter().filter(here).map(|o| (step.kernel.macs(), *o)));
    }
    costly.sort_by_key(|(macs, _)| std::cmp::Reverse(*macs));
    for (_, overlap) in costly {
        let mut without = problem.clone();
        without.overlaps.retain(|other| *other != overlap);
        if plan::check(&without, &plan.offsets, plan.arena_bytes).is_err() {
            let wider = || find(&without, most).filter(|_| most > plan.arena_bytes);
            match find(&without, plan.arena_bytes).or_else(wider) {
                Some(found) => {
                    plan.arena_bytes = plan.arena_bytes.max(found.arena_bytes);
                    plan.offsets = found.offsets;
                }
                None => continue,
            }
        }
        problem = without;
    }
    problem
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
