//! Exact placement: a search that finds a plan of a given height or proves that there is none.
//!
//! Some plan of the least height places every buffer at the lowest offset that the buffers below it
//! allow. So a buffer that may be lowest lies either exactly at its lower bound, or on top of a
//! buffer that is yet to be placed, which raises the bound: two branches, each of which says something
//! about its neighbours in time at once. A branch ends when, in a section of time, the buffers whose
//! bounds are at least some offset do not fit between it and the capacity; of buffers that may share
//! bytes, so many do not count twice. This is the space that
//! MiniMalloc (Moffitt, ASPLOS 2023) searches, cut at the same gaps in time; the rest is what keeps
//! solvers for other problems from searching a mistake's surroundings again and again:
//!
//! - every bound carries the decisions that it follows from, and a failure that does not follow from
//!   a decision undoes it without trying its other branch (conflict-directed backjumping, Prosser 1993);
//! - what fails often is placed first (weights, Boussemart et al. 2004), and the search starts over
//!   with what it has learned.

use super::shapes::Shapes;

/// Larger problems are left to the heuristics; also bounds the recursion depth.
pub(super) const MAX_BUFFERS: usize = 1024;

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Offsets of the shapes.
    Fits(Vec<u64>),
    /// There is no plan of that height.
    Infeasible,
    /// The effort did not suffice.
    Undecided,
}

/// What a search may cost; shared by the searches of a problem.
pub(super) struct Effort<'s> {
    /// Steps that are left: one step is one section of one buffer looked at, about a nanosecond.
    pub steps: u64,
    /// Asked now and then whether to stop at once.
    pub stop: &'s mut dyn FnMut() -> bool,
}

/// Steps of the first search before it starts over, and the factor from one start to the next.
const FIRST_STEPS: u64 = 2_000_000;
const GROWTH: (u64, u64) = (4, 3);

/// Searches for a placement of at most `capacity` bytes, for at most `steps` of the effort.
pub(super) fn search(
    shapes: &Shapes<'_>,
    capacity: u64,
    steps: u64,
    effort: &mut Effort<'_>,
) -> Outcome {
    let count = shapes.list.iter().filter(|shape| shape.hull.size > 0).count();
    match count.div_ceil(64) {
        0 | 1 => search_of::<1>(shapes, capacity, steps, effort),
        2 => search_of::<2>(shapes, capacity, steps, effort),
        3 | 4 => search_of::<4>(shapes, capacity, steps, effort),
        5..=8 => search_of::<8>(shapes, capacity, steps, effort),
        9..=16 => search_of::<16>(shapes, capacity, steps, effort),
        _ => Outcome::Undecided,
    }
}

fn search_of<const W: usize>(
    shapes: &Shapes<'_>,
    capacity: u64,
    steps: u64,
    effort: &mut Effort<'_>,
) -> Outcome {
    let mut searches = [
        Search::<W>::new(shapes, |w, a, t| (w, a, t), Focus::Items, capacity),
        Search::<W>::new(shapes, |w, a, t| (t, w, a), Focus::Sections, capacity),
    ];
    let mut left = steps.min(effort.steps);
    let mut share = FIRST_STEPS;
    // Each starts over in turn, with more and more steps.
    loop {
        for search in &mut searches {
            let given = share.min(left);
            search.steps = given;
            let end = search.run(effort.stop);
            let used = given - search.steps;
            (left, effort.steps) = (left - used, effort.steps - used);
            match end {
                End::Solved => return Outcome::Fits(search.offsets(shapes.list.len())),
                End::Failed => return Outcome::Infeasible,
                End::Stopped if left == 0 || (effort.stop)() => return Outcome::Undecided,
                End::Stopped => {}
            }
        }
        share = share / GROWTH.1 * GROWTH.0;
    }
}

/// Decisions that something follows from, by depth.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Reasons<const W: usize>([u64; W]);

impl<const W: usize> Reasons<W> {
    const NONE: Self = Reasons([0; W]);

    fn add(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a |= b;
        }
    }

    fn insert(&mut self, depth: usize) {
        self.0[depth / 64] |= 1 << (depth % 64);
    }

    /// Whether the decision was among them.
    fn remove(&mut self, depth: usize) -> bool {
        let bit = 1 << (depth % 64);
        let had = self.0[depth / 64] & bit != 0;
        self.0[depth / 64] &= !bit;
        had
    }
}

