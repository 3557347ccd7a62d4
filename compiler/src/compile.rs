//! The pipeline: from a parsed module to an artifact.
//!
//! [`compile()`] is all of it for a module in plain types; [`pareto`] lists what else there is to choose from.

mod options;
mod report;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use microhlo_format::{DType, KernelId, Micro, MicroId};

use crate::chains::{self, Choice, Costs};
use crate::diag::Span;
use crate::emit::{Emitted, live_bytes, memory_problem};
use crate::ir::{Func, Module};
use crate::lower::program::{Io, Program};
use crate::lower::reason::reason;
use crate::lower::{lower, order, share, state};
use crate::memory_map::MemoryMap;
use crate::passes;
use crate::passes::bind_shapes::bind_shapes;
use crate::passes::refine_shapes::{is_dynamic, refine_shapes};
use crate::plan::{self, Problem};
use crate::schedule;
use crate::stored::Signature;
use crate::taps::Taps;
use crate::verify::{Verified, verify};

pub use options::{CompileOptions, Kept, Size, Target, Technique};
pub use report::{KernelReport, ParetoPoint, Report, ScheduleReport, TensorReport};

/// Why a program cannot be compiled.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::diag::Diagnostic;
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.custom_call @board.median(%x) : (tensor<4xf32>) -> tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (source, module) = front::parse("median.mlir", text)?;
/// let error = compile(&module, &CompileOptions::default()).unwrap_err();
/// assert!(error.unsupported && error.message.contains("board.median"));
/// // With its place in the source, as the command shows it.
/// assert!(Diagnostic::from(&error).render(&source).contains("--> median.mlir:2:8"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// Where in the source.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// Whether the program is valid and only beyond what this version supports.
    pub unsupported: bool,
}

impl CompileError {
    /// An error in the program.
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        CompileError { span, message: message.into(), unsupported: false }
    }

    /// A valid program that this version does not support.
    pub(crate) fn unsupported(span: Span, message: impl Into<String>) -> Self {
        CompileError { span, message: message.into(), unsupported: true }
    }
}

/// A compiled model.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.add %x, %x : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (source, module) = front::parse("twice.mlir", text)?;
/// let options = CompileOptions {
///     name: "twice".to_owned(),
///     dump_after: vec!["lower".to_owned()],
///     ..CompileOptions::default()
/// };
/// let compiled = compile(&module, &options)?;
/// // What is written to flash, and what firmware in Rust includes beside it.
/// assert!(compiled.artifact.starts_with(&microhlo_format::MAGIC));
/// assert!(compiled.rust_source().contains("pub const ARENA_BYTES: usize = 16;"));
/// assert_eq!(compiled.kernel_names(), ["map"]);
/// assert_eq!(compiled.dumps[0].0, "lower");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The artifact.
    pub artifact: Vec<u8>,
    /// What it costs.
    pub report: Report,
    /// Where everything lies in the arena.
    pub memory: MemoryMap,
    /// Requested dumps: pass name and text.
    pub dumps: Vec<(String, String)>,
    /// Time spent per pass, in order of first execution.
    pub timings: Vec<(&'static str, Duration)>,
    /// The values that lie whole in memory at some time, and when.
    pub taps: Taps,
    /// The function after all passes, which the evaluator runs to the same bits as the kernels.
    pub optimized: Func,
}

/// Accumulated time per pass.
#[derive(Default)]
struct Clock {
    timings: Vec<(&'static str, Duration)>,
    last: Option<Instant>,
}

impl Clock {
    fn start() -> Clock {
        Clock { timings: Vec::new(), last: Some(Instant::now()) }
    }

    fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        let spent = self.last.map_or(Duration::ZERO, |last| now - last);
        self.last = Some(now);
        self.add(name, spent);
    }

    /// Ends a lap of which a part goes by a name of its own.
    fn lap_with(&mut self, name: &'static str, part: (&'static str, Duration)) {
        self.add(part.0, part.1);
        self.last = self.last.map(|last| last + part.1);
        self.lap(name);
    }

    fn add(&mut self, name: &'static str, spent: Duration) {
        match self.timings.iter_mut().find(|(n, _)| *n == name) {
            Some((_, total)) => *total += spent,
            None => self.timings.push((name, spent)),
        }
    }
}

