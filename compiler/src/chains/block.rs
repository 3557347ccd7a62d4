//! What a run of steps needs as a chain: its stages, windows, memory and cost.

use std::collections::BTreeMap;

use microhlo_format::AccessKind;

use super::cost::{self, Costs};
use super::kernel::{RowKernel, Rows, least_strip, restricted, row_kernel, scratch};
use super::windows::{self, Demand, Operand, Stage};
use crate::compile::Target;
use crate::ir::EntityId;
use crate::lower::liveness::{Flow, lives};
use crate::lower::program::{BufferId, Program, Storage};
use crate::lower::share::in_place_pairs;

/// Most stages of a chain.
pub const MAX_STAGES: usize = 64;

/// Bytes that a chain keeps of each stage.
const STATE: u64 = 16;

/// A program as the choice of chains sees it.
pub struct Model<'a> {
    /// The program.
    pub program: &'a Program,
    /// What it runs on.
    pub target: Target,
    /// The row-wise form of each step, where it has one.
    pub kernels: Vec<Option<RowKernel>>,
    /// The steps between which each value is alive, the last one not counted. No scratch.
    pub values: BTreeMap<BufferId, (usize, usize)>,
    /// Bytes of working memory of each step.
    pub scratch: Vec<u32>,
    /// Whether control may come to a step otherwise than from the one before it.
    entered: Vec<bool>,
    /// The input that the caller feeds row by row, and its rows.
    fed: Option<(BufferId, u32)>,
}

impl<'a> Model<'a> {
    /// The model of a program.
    pub fn new(program: &'a Program, target: Target) -> Model<'a> {
        let kernels: Vec<_> = program.steps.iter().map(|step| row_kernel(&step.kernel)).collect();
        let mut private = vec![false; program.buffers.len()];
        let mut scratch_bytes = Vec::new();
        for step in &program.steps {
            scratch_bytes.push(scratch(&step.kernel));
            let _ = step.kernel.accesses(&mut |access| {
                private[access.place.buffer.index()] |= access.kind == AccessKind::Scratch;
            });
        }
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
        Model { program, target, kernels, values, scratch: scratch_bytes, entered, fed: None }
    }

    /// The same program, whose only input the caller feeds row by row; `None` if the input is not read
    /// row by row, or if there are others.
    pub fn streamed(self) -> Option<Model<'a>> {
        let [input] = self.program.inputs.as_slice() else { return None };
        let buffer = input.place.buffer;
        let operands = self.kernels.iter().flatten().flat_map(|kernel| &kernel.operands);
        let heights: Vec<u32> = operands
            .filter(|(place, _)| place.buffer == buffer)
            .map(|(_, demand)| demand.height)
            .collect();
        let rows = *heights.first().filter(|&&rows| rows > 0)?;
        let even = heights.iter().all(|&h| h == rows) && self.bytes(buffer) % u64::from(rows) == 0;
        let fits = even && input.place.offset == 0;
        fits.then_some(Model { fed: Some((buffer, rows)), ..self })
    }

    /// Whether the caller feeds the input row by row.
    pub fn is_streamed(&self) -> bool {
        self.fed.is_some()
    }

    /// Steps of the program.
    pub fn len(&self) -> usize {
        self.program.steps.len()
    }

    /// Values alive at some of the steps `first..end`.
    pub fn alive(
        &self,
        first: usize,
        end: usize,
    ) -> impl Iterator<Item = (BufferId, usize, usize)> {
        let within = move |&(_, (lower, upper)): &(&BufferId, &(usize, usize))| {
            *lower < end && first < *upper
        };
        self.values.iter().filter(within).map(|(&buffer, &(lower, upper))| (buffer, lower, upper))
    }

    /// Bytes that a step's results need not have of their own, as they lie on operands that die.
    pub fn saved_in_place(&self, step: usize) -> u64 {
        let dies = |buffer: &BufferId| {
            self.values.get(buffer).is_some_and(|&(_, upper)| upper == step + 1)
        };
        let born =
            |buffer: &BufferId| self.values.get(buffer).is_some_and(|&(lower, _)| lower == step);
        let pairs = in_place_pairs(self.program, &self.program.steps[step].kernel);
        let mut used = Vec::new();
        let mut saved = 0;
        for (output, input) in pairs {
            if born(&output) && dies(&input) && !used.contains(&output) && !used.contains(&input) {
                saved += self.bytes(output);
                used.extend([output, input]);
            }
        }
        saved
    }

    fn bytes(&self, buffer: BufferId) -> u64 {
        u64::from(self.program.buffers[buffer].bytes)
    }
}

/// Steps that may run as a chain.
pub struct Block {
    /// The first step, and the one after the last.
    pub steps: (usize, usize),
    pub stages: Vec<Stage>,
    /// Stages before that of the first step: one, if the caller feeds rows.
    fed: usize,
    /// Where each stage's result is.
    outputs: Vec<BufferId>,
    /// Bytes in which each stage adds up rows.
    sums: Vec<u32>,
    /// Bytes of values that are wholly alive during the block.
    pub outside: u64,
}

/// What a block needs with given strips.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// Rows of a firing of each stage.
    pub strips: Vec<u32>,
    /// Rows that each stage's result has room for.
    pub capacities: Vec<u32>,
    /// Bytes of values.
    pub activations: u64,
    /// Bytes of working memory.
    pub scratch: u64,
    /// Instructions, about.
    pub cost: f64,
}

impl Needs {
    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.activations + self.scratch
    }
}

