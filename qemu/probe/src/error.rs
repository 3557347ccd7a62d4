//! Why a board cannot be flashed or listened to, and what to do about it.

use crate::select::{ProbeInfo, Selector};
use std::fmt::Display;
use std::path::PathBuf;
use thiserror::Error;

/// Why a probe, its chip or what is to be written is not as it must be. See the example of [`choose`](crate::choose).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No probe is plugged in.
    #[error(
        "no debug probe found; plug one in (or the board's USB port, if it has a probe on it), and on \
         Linux see that udev lets you open it: https://probe.rs/docs/getting-started/probe-setup"
    )]
    NoProbe,
    /// There are probes, but not the one asked for.
    #[error("no debug probe is {selector}; there are:\n{}", list(found))]
    NotFound {
        /// What was asked for.
        selector: Selector,
        /// What there is.
        found: Vec<ProbeInfo>,
    },
    /// More than one probe fits.
    #[error("{} debug probes fit; choose one with --probe=VID:PID:SERIAL:\n{}", found.len(), list(found))]
    Several {
        /// Those that fit.
        found: Vec<ProbeInfo>,
    },
    /// The system does not let this user open the probe.
    #[error(
        "{probe} may not be opened by this user; on Linux copy \
         https://probe.rs/files/69-probe-rs.rules to /etc/udev/rules.d, run `udevadm control --reload` \
         and plug the probe in again"
    )]
    NotAllowed {
        /// The probe.
        probe: ProbeInfo,
    },
    /// The probe cannot be opened.
    #[error(
        "{probe} cannot be opened ({reason}); close other programs that use it, or plug it in again"
    )]
    NotOpened {
        /// The probe.
        probe: ProbeInfo,
        /// The reason.
        reason: String,
    },
    /// No chip answers.
    #[error(
        "{chip} does not answer over {probe} ({reason}); check power and wiring, and if its firmware \
         sleeps or uses the debug pins for something else, add --connect-under-reset"
    )]
    NoAnswer {
        /// The chip expected.
        chip: String,
        /// The probe.
        probe: ProbeInfo,
        /// The reason.
        reason: String,
    },
    /// Another chip answers.
    #[error(
        "wrong chip: {probe} is connected to {found}, but the board has {expected}; name its board with \
         --board, or choose another probe with --probe=VID:PID:SERIAL"
    )]
    WrongChip {
        /// The chip of the board.
        expected: String,
        /// The chip that answers.
        found: String,
        /// The probe.
        probe: ProbeInfo,
    },
    /// The chip protects its memory.
    #[error(
        "{chip} is locked: it lets a probe in only after all of its memory is erased, firmware, models \
         and keys included; if nothing on it is needed any more, add --allow-erase-all"
    )]
    Locked {
        /// The chip.
        chip: String,
    },
    /// No chip has the name.
    #[error("unknown chip `{name}`{}", also(similar))]
    UnknownChip {
        /// The name.
        name: String,
        /// Names that begin alike.
        similar: Vec<String>,
    },
    /// A chip's description cannot be used.
    #[error("{path}: {reason}")]
    BadDescription {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The board is none that a probe reaches.
    #[error(
        "board `{board}` has no chip that a probe reaches: it is an emulated one; boards with a chip are \
         listed by `microhlo boards`, and a [probe] section in its board.toml makes one of yours"
    )]
    NoChip {
        /// The board.
        board: String,
    },
    /// The board's description and the chip's disagree.
    #[error("board `{board}`: {reason}")]
    Disagree {
        /// The board.
        board: String,
        /// In what.
        reason: String,
    },
    /// Bytes are to be written where there is no flash.
    #[error(
        "{what} lies at {address:#010x}, {bytes} bytes, but {chip} has no flash there; is it linked for \
         another board?"
    )]
    NoFlash {
        /// What is to be written.
        what: String,
        /// Where.
        address: u64,
        /// How much.
        bytes: u64,
        /// The chip.
        chip: String,
    },
    /// What is to be written does not fit.
    #[error(
        "{what} has {needed} bytes, but {place} has {available}; quantise the model, or enlarge the \
         partition in the board's board.toml"
    )]
    TooLarge {
        /// What is to be written.
        what: String,
        /// Bytes it has.
        needed: u64,
        /// Where it is to go.
        place: String,
        /// Bytes there are.
        available: u64,
    },
    /// Two things are to be written to one address.
    #[error(
        "{first} and {second} overlap at {address:#010x}; link the firmware so that it leaves the model partition alone"
    )]
    Overlap {
        /// What comes first.
        first: String,
        /// What begins before it ends.
        second: String,
        /// Where.
        address: u64,
    },
    /// Nothing is to be written.
    #[error("there is nothing to write: name an artifact, a --firmware or both")]
    Nothing,
    /// A firmware file cannot be used.
    #[error("{path}: {reason}")]
    BadFirmware {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Flash does not hold what was written.
    #[error(
        "{what} reads back wrong{}; the flash may be worn out or write protected, or the supply weak: try \
         again, and slower with --speed 1000",
        address.map_or(String::new(), |address| format!(" at {address:#010x}"))
    )]
    Verify {
        /// What was written.
        what: String,
        /// The first byte that is wrong, if it can be told.
        address: Option<u64>,
    },
    /// The chip or the probe is gone.
    #[error(
        "the connection was lost while {during} ({reason}); check the cable and run the same command again"
    )]
    Lost {
        /// What was being done.
        during: &'static str,
        /// The reason.
        reason: String,
    },
    /// Erasing or writing flash fails.
    #[error(
        "{chip}: {reason}; is its flash write protected? A tool of its vendor can tell and lift that"
    )]
    FlashFailed {
        /// The chip.
        chip: String,
        /// The reason.
        reason: String,
    },
    /// The firmware has no RTT channel.
    #[error(
        "the firmware opened no RTT channel within {seconds} s of its reset; does it log over RTT, and is \
         the ELF file the one that was flashed?"
    )]
    NoRtt {
        /// How long was waited.
        seconds: u64,
    },
    /// The firmware has stopped.
    #[error("the firmware stopped before its work was done: {reason}")]
    Stopped {
        /// Why, in the words of the chip.
        reason: String,
    },
    /// Logs cannot be decoded.
    #[error("{path}: {reason}")]
    BadLogs {
        /// The firmware.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Anything else that a library says.
    #[error("{during}: {reason}")]
    Other {
        /// What was being done.
        during: &'static str,
        /// The reason.
        reason: String,
    },
}

fn list(probes: &[ProbeInfo]) -> String {
    let lines: Vec<String> = probes.iter().map(|probe| format!("  {probe}")).collect();
    lines.join("\n")
}

fn also(similar: &[String]) -> String {
    if similar.is_empty() {
        return "; https://probe.rs/targets lists those that are known".to_owned();
    }
    format!("; similar ones are {}", similar.join(", "))
}

/// An error with the errors that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = trimmed(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = trimmed(error);
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

fn trimmed(error: &(impl Display + ?Sized)) -> String {
    error.to_string().trim_end_matches(['.', '\n', ' ']).to_owned()
}
