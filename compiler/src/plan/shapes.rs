//! What is placed as one: a buffer, or several that start at one offset.

use std::collections::HashMap;

use super::problem::{Buffer, Distance, Problem};

/// What is decided about an overlap that leaves no choice of distance, [`Distance::Zero`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Its buffers start at one offset.
    Tied,
    /// They share nothing.
    Apart,
    /// Nothing: the input may start anywhere behind the output. Less than the problem demands, so
    /// that what is impossible then is impossible.
    Loose,
}

/// Buffers that start at one offset.
pub(super) struct Shape {
    /// Their positions in the problem.
    pub members: Vec<usize>,
    /// The largest size and alignment, and the time from the first to the last.
    pub hull: Buffer,
    /// Whether it is one buffer that shares bytes with no other.
    pub plain: bool,
}

/// The shapes of a problem.
pub(super) struct Shapes<'p> {
    pub problem: &'p Problem,
    pub list: Vec<Shape>,
    /// The shape of each buffer.
    pub of: Vec<usize>,
    /// By output: its inputs, ascending, and how far each starts behind the output, if it lies above.
    distances: Vec<Vec<(usize, u64)>>,
}

impl<'p> Shapes<'p> {
    /// The shapes after choices, one for each overlap; only those of distance zero count.
    pub fn new(problem: &'p Problem, choices: &[Choice]) -> Shapes<'p> {
        let chosen = |i: usize| match problem.overlaps[i].distance {
            Distance::AtLeast(_) => Choice::Loose,
            Distance::Zero => choices[i],
        };
        let (mut of, members) = tied(problem, &chosen);
        let mut distances = vec![Vec::new(); problem.buffers.len()];
        for (i, overlap) in problem.overlaps.iter().enumerate() {
            // What could not be tied shares nothing.
            if chosen(i) == Choice::Loose && of[overlap.input] != of[overlap.output] {
                distances[overlap.output].push((overlap.input, problem.distance(overlap)));
            }
        }
        distances.iter_mut().for_each(|inputs| inputs.sort_unstable());
        let mut list = Vec::new();
        for members in members.into_iter().filter(|members| !members.is_empty()) {
            members.iter().for_each(|&m| of[m] = list.len());
            let shares = |m: usize| problem.overlaps.iter().any(|o| m == o.input || m == o.output);
            let plain = members.len() == 1 && !members.iter().any(|&m| shares(m));
            let hull = members.iter().map(|&m| problem.buffers[m]).reduce(joined);
            list.extend(hull.map(|hull| Shape { members, hull, plain }));
        }
        Shapes { problem, list, of, distances }
    }

    /// How far a shape starts behind another if it lies above; `None` if they are never alive together.
    pub fn above(&self, below: usize, shape: usize) -> Option<u64> {
        let (a, b) = (&self.list[below], &self.list[shape]);
        if a.plain && b.plain {
            return a.hull.conflicts(&b.hull).then(|| a.hull.size.into());
        }
        let buffers = &self.problem.buffers;
        let pairs = a.members.iter().flat_map(|&m| b.members.iter().map(move |&n| (m, n)));
        let far = |(m, n): (usize, usize)| self.distance(m, n).unwrap_or(buffers[m].size.into());
        let meet = |&(m, n): &(usize, usize)| {
            // What may lie anywhere beside the other might as well be alive at another time.
            let free = far((m, n)) == 0 && far((n, m)) == 0;
            buffers[m].conflicts(&buffers[n]) && !free
        };
        pairs.filter(meet).map(far).max()
    }

    /// Whether two buffers may share bytes and are not tied.
    pub fn share(&self, a: usize, b: usize) -> bool {
        self.distance(a, b).is_some() || self.distance(b, a).is_some()
    }

    /// How far an input starts behind an output at least, if they may share bytes.
    fn distance(&self, output: usize, input: usize) -> Option<u64> {
        let inputs = &self.distances[output];
        let at = inputs.binary_search_by_key(&input, |(input, _)| *input).ok()?;
        Some(inputs[at].1)
    }

    /// Offsets of buffers from those of shapes.
    pub fn offsets(&self, shapes: &[u64]) -> Vec<u64> {
        self.of.iter().map(|&shape| shapes[shape]).collect()
    }
}

/// A buffer that needs what both need.
fn joined(a: Buffer, b: Buffer) -> Buffer {
    Buffer {
        size: a.size.max(b.size),
        align: a.align.max(b.align),
        lower: a.lower.min(b.lower),
        upper: a.upper.max(b.upper),
    }
}

/// Ties what is chosen to be tied and can be: the class of each buffer, and the members of each.
fn tied(problem: &Problem, chosen: &dyn Fn(usize) -> Choice) -> (Vec<usize>, Vec<Vec<usize>>) {
    let count = problem.buffers.len();
    let mut of: Vec<usize> = (0..count).collect();
    let mut members: Vec<Vec<usize>> = (0..count).map(|i| vec![i]).collect();
    let mut zero = HashMap::new();
    for overlap in problem.overlaps.iter().filter(|o| o.distance.least() == 0) {
        zero.insert((overlap.input, overlap.output), ());
    }
    for (i, overlap) in problem.overlaps.iter().enumerate() {
        let (a, b) = (of[overlap.input], of[overlap.output]);
        if chosen(i) != Choice::Tied || a == b {
            continue;
        }
        let may = |m: usize, n: usize| {
            !problem.buffers[m].conflicts(&problem.buffers[n])
                || zero.contains_key(&(m, n))
                || zero.contains_key(&(n, m))
        };
        if members[a].iter().all(|&m| members[b].iter().all(|&n| may(m, n))) {
            let (first, second) = (a.min(b), a.max(b));
            let moved = std::mem::take(&mut members[second]);
            moved.iter().for_each(|&m| of[m] = first);
            members[first].extend(moved);
        }
    }
    (of, members)
}
