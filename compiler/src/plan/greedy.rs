//! Fast heuristics: buffers are placed one after the other into gaps of what is already placed.
//!
//! Each pass is quadratic at worst and takes well under a millisecond for the graphs of real
//! models. No single order is good everywhere, so several are tried and the lowest result wins.

use super::problem::Buffer;
use super::shapes::Shapes;

/// Which gap a buffer goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// The lowest gap that is large enough.
    First,
    /// The smallest gap that is large enough; the lowest of equals.
    Best,
}

/// Offsets and the height they reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// Offset per shape.
    pub offsets: Vec<u64>,
    /// Largest end of any buffer.
    pub height: u64,
}

/// A height that a placement reaches, found faster and less low than that of [`portfolio`].
pub(super) fn sketch(shapes: &Shapes<'_>) -> u64 {
    let buffers: Vec<Buffer> = shapes.list.iter().map(|shape| shape.hull).collect();
    let height = |order: Vec<usize>| place(shapes, &order, Fit::First).height;
    orders(&buffers).into_iter().map(height).min().unwrap_or(0)
}

/// The height that a placement reaches for which shapes come in this order.
pub(super) fn in_order(shapes: &Shapes<'_>, order: &[usize]) -> u64 {
    place(shapes, order, Fit::First).height
}

/// How often the order is repaired after the fixed orders have been tried.
const REPAIRS: usize = 64;

/// The best placement of all heuristics; stops at the first that reaches `lower_bound`.
pub(super) fn portfolio(shapes: &Shapes<'_>, lower_bound: u64) -> Placement {
    let buffers: Vec<Buffer> = shapes.list.iter().map(|shape| shape.hull).collect();
    let mut best: Option<(Placement, Vec<usize>)> = None;
    for order in orders(&buffers) {
        for fit in [Fit::First, Fit::Best] {
            let found = place(shapes, &order, fit);
            if found.height <= lower_bound {
                return found;
            }
            if best.as_ref().is_none_or(|(b, _)| found.height < b.height) {
                best = Some((found, order.clone()));
            }
        }
    }
    match best {
        Some((placement, order)) => repair(shapes, placement, order, lower_bound),
        None => place(shapes, &[], Fit::First),
    }
}

/// Squeaky-wheel search: the buffers that define the height move towards the front of the order,
/// where they find lower gaps; the best placement seen is kept.
fn repair(
    shapes: &Shapes<'_>,
    mut best: Placement,
    mut order: Vec<usize>,
    lower_bound: u64,
) -> Placement {
    let mut current = best.clone();
    let size = |i: usize| u64::from(shapes.list[i].hull.size);
    for _ in 0..REPAIRS {
        let top = |i: usize| current.offsets[i] + size(i);
        let squeaks: Vec<usize> = (0..order.len())
            .filter(|&rank| size(order[rank]) > 0 && top(order[rank]) == current.height)
            .collect();
        if squeaks.iter().all(|&rank| rank == 0) {
            break;
        }
        for rank in squeaks {
            order[rank / 2..=rank].rotate_right(1);
        }
        current = place(shapes, &order, Fit::First);
        if current.height < best.height {
            best = current.clone();
            if best.height <= lower_bound {
                break;
            }
        }
    }
    best
}

/// The orders tried, most promising first. Ties keep the order of the problem, which for compiled
/// programs is the order of definition; reversing ties is an order of its own because real graphs
/// have many buffers of equal size.
fn orders(buffers: &[Buffer]) -> Vec<Vec<usize>> {
    let length = |b: &Buffer| u64::from(b.upper - b.lower);
    let area = |b: &Buffer| u128::from(b.size) * u128::from(length(b));
    let pressure = pressures(buffers);
    let by = |key: &dyn Fn(usize) -> (u128, u128)| {
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(key(i)));
        order
    };
    let size = |i: usize| u128::from(buffers[i].size);
    let mut reversed: Vec<usize> = (0..buffers.len()).rev().collect();
    reversed.sort_by_key(|&i| std::cmp::Reverse(buffers[i].size));
    vec![
        by(&|i| (size(i), area(&buffers[i]))),
        by(&|i| (size(i), 0)),
        reversed,
        by(&|i| (u128::from(pressure[i]), size(i))),
        by(&|i| (u128::from(pressure[i]), area(&buffers[i]))),
        by(&|i| (area(&buffers[i]), size(i))),
        by(&|i| (u128::from(length(&buffers[i])), size(i))),
        by(&|i| (u128::from(u32::MAX - buffers[i].lower), size(i))),
        by(&|i| (u128::from(buffers[i].upper), size(i))),
    ]
}

