//! Exact placement by branch and bound.
//!
//! Some optimal plan places every buffer at the lowest offset the buffers below it allow (take
//! the optimal plan with the least sum of offsets). Listing its buffers by offset, and equal
//! offsets by rank, gives a canonical sequence; the search enumerates such sequences only. Time
//! is cut into sections at the lifetimes' ends, each with a floor: the height below which nothing
//! more can be placed. A branch is closed when some section's floor and the sizes still to be
//! placed there together exceed the best height known.

use super::problem::{Buffer, Problem};

/// Larger problems are left to the heuristics; also bounds the recursion depth.
pub(super) const MAX_BUFFERS: usize = 1024;

/// What the search found.
pub(super) struct Outcome {
    /// Offsets of a placement lower than the given one, by position in the problem.
    pub improved: Option<Vec<u64>>,
    /// Whether the whole space was covered: the best placement known is then optimal.
    pub complete: bool,
}

/// Searches for a placement lower than `height`, down to `lower_bound`, for at most `work` steps
/// (one step is one section of one buffer looked at).
pub(super) fn search(problem: &Problem, height: u64, lower_bound: u64, work: u64) -> Outcome {
    let mut improved = None;
    let mut best = height;
    // Different orders of siblings find solutions in different places; each gets a share.
    for order in ORDERS {
        let mut search = Search::new(&problem.buffers, order, best, lower_bound);
        search.work = work / ORDERS.len() as u64;
        let complete = search.branch(0, None);
        if let Some(items) = search.found.take() {
            best = search.best;
            improved = Some(search.offsets(&items, problem.buffers.len()));
        }
        if complete || best <= lower_bound {
            return Outcome { improved, complete: true };
        }
    }
    Outcome { improved, complete: false }
}

/// How siblings are ranked, largest first: key of (sections covered, area, size).
type Order = fn(u64, u64, u64) -> (u64, u64, u64);

const ORDERS: [Order; 3] = [|w, a, t| (w, a, t), |w, a, t| (t, a, w), |w, a, t| (t, w, a)];

/// A buffer of non-zero size in the search's terms.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Item {
    size: u64,
    align: u64,
    /// Sections covered, half open.
    from: usize,
    to: usize,
    /// Position in the problem.
    index: usize,
}

struct Search {
    /// By rank.
    items: Vec<Item>,
    /// Rank of the previous item with equal size, alignment and lifetime: such items are
    /// interchangeable, so they are placed by rank.
    twin: Vec<Option<usize>>,
    /// Offset per rank; `None` while not placed.
    at: Vec<Option<u64>>,
    left: usize,
    /// Per section: the height of what is placed.
    floor: Vec<u64>,
    /// Per section: sizes not yet placed.
    rest: Vec<u64>,
    best: u64,
    lower_bound: u64,
    found: Option<Vec<u64>>,
    work: u64,
}

impl Search {
    fn new(buffers: &[Buffer], order: Order, best: u64, lower_bound: u64) -> Search {
        let items = ranked_items(buffers, order);
        let sections = items.iter().map(|i| i.to).max().unwrap_or(0);
        let same = |a: &Item, b: &Item| Item { index: 0, ..*a } == Item { index: 0, ..*b };
        let twin =
            (0..items.len()).map(|r| (0..r).rev().find(|&p| same(&items[p], &items[r]))).collect();
        let mut rest = vec![0; sections];
        for item in &items {
            rest[item.from..item.to].iter_mut().for_each(|r| *r += item.size);
        }
        let (at, left) = (vec![None; items.len()], items.len());
        let floor = vec![0; sections];
        Search { items, twin, at, left, floor, rest, best, lower_bound, found: None, work: 0 }
    }

