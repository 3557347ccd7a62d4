//! The planner's entry: heuristics first, exact search when they leave a gap.

use std::collections::HashSet;
use std::time::Instant;

use super::exact::{Effort, Outcome};
use super::problem::{Buffer, Distance, Overlap, Problem};
use super::shapes::{Choice, Shapes};
use super::{exact, greedy};

/// Where every buffer lies. See the example of [`plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Offset in bytes per buffer, by position in the problem.
    pub offsets: Vec<u32>,
    /// Bytes of arena needed: the largest end of any buffer.
    pub arena_bytes: u32,
    /// Bytes of the largest live set, less what its buffers may share; no plan needs fewer.
    pub lower_bound: u32,
    /// Bytes below which no plan exists: the largest live set, or more where alignments or a search show
    /// it.
    pub proven_bound: u32,
    /// Whether no smaller arena exists: the proven bound is met.
    pub proven_optimal: bool,
}

/// Limits of the planner. See the example of [`fit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Steps of exact search after the heuristics; a step is about a nanosecond. Counted rather
    /// than timed so that a slow machine gives the same plan.
    pub search_steps: u64,
    /// When to stop all the same. Only for who prefers an answer in time to the same answer always.
    pub deadline: Option<Instant>,
}

impl Default for Options {
    fn default() -> Self {
        Options { search_steps: 50_000_000, deadline: None }
    }
}

/// Whether a problem has a plan of a given height. See the example of [`fit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It has this one.
    Fits(Plan),
    /// It has none: the bytes that are needed at least.
    Impossible(u64),
    /// The limits did not suffice to tell; the lowest plan seen.
    Undecided(Plan),
}

/// A problem that has no plan. Buffers and overlaps are named by position in the problem.
///
/// ```
/// use microhlo_compiler::plan::{Buffer, PlanError, Problem, plan};
///
/// let buffer = Buffer { size: 4, align: 4, lower: 2, upper: 2 };
/// let problem = Problem { buffers: vec![buffer], overlaps: Vec::new() };
/// assert_eq!(plan(&problem), Err(PlanError::Lifetime(0)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The lifetime is empty.
    #[error("buffer {0} is never alive: its lifetime must cover at least one step")]
    Lifetime(usize),
    /// The alignment is not a power of two.
    #[error("the alignment of buffer {0} is not a power of two")]
    Align(usize),
    /// The input of the overlap does not end in the step in which its output begins, or the two have the same
    /// already, or buffers may start at one offset each because of the one before it, in a circle.
    #[error("overlap {0} is not the only one of an input that ends where an output begins")]
    Overlap(usize),
    /// The arena would pass 4 GiB.
    #[error("the buffers need {0} bytes of arena; offsets are limited to 4294967295")]
    TooLarge(u64),
}

/// Plans with the default limits.
///
/// ```
/// use microhlo_compiler::plan::{Problem, check, plan};
///
/// let text = "id,lower,upper,size\na,0,2,100\nb,1,3,50\nc,2,4,100\n";
/// let problem = Problem::from_csv(text)?;
/// let plan = plan(&problem)?;
/// // The first and the last buffer are never alive together, and share memory.
/// assert_eq!((plan.arena_bytes, plan.lower_bound, plan.proven_optimal), (150, 150, true));
/// assert_eq!(plan.offsets[0], plan.offsets[2]);
/// check(&problem, &plan.offsets, plan.arena_bytes)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A malformed buffer, or an arena that offsets of 32 bits cannot address.
pub fn plan(problem: &Problem) -> Result<Plan, PlanError> {
    plan_with(problem, &Options::default())
}

