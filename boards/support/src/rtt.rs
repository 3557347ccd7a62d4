//! Bytes and text to the host by RTT (real-time transfer): buffers in RAM that a debug probe reads while
//! the core runs.
//!
//! Channel 0, `microhlo`, is what the firmware has to say to a program; it waits for the probe when its
//! buffer is full. Channel 1, `messages`, is for people; what does not fit is dropped.

use core::fmt::{self, Write};
use rtt_target::{ChannelMode, UpChannel};

/// Number of the channel for programs.
const DATA: usize = 0;
/// Number of the channel for people.
const MESSAGES: usize = 1;

/// Sets the channels up.
pub(crate) fn init() {
    rtt_target::rtt_init! {
        up: {
            0: { size: 1024, mode: ChannelMode::BlockIfFull, name: "microhlo" }
            1: { size: 256, mode: ChannelMode::NoBlockTrim, name: "messages" }
        }
    };
}

/// Why a stream cannot be written.
#[derive(Debug, Clone, Copy)]
pub struct NoChannel;

/// A channel to the host.
pub struct Stream {
    channel: usize,
}

impl Stream {
    /// The channel for programs.
    pub fn stdout() -> Result<Self, NoChannel> {
        Self::open(DATA)
    }

    /// The channel for people.
    pub fn stderr() -> Result<Self, NoChannel> {
        Self::open(MESSAGES)
    }

    fn open(channel: usize) -> Result<Self, NoChannel> {
        Self { channel }.conjured().map(|_| Self { channel })
    }

    fn conjured(&self) -> Result<UpChannel, NoChannel> {
        // SAFETY: there is one core, and no interrupt writes to a channel; a fault's message may cut into
        // another one, after which nothing more is sent.
        unsafe { UpChannel::conjure(self.channel) }.ok_or(NoChannel)
    }

    /// Writes all bytes, or what there is room for on the channel for people.
    pub fn write(&self, bytes: &[u8]) -> Result<(), NoChannel> {
        self.conjured()?.write(bytes);
        Ok(())
    }
}

impl Write for Stream {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Ends what the firmware does: says so, and does nothing more.
pub(crate) fn exit(code: u8) -> ! {
    say_exit(code);
    loop {
        core::hint::spin_loop();
    }
}

/// Says with which code the firmware ends.
pub(crate) fn say_exit(code: u8) {
    if let Ok(stream) = Stream::stderr() {
        let digits = [b'0' + code / 100, b'0' + code / 10 % 10, b'0' + code % 10, b'\n'];
        // Nobody may be there to read it.
        let _ = stream.write(b"exit ");
        let _ = stream.write(&digits);
    }
}

/// Writes formatted text to the channel for people.
#[cfg(feature = "text")]
pub(crate) fn say(text: fmt::Arguments<'_>) {
    if let Ok(mut stream) = Stream::stderr() {
        // Nobody may be there to read it.
        let _ = writeln!(stream, "{text}");
    }
}