    /// Explores everything above the current partial placement, whose last buffer is at `level`
    /// with rank `last`. False when the work ran out.
    fn branch(&mut self, level: u64, last: Option<usize>) -> bool {
        if self.left == 0 {
            let height = self.floor.iter().copied().max().unwrap_or(0);
            if height < self.best {
                self.best = height;
                self.found = Some(self.at.iter().map(|o| o.unwrap_or(0)).collect());
            }
            return true;
        }
        let Some(candidates) = self.candidates(level, last) else { return self.work > 0 };
        for (offset, rank) in candidates {
            let item = self.items[rank];
            let saved = self.put(rank, offset);
            let complete = self.branch(offset, Some(rank));
            self.at[rank] = None;
            self.left += 1;
            self.floor[item.from..item.to].copy_from_slice(&saved);
            self.rest[item.from..item.to].iter_mut().for_each(|r| *r += item.size);
            if !complete {
                return false;
            }
            if self.best <= self.lower_bound {
                return true;
            }
        }
        true
    }

    /// Places an item and returns the floors it covers.
    fn put(&mut self, rank: usize, offset: u64) -> Vec<u64> {
        let item = self.items[rank];
        let range = item.from..item.to;
        let saved = self.floor[range.clone()].to_vec();
        self.floor[range.clone()].fill(offset + item.size);
        self.rest[range].iter_mut().for_each(|r| *r -= item.size);
        self.at[rank] = Some(offset);
        self.left -= 1;
        saved
    }

    /// Offset and rank of the items that may come next, in the order to be tried; `None` when
    /// nothing better than the best can follow, or the work ran out.
    fn candidates(&mut self, level: u64, last: Option<usize>) -> Option<Vec<(u64, usize)>> {
        let mut lowest = vec![u64::MAX; self.floor.len()];
        let mut reach = u64::MAX;
        let mut open = Vec::with_capacity(self.left);
        for (rank, item) in self.items.iter().enumerate().filter(|(r, _)| self.at[*r].is_none()) {
            let range = item.from..item.to;
            self.work = self.work.saturating_sub(2 * range.len() as u64 + 1);
            let floor = self.floor[range.clone()].iter().copied().max().unwrap_or(0);
            let exact = floor.next_multiple_of(item.align);
            // Later items of the sequence are never below the current level.
            let offset = exact.max(level.next_multiple_of(item.align));
            lowest[range].iter_mut().for_each(|l| *l = offset.min(*l));
            reach = reach.min(offset + item.size);
            // An item that would hang in the air waits for one that it can stand on.
            let in_sequence = exact > level || (exact == level && last.is_none_or(|l| rank > l));
            let twin_waits = self.twin[rank].is_some_and(|t| self.at[t].is_none());
            if in_sequence && !twin_waits {
                open.push((exact, rank));
            }
        }
        if self.work == 0 {
            return None;
        }
        // `best` may have fallen since the items below were placed, hence the look at the floor.
        let hopeless = |s: usize| {
            self.floor[s] >= self.best
                || (self.rest[s] > 0 && lowest[s] + self.rest[s] >= self.best)
        };
        if (0..lowest.len()).any(hopeless) {
            return None;
        }
        // Whatever starts above `reach` leaves room for a whole unplaced item below itself.
        open.retain(|c| c.0 < reach);
        open.sort_unstable();
        Some(open)
    }

    fn offsets(&self, by_rank: &[u64], count: usize) -> Vec<u64> {
        let mut offsets = vec![0; count];
        for (item, offset) in self.items.iter().zip(by_rank) {
            offsets[item.index] = *offset;
        }
        offsets
    }
}

/// The buffers of non-zero size as items, ranked.
fn ranked_items(buffers: &[Buffer], order: Order) -> Vec<Item> {
    let real = || buffers.iter().enumerate().filter(|(_, b)| b.size > 0);
    // A set of live buffers that is largest by inclusion contains the start of some buffer, so
    // one section per distinct start sees every conflict.
    let mut starts: Vec<u32> = real().map(|(_, b)| b.lower).collect();
    starts.sort_unstable();
    starts.dedup();
    let section = |step: u32| starts.partition_point(|s| *s < step);
    let item = |(index, b): (usize, &Buffer)| Item {
        size: u64::from(b.size),
        align: u64::from(b.align),
        from: section(b.lower),
        to: section(b.upper),
        index,
    };
    let mut items: Vec<Item> = real().map(item).collect();
    items.sort_by_key(|i| {
        let width = (i.to - i.from) as u64;
        (std::cmp::Reverse(order(width, width * i.size, i.size)), i.index)
    });
    items
}
