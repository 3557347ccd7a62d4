//! Programs in several memories: what lies where, and the plan of each memory.
//!
//! Buffers and constants that are accessed most go to the memory whose accesses cost least, as far as it
//! has room. Each memory is planned on its own by the planner of arenas. Inside the compiler all have one
//! space of offsets, in which every memory begins where the one before ends; `Layout::place` makes places
//! of the artifact of them.

mod assign;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::HashMap;
use std::str::FromStr;

use microhlo_format::{ALIGN, ArenaEntry, MAX_ARENAS, Place, Region};
use serde::Serialize;

use crate::lower::program::{BufferId, Program, Ref};
use crate::plan::Plan;

pub(crate) use assign::lay_out;
pub(crate) use traffic::Traffic;

/// A memory that buffers may lie in. See the example of [`Memories`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Its name: at most eight characters of ASCII.
    pub name: String,
    /// Most bytes of it that a program may use.
    pub bytes: u32,
    /// What an access costs, relative to the other memories.
    pub cost: u32,
}

/// The memories that a program may use.
///
/// ```
/// use microhlo_compiler::compile::{CompileOptions, compile};
/// use microhlo_compiler::front;
/// use microhlo_compiler::regions::{Memories, Memory};
///
/// let text = "func.func @main(%x: tensor<64xf32>) -> tensor<64xf32> {
///   %w = stablehlo.iota dim = 0 : tensor<64xf32>
///   %0 = stablehlo.multiply %x, %w : tensor<64xf32>
///   return %0 : tensor<64xf32>
/// }";
/// let (_, module) = front::parse("weighted.mlir", text)?;
/// let memory = |name: &str, bytes, cost| Memory { name: name.to_owned(), bytes, cost };
/// let arenas = vec![memory("SRAM", 4096, 2), memory("DTCM", 320, 1)];
/// // The artifact lies in slow flash: constants are copied to a memory.
/// let memories = Memories { arenas, artifact_cost: 8 };
/// let report = compile(&module, &CompileOptions { memories, ..CompileOptions::default() })?.report;
/// for region in report.memories() {
///     assert!(region.bytes <= region.limit_bytes && region.cost <= 2);
/// }
/// let constants: u32 = report.memories().iter().map(|region| region.constant_bytes).sum();
/// assert!(constants >= 256);
/// assert_eq!(report.first_arena_bytes(), report.memories()[0].bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memories {
    /// Where buffers may lie; what must lie in the first arena lies in the first of them. With none, there
    /// is one arena of any size.
    pub arenas: Vec<Memory>,
    /// What an access costs where the artifact lies. Constants are copied to memories that cost less.
    pub artifact_cost: u32,
}

impl Default for Memories {
    fn default() -> Self {
        Memories { arenas: Vec::new(), artifact_cost: 1 }
    }
}

/// What other models of a firmware have in a memory that all use: states and values from its start on, and
/// behind those of all models the constants of one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub struct Others {
    /// Bytes from the start that their buffers take, at most.
    pub buffers: u32,
    /// Bytes of the constants of the models before this one.
    pub constants: u32,
}

impl Others {
    /// Where a memory ends in which this model's buffers take `buffers` bytes from the start on and its constants,
    /// behind those of others, a multiple of 16.
    pub(crate) fn end(self, buffers: u64, constants: u64) -> u64 {
        let (buffers, behind) =
            (buffers.max(self.buffers.into()), constants + u64::from(self.constants));
        if behind == 0 { buffers } else { buffers.next_multiple_of(ALIGN as u64) + behind }
    }
}