/// Verifies a module and compiles its entry function.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, Target, compile};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.add %x, %x : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (_, module) = front::parse("twice.mlir", text)?;
/// let options = CompileOptions {
///     name: "twice".to_owned(),
///     target: Target::CortexM4f,
///     ..CompileOptions::default()
/// };
/// let compiled = compile(&module, &options)?;
/// assert_eq!(compiled.report.arena_bytes, 16);
/// assert_eq!(compiled.report.artifact_bytes as usize, compiled.artifact.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The first problem found, with its place in the source; [`verify`] lists all violations.
pub fn compile(module: &Module, options: &CompileOptions) -> Result<Compiled, CompileError> {
    compile_verified(verified(module)?, options)
}

fn verified(module: &Module) -> Result<Verified<'_>, CompileError> {
    verify(module).map_err(|errors| {
        errors.first().map_or_else(
            || CompileError::at(Span::default(), "the module is not valid"),
            |e| CompileError::at(e.span, e.to_string()),
        )
    })
}

/// Verifies a module and finds all programs for its entry function of which no other is both smaller and
/// faster, the fastest first.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile, pareto};
/// use microhlo_compiler::front;
///
/// let text = "func.func @main(%x: tensor<32x32xf32>) -> tensor<32xf32> {
///   %zero = stablehlo.constant dense<0.0> : tensor<f32>
///   %0 = stablehlo.exponential %x : tensor<32x32xf32>
///   %1 = stablehlo.tanh %0 : tensor<32x32xf32>
///   %2 = stablehlo.reduce(%1 init: %zero) applies stablehlo.add across dimensions = [1]
///     : (tensor<32x32xf32>, tensor<f32>) -> tensor<32xf32>
///   return %2 : tensor<32xf32>
/// }";
/// let (_, module) = front::parse("rows.mlir", text)?;
/// let points = pareto(&module, &CompileOptions::default())?;
/// let (fastest, smallest) = (&points[0], &points[points.len() - 1]);
/// assert!(fastest.cost <= smallest.cost && fastest.arena_bytes >= smallest.arena_bytes);
/// // The one that fits a limit is compiled with that limit.
/// let mut options = CompileOptions::default();
/// options.memory.arena_limit = Some(smallest.arena_bytes);
/// assert_eq!(compile(&module, &options)?.report.arena_bytes, smallest.arena_bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The first problem found, with its place in the source.
pub fn pareto(module: &Module, options: &CompileOptions) -> Result<Vec<ParetoPoint>, CompileError> {
    let mut func = specialised(verified(module)?, options)?;
    let program = lowered(&mut func, options, &mut |_, _| ())?;
    let arranged = arranged(program, options);
    let point = |choice: Choice| {
        let [activation_bytes, scratch_bytes] =
            live_bytes(&choice.program, &choice.emitted.layout.plan);
        let chains = choice.program.chains();
        let chains = chains.map(|chain| format!("{}-{}", chain.start, chain.end - 1)).collect();
        let (arena_bytes, cost) = (choice.bytes(), choice.cost);
        let (macs, recomputed_macs) = (choice.program.macs(), choice.again(&arranged.ordered));
        let layout = choice.emitted.layout;
        let regions = layout.regions.into_iter().chain(layout.only).collect();
        ParetoPoint {
            arena_bytes,
            activation_bytes,
            scratch_bytes,
            regions,
            cost,
            macs,
            recomputed_macs,
            chains,
        }
    };
    Ok(chains::pareto(&arranged, options)?.into_iter().map(point).collect())
}