/// Plans within the given limits. Deterministic unless there is a deadline.
///
/// ```
/// use microhlo_compiler::plan::{Options, Problem, plan_with};
///
/// let problem = Problem::from_csv("id,lower,upper,size\na,0,2,100\nb,1,3,50\n")?;
/// // Without any search behind the heuristics.
/// let options = Options { search_steps: 0, ..Options::default() };
/// assert_eq!(plan_with(&problem, &options)?.arena_bytes, 150);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`plan`].
pub fn plan_with(problem: &Problem, options: &Options) -> Result<Plan, PlanError> {
    solve(problem, options, Goal::Least)
}

/// Whether the problem has a plan of at most `capacity` bytes.
///
/// ```
/// use microhlo_compiler::plan::{Fit, Options, Problem, fit};
///
/// let problem = Problem::from_csv("id,lower,upper,size\na,0,2,100\nb,1,3,50\n")?;
/// let within = |bytes| fit(&problem, bytes, &Options::default());
/// assert!(matches!(within(160)?, Fit::Fits(plan) if plan.arena_bytes <= 160));
/// assert_eq!(within(149)?, Fit::Impossible(150));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`plan`].
pub fn fit(problem: &Problem, capacity: u32, options: &Options) -> Result<Fit, PlanError> {
    let plan = solve(problem, options, Goal::AtMost(capacity.into()))?;
    let least = problem.least_height();
    Ok(match plan {
        _ if least > u64::from(capacity) => Fit::Impossible(least),
        plan if plan.arena_bytes <= capacity => Fit::Fits(plan),
        plan if plan.proven_bound > capacity => Fit::Impossible(plan.proven_bound.into()),
        plan => Fit::Undecided(plan),
    })
}

/// A height that a plan reaches, found in a hurry: for those who compare many problems.
///
/// # Errors
/// See [`plan`].
pub(crate) fn sketch(problem: &Problem) -> Result<u64, PlanError> {
    validate(problem)?;
    Ok(greedy::sketch(&Shapes::new(problem, &vec![Choice::Tied; problem.overlaps.len()])))
}

/// The same, with buffers placed from the last one to the first: where each lies above those behind it.
///
/// # Errors
/// See [`plan`].
pub(crate) fn sketch_backwards(problem: &Problem) -> Result<u64, PlanError> {
    validate(problem)?;
    let shapes = Shapes::new(problem, &vec![Choice::Tied; problem.overlaps.len()]);
    let mut order: Vec<usize> = shapes.of.iter().rev().copied().collect();
    let mut seen = HashSet::new();
    order.retain(|&shape| seen.insert(shape));
    Ok(greedy::in_order(&shapes, &order))
}

/// What is sought of the parts of a problem.
#[derive(Clone, Copy)]
enum Goal {
    /// The least height.
    Least,
    /// Any height up to this.
    AtMost(u64),
}

/// Fails unless all buffers and overlaps make sense.
pub(super) fn validate(problem: &Problem) -> Result<(), PlanError> {
    for (i, b) in problem.buffers.iter().enumerate() {
        if b.lower >= b.upper {
            return Err(PlanError::Lifetime(i));
        }
        if !b.align.is_power_of_two() {
            return Err(PlanError::Align(i));
        }
    }
    let mut pairs = HashSet::new();
    for (i, overlap) in problem.overlaps.iter().enumerate() {
        if !problem.is_overlap(overlap) || !pairs.insert((overlap.input, overlap.output)) {
            return Err(PlanError::Overlap(i));
        }
    }
    match circle(problem) {
        Some(overlap) => Err(PlanError::Overlap(overlap)),
        None => Ok(()),
    }
}

