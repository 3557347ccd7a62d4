//! `microhlo monitor`: what a firmware logs with defmt.

use std::path::PathBuf;

#[cfg(not(feature = "probe"))]
use super::CmdError;
use super::wire::Wire;

/// Run a firmware and print what it logs with defmt: in QEMU until it ends, or on a real board.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ELF file of the firmware, with symbols; with debug information, lines say where they come from.
    #[arg(long, value_name = "FIRMWARE")]
    elf: PathBuf,
    /// The board; by default the one that the firmware is built for.
    #[arg(long, value_name = "BOARD")]
    on: Option<String>,
    /// Longest time in seconds to listen. In QEMU a firmware that runs longer is an error.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    #[command(flatten)]
    wire: Wire,
}

/// Runs the command.
#[cfg(not(feature = "probe"))]
pub fn run(_: &Args) -> Result<(), CmdError> {
    Err(CmdError::BadInput(super::wire::LEFT_OUT.to_owned()))
}

#[cfg(feature = "probe")]
pub use with_probes::{on_probe, run};

#[cfg(feature = "probe")]
mod with_probes {
    use super::Args;
    use crate::cmd::wire::attach;
    use crate::cmd::{CmdError, load, print_text};
    use microhlo_probe::{Decoder, Logs, Place, ProbeRs, Probes};
    use microhlo_qemu::{Board, Registry, board_name};
    use std::time::{Duration, Instant};

    /// How long a firmware may run in QEMU, unless the user says otherwise.
    const EMULATED: Duration = Duration::from_secs(300);

    /// Runs the command.
    pub fn run(args: &Args) -> Result<(), CmdError> {
        let file = load::read(&args.elf)?;
        let logs = Logs::of(&args.elf, &file)?;
        let registry = Registry::find().map_err(|e| CmdError::BadInput(e.to_string()))?;
        let name = match &args.on {
            Some(name) => name.clone(),
            None => board_name(&args.elf)
                .map_err(|e| CmdError::BadInput(format!("{e}; or name the board with --on")))?,
        };
        let board = registry.board(&name).map_err(|e| CmdError::BadInput(e.to_string()))?;
        let mut print = |line: String| print_text(&line);
        if args.wire.is_asked_for() {
            return on_probe(args, &ProbeRs, board, &file, &logs, &mut print);
        }
        emulated(args, board, &logs, &mut print)
    }

    /// Prints what a firmware logs in QEMU.
    fn emulated(
        args: &Args,
        board: &Board,
        logs: &Logs,
        print: &mut dyn FnMut(String),
    ) -> Result<(), CmdError> {
        let timeout = args.timeout.map_or(EMULATED, Duration::from_secs);
        let mut decoder = logs.decoder();
        let mut each = |bytes: &[u8]| {
            push(&mut decoder, bytes, print).map_err(|e| microhlo_qemu::Error::Line(Box::new(e)))
        };
        match microhlo_qemu::read_firmware(board, &args.elf, timeout, &mut each) {
            Ok(0) => Ok(()),
            Ok(code) => Err(CmdError::Failed(format!("the firmware ended with exit code {code}"))),
            Err(error) => Err(CmdError::Failed(error.to_string())),
        }
    }

    /// Prints what a firmware logs over RTT, from its reset on, until the time of `args` is over.
    ///
    /// # Errors
    /// There is no such chip or probe, the firmware does not log, or the connection is lost.
    pub fn on_probe(
        args: &Args,
        probes: &dyn Probes,
        board: &Board,
        file: &[u8],
        logs: &Logs,
        print: &mut dyn FnMut(String),
    ) -> Result<(), CmdError> {
        let place = Place::of(board, probes)?;
        let mut target = attach(probes, &place, &args.wire)?;
        let block = microhlo_probe::control_block(file);
        target.reset(block)?;
        let mut channel = microhlo_probe::listen(&mut *target, block, "defmt")?;
        let end = args.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut decoder = logs.decoder();
        loop {
            let soon = Instant::now() + Duration::from_millis(200);
            let deadline = end.map_or(soon, |end| end.min(soon));
            if let Some(bytes) = channel.receive(deadline)? {
                push(&mut decoder, &bytes, print)?;
            } else if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(());
            }
        }
    }

    fn push(
        decoder: &mut Decoder<'_>,
        bytes: &[u8],
        print: &mut dyn FnMut(String),
    ) -> Result<(), microhlo_probe::Error> {
        decoder.push(bytes, &mut |line| print(format!("{line}\n")))
    }
}