/// Runs the passes on a function, and lowers it.
fn lowered(
    func: &mut Func,
    options: &CompileOptions,
    observe: &mut dyn FnMut(&'static str, &Func),
) -> Result<Program, CompileError> {
    passes::run(func, observe);
    if let Some((span, why)) = passes::single_device::refusal(&func.body) {
        return Err(CompileError::unsupported(span, why));
    }
    let mut program = lower(func, options.target, &options.externs)?;
    program.apart = options.without.contains(&Technique::Overlap);
    program.keeps_taps = options.target == Target::Rv32imac && !options.memory.saves();
    state::keep(&mut program, &options.states)?;
    Ok(program)
}

/// Compiles the entry function of a module that was verified. See the example of [`verify`].
///
/// # Errors
/// The first problem found, with its place in the source.
pub fn compile_verified(
    module: Verified<'_>,
    options: &CompileOptions,
) -> Result<Compiled, CompileError> {
    let mut clock = Clock::start();
    let mut dumps = Vec::new();
    let mut func = specialised(module, options)?;
    let stored = Signature::of(&func);
    let wants = |name: &str| options.dump_after.iter().any(|d| d == name);
    let mut observe = |name: &'static str, func: &Func| {
        clock.lap(name);
        if wants(name) {
            let mut module = Module::default();
            module.funcs.push(func.clone());
            dumps.push((name.to_string(), module.to_string()));
            clock.last = Some(Instant::now());
        }
    };
    observe("inline", &func);
    let lowered = lowered(&mut func, options, &mut observe)?;
    clock.lap("lower");
    let arranged = arranged(lowered, options);
    clock.lap("schedule and share");
    let Choice { program, emitted, .. } = chains::choose(&arranged, options)?;
    clock.lap_with("choose and emit", ("plan", emitted.planning));
    if wants("lower") {
        dumps.push(("lower".to_string(), program.to_string()));
    }
    let mut report = report(&program, &emitted, &arranged, options);
    stored.note(&mut report);
    let timings = clock.timings;
    let taps = Taps::new(&func, &program, &emitted.places);
    let Emitted { artifact, memory, .. } = emitted;
    Ok(Compiled { artifact, report, memory, dumps, timings, taps, optimized: func })
}

/// The entry function alone: calls inlined, and every shape static. See the example of
/// [`quantize`](crate::quantize::quantize()).
///
/// # Errors
/// The entry is not found, or a shape stays unknown.
pub fn specialised(module: Verified<'_>, options: &CompileOptions) -> Result<Func, CompileError> {
    let entry = entry_name(&module, options)?;
    let mut func = passes::inline::inline_leaving(module, &entry, &options.externs)?;
    passes::externs::check_calls(&module, &func, &options.externs)?;
    if !options.sizes.is_empty() || is_dynamic(&func) {
        let arguments = bind_shapes(&module, &entry, &options.sizes)?;
        refine_shapes(module, &mut func, &arguments)?;
        // New shapes meet constraints that dynamic ones could not be tested against.
        let mut refined = Module::default();
        let id = refined.funcs.push(func);
        if let Err(errors) = verify(&refined) {
            let first = errors.first().map(|e| CompileError::at(e.span, e.to_string()));
            return Err(first.unwrap_or_else(|| CompileError::at(Span::default(), "is not valid")));
        }
        func = refined.funcs[id].clone();
    }
    Ok(func)
}

fn entry_name(module: &Module, options: &CompileOptions) -> Result<String, CompileError> {
    if let Some(name) = &options.entry {
        return Ok(name.clone());
    }
    let entry = module.entry().ok_or_else(|| {
        let names: Vec<String> = module.funcs.values().map(|f| format!("@{}", f.name)).collect();
        let message = format!(
            "the module has neither a function @main nor exactly one public function; name the \
             entry with --function (functions: {})",
            names.join(", ")
        );
        CompileError::at(Span::default(), message)
    })?;
    Ok(module.funcs[entry].name.to_string())
}

/// A program with its steps in the order that needs the least memory.
pub(crate) struct Arranged {
    /// The program with buffers of their own.
    pub ordered: Program,
    /// The program with buffers that share memory.
    pub shared: Program,
    schedule: ScheduleReport,
}

impl CompileOptions {
    /// The program with buffers that share memory.
    pub(crate) fn shared(&self, program: &Program) -> Program {
        let mut program = program.clone();
        if !self.without.contains(&Technique::Sharing) {
            share::share_buffers(&mut program);
        }
        program
    }
}

fn arranged(given: Program, options: &CompileOptions) -> Arranged {
    let limits = match options.without.contains(&Technique::Scheduling) {
        true => schedule::Options { tries: 0, tasks: 0 },
        false => options.schedule,
    };
    let order::Ordered { program, report: mut schedule } = order::reorder(&given, &limits);
    let shared = options.shared(&given);
    let Some(ordered) = program else { return Arranged { ordered: given, shared, schedule } };
    let other = options.shared(&ordered);
    // What counts is the arena, and that no copy is made that sharing had made unnecessary.
    let steps = |program: &Program| program.executed().count();
    if steps(&other) <= steps(&shared) + schedule.repeated && needs_less(&other, &shared, options) {
        return Arranged { ordered, shared: other, schedule };
    }
    schedule.keep_given();
    Arranged { ordered: given, shared, schedule }
}

