//! The pipeline: from a parsed module to an artifact.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use microhlo_format::{DType, KernelId, Micro, MicroId};
use serde::Serialize;

use crate::chains::{self, Choice, Costs};
use crate::diag::Span;
use crate::emit::{Emitted, live_bytes, memory_problem};
use crate::ir::{Func, Module};
use crate::lower::order::ScheduleReport;
use crate::lower::program::{Io, Program};
use crate::lower::reason::reason;
use crate::lower::state::Kept;
use crate::lower::{lower, order, share, state};
use crate::memory_map::MemoryMap;
use crate::passes;
use crate::passes::bind_shapes::{Size, bind_shapes};
use crate::passes::refine_shapes::{is_dynamic, refine_shapes};
use crate::plan::{self, Problem};
use crate::regions::{Memories, Others, RegionReport};
use crate::schedule;
use crate::stored::{Signature, Stored};
use crate::taps::Taps;
use crate::verify::{Verified, verify};

/// Why a program cannot be compiled.
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
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        CompileError { span, message: message.into(), unsupported: false }
    }

    /// A valid program that this version does not support.
    pub fn unsupported(span: Span, message: impl Into<String>) -> Self {
        CompileError { span, message: message.into(), unsupported: true }
    }
}

/// The processor that kernels are chosen and constants are laid out for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// This computer.
    #[default]
    Host,
    /// Arm Cortex-M0: no unaligned access, no division, no FPU.
    CortexM0,
    /// Arm Cortex-M3, no FPU.
    CortexM3,
    /// Arm Cortex-M4 with single-precision FPU.
    CortexM4f,
    /// Arm Cortex-M7 with FPU; kernels use its single precision.
    CortexM7,
    /// Arm Cortex-M33 with DSP extension and single-precision FPU.
    CortexM33,
    /// Arm Cortex-M55 with MVE and FPU.
    CortexM55,
    /// RISC-V RV32IMAC, no FPU.
    Rv32imac,
}

impl Target {
    /// All targets.
    pub const ALL: [Target; 8] = [
        Target::Host,
        Target::CortexM0,
        Target::CortexM3,
        Target::CortexM4f,
        Target::CortexM7,
        Target::CortexM33,
        Target::CortexM55,
        Target::Rv32imac,
    ];

    /// The name on the command line and in board files.
    pub const fn name(self) -> &'static str {
        match self {
            Target::Host => "host",
            Target::CortexM0 => "cortex-m0",
            Target::CortexM3 => "cortex-m3",
            Target::CortexM4f => "cortex-m4f",
            Target::CortexM7 => "cortex-m7",
            Target::CortexM33 => "cortex-m33",
            Target::CortexM55 => "cortex-m55",
            Target::Rv32imac => "rv32imac",
        }
    }

    /// Whether the runtime has kernels in assembly with the DSP extension.
    pub(crate) const fn has_dsp(self) -> bool {
        matches!(self, Target::CortexM4f | Target::CortexM7 | Target::CortexM33)
    }
}

impl Target {
    /// Whether the processor computes with `f32`, rather than routines.
    pub(crate) const fn has_f32(self) -> bool {
        !matches!(self, Target::CortexM0 | Target::CortexM3 | Target::Rv32imac)
    }

    /// Whether the processor has M-profile Vector Extension (Helium), and the runtime its kernels.
    pub(crate) const fn has_mve(self) -> bool {
        matches!(self, Target::CortexM55)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(s: &str) -> Result<Target, String> {
        Target::ALL.into_iter().find(|t| t.name() == s).ok_or_else(|| {
            let known = Target::ALL.map(Target::name).join(", ");
            format!("unknown target `{s}`; known are {known}")
        })
    }
}

/// A way to need less memory, which can be left out to see what it saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Technique {
    /// Results that lie on operands, and copies that then have nothing to do.
    Sharing,
    /// Steps in the order that needs the least memory.
    Scheduling,
    /// Results that lie partly over operands that die.
    Overlap,
}

impl Technique {
    /// All techniques.
    pub const ALL: [Technique; 3] = [Technique::Sharing, Technique::Scheduling, Technique::Overlap];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Technique::Sharing => "sharing",
            Technique::Scheduling => "scheduling",
            Technique::Overlap => "overlap",
        }
    }
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Technique {
    type Err = String;

    fn from_str(s: &str) -> Result<Technique, String> {
        Technique::ALL.into_iter().find(|t| t.name() == s).ok_or_else(|| {
            let known = Technique::ALL.map(Technique::name).join(", ");
            format!("unknown technique `{s}`; known are {known}")
        })
    }
}

/// What to compile and how.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// Name of the model, stored in the artifact.
    pub name: String,
    /// Processor, for which 8-bit kernels and the layout of their weights are chosen.
    pub target: Target,
    /// Entry function; by default `main` or the only public one.
    pub entry: Option<String>,
    /// Sizes of symbolic dimensions, or shapes of arguments.
    pub sizes: Vec<Size>,
    /// Names of custom calls and composites that are left to the firmware.
    pub externs: Vec<String>,
    /// Passes after which the program is printed to [`Compiled::dumps`]; `lower` prints kernels.
    pub dump_after: Vec<String>,
    /// Inputs that are outputs of the run before, and keep them in the arena.
    pub states: Vec<Kept>,
    /// Where in the arena they lie, if other models use it too.
    pub room: plan::Room,
    /// Limits of the memory planner.
    pub plan: plan::Options,
    /// Limits of the scheduler.
    pub schedule: schedule::Options,
    /// Ways to save memory that are not taken.
    pub without: Vec<Technique>,
    /// How much memory the program may use, and when it runs row by row.
    pub memory: chains::Options,
    /// The memories that it may use.
    pub memories: Memories,
    /// What other models have in each of these memories, if they use them too.
    pub others: Vec<Others>,
}

