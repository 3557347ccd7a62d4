//! Cargo for the firmware of a board.

use clap::Parser;
use microhlo_qemu::{Error, Registry, cargo_for, runtime_features};
use std::process::ExitCode;

/// Runs cargo in the firmware workspace, set up for a board, and exits as cargo does.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Board to build for
    board: String,
    /// Command of cargo, such as `run` or `clippy`
    command: String,
    /// Arguments of the command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn run(arguments: &Arguments) -> Result<bool, Error> {
    let registry = Registry::find()?;
    let board = registry.board(&arguments.board)?;
    let mut cargo = cargo_for(&registry, board, &arguments.command);
    // Models are compiled for all that the core has, and some package depends on the runtime.
    if arguments.arguments.iter().any(|argument| argument == "--workspace") {
        cargo.args(runtime_features(board));
    }
    let status = cargo.args(&arguments.arguments).status();
    Ok(status.map_err(|source| Error::CargoMissing { source })?.success())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(125)
        }
    }
}
