//! Cargo runner: runs a firmware in QEMU and exits with its exit code.

use clap::Parser;
use microhlo_qemu::{Error, Registry, board_name, run_firmware};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Exit code if the emulation itself fails.
const FAILED: u8 = 125;

/// Exit code after a time-out, as that of `timeout`.
const TIMED_OUT: u8 = 124;

/// Runs a firmware in QEMU and exits with its exit code.
///
/// The exit code is 101 if the firmware panics, 102 if its processor faults,
/// 124 after a time-out and 125 if QEMU cannot run it.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// ELF file of the firmware
    firmware: PathBuf,
    /// Board to emulate [default: the one the firmware is built for]
    #[arg(long)]
    board: Option<String>,
    /// Longest time the firmware may take, in seconds
    #[arg(long, default_value_t = 60.0, env = "MICROHLO_TIMEOUT", value_parser = seconds)]
    timeout: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if Duration::try_from_secs_f64(value).is_ok() => Ok(value),
        _ => Err("a number of seconds is needed, such as 60 or 0.5".to_owned()),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            let timed_out = matches!(error, Error::TimedOut { .. });
            ExitCode::from(if timed_out { TIMED_OUT } else { FAILED })
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8, Error> {
    let registry = Registry::find()?;
    let name = match &arguments.board {
        Some(name) => name.clone(),
        None => board_name(&arguments.firmware)?,
    };
    let timeout = Duration::from_secs_f64(arguments.timeout);
    run_firmware(registry.board(&name)?, &arguments.firmware, timeout)
}
