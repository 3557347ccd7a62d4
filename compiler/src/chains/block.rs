//! What a run of steps needs as a chain: its stages, windows, memory and cost.

use std::collections::BTreeMap;

use microhlo_format::kernels::STATE_BYTES;
use microhlo_format::rows::{MAX_STAGES, OUTSIDE};
use microhlo_format::{AccessKind, Kernel};

use super::cost::{self, Costs};
use super::kernel::{Stages, by_rows, demand, scratch, sums};
use super::windows::{self, Demand, Operand, Stage};
use crate::compile::Target;
use crate::ir::EntityId;
use crate::lower::liveness::{Flow, lives};
use crate::lower::program::{BufferId, Program, Ref, Storage};
use crate::lower::share::in_place_pairs;

/// A program as the choice of chains sees it.
pub struct Model<'a> {
    /// The program.
    pub program: &'a Program,
    /// What instructions its kernels take.
    pub costs: Costs,
    /// The steps between which each value is alive, the last one not counted. No scratch.
    values: BTreeMap<BufferId, (usize, usize)>,
    /// Whether control may come to a step otherwise than from the one before it.
    entered: Vec<bool>,
    /// The input that the caller feeds row by row, and its rows.
    fed: Option<(BufferId, u32)>,
    stages: Stages,
}

impl<'a> Model<'a> {
    /// The model of a program.
    pub fn new(program: &'a Program, target: Target) -> Model<'a> {
        let private = program.scratch_buffers();
        let mut values = BTreeMap::new();
        for (buffer, life) in lives(program, &Flow::new(program)) {
            if let Some((lower, upper)) = life.hull()
                && !private[buffer.index()]
            {
                values.insert(buffer, (lower as usize, upper as usize));
            }
        }
        let mut entered = vec![false; program.steps.len() + 1];
        for target in program.steps.iter().flat_map(|step| step.kernel.targets()) {
            entered[target.step as usize] = true;
        }
        let costs = Costs::new(target);
        Model { program, costs, values, entered, fed: None, stages: Stages::new(costs) }
    }

    /// The same program, whose only input the caller feeds row by row; `None` if the input is not read
    /// row by row, or if there are others.
    pub fn streamed(self) -> Option<Model<'a>> {
        let [input] = self.program.inputs.as_slice() else { return None };
        let mut heights = Vec::new();
        for step in &self.program.steps {
            if let Some(by) = by_rows(&step.kernel, &|_| None) {
                let reads = by.operands.iter().flatten().filter(|o| o.place == input.place);
                heights.extend(reads.map(|_| by.shape.in_rows));
            }
        }
        let rows = *heights.first().filter(|&&rows| rows > 1)?;
        let buffer = input.place.buffer;
        let whole = self.bytes(buffer).is_multiple_of(rows.into()) && input.place.offset == 0;
        let even = heights.iter().all(|&height| height == rows);
        (whole && even).then_some(Model { fed: Some((buffer, rows)), ..self })
    }

    /// Whether the caller feeds the input row by row.
    pub fn is_streamed(&self) -> bool {
        self.fed.is_some()
    }

    /// Number of steps of the program.
    pub fn steps(&self) -> usize {
        self.program.steps.len()
    }

    /// Values alive at some of the steps `first..end`, with the steps between which they are.
    pub fn alive(
        &self,
        first: usize,
        end: usize,
    ) -> impl Iterator<Item = (BufferId, usize, usize)> {
        let within = move |&(_, &(lower, upper)): &(&BufferId, &(usize, usize))| {
            lower < end && first < upper
        };
        self.values.iter().filter(within).map(|(&buffer, &(lower, upper))| (buffer, lower, upper))
    }

    /// Bytes that a step's results need not have of their own, as they lie on operands that die.
    pub fn saved_in_place(&self, step: usize) -> u64 {
        let dies = |b: &BufferId| self.values.get(b).is_some_and(|&(_, upper)| upper == step + 1);
        let born = |b: &BufferId| self.values.get(b).is_some_and(|&(lower, _)| lower == step);
        let mut used = Vec::new();
        let mut saved = 0;
        for (output, input) in in_place_pairs(self.program, &self.program.steps[step].kernel) {
            if born(&output) && dies(&input) && !used.contains(&output) && !used.contains(&input) {
                saved += self.bytes(output);
                used.extend([output, input]);
            }
        }
        saved
    }

