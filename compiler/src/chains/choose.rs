//! Which chains a program gets: as the memory that there is demands.

use std::fmt::Write as _;

use super::{Cuts, Model, Plan, apply, widened};
use crate::compile::{Arranged, CompileError, CompileOptions};
use crate::diag::Span;
use crate::emit::{Emitted, emit, memory_problem};
use crate::lower::program::Program;
use crate::regions::{Memories, Others};

/// When steps run row by row. See the example of [`Options`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    /// Never.
    Off,
    /// As far as the program else would not fit the limit of the arena.
    #[default]
    Auto,
    /// Wherever that makes the arena smaller.
    Least,
}

/// How much memory a program may use, and how it may save some.
///
/// ```
/// use microhlo_compiler::chains::{Options, Rows};
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<1x16x16x1xf32>) -> tensor<1x8x8x1xf32> {
///   %v = stablehlo.constant dense<0.5> : tensor<3x3x1x8xf32>
///   %w = stablehlo.constant dense<0.25> : tensor<3x3x8x1xf32>
///   %0 = stablehlo.convolution(%x, %v) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f],
///     window = {pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64}
///     : (tensor<1x16x16x1xf32>, tensor<3x3x1x8xf32>) -> tensor<1x16x16x8xf32>
///   %1 = stablehlo.convolution(%0, %w) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f],
///     window = {stride = [2, 2], pad = [[0, 1], [0, 1]]}
///     {batch_group_count = 1 : i64, feature_group_count = 1 : i64}
///     : (tensor<1x16x16x8xf32>, tensor<3x3x8x1xf32>) -> tensor<1x8x8x1xf32>
///   return %1 : tensor<1x8x8x1xf32>
/// }";
/// let (_, module) = front::parse("rows.mlir", text)?;
/// let arena = |memory: Options| {
///     let options = CompileOptions { memory, ..CompileOptions::default() };
///     compile(&module, &options).map(|compiled| compiled.report.arena_bytes)
/// };
/// let whole = arena(Options { rows: Rows::Off, ..Options::default() })?;
/// // Row by row, the value of 8 channels never lies whole in memory.
/// let least = arena(Options { rows: Rows::Least, ..Options::default() })?;
/// assert!(least < whole / 3, "{least} {whole}");
/// // With a limit, only what is necessary to fit it.
/// let fits = arena(Options { arena_limit: Some(whole - 1), ..Options::default() })?;
/// assert!(fits < whole);
/// assert!(arena(Options { arena_limit: Some(least / 2), ..Options::default() }).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// When steps run row by row.
    pub rows: Rows,
    /// Most bytes of the arena.
    pub arena_limit: Option<u32>,
    /// Whether the caller gives the input row by row.
    pub stream_input: bool,
    /// Most multiply-accumulates, in percent of all, that may be computed again for that.
    pub recompute: u32,
}

impl Options {
    /// Whether memory is to be saved at the price of instructions.
    pub(crate) fn saves(&self) -> bool {
        self.arena_limit.is_some() || self.rows == Rows::Least
    }
}

/// A program with its arena.
pub(crate) struct Choice {
    /// The program: its buffers share memory.
    pub program: Program,
    /// The artifact, with the plan of the arena.
    pub emitted: Emitted,
    /// Instructions of an inference, about; to be compared with those of other choices.
    pub cost: f64,
}

