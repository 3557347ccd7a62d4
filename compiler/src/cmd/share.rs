//! `microhlo compile A B --share`: models of one firmware that use one arena in turn.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::compile::{Args, options_of, region_sizes};
use super::emit::emit_beside;
use super::load::{self, Program};
use super::text::{Table, size};
use super::{CmdError, print_text, write_file};
use crate::chains;
use crate::compile::{CompileOptions, Compiled, Kept};
use crate::passes::externs;
use crate::regions::{Memories, Memory, Others, RegionReport};

/// One of the models.
pub(crate) struct Member {
    path: PathBuf,
    program: Program,
    options: CompileOptions,
}

impl Member {
    pub(crate) fn open(path: &Path, options: CompileOptions) -> Result<Member, CmdError> {
        Ok(Member { path: path.to_owned(), program: load::open_program(path)?, options })
    }

    fn compile(&self) -> Result<Compiled, CmdError> {
        self.program.compile(&self.options)
    }

    /// Bytes of the arena that states take, those of models before included.
    fn state_bytes(&self) -> Result<u32, CmdError> {
        let memory = chains::Options { arena_limit: None, ..self.options.memory };
        let memories = Memories::default();
        let options = CompileOptions { memory, memories, ..self.options.clone() };
        Ok(self.program.compile(&options)?.report.state_bytes)
    }
}

/// Models that use the same memory, one after the other.
pub(crate) struct Shared {
    /// The models, in their order.
    pub models: Vec<Compiled>,
    /// Bytes that the states of all take, in the arena or the first memory.
    pub state_bytes: u32,
    /// The memories with their sizes, in the order in which they were given; none if there is one arena.
    pub memories: Vec<(String, u32)>,
}

impl Shared {
    fn new(models: Vec<Compiled>, state_bytes: u32, memories: &[Memory]) -> Shared {
        let size = |memory: &Memory| {
            let of = |compiled: &Compiled| used(compiled, memory).map_or(0, |region| region.bytes);
            (memory.name.clone(), models.iter().map(of).max().unwrap_or(0))
        };
        let memories = memories.iter().map(size).collect();
        Shared { models, state_bytes, memories }
    }

    /// Bytes of the arena, or of all memories.
    pub fn arena_bytes(&self) -> u32 {
        match self.memories.is_empty() {
            true => self.models.iter().map(|c| c.report.arena_bytes).max().unwrap_or(0),
            false => self.memories.iter().map(|(_, bytes)| bytes).sum(),
        }
    }
}

/// What a model has in a memory, if anything.
fn used<'a>(compiled: &'a Compiled, memory: &Memory) -> Option<&'a RegionReport> {
    compiled.report.memories().iter().find(|region| region.name == memory.name)
}

/// Compiles the models so that one arena, as large as the largest of them needs, or the same memories serve all:
/// they run one after the other, and leave each other's states and constants alone.
pub(crate) fn compile_all(members: &mut [Member]) -> Result<Shared, CmdError> {
    let mut kept = 0;
    for member in &mut *members {
        member.options.room.first = kept;
        if !member.options.states.is_empty() {
            // What comes first in the arena is known, and that is all that this depends on.
            kept = member.state_bytes()?;
        }
    }
    members.iter_mut().for_each(|member| member.options.room.bytes = kept);
    let memories = same_memories(members)?;
    if memories.is_empty() {
        let models = members.iter().map(Member::compile).collect::<Result<_, _>>()?;
        return Ok(Shared::new(models, kept, &[]));
    }
    // Constants may stay where they are, if models else have no room.
    let models = in_memories(members, &memories).or_else(|_| {
        members.iter_mut().for_each(|member| member.options.memories.artifact_cost = 0);
        in_memories(members, &memories)
    });
    Ok(Shared::new(models?, kept, &memories))
}

