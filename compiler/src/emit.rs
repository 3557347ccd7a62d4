//! From a lowered program to an artifact: lifetimes, memory plan, constants, encoding.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use microhlo_format::{ArtifactSpec, Features, Kernel, Place, TensorSpec, encode};

use crate::chains::Trace;
use crate::compile::{CompileError, CompileOptions};
use crate::diag::Span;
use crate::ir::EntityId;
use crate::lower::flow_check;
use crate::lower::liveness::{Flow, lives};
use crate::lower::overlap::{add_overlaps, spread};
use crate::lower::program::{BufferId, Io, Program, Ref, SUMS, Step, Storage};
use crate::memory_map::MemoryMap;
use crate::plan::{self, Plan, Problem};
use crate::regions::{Layout, Section, lay_out};

/// An artifact with its memory plan.
pub struct Emitted {
    /// The file.
    pub artifact: Vec<u8>,
    /// Where everything lies.
    pub layout: Layout,
    /// How long it took to plan.
    pub planning: Duration,
    /// Size of the constant section in bytes.
    pub const_bytes: u32,
    /// Bytes of the arena, from its start, that the program's states end at.
    pub state_bytes: u32,
    /// Where everything lies in the arena.
    pub memory: MemoryMap,
    /// Where the buffers lie that hold values.
    pub places: HashMap<BufferId, Place>,
}

/// Plans memory and encodes the artifact; `None` if the program does not fit the memories that there are. If the
/// arena has a limit, it may grow up to that where kernels are faster for it.
///
/// # Errors
/// A plan or the encoding fails.
pub fn emit(program: &Program, options: &CompileOptions) -> Result<Option<Emitted>, CompileError> {
    let (room, limits) = (options.room, &options.plan);
    let fail = |message: String| CompileError::at(Span::default(), message);
    let (problem, groups) = memory_problem(program);
    let kept = kept_groups(program, &groups);
    let sizes = kept.iter().map(|&group| problem.buffers[group]).map(|b| (b.size, b.align));
    let state_bytes = u32::try_from(room.end(sizes)).map_err(|e| fail(e.to_string()))?;
    let constants = used_constants(program);
    let start = Instant::now();
    let parts = (&problem, &groups);
    let layout = match options.memories.arenas.is_empty() {
        true => {
            let limit = options.memory.arena_limit;
            Layout::single(plan_arena(program, parts, (&kept, room), limits, limit)?)
        }
        false => match lay_out(program, parts, &constants, options)? {
            Some(layout) => layout,
            None => return Ok(None),
        },
    };
    let planning = start.elapsed();
    let offset = |buffer| groups.get(&buffer).map(|&group| layout.plan.offsets[group]);
    if let Err(misread) = flow_check::check(program, &offset) {
        return Err(fail(format!("internal error: {misread}")));
    }
    let section = Section::new(&layout, &constants);
    let place = |r: Ref| match offset(r.buffer) {
        Some(start) => {
            let Place { region, offset } = layout.place(start);
            Place { region, offset: offset + r.offset }
        }
        None => section.place(r).unwrap_or(Place::constant(u32::MAX)),
    };
    let steps: Vec<Kernel<Place>> =
        program.kernels().iter().map(|k| k.map_places(&mut |r| place(r))).collect();
    let tensor = |io: &Io| TensorSpec {
        name: io.name.clone(),
        dtype: io.dtype,
        dims: io.dims.clone(),
        place: place(io.place),
    };
    let input = |io: &Io| {
        let feeds = |step: &Step| match &step.kernel {
            Kernel::rows(rows) => rows.feed.is_some_and(|feed| feed.place == io.place),
            _ => false,
        };
        let mut spec = tensor(io);
        if program.steps.iter().any(feeds) {
            spec.place = Place::stream(spec.place.offset);
        } else if program.states.contains(&io.place.buffer) {
            spec.place = Place::state(spec.place.offset);
        }
        spec
    };
    let spec = ArtifactSpec {
        name: options.name.clone(),
        compiler: concat!("microhlo ", env!("CARGO_PKG_VERSION")).to_string(),
        inputs: program.inputs.iter().map(input).collect(),
        outputs: program.outputs.iter().map(tensor).collect(),
        steps,
        arena_bytes: layout.first_bytes(),
        arena_lower_bound_bytes: layout.plan.lower_bound,
        arenas: section.arenas.clone(),
        constants: section.bytes.clone(),
        features: Features::default(),
    };
    let memory = MemoryMap::new(program, &problem, &groups, &layout);
    let held = program.values.iter().map(|&(buffer, _)| (buffer, place(Ref { buffer, offset: 0 })));
    let places = held.collect();
    let artifact = encode(&spec).map_err(|e| fail(e.to_string()))?;
    let const_bytes = section.bytes.len() as u32;
    Ok(Some(Emitted { artifact, layout, planning, const_bytes, state_bytes, memory, places }))
}