/// Chooses the fastest program that fits, or the smallest.
///
/// # Errors
/// None fits the limit of the arena, the input cannot be streamed, or a plan of the arena fails.
pub(crate) fn choose(program: &Arranged, options: &CompileOptions) -> Result<Choice, CompileError> {
    if !options.memories.arenas.is_empty() {
        return in_memories(program, options);
    }
    let Options { rows, arena_limit, stream_input, recompute } = options.memory;
    if !stream_input {
        let whole = Choice::new(program.shared.clone(), 0.0, options)?;
        let fits = arena_limit.is_none_or(|limit| whole.bytes() <= limit);
        if rows == Rows::Off || (rows == Rows::Auto && fits) {
            return whole.within(arena_limit);
        }
    }
    let model = model(&program.ordered, options)?;
    let cuts = Cuts::new(&model, recompute);
    let front = match rows {
        Rows::Off => cuts.cheapest(u64::MAX).into_iter().collect(),
        _ => cuts.front(),
    };
    let limit = arena_limit.unwrap_or(u32::MAX);
    if rows != Rows::Least
        && let Some(choice) = fastest(&model, &front, limit, options)?
    {
        return Ok(choice);
    }
    let mut smallest: Option<(Choice, &Plan)> = None;
    // Where results lie over operands, the fastest may need no more than any other.
    for plan in front.iter().take(1).chain(front.iter().rev().take(SMALLEST)) {
        let choice = Choice::new(options.shared(&apply(&model, plan)), plan.cost(), options)?;
        let better = |least: &Choice| (choice.bytes(), choice.cost) < (least.bytes(), least.cost);
        if smallest.as_ref().is_none_or(|(least, _)| better(least)) {
            smallest = Some((choice, plan));
        }
    }
    match smallest {
        Some((choice, plan)) => {
            let bytes = choice.bytes();
            let choice = choice.or_wider(&model, plan, bytes, options)?;
            let bytes = choice.bytes();
            choice.within(arena_limit).map_err(|error| {
                let more = with_recomputation(program, options, bytes).unwrap_or_default();
                CompileError { message: error.message + &more, ..error }
            })
        }
        None => Err(error("the input cannot be fed row by row: too much of it is needed at once")),
    }
}

/// Percent of the multiply-accumulates that are thought of when nothing fits.
const WORTH: u32 = 50;

/// What computing some results again would reach, if that is less than so many bytes.
fn with_recomputation(program: &Arranged, options: &CompileOptions, bytes: u32) -> Option<String> {
    if options.memory.recompute >= WORTH || options.memory.rows == Rows::Off {
        return None;
    }
    let memory =
        Options { rows: Rows::Least, arena_limit: None, recompute: WORTH, ..options.memory };
    let smallest = choose(program, &CompileOptions { memory, ..options.clone() }).ok()?;
    let percent = 100 * smallest.again(&program.ordered);
    let percent = percent.div_ceil(program.ordered.macs().max(1));
    let less = smallest.bytes() < bytes && percent > 0;
    less.then(|| format!("; --recompute {percent} reaches {} bytes", smallest.bytes()))
}

/// Chooses the fastest program that fits the memories that there are; the smallest of those, if memory is
/// to be saved.
fn in_memories(program: &Arranged, options: &CompileOptions) -> Result<Choice, CompileError> {
    let Options { rows, stream_input, .. } = options.memory;
    if !stream_input && rows != Rows::Least {
        let whole = Choice::fitting(program.shared.clone(), 0.0, options)?;
        if let Some(choice) = whole {
            return Ok(choice);
        }
    }
    if stream_input || rows != Rows::Off {
        let model = model(&program.ordered, options)?;
        let cuts = Cuts::new(&model, options.memory.recompute);
        let mut front: Vec<Plan> = match rows {
            Rows::Off => cuts.cheapest(u64::MAX).into_iter().collect(),
            _ => cuts.front(),
        };
        if rows == Rows::Least {
            front.reverse();
        }
        for plan in &front {
            let program = options.shared(&apply(&model, plan));
            if let Some(choice) = Choice::fitting(program, plan.cost(), options)? {
                return Ok(choice);
            }
        }
    }
    Err(misfit(program, options)?)
}

/// That no program fits the memories that there are, and what the smallest needs.
fn misfit(program: &Arranged, options: &CompileOptions) -> Result<CompileError, CompileError> {
    let rows = if options.memory.rows == Rows::Off { Rows::Off } else { Rows::Least };
    let memory = Options { rows, arena_limit: None, ..options.memory };
    let memories = Memories::default();
    let smallest = choose(program, &CompileOptions { memory, memories, ..options.clone() })?;
    let names = options.memories.arenas.iter().map(|m| format!("{} of {} bytes", m.name, m.bytes));
    let names = names.collect::<Vec<_>>().join(", ");
    let limit = options.memory.arena_limit;
    let limit = limit.map_or(String::new(), |bytes| format!(" with {bytes} bytes of them in all"));
    let shared = match options.others.iter().any(|others| *others != Others::default()) {
        true => " beside what other models have there",
        false => "",
    };
    Ok(error(format!(
        "no program fits the memories {names}{limit}{shared}: the smallest needs {} bytes in one arena{}",
        smallest.bytes(),
        smallest.peak()
    )))
}

