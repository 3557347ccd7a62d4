//! The lowered program: kernels on buffers, before memory planning.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use microhlo_format::{AccessKind, DType, Kernel, Target};

use crate::ir::entity::entity;
use crate::ir::{Arena, EntityId, ValueId};

entity! {
    /// A buffer of a lowered program.
    BufferId "b";
}

/// A position in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ref {
    /// The buffer.
    pub buffer: BufferId,
    /// Byte offset.
    pub offset: u32,
}

/// Where a buffer's contents come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// Constant bytes, kept in flash.
    Const(Arc<[u8]>),
    /// Written by the caller before the first step.
    Input,
    /// Written by steps.
    Temp,
}

/// Name of the buffers in which a chain adds up rows.
pub const SUMS: &str = "sums";

/// A contiguous piece of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// What it holds, for listings.
    pub name: String,
    /// Size in bytes.
    pub bytes: u32,
    /// Alignment in bytes.
    pub align: u32,
    /// Origin of the contents.
    pub storage: Storage,
    /// The step before which a temporary holds nothing: whenever control reaches it, in a loop
    /// again and again, the contents are of no more use.
    pub born: usize,
}

/// One kernel execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The kernel with its operands. Targets of control flow are positions in `Program::steps`.
    pub kernel: Kernel<Ref>,
    /// What it computes, for listings.
    pub name: String,
    /// Whether it has nothing to do, so that the artifact does not have it: it writes nothing, or
    /// copies a buffer to the same memory.
    pub elided: bool,
}

impl Step {
    /// A step that runs.
    pub fn new(kernel: Kernel<Ref>, name: impl Into<String>) -> Step {
        Step { kernel, name: name.into(), elided: false }
    }

    /// Whether the next step can follow.
    pub fn falls_through(&self) -> bool {
        !matches!(&self.kernel, Kernel::branch(branch) if branch.predicate.is_none())
    }

    /// Whether it calls a function of the firmware, which may have effects that the program does not see.
    pub fn calls_firmware(&self) -> bool {
        matches!(self.kernel, Kernel::extern_call(_))
    }

    /// Whether it only says how the program goes on.
    pub fn is_control(&self) -> bool {
        matches!(self.kernel, Kernel::branch(_) | Kernel::switch(_))
    }
}

/// An input or output of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Io {
    /// Its name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Shape.
    pub dims: Vec<u32>,
    /// Where it lies, dense and row-major.
    pub place: Ref,
}

/// A program of kernels.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Memory.
    pub buffers: Arena<BufferId, Buffer>,
    /// Kernels in execution order.
    pub steps: Vec<Step>,
    /// Inputs.
    pub inputs: Vec<Io>,
    /// Outputs.
    pub outputs: Vec<Io>,
    /// Pairs of buffers that share their memory: one, and the one that it lies on, which lies on no
    /// other.
    pub shared: Vec<(BufferId, BufferId)>,
    /// Whether no result of a kernel lies over an operand but where buffers share their memory.
    pub apart: bool,
    /// Whether convolutions stay off their operands, too: their kernels would copy what they read more than
    /// once.
    pub keeps_taps: bool,
    /// Inputs that keep what the last run left in them: in use at all times.
    pub states: Vec<BufferId>,
    /// Values that steps compute, each with a buffer that holds it alone, dense and row-major.
    pub values: Vec<(BufferId, ValueId)>,
}

impl Program {
    /// Buffers that a step touches, with how. Parameters that make no sense touch none; the
    /// encoder's check reports them.
    pub fn touched(step: &Step) -> Vec<(AccessKind, BufferId)> {
        let mut out = Vec::new();
        let _ = step.kernel.accesses(&mut |a| out.push((a.kind, a.place.buffer)));
        out
    }

    /// The moment of each step, and of the end: steps of a chain, which run in turns, have one.
    pub fn moments(&self) -> Vec<u32> {
        let mut moments: Vec<u32> = (0..=self.steps.len() as u32).collect();
        for chain in self.chains() {
            let inside = chain.len() as u32 - 1;
            let start = moments[chain.start];
            moments[chain.clone()].fill(start);
            moments[chain.end..].iter_mut().for_each(|moment| *moment -= inside);
        }
        moments
    }

    /// The working memory of a step.
    pub fn scratch(step: &Step) -> impl Iterator<Item = BufferId> + use<> {
        let scratch = |(kind, buffer)| (kind == AccessKind::Scratch).then_some(buffer);
        Program::touched(step).into_iter().filter_map(scratch)
    }

    /// The chains: each a `rows` step and those that it runs.
    pub fn chains(&self) -> impl Iterator<Item = Range<usize>> {
        self.steps.iter().enumerate().filter_map(|(at, step)| match &step.kernel {
            Kernel::rows(rows) => Some(at..(at + 1 + rows.steps()).min(self.steps.len())),
            _ => None,
        })
    }

    /// Which buffers are working memory of kernels.
    pub fn scratch_buffers(&self) -> Vec<bool> {
        let mut scratch = vec![false; self.buffers.len()];
        for buffer in self.steps.iter().flat_map(Program::scratch) {
            scratch[buffer.index()] = true;
        }
        scratch
    }

    /// Multiply-accumulates of all steps, each counted once.
    pub fn macs(&self) -> u64 {
        self.executed().map(|s| s.kernel.macs()).sum()
    }

    /// The steps that the artifact has.
    pub fn executed(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.elided)
    }

    /// The kernels of the artifact, with targets counted as there.
    pub fn kernels(&self) -> Vec<Kernel<Ref>> {
        let mut positions = Vec::with_capacity(self.steps.len() + 1);
        let mut next = 0;
        for step in &self.steps {
            positions.push(next);
            next += u32::from(!step.elided);
        }
        positions.push(next);
        let renumbered = |step: &Step| {
            let mut kernel = step.kernel.clone();
            for target in kernel.targets_mut() {
                // A target that is not in the table stays wrong, and the encoder says so.
                let position = positions.get(target.step as usize).copied();
                *target = Target::step(position.unwrap_or(u32::MAX));
            }
            kernel
        };
        self.executed().map(renumbered).collect()
    }

    /// Marks steps that write nothing as elided.
    pub fn elide_idle_steps(&mut self) {
        for step in &mut self.steps {
            let buffers = &self.buffers;
            let writes = |(kind, b): (AccessKind, BufferId)| {
                kind == AccessKind::Write && buffers[b].bytes > 0
            };
            let effect = step.is_control() || step.calls_firmware();
            step.elided |= !effect && !Program::touched(step).into_iter().any(writes);
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let io = |list: &[Io]| {
            let one =
                |io: &Io| format!("{} {:?}x{} @{}", io.name, io.dims, io.dtype, io.place.buffer);
            list.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "inputs {}", io(&self.inputs))?;
        writeln!(f, "outputs {}", io(&self.outputs))?;
        for (id, b) in self.buffers.iter() {
            let kind = match b.storage {
                Storage::Const(_) => "const",
                Storage::Input => "input",
                Storage::Temp => "temp",
            };
            writeln!(f, "{id}: {kind} {} bytes align {} ({})", b.bytes, b.align, b.name)?;
        }
        for (i, step) in self.steps.iter().enumerate() {
            let elided = if step.elided { " (elided)" } else { "" };
            writeln!(f, "step {i} {}{elided}: {:?}", step.name, step.kernel)?;
        }
        for (out, input) in &self.shared {
            writeln!(f, "{out} lies on {input}")?;
        }
        Ok(())
    }
}
