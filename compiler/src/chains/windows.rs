//! The least windows with which a chain of row-wise stages never stalls.
//!
//! Stages that fire whenever they can form a network in which no firing keeps another from
//! happening: a chain ends, or stalls, in the same state whatever order they fire in. So the least
//! windows are found by firing in any order, and by giving more room to a stage that waits for
//! nothing else whenever all of them wait.

use std::collections::BinaryHeap;

/// Which rows of an operand a stage reads for rows of its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Rows of the operand.
    pub height: u32,
    /// Rows of the operand from one row of the result to the next.
    pub stride: u32,
    /// Rows from the first to the last one that a row of the result reads, both counted.
    pub reach: u32,
    /// Rows above the operand that the first row of the result reads; negative skips rows.
    pub pad: i32,
}

impl Demand {
    /// The first row that is read for row `y` of the result or a later one.
    pub fn first(&self, y: u32) -> u32 {
        let row = i64::from(y) * i64::from(self.stride) - i64::from(self.pad);
        row.clamp(0, i64::from(self.height)) as u32
    }

    /// One past the last row that is read for row `y` of the result.
    pub fn end(&self, y: u32) -> u32 {
        let row = i64::from(y) * i64::from(self.stride) - i64::from(self.pad);
        (row + i64::from(self.reach)).clamp(0, i64::from(self.height)) as u32
    }

    /// Most rows that `strip` rows of the result read.
    fn span(&self, strip: u32) -> u32 {
        let rows = u64::from(strip.saturating_sub(1)) * u64::from(self.stride);
        (rows + u64::from(self.reach)).min(u64::from(self.height)) as u32
    }
}

/// What a stage reads of another stage of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// The stage whose result it is.
    pub stage: usize,
    /// Which rows.
    pub demand: Demand,
}

/// One stage of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// How often it has a row to compute.
    pub rows: u32,
    /// Bytes of a row of its result.
    pub row_bytes: u32,
    /// Whether the whole result is kept, for what comes after the chain.
    pub whole: bool,
    /// Results of earlier stages that it reads.
    pub operands: Vec<Operand>,
}

/// The least numbers of rows that the results of stages need room for, if each fires `strips` rows
/// at a time.
pub fn least(stages: &[Stage], strips: &[u32]) -> Vec<u32> {
    let mut run = Run::new(stages, strips);
    loop {
        while run.fire().is_some() {}
        match run.cheapest_relief() {
            Some((stage, rows)) => {
                run.capacities[stage] += rows;
                run.waiting.push(stage);
            }
            None => return run.capacities,
        }
    }
}

/// Follows a chain with given capacities and tells of each firing before it happens: the stage, the row
/// behind its last one, and the first row that each stage still reads of its operands, none if it
/// has finished.
pub fn follow(
    stages: &[Stage],
    strips: &[u32],
    capacities: &[u32],
    seen: &mut dyn FnMut(usize, u32, &dyn Fn(usize, &Demand) -> Option<u32>),
) {
    let mut run = Run { capacities: capacities.to_vec(), ..Run::new(stages, strips) };
    while let Some((stage, end)) = run.fire() {
        // A firing reads before it has happened.
        let produced = |at: usize| run.produced[at] - if at == stage { end.1 } else { 0 };
        let first = |at: usize, demand: &Demand| {
            (produced(at) < stages[at].rows).then(|| demand.first(produced(at)))
        };
        seen(stage, end.0, &first);
    }
}

/// A simulated execution.
struct Run<'a> {
    stages: &'a [Stage],
    strips: &'a [u32],
    /// Readers of each stage's result, with what they demand.
    readers: Vec<Vec<(usize, Demand)>>,
    capacities: Vec<u32>,
    /// Rows that each stage has produced.
    produced: Vec<u32>,
    /// Stages that may have become able to fire.
    waiting: BinaryHeap<usize>,
}