/// The fastest program whose arena has at most `limit` bytes, if there is one.
fn fastest(
    model: &Model<'_>,
    front: &[Plan],
    limit: u32,
    options: &CompileOptions,
) -> Result<Option<Choice>, CompileError> {
    // What is alive bounds the arena from below only if nothing shares memory.
    let may_fit = |plan: &&Plan| plan.bytes() / 2 <= u64::from(limit);
    let mut best: Option<Choice> = None;
    let mut fit = 0;
    for plan in front.iter().filter(may_fit) {
        let choice = Choice::new(options.shared(&apply(model, plan)), plan.cost(), options)?;
        if choice.bytes() > limit {
            continue;
        }
        let choice = choice.or_wider(model, plan, limit, options)?;
        if best.as_ref().is_none_or(|best| choice.cost < best.cost) {
            best = Some(choice);
        }
        fit += 1;
        if fit == FITTING {
            break;
        }
    }
    Ok(best)
}

/// Sizes that strips of a program are given to fit an arena.
const WIDENINGS: usize = 4;

/// Ways of the front of which the fastest is looked for: one that leaves more room may have longer strips.
const FITTING: usize = 3;

/// Ways of the front of which the smallest is looked for: an arena may be larger than what is alive.
const SMALLEST: usize = 4;

/// All programs of which no other is both smaller and faster, the fastest first: each in one arena, or in the
/// memories that there are, without constants.
///
/// # Errors
/// The input cannot be streamed, none fits the memories, or a plan of the arena fails.
pub(crate) fn pareto(
    program: &Arranged,
    options: &CompileOptions,
) -> Result<Vec<Choice>, CompileError> {
    // What constants take is no more than what is left.
    let memories = Memories { artifact_cost: 0, ..options.memories.clone() };
    let options = &CompileOptions { memories, ..options.clone() };
    let one_arena = options.memories.arenas.is_empty();
    let model = model(&program.ordered, options)?;
    let mut front: Vec<Choice> = Vec::new();
    for plan in Cuts::new(&model, options.memory.recompute).front() {
        let program = options.shared(&apply(&model, &plan));
        let choice = match one_arena {
            true => {
                let choice = Choice::new(program, plan.cost(), options)?;
                let bytes = choice.bytes();
                choice.or_wider(&model, &plan, bytes, options)?
            }
            false => match Choice::smallest(&program, plan.cost(), options)? {
                Some(choice) => choice,
                None => continue,
            },
        };
        while front.last().is_some_and(|last| last.cost >= choice.cost) {
            front.pop();
        }
        if front.last().is_none_or(|last| choice.bytes() < last.bytes()) {
            front.push(choice);
        }
    }
    match front.is_empty() && !one_arena {
        true => Err(misfit(program, options)?),
        false => Ok(front),
    }
}

fn model<'a>(program: &'a Program, options: &CompileOptions) -> Result<Model<'a>, CompileError> {
    let model = Model::new(program, options.target);
    if !options.memory.stream_input {
        return Ok(model);
    }
    model.streamed().ok_or_else(|| {
        error(
            "the input cannot be fed row by row: that needs one input, which only convolutions and \
             poolings of 8-bit or `f32` images of batch 1 read; compile without --stream-input",
        )
    })
}

impl Choice {
    /// A program whose buffers share memory already.
    fn new(program: Program, cost: f64, options: &CompileOptions) -> Result<Choice, CompileError> {
        let choice = Choice::fitting(program, cost, options)?;
        choice.ok_or_else(|| error("the program does not fit the memories"))
    }

    /// A program whose buffers share memory already, if it fits the memories that there are.
    fn fitting(
        program: Program,
        cost: f64,
        options: &CompileOptions,
    ) -> Result<Option<Choice>, CompileError> {
        let emitted = emit(&program, options)?;
        Ok(emitted.map(|emitted| Choice { program, emitted, cost }))
    }