/// An overlap in a circle of such that let a buffer start where the one before it does. Two that may lie
/// anywhere beside each other make none.
fn circle(problem: &Problem) -> Option<usize> {
    let anywhere = Distance::AtLeast(0);
    let pairs = problem.overlaps.iter().filter(|o| o.distance == anywhere);
    let pairs: HashSet<_> = pairs.map(|o| (o.input, o.output)).collect();
    let free = |o: &Overlap| o.distance == anywhere && pairs.contains(&(o.output, o.input));
    let size = |i: usize| problem.buffers[i].size;
    let real = |o: &Overlap| size(o.input) > 0 && size(o.output) > 0;
    let zero = |o: &Overlap| real(o) && problem.distance(o) == 0 && !free(o);
    let all = problem.overlaps.iter().enumerate();
    let mut left: Vec<usize> = all.filter(|(_, o)| zero(o)).map(|(i, _)| i).collect();
    loop {
        // What lies over nothing can be placed, and then what lies over that.
        let outputs: HashSet<usize> = left.iter().map(|&i| problem.overlaps[i].output).collect();
        let before = left.len();
        left.retain(|&i| outputs.contains(&problem.overlaps[i].input));
        if left.len() == before {
            return left.into_iter().next();
        }
    }
}

fn solve(problem: &Problem, options: &Options, goal: Goal) -> Result<Plan, PlanError> {
    validate(problem)?;
    let lower_bound = problem.lower_bound().bytes;
    let least = problem.least_height();
    if least > u64::from(u32::MAX) {
        return Err(PlanError::TooLarge(least));
    }
    let mut stop = || options.deadline.is_some_and(|deadline| Instant::now() >= deadline);
    let mut effort = Effort { steps: options.search_steps, stop: &mut stop };
    let mut offsets = vec![0; problem.buffers.len()];
    // The tallest part decides the arena, so only parts above that height are worth a search.
    let (mut height, mut bound) = (least, least);
    for part in independent_parts(&problem.buffers) {
        let sub = sub_problem(problem, &part);
        let solved = solve_part(&sub, height, goal, &mut effort);
        height = height.max(solved.height);
        bound = bound.max(solved.bound);
        for (&i, offset) in part.iter().zip(&solved.offsets) {
            offsets[i] = *offset;
        }
    }
    let narrow = |v: u64| u32::try_from(v).map_err(|_| PlanError::TooLarge(height));
    let height = end(&problem.buffers, &offsets);
    Ok(Plan {
        offsets: offsets.into_iter().map(narrow).collect::<Result<_, _>>()?,
        arena_bytes: narrow(height)?,
        lower_bound: narrow(lower_bound)?,
        proven_bound: narrow(bound.min(height))?,
        proven_optimal: bound >= height,
    })
}

/// The buffers at these ascending positions, with what they may share.
fn sub_problem(problem: &Problem, part: &[usize]) -> Problem {
    let at = |buffer: usize| part.binary_search(&buffer).ok();
    let size = |i: usize| problem.buffers[i].size;
    let real = |o: &&Overlap| size(o.input) > 0 && size(o.output) > 0;
    let overlap = |o: &Overlap| {
        Some(Overlap { input: at(o.input)?, output: at(o.output)?, distance: o.distance })
    };
    Problem {
        buffers: part.iter().map(|&i| problem.buffers[i]).collect(),
        overlaps: problem.overlaps.iter().filter(real).filter_map(overlap).collect(),
    }
}

struct Solved {
    offsets: Vec<u64>,
    height: u64,
    /// No placement is lower; 0 if nothing was shown.
    bound: u64,
    /// Nothing lower is sought any more.
    given_up: u64,
}

/// Buffers whose lifetimes form one connected stretch.
struct Part<'p> {
    problem: &'p Problem,
    /// With all that may be tied tied, if there is such.
    tied: Option<Shapes<'p>>,
    /// With nothing tied: what does not fit so does not fit.
    loose: Shapes<'p>,
}

