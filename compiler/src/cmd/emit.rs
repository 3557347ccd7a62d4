//! What `microhlo compile --emit` writes beside the artifact.

use std::path::Path;

use clap::ValueEnum;
use microhlo_format::Artifact;

use super::compile::{Args, json_of};
use super::{CmdError, print_text, write_file};
use crate::compile::{Compiled, Target};
use crate::embed;

/// Further output of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// Rust constants and the list of kernels that firmware links
    Rust,
    /// The artifact's contents as JSON
    Manifest,
    /// The artifact as a C array, and a header
    C,
    /// The artifact as an ELF object for the target, and a C header
    Object,
}

/// A file to be written: its extension, and what is in it.
type File = (&'static str, Vec<u8>);

impl Emit {
    /// The files that this is.
    fn files(
        self,
        args: &Args,
        compiled: &Compiled,
        artifact: &Artifact<'_>,
        target: Target,
    ) -> Result<Vec<File>, CmdError> {
        let header = || ("h", embed::header(&compiled.report).into_bytes());
        Ok(match self {
            Emit::Rust => vec![("rs", compiled.rust_source().into_bytes())],
            Emit::Manifest => {
                vec![(
                    "json",
                    format!("{:#}\n", json_of(args, compiled, artifact, target)).into_bytes(),
                )]
            }
            Emit::C => vec![header(), ("c", embed::source(compiled).into_bytes())],
            Emit::Object => {
                let object = embed::object(compiled, target);
                vec![header(), ("o", object.map_err(|e| CmdError::BadInput(e.to_string()))?)]
            }
        })
    }
}

/// Refuses an object on standard output.
pub fn refuse_binary(args: &Args) -> Result<(), CmdError> {
    match (args.emit, &args.output) {
        (Some(Emit::Object), None) => {
            let text =
                "--emit object writes a file beside the artifact; name that with -o OUT.mhlo";
            Err(CmdError::BadInput(text.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Writes what `--emit` asks for: beside the artifact, or to standard output if that is written nowhere.
/// Returns whether standard output was used.
pub fn emit(
    args: &Args,
    compiled: &Compiled,
    artifact: &Artifact<'_>,
    target: Target,
) -> Result<bool, CmdError> {
    let Some(emit) = args.emit else { return Ok(false) };
    let files = emit.files(args, compiled, artifact, target)?;
    match &args.output {
        Some(path) => write_beside(path, &files, args).map(|()| false),
        None => {
            files.iter().for_each(|(_, bytes)| print_text(&String::from_utf8_lossy(bytes)));
            Ok(true)
        }
    }
}

/// Writes what `--emit` asks for beside an artifact of several.
pub fn emit_beside(
    path: &Path,
    args: &Args,
    compiled: &Compiled,
    artifact: &Artifact<'_>,
    target: Target,
) -> Result<(), CmdError> {
    let Some(emit) = args.emit else { return Ok(()) };
    write_beside(path, &emit.files(args, compiled, artifact, target)?, args)
}

fn write_beside(path: &Path, files: &[File], args: &Args) -> Result<(), CmdError> {
    for (extension, bytes) in files {
        let path = path.with_extension(extension);
        refuse_same("--emit", &path, args)?;
        write_file(&path, bytes)?;
    }
    Ok(())
}

/// Refuses to write over the artifact or the program.
pub fn refuse_same(option: &str, path: &Path, args: &Args) -> Result<(), CmdError> {
    let programs = || std::iter::once(&args.model).chain(&args.more);
    match args.output.as_deref() == Some(path) || programs().any(|program| program == path) {
        true => Err(CmdError::BadInput(format!(
            "{option} would overwrite {}; name the output OUT.mhlo",
            path.display()
        ))),
        false => Ok(()),
    }
}
