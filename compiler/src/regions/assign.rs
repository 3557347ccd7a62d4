//! Which memory everything lies in: what is accessed most for its size comes first, and goes to the memory
//! that costs least of those with room for it.

use microhlo_format::ALIGN;

use super::{Layout, Memories, Memory, RegionReport, Traffic, pinned};
use crate::compile::CompileError;
use crate::diag::Span;
use crate::emit::{kept_groups, plan_arena};
use crate::lower::overlap::Groups;
use crate::lower::program::{BufferId, Program};
use crate::plan::{self, Plan, Problem, Room};

/// Steps of search for whether one more buffer fits a memory, see [`plan::Options`].
const FIT_STEPS: u64 = 20_000;

/// Something that lies in a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A buffer, by position in the problem.
    Buffer(usize),
    /// A constant, which may also stay where the artifact lies.
    Constant(BufferId),
}

#[derive(Clone, Copy, Debug)]
struct Item {
    what: What,
    bytes: u32,
    align: u32,
    words: u64,
}

/// A memory that is being filled.
#[derive(Clone, Debug, Default)]
struct Bin {
    members: Vec<usize>,
    constants: Vec<BufferId>,
    /// Bytes of constants, each filled up to its alignment.
    constant_end: u64,
    /// The same, as a multiple of 16.
    constant_bytes: u64,
    /// Bytes that the buffers take, when planned in a hurry.
    planned: u64,
    words: u64,
}

/// What is to be assigned.
struct Search<'a> {
    problem: &'a Problem,
    memories: &'a Memories,
    kept: Vec<usize>,
    pinned: Vec<usize>,
    room: Room,
    limits: plan::Options,
}

/// Finds out where everything lies in several memories; `None` if it does not fit them. `constants` are
/// those that the program reads, with their alignment.
///
/// # Errors
/// A plan fails.
pub(crate) fn lay_out(
    program: &Program,
    (problem, groups): (&Problem, &Groups),
    constants: &[(BufferId, u32, &[u8])],
    memories: &Memories,
    (room, limits): (Room, &plan::Options),
) -> Result<Option<Layout>, CompileError> {
    let traffic = Traffic::new(program);
    let search = Search {
        problem,
        memories,
        kept: kept_groups(program, groups),
        pinned: pinned(program, groups),
        room,
        limits: plan::Options { search_steps: limits.search_steps.min(FIT_STEPS), ..*limits },
    };
    let items = items(program, (problem, groups), constants, &traffic);
    match search.assign(&items) {
        Some(bins) => finish(program, (problem, groups), &search, &bins, limits),
        None => Ok(None),
    }
}

/// Buffers and constants, those first that are accessed most for their size.
fn items(
    program: &Program,
    (problem, groups): (&Problem, &Groups),
    constants: &[(BufferId, u32, &[u8])],
    traffic: &Traffic,
) -> Vec<Item> {
    let mut words = vec![0; problem.buffers.len()];
    for id in program.buffers.ids() {
        if let Some(&group) = groups.get(&id) {
            words[group] += traffic.of(id);
        }
    }
    let buffers = problem.buffers.iter().zip(words).enumerate();
    let buffers = buffers.map(|(i, (buffer, words))| Item {
        what: What::Buffer(i),
        bytes: buffer.size,
        align: buffer.align,
        words,
    });
    let constants = constants.iter().map(|&(id, align, data)| {
        let (what, words) = (What::Constant(id), traffic.of(id));
        Item { what, bytes: u32::try_from(data.len()).unwrap_or(u32::MAX), align, words }
    });
    let mut items: Vec<Item> = buffers.chain(constants).collect();
    let density = |item: &Item| item.words as f64 / f64::from(item.bytes.max(1));
    items.sort_by(|a, b| density(b).total_cmp(&density(a)));
    items
}

