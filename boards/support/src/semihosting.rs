//! Bytes and text to the host by semihosting.

use ::semihosting::io::{self, Write as _};
use core::cell::RefCell;

/// An open stream of the host.
pub struct Stream {
    inner: RefCell<Inner>,
}

enum Inner {
    Out(io::Stdout),
    Err(io::Stderr),
}

impl Stream {
    /// The emulator's standard output.
    pub fn stdout() -> io::Result<Self> {
        Ok(Self { inner: RefCell::new(Inner::Out(io::stdout()?)) })
    }

    /// The emulator's standard error.
    pub fn stderr() -> io::Result<Self> {
        Ok(Self { inner: RefCell::new(Inner::Err(io::stderr()?)) })
    }

    /// Writes all bytes, in as few semihosting calls as the host takes.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *self.inner.borrow_mut() {
            Inner::Out(stream) => stream.write_all(bytes),
            Inner::Err(stream) => stream.write_all(bytes),
        }
    }
}

/// Prints a line of formatted text on the emulator's standard output.
#[cfg(feature = "text")]
pub use ::semihosting::{eprintln, print, println};

/// Ends the emulator with an exit code.
pub(crate) fn exit(code: u8) -> ! {
    ::semihosting::process::exit(i32::from(code))
}

/// Writes formatted text to the emulator's standard error.
#[cfg(feature = "text")]
pub(crate) fn say(text: core::fmt::Arguments<'_>) {
    ::semihosting::eprintln!("{text}");
}
