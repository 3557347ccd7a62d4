//! Starting QEMU, and ending it whatever happens.

use crate::error::Error;
use crate::session::read_chunks;
use microhlo_boards::{Board, Qemu};
use microhlo_protocol::{EXIT_FAULT, EXIT_PANIC};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

/// Oldest version that has what the boards need.
const OLDEST: (u32, u32) = (7, 2);

/// How QEMU emulates a board.
///
/// # Errors
/// It does not.
pub(crate) fn emulation(board: &Board) -> Result<&Qemu, Error> {
    let chip = || board.probe.as_ref().map_or("unknown", |probe| &probe.chip).to_owned();
    let not_emulated = || Error::NotEmulated { board: board.name.clone(), chip: chip() };
    board.qemu.as_ref().ok_or_else(not_emulated)
}

/// Checks that the board's QEMU is installed and new enough; returns its version.
///
/// ```
/// use microhlo_qemu::{Board, Error, check_version};
///
/// let board: Board = toml::from_str(r#"
///     description = "A real board"
///     target = "thumbv7em-none-eabihf"
///     core = "cortex-m4f"
///     memory = []
///     probe = { chip = "nRF52840_xxAA" }
///     counter = { kind = "dwt" }
/// "#)?;
/// assert!(matches!(check_version(&board), Err(Error::NotEmulated { .. })));
/// # Ok::<(), toml::de::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotEmulated`], [`Error::QemuMissing`], [`Error::QemuTooOld`] or [`Error::QemuVersion`].
pub fn check_version(board: &Board) -> Result<String, Error> {
    let binary = &emulation(board)?.binary;
    let output = Command::new(binary)
        .arg("--version")
        .output()
        .map_err(|source| start_error(binary, source))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(version) = version_of(&text) else {
        return Err(Error::QemuVersion { binary: binary.clone(), output: text.into_owned() });
    };
    let found = format!("{}.{}", version.0, version.1);
    if version < OLDEST {
        return Err(Error::QemuTooOld { binary: binary.clone(), found });
    }
    Ok(found)
}

/// Major and minor number in `QEMU emulator version 7.2.22 (...)`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let rest = text.split_once("version ")?.1;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn start_error(binary: &str, source: io::Error) -> Error {
    let binary = binary.to_owned();
    if source.kind() != io::ErrorKind::NotFound {
        return Error::Io { what: format!("{binary} cannot be started"), source };
    }
    let package = if binary.contains("riscv") { "qemu-system-misc" } else { "qemu-system-arm" };
    Error::QemuMissing { binary, package }
}

/// The command that starts a firmware on a board.
///
/// # Errors
/// [`Error::NotEmulated`].
pub(crate) fn command(board: &Board, firmware: &Path) -> Result<Command, Error> {
    command_with(board, firmware, "none")
}

/// The same with its first serial line led to `serial`, as QEMU's `-serial` says it.
///
/// # Errors
/// [`Error::NotEmulated`].
pub(crate) fn command_with(board: &Board, firmware: &Path, serial: &str) -> Result<Command, Error> {
    let qemu = emulation(board)?;
    let mut command = Command::new(&qemu.binary);
    command.args(["-machine", &qemu.machine]);
    if let Some(cpu) = &qemu.cpu {
        command.args(["-cpu", cpu]);
    }
    command
        .args(&qemu.args)
        .args(["-icount", &format!("shift={}", qemu.icount_shift)])
        .args(["-display", "none", "-monitor", "none", "-serial", serial])
        .args(["-semihosting-config", "enable=on,target=native"])
        .arg("-kernel")
        .arg(firmware);
    Ok(command)
}

/// A running QEMU that is killed when it goes out of scope.
pub(crate) struct Guest {
    child: Child,
}

impl Guest {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Error> {
        Self::start_as_is(command.stdin(Stdio::null()))
    }

    /// Starts it with the standard input that the command says.
    pub(crate) fn start_as_is(command: &mut Command) -> Result<Self, Error> {
        let child = command
            .spawn()
            .map_err(|source| start_error(&command.get_program().to_string_lossy(), source))?;
        Ok(Self { child })
    }