    fn kernel(&self, step: usize) -> (usize, &'a Kernel<Ref>) {
        (step, &self.program.steps[step].kernel)
    }

    /// Bytes of a buffer.
    pub fn bytes(&self, buffer: BufferId) -> u64 {
        u64::from(self.program.buffers[buffer].bytes)
    }

    /// Bytes of working memory of a step.
    pub fn scratch(&self, step: usize) -> u64 {
        scratch(&self.program.steps[step].kernel)
    }
}

/// The first row that a stage still reads of an operand, none if it has finished.
type FirstRow<'a> = dyn Fn(usize, &Demand) -> Option<u32> + 'a;

/// Steps that may run as a chain.
pub struct Block {
    /// The first step, and the one after the last.
    steps: (usize, usize),
    stages: Vec<Stage>,
    /// Stages before that of the first step: one, if the caller feeds rows.
    fed: usize,
    /// Where each stage's result is.
    outputs: Vec<BufferId>,
    /// The stages that make each one's operands.
    links: Vec<[u8; 2]>,
    /// Sums that each stage keeps from row to row.
    sums: Vec<u32>,
    /// Bytes of values that are wholly alive during the block.
    outside: u64,
    /// Values from outside that are read row by row: the stage, the value, how, and bytes of a row.
    reads: Vec<(usize, BufferId, Demand, u32)>,
    /// Values from outside that nobody needs after the block.
    dying: Vec<BufferId>,
}

/// What a block needs with given strips.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// Rows of a firing of each stage.
    pub strips: Vec<u32>,
    /// Rows that each stage's result has room for.
    pub capacities: Vec<u32>,
    /// Bytes of values, and of sums that become values.
    pub activations: u64,
    /// Bytes of working memory of the kernels.
    pub scratch: u64,
    /// Bytes of the chain's own state.
    pub state: u64,
    /// Instructions, about.
    pub cost: f64,
}

impl Needs {
    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.activations + self.scratch + self.state
    }
}

/// A stage with what it needs.
pub struct Planned {
    /// Where its result is.
    pub output: BufferId,
    /// Rows of the result.
    pub rows: u32,
    /// Rows at a time.
    pub strip: u32,
    /// Rows that there is room for.
    pub capacity: u32,
    /// The stages that make its operands, or `OUTSIDE`.
    pub operands: [u8; 2],
    /// Number of sums that it keeps from row to row.
    pub sums: u32,
    row_bytes: u32,
    whole: bool,
}

impl Planned {
    /// Bytes of the window, if only one is kept of the result.
    pub fn window(&self) -> Option<u32> {
        (!self.whole).then(|| self.capacity.saturating_mul(self.row_bytes))
    }
}