/// A compiled model.
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

/// What a model needs, known before flashing.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the model.
    pub name: String,
    /// Working memory in bytes; of all memories together, with the constants that are copied there.
    pub arena_bytes: u32,
    /// What lies in which memory; empty for a model with one arena and nothing else.
    pub regions: Vec<RegionReport>,
    /// Of several memories that were given, the only one that anything lies in, if that has no constants.
    pub memory: Option<RegionReport>,
    /// Largest live set of inputs, outputs and values between kernels, in bytes.
    pub activation_bytes: u64,
    /// Largest working memory that kernels use at once, in bytes; it is in the arena.
    pub scratch_bytes: u64,
    /// Largest live set of the schedule in bytes.
    pub arena_lower_bound_bytes: u32,
    /// Whether no smaller arena exists for the schedule.
    pub arena_proven_optimal: bool,
    /// What the order of the steps is worth.
    pub schedule: ScheduleReport,
    /// Weights and tables in flash, in bytes.
    pub const_bytes: u32,
    /// The whole artifact in flash, in bytes.
    pub artifact_bytes: u32,
    /// Multiply-accumulates of one inference.
    pub macs: u64,
    /// Those of them that compute again what is computed elsewhere, so that less memory is needed.
    pub recomputed_macs: u64,
    /// Bytes of the arena, from its start, that states of this model, and of others that share it, take.
    pub state_bytes: u32,
    /// Kernels in execution order.
    pub kernels: Vec<KernelReport>,
    /// Micro-operations that the kernels call.
    pub micro_ops: Vec<String>,
    /// Inputs in order.
    pub inputs: Vec<TensorReport>,
    /// Outputs in order.
    pub outputs: Vec<TensorReport>,
}

impl Report {
    /// Bytes of the arena, or of the first memory of several.
    pub fn first_arena_bytes(&self) -> u32 {
        self.regions.first().map_or(self.arena_bytes, |region| region.bytes)
    }

    /// The memories that something lies in, if memories were given.
    pub fn memories(&self) -> &[RegionReport] {
        match &self.memory {
            Some(memory) => std::slice::from_ref(memory),
            None => &self.regions,
        }
    }
}

/// One kernel execution.
#[derive(Clone, Debug, Serialize)]
pub struct KernelReport {
    /// Position and origin, for example `0:convolution+bias+max`.
    pub name: String,
    /// The kernel.
    pub op: String,
    /// Its multiply-accumulates.
    pub macs: u64,
    /// Bits of the parts of the kernel that it needs.
    pub parts: u32,
    /// About how many instructions it takes, if that is known.
    pub estimated_instructions: Option<u64>,
    /// Why it is this kernel.
    pub reason: String,
}

/// An input or output.
#[derive(Clone, Debug, Serialize)]
pub struct TensorReport {
    /// Its name.
    pub name: String,
    /// Element type, as StableHLO spells it.
    pub dtype: String,
    /// Shape.
    pub dims: Vec<u32>,
    /// What its integers stand for, if it is quantised.
    #[serde(rename = "quantization", skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

impl TensorReport {
    /// Its element type; `None` if it is not one of the artifact format.
    pub fn element(&self) -> Option<DType> {
        DType::ALL.iter().copied().find(|dtype| dtype.name() == self.dtype)
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        let elements: usize = self.dims.iter().map(|&dim| dim as usize).product();
        elements * self.element().map_or(0, DType::size)
    }

    /// Shape and element type as in StableHLO's tensor types, for example `1x8x8x1xf32`.
    pub fn ty(&self) -> String {
        let dims: String = self.dims.iter().map(|dim| format!("{dim}x")).collect();
        dims + &self.dtype
    }
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

/// A program of which no other is both smaller and faster.
#[derive(Clone, Debug, Serialize)]
pub struct ParetoPoint {
    /// Working memory in bytes.
    pub arena_bytes: u32,
    /// See [`Report::activation_bytes`].
    pub activation_bytes: u64,
    /// See [`Report::scratch_bytes`].
    pub scratch_bytes: u64,
    /// What lies in which memory, if memories were given. Constants stay where the artifact lies.
    pub regions: Vec<RegionReport>,
    /// Instructions of an inference, about; good for comparisons alone.
    pub cost: f64,
    /// Multiply-accumulates of an inference.
    pub macs: u64,
    /// Those of them that compute again what is computed elsewhere.
    pub recomputed_macs: u64,
    /// The steps that run row by row, as ranges.
    pub chains: Vec<String>,
}

/// Verifies a module and finds all programs for its entry function of which no other is both smaller and
/// faster, the fastest first.
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

/// Compiles the entry function of a module that was verified.
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

/// The entry function alone: calls inlined, and every shape static.
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
    /// and signature as constants, for firmware to include.
    pub fn rust_source(&self) -> String {
        crate::firmware::rust_module(&self.report)
    }

    /// Names of the kernels used, in id order.
    pub fn kernel_names(&self) -> Vec<&'static str> {
        let used = |id: &&KernelId| self.report.kernels.iter().any(|k| k.op == id.name());
        KernelId::ALL.iter().filter(used).map(|id| id.name()).collect()
    }
}
