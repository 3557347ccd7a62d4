//! Why an emulation cannot be done.

use microhlo_boards::RegistryError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why an emulation, as opposed to one of its jobs, fails. See the example of [`board_name`](crate::board_name).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No such board.
    #[error(transparent)]
    Board(#[from] RegistryError),
    /// QEMU does not have the board.
    #[error(
        "{board} cannot be emulated; add --probe to run on the real board (chip {chip}), or take one of \
         the emulated boards that `microhlo boards` lists"
    )]
    NotEmulated {
        /// The board.
        board: String,
        /// The name of its chip for probe-rs.
        chip: String,
    },
    /// QEMU is not installed.
    #[error(
        "{binary} is not installed; install QEMU 7.2 or newer (Debian and Ubuntu: `apt-get install {package}`, \
         Fedora: `dnf install {binary}-core`, macOS: `brew install qemu`)"
    )]
    QemuMissing {
        /// The program looked for.
        binary: String,
        /// Debian's package.
        package: &'static str,
    },
    /// QEMU is older than the project needs.
    #[error("{binary} is version {found}; version 7.2 or newer is needed")]
    QemuTooOld {
        /// The program.
        binary: String,
        /// Its version.
        found: String,
    },
    /// The version cannot be read.
    #[error("`{binary} --version` printed no version: {output}")]
    QemuVersion {
        /// The program.
        binary: String,
        /// What it printed.
        output: String,
    },
    /// Cargo cannot be started.
    #[error("cargo cannot be started to build firmware ({source}); install Rust with rustup")]
    CargoMissing {
        /// The reason.
        source: io::Error,
    },
    /// The target's standard library is not installed.
    #[error("the target {target} is not installed; run `rustup target add {target}`")]
    TargetMissing {
        /// The target triple.
        target: String,
    },
    /// Firmware does not build.
    #[error("firmware `{package}` does not build for {board}:\n{output}")]
    Build {
        /// The cargo package.
        package: String,
        /// The board.
        board: String,
        /// What cargo printed.
        output: String,
    },
    /// A file or process of the host fails.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The reason.
        source: io::Error,
    },
    /// A file is not firmware of this project.
    #[error("{path}: {reason}")]
    NotFirmware {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The guest did not end in time.
    #[error(
        "the guest did not end within {limit:?}; if it was still working, allow more with --timeout"
    )]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The guest's processor faulted.
    #[error("the guest faulted: {report}")]
    Fault {
        /// What the guest or QEMU said.
        report: String,
    },
    /// The guest panicked.
    #[error("the guest panicked: {report}")]
    Panic {
        /// What the guest said.
        report: String,
    },
    /// The guest's messages make no sense.
    #[error("the guest's messages cannot be read: {reason}")]
    Protocol {
        /// What is wrong.
        reason: String,
    },
    /// What carries the messages of a runner fails: a debug probe, say.
    #[error(transparent)]
    Line(Box<dyn std::error::Error + Send + Sync>),
    /// QEMU or the guest ended before its work did.
    #[error("QEMU ended with {status} before the work was done: {report}")]
    Ended {
        /// The exit status.
        status: String,
        /// What the guest or QEMU said.
        report: String,
    },
}

impl Error {
    /// An I/O error with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