impl Block {
    /// The steps `first..end` as a chain, if they can be one.
    pub fn new(model: &Model<'_>, first: usize, end: usize) -> Option<Block> {
        if end - first >= MAX_STAGES || model.entered[first + 1..end].contains(&true) {
            return None;
        }
        let steps = (first, end);
        let (stages, outputs, links, sums) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (reads, dying) = (Vec::new(), Vec::new());
        let mut block =
            Block { steps, stages, fed: 0, outputs, links, sums, outside: 0, reads, dying };
        if let Some((buffer, rows)) = model.fed.filter(|_| first == 0) {
            let row_bytes = model.program.buffers[buffer].bytes / rows;
            let operands = Vec::new();
            block.stages.push(Stage { rows, row_bytes, whole: false, operands });
            block.outputs.push(buffer);
            block.links.push([OUTSIDE; 2]);
            block.sums.push(0);
            block.fed = 1;
        }
        for step in first..end {
            block.push(model, &model.program.steps[step].kernel)?;
        }
        for (buffer, lower, upper) in model.alive(first, end) {
            let at = block.outputs.iter().position(|&output| output == buffer);
            let inside = first <= lower && upper <= end;
            match at {
                Some(stage) => block.stages[stage].whole |= !inside,
                None => {
                    block.outside += model.bytes(buffer);
                    block.dying.extend((upper <= end).then_some(buffer));
                }
            }
        }
        for at in 0..block.stages.len() {
            // What nobody reads is kept as a whole.
            let read = block.stages.iter().any(|s| s.operands.iter().any(|o| o.stage == at));
            block.stages[at].whole |= !read;
        }
        if block.fed > 0 && block.stages[0].whole {
            // What the caller feeds is nowhere else: a longer chain is needed.
            block.outside = u64::MAX / 2;
        }
        // The runtime keeps the sums of one stage, and counts rows in 16 bits.
        let gathers = block.sums.iter().filter(|&&sums| sums > 0).count();
        let rows: u64 = block.stages.iter().map(|stage| u64::from(stage.rows)).sum();
        (gathers <= 1 && rows <= u64::from(u16::MAX)).then_some(block)
    }

    /// Adds a stage, if its operands allow it.
    fn push(&mut self, model: &Model<'_>, kernel: &Kernel<Ref>) -> Option<()> {
        let stage_of = |place: Ref| self.outputs.iter().position(|&o| o == place.buffer);
        let by = by_rows(kernel, &|place| Some(self.stages[stage_of(place)?].rows))?;
        let output = by.output.place;
        let buffer = &model.program.buffers[output.buffer];
        let temporary = matches!(buffer.storage, Storage::Temp) && output.offset == 0;
        if !temporary || self.outputs.contains(&output.buffer) {
            return None;
        }
        let mut operands = Vec::new();
        let mut read = Vec::new();
        let mut links = [OUTSIDE; 2];
        for (link, operand) in links.iter_mut().zip(&by.operands) {
            let Some(operand) = operand else { continue };
            let Some(stage) = stage_of(operand.place) else {
                let from = operand.place.buffer;
                self.reads.push((self.stages.len(), from, demand(&by.shape), operand.bytes));
                continue;
            };
            let whole = u64::from(operand.bytes) * u64::from(by.shape.in_rows);
            if operand.place.offset != 0 || whole != model.bytes(operand.place.buffer) {
                return None;
            }
            // Whoever reads the sum of all rows comes after the chain.
            let demand = demand(&by.shape);
            if self.sums[stage] > 0 || demand.height != self.stages[stage].rows {
                return None;
            }
            *link = stage as u8;
            operands.push(Operand { stage, demand });
            read.push(operand.place.buffer);
        }
        // What else it reads is there before the chain begins.
        let mut known = true;
        let _ = kernel.accesses(&mut |access| {
            let of = access.place.buffer;
            known &= access.kind != AccessKind::Read
                || read.contains(&of)
                || !self.outputs.contains(&of);
        });
        let (rows, sums) = (by.shape.out_rows, sums(kernel, by.shape.out_rows));
        let bytes = if sums > 0 { buffer.bytes } else { rows.checked_mul(by.output.bytes)? };
        let fits = rows > 0 && rows < u32::from(u16::MAX) && bytes == buffer.bytes;
        if !known || !fits {
            return None;
        }
        self.stages.push(Stage { rows, row_bytes: by.output.bytes, whole: sums > 0, operands });
        self.outputs.push(output.buffer);
        self.links.push(links);
        self.sums.push(sums);
        Some(())
    }

    /// The step that a stage is.
    fn step(&self, stage: usize) -> Option<usize> {
        stage.checked_sub(self.fed).map(|at| self.steps.0 + at)
    }