/// How items are ranked, largest first: key of (sections covered, area, largest live set).
type Order = fn(u64, u64, u64) -> (u64, u64, u64);

/// What of a failure makes an item more urgent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Focus {
    /// Taking part in it.
    Items,
    /// Being alive in its section.
    Sections,
}

/// A shape of non-zero size in the search's terms.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Item {
    size: u64,
    align: u64,
    /// Sections covered, half open.
    from: usize,
    to: usize,
    /// Position among the shapes.
    index: usize,
}

/// An item that is alive together with another, and how far one of them starts behind the other if it
/// lies above.
#[derive(Clone, Copy)]
struct Neighbour {
    item: u32,
    above: u32,
}

/// What an item may share with another in a section.
#[derive(Clone, Copy)]
struct Shared {
    other: usize,
    section: usize,
    bytes: u64,
    /// The one of the two whose bytes are counted once.
    result: usize,
}

/// What a buffer may share with all others: each of its bytes once.
#[derive(Clone, Copy, Default)]
struct Allowance {
    bytes: u64,
    /// What is left, in a round of [`Search::fits`].
    left: u64,
    round: u64,
}

impl Item {
    fn sections(&self) -> std::ops::Range<usize> {
        self.from..self.to
    }

    /// The least offset for the item above one that ends at `top`.
    fn above(&self, top: u64) -> u64 {
        top.next_multiple_of(self.align)
    }
}

/// How a search ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everything is placed.
    Solved,
    /// Nothing fits; `conflict` says because of which decisions.
    Failed,
    /// The steps are used up.
    Stopped,
}

struct Search<const W: usize> {
    /// By rank.
    items: Vec<Item>,
    /// The items that are alive together with each: how far each lies above it, and it above each.
    over: Vec<Vec<Neighbour>>,
    under: Vec<Vec<Neighbour>>,
    /// The items of equal size, alignment and lifetime that share nothing: what one cannot do, none of
    /// them can.
    twins: Vec<Vec<usize>>,
    /// Bytes per section of items whose size is not the same in all of them.
    sizes: Vec<Option<Box<[u64]>>>,
    /// What each item may share with others.
    shared: Vec<Vec<Shared>>,
    /// By result.
    allowances: Vec<Allowance>,
    /// How often [`Search::fits`] was asked, and when it last counted an item.
    round: u64,
    seen: Vec<u64>,
    capacity: u64,
    focus: Focus,
    /// Lower bounds of the offsets of items that are not placed, and offsets of those that are.
    low: Vec<u64>,
    why: Vec<Reasons<W>>,
    placed: Vec<bool>,
    /// What bounds were, to be restored: item, bound, reasons.
    trail: Vec<(usize, u64, Reasons<W>)>,
    /// Per section: items not placed that are alive in it and in the one before.
    crossing: Vec<u32>,
    /// Scratch: bytes per section.
    filled: Vec<u64>,
    conflict: Reasons<W>,
    /// How often an item or section failed.
    item_weights: Vec<u64>,
    section_weights: Vec<u64>,
    steps: u64,
}

impl<const W: usize> Search<W> {
    fn new(shapes: &Shapes<'_>, order: Order, focus: Focus, capacity: u64) -> Self {
        let sections = Sections::new(shapes);
        let items = sections.ranked_items(shapes, order);
        let count = items.iter().map(|i| i.to).max().unwrap_or(0);
        let plain = |i: &Item| shapes.list[i.index].plain;
        let same = |a: &Item, b: &Item| {
            plain(a) && plain(b) && Item { index: 0, ..*a } == Item { index: 0, ..*b }
        };
        let all = 0..items.len();
        let neighbours = |far: &dyn Fn(usize, usize) -> Option<u64>| -> Vec<Vec<Neighbour>> {
            let one = |i: usize, j: usize| {
                let above = far(items[i].index, items[j].index).filter(|_| i != j)?;
                // Sizes have 32 bits.
                Some(Neighbour { item: j as u32, above: above as u32 })
            };
            all.clone().map(|i| all.clone().filter_map(|j| one(i, j)).collect()).collect()
        };
        let (shared, allowances) = sections.shared(shapes, &items);
        let twins = |i: usize| -> Vec<usize> {
            all.clone().filter(|&j| j != i && same(&items[i], &items[j])).collect()
        };
        Search {
            over: neighbours(&|i, j| shapes.above(i, j)),
            under: neighbours(&|i, j| shapes.above(j, i)),
            twins: all.clone().map(twins).collect(),
            sizes: items.iter().map(|item| sections.sizes(shapes, item)).collect(),
            shared,
            allowances,
            round: 0,
            seen: vec![0; items.len()],
            capacity,
            focus,
            low: vec![0; items.len()],
            why: vec![Reasons::NONE; items.len()],
            placed: vec![false; items.len()],
            trail: Vec::new(),
            crossing: vec![0; count],
            filled: vec![0; count],
            conflict: Reasons::NONE,
            item_weights: vec![0; items.len()],
            section_weights: vec![0; count],
            steps: 0,
            items,
        }
    }

