//! The `microhlo` command: compile, run, check and inspect models, and list boards and operations.
//!
//! Exit codes: 0 only when all is well, 1 when something ran and failed, 2 when the arguments or
//! an input file are at fault.

mod boards;
mod check;
mod compare;
mod compile;
mod convert;
pub mod difference;
mod emit;
pub mod exec;
mod externs;
mod files;
mod fit;
mod flash;
mod function;
mod inspect;
mod listing;
pub mod load;
pub mod monitor;
mod ops;
mod partition;
mod plan;
mod profile;
mod quantize;
mod report;
mod run;
pub(crate) mod share;
mod size;
mod slot;
pub mod text;
mod trace;
pub mod vectors;
mod verify;
pub mod wire;

pub(crate) use difference::show;
pub(crate) use run::index_text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Compiles StableHLO models for microcontrollers, runs and checks them on the host and on
/// emulated boards.
#[derive(Debug, Parser)]
#[command(name = "microhlo", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Compile(compile::Args),
    Convert(convert::Args),
    Run(run::Args),
    Partition(partition::Args),
    Quantize(quantize::Args),
    Plan(plan::Args),
    Check(check::Args),
    Compare(compare::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Slot(slot::Args),
    Flash(flash::Args),
    Monitor(monitor::Args),
    Boards(boards::Args),
    Ops(ops::Args),
    Size(size::Args),
}

/// Why the command does not exit with 0.
#[derive(Debug, thiserror::Error)]
pub enum CmdError {
    /// The arguments or an input file are at fault: exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// Something ran and failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// As [`CmdError::BadInput`], rendered already with its place in the source.
    #[error("{0}")]
    Diagnostic(String),
}

impl CmdError {
    fn code(&self) -> ExitCode {
        match self {
            CmdError::BadInput(_) | CmdError::Diagnostic(_) => ExitCode::from(2),
            CmdError::Failed(_) => ExitCode::from(1),
        }
    }
}

impl From<crate::npz::NpzError> for CmdError {
    fn from(error: crate::npz::NpzError) -> Self {
        CmdError::BadInput(error.to_string())
    }
}

/// Runs the command with the process's arguments.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Compile(args) => compile::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Partition(args) => partition::run(&args),
        Command::Quantize(args) => quantize::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Slot(args) => slot::run(&args),
        Command::Flash(args) => flash::run(&args),
        Command::Monitor(args) => monitor::run(&args),
        Command::Boards(args) => boards::run(&args),
        Command::Ops(args) => ops::run(&args),
        Command::Size(args) => size::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match &error {
                CmdError::Diagnostic(text) => eprintln!("{text}"),
                CmdError::BadInput(text) | CmdError::Failed(text) => eprintln!("error: {text}"),
            }
            error.code()
        }
    }
}

/// Where machine-readable results go: a file, or `-` for standard output in place of the text.
#[derive(Debug, Clone, Default, clap::Args)]
struct JsonTarget {
    /// Write the results as JSON to FILE, or to standard output in place of the text with `-`.
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,
}

impl JsonTarget {
    /// Whether standard output is for JSON only.
    fn owns_stdout(&self) -> bool {
        self.json.as_ref().is_some_and(|path| path.as_os_str() == "-")
    }

    /// Writes `value` if JSON was asked for.
    fn write(&self, value: &serde_json::Value) -> Result<(), CmdError> {
        let Some(path) = &self.json else { return Ok(()) };
        let text = format!("{value:#}\n");
        if self.owns_stdout() {
            print_text(&text);
            return Ok(());
        }
        write_file(path, text.as_bytes())
    }
}

/// Writes a file, with the path in the error.
fn write_file(path: &std::path::Path, bytes: &[u8]) -> Result<(), CmdError> {
    std::fs::write(path, bytes)
        .map_err(|e| CmdError::BadInput(format!("cannot write {}: {e}", path.display())))
}

/// Prints to standard output. A closed pipe (as with `| head`) is no error.
fn print_text(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A sign of life for work of unknown length. Nothing unless standard error is a terminal.
fn spinner(text: String) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new_spinner().with_message(text);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}

/// A progress bar. Nothing unless standard error is a terminal.
fn progress(length: usize, text: &'static str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {eta}");
    let bar = indicatif::ProgressBar::new(length as u64).with_message(text);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
