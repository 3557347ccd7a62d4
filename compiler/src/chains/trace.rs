//! What a chain of a program does, firing by firing.

use microhlo_format::Kernel;
use microhlo_format::kernels::{ByRows, Rows};
use microhlo_format::rows::{OUTSIDE, STAGE_BYTES, Schedule, Stage, State};

use crate::lower::program::{BufferId, Program, Ref};

/// A chain of a program, and its firings in order.
pub struct Trace {
    stages: Vec<Stage>,
    /// Operands and results of the stages; none of a fed input.
    by_rows: Vec<Option<ByRows<Ref>>>,
    firings: Vec<Firing>,
    /// What the steps touch, each buffer as often as they do.
    touched: Vec<BufferId>,
}

/// Rows that are computed at once.
struct Firing {
    stage: usize,
    first: u16,
    count: u16,
    /// The first row that each stage still reads, this firing included; none if it has finished.
    reads: Vec<Option<u16>>,
}

impl Trace {
    /// The trace of the chain at a step; `None` if it stalls, or if there is no chain.
    pub fn new(program: &Program, step: usize) -> Option<Trace> {
        let Kernel::rows(rows) = &program.steps.get(step)?.kernel else { return None };
        let stages: Vec<Stage> = rows.stages.to_vec();
        let steps = program.steps.get(step + 1..)?.get(..rows.steps())?;
        let fed = stages.len() - steps.len();
        let mut by_rows = vec![None; fed];
        for (stage, step) in stages.iter().skip(fed).zip(steps) {
            by_rows.push(Some(step.kernel.by_rows(stage.rows.into()).ok()?));
        }
        let touched = steps.iter().flat_map(Program::touched).map(|(_, buffer)| buffer).collect();
        let mut trace = Trace { stages, by_rows, firings: Vec::new(), touched };
        trace.follow(rows)?;
        Some(trace)
    }

    fn follow(&mut self, rows: &Rows<Ref>) -> Option<()> {
        let table: Vec<[u8; STAGE_BYTES]> = rows.stages.iter().map(|s| s.to_bytes()).collect();
        let mut states = vec![State::default(); table.len()];
        let mut schedule = Schedule::begin(&table, &mut states)?;
        for (i, stage) in self.stages.iter().enumerate() {
            let demand = match &self.by_rows[i] {
                Some(by) => by.shape.demand(0, stage.count(0))?,
                None => Default::default(),
            };
            schedule.set_demand(i as u8, demand);
        }
        let mut after = None;
        while let Some(firing) = schedule.next(after) {
            let stage = usize::from(firing.stage);
            let read = |i: usize| {
                let left = schedule.firing(i as u8).count > 0;
                left.then(|| schedule.state(i as u8).demand.from)
            };
            let reads = (0..self.stages.len()).map(read).collect();
            let (first, count) = (firing.first, firing.count);
            self.firings.push(Firing { stage, first, count, reads });
            schedule.make_room(firing);
            let next = first.checked_add(count)?;
            let demand = match (self.stages[stage].count(next), &self.by_rows[stage]) {
                (0, _) | (_, None) => Default::default(),
                (count, Some(by)) => by.shape.demand(next, count)?,
            };
            schedule.fired(firing, demand);
            after = Some(firing);
        }
        schedule.is_complete().then_some(())
    }

    /// The first byte of a value from outside that is still read when something is computed; none if
    /// nothing of it is. Bytes are counted in its buffer.
    fn needed(&self, firing: &Firing, input: BufferId) -> Option<u64> {
        let mut least: Option<u64> = None;
        for (i, by) in self.by_rows.iter().enumerate() {
            let Some(by) = by else { continue };
            for (operand, link) in by.operands.iter().zip(self.stages[i].operands) {
                let (Some(operand), OUTSIDE) = (operand, link) else { continue };
                if let Some(row) = firing.reads[i].filter(|_| operand.place.buffer == input) {
                    let at = u64::from(row) * u64::from(operand.bytes);
                    let at = at + u64::from(operand.place.offset);
                    least = Some(least.map_or(at, |least| least.min(at)));
                }
            }
        }
        least
    }

    /// Whenever rows of a result are written while a value from outside is still read: one past the last
    /// byte written, and the first one read, each in its buffer. None at all if the chain writes no
    /// such result whole.
    pub fn encounters(
        &self,
        input: BufferId,
        output: BufferId,
    ) -> impl Iterator<Item = (u64, u64)> {
        let written = self.firings.iter().filter_map(move |firing| {
            let by = self.by_rows[firing.stage].as_ref()?;
            (by.output.place.buffer == output).then_some((firing, by.output))
        });
        written.filter_map(move |(firing, result)| {
            let row = firing.first + firing.count;
            let bytes = match result.bytes {
                // A sum of all rows is written with the last, and its size is not known here.
                0 if row < self.stages[firing.stage].rows => return None,
                0 => u64::from(u32::MAX),
                bytes => u64::from(row) * u64::from(bytes),
            };
            Some((u64::from(result.place.offset) + bytes, self.needed(firing, input)?))
        })
    }

    /// Values from outside that are read by rows alone.
    pub fn inputs(&self) -> Vec<BufferId> {
        let mut inputs: Vec<BufferId> = Vec::new();
        for (by, stage) in self.by_rows.iter().zip(&self.stages) {
            let operands = by.iter().flat_map(|by| by.operands).zip(stage.operands);
            let outside = operands.filter(|(_, link)| *link == OUTSIDE);
            inputs.extend(outside.filter_map(|(operand, _)| Some(operand?.place.buffer)));
        }
        let count = |list: &[BufferId], input| list.iter().filter(|&&b| b == input).count();
        let mut by_rows_alone = inputs.clone();
        by_rows_alone.retain(|&input| count(&inputs, input) == count(&self.touched, input));
        by_rows_alone.sort_unstable();
        by_rows_alone.dedup();
        by_rows_alone
    }

    /// Results that are whole in the end.
    pub fn outputs(&self) -> Vec<BufferId> {
        let stages = self.by_rows.iter().zip(&self.stages);
        let whole = stages.filter(|(_, stage)| stage.is_whole());
        whole.filter_map(|(by, _)| Some(by.as_ref()?.output.place.buffer)).collect()
    }
}
