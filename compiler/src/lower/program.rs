//! The lowered program: kernels on buffers, before memory planning.

use std::fmt;
use std::sync::Arc;

use microhlo_format::{AccessKind, DType, Kernel};

use crate::entity;
use crate::ir::Arena;

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
}

/// One kernel execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The kernel with its operands.
    pub kernel: Kernel<Ref>,
    /// What it computes, for listings.
    pub name: String,
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

/// A straight-line program of kernels.
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
    /// Pairs (output buffer, input buffer) of one step that share their memory.
    pub shared: Vec<(BufferId, BufferId)>,
}

impl Program {
    /// Buffers that a step touches, with how. Parameters that make no sense touch none; the
    /// encoder's check reports them.
    pub fn touched(step: &Step) -> Vec<(AccessKind, BufferId)> {
        let mut out = Vec::new();
        let _ = step.kernel.accesses(&mut |a| out.push((a.kind, a.place.buffer)));
        out
    }

    /// Multiply-accumulates of one run.
    pub fn macs(&self) -> u64 {
        self.steps.iter().map(|s| s.kernel.macs()).sum()
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
            writeln!(f, "step {i} {}: {:?}", step.name, step.kernel)?;
        }
        for (out, input) in &self.shared {
            writeln!(f, "{out} lies on {input}")?;
        }
        Ok(())
    }
}
