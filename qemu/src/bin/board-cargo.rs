//! Cargo for the firmware of a board.

use clap::Parser;
use microhlo_qemu::{
    Board, Error, Registry, board_name, cargo_for, firmware_folder, memory_taken, runtime_features,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs cargo in the firmware workspace, set up for a board, and exits as cargo does. Behind `build` and
/// `run` it says what firmware takes of the board's memory.
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

impl Arguments {
    /// The package that cargo is told to run, whose firmware has its name.
    fn package(&self) -> Option<&String> {
        let at = self.arguments.iter().position(|argument| argument == "--package");
        self.arguments.get(at? + 1)
    }
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
    let built = status.map_err(|source| Error::CargoMissing { source })?.success();
    let firmware = match arguments.command.as_str() {
        "build" if built => firmware_of(&registry, board)?,
        "run" if built => arguments
            .package()
            .map(|name| firmware_folder(&registry, board).join(name))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    };
    for firmware in firmware.iter().filter(|path| path.exists()) {
        eprintln!("{}", size_report(board, firmware)?);
    }
    Ok(built)
}

/// All firmware that was built for a board, by name.
fn firmware_of(registry: &Registry, board: &Board) -> Result<Vec<PathBuf>, Error> {
    let folder = firmware_folder(registry, board);
    let entries = fs::read_dir(&folder)
        .map_err(|source| Error::Io { what: folder.display().to_string(), source })?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_firmware = |path: &PathBuf| path.is_file() && board_name(path).is_ok();
    let mut all: Vec<PathBuf> = paths.filter(is_firmware).collect();
    all.sort();
    Ok(all)
}

/// For example `runner on pico: 291456 of 1572864 B of FLASH, 8192 of 204800 B of RAM`.
fn size_report(board: &Board, firmware: &Path) -> Result<String, Error> {
    let name = firmware.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let taken = memory_taken(board, firmware)?.into_iter();
    let parts = taken.map(|part| format!("{} of {} B of {}", part.bytes, part.length, part.region));
    Ok(format!("{name} on {}: {}", board.name, parts.collect::<Vec<_>>().join(", ")))
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
