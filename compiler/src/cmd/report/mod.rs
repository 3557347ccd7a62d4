//! `microhlo compile --report`: where the memory and the flash go, as a page or as text.

mod html;
mod text;

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use microhlo_format::{Artifact, KernelId};

use super::CmdError;
use super::load::Program;
use super::text::grouped;
use crate::chains::{self, Rows};
use crate::compile::{CompileOptions, Compiled, Report, Technique};
use crate::memory_map::{Block, MemoryMap};
use crate::regions::{Memories, RegionReport};
use crate::stack::Stack;

/// Where a report goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// As text to standard output.
    Text,
    /// As a page to a file.
    Page(PathBuf),
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(s: &str) -> Result<Target, Infallible> {
        Ok(match s {
            "-" | "text" => Target::Text,
            path => Target::Page(path.into()),
        })
    }
}

/// What a way to save memory saves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saving {
    /// The way.
    pub name: &'static str,
    /// Bytes of arena without it.
    pub arena_bytes: u64,
}

/// The arena without each way to save memory, whatever its limit; one arena for all, so that what does not
/// fit the memories that there are can be told, too.
fn savings(
    compiled: &Compiled,
    program: &Program,
    options: &CompileOptions,
) -> Result<Vec<Saving>, CmdError> {
    let mut savings = vec![Saving { name: "planning", arena_bytes: compiled.memory.unplanned() }];
    let chained = compiled.report.kernels.iter().any(|k| k.op == KernelId::rows.name());
    let rows = if chained { Rows::Least } else { Rows::Off };
    let mut add = |name, rows, without: Option<Technique>| -> Result<(), CmdError> {
        let mut others = options.clone();
        others.memory = chains::Options { rows, arena_limit: None, ..options.memory };
        others.memories = Memories::default();
        others.without.extend(without);
        let arena_bytes = program.compile(&others)?.report.arena_bytes.into();
        savings.push(Saving { name, arena_bytes });
        Ok(())
    };
    for technique in Technique::ALL {
        if !options.without.contains(&technique) {
            add(technique.name(), rows, Some(technique))?;
        }
    }
    if chained && !options.memory.stream_input {
        add("row by row", Rows::Off, None)?;
    }
    Ok(savings)
}

/// Bytes that the program needs in one arena.
fn one_arena(
    compiled: &Compiled,
    program: &Program,
    options: &CompileOptions,
) -> Result<u64, CmdError> {
    if compiled.report.regions.is_empty() {
        return Ok(compiled.report.arena_bytes.into());
    }
    let mut others = CompileOptions { memories: Memories::default(), ..options.clone() };
    others.memory.arena_limit = None;
    Ok(program.compile(&others)?.report.arena_bytes.into())
}

/// All that a report shows.
pub struct Contents<'a> {
    report: &'a Report,
    memory: &'a MemoryMap,
    target: &'a str,
    savings: Vec<Saving>,
    /// Bytes in one arena.
    arena_bytes: u64,
    /// Parts of the flash with their bytes.
    flash: Vec<(&'static str, u64)>,
    /// What the target's stack has to hold, if that was measured.
    stack: Option<Stack>,
}

impl<'a> Contents<'a> {
    /// Gathers what is known; compiles again without each way to save memory.
    ///
    /// # Errors
    /// The program does not compile without one of them.
    pub fn new(
        compiled: &'a Compiled,
        artifact: &Artifact<'_>,
        target: &'a str,
        program: &Program,
        options: &CompileOptions,
    ) -> Result<Contents<'a>, CmdError> {
        let memory = &compiled.memory;
        let savings = savings(compiled, program, options)?;
        let arena_bytes = one_arena(compiled, program, options)?;
        let header = artifact.header();
        let (program, constants) = (header.program_bytes.into(), header.constants_bytes.into());
        let rest = u64::from(header.total_bytes).saturating_sub(program).saturating_sub(constants);
        let flash = vec![
            ("constants", constants),
            ("program", program),
            ("header, names and padding", rest),
        ];
        let stack = Stack::of(&compiled.report, options.target);
        let report = &compiled.report;
        Ok(Contents { report, memory, target, savings, arena_bytes, flash, stack })
    }

    /// The page.
    pub fn page(&self) -> String {
        html::page(self)
    }

    /// The text.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// Name of a step, for example `0:convolution+bias`.
    fn step(&self, step: u32) -> &str {
        self.report.kernels.get(step as usize).map_or("", |kernel| &kernel.name)
    }

    /// What a way saves, in words.
    fn saved(&self, saving: &Saving) -> String {
        let arena = self.arena_bytes;
        match saving.arena_bytes.checked_sub(arena) {
            Some(0) => "nothing".to_owned(),
            Some(saved) => {
                let percent = 100.0 * saved as f64 / saving.arena_bytes as f64;
                format!("{} B ({percent:.1} %)", grouped(saved))
            }
            None => format!("costs {} B", grouped(arena - saving.arena_bytes)),
        }
    }

    /// What holds the arena, in words.
    fn bound(&self) -> String {
        match self.report.arena_proven_optimal {
            true => "the least this schedule can use".to_owned(),
            false => {
                format!("at least {} B", grouped(self.report.arena_lower_bound_bytes.into()))
            }
        }
    }

    /// The memories, if there are several: which bytes of the map each is, of how many there are, how many of
    /// them are constants, and about how many accesses an inference makes at which cost.
    fn memories(&self) -> Vec<Vec<String>> {
        let bytes = |bytes: u32| format!("{} B", grouped(bytes.into()));
        let row = |r: &RegionReport| {
            let span =
                format!("{} to {}", grouped(r.start.into()), grouped((r.start + r.bytes).into()));
            let constants = match r.constant_bytes {
                0 => "no constants".to_owned(),
                constants => format!("constants in the last {}", bytes(constants)),
            };
            let accesses = format!("{} accesses at a cost of {}", grouped(r.accesses), r.cost);
            vec![r.name.clone(), span, format!("of {}", bytes(r.limit_bytes)), constants, accesses]
        };
        self.memory.regions.iter().map(row).collect()
    }

    /// What a block holds, in words: its tensors with the steps that write them.
    fn held(&self, block: &Block) -> String {
        let tensor = |held: &crate::memory_map::Held| match held.written_by {
            Some(step) => format!("{} of {}", held.name, self.step(step)),
            None => held.name.clone(),
        };
        block.tensors.iter().map(tensor).collect::<Vec<_>>().join(", then ")
    }
}