    /// Searches from the start, with the weights of earlier searches.
    fn run(&mut self, stop: &mut dyn FnMut() -> bool) -> End {
        self.low.fill(0);
        self.why.fill(Reasons::NONE);
        self.placed.fill(false);
        self.trail.clear();
        self.crossing.fill(0);
        for item in &self.items {
            self.crossing[item.from + 1..item.to].iter_mut().for_each(|c| *c += 1);
        }
        let all: Vec<usize> = (0..self.items.len()).collect();
        self.parts(&all, 0, stop)
    }

    /// Places items in groups that are never alive together, smallest group first.
    fn parts(&mut self, items: &[usize], depth: usize, stop: &mut dyn FnMut() -> bool) -> End {
        let mut by_start = items.to_vec();
        by_start.sort_unstable_by_key(|&i| self.items[i].from);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut reach = 0;
        for i in by_start {
            let item = self.items[i];
            match groups.last_mut() {
                Some(group) if item.from < reach => group.push(i),
                _ => groups.push(vec![i]),
            }
            reach = reach.max(item.to);
        }
        groups.iter_mut().for_each(|group| group.sort_unstable());
        groups.sort_by_key(Vec::len);
        for group in &groups {
            let end = self.place_all(group, depth, stop);
            if end != End::Solved {
                return end;
            }
        }
        End::Solved
    }

    /// Places items that are connected in time.
    fn place_all(&mut self, items: &[usize], depth: usize, stop: &mut dyn FnMut() -> bool) -> End {
        let entry = self.trail.len();
        let mut by_bound = items.to_vec();
        let mut rest = Vec::with_capacity(items.len());
        loop {
            by_bound.sort_by_key(|&i| std::cmp::Reverse(self.low[i]));
            if !self.fits(&by_bound) {
                break;
            }
            if self.steps == 0 || stop() {
                return End::Stopped;
            }
            let Some(chosen) = self.choose(&by_bound) else { return End::Solved };
            let mark = self.trail.len();
            let alone = self.place(chosen, depth);
            rest.clear();
            rest.extend(items.iter().copied().filter(|&i| i != chosen));
            let end = match alone {
                _ if rest.is_empty() => End::Solved,
                true => self.parts(&rest, depth + 1, stop),
                false => self.place_all(&rest, depth + 1, stop),
            };
            if end != End::Failed {
                return end;
            }
            self.undo(mark);
            items.iter().for_each(|&i| self.unplace(i));
            if !self.conflict.remove(depth) || !self.raise(chosen) {
                break;
            }
        }
        self.undo(entry);
        End::Failed
    }

    /// Whether in every section, for every offset, the items that lie at or above it can lie below
    /// the capacity. If not, `conflict` says why.
    fn fits(&mut self, by_bound: &[usize]) -> bool {
        for &i in by_bound {
            let range = self.items[i].sections();
            self.steps = self.steps.saturating_sub(2 * range.len() as u64 + 1);
            self.filled[range].fill(0);
        }
        self.round += 1;
        for (n, &i) in by_bound.iter().enumerate() {
            let item = self.items[i];
            let room = self.capacity.saturating_sub(self.low[i]);
            if !self.shared[i].is_empty() {
                self.share(i);
            }
            for s in item.sections() {
                self.filled[s] += match &self.sizes[i] {
                    None => item.size,
                    Some(sizes) => sizes[s - item.from],
                };
                if self.filled[s] > room {
                    self.fail(&by_bound[..=n], s);
                    return false;
                }
            }
        }
        true
    }