impl<'a> Run<'a> {
    fn new(stages: &'a [Stage], strips: &'a [u32]) -> Run<'a> {
        let mut readers = vec![Vec::new(); stages.len()];
        for (index, stage) in stages.iter().enumerate() {
            for operand in &stage.operands {
                readers[operand.stage].push((index, operand.demand));
            }
        }
        let least = |(index, stage): (usize, &Stage)| {
            if stage.whole {
                return stage.rows;
            }
            let spans = readers[index].iter().map(|(reader, demand)| demand.span(strips[*reader]));
            spans.max().unwrap_or(0).max(strips[index].min(stage.rows))
        };
        let capacities = stages.iter().enumerate().map(least).collect();
        let waiting = (0..stages.len()).collect();
        Run { stages, strips, readers, capacities, produced: vec![0; stages.len()], waiting }
    }

    /// Rows that the next firing of a stage computes: none after the last.
    fn next(&self, stage: usize) -> u32 {
        self.strips[stage].max(1).min(self.stages[stage].rows - self.produced[stage])
    }

    /// Whether the rows that the next firing reads have been computed.
    fn is_fed(&self, stage: usize) -> bool {
        let last = self.produced[stage] + self.next(stage) - 1;
        let has = |o: &Operand| o.demand.end(last) <= self.produced[o.stage];
        self.stages[stage].operands.iter().all(has)
    }

    /// The oldest row of a stage's result that is still to be read.
    fn oldest(&self, stage: usize) -> u32 {
        let first = |&(reader, demand): &(usize, Demand)| {
            let done = self.produced[reader] == self.stages[reader].rows;
            if done { u32::MAX } else { demand.first(self.produced[reader]) }
        };
        let oldest = self.readers[stage].iter().map(first).min().unwrap_or(0);
        if self.stages[stage].whole { 0 } else { oldest.min(self.produced[stage]) }
    }

    /// How many rows of room are missing for the next firing.
    fn missing(&self, stage: usize) -> u32 {
        let end = self.produced[stage] + self.next(stage);
        (end - self.oldest(stage)).saturating_sub(self.capacities[stage])
    }

    /// Whether a reader waits for rows of a stage, if it has readers.
    fn is_wanted(&self, stage: usize) -> bool {
        let lacks = |&(reader, demand): &(usize, Demand)| {
            let rows = self.next(reader);
            rows > 0 && demand.end(self.produced[reader] + rows - 1) > self.produced[stage]
        };
        self.readers[stage].is_empty() || self.readers[stage].iter().any(lacks)
    }

    /// Fires the last stage that can. Returns it with the row behind its last one, and how many it
    /// computed.
    fn fire(&mut self) -> Option<(usize, (u32, u32))> {
        while let Some(stage) = self.waiting.pop() {
            let rows = self.next(stage);
            let ready = rows > 0 && self.is_fed(stage) && self.is_wanted(stage);
            if !ready || self.missing(stage) > 0 {
                continue;
            }
            self.produced[stage] += rows;
            self.waiting.push(stage);
            self.waiting.extend(self.stages[stage].operands.iter().map(|o| o.stage));
            self.waiting.extend(self.readers[stage].iter().map(|(reader, _)| *reader));
            return Some((stage, (self.produced[stage], rows)));
        }
        None
    }

    /// Of the stages that only wait for room, the one that needs the fewest bytes, with the rows that
    /// it needs.
    fn cheapest_relief(&self) -> Option<(usize, u32)> {
        let waits =
            |stage: &usize| self.next(*stage) > 0 && self.is_fed(*stage) && self.is_wanted(*stage);
        let relief = |stage: usize| (stage, self.missing(stage));
        let bytes = |&(stage, rows): &(usize, u32)| {
            (u64::from(rows) * u64::from(self.stages[stage].row_bytes), stage)
        };
        (0..self.stages.len()).filter(waits).map(relief).min_by_key(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(rows: u32, operands: &[(usize, u32, u32, i32)], stages: &[Stage]) -> Stage {
        let operand = |&(stage, stride, reach, pad): &(usize, u32, u32, i32)| {
            let height = stages[stage].rows;
            Operand { stage, demand: Demand { height, stride, reach, pad } }
        };
        let operands = operands.iter().map(operand).collect();
        Stage { rows, row_bytes: 1, whole: false, operands }
    }

    /// A chain from the rows of each stage, and what it reads: stage, stride, reach, padding.
    fn chain(table: &[(u32, &[(usize, u32, u32, i32)])]) -> Vec<Stage> {
        let mut stages = Vec::new();
        for (rows, operands) in table {
            let next = stage(*rows, operands, &stages);
            stages.push(next);
        }
        if let Some(last) = stages.last_mut() {
            last.whole = true;
        }
        stages
    }

    #[test]
    fn a_kernel_of_three_rows_needs_three() {
        let stages = chain(&[(9, &[]), (9, &[(0, 1, 3, 1)]), (9, &[(1, 1, 1, 0)])]);
        assert_eq!(least(&stages, &[1, 1, 1]), [3, 1, 9]);
        // Two rows of result read rows y - 1 to y + 2, of which the last is the second of its firing.
        assert_eq!(least(&stages, &[2, 2, 2]), [5, 2, 9]);
        // The rows that are read together need not begin where some were written.
        assert_eq!(least(&stages, &[2, 1, 1]), [4, 1, 9]);
    }

    #[test]
    fn a_residual_waits_for_what_lies_between() {
        let between = |depth: usize| {
            let mut table: Vec<(u32, Vec<(usize, u32, u32, i32)>)> = vec![(20, vec![])];
            table.extend((0..depth).map(|i| (20, vec![(i, 1, 3, 1)])));
            table.push((20, vec![(0, 1, 1, 0), (depth, 1, 1, 0)]));
            let table: Vec<_> = table.iter().map(|(rows, o)| (*rows, o.as_slice())).collect();
            least(&chain(&table), &vec![1; depth + 2])[0]
        };
        assert_eq!([1, 2, 3, 4].map(between), [3, 3, 4, 5]);
    }

    #[test]
    fn of_two_branches_the_one_with_smaller_rows_waits() {
        let table: [(u32, &[(usize, u32, u32, i32)]); 4] = [
            (20, &[]),
            (20, &[(0, 1, 1, 0)]),
            (20, &[(0, 1, 9, 4)]),
            (20, &[(1, 1, 1, 0), (2, 1, 1, 0)]),
        ];
        let mut stages = chain(&table);
        assert_eq!(least(&stages, &[1; 4]), [9, 1, 1, 20]);
        stages[0].operands.clear();
        stages[2].operands[0].demand.reach = 5;
        assert_eq!(least(&stages, &[1; 4])[0], 5);
    }

    #[test]
    fn strides_and_dilations_need_their_reach() {
        let stages = chain(&[(32, &[]), (16, &[(0, 2, 3, 0)]), (16, &[(1, 1, 9, 4)])]);
        assert_eq!(least(&stages, &[1, 1, 1]), [3, 9, 16]);
    }
}