    /// A program in the memories that there are, in as few bytes of them as in one arena if it has room for that.
    fn smallest(
        program: &Program,
        cost: f64,
        options: &CompileOptions,
    ) -> Result<Option<Choice>, CompileError> {
        let choice = Choice::fitting(program.clone(), cost, options)?;
        let mut tight = CompileOptions { memories: Memories::default(), ..options.clone() };
        let bytes = Choice::new(program.clone(), cost, &tight)?.bytes();
        if choice.as_ref().is_some_and(|choice| choice.bytes() <= bytes) {
            return Ok(choice);
        }
        tight.memories = options.memories.clone();
        tight.memory.arena_limit = Some(options.memory.arena_limit.unwrap_or(bytes).min(bytes));
        Ok(Choice::fitting(program.clone(), cost, &tight)?.or(choice))
    }

    /// One that computes more rows at a time in an arena of `limit` bytes, if there is one.
    fn or_wider(
        self,
        model: &Model<'_>,
        plan: &Plan,
        limit: u32,
        options: &CompileOptions,
    ) -> Result<Choice, CompileError> {
        // As much more may be alive as the arena may grow; less if what is alive does not fit there then.
        let mut room = limit.saturating_sub(self.bytes());
        for _ in 0..WIDENINGS {
            let wide = widened(model, plan, plan.bytes() + u64::from(room));
            if wide == *plan {
                break;
            }
            let wide = Choice::new(options.shared(&apply(model, &wide)), wide.cost(), options)?;
            if wide.bytes() <= limit {
                return Ok(wide);
            }
            if room == 0 {
                break;
            }
            room = room.saturating_sub(wide.bytes() - limit);
        }
        Ok(self)
    }

    /// Multiply-accumulates that it has more than the program without stripes.
    pub(crate) fn again(&self, program: &Program) -> u64 {
        self.program.macs().saturating_sub(program.macs())
    }

    /// Bytes of the arena.
    pub(crate) fn bytes(&self) -> u32 {
        self.emitted.layout.plan.arena_bytes
    }

    /// The choice itself, if it fits.
    fn within(self, limit: Option<u32>) -> Result<Choice, CompileError> {
        match limit {
            Some(limit) if self.bytes() > limit => Err(error(format!(
                "no program fits an arena of {limit} bytes: the smallest needs {} bytes{}",
                self.bytes(),
                self.peak()
            ))),
            _ => Ok(self),
        }
    }

    /// Where most memory is alive, and what.
    fn peak(&self) -> String {
        let (problem, groups) = memory_problem(&self.program);
        let peak = problem.lower_bound();
        let step = self.program.moments().partition_point(|&moment| moment < peak.step);
        let mut chains = self.program.chains();
        let place = match chains.find(|chain| chain.contains(&step)) {
            Some(chain) => format!("steps {} to {}, row by row", chain.start, chain.end - 1),
            None => {
                let name = self.program.steps.get(step).map_or("end", |step| step.name.as_str());
                format!("step {step} ({name})")
            }
        };
        let mut alive: Vec<(u32, &str)> = Vec::new();
        let mut seen = Vec::new();
        for (id, buffer) in self.program.buffers.iter() {
            let Some(&group) = groups.get(&id) else { continue };
            let planned = problem.buffers[group];
            let lives = planned.lower <= peak.step && peak.step < planned.upper;
            if lives && !seen.contains(&group) {
                seen.push(group);
                alive.push((planned.size, &buffer.name));
            }
        }
        alive.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let mut text = format!("; {} bytes are alive at {place}:", peak.bytes);
        for (bytes, name) in alive.iter().take(LISTED) {
            let _ = write!(text, " {name} {bytes},");
        }
        text.pop();
        if alive.len() > LISTED {
            let _ = write!(text, " and {} more", alive.len() - LISTED);
        }
        text
    }
}

/// Buffers that are listed.
const LISTED: usize = 6;

fn error(message: impl Into<String>) -> CompileError {
    CompileError::at(Span::default(), message)
}