    /// Takes off what an item that is to be counted may share with those that have been.
    fn share(&mut self, i: usize) {
        self.seen[i] = self.round;
        for shared in &self.shared[i] {
            if self.seen[shared.other] != self.round {
                continue;
            }
            let allowance = &mut self.allowances[shared.result];
            if allowance.round != self.round {
                (allowance.round, allowance.left) = (self.round, allowance.bytes);
            }
            let bytes = shared.bytes.min(allowance.left);
            allowance.left -= bytes;
            // Operands that are tied to a result leave it less to share.
            let filled = &mut self.filled[shared.section];
            *filled = filled.saturating_sub(bytes);
        }
    }

    /// Notes that these items do not fit into a section.
    fn fail(&mut self, items: &[usize], section: usize) {
        self.conflict = Reasons::NONE;
        self.section_weights[section] += 1;
        for &i in items.iter().filter(|&&i| self.items[i].sections().contains(&section)) {
            self.conflict.add(&self.why[i]);
            self.item_weights[i] += 1;
        }
    }

    /// The most urgent of the items with the lowest bound, which nothing can lie below. They are
    /// last in the list.
    fn choose(&self, by_bound: &[usize]) -> Option<usize> {
        let lowest = self.low[*by_bound.last()?];
        let urgency = |i: usize| match self.focus {
            Focus::Items => self.item_weights[i],
            Focus::Sections => {
                let weights = &self.section_weights[self.items[i].sections()];
                weights.iter().copied().max().unwrap_or(0)
            }
        };
        let candidates = by_bound.iter().rev().copied().take_while(|&i| self.low[i] == lowest);
        candidates.min_by_key(|&i| (self.waits(i), std::cmp::Reverse(urgency(i)), i))
    }

    /// Whether an item may start where another does that lies below it then: that one comes first.
    fn waits(&self, i: usize) -> bool {
        !self.shared[i].is_empty()
            && self.under[i].iter().any(|n| {
                let j = n.item as usize;
                n.above == 0 && !self.placed[j] && self.low[j] <= self.low[i]
            })
    }

    /// Decides that an item lies at its bound, and raises its neighbours. Returns whether the others
    /// may be in several groups now.
    fn place(&mut self, i: usize, depth: usize) -> bool {
        let item = self.items[i];
        self.placed[i] = true;
        let mut cut = false;
        for crossing in &mut self.crossing[item.from + 1..item.to] {
            *crossing -= 1;
            cut |= *crossing == 0;
        }
        // What follows from the item's place follows from this decision and what led to its bound.
        let old = self.why[i];
        self.trail.push((i, self.low[i], old));
        self.why[i].insert(depth);
        let (reasons, low) = (self.why[i], self.low[i]);
        let mut neighbours = 0;
        for n in 0..self.over[i].len() {
            let Neighbour { item: j, above } = self.over[i][n];
            let j = j as usize;
            if self.placed[j] {
                continue;
            }
            neighbours += 1;
            let above = self.items[j].above(low + u64::from(above));
            if self.low[j] < above {
                self.set(j, above, reasons);
            }
        }
        cut || neighbours == 0
    }

    /// Raises the bound of an item for these and its former reasons.
    fn set(&mut self, i: usize, low: u64, reasons: Reasons<W>) {
        self.trail.push((i, self.low[i], self.why[i]));
        self.low[i] = low;
        self.why[i].add(&reasons);
    }

    fn undo(&mut self, mark: usize) {
        while self.trail.len() > mark
            && let Some((i, low, why)) = self.trail.pop()
        {
            (self.low[i], self.why[i]) = (low, why);
        }
    }

    fn unplace(&mut self, i: usize) {
        if self.placed[i] {
            self.placed[i] = false;
            let item = self.items[i];
            self.crossing[item.from + 1..item.to].iter_mut().for_each(|c| *c += 1);
        }
    }

