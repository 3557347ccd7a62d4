//! What a run of steps needs as a chain: its stages, windows, memory and cost.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use microhlo_format::kernels::STATE_BYTES;
use microhlo_format::rows::{self, MAX_STAGES, OUTSIDE, RowShape};
use microhlo_format::{AccessKind, Kernel};

use super::cost::{self, Costs};
use super::kernel::{Stages, by_rows, scratch, sums, writes_columns};
use super::trace::join;
use super::windows::{Found, Read, Rest, Windows};
use crate::compile::Target;
use crate::emit::memory_problem;
use crate::ir::EntityId;
use crate::lower::liveness::{Flow, lives};
use crate::lower::program::{BufferId, Program, Ref, Storage};
use crate::lower::share::{copies_taps, in_place_pairs};
use crate::plan::{self, Buffer, Distance, Overlap, Problem};

/// A program as the choice of chains sees it.
pub struct Model<'a> {
    /// The program.
    pub program: &'a Program,
    /// What instructions its kernels take.
    pub costs: Costs,
    /// The steps between which each value is alive, the last one not counted. No scratch.
    values: BTreeMap<BufferId, (usize, usize)>,
    /// Bytes that results of a step may share with operands that die, by step.
    saved: HashMap<u32, u64>,
    /// Whether convolutions copy what they read more than once if their results lie over it.
    copies: bool,
    /// Whether control may come to a step otherwise than from the one before it.
    entered: Vec<bool>,
    /// The input that the caller feeds row by row, and its rows.
    fed: Option<(BufferId, u32)>,
    stages: Stages,
    target: Target,
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
        let saved = memory_problem(program).0.shared_by_step();
        let (copies, stages) = (target == Target::Rv32imac, Stages::new(costs));
        Model { program, costs, values, saved, copies, entered, fed: None, stages, target }
    }

    /// The same for a program that was made of this one.
    pub fn of<'b>(&self, program: &'b Program) -> Model<'b> {
        Model { fed: self.fed, ..Model::new(program, self.target) }
    }

    /// Bytes of what the step before one leaves to others.
    pub fn leaves(&self, step: usize) -> u64 {
        let alive = self.values.iter().filter(|(_, life)| life.0 < step && step < life.1);
        alive.map(|(&buffer, _)| self.bytes(buffer)).sum()
    }

    /// Whether control may come to some steps otherwise than from the one before.
    pub fn is_entered(&self, mut steps: Range<usize>) -> bool {
        steps.any(|step| self.entered[step])
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

    /// Bytes that a step's results may share with operands that die, and by how much more it costs then.
    pub fn saved(&self, step: usize) -> (u64, f64) {
        let partly = self.saved.get(&(step as u32)).copied().unwrap_or(0);
        let more = if self.copies_bytes(step) { cost::COPIED } else { 0.0 };
        (partly.max(self.saved_in_place(step)), more)
    }

    /// Whether a step copies single bytes of its operand if results lie over it.
    fn copies_bytes(&self, step: usize) -> bool {
        let kernel = &self.program.steps[step].kernel;
        let words = matches!(kernel, Kernel::conv_i8(conv) if conv.run().is_multiple_of(4));
        self.copies && copies_taps(kernel) && !words
    }

    /// Whether a strip copies more than a few words if its results lie over the rows that it sees.
    fn copies_rows(&self, step: usize) -> bool {
        let few = match &self.program.steps[step].kernel {
            // A row further down, results of three by three taps lie on none that is read later.
            Kernel::depthwise_i8(conv) => conv.is_three_by_three() && conv.stride_h == 1,
            Kernel::conv_i8(conv) => conv.kernel_h * conv.kernel_w == 1 && !self.copies_bytes(step),
            kernel => !copies_taps(kernel),
        };
        self.copies && !few
    }

    /// Bytes of results that lie on operands that die, at no cost.
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

/// A stage of a block.
struct Stage {
    /// Where its result is.
    output: BufferId,
    /// How often it has a row to compute.
    rows: u32,
    /// Bytes of a row of its result.
    row_bytes: u32,
    /// Whether the whole result is kept, for what comes after the block.
    whole: bool,
    /// The stages that make its operands, or `OUTSIDE`.
    operands: [u8; 2],
    /// Which rows it reads of them; none if the caller feeds it.
    shape: Option<RowShape>,
    /// Sums that it keeps from row to row.
    sums: u32,
    /// Whether other stages write other columns of the result.
    joint: bool,
}

/// Steps that may run as a chain.
pub struct Block {
    /// The first step, and the one after the last.
    steps: (usize, usize),
    stages: Vec<Stage>,
    /// Stages before that of the first step: one, if the caller feeds rows.
    fed: usize,
    /// Bytes of values that are wholly alive during the block.
    outside: u64,
    /// What is read row by row of values from outside.
    reads: Vec<(BufferId, Read)>,
    /// Values from outside that are read by rows alone, and that nobody needs after the block.
    dying: Vec<BufferId>,
    /// Values of which the block writes some columns, others were there before.
    before: Vec<BufferId>,
}

/// What a block needs with given strips.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs {
    /// Rows of a firing of each stage.
    pub strips: Vec<u32>,
    /// Rows that each stage's result has room for.
    pub capacities: Vec<u32>,
    /// Rows of each stage's first firing, if not as many; 0 if as many.
    pub leads: Vec<u8>,
    /// Where rows rest in each stage's window.
    pub rests: Vec<Rest>,
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

    /// Whether rows that are kept wait until the first stage goes on.
    pub fn are_late(&self) -> bool {
        self.rests.contains(&Rest::Late)
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
    /// Rows at the first time, if not as many; 0 if as many.
    pub lead: u8,
    /// Where rows rest in its window.
    pub rest: Rest,
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
        let (stages, reads, dying, before) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut block = Block { steps, stages, fed: 0, outside: 0, reads, dying, before };
        if let Some((output, rows)) = model.fed.filter(|_| first == 0) {
            let row_bytes = model.program.buffers[output].bytes / rows;
            let operands = [OUTSIDE; 2];
            let (whole, shape, sums, joint) = (false, None, 0, false);
            block.stages.push(Stage {
                output,
                rows,
                row_bytes,
                whole,
                operands,
                shape,
                sums,
                joint,
            });
            block.fed = 1;
        }
        for step in first..end {
            block.push(model, &model.program.steps[step].kernel)?;
        }
        for (buffer, lower, upper) in model.alive(first, end) {
            let inside = first <= lower && upper <= end;
            match block.stage_of(buffer) {
                Some(stage) => {
                    if lower < first && block.stages[stage].joint {
                        block.before.push(buffer);
                    }
                    block.stages[stage].whole |= !inside;
                }
                None if upper <= end && block.reads_rows(model, buffer) => block.dying.push(buffer),
                None => block.outside += model.bytes(buffer),
            }
        }
        for at in 0..block.stages.len() {
            // What nobody reads is kept as a whole.
            let read = block.stages.iter().any(|stage| stage.operands.contains(&(at as u8)));
            block.stages[at].whole |= !read;
        }
        if block.fed > 0 && block.stages[0].whole {
            // What the caller feeds is nowhere else: a longer chain is needed.
            block.outside = u64::MAX / 2;
        }
        // The runtime keeps the sums of one stage, and counts rows in 16 bits.
        let gathers = block.stages.iter().filter(|stage| stage.sums > 0).count();
        let rows: u64 = block.stages.iter().map(|stage| u64::from(stage.rows)).sum();
        (gathers <= 1 && rows <= u64::from(u16::MAX)).then_some(block)
    }

    /// The stage that makes a value.
    fn stage_of(&self, value: BufferId) -> Option<usize> {
        self.stages.iter().position(|stage| stage.output == value)
    }

    /// Adds a stage, if its operands allow it.
    fn push(&mut self, model: &Model<'_>, kernel: &Kernel<Ref>) -> Option<()> {
        let rows_of = |place: Ref| Some(self.stages[self.stage_of(place.buffer)?].rows);
        let by = by_rows(kernel, &rows_of)?;
        let output = by.output.place;
        let buffer = &model.program.buffers[output.buffer];
        let joint = writes_columns(kernel);
        let temporary = matches!(buffer.storage, Storage::Temp) && (output.offset == 0 || joint);
        let with = self.stage_of(output.buffer);
        let made = with.is_some_and(|at| !joint || !self.stages[at].joint);
        let read = self.reads.iter().any(|(from, _)| *from == output.buffer);
        if !temporary || made || (joint && read) {
            return None;
        }
        let mut operands = [OUTSIDE; 2];
        let mut read = Vec::new();
        for (link, operand) in operands.iter_mut().zip(&by.operands) {
            let Some(operand) = operand else { continue };
            let Ref { buffer: from, offset } = operand.place;
            let Some(stage) = self.stage_of(from) else {
                let read = Read { stage: self.stages.len(), offset, row: operand.bytes };
                self.reads.push((from, read));
                continue;
            };
            let whole = u64::from(operand.bytes) * u64::from(by.shape.in_rows);
            if offset != 0 || whole != model.bytes(from) {
                return None;
            }
            // Whoever reads the sum of all rows, or what has columns of several, comes after the chain.
            if self.stages[stage].sums > 0
                || self.stages[stage].joint
                || by.shape.in_rows != self.stages[stage].rows
            {
                return None;
            }
            *link = stage as u8;
            read.push(from);
        }
        // What else it reads is there before the chain begins.
        let mut known = true;
        let _ = kernel.accesses(&mut |access| {
            let of = access.place.buffer;
            known &= access.kind != AccessKind::Read
                || read.contains(&of)
                || self.stage_of(of).is_none();
        });
        let (rows, sums) = (by.shape.out_rows, sums(kernel, by.shape.out_rows));
        let bytes = if sums > 0 { buffer.bytes } else { rows.checked_mul(by.output.bytes)? };
        let fits = rows > 0 && rows < u32::from(u16::MAX) && bytes == buffer.bytes;
        if !known || !fits {
            return None;
        }
        let (output, row_bytes, shape) = (output.buffer, by.output.bytes, Some(by.shape));
        let whole = sums > 0 || joint;
        self.stages.push(Stage { output, rows, row_bytes, whole, operands, shape, sums, joint });
        Some(())
    }

    /// The step that a stage is.
    fn step(&self, stage: usize) -> Option<usize> {
        stage.checked_sub(self.fed).map(|at| self.steps.0 + at)
    }

    /// What the block needs if each stage fires about so many rows at a time, if it can. If `late`, all rows that
    /// are kept wait until the first stage goes on again, and stages begin with as many as the last one needs for
    /// a whole strip.
    pub fn needs(&self, model: &Model<'_>, wanted: &[u32], late: bool) -> Option<Needs> {
        // Rows of a fed input come one by one. Where rows are copied to be computed in place, that is slower.
        if late && (self.fed > 0 || self.copies_rows(model)) {
            return None;
        }
        let (mut strips, mut over) = (Vec::new(), Vec::new());
        let (mut scratch, mut cost, mut overs) = (0, cost::CHAIN, Vec::new());
        for (at, (stage, &wanted)) in self.stages.iter().zip(wanted).enumerate() {
            let Some(step) = self.step(at) else {
                // The caller may feed more rows at a time if there is room.
                strips.push(1);
                over.push([None; 2]);
                continue;
            };
            let firings = model.stages.firings(model.kernel(step), stage.rows, wanted)?;
            strips.push(firings.strip);
            over.push(firings.over);
            scratch = scratch.max(firings.scratch);
            cost += firings.cost;
        }
        let mut windows = Windows { over, ..self.windows(model, &strips) };
        let mut may = |at: usize, lead: u8| {
            let [strip, lead] = [strips[at], lead.into()];
            let step = self.step(at).map(|step| model.kernel(step));
            let led = |step| model.stages.led(step, self.stages[at].rows, [strip, lead]);
            let Some(((bytes, over), with)) = step.and_then(led) else { return false };
            scratch = scratch.max(bytes);
            if late && let Some(step) = step {
                // Where the first strip is as long as others, this is what they cost.
                let without = model.stages.firings(step, self.stages[at].rows, strip);
                cost += with - without.map_or(with, |firings| firings.cost);
                overs.push((at, over));
            }
            true
        };
        match late {
            true => windows.lead_all(&mut may)?,
            false => windows.lead(&mut may),
        }
        windows.fit()?;
        overs.into_iter().for_each(|(at, over)| windows.over[at] = over);
        if late {
            windows.fit_in_place()?;
        }
        let leads = windows.stages.iter().map(|stage| stage.lead).collect();
        let capacities: Vec<u32> = windows.stages.iter().map(|s| s.capacity.into()).collect();
        let (rests, packed) = match late {
            true => self.rest_late(model, &mut windows)?,
            false => self.rests(model, &mut windows)?,
        };
        let mut activations = self.outside + packed;
        for (at, stage) in self.stages.iter().enumerate() {
            activations += 4 * u64::from(stage.sums);
            // Before most firings, what is still needed is moved to the front.
            let most = strips[at].max(windows.stages[at].lead.into());
            let kept = u64::from(capacities[at].saturating_sub(most));
            let moved = u64::from(stage.rows / strips[at]) * kept * u64::from(stage.row_bytes);
            cost += model.costs.moved(if stage.whole { 0 } else { moved });
        }
        let state = u64::from(STATE_BYTES) * self.stages.len() as u64;
        Some(Needs { strips, capacities, leads, rests, activations, scratch, state, cost })
    }

    /// Whether a stage that sees rows of another one copies bytes of them if its results lie there.
    fn copies_rows(&self, model: &Model<'_>) -> bool {
        let inside = |stage: &Stage| stage.operands != [OUTSIDE; 2];
        let mut seeing = (0..self.stages.len()).filter(|&at| inside(&self.stages[at]));
        seeing.any(|at| self.step(at).is_some_and(|step| model.copies_rows(step)))
    }

    /// The values by rows, with windows that are not sized yet.
    fn windows(&self, model: &Model<'_>, strips: &[u32]) -> Windows {
        let mut windows = Windows::default();
        // All rows together are counted in 16 bits.
        let half = |rows: u32| u16::try_from(rows).unwrap_or(u16::MAX);
        for (stage, &strip) in self.stages.iter().zip(strips) {
            let (rows, operands) = (half(stage.rows), stage.operands);
            let capacity = if stage.whole { rows } else { 0 };
            let (strip, settles, ends) = (half(strip), false, false);
            windows.stages.push(rows::Stage {
                rows,
                strip,
                lead: 0,
                capacity,
                operands,
                settles,
                ends,
            });
            windows.shapes.push(stage.shape);
            windows.rows.push((stage.sums == 0).then_some(stage.row_bytes));
            windows.bytes.push(model.bytes(stage.output));
        }
        for (at, stage) in self.stages.iter().enumerate().filter(|(_, stage)| stage.joint) {
            let with = self.stage_of(stage.output).filter(|&with| with < at);
            join(&mut windows, at, with, self.before.contains(&stage.output));
        }
        for &value in &self.dying {
            let reads = self.reads.iter().filter(|read| read.0 == value).map(|read| read.1);
            windows.found.push(Found { bytes: model.bytes(value), reads: reads.collect() });
        }
        windows
    }

    /// Where rows rest in windows, and the bytes that all values take together then: two windows can share
    /// the bytes between rows that rest at the start of one and at the end of the other.
    fn rests(&self, model: &Model<'_>, windows: &mut Windows) -> Option<(Vec<Rest>, u64)> {
        let none = vec![Rest::There; self.stages.len()];
        let mut best = (none.clone(), self.packed(model, windows)?);
        // Windows that keep rows from firing to firing.
        let keeps =
            |(_, stage): &(usize, &rows::Stage)| stage.capacity > stage.strip && !stage.is_whole();
        let kept: Vec<usize> =
            windows.stages.iter().enumerate().filter(keeps).map(|(at, _)| at).collect();
        for first in 0..2.min(kept.len()) {
            let mut rests = none.clone();
            for (i, &at) in kept.iter().enumerate() {
                rests[at] = if i % 2 == first { Rest::Start } else { Rest::End };
            }
            windows.rest(&rests);
            let bytes = self.packed(model, windows)?;
            if bytes < best.1 {
                best = (rests, bytes);
            }
        }
        windows.rest(&best.0);
        Some(best)
    }

    /// Lets all rows that are kept wait until the first stage goes on again: where they rest, and the bytes
    /// that all values take together. `None` if that is of no use.
    fn rest_late(&self, model: &Model<'_>, windows: &mut Windows) -> Option<(Vec<Rest>, u64)> {
        let rest = |at: usize| match windows.keeps(at) && at > 0 {
            true => Rest::Late,
            false => Rest::End,
        };
        let rests: Vec<Rest> = (0..self.stages.len()).map(rest).collect();
        windows.rest(&rests);
        // Rows of each stage end in front of those of the stage before.
        let packed = plan::sketch_backwards(&self.problem(model, windows)?).ok()?;
        rests.contains(&Rest::Late).then_some((rests, packed))
    }

    /// Bytes that windows, results, and values that die take together, as some of them share bytes.
    fn packed(&self, model: &Model<'_>, windows: &Windows) -> Option<u64> {
        plan::sketch(&self.problem(model, windows)?).ok()
    }

    /// Windows, results, and values that die, with what they may share.
    fn problem(&self, model: &Model<'_>, windows: &Windows) -> Option<Problem> {
        let whole = |stage: &Stage| if stage.whole { 3 } else { 2 };
        let lives = self.stages.iter().map(|stage| (stage.output, 1, whole(stage)));
        let lives = lives.chain(self.dying.iter().map(|&value| (value, 0, 2)));
        let buffer = |(value, (buffer, lower, upper)): (usize, (BufferId, u32, u32))| {
            let size = u32::try_from(windows.size(value)).ok()?;
            Some(Buffer { size, align: model.program.buffers[buffer].align, lower, upper })
        };
        let buffers = lives.enumerate().map(buffer).collect::<Option<_>>()?;
        let mut problem = Problem { buffers, overlaps: Vec::new() };
        for near in windows.near()? {
            let distance = match near.same {
                true => Distance::Zero,
                false => Distance::AtLeast(near.distance.try_into().ok()?),
            };
            let overlap = Overlap { input: near.input, output: near.output, distance };
            if problem.is_overlap(&overlap) {
                problem.overlaps.push(overlap);
            }
        }
        Some(problem)
    }

    /// Whether a value is read by rows alone.
    fn reads_rows(&self, model: &Model<'_>, value: BufferId) -> bool {
        let steps = &model.program.steps[self.steps.0..self.steps.1];
        let touched = steps.iter().flat_map(Program::touched).filter(|(_, b)| *b == value).count();
        touched == self.reads.iter().filter(|read| read.0 == value).count()
    }

    /// The stages with what they need.
    pub fn stages<'a>(&'a self, needs: &'a Needs) -> impl Iterator<Item = Planned> + 'a {
        let rooms =
            needs.strips.iter().zip(&needs.capacities).zip(needs.leads.iter().zip(&needs.rests));
        self.stages.iter().zip(rooms).map(|(stage, ((&strip, &capacity), (&lead, &rest)))| {
            Planned {
                lead,
                rest,
                output: stage.output,
                rows: stage.rows,
                strip,
                capacity,
                operands: stage.operands,
                sums: stage.sums,
                row_bytes: stage.row_bytes,
                whole: stage.whole,
            }
        })
    }

    /// The steps, each with the stage that it is.
    pub fn steps<'a>(&'a self, needs: &'a Needs) -> impl Iterator<Item = (usize, Planned)> + 'a {
        (self.steps.0..self.steps.1).zip(self.stages(needs).skip(self.fed))
    }

    /// The input that the caller feeds in this chain, and the bytes of a row.
    pub fn feed(&self) -> Option<(BufferId, u32)> {
        (self.fed > 0).then(|| (self.stages[0].output, self.stages[0].row_bytes))
    }

    /// Rows at a time for all stages.
    pub fn uniform(&self, rows: u32) -> Vec<u32> {
        vec![rows; self.stages.len()]
    }
}