impl Block {
    /// The steps `first..end` as a chain, if they can be one.
    pub fn new(model: &Model<'_>, first: usize, end: usize) -> Option<Block> {
        if end - first > MAX_STAGES || model.entered[first + 1..end].contains(&true) {
            return None;
        }
        let mut block = Block {
            steps: (first, end),
            stages: Vec::new(),
            fed: 0,
            outputs: Vec::new(),
            sums: Vec::new(),
            outside: 0,
        };
        if let Some((buffer, rows)) = model.fed.filter(|_| first == 0) {
            let row_bytes = model.program.buffers[buffer].bytes / rows;
            let operands = Vec::new();
            block.stages.push(Stage { rows, row_bytes, whole: false, operands });
            block.outputs.push(buffer);
            block.sums.push(0);
            block.fed = 1;
        }
        for step in first..end {
            block.push(model, model.kernels[step].as_ref()?)?;
        }
        for (buffer, lower, upper) in model.alive(first, end) {
            let at = block.outputs.iter().position(|&output| output == buffer);
            let inside = first <= lower && upper <= end;
            match at {
                Some(stage) => block.stages[stage].whole |= !inside,
                None => block.outside += model.bytes(buffer),
            }
        }
        // What the caller feeds is nowhere else.
        let consumed = block.fed == 0 || !block.stages[0].whole;
        consumed.then_some(block)
    }

    /// Adds a stage, if its operands allow it.
    fn push(&mut self, model: &Model<'_>, kernel: &RowKernel) -> Option<()> {
        let output = kernel.output.buffer;
        let fits = kernel.output.offset == 0
            && matches!(model.program.buffers[output].storage, Storage::Temp)
            && !self.outputs.contains(&output);
        if !fits {
            return None;
        }
        let mut operands = Vec::new();
        for (place, demand) in &kernel.operands {
            let Some(stage) = self.outputs.iter().position(|&o| o == place.buffer) else {
                continue;
            };
            let demand = self.demand(stage, *demand)?;
            if place.offset != 0 {
                return None;
            }
            operands.push(Operand { stage, demand });
        }
        let (rows, row_bytes, whole, sums) = match kernel.rows {
            Rows::Of(rows, bytes) => (rows, bytes, false, 0),
            Rows::Sum(bytes, sums) => (kernel.operands.first()?.1.height, bytes, true, sums),
            Rows::Same(bytes) => {
                let rows = self.stages[operands.first()?.stage].rows;
                let even = operands.iter().all(|o| self.stages[o.stage].rows == rows);
                let row = bytes.checked_div(rows)?;
                (even && row * rows == bytes).then_some((rows, row, false, 0))?
            }
        };
        let held = if sums > 0 { row_bytes } else { rows.checked_mul(row_bytes)? };
        if rows == 0 || model.program.buffers[output].bytes != held {
            return None;
        }
        self.stages.push(Stage { rows, row_bytes, whole, operands });
        self.outputs.push(output);
        self.sums.push(sums);
        Some(())
    }

    /// The demand of a stage's result, in rows of that stage.
    fn demand(&self, stage: usize, demand: Demand) -> Option<Demand> {
        let producer = &self.stages[stage];
        match (self.sums[stage] > 0, demand.height) {
            // Whoever reads the sum of all rows waits for the last.
            (true, 0 | 1) => Some(Demand { reach: producer.rows, ..Demand::same(producer.rows) }),
            (false, 0) => Some(Demand::same(producer.rows)),
            (false, height) if height == producer.rows => Some(demand),
            _ => None,
        }
    }

    /// The strips for about `rows` output rows of each stage.
    pub fn strips(&self, model: &Model<'_>, rows: u32) -> Vec<u32> {
        let strip = |(at, stage): (usize, &Stage)| match self.step(at) {
            Some(step) => strip(stage.rows, rows, least_strip(&model.program.steps[step].kernel)),
            // The caller may feed more at a time if there is room.
            None => 1,
        };
        self.stages.iter().enumerate().map(strip).collect()
    }

    /// The step that a stage is.
    fn step(&self, stage: usize) -> Option<usize> {
        stage.checked_sub(self.fed).map(|at| self.steps.0 + at)
    }

    /// What the block needs with these strips.
    pub fn needs(&self, model: &Model<'_>, strips: Vec<u32>) -> Needs {
        let capacities = windows::least(&self.stages, &strips);
        let mut needs =
            Needs { activations: self.outside, scratch: 0, cost: cost::CHAIN, strips, capacities };
        let costs = Costs::new(model.target);
        let mut private = 0;
        for (at, stage) in self.stages.iter().enumerate() {
            let strip = needs.strips[at];
            needs.activations += match stage.whole {
                true => model.bytes(self.outputs[at]),
                false => u64::from(needs.capacities[at]) * u64::from(stage.row_bytes),
            };
            needs.activations += u64::from(self.sums[at]);
            needs.scratch += STATE;
            let Some(step) = self.step(at) else { continue };
            let kernel = &model.program.steps[step].kernel;
            let window = (!stage.whole).then_some((needs.capacities[at], stage.row_bytes));
            needs.cost += costs.stage(kernel, stage.rows, strip, window);
            for y in firings(stage.rows, strip) {
                let rows = strip.min(stage.rows - y);
                private = private.max(scratch(&restricted(kernel, y, rows, stage.rows)));
            }
        }
        needs.scratch += u64::from(private);
        needs
    }
}

/// First rows of the first, a middle, and the last two firings: what differs in size.
fn firings(rows: u32, strip: u32) -> impl Iterator<Item = u32> {
    let last = (rows - 1) / strip * strip;
    [0, strip.min(last), last.saturating_sub(strip), last].into_iter()
}

/// About `wanted` rows, so that no firing has fewer than `least`.
fn strip(rows: u32, wanted: u32, least: u32) -> u32 {
    let even = |strip: &u32| rows % strip == 0 || rows % strip >= least;
    (wanted.max(least).min(rows)..=rows).find(even).unwrap_or(rows)
}
