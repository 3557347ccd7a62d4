//! Where everything lies in the arena, step by step, for people to look at.

use std::collections::HashMap;

use microhlo_format::AccessKind;
use serde::Serialize;

use crate::lower::program::{BufferId, Program, Storage};
use crate::plan::Problem;
use crate::regions::{Layout, RegionReport};

/// The arena over the steps of a program.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
/// use microhlo_compiler::memory_map::Role;
///
/// let text = "func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
///   %0 = stablehlo.add %x, %y : tensor<4xf32>
///   return %0 : tensor<4xf32>
/// }";
/// let (_, module) = front::parse("sum.mlir", text)?;
/// let map = compile(&module, &CompileOptions::default())?.memory;
/// // One step, with the two inputs; the output lies on one of them.
/// assert_eq!((map.reserved.as_slice(), map.peak()), (&[32][..], Some(0)));
/// let blocks = map.during(0);
/// assert_eq!((blocks.len(), blocks[0].offset, blocks[0].bytes), (2, 0, 16));
/// let output = blocks.iter().find(|block| block.role == Role::Output).expect("an output");
/// assert_eq!((output.role.name(), output.tensors.len()), ("output", 2));
/// assert_eq!(map.unplanned(), 48);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryMap {
    /// Pieces of memory, each reserved for one or several tensors.
    pub blocks: Vec<Block>,
    /// Bytes of the arena that are reserved during each step.
    pub reserved: Vec<u32>,
    /// The memories, one behind the other, if there are several.
    pub regions: Vec<RegionReport>,
}

/// A reserved piece of memory. See the example of [`MemoryMap`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// What it holds, in order of appearance.
    pub tensors: Vec<Held>,
    /// Where it starts in the arena.
    pub offset: u32,
    /// Its size in bytes.
    pub bytes: u32,
    /// The first step during which it is reserved.
    pub first: u32,
    /// The last step during which it is reserved.
    pub last: u32,
    /// What it is for.
    pub role: Role,
}

/// A tensor in a block. See the example of [`MemoryMap`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// The first step that writes it; inputs are there before.
    pub written_by: Option<u32>,
}

/// What a block is for. See the example of [`MemoryMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Working memory of one step.
    Scratch,
    /// Results of steps for others.
    Value,
    /// An input, and what lies on it later.
    Input,
    /// An output, and what lies there before.
    Output,
}

impl Role {
    /// The name of the role. See the example of [`MemoryMap`].
    pub const fn name(self) -> &'static str {
        match self {
            Role::Scratch => "scratch",
            Role::Value => "value",
            Role::Input => "input",
            Role::Output => "output",
        }
    }
}

impl MemoryMap {
    /// The map of a planned program. `groups` has the position in the problem of every buffer.
    pub(crate) fn new(
        program: &Program,
        problem: &Problem,
        groups: &HashMap<BufferId, usize>,
        layout: &Layout,
    ) -> MemoryMap {
        let positions = positions(program);
        let steps = *positions.last().unwrap_or(&0);
        let roles = Roles::new(program, &positions);
        let spans = spans(program, &positions);
        let mut blocks: Vec<Block> = Vec::new();
        for (group, (buffer, &offset)) in
            problem.buffers.iter().zip(&layout.plan.offsets).enumerate()
        {
            // In a program without steps, inputs and outputs are alive at a moment that has none.
            let span = |moment: u32| spans.get(moment as usize).copied().unwrap_or((steps, steps));
            let (first, end) = (span(buffer.lower).0, span(buffer.upper - 1).1);
            if buffer.size == 0 || first >= end {
                continue;
            }
            let mut members: Vec<BufferId> =
                groups.iter().filter(|(_, at)| **at == group).map(|(&id, _)| id).collect();
            members.sort_unstable_by_key(|id| (roles.written.get(id).copied(), *id));
            let role = members.iter().map(|&id| roles.role(program, id)).max();
            let held = |&id: &BufferId| Held {
                name: program.buffers[id].name.clone(),
                written_by: roles.written.get(&id).copied(),
            };
            blocks.push(Block {
                tensors: members.iter().map(held).collect(),
                offset,
                bytes: buffer.size,
                first,
                last: end - 1,
                role: role.unwrap_or(Role::Value),
            });
        }
        blocks.sort_by_key(|block| (block.first, block.offset));
        let reserved = (0..steps).map(|step| reserved(&blocks, step)).collect();
        MemoryMap { blocks, reserved, regions: layout.regions.clone() }
    }