    /// The process, to take its streams.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until it ends, but not beyond `deadline`: `None` if it has not ended.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> Result<Option<ExitStatus>, Error> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.child.try_wait().map_err(Error::io("waiting for QEMU"))? {
                return Ok(Some(status));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail only if it has already ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a stream to its end on another thread.
pub(crate) fn collect(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a failure is still worth reporting.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The error that an exit status stands for, with what was written to standard error.
pub(crate) fn ended(status: ExitStatus, errors: &str) -> Error {
    let report = report(errors);
    match status.code() {
        Some(code) if code == i32::from(EXIT_FAULT) => Error::Fault { report },
        Some(code) if code == i32::from(EXIT_PANIC) => Error::Panic { report },
        None if locked_up(status, errors) => {
            Error::Fault { report: format!("{report}: {LOCKED_UP}") }
        }
        _ => Error::Ended { status: status.to_string(), report },
    }
}

/// The part of the errors that is worth showing: not QEMU's register dump.
fn report(errors: &str) -> String {
    let text = errors.split("\n\n").next().unwrap_or_default().trim();
    if text.is_empty() { "no message".to_owned() } else { text.to_owned() }
}

/// Runs a firmware with its text on this process's standard streams, and
/// returns its exit code. See the example of [`build`](crate::build).
///
/// # Errors
/// QEMU is missing or too old, or the guest does not end within `timeout`.
/// A guest that panics or faults is not an error here: it has its own exit
/// code and has said why.
pub fn run_firmware(board: &Board, firmware: &Path, timeout: Duration) -> Result<u8, Error> {
    check_version(board)?;
    let mut guest = Guest::start(command(board, firmware)?.stderr(Stdio::piped()))?;
    let errors = guest.child().stderr.take().map(pass_on);
    exit_code(guest, errors, Instant::now() + timeout, timeout)
}

/// Waits for the end of a guest and returns its exit code.
fn exit_code(
    mut guest: Guest,
    errors: Option<thread::JoinHandle<String>>,
    deadline: Instant,
    limit: Duration,
) -> Result<u8, Error> {
    let Some(status) = guest.wait_until(deadline)? else {
        return Err(Error::TimedOut { limit });
    };
    let errors = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if locked_up(status, &errors) {
        eprintln!("fault: {LOCKED_UP}");
        return Ok(EXIT_FAULT);
    }
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .ok_or_else(|| Error::Fault { report: format!("QEMU ended with {status}") })
}

/// Runs a firmware and gives what it writes to its standard output to `each`; what it writes to standard
/// error goes to that of this process. Returns its exit code.
///
/// ```no_run
/// use microhlo_qemu::{Registry, build, read_firmware};
/// use std::time::Duration;
///
/// let registry = Registry::find()?;
/// let board = registry.board("mps2-an386")?;
/// let firmware = build(&registry, board, "digits")?.join("digits");
/// let mut said = Vec::new();
/// let code = read_firmware(board, &firmware, Duration::from_secs(60), &mut |bytes| {
///     said.extend_from_slice(bytes);
///     Ok(())
/// })?;
/// println!("{} bytes of output, exit code {code}", said.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`run_firmware`]; and those of `each`, which end the emulation.
pub fn read_firmware(
    board: &Board,
    firmware: &Path,
    timeout: Duration,
    each: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<u8, Error> {
    check_version(board)?;
    let mut command = command(board, firmware)?;
    let mut guest = Guest::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let errors = guest.child().stderr.take().map(pass_on);
    let chunks = read_chunks(guest.child().stdout.take());
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match chunks.recv_timeout(left) {
            Ok(chunk) => each(&chunk)?,
            Err(RecvTimeoutError::Timeout) => return Err(Error::TimedOut { limit: timeout }),
            Err(RecvTimeoutError::Disconnected) => {
                return exit_code(guest, errors, deadline, timeout);
            }
        }
    }
}

/// Copies a stream to standard error, and returns the text at its end.
fn pass_on(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut chunk = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            let taken = chunk.get(..length).unwrap_or_default();
            bytes.extend_from_slice(taken);
            // If nobody takes it, the exit code still tells what happened.
            let _ = io::stderr().write_all(taken);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What it means that a processor locks up.
const LOCKED_UP: &str = "the processor locked up, by a fault while it took a fault; \
     without a protection unit this is how it ends when the stack is used up";

/// Whether QEMU aborted because a fault occurred while the processor handled one.
fn locked_up(status: ExitStatus, errors: &str) -> bool {
    status.code().is_none() && errors.contains("Lockup")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version_of("QEMU emulator version 7.2.22 (Debian 1:7.2)"), Some((7, 2)));
        assert_eq!(version_of("QEMU emulator version 10.0.0\nCopyright"), Some((10, 0)));
        assert_eq!(version_of("something else"), None);
    }

    #[test]
    fn the_register_dump_is_left_out() {
        assert_eq!(report("qemu: fatal: Lockup\n\nR00=0"), "qemu: fatal: Lockup");
        assert_eq!(report(""), "no message");
    }
}
