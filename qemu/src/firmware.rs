//! Building firmware with cargo.

use crate::error::Error;
use microhlo_boards::{Board, Registry};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Builds the runner firmware for a board and returns the ELF file.
///
/// # Errors
/// See [`build`].
pub fn build_runner(registry: &Registry, board: &Board) -> Result<PathBuf, Error> {
    Ok(build(registry, board, "microhlo-runner")?.join("runner"))
}

/// Builds a package of the firmware workspace for a board, in a target folder
/// of its own so that boards do not disturb each other, and returns the folder
/// with its binaries. Fast if nothing has changed.
///
/// # Errors
/// Cargo or the target is not installed, or the firmware does not compile.
pub fn build(registry: &Registry, board: &Board, package: &str) -> Result<PathBuf, Error> {
    build_with(registry, board, package, &[])
}

/// As [`build`], with further arguments for `cargo build`, such as `--no-default-features`.
///
/// Builds of a package with other features replace its binaries.
///
/// # Errors
/// See [`build`].
pub fn build_with(
    registry: &Registry,
    board: &Board,
    package: &str,
    arguments: &[&str],
) -> Result<PathBuf, Error> {
    let target_folder = registry.root().join("target/firmware").join(&board.name);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .current_dir(registry.root().join("boards"))
        .args(["build", "--release", "--color", "never", "--package", package])
        .args(["--target", &board.target, "--target-dir"])
        .arg(&target_folder)
        .args(arguments)
        .env("MICROHLO_BOARD", &board.name);
    // Settings meant for the host's build would break or redo this one.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    let output = command.output().map_err(|source| Error::CargoMissing { source })?;
    if output.status.success() {
        return Ok(target_folder.join(&board.target).join("release"));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("can't find crate for `core`") {
        return Err(Error::TargetMissing { target: board.target.clone() });
    }
    Err(Error::Build { package: package.to_owned(), board: board.name.clone(), output: text })
}