    /// The blocks that are reserved during a step, lowest first. See the example of [`MemoryMap`].
    pub fn during(&self, step: u32) -> Vec<&Block> {
        let mut blocks: Vec<&Block> =
            self.blocks.iter().filter(|b| (b.first..=b.last).contains(&step)).collect();
        blocks.sort_by_key(|block| block.offset);
        blocks
    }

    /// The first step during which most is reserved. See the example of [`MemoryMap`].
    pub fn peak(&self) -> Option<u32> {
        let most = self.reserved.iter().max()?;
        self.reserved.iter().position(|bytes| bytes == most).map(|step| step as u32)
    }

    /// Bytes that all blocks would take one beside the other, each tensor in memory of its own.
    /// See the example of [`MemoryMap`].
    pub fn unplanned(&self) -> u64 {
        let tensors = |block: &Block| block.tensors.len().max(1) as u64;
        self.blocks.iter().map(|block| u64::from(block.bytes) * tensors(block)).sum()
    }
}

/// Number of executed steps before each step, and before the end.
fn positions(program: &Program) -> Vec<u32> {
    let mut positions = Vec::with_capacity(program.steps.len() + 1);
    let mut next = 0;
    for step in &program.steps {
        positions.push(next);
        next += u32::from(!step.elided);
    }
    positions.push(next);
    positions
}

/// The executed steps of every moment of the plan: one, or those of a chain.
fn spans(program: &Program, positions: &[u32]) -> Vec<(u32, u32)> {
    let moments = program.moments();
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for (step, &moment) in moments.iter().enumerate().take(program.steps.len()) {
        let (start, end) = (positions[step], positions[step + 1]);
        match spans.get_mut(moment as usize) {
            Some(span) => span.1 = end,
            None => spans.push((start, end)),
        }
    }
    spans
}

/// How buffers are used.
struct Roles {
    /// The first executed step that writes each buffer.
    written: HashMap<BufferId, u32>,
    /// Buffers that are only scratch.
    scratch: HashMap<BufferId, bool>,
}

impl Roles {
    fn new(program: &Program, positions: &[u32]) -> Roles {
        let mut roles = Roles { written: HashMap::new(), scratch: HashMap::new() };
        for (step, &at) in program.steps.iter().zip(positions) {
            for (kind, buffer) in Program::touched(step) {
                let scratch = kind == AccessKind::Scratch;
                *roles.scratch.entry(buffer).or_insert(true) &= scratch;
                if kind == AccessKind::Write {
                    roles.written.entry(buffer).or_insert(at);
                }
            }
        }
        roles
    }

    fn role(&self, program: &Program, id: BufferId) -> Role {
        if program.outputs.iter().any(|io| io.place.buffer == id) {
            Role::Output
        } else if program.buffers[id].storage == Storage::Input {
            Role::Input
        } else if self.scratch.get(&id) == Some(&true) {
            Role::Scratch
        } else {
            Role::Value
        }
    }
}

/// Bytes in at least one block during a step.
fn reserved(blocks: &[Block], step: u32) -> u32 {
    let alive = blocks.iter().filter(|b| (b.first..=b.last).contains(&step));
    let mut ranges: Vec<(u32, u32)> = alive.map(|b| (b.offset, b.offset + b.bytes)).collect();
    ranges.sort_unstable();
    let (mut end, mut bytes) = (0, 0);
    for (from, to) in ranges {
        bytes += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    bytes
}