/// The memories that all models are given.
fn same_memories(members: &[Member]) -> Result<Vec<Memory>, CmdError> {
    let Some(first) = members.first() else { return Ok(Vec::new()) };
    let memories = &first.options.memories;
    match members.iter().find(|member| member.options.memories != *memories) {
        None => Ok(memories.arenas.clone()),
        Some(other) => Err(CmdError::BadInput(format!(
            "{}: it is given other memories than {}; models that share some are given the same",
            other.path.display(),
            first.path.display()
        ))),
    }
}

/// Compiles the models in the same memories. The constants of all are there for good, those of one model behind
/// those of the other, and all behind what any of them writes.
fn in_memories(members: &mut [Member], memories: &[Memory]) -> Result<Vec<Compiled>, CmdError> {
    let mut all = vec![Others::default(); memories.len()];
    let mut models = Vec::new();
    for member in &mut *members {
        member.options.others.clone_from(&all);
        let compiled = member.compile()?;
        for (all, memory) in all.iter_mut().zip(memories) {
            if let Some(region) = used(&compiled, memory) {
                all.buffers = all.buffers.max(region.buffer_bytes);
                all.constants += region.constant_bytes;
            }
        }
        models.push(compiled);
    }
    // Only now is it known what constants lie behind.
    let settled = |(member, compiled): (&Member, Compiled)| {
        let constants = compiled.report.regions.iter().any(|region| region.constant_bytes > 0);
        if constants { again(member, &compiled, memories, &all) } else { Ok(compiled) }
    };
    members.iter().zip(models).map(settled).collect()
}

/// Compiles a model once more, in what it has of each memory: its constants lie behind the buffers of all models
/// and the constants of those before it.
fn again(
    member: &Member,
    first: &Compiled,
    memories: &[Memory],
    all: &[Others],
) -> Result<Compiled, CmdError> {
    let mut options = member.options.clone();
    options.memory.arena_limit = None;
    let constants =
        |compiled: &Compiled, memory| used(compiled, memory).map_or(0, |r| r.constant_bytes);
    for (i, memory) in memories.iter().enumerate() {
        let own = constants(first, memory);
        // Without constants nothing of the model lies behind the buffers.
        let before = if own > 0 { member.options.others[i].constants } else { 0 };
        options.others[i] = Others { buffers: all[i].buffers, constants: before };
        let end = options.others[i].end(0, own.into());
        options.memories.arenas[i].bytes = u32::try_from(end).unwrap_or(u32::MAX);
    }
    let mut compiled = member.program.compile(&options)?;
    let within = memories.iter().zip(all).all(|(memory, all)| {
        used(&compiled, memory).is_none_or(|region| region.buffer_bytes <= all.buffers)
    });
    if !within {
        let text = "constants have no room behind the values of other models";
        return Err(CmdError::BadInput(text.to_owned()));
    }
    for region in &mut compiled.report.regions {
        let given = memories.iter().find(|memory| memory.name == region.name);
        region.limit_bytes = given.map_or(region.limit_bytes, |memory| memory.bytes);
    }
    Ok(compiled)
}

/// Compiles the models of a command, writes what it asks for and reports.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let mut members = members(args)?;
    let all = compile_all(&mut members)?;
    if let Some(dir) = &args.output {
        std::fs::create_dir_all(dir).map_err(|e| {
            CmdError::BadInput(format!("cannot make the directory {}: {e}", dir.display()))
        })?;
    }
    for (member, compiled) in members.iter().zip(&all.models) {
        if let Some(dir) = &args.output {
            let path = dir.join(format!("{}.mhlo", compiled.report.name));
            write_file(&path, &compiled.artifact)?;
            let artifact = load::parse_artifact(&member.path, &compiled.artifact)?;
            emit_beside(&path, args, compiled, &artifact, member.options.target)?;
        }
    }
    report(args, &all)
}