impl Search<'_> {
    /// Fills the memories; `None` if a buffer has no room.
    fn assign(&self, items: &[Item]) -> Option<Vec<Bin>> {
        let is_buffer = |item: &&Item| matches!(item.what, What::Buffer(_));
        let buffers: Vec<Item> = items.iter().filter(is_buffer).copied().collect();
        let constants: Vec<Item> = items.iter().filter(|i| !is_buffer(i)).copied().collect();
        let mut largest_first = buffers.clone();
        largest_first.sort_by_key(|item| std::cmp::Reverse(item.bytes));
        // Constants may stay where they are, so they have what buffers leave if all have no room together.
        for order in [items, &buffers, &largest_first] {
            let mut bins = self.pinned_bins()?;
            if self.fill(&mut bins, order) {
                self.fill(&mut bins, &constants);
                return Some(bins);
            }
        }
        None
    }

    /// The memories with what must lie in the first.
    fn pinned_bins(&self) -> Option<Vec<Bin>> {
        let mut bins = vec![Bin::default(); self.memories.arenas.len()];
        for &group in &self.pinned {
            let first = bins.first_mut()?;
            first.members.push(group);
        }
        let (limit, first) = (self.memories.arenas.first()?.bytes, bins.first_mut()?);
        first.planned = self.planned(0, &first.members)?;
        (first.planned <= u64::from(limit)).then_some(bins)
    }

    /// Puts what is in no memory yet into the cheapest that has room; whether that holds for all buffers.
    fn fill(&self, bins: &mut [Bin], items: &[Item]) -> bool {
        let placed = |bins: &[Bin], item: &Item| bins.iter().any(|bin| bin.has(item.what));
        let mut left: Vec<&Item> = items.iter().filter(|item| !placed(bins, item)).collect();
        let mut order: Vec<usize> = (0..bins.len()).collect();
        order.sort_by_key(|&i| self.memories.arenas[i].cost);
        for index in order {
            left.retain(|item| !self.add(index, &mut bins[index], item));
        }
        !left.iter().any(|item| matches!(item.what, What::Buffer(_)))
    }

    /// Adds something to a memory if there is room for it and it is worth it.
    fn add(&self, index: usize, bin: &mut Bin, item: &Item) -> bool {
        let Memory { bytes: limit, cost, .. } = self.memories.arenas[index];
        match item.what {
            What::Buffer(group) => {
                let mut members = bin.members.clone();
                members.push(group);
                let room = u64::from(limit).saturating_sub(bin.constant_bytes);
                match self.planned(index, &members).filter(|&bytes| bytes <= room) {
                    Some(planned) => (bin.members, bin.planned) = (members, planned),
                    None => return false,
                }
            }
            What::Constant(id) => {
                // The section has them by falling alignment, so that each begins where the one before ends.
                let padded = u64::from(item.bytes).next_multiple_of(item.align.max(1).into());
                let end = bin.constant_end + padded;
                let bytes = bin.planned.next_multiple_of(ALIGN as u64) + end;
                let gains = cost < self.memories.artifact_cost && item.words > 0;
                if !gains || item.bytes == 0 || bytes > u64::from(limit) {
                    return false;
                }
                (bin.constant_end, bin.constant_bytes) = (end, end.next_multiple_of(ALIGN as u64));
                bin.constants.push(id);
            }
        }
        bin.words += item.words;
        true
    }

    /// Bytes that these buffers need in a memory, at most; `None` if that is too much for any.
    fn planned(&self, index: usize, members: &[usize]) -> Option<u64> {
        let part = self.problem.part(members);
        let (kept, room) = self.kept(index, members);
        let live = part.lower_bound().bytes;
        if live > u64::from(self.memories.arenas[index].bytes) {
            return None;
        }
        plan::plan_around(&part, &kept, room, &self.limits).ok().map(|plan| plan.arena_bytes.into())
    }

    /// What is kept among these buffers of a memory, and where.
    fn kept(&self, index: usize, members: &[usize]) -> (Vec<usize>, Room) {
        let at = |group: &usize| members.iter().position(|member| member == group);
        match index {
            0 => (self.kept.iter().filter_map(at).collect(), self.room),
            _ => (Vec::new(), Room::default()),
        }
    }
}

impl Bin {
    fn has(&self, what: What) -> bool {
        match what {
            What::Buffer(group) => self.members.contains(&group),
            What::Constant(id) => self.constants.contains(&id),
        }
    }
}

/// Plans every memory; `None` if one does not suffice after all.
fn finish(
    program: &Program,
    (problem, groups): (&Problem, &Groups),
    search: &Search<'_>,
    bins: &[Bin],
    limits: &plan::Options,
) -> Result<Option<Layout>, CompileError> {
    let none = Plan {
        offsets: vec![0; problem.buffers.len()],
        arena_bytes: 0,
        lower_bound: 0,
        proven_bound: 0,
        proven_optimal: true,
    };
    let mut layout = Layout::single(none);
    for (index, (bin, memory)) in bins.iter().zip(&search.memories.arenas).enumerate() {
        let (kept, room) = search.kept(index, &bin.members);
        let at = |group: usize| bin.members.iter().position(|&member| member == group);
        let own = groups.iter().filter_map(|(&id, &group)| Some((id, at(group)?)));
        let (part, own): (_, Groups) = (problem.part(&bin.members), own.collect());
        let constant_bytes = u32::try_from(bin.constant_bytes).unwrap_or(u32::MAX);
        let limit = Some(memory.bytes.saturating_sub(constant_bytes));
        let plan = plan_arena(program, (&part, &own), (&kept, room), limits, limit)?;
        let bytes = match constant_bytes {
            0 => u64::from(plan.arena_bytes),
            bytes => u64::from(plan.arena_bytes).next_multiple_of(ALIGN as u64) + u64::from(bytes),
        };
        if bytes > u64::from(memory.bytes) {
            return Ok(None);
        }
        if bytes > 0 {
            add(&mut layout, (bin, memory), &plan, (bytes as u32, constant_bytes))?;
        }
    }
    // One memory without constants is an arena like any other.
    let constants = layout.regions.iter().any(|region| region.constant_bytes > 0);
    Ok(Some(match layout.regions.len() > 1 || constants {
        true => layout,
        false => Layout::single(layout.plan),
    }))
}

/// Adds a memory behind those of a layout.
fn add(
    layout: &mut Layout,
    (bin, memory): (&Bin, &Memory),
    plan: &Plan,
    (bytes, constant_bytes): (u32, u32),
) -> Result<(), CompileError> {
    let too_large = || CompileError::at(Span::default(), "the memories exceed 4 GiB together");
    let whole = &mut layout.plan;
    let start = whole.arena_bytes.checked_next_multiple_of(ALIGN as u32).ok_or_else(too_large)?;
    whole.arena_bytes = start.checked_add(bytes).ok_or_else(too_large)?;
    for (&group, &offset) in bin.members.iter().zip(&plan.offsets) {
        whole.offsets[group] = start + offset;
    }
    whole.lower_bound = whole.lower_bound.saturating_add(plan.lower_bound);
    whole.proven_bound = whole.proven_bound.saturating_add(plan.proven_bound);
    whole.proven_optimal &= plan.proven_optimal;
    let index = layout.regions.len();
    layout.constants.extend(bin.constants.iter().map(|&id| (id, index)));
    layout.regions.push(RegionReport {
        name: memory.name.clone(),
        start,
        bytes,
        constant_bytes,
        limit_bytes: memory.bytes,
        cost: memory.cost,
        accesses: bin.words,
        lower_bound_bytes: plan.lower_bound,
        proven_optimal: plan.proven_optimal,
    });
    Ok(())
}
