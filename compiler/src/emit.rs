//! From a lowered program to an artifact: lifetimes, memory plan, constants, encoding.

use std::collections::HashMap;

use microhlo_format::{ArtifactSpec, Features, Kernel, Place, TensorSpec, encode};

use crate::compile::CompileError;
use crate::diag::Span;
use crate::ir::EntityId;
use crate::lower::flow_check;
use crate::lower::memory::{Planned, plan_memory};
use crate::lower::program::{BufferId, Io, Program, Ref, Storage};
use crate::plan::{self, Plan};

/// An artifact with its memory plan.
pub struct Emitted {
    /// The file.
    pub artifact: Vec<u8>,
    /// The plan of the arena.
    pub plan: Plan,
    /// Size of the constant section in bytes.
    pub const_bytes: u32,
    /// The program as encoded.
    pub steps: Vec<Kernel<Place>>,
}

/// Plans memory and encodes the artifact. With `apart`, no result lies over an operand in part.
pub fn emit(
    program: &Program,
    name: &str,
    limits: &plan::Options,
    apart: bool,
) -> Result<Emitted, CompileError> {
    let fail = |message: String| CompileError::at(Span::default(), message);
    let Planned { plan, groups } = plan_memory(program, limits, apart)?;
    let offset = |buffer| groups.get(&buffer).map(|&group| plan.offsets[group]);
    if let Err(misread) = flow_check::check(program, &offset) {
        return Err(fail(format!("internal error: {misread}")));
    }
    let (constants, const_offsets) = constant_section(program);
    let place = |r: Ref| match groups.get(&r.buffer) {
        Some(&group) => Place::arena(plan.offsets[group] + r.offset),
        None => Place::constant(const_offsets[&r.buffer] + r.offset),
    };
    let steps: Vec<Kernel<Place>> =
        program.kernels().iter().map(|k| k.map_places(&mut |r| place(r))).collect();
    let tensor = |io: &Io| TensorSpec {
        name: io.name.clone(),
        dtype: io.dtype,
        dims: io.dims.clone(),
        place: place(io.place),
    };
    let spec = ArtifactSpec {
        name: name.to_string(),
        compiler: concat!("microhlo ", env!("CARGO_PKG_VERSION")).to_string(),
        inputs: program.inputs.iter().map(tensor).collect(),
        outputs: program.outputs.iter().map(tensor).collect(),
        steps: steps.clone(),
        constants: constants.clone(),
        arena_bytes: plan.arena_bytes,
        arena_lower_bound_bytes: plan.lower_bound,
        features: Features::default(),
    };
    let artifact = encode(&spec).map_err(|e| fail(e.to_string()))?;
    Ok(Emitted { artifact, plan, const_bytes: constants.len() as u32, steps })
}

/// Lays out the constants that steps or outputs read: largest alignment first keeps padding small.
fn constant_section(program: &Program) -> (Vec<u8>, HashMap<BufferId, u32>) {
    let mut used = vec![false; program.buffers.len()];
    for step in program.executed() {
        for (_, buffer) in Program::touched(step) {
            used[buffer.index()] = true;
        }
    }
    for output in &program.outputs {
        used[output.place.buffer.index()] = true;
    }
    let mut order: Vec<_> = program.buffers.iter().filter(|(id, _)| used[id.index()]).collect();
    order.sort_by_key(|(_, b)| std::cmp::Reverse(b.align));
    let mut bytes = Vec::new();
    let mut offsets = HashMap::new();
    for (id, buffer) in order {
        if let Storage::Const(data) = &buffer.storage {
            bytes.resize(bytes.len().next_multiple_of(buffer.align.max(1) as usize), 0);
            offsets.insert(id, bytes.len() as u32);
            bytes.extend_from_slice(data);
        }
    }
    (bytes, offsets)
}