impl<'p> Part<'p> {
    fn new(problem: &'p Problem) -> Part<'p> {
        let shapes = |choice| Shapes::new(problem, &vec![choice; problem.overlaps.len()]);
        let zero = problem.overlaps.iter().any(|o| o.distance == Distance::Zero);
        Part { problem, tied: zero.then(|| shapes(Choice::Tied)), loose: shapes(Choice::Loose) }
    }

    /// The first overlap of distance zero whose buffers share bytes, but start at different offsets.
    fn torn(&self, offsets: &[u64]) -> Option<usize> {
        self.problem.overlaps.iter().position(|overlap| {
            let (input, output) = (offsets[overlap.input], offsets[overlap.output]);
            let size = |i: usize| u64::from(self.problem.buffers[i].size);
            let apart =
                input + size(overlap.input) <= output || output + size(overlap.output) <= input;
            overlap.distance == Distance::Zero && input != output && !apart
        })
    }

    /// Mends offsets of at most `capacity` that were found with these choices: what is torn is tied, or
    /// kept apart.
    fn mend(
        &self,
        offsets: Vec<u64>,
        choices: &mut Vec<Choice>,
        capacity: u64,
        steps: u64,
        effort: &mut Effort<'_>,
    ) -> Option<Vec<u64>> {
        let Some(torn) = self.torn(&offsets) else { return Some(offsets) };
        let made = choices.iter().filter(|choice| **choice != Choice::Loose).count();
        for choice in [Choice::Tied, Choice::Apart] {
            choices[torn] = choice;
            let shapes = Shapes::new(self.problem, choices);
            let found = match exact::search(&shapes, capacity, steps, effort) {
                Outcome::Fits(found) => shapes.offsets(&found),
                Outcome::Infeasible | Outcome::Undecided => continue,
            };
            if self.torn(&found).is_none() {
                return Some(found);
            }
            if made < MOST_CHOICES
                && let Some(mended) = self.mend(found, choices, capacity, steps, effort)
            {
                return Some(mended);
            }
        }
        choices[torn] = Choice::Loose;
        None
    }

    fn no_choices(&self) -> Vec<Choice> {
        vec![Choice::Loose; self.problem.overlaps.len()]
    }

    fn height(&self, offsets: &[u64]) -> u64 {
        end(&self.problem.buffers, offsets)
    }
}

/// How many overlaps are tied or kept apart before a capacity is given up.
const MOST_CHOICES: usize = 6;

/// Solves buffers whose lifetimes form one connected stretch; nothing below `target` is sought.
fn solve_part(problem: &Problem, target: u64, goal: Goal, effort: &mut Effort<'_>) -> Solved {
    let enough = match goal {
        Goal::Least => target,
        Goal::AtMost(capacity) => capacity.max(target),
    };
    let part = Part::new(problem);
    let mut solved = heuristics(&part, enough);
    if solved.height > enough && problem.buffers.len() <= exact::MAX_BUFFERS {
        match goal {
            Goal::Least => lower(&part, &mut solved, target, effort),
            Goal::AtMost(_) => {
                let steps = effort.steps;
                try_capacity(&part, &mut solved, enough, steps, effort);
            }
        }
    }
    solved
}

/// The best placement of the heuristics; stops at the first that reaches `enough`.
fn heuristics(part: &Part<'_>, enough: u64) -> Solved {
    let found = |shapes: &Shapes<'_>| {
        let placement = greedy::portfolio(shapes, enough);
        let offsets = shapes.offsets(&placement.offsets);
        Solved { height: placement.height, offsets, bound: 0, given_up: 0 }
    };
    let Some(tied) = &part.tied else { return found(&part.loose) };
    let first = found(tied);
    if first.height <= enough {
        return first;
    }
    let second = found(&part.loose);
    if second.height < first.height && part.torn(&second.offsets).is_none() {
        second
    } else {
        first
    }
}

/// Lowers a placement, in rounds of longer and longer searches.
fn lower(part: &Part<'_>, solved: &mut Solved, target: u64, effort: &mut Effort<'_>) {
    let mut steps = (effort.steps / FIRST_PROBES).min(FIRST_STEPS);
    while solved.height > target.max(solved.bound).max(solved.given_up)
        && effort.steps > 0
        && !(effort.stop)()
    {
        lower_within(part, solved, target, steps, effort);
        steps = steps.saturating_mul(4).max(1);
    }
}

