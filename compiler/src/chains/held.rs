//! What is held of the values of a chain at a time, and so how near to each other they may lie.

use std::ops::Range;

/// How an operand may lie above a result while some rows are computed.
pub struct Above {
    /// The operand.
    pub operand: usize,
    /// Where rows end that were there before.
    pub kept: u64,
    /// The least bytes from the start of the result to that of the operand; none if they may only start at
    /// the same byte.
    pub distance: Option<u64>,
}

/// What is held of values at a time, and what was held together so far.
pub struct Held {
    /// Number of values.
    pub count: usize,
    now: Vec<Range<u64>>,
    /// By a value, and another: the most from the end of what was held of the one to the start of what was
    /// held of the other at the same time.
    far: Vec<u64>,
    /// By two values: whether they may start at the same byte because the one is computed where the other is
    /// read, and what else is held of them lies apart then.
    same: Vec<Option<bool>>,
}

impl Held {
    /// Of so many values, nothing yet.
    pub fn new(count: usize) -> Held {
        let (far, same) = (vec![0; count * count], vec![None; count * count]);
        Held { count, now: vec![0..0; count], far, same }
    }

    /// Whether two values may start at the same byte, although not anywhere behind.
    pub fn is_same(&self, input: usize, output: usize) -> bool {
        self.same[output * self.count + input] == Some(true)
    }

    /// Moves what is held of a value.
    pub fn shift(&mut self, value: usize, to: Range<u64>) {
        let from = self.now[value].clone();
        if from != to {
            self.set(value, from.start.min(to.start)..from.end.max(to.end), &[]);
            self.set(value, to, &[]);
        }
    }

    /// The least bytes from the start of one value to that of another above it.
    pub fn distance(&self, below: usize, above: usize) -> u64 {
        self.far[below * self.count + above]
    }

    /// What is held of a value from now on, parts of it over others.
    pub fn set(&mut self, value: usize, range: Range<u64>, over: &[Above]) {
        self.now[value] = range.clone();
        if range.is_empty() {
            return;
        }
        for (other, held) in self.now.iter().enumerate() {
            if other != value && !held.is_empty() {
                let below = &mut self.far[value * self.count + other];
                let over = over.iter().find(|over| over.operand == other);
                let apart = match over.and_then(|over| Some((over.kept, over.distance?))) {
                    // Rows that are kept lie apart, even if there are none.
                    Some((kept, distance)) => kept.saturating_sub(held.start).max(distance),
                    None => range.end.saturating_sub(held.start),
                };
                *below = apart.max(*below);
                let meet = range.start < held.end && held.start < range.end;
                let in_place = over.is_some_and(|over| over.distance.is_none());
                let same = &mut self.same[value * self.count + other];
                match (in_place, meet) {
                    (true, _) => *same = Some(same.unwrap_or(true)),
                    (false, true) => *same = Some(false),
                    (false, false) => {}
                }
                let back = &mut self.same[other * self.count + value];
                if meet && !in_place {
                    *back = Some(false);
                }
                let above = &mut self.far[other * self.count + value];
                *above = held.end.saturating_sub(range.start).max(*above);
            }
        }
    }
}