fn members(args: &Args) -> Result<Vec<Member>, CmdError> {
    let mut names = HashSet::new();
    let mut states = states(args)?;
    let mut members = Vec::new();
    for path in std::iter::once(&args.model).chain(&args.more) {
        let name = load::model_name(path);
        if !names.insert(name.clone()) {
            let text = format!("two models are called `{name}`; rename one of the files");
            return Err(CmdError::BadInput(text));
        }
        let (own, others): (Vec<_>, _) = states.into_iter().partition(|(model, _)| *model == name);
        states = others;
        let states = own.into_iter().map(|(_, kept)| kept).collect();
        let options = CompileOptions { states, ..options_of(args, path)? };
        members.push(Member::open(path, options)?);
    }
    share_externs(&mut members, &args.externs)?;
    match states.first() {
        None => Ok(members),
        Some((model, _)) => {
            let text = format!("--state {model}:...: none of the models is called `{model}`");
            Err(CmdError::BadInput(text))
        }
    }
}

/// Leaves to each model the functions of the firmware that it calls.
fn share_externs(members: &mut [Member], names: &[String]) -> Result<(), CmdError> {
    let calls = |member: &Member, name: &str| externs::calls(&member.program.module, name);
    if let Some(name) = names.iter().find(|name| !members.iter().any(|m| calls(m, name))) {
        return Err(CmdError::BadInput(format!("--extern {name}: none of the models calls it")));
    }
    for member in members {
        let module = &member.program.module;
        member.options.externs.retain(|name| externs::calls(module, name));
    }
    Ok(())
}

/// The states of `--state MODEL:INPUT=OUTPUT`, with the models.
fn states(args: &Args) -> Result<Vec<(String, Kept)>, CmdError> {
    let split = |text: &String| {
        let (model, pair) = text.split_once(':').ok_or_else(|| {
            let usage = format!("--state {text}: with --share, name the model: MODEL:{text}");
            CmdError::BadInput(usage)
        })?;
        let kept = pair.parse().map_err(|e| CmdError::BadInput(format!("--state {text}: {e}")))?;
        Ok((model.to_owned(), kept))
    };
    args.state.iter().map(split).collect()
}

/// Says what the models need together.
fn report(args: &Args, all: &Shared) -> Result<(), CmdError> {
    let (arena, kept) = (all.arena_bytes(), all.state_bytes);
    let models: Vec<_> = all.models.iter().map(|compiled| json!(compiled.report)).collect();
    let memories = all.memories.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes }));
    args.json.write(&json!({
        "arena_bytes": arena,
        "state_bytes": kept,
        "memories": memories.collect::<Vec<_>>(),
        "models": models,
    }))?;
    if args.json.owns_stdout() {
        return Ok(());
    }
    let mut table = Table::new(1);
    for compiled in &all.models {
        let report = &compiled.report;
        let flash = format!("flash {}", size(report.artifact_bytes.into()));
        let arena = match all.memories.is_empty() {
            true => format!("arena {}", size(report.arena_bytes.into())),
            false => region_sizes(report.memories()),
        };
        table.row([&report.name, &flash, &arena]);
    }
    let mut text = table.render() + &together(all);
    if let Some(dir) = &args.output {
        text += &format!("wrote {} artifacts to {}\n", all.models.len(), dir.display());
    }
    print_text(&text);
    Ok(())
}

/// The line of what all models need.
fn together(all: &Shared) -> String {
    let kept = size(all.state_bytes.into());
    if !all.memories.is_empty() {
        let memories = all.memories.iter().filter(|(_, bytes)| *bytes > 0);
        let memories: Vec<String> =
            memories.map(|(name, bytes)| format!("{} in {name}", size((*bytes).into()))).collect();
        let memories = memories.join(", ");
        return format!("for all {memories}; {kept} of the first memory keep states\n");
    }
    let arenas = all.models.iter().map(|c| u64::from(c.report.arena_bytes - all.state_bytes));
    let apart = arenas.sum::<u64>() + u64::from(all.state_bytes);
    format!(
        "one arena of {} for all ({} with an arena each), {kept} of which keep states\n",
        size(all.arena_bytes().into()),
        size(apart)
    )
}