    /// Raises an item that does not lie at its bound, for the reasons in `conflict`: it lies on one that is
    /// not placed. If there is none, it is in conflict.
    fn raise(&mut self, i: usize) -> bool {
        let mut reasons = self.conflict;
        let mut lowest = u64::MAX;
        for n in &self.under[i] {
            let j = n.item as usize;
            reasons.add(&self.why[j]);
            if !self.placed[j] {
                lowest = lowest.min(self.items[i].above(self.low[j] + u64::from(n.above)));
            }
        }
        if lowest == u64::MAX {
            self.conflict = reasons;
            self.conflict.add(&self.why[i]);
            return false;
        }
        let bound = self.low[i];
        // Only where shapes wait for one another in a circle would it stay where it is.
        let lowest = lowest.max(bound + 1);
        self.set(i, lowest, reasons);
        let reasons = self.why[i];
        for t in 0..self.twins[i].len() {
            let twin = self.twins[i][t];
            if !self.placed[twin] && self.low[twin] == bound {
                self.set(twin, lowest, reasons);
            }
        }
        true
    }

    fn offsets(&self, count: usize) -> Vec<u64> {
        let mut offsets = vec![0; count];
        for (item, offset) in self.items.iter().zip(&self.low) {
            offsets[item.index] = *offset;
        }
        offsets
    }
}

/// The steps at which buffers of non-zero size start: a set of live buffers that is largest by
/// inclusion contains the start of some buffer, so one section per distinct start sees every conflict.
struct Sections(Vec<u32>);

impl Sections {
    fn new(shapes: &Shapes<'_>) -> Sections {
        let real = shapes.problem.buffers.iter().filter(|b| b.size > 0);
        let mut starts: Vec<u32> = real.map(|b| b.lower).collect();
        starts.sort_unstable();
        starts.dedup();
        Sections(starts)
    }

    fn at(&self, step: u32) -> usize {
        self.0.partition_point(|s| *s < step)
    }

    /// The shapes of non-zero size as items, ranked.
    fn ranked_items(&self, shapes: &Shapes<'_>, order: Order) -> Vec<Item> {
        let real = shapes.list.iter().map(|shape| shape.hull).enumerate().filter(|s| s.1.size > 0);
        let mut items: Vec<Item> = real
            .map(|(index, hull)| Item {
                size: u64::from(hull.size),
                align: u64::from(hull.align),
                from: self.at(hull.lower),
                to: self.at(hull.upper),
                index,
            })
            .collect();
        let mut live = vec![0; self.0.len()];
        for item in &items {
            live[item.sections()].iter_mut().for_each(|l| *l += item.size);
        }
        items.sort_by_key(|i| {
            let hull = &shapes.list[i.index].hull;
            let length = u64::from(hull.upper - hull.lower);
            let largest = live[i.sections()].iter().copied().max().unwrap_or(0);
            let key = order(i.sections().len() as u64, length * i.size, largest);
            (std::cmp::Reverse(key), i.index)
        });
        items
    }

    /// Bytes of an item of several buffers in each of its sections.
    fn sizes(&self, shapes: &Shapes<'_>, item: &Item) -> Option<Box<[u64]>> {
        let members = &shapes.list[item.index].members;
        if members.len() == 1 {
            return None;
        }
        let largest = |section: usize| {
            let buffers = members.iter().map(|&m| &shapes.problem.buffers[m]);
            let live = buffers.filter(|b| (self.at(b.lower)..self.at(b.upper)).contains(&section));
            live.map(|b| u64::from(b.size)).max().unwrap_or(0)
        };
        Some(item.sections().map(largest).collect())
    }

    /// What each item may share with others, and what each result may.
    fn shared(&self, shapes: &Shapes<'_>, items: &[Item]) -> (Vec<Vec<Shared>>, Vec<Allowance>) {
        let mut all = vec![Vec::new(); items.len()];
        let mut allowances = vec![Allowance::default(); shapes.problem.buffers.len()];
        let item = |buffer: usize| items.iter().position(|i| i.index == shapes.of[buffer]);
        let shares = shapes.problem.shares();
        let limits = shapes.problem.shared_limits();
        for share in shares.iter().filter(|share| shapes.share(share.first, share.later)) {
            let (result, bytes) = (share.later, share.bytes);
            let (Some(first), Some(later)) = (item(share.first), item(result)) else { continue };
            allowances[result].bytes = limits[result];
            let section = self.at(shapes.problem.buffers[result].lower);
            all[first].push(Shared { other: later, section, bytes, result });
            all[later].push(Shared { other: first, section, bytes, result });
        }
        (all, allowances)
    }
}