/// A memory given by hand, `NAME=BYTES` or `NAME=BYTES:COST`.
///
/// ```
/// use microhlo_compiler::regions::{Given, Memories};
///
/// let given: Given = "DTCM=65536:1".parse()?;
/// assert_eq!((given.name.as_str(), given.bytes, given.cost), ("DTCM", 65536, Some(1)));
/// // In place of what a board has, or as the only ones.
/// let memories = Memories::default().with(&[given, "SRAM=4096".parse()?])?;
/// assert_eq!((memories.arenas[1].name.as_str(), memories.arenas[1].cost), ("SRAM", 1));
/// assert!(memories.with(&["FLASH=1".parse()?]).is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Most bytes of it that a program may use.
    pub bytes: u32,
    /// What an access costs, if that is given.
    pub cost: Option<u32>,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Given, String> {
        let usage = || {
            format!(
                "expected NAME=BYTES or NAME=BYTES:COST, such as `DTCM=65536:1`, with a name of 1 to \
                 {NAME_BYTES} letters, digits, `_` or `-`"
            )
        };
        let (name, sizes) = text.split_once('=').ok_or_else(usage)?;
        if !is_name(name) {
            return Err(usage());
        }
        let (bytes, cost) = match sizes.split_once(':') {
            Some((bytes, cost)) => (bytes, Some(cost.parse().map_err(|_| usage())?)),
            None => (sizes, None),
        };
        let bytes = bytes.parse().map_err(|_| usage())?;
        Ok(Given { name: name.to_owned(), bytes, cost })
    }
}

/// Longest name of a memory in the artifact.
const NAME_BYTES: usize = 8;

fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=NAME_BYTES).contains(&name.len()) && name.chars().all(known)
}

impl Memories {
    /// These memories, with what is given by hand in their place: other sizes and costs of those that are
    /// there, or other memories if there are none. See the example of [`Given`].
    ///
    /// # Errors
    /// A name is unknown, given twice or none, or there are too many memories.
    pub fn with(mut self, given: &[Given]) -> Result<Memories, String> {
        let by_hand = self.arenas.is_empty();
        for (i, memory) in given.iter().enumerate() {
            let Given { name, bytes, cost } = memory;
            if given[..i].iter().any(|other| other.name == *name) {
                return Err(format!("--region {name}: it is given twice"));
            }
            let known: Vec<String> = self.arenas.iter().map(|m| m.name.clone()).collect();
            match self.arenas.iter_mut().find(|other| other.name == *name) {
                Some(found) => {
                    found.bytes = found.bytes.min(*bytes);
                    found.cost = cost.unwrap_or(found.cost);
                }
                None if by_hand => {
                    let (name, cost) = (name.clone(), cost.unwrap_or(1));
                    self.arenas.push(Memory { name, bytes: *bytes, cost });
                }
                None => {
                    let known = known.join(", ");
                    return Err(format!("--region {name}: the board's memories are {known}"));
                }
            }
        }
        self.checked()
    }

    fn checked(self) -> Result<Memories, String> {
        if self.arenas.len() > MAX_ARENAS {
            let given = self.arenas.len();
            return Err(format!("{given} memories are given; a model has at most {MAX_ARENAS}"));
        }
        match self.arenas.iter().find(|memory| !is_name(&memory.name)) {
            Some(memory) => Err(format!(
                "memory `{}`: a name has 1 to {NAME_BYTES} letters, digits, `_` or `-`",
                memory.name
            )),
            None => Ok(self),
        }
    }
}

/// A memory with what a program has there. See the example of [`Memories`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegionReport {
    /// Name of the memory.
    pub name: String,
    /// Where it begins among the offsets of the memory map.
    pub start: u32,
    /// Bytes of it that the program needs.
    pub bytes: u32,
    /// Bytes from its start on that buffers take. Between them and the constants there may be room of other models.
    pub buffer_bytes: u32,
    /// Bytes of constants at its end, which are copied there before the first run.
    pub constant_bytes: u32,
    /// Bytes of it that there are.
    pub limit_bytes: u32,
    /// What an access costs, relative to other memories.
    pub cost: u32,
    /// Accesses of an inference, about, in words of four bytes.
    pub accesses: u64,
    /// Bytes alive there at once; its plan cannot be smaller.
    pub lower_bound_bytes: u32,
    /// Whether no smaller plan exists for what lies there.
    pub proven_optimal: bool,
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Offsets of all buffers. With several memories, the size is the sum of theirs.
    pub plan: Plan,
    /// The memories, if there are several or one has constants. Those that nothing lies in are left out.
    pub regions: Vec<RegionReport>,
    /// The only memory that anything lies in, if that has no constants: an arena like any other.
    pub only: Option<RegionReport>,
    /// Which memory each constant is copied to.
    pub constants: HashMap<BufferId, usize>,
}

