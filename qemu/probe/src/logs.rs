//! Decoding what firmware logs with defmt.

use crate::error::Error;
use defmt_decoder::{DecodeError, Frame, Locations, StreamDecoder, Table};
use std::fmt;
use std::path::{Path, PathBuf};

/// The logs of one firmware: the formats that its ELF file keeps, and where each is used.
///
/// ```
/// use microhlo_probe::{Error, Logs};
/// use std::path::Path;
///
/// let error = Logs::of(Path::new("firmware"), b"no ELF file").unwrap_err();
/// assert!(matches!(error, Error::BadLogs { .. }));
/// ```
#[derive(Debug)]
pub struct Logs {
    path: PathBuf,
    table: Table,
    locations: Option<Locations>,
}

/// One event of a log.
///
/// ```
/// use microhlo_probe::Line;
///
/// let line = Line {
///     level: Some("INFO"),
///     time: "0.25".to_owned(),
///     text: "digit 7".to_owned(),
///     location: Some(("src/main.rs".to_owned(), 31)),
/// };
/// assert_eq!(line.to_string(), "0.25 INFO  digit 7  (src/main.rs:31)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its level, such as `INFO`; none if it was printed without one.
    pub level: Option<&'static str>,
    /// When, in the firmware's own format; empty if it has none.
    pub time: String,
    /// The text.
    pub text: String,
    /// Source file and line, if the ELF file has debug information.
    pub location: Option<(String, u64)>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.time.is_empty() {
            write!(f, "{} ", self.time)?;
        }
        if let Some(level) = self.level {
            write!(f, "{level:<5} ")?;
        }
        f.write_str(&self.text)?;
        match &self.location {
            Some((file, line)) => write!(f, "  ({file}:{line})"),
            None => Ok(()),
        }
    }
}

impl Logs {
    /// Reads the table of formats of a firmware. See the example of [`Logs`].
    ///
    /// # Errors
    /// The file is no ELF file, or its firmware does not log with defmt.
    pub fn of(path: &Path, file: &[u8]) -> Result<Self, Error> {
        let bad = |reason: String| Error::BadLogs { path: path.to_owned(), reason };
        let table = Table::parse(file).map_err(|error| bad(format!("{error:#}")))?;
        let table = table.filter(|table| !table.is_empty()).ok_or_else(|| {
            bad("it does not log with defmt: there are no formats in it; link it with -Tdefmt.x, or pass \
                 the ELF file before it was stripped"
                .to_owned())
        })?;
        // Logs are readable without them.
        let locations = table.get_locations(file).ok();
        Ok(Self { path: path.to_owned(), table, locations })
    }

    /// Begins to decode a stream. See the example of [`Decoder`].
    pub fn decoder(&self) -> Decoder<'_> {
        Decoder { logs: self, stream: self.table.new_stream_decoder() }
    }
}

/// A stream of logs that is being decoded.
///
/// ```no_run
/// use microhlo_probe::{Logs, Up};
/// use std::path::Path;
/// use std::time::{Duration, Instant};
///
/// fn show(firmware: &Path, channel: &mut Up<'_>) -> Result<(), Box<dyn std::error::Error>> {
///     let logs = Logs::of(firmware, &std::fs::read(firmware)?)?;
///     let mut decoder = logs.decoder();
///     while let Some(bytes) = channel.receive(Instant::now() + Duration::from_secs(1))? {
///         decoder.push(&bytes, &mut |line| println!("{line}"))?;
///     }
///     Ok(())
/// }
/// ```
pub struct Decoder<'l> {
    logs: &'l Logs,
    stream: Box<dyn StreamDecoder + Send + Sync + 'l>,
}

impl Decoder<'_> {
    /// Takes more of the stream and calls `each` with every event that is complete.
    ///
    /// A frame that is damaged, as is the first one if listening begins in its middle, is left out.
    /// See the example of [`Decoder`].
    ///
    /// # Errors
    /// The bytes are no logs of this firmware, and where its frames end cannot be told.
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Line)) -> Result<(), Error> {
        self.stream.received(bytes);
        loop {
            match self.stream.decode() {
                Ok(frame) => each(self.logs.line(&frame)),
                Err(DecodeError::UnexpectedEof) => return Ok(()),
                Err(DecodeError::Malformed) if self.logs.table.encoding().can_recover() => {}
                Err(DecodeError::Malformed) => {
                    let reason = "what the board sends are not its logs; flash this very file, and begin \
                                  to listen before it logs";
                    let path = self.logs.path.clone();
                    return Err(Error::BadLogs { path, reason: reason.to_owned() });
                }
            }
        }
    }
}

impl Logs {
    fn line(&self, frame: &Frame<'_>) -> Line {
        let time = frame.display_timestamp().map(|time| time.to_string());
        let place = self.locations.as_ref().and_then(|all| all.get(&frame.index()));
        Line {
            level: frame.level().map(|level| level_name(level.as_str())),
            time: time.unwrap_or_default(),
            text: frame.display_message().to_string(),
            location: place.map(|at| {
                // Files below the current folder are called as people call them there.
                let here = std::env::current_dir().unwrap_or_default();
                let file = at.file.strip_prefix(here).unwrap_or(&at.file);
                (file.display().to_string(), at.line)
            }),
        }
    }
}

fn level_name(level: &str) -> &'static str {
    match level {
        "trace" => "TRACE",
        "debug" => "DEBUG",
        "info" => "INFO",
        "warn" => "WARN",
        _ => "ERROR",
    }
}
