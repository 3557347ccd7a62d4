//! `microhlo convert`: a program of any form becomes StableHLO text.

use std::path::PathBuf;

use super::{CmdError, load, print_text, write_file};
use crate::compile::{CompileOptions, Size};
use crate::ir::Module;

/// Write a program of any form (StableHLO or VHLO text, MLIR bytecode, HLO text or protocol
/// buffer) as StableHLO text.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The program; its form is told from the content.
    #[arg(value_name = "IN")]
    model: PathBuf,
    /// Write the text to this file; by default to standard output.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Write only this function, its calls inlined.
    #[arg(long, alias = "entry", value_name = "NAME")]
    function: Option<String>,
    /// The size of a symbolic dimension, or the shape of an argument, as for `compile`: the entry
    /// function is written with static shapes, its calls inlined.
    #[arg(long, value_name = "NAME=SIZE")]
    shape: Vec<Size>,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CmdError> {
    let program = load::open_program(&args.model)?;
    let text = match args.function.is_some() || !args.shape.is_empty() {
        false => program.module.to_string(),
        true => {
            let (entry, sizes) = (args.function.clone(), args.shape.clone());
            let options = CompileOptions { entry, sizes, ..CompileOptions::default() };
            let mut module = Module::default();
            module.attrs = program.module.attrs.clone();
            module.funcs.push(program.specialised(&options)?);
            module.to_string()
        }
    };
    match &args.output {
        Some(path) => write_file(path, text.as_bytes()),
        None => {
            print_text(&text);
            Ok(())
        }
    }
}
