//! Which memory everything lies in: what is accessed most for its size comes first, and goes to the memory
//! that costs least of those with room for it.

use microhlo_format::ALIGN;

use super::{Layout, Memories, Memory, Others, RegionReport, Traffic, pinned};
use crate::compile::{CompileError, CompileOptions};
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
    /// What other models have in each memory.
    others: Vec<Others>,
    /// Most bytes of all memories together.
    most: u64,
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
    options: &CompileOptions,
) -> Result<Option<Layout>, CompileError> {
    let (traffic, limits) = (Traffic::new(program), &options.plan);
    let mut others = options.others.clone();
    others.resize(options.memories.arenas.len(), Others::default());
    let search = Search {
        problem,
        memories: &options.memories,
        others,
        most: options.memory.arena_limit.map_or(u64::MAX, u64::from),
        kept: kept_groups(program, groups),
        pinned: pinned(program, groups),
        room: options.room,
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
        let by_cost = self.by_cost(None);
        for order in [items, &buffers, &largest_first] {
            let mut bins = self.pinned_bins()?;
            if self.fill(&mut bins, order, &by_cost) {
                self.fill(&mut bins, &constants, &by_cost);
                return Some(bins);
            }
        }
        // What is alive at other times shares no bytes with what lies in another memory.
        for &first in by_cost.iter().filter(|_| self.most < u64::MAX) {
            let mut bins = self.pinned_bins()?;
            if self.fill(&mut bins, &largest_first, &self.by_cost(Some(first))) {
                self.fill(&mut bins, &constants, &by_cost);
                return Some(bins);
            }
        }
        None
    }

    /// The memories by what an access costs, behind one that comes before all.
    fn by_cost(&self, first: Option<usize>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.memories.arenas.len()).collect();
        order.sort_by_key(|&i| (Some(i) != first, self.memories.arenas[i].cost));
        order
    }

    /// The memories with what must lie in the first.
    fn pinned_bins(&self) -> Option<Vec<Bin>> {
        let mut bins = vec![Bin::default(); self.memories.arenas.len()];
        for &group in &self.pinned {
            let first = bins.first_mut()?;
            first.members.push(group);
        }
        let first = bins.first_mut()?;
        first.planned = self.planned(0, &first.members)?;
        self.fits(0, &bins).then_some(bins)
    }

    /// Puts what is in no memory yet into the first that has room, in this order; whether that holds for all
    /// buffers.
    fn fill(&self, bins: &mut [Bin], items: &[Item], order: &[usize]) -> bool {
        let placed = |bins: &[Bin], item: &Item| bins.iter().any(|bin| bin.has(item.what));
        let mut left: Vec<&Item> = items.iter().filter(|item| !placed(bins, item)).collect();
        for &index in order {
            left.retain(|item| !self.add(index, bins, item));
        }
        !left.iter().any(|item| matches!(item.what, What::Buffer(_)))
    }

    /// Adds something to a memory if there is room for it and it is worth it.
    fn add(&self, index: usize, bins: &mut [Bin], item: &Item) -> bool {
        let before = bins[index].clone();
        let added = self.put(index, &mut bins[index], item) && self.fits(index, bins);
        if !added {
            bins[index] = before;
        }
        added
    }

    /// Adds something to a memory whether or not there is room, if it is worth it.
    fn put(&self, index: usize, bin: &mut Bin, item: &Item) -> bool {
        match item.what {
            What::Buffer(group) => {
                bin.members.push(group);
                let Some(planned) = self.planned(index, &bin.members) else { return false };
                bin.planned = planned;
            }
            What::Constant(id) => {
                let gains = self.memories.arenas[index].cost < self.memories.artifact_cost;
                if !gains || item.words == 0 || item.bytes == 0 {
                    return false;
                }
                // The section has them by falling alignment, so that each begins where the one before ends.
                let padded = u64::from(item.bytes).next_multiple_of(item.align.max(1).into());
                bin.constant_end += padded;
                bin.constant_bytes = bin.constant_end.next_multiple_of(ALIGN as u64);
                bin.constants.push(id);
            }
        }
        bin.words += item.words;
        true
    }

    /// Whether there is as much of a memory as it has to hold, and of all together.
    fn fits(&self, index: usize, bins: &[Bin]) -> bool {
        let end = self.others[index].end(bins[index].planned, bins[index].constant_bytes);
        end <= u64::from(self.memories.arenas[index].bytes) && self.sum(bins) <= self.most
    }

    /// Bytes of all memories, with what other models have there.
    fn sum(&self, bins: &[Bin]) -> u64 {
        let ends = bins.iter().zip(&self.others).map(|(bin, others)| {
            // The start of the first memory is kept for states of all models, whoever uses the rest.
            let buffers = if bin.is_empty() { 0 } else { bin.planned };
            others.end(buffers, bin.constant_bytes)
        });
        sum(ends)
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

    /// Most bytes that buffers may take in a memory for all to fit, beside what is in the others.
    fn most_of(&self, index: usize, bins: &[Bin]) -> u32 {
        let (bin, others) = (&bins[index], self.others[index]);
        let behind = bin.constant_bytes + u64::from(others.constants);
        let mut most = u64::from(self.memories.arenas[index].bytes).saturating_sub(behind);
        if behind > 0 {
            most -= most % ALIGN as u64;
        }
        if self.most < u64::MAX {
            let left = self.most.saturating_sub(self.sum(bins));
            most = most.min(bin.planned.max(others.buffers.into()) + left);
        }
        u32::try_from(most).unwrap_or(u32::MAX)
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

/// Bytes of memories that begin behind each other, where they are aligned.
fn sum(ends: impl Iterator<Item = u64>) -> u64 {
    ends.filter(|&end| end > 0).fold(0, |at, end| at.next_multiple_of(ALIGN as u64) + end)
}

impl Bin {
    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.constants.is_empty()
    }

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
    let mut bins = bins.to_vec();
    for (index, memory) in search.memories.arenas.iter().enumerate() {
        let bin = &bins[index];
        if bin.is_empty() {
            continue;
        }
        let (kept, room) = search.kept(index, &bin.members);
        let at = |group: usize| bin.members.iter().position(|&member| member == group);
        let own = groups.iter().filter_map(|(&id, &group)| Some((id, at(group)?)));
        let (part, own): (_, Groups) = (problem.part(&bin.members), own.collect());
        let limit = Some(search.most_of(index, &bins));
        let plan = plan_arena(program, (&part, &own), (&kept, room), limits, limit)?;
        bins[index].planned = plan.arena_bytes.into();
        if !search.fits(index, &bins) {
            return Ok(None);
        }
        add(&mut layout, (&bins[index], memory), &plan, search.others[index])?;
    }
    // One memory without constants is an arena like any other.
    let constants = layout.regions.iter().any(|region| region.constant_bytes > 0);
    Ok(Some(match layout.regions.len() > 1 || constants {
        true => layout,
        false => Layout { only: layout.regions.pop(), ..layout },
    }))
}

/// Adds a memory behind those of a layout.
fn add(
    layout: &mut Layout,
    (bin, memory): (&Bin, &Memory),
    plan: &Plan,
    others: Others,
) -> Result<(), CompileError> {
    let too_large = || CompileError::at(Span::default(), "the memories exceed 4 GiB together");
    // Without constants nothing of it lies behind the buffers of other models.
    let (buffer_bytes, bytes) = match bin.constant_bytes {
        0 => (plan.arena_bytes, plan.arena_bytes.into()),
        constants => (plan.arena_bytes, others.end(plan.arena_bytes.into(), constants)),
    };
    let bytes = u32::try_from(bytes).map_err(|_| too_large())?;
    let constant_bytes = u32::try_from(bin.constant_bytes).map_err(|_| too_large())?;
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
        buffer_bytes,
        constant_bytes,
        limit_bytes: memory.bytes,
        cost: memory.cost,
        accesses: bin.words,
        lower_bound_bytes: plan.lower_bound,
        proven_optimal: plan.proven_optimal,
    });
    Ok(())
}