/// Searches of the first round: each has this part of all steps, and at most so many.
const FIRST_PROBES: u64 = 5;
const FIRST_STEPS: u64 = 50_000_000;

/// One round: the target is tried first, then heights between it and the placement, by halves. A
/// height for which the steps do not suffice is given up, and all below it.
fn lower_within(
    part: &Part<'_>,
    solved: &mut Solved,
    target: u64,
    steps: u64,
    effort: &mut Effort<'_>,
) {
    let unit = granularity(part.problem);
    let mut least = target.max(solved.bound).max(solved.given_up).next_multiple_of(unit);
    let mut capacity = least;
    while capacity < solved.height && effort.steps > 0 && !(effort.stop)() {
        match try_capacity(part, solved, capacity, steps, effort) {
            Tried::Fits => {}
            Tried::Infeasible | Tried::Undecided => least = capacity + unit,
        }
        let range = solved.height.saturating_sub(least) / unit;
        if range == 0 {
            break;
        }
        capacity = least + (range - 1) / 2 * unit;
    }
}

/// What a search for a height found.
enum Tried {
    Fits,
    Infeasible,
    Undecided,
}

/// Searches for a placement of at most `capacity`, and enters what it finds.
fn try_capacity(
    part: &Part<'_>,
    solved: &mut Solved,
    capacity: u64,
    steps: u64,
    effort: &mut Effort<'_>,
) -> Tried {
    if let Some(tied) = &part.tied
        && let Outcome::Fits(offsets) = exact::search(tied, capacity, steps, effort)
    {
        return enter(part, solved, tied.offsets(&offsets));
    }
    match exact::search(&part.loose, capacity, steps, effort) {
        Outcome::Fits(offsets) => {
            let (offsets, mut choices) = (part.loose.offsets(&offsets), part.no_choices());
            match part.mend(offsets, &mut choices, capacity, steps, effort) {
                Some(offsets) => enter(part, solved, offsets),
                None => {
                    solved.given_up = solved.given_up.max(capacity + 1);
                    Tried::Undecided
                }
            }
        }
        Outcome::Infeasible => {
            let unit = granularity(part.problem);
            solved.bound = solved.bound.max((capacity / unit + 1) * unit);
            Tried::Infeasible
        }
        Outcome::Undecided => Tried::Undecided,
    }
}

/// Enters a placement that was sought.
fn enter(part: &Part<'_>, solved: &mut Solved, offsets: Vec<u64>) -> Tried {
    (solved.height, solved.offsets) = (part.height(&offsets), offsets);
    Tried::Fits
}

/// What all offsets and ends of a placement that is pushed down are multiples of.
fn granularity(problem: &Problem) -> u64 {
    let of = |b: &Buffer| gcd(b.size.into(), b.align.into());
    let sizes = problem.buffers.iter().filter(|b| b.size > 0).map(of);
    let distances = problem.overlaps.iter().map(|overlap| problem.distance(overlap));
    sizes.chain(distances).fold(0, gcd).max(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The largest end of any buffer that occupies storage.
fn end(buffers: &[Buffer], offsets: &[u64]) -> u64 {
    let ends = buffers.iter().zip(offsets).map(|(b, o)| o + u64::from(b.size));
    ends.max().unwrap_or(0)
}

/// Groups of buffers of which no two groups are alive at a common step, as positions.
fn independent_parts(buffers: &[Buffer]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&i| buffers[i].lower);
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut reach = 0;
    for i in order {
        match parts.last_mut() {
            Some(part) if buffers[i].lower < reach => part.push(i),
            _ => parts.push(vec![i]),
        }
        reach = reach.max(buffers[i].upper);
    }
    // Positions rise within a part, so that ties are decided as in the whole problem.
    parts.iter_mut().for_each(|part| part.sort_unstable());
    parts
}
