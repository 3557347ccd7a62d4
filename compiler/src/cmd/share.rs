//! `microhlo compile A B --share`: models of one firmware that use one arena in turn.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::compile::{Args, options_of};
use super::emit::emit_beside;
use super::load::{self, Program};
use super::text::{Table, size};
use super::{CmdError, print_text, write_file};
use crate::compile::{CompileOptions, Compiled};
use crate::lower::state::Kept;

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
}

/// Compiles the models so that one arena, as large as the largest of them needs, serves all: they run one
/// after the other, and leave each other's states alone. Also returns how many bytes the states take.
pub(crate) fn compile_all(members: &mut [Member]) -> Result<(Vec<Compiled>, u32), CmdError> {
    let mut first = 0;
    for member in &mut *members {
        member.options.room.first = first;
        if !member.options.states.is_empty() {
            // What comes first in the arena is known, and that is all that this depends on.
            first = member.compile()?.report.state_bytes;
        }
    }
    members.iter_mut().for_each(|member| member.options.room.bytes = first);
    Ok((members.iter().map(Member::compile).collect::<Result<_, _>>()?, first))
}

/// Compiles the models of a command, writes what it asks for and reports.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let mut members = members(args)?;
    let (all, kept) = compile_all(&mut members)?;
    if let Some(dir) = &args.output {
        std::fs::create_dir_all(dir).map_err(|e| {
            CmdError::BadInput(format!("cannot make the directory {}: {e}", dir.display()))
        })?;
    }
    for (member, compiled) in members.iter().zip(&all) {
        if let Some(dir) = &args.output {
            let path = dir.join(format!("{}.mhlo", compiled.report.name));
            write_file(&path, &compiled.artifact)?;
            let artifact = load::parse_artifact(&member.path, &compiled.artifact)?;
            emit_beside(&path, args, compiled, &artifact, member.options.target)?;
        }
    }
    report(args, &all, kept)
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
    match states.first() {
        None => Ok(members),
        Some((model, _)) => {
            let text = format!("--state {model}:...: none of the models is called `{model}`");
            Err(CmdError::BadInput(text))
        }
    }
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
fn report(args: &Args, all: &[Compiled], kept: u32) -> Result<(), CmdError> {
    let arenas = || all.iter().map(|c| c.report.arena_bytes);
    let arena = arenas().max().unwrap_or(0);
    let apart: u64 = arenas().map(|bytes| u64::from(bytes - kept)).sum::<u64>() + u64::from(kept);
    let models: Vec<_> = all.iter().map(|compiled| json!(compiled.report)).collect();
    args.json.write(&json!({ "arena_bytes": arena, "state_bytes": kept, "models": models }))?;
    if args.json.owns_stdout() {
        return Ok(());
    }
    let mut table = Table::new(1);
    for compiled in all {
        let report = &compiled.report;
        let flash = format!("flash {}", size(report.artifact_bytes.into()));
        table.row([&report.name, &flash, &format!("arena {}", size(report.arena_bytes.into()))]);
    }
    let together = format!(
        "one arena of {} for all ({} with an arena each), {} of which keep states\n",
        size(arena.into()),
        size(apart),
        size(kept.into())
    );
    let mut text = table.render() + &together;
    if let Some(dir) = &args.output {
        text += &format!("wrote {} artifacts to {}\n", all.len(), dir.display());
    }
    print_text(&text);
    Ok(())
}