/// Per buffer, the largest live set it is part of: buffers that meet at a peak go first.
fn pressures(buffers: &[Buffer]) -> Vec<u64> {
    let starts = buffers.iter().map(|b| b.lower);
    let mut live: Vec<(u32, u64)> = starts.map(|step| (step, 0)).collect();
    live.sort_unstable();
    live.dedup();
    let range = |b: &Buffer, live: &[(u32, u64)]| {
        let from = live.partition_point(|l| l.0 < b.lower);
        from..live.partition_point(|l| l.0 < b.upper)
    };
    for b in buffers {
        for at in range(b, &live) {
            live[at].1 += u64::from(b.size);
        }
    }
    buffers.iter().map(|b| live[range(b, &live)].iter().map(|l| l.1).max().unwrap_or(0)).collect()
}

/// Places the shapes in the given order.
fn place(shapes: &Shapes<'_>, order: &[usize], fit: Fit) -> Placement {
    let mut offsets = vec![0u64; shapes.list.len()];
    // What is placed, by offset, so that one scan sees the gaps from low to high.
    let mut placed: Vec<usize> = Vec::with_capacity(order.len());
    let mut height = 0;
    for &i in order.iter().filter(|&&i| shapes.list[i].hull.size > 0) {
        let offset = match shapes.list[i].plain {
            true => gap(shapes, &offsets, &placed, i, fit),
            false => overlapped_gap(shapes, &offsets, &placed, i),
        };
        offsets[i] = offset;
        height = height.max(offset + u64::from(shapes.list[i].hull.size));
        let at = placed.partition_point(|&p| offsets[p] <= offset);
        placed.insert(at, i);
    }
    Placement { offsets, height }
}

/// The offset of the gap that `fit` picks for the shape, a plain one, among those placed.
fn gap(shapes: &Shapes<'_>, offsets: &[u64], placed: &[usize], i: usize, fit: Fit) -> u64 {
    let b = &shapes.list[i].hull;
    let (size, align) = (u64::from(b.size), u64::from(b.align));
    let (mut floor, mut best) = (0u64, None::<(u64, u64)>);
    for &p in placed {
        let Some(above) = shapes.above(p, i) else { continue };
        let start = floor.next_multiple_of(align);
        if start + size <= offsets[p] {
            let slack = offsets[p] - floor - size;
            if fit == Fit::First {
                return start;
            }
            if best.is_none_or(|(s, _)| slack < s) {
                best = Some((slack, start));
            }
        }
        floor = floor.max(offsets[p] + above);
    }
    best.map_or(floor.next_multiple_of(align), |(_, start)| start)
}

/// The lowest offset for a shape that may share bytes with others, or is several buffers.
fn overlapped_gap(shapes: &Shapes<'_>, offsets: &[u64], placed: &[usize], i: usize) -> u64 {
    let align = u64::from(shapes.list[i].hull.align);
    // Starts between these are not allowed.
    let barred: Vec<(u64, u64)> = placed
        .iter()
        .filter_map(|&p| {
            let (below, above) = (shapes.above(i, p)?, shapes.above(p, i)?);
            Some((offsets[p].checked_sub(below).map_or(0, |most| most + 1), offsets[p] + above))
        })
        .collect();
    let mut starts: Vec<u64> = barred.iter().map(|b| b.1.next_multiple_of(align)).collect();
    starts.push(0);
    starts.sort_unstable();
    let free = |start: &u64| barred.iter().all(|b| *start < b.0 || *start >= b.1);
    starts.into_iter().find(free).unwrap_or(0)
}
