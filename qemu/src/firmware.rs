//! Building firmware with cargo.

use crate::error::Error;
use microhlo_boards::{Board, Registry};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// Builds the runner firmware for a board and returns the ELF file.
/// See the example of [`run_jobs_on`](crate::run_jobs_on).
///
/// # Errors
/// See [`build`].
pub fn build_runner(registry: &Registry, board: &Board) -> Result<PathBuf, Error> {
    if board.has_own_firmware() {
        let package = format!("microhlo-{}", board.name);
        return Ok(build(registry, board, &package)?.join("runner"));
    }
    let arguments = runtime_features(board);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ok(build_with(registry, board, "microhlo-runner", &arguments)?.join("runner"))
}

/// Arguments of cargo that enable the features of the runtime which a board's core allows, in packages that
/// depend on it.
///
/// ```
/// use microhlo_qemu::{Board, runtime_features};
///
/// let mut board: Board = toml::from_str(r#"
///     description = "A board whose core has vectors"
///     target = "thumbv8m.main-none-eabihf"
///     core = "cortex-m55"
///     memory = []
///     counter = { kind = "sse-counter" }
///     runner = { runtime-features = ["cortex-m55-mve"] }
/// "#)?;
/// assert_eq!(runtime_features(&board), ["--features", "microhlo/cortex-m55-mve"]);
/// board.runner.runtime_features.clear();
/// assert!(runtime_features(&board).is_empty());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[must_use]
pub fn runtime_features(board: &Board) -> Vec<String> {
    let features: Vec<String> =
        board.runner.runtime_features.iter().map(|name| format!("microhlo/{name}")).collect();
    if features.is_empty() { Vec::new() } else { vec!["--features".to_owned(), features.join(",")] }
}

/// Builds a package of the firmware workspace for a board, with its binaries in
/// a folder of its own so that boards do not disturb each other, and returns
/// that folder. Fast if nothing has changed.
///
/// ```no_run
/// use microhlo_qemu::{Registry, build, build_with, firmware_folder, run_firmware};
/// use std::time::Duration;
///
/// let registry = Registry::find()?;
/// let board = registry.board("mps2-an386")?;
/// let firmware = build(&registry, board, "digits")?.join("digits");
/// assert_eq!(run_firmware(board, &firmware, Duration::from_secs(60))?, 0);
/// // Other features replace the binary.
/// let folder = build_with(&registry, board, "digits", &["--no-default-features"])?;
/// assert_eq!(folder, firmware_folder(&registry, board));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Cargo or the target is not installed, or the firmware does not compile.
pub fn build(registry: &Registry, board: &Board, package: &str) -> Result<PathBuf, Error> {
    build_with(registry, board, package, &[])
}

/// As [`build`], with further arguments for `cargo build`, such as `--no-default-features`.
///
/// Builds of a package with other features replace its binaries. See the example of [`build`].
///
/// # Errors
/// See [`build`].
pub fn build_with(
    registry: &Registry,
    board: &Board,
    package: &str,
    arguments: &[&str],
) -> Result<PathBuf, Error> {
    let mut command = cargo_for(registry, board, "build");
    command.args(["--color", "never", "--package", package]).args(arguments);
    let output = command.output().map_err(|source| Error::CargoMissing { source })?;
    if output.status.success() {
        return Ok(firmware_folder(registry, board));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("can't find crate for `core`") {
        return Err(Error::TargetMissing { target: board.target.clone() });
    }
    Err(Error::Build { package: package.to_owned(), board: board.name.clone(), output: text })
}

/// Cargo with a command such as `build`, in the firmware workspace, for release builds for a board.
///
/// ```no_run
/// use microhlo_qemu::{Registry, cargo_for};
///
/// let registry = Registry::find()?;
/// let board = registry.board("mps2-an386")?;
/// let status = cargo_for(&registry, board, "clippy").arg("--workspace").status()?;
/// assert!(status.success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cargo_for(registry: &Registry, board: &Board, command: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo
        .current_dir(workspace(registry, board))
        .args([command, "--release", "--target", &board.target, "--target-dir"])
        .arg(target_folder(registry, board))
        .env("MICROHLO_BOARD", &board.name)
        .env("CARGO_BUILD_BUILD_DIR", registry.build_folder());
    if let Some(variant) = registry.variant(board) {
        cargo.arg("--features").arg(format!("microhlo-board/{variant}"));
    }
    // Settings meant for the host's build would break or redo this one.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        cargo.env_remove(name);
    }
    cargo
}

/// The folder of the workspace with a board's firmware.
fn workspace(registry: &Registry, board: &Board) -> PathBuf {
    match board.has_own_firmware() {
        true => board.folder.clone(),
        false => registry.root().join("boards"),
    }
}

/// The folder with the firmware that was built for a board. See the example of [`build`].
#[must_use]
pub fn firmware_folder(registry: &Registry, board: &Board) -> PathBuf {
    target_folder(registry, board).join(&board.target).join("release")
}

/// The folder that cargo builds in for a board.
fn target_folder(registry: &Registry, board: &Board) -> PathBuf {
    registry.root().join("target/firmware").join(&board.name)
}
