//! Puts chains into a program: a `rows` step before the steps of each, and windows in place of values.

use microhlo_format::kernels::{Feed, Rows, Sums};
use microhlo_format::rows::Stage;
use microhlo_format::{Kernel, Target};

use super::block::{Block, Model, Needs};
use super::kernel::folded;
use super::recompute::expanded;
use super::windows::Rest;
use super::{Cut, Plan};
use crate::lower::program::{Buffer, BufferId, Program, Ref, SUMS, Step, Storage};

/// The program as a plan says. Its steps are those of the model's program, in their order.
pub fn apply(model: &Model<'_>, plan: &Plan) -> Program {
    if plan.cuts.iter().all(|cut| cut.stripes.is_none()) {
        return apply_rows(model, plan);
    }
    match expanded(model.program, plan) {
        Some((program, plan)) => apply_rows(&model.of(&program), &plan),
        // Stripes are only planned where steps can be cut.
        None => model.program.clone(),
    }
}

/// The same for a plan without stripes.
fn apply_rows(model: &Model<'_>, plan: &Plan) -> Program {
    let mut program = model.program.clone();
    let mut steps = Vec::with_capacity(program.steps.len() + plan.cuts.len());
    // Where control comes to for each step: a chain begins with its `rows`.
    let mut places = Vec::with_capacity(program.steps.len() + 1);
    let mut born = Vec::new();
    for cut in &plan.cuts {
        let start = steps.len();
        if let Some(block) = Block::new(model, cut.first, cut.end).filter(|_| cut.is_chain()) {
            let known = program.buffers.len();
            let rows = chain(&mut program, &block, cut);
            let windows = block.stages(&cut.needs).filter(|stage| stage.window().is_some());
            born.extend(windows.map(|stage| (stage.output, start)));
            born.extend(program.buffers.ids().skip(known).map(|buffer| (buffer, start)));
            steps.push(Step::new(rows, "rows"));
        }
        let inside = steps.len();
        for step in cut.first..cut.end {
            places.push(if step == cut.first { start } else { inside + step - cut.first });
            steps.push(program.steps[step].clone());
        }
    }
    places.push(steps.len());
    let place = |step: usize| places.get(step).copied().unwrap_or(usize::MAX);
    for target in steps.iter_mut().flat_map(|step| step.kernel.targets_mut()) {
        *target = Target::step(place(target.step as usize).try_into().unwrap_or(u32::MAX));
    }
    for buffer in program.buffers.values_mut() {
        buffer.born = place(buffer.born);
    }
    for (buffer, start) in born {
        program.buffers[buffer].born = start;
    }
    program.steps = steps;
    program
}

/// Makes buffers of a program windows of a chain, and lets its steps share their working memory.
/// Returns the step that runs them.
fn chain(program: &mut Program, block: &Block, cut: &Cut) -> Kernel<Ref> {
    let Needs { state, scratch, .. } = cut.needs;
    let state = private(program, "rows of a chain", state);
    let scratch = private(program, "scratch", scratch);
    for step in &mut program.steps[cut.first..cut.end] {
        let own: Vec<BufferId> = Program::scratch(step).collect();
        step.kernel = step.kernel.map_places(&mut |place| match own.contains(&place.buffer) {
            true => scratch,
            false => place,
        });
    }
    for (step, stage) in block.steps(&cut.needs) {
        let step = &mut program.steps[step];
        step.kernel = folded(&step.kernel, stage.rows).into_owned();
    }
    let mut stages = heapless::Vec::new();
    let mut sums = None;
    for stage in block.stages(&cut.needs) {
        if let Some(bytes) = stage.window() {
            let buffer = &mut program.buffers[stage.output];
            buffer.bytes = bytes;
            buffer.name.push_str(" by rows");
        }
        if stage.sums > 0 {
            let place = private(program, SUMS, u64::from(stage.sums) * 4);
            sums = Some(Sums { place, count: stage.sums });
        }
        // A block has no more stages than a chain may have, and their rows are counted in 16 bits.
        let half = |rows: u32| u16::try_from(rows).unwrap_or(u16::MAX);
        let _ = stages.push(Stage {
            rows: half(stage.rows),
            strip: half(stage.strip),
            capacity: half(stage.capacity),
            operands: stage.operands,
            lead: stage.lead,
            settles: matches!(stage.rest, Rest::Start | Rest::Late),
            ends: matches!(stage.rest, Rest::End | Rest::Late),
        });
    }
    let feed = block.feed().map(|(buffer, row_bytes)| {
        let place = Ref { buffer, offset: 0 };
        Feed { place, row_bytes }
    });
    Kernel::rows(Rows { stages, state, sums, feed })
}

/// A buffer that only a chain uses.
fn private(program: &mut Program, name: &str, bytes: u64) -> Ref {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let (name, storage) = (name.to_owned(), Storage::Temp);
    let buffer = Buffer { name, bytes, align: 4, storage, born: 0 };
    Ref { buffer: program.buffers.push(buffer), offset: 0 }
}