/// Steps of search for where results of kernels lie over operands, see [`plan::Options`]: there is a plan
/// without already.
const OVERLAP_STEPS: u64 = 2_000_000;

/// Plans an arena, of all buffers or of some. If it has a limit, it may grow up to that where kernels are
/// faster for it.
///
/// # Errors
/// The arena would be too large.
pub(crate) fn plan_arena(
    program: &Program,
    (problem, groups): (&Problem, &HashMap<BufferId, usize>),
    (kept, room): (&[usize], plan::Room),
    limits: &plan::Options,
    limit: Option<u32>,
) -> Result<Plan, CompileError> {
    let mut plan = plan_memory(program, (problem, groups), (kept, room), limits)?;
    spread_within(program, (problem, groups), (kept, room), &mut plan, limit);
    let wrong = |violation: String| {
        let text = format!("internal error: the memory plan is wrong: {violation}");
        CompileError::at(Span::default(), text)
    };
    plan::check(problem, &plan.offsets, plan.arena_bytes).map_err(|v| wrong(v.to_string()))?;
    let tramples = |(i, &offset): (usize, &u32)| offset < room.bytes && !kept.contains(&i);
    match plan.offsets.iter().enumerate().position(tramples) {
        None => Ok(plan),
        Some(i) => Err(wrong(format!("buffer {i} lies where states of all models are kept"))),
    }
}

/// Plans the arena: first without results of kernels over their operands, and if that is more than what
/// is alive, with.
fn plan_memory(
    program: &Program,
    (problem, groups): (&Problem, &HashMap<BufferId, usize>),
    (kept, room): (&[usize], plan::Room),
    limits: &plan::Options,
) -> Result<Plan, CompileError> {
    let fail = |message: String| CompileError::at(Span::default(), message);
    let solve = |problem: &Problem, limits: &plan::Options| {
        plan::plan_around(problem, kept, room, limits).map_err(|e| fail(e.to_string()))
    };
    let steps = limits.search_steps.min(OVERLAP_STEPS);
    let fewer = plan::Options { search_steps: steps, ..*limits };
    let apart = apart(program, groups, problem);
    let mut plan = solve(&apart, if apart.overlaps.is_empty() { limits } else { &fewer })?;
    if problem.least_height() < u64::from(plan.arena_bytes) {
        let over = solve(problem, &fewer)?;
        if over.arena_bytes < plan.arena_bytes {
            plan = over;
        } else {
            (plan.lower_bound, plan.proven_bound) = (over.lower_bound, over.proven_bound);
        }
        plan.proven_optimal = plan.proven_bound >= plan.arena_bytes;
    }
    Ok(plan)
}

/// Limits of the search for a plan without an overlap.
const SPREAD: plan::Options = plan::Options { search_steps: 100_000, deadline: None };

/// Moves results off operands where kernels are faster for it, in an arena that may grow to its limit.
fn spread_within(
    program: &Program,
    (problem, groups): (&Problem, &HashMap<BufferId, usize>),
    (kept, room): (&[usize], plan::Room),
    plan: &mut Plan,
    limit: Option<u32>,
) {
    let least = plan.arena_bytes;
    let small = |problem: &Problem| plan::plan_around(problem, kept, room, &SPREAD).ok();
    let find = |problem: &Problem, most: u32| {
        // What is kept there, also of other models, is not part of the problem.
        if !kept.is_empty() || room != plan::Room::default() {
            return small(problem).filter(|plan| plan.arena_bytes <= most);
        }
        match plan::fit(problem, most, &SPREAD) {
            Ok(plan::Fit::Fits(plan)) => Some(plan),
            _ => None,
        }
    };
    let most = limit.map_or(least, |limit| limit.max(least));
    let left = spread(program, (problem, groups), plan, most, &find);
    // It need not be as large as it may.
    if plan.arena_bytes > least
        && let Some(small) = small(&left)
        && small.arena_bytes < plan.arena_bytes
    {
        (plan.offsets, plan.arena_bytes) = (small.offsets, small.arena_bytes);
    }
    plan.proven_optimal = plan.proven_bound >= plan.arena_bytes;
}

/// The problem with only the overlaps of chains.
fn apart(program: &Program, groups: &HashMap<BufferId, usize>, problem: &Problem) -> Problem {
    let mut apart = Problem { buffers: problem.buffers.clone(), overlaps: Vec::new() };
    for chain in program.chains() {
        chain_overlaps(program, chain.start, groups, &mut apart);
    }
    apart
}

