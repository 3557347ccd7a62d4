//! Firmware that talks over the board's first serial line.

use crate::error::Error;
use crate::process::{self, Guest};
use crate::session::read_chunks;
use microhlo_boards::Board;
use std::io::Write;
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A board that runs a firmware until this is dropped, and its first serial line.
///
/// ```no_run
/// use microhlo_qemu::{Registry, Serial, build};
/// use std::time::Duration;
///
/// let registry = Registry::find()?;
/// let board = registry.board("mps2-an386")?;
/// let firmware = build(&registry, board, "digits-uart")?.join("digits-uart");
/// let mut line = Serial::start(board, &firmware)?;
/// line.send(&[0; 64])?;
/// println!("it answers {}", line.receive(Duration::from_secs(10))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Serial {
    guest: Guest,
    to: Option<ChildStdin>,
    from: Receiver<Vec<u8>>,
    errors: Option<JoinHandle<String>>,
    received: Vec<u8>,
    read: usize,
}

impl Serial {
    /// Starts a firmware. See the example of [`Serial`].
    ///
    /// # Errors
    /// QEMU is missing or too old.
    pub fn start(board: &Board, firmware: &Path) -> Result<Self, Error> {
        process::check_version(board)?;
        let mut command = process::command_with(board, firmware, "stdio")?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut guest = Guest::start_as_is(&mut command)?;
        let child = guest.child();
        let (to, from) = (child.stdin.take(), read_chunks(child.stdout.take()));
        let errors = child.stderr.take().map(process::collect);
        Ok(Self { guest, to, from, errors, received: Vec::new(), read: 0 })
    }

    /// Sends bytes to the firmware. See the example of [`Serial`].
    ///
    /// # Errors
    /// The emulation has ended.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sent = self.to.as_mut().map(|to| to.write_all(bytes).and_then(|()| to.flush()));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.end()),
        }
    }

    /// The next byte that the firmware sends. See the example of [`Serial`].
    ///
    /// # Errors
    /// None came within `timeout`, or the emulation has ended.
    pub fn receive(&mut self, timeout: Duration) -> Result<u8, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(&byte) = self.received.get(self.read) {
                self.read += 1;
                return Ok(byte);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.from.recv_timeout(left) {
                Ok(chunk) => (self.received, self.read) = (chunk, 0),
                Err(RecvTimeoutError::Timeout) => return Err(Error::TimedOut { limit: timeout }),
                Err(RecvTimeoutError::Disconnected) => return Err(self.end()),
            }
        }
    }

    /// Why the emulation has ended.
    fn end(&mut self) -> Error {
        let limit = Duration::from_secs(10);
        match self.guest.wait_until(Instant::now() + limit) {
            Ok(Some(status)) => {
                let errors = self.errors.take().and_then(|thread| thread.join().ok());
                process::ended(status, &errors.unwrap_or_default())
            }
            Ok(None) => Error::TimedOut { limit },
            Err(error) => error,
        }
    }
}