    /// What the block needs if each stage fires about so many rows at a time, if it can.
    pub fn needs(&self, model: &Model<'_>, wanted: &[u32]) -> Option<Needs> {
        let mut strips = Vec::new();
        let (mut scratch, mut cost) = (0, cost::CHAIN);
        for (at, (stage, &wanted)) in self.stages.iter().zip(wanted).enumerate() {
            let Some(step) = self.step(at) else {
                // The caller may feed more rows at a time if there is room.
                strips.push(1);
                continue;
            };
            let firings = model.stages.firings(model.kernel(step), stage.rows, wanted)?;
            strips.push(firings.strip);
            scratch = scratch.max(firings.scratch);
            cost += firings.cost;
        }
        let capacities = windows::least(&self.stages, &strips);
        let mut activations = self.outside;
        for (at, stage) in self.stages.iter().enumerate() {
            activations += 4 * u64::from(self.sums[at]);
            if stage.whole {
                activations += model.bytes(self.outputs[at]);
                continue;
            }
            let row = u64::from(stage.row_bytes);
            activations += u64::from(capacities[at]) * row;
            // Before most firings, what is still needed is moved to the front.
            let kept = u64::from(capacities[at].saturating_sub(strips[at]));
            cost += model.costs.moved(u64::from(stage.rows / strips[at]) * kept * row);
        }
        activations -= self.shared(model, &strips, &capacities);
        let state = u64::from(STATE_BYTES) * self.stages.len() as u64;
        Some(Needs { strips, capacities, activations, scratch, state, cost })
    }

    /// Bytes that a result of the block may share with a value that dies in it.
    fn shared(&self, model: &Model<'_>, strips: &[u32], capacities: &[u32]) -> u64 {
        let mut most = 0;
        for (at, stage) in self.stages.iter().enumerate().filter(|(_, stage)| stage.whole) {
            let output = self.outputs[at];
            for &input in self.dying.iter().filter(|&&input| self.reads_rows(model, input)) {
                let (size, result) = (model.bytes(input), model.bytes(output));
                let row = if self.sums[at] > 0 { result } else { u64::from(stage.row_bytes) };
                let mut distance = 0;
                let seen = &mut |fired: usize, end: u32, first: &FirstRow<'_>| {
                    let needed = self.reads.iter().filter(|read| read.1 == input);
                    let needed = needed.filter_map(|(reader, _, demand, bytes)| {
                        Some(u64::from(first(*reader, demand)?) * u64::from(*bytes))
                    });
                    // The sum of all rows is written with the last.
                    let writes = fired == at && (self.sums[at] == 0 || end == stage.rows);
                    if let Some(needed) = needed.min().filter(|_| writes) {
                        let end = (u64::from(end) * row).min(result);
                        distance = end.saturating_sub(needed).max(distance);
                    }
                };
                windows::follow(&self.stages, strips, capacities, seen);
                most = most.max(size.min(result.saturating_sub(distance)));
            }
        }
        most
    }

    /// Whether a value is read by rows alone.
    fn reads_rows(&self, model: &Model<'_>, value: BufferId) -> bool {
        let steps = &model.program.steps[self.steps.0..self.steps.1];
        let touched = steps.iter().flat_map(Program::touched).filter(|(_, b)| *b == value).count();
        touched == self.reads.iter().filter(|read| read.1 == value).count()
    }

    /// The stages with what they need.
    pub fn stages<'a>(&'a self, needs: &'a Needs) -> impl Iterator<Item = Planned> + 'a {
        let rooms = needs.strips.iter().zip(&needs.capacities);
        self.stages.iter().zip(rooms).enumerate().map(|(at, (stage, (&strip, &capacity)))| {
            Planned {
                output: self.outputs[at],
                rows: stage.rows,
                strip,
                capacity,
                operands: self.links[at],
                sums: self.sums[at],
                row_bytes: stage.row_bytes,
                whole: stage.whole,
            }
        })
    }

    /// The input that the caller feeds in this chain, and the bytes of a row.
    pub fn feed(&self) -> Option<(BufferId, u32)> {
        (self.fed > 0).then(|| (self.outputs[0], self.stages[0].row_bytes))
    }

    /// Rows at a time for all stages.
    pub fn uniform(&self, rows: u32) -> Vec<u32> {
        vec![rows; self.stages.len()]
    }
}