/// The arena's buffers with their lifetimes, in moments; buffers that share memory are one. Also returns
/// the position in the problem of every buffer in the arena.
pub fn memory_problem(program: &Program) -> (Problem, HashMap<BufferId, usize>) {
    let shared: HashMap<BufferId, BufferId> = program.shared.iter().copied().collect();
    let mut groups: HashMap<BufferId, usize> = HashMap::new();
    let mut buffers: Vec<plan::Buffer> = Vec::new();
    let moments = program.moments();
    let moment = |step: u32| moments.get(step as usize).or(moments.last()).copied().unwrap_or(step);
    for (id, life) in lives(program, &Flow::new(program)) {
        let Some((lower, upper)) = life.hull() else { continue };
        let (lower, upper) = (moment(lower), moment(upper - 1) + 1);
        let buffer = &program.buffers[id];
        let owner = shared.get(&id).copied().unwrap_or(id);
        // The owner may come later in the list than what lies on it.
        let group = *groups.entry(owner).or_insert(buffers.len());
        groups.insert(id, group);
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
    let end = buffers.iter().map(|b| b.upper).max().unwrap_or(1);
    for group in kept_groups(program, &groups) {
        (buffers[group].lower, buffers[group].upper) = (0, end);
    }
    let problem = Problem { buffers, overlaps: Vec::new() };
    let mut problem = apart(program, &groups, &problem);
    if !program.apart {
        add_overlaps(program, &groups, &mut problem);
    }
    (problem, groups)
}

/// Adds what of a chain may share memory: windows, values that die in it, and its results.
fn chain_overlaps(
    program: &Program,
    step: usize,
    groups: &HashMap<BufferId, usize>,
    problem: &mut Problem,
) {
    let Some(trace) = Trace::new(program, step) else { return };
    for near in trace.near() {
        let (Some(&input), Some(&output)) = (groups.get(&near.input), groups.get(&near.output))
        else {
            continue;
        };
        let bytes = u32::try_from(near.distance).unwrap_or(u32::MAX);
        let distance = match near.same {
            true => plan::Distance::Zero,
            false => plan::Distance::AtLeast(bytes),
        };
        let overlap = plan::Overlap { input, output, distance };
        if problem.is_overlap(&overlap) && bytes < problem.buffers[output].size {
            problem.overlaps.push(overlap);
        }
    }
}

/// Bytes that values need if kernels need no working memory, at most where they lie in the arena, and the
/// most that these need.
pub fn live_bytes(program: &Program, arena: &plan::Plan) -> [u64; 2] {
    let (problem, groups) = memory_problem(program);
    let mut scratch = vec![false; problem.buffers.len()];
    for (buffer, private) in program.buffers.ids().zip(program.scratch_buffers()) {
        if let Some(&group) = groups.get(&buffer).filter(|_| private) {
            // Sums that become a value are part of it.
            scratch[group] = program.buffers[buffer].name != SUMS;
        }
    }
    [false, true].map(|private| {
        let mut part = problem.clone();
        for (buffer, &scratch) in part.buffers.iter_mut().zip(&scratch) {
            buffer.size *= u32::from(scratch == private);
        }
        // What shares memory with several others may not share as much with each of them.
        let limits = plan::Options { search_steps: OVERLAP_STEPS, deadline: None };
        match plan::plan_with(&part, &limits) {
            Ok(plan) if !private => {
                let placed = part.buffers.iter().zip(&arena.offsets);
                let ends = placed.filter(|(buffer, _)| buffer.size > 0).map(|(b, at)| at + b.size);
                let height = ends.max().unwrap_or(0);
                let fits = plan::check(&part, &arena.offsets, height).is_ok();
                plan.arena_bytes.min(if fits { height } else { u32::MAX }).into()
            }
            _ => part.lower_bound().bytes,
        }
    })
}

/// Positions in a memory problem of what the program's states lie in.
pub(crate) fn kept_groups(program: &Program, groups: &HashMap<BufferId, usize>) -> Vec<usize> {
    program.states.iter().filter_map(|state| groups.get(state).copied()).collect()
}

/// The constants that steps or outputs read, with their alignment: largest alignment first keeps padding
/// small.
fn used_constants(program: &Program) -> Vec<(BufferId, u32, &[u8])> {
    let mut used = vec![false; program.buffers.len()];
    for step in program.executed() {
        for (_, buffer) in Program::touched(step) {
            used[buffer.index()] = true;
        }
    }
    for output in &program.outputs {
        used[output.place.buffer.index()] = true;
    }
    let mut constants: Vec<(BufferId, u32, &[u8])> = Vec::new();
    for (id, buffer) in program.buffers.iter().filter(|(id, _)| used[id.index()]) {
        if let Storage::Const(data) = &buffer.storage {
            constants.push((id, buffer.align, data));
        }
    }
    constants.sort_by_key(|(_, align, _)| std::cmp::Reverse(*align));
    constants
}