/// Whether a program has a smaller arena than another one.
fn needs_less(program: &Program, other: &Program, options: &CompileOptions) -> bool {
    let (problem, other) = (memory_problem(program).0, memory_problem(other).0);
    let arena = |problem: &Problem, options: &plan::Options| {
        plan::plan_with(problem, options).map_or(u64::MAX, |plan| plan.arena_bytes.into())
    };
    // Often a plan that is made at once lies below any plan of the other.
    let fast = plan::Options { search_steps: 0, ..options.plan };
    arena(&problem, &fast) < other.lower_bound().bytes
        || arena(&problem, &options.plan) < arena(&other, &options.plan)
}

fn report(
    program: &Program,
    emitted: &Emitted,
    arranged: &Arranged,
    options: &CompileOptions,
) -> Report {
    let costs = Costs::new(options.target);
    let tensor = |io: &Io| TensorReport {
        name: io.name.clone(),
        dtype: io.dtype.to_string(),
        dims: io.dims.clone(),
        stored: None,
    };
    let kernel = |(i, step): (usize, &crate::lower::program::Step)| KernelReport {
        name: format!("{i}:{}", step.name),
        op: step.kernel.id().name().to_string(),
        macs: step.kernel.macs(),
        parts: step.kernel.parts().0,
        estimated_instructions: costs.modelled(&step.kernel),
        reason: reason(&step.kernel),
    };
    let [activation_bytes, scratch_bytes] = live_bytes(program, &emitted.layout.plan);
    Report {
        name: options.name.clone(),
        arena_bytes: emitted.layout.plan.arena_bytes,
        regions: emitted.layout.regions.clone(),
        memory: emitted.layout.only.clone(),
        activation_bytes,
        scratch_bytes,
        arena_lower_bound_bytes: emitted.layout.plan.lower_bound,
        arena_proven_optimal: emitted.layout.plan.proven_optimal,
        schedule: arranged.schedule.clone(),
        const_bytes: emitted.const_bytes,
        artifact_bytes: emitted.artifact.len() as u32,
        macs: program.macs(),
        recomputed_macs: program.macs().saturating_sub(arranged.ordered.macs()),
        state_bytes: emitted.state_bytes,
        kernels: program.executed().enumerate().map(kernel).collect(),
        micro_ops: micro_ids(program).into_iter().map(micro_name).collect(),
        inputs: program.inputs.iter().map(tensor).collect(),
        outputs: program.outputs.iter().map(tensor).collect(),
    }
}

/// Micro-operations that a program's kernels call, in id order.
fn micro_ids(program: &Program) -> BTreeSet<MicroId> {
    let mut ids = BTreeSet::new();
    for step in program.executed() {
        step.kernel.micro_ops(&mut |id| {
            ids.insert(id);
        });
    }
    ids
}

/// The path of a micro-operation's row in the runtime, for example `add::F32`.
fn micro_name(id: MicroId) -> String {
    let rust = |d: DType| format!("{d:?}").to_uppercase();
    match id.decode() {
        Some(Micro::Op(op, dtype)) => format!("{}::{}", op.ident(), rust(dtype)),
        Some(Micro::Convert(from, to)) => format!("convert::{}_{}", rust(from), rust(to)),
        None => format!("unknown::{}", id.0),
    }
}

impl Compiled {
    /// Rust source of a module that names exactly the kernels that the model uses, and its sizes
    /// and signature as constants, for firmware to include. See the example of [`Compiled`].
    pub fn rust_source(&self) -> String {
        crate::firmware::rust_module(&self.report)
    }

    /// Names of the kernels used, in id order. See the example of [`Compiled`].
    pub fn kernel_names(&self) -> Vec<&'static str> {
        let used = |id: &&KernelId| self.report.kernels.iter().any(|k| k.op == id.name());
        KernelId::ALL.iter().filter(used).map(|id| id.name()).collect()
    }
}