impl Layout {
    /// A layout in one arena.
    pub(crate) fn single(plan: Plan) -> Layout {
        Layout { plan, regions: Vec::new(), only: None, constants: HashMap::new() }
    }

    /// Size of the first arena in bytes.
    pub(crate) fn first_bytes(&self) -> u32 {
        self.regions.first().map_or(self.plan.arena_bytes, |region| region.bytes)
    }

    /// The place of an offset.
    pub(crate) fn place(&self, offset: u32) -> Place {
        let last = self.regions.iter().zip(Region::ARENAS).rev().find(|(r, _)| r.start <= offset);
        match last {
            Some((region, code)) => Place { region: code, offset: offset - region.start },
            None => Place::arena(offset),
        }
    }

    /// The constants, by the memory that they are copied to.
    fn copied(&self, buffer: BufferId) -> Option<usize> {
        self.constants.get(&buffer).copied()
    }
}

/// The constant section with the table of arenas.
pub(crate) struct Section {
    /// The constants.
    pub bytes: Vec<u8>,
    /// The arenas, if there are several or one has constants.
    pub arenas: Vec<ArenaEntry>,
    places: HashMap<BufferId, Place>,
}

impl Section {
    /// Lays out constants: those first that stay, then those of each memory. `constants` has them in the
    /// order in which they take least padding.
    pub(crate) fn new(layout: &Layout, constants: &[(BufferId, u32, &[u8])]) -> Section {
        let (mut bytes, mut places) = (Vec::new(), HashMap::new());
        append(&mut bytes, layout, constants, None, |id, at| {
            places.insert(id, Place::constant(at));
        });
        let mut arenas = Vec::new();
        for (i, region) in layout.regions.iter().enumerate() {
            if region.constant_bytes > 0 {
                bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
            }
            let start = bytes.len() as u32;
            let writable = region.bytes - region.constant_bytes; // that of other models included
            append(&mut bytes, layout, constants, Some(i), |id, at| {
                places.insert(id, layout.place(region.start + writable + at - start));
            });
            let end = start as usize + region.constant_bytes as usize;
            bytes.resize(end.max(bytes.len()), 0);
            let constants_offset = if region.constant_bytes > 0 { start } else { 0 };
            let mut name = [0; NAME_BYTES];
            for (to, from) in name.iter_mut().zip(region.name.bytes()) {
                *to = from;
            }
            let (align, constants_bytes) = (ALIGN as u32, region.constant_bytes);
            let size = region.bytes;
            arenas.push(ArenaEntry { name, bytes: size, align, constants_offset, constants_bytes });
        }
        Section { bytes, arenas, places }
    }

    /// The place of a constant.
    pub(crate) fn place(&self, r: Ref) -> Option<Place> {
        let place = self.places.get(&r.buffer)?;
        Some(Place { offset: place.offset + r.offset, ..*place })
    }
}

/// Appends the constants of a memory, or those that stay.
fn append(
    bytes: &mut Vec<u8>,
    layout: &Layout,
    constants: &[(BufferId, u32, &[u8])],
    memory: Option<usize>,
    mut note: impl FnMut(BufferId, u32),
) {
    for &(id, align, data) in constants.iter().filter(|c| layout.copied(c.0) == memory) {
        bytes.resize(bytes.len().next_multiple_of(align.max(1) as usize), 0);
        note(id, bytes.len() as u32);
        bytes.extend_from_slice(data);
    }
}

/// Buffers that must lie in the first arena, by position in a problem: states, and the windows of inputs
/// that are fed, for which the manifest has no other place.
pub(crate) fn pinned(program: &Program, groups: &HashMap<BufferId, usize>) -> Vec<usize> {
    let fed = program.steps.iter().filter_map(|step| match &step.kernel {
        microhlo_format::Kernel::rows(rows) => rows.feed.map(|feed| feed.place.buffer),
        _ => None,
    });
    let buffers = program.states.iter().copied().chain(fed);
    let mut pinned: Vec<usize> = buffers.filter_map(|b| groups.get(&b).copied()).collect();
    pinned.sort_unstable();
    pinned.dedup();
    pinned
}
