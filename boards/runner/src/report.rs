//! Frames to the host.

use core::fmt::{self, Write};
use microhlo_board::console::Stream;
use microhlo_board::exit;
use microhlo_protocol::frame::{self, MAX_FRAME, MAX_TEXT};
use microhlo_protocol::{Message, Stage};

/// The stream of frames.
pub struct Report {
    stream: Stream,
}

impl Report {
    /// Opens the host's standard output.
    pub fn open() -> Result<Self, ()> {
        Stream::stdout().map(|stream| Self { stream }).map_err(|_| ())
    }

    /// Sends a message.
    ///
    /// A host that does not take it cannot be told anything, so that the
    /// firmware ends.
    pub fn send(&self, message: &Message<'_>) {
        let mut buffer = [0; MAX_FRAME];
        match frame::encode(message, &mut buffer) {
            Some(frame) => self.write(frame),
            None => exit::exit(crate::EXIT_NO_HOST),
        }
    }

    /// Sends an output and its bytes.
    pub fn send_output(&self, index: u32, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.send(&Message::Output { index, length });
        self.write(bytes);
    }

    /// Sends a tensor of debug information and its bytes.
    pub fn send_tensor(&self, tap: u32, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.send(&Message::Tensor { tap, length });
        self.write(bytes);
    }

    /// Sends an error, cut to the longest text a frame takes.
    pub fn fail(&self, stage: Stage, case: u32, error: &dyn fmt::Display) {
        let mut text = Text { bytes: [0; MAX_TEXT], length: 0 };
        // An error means that the text was cut.
        let _ = write!(text, "{error}");
        self.send(&Message::Failed { stage, case, text: text.as_str() });
    }

    fn write(&self, bytes: &[u8]) {
        if self.stream.write(bytes).is_err() {
            exit::exit(crate::EXIT_NO_HOST);
        }
    }
}

/// Text of bounded length.
struct Text {
    bytes: [u8; MAX_TEXT],
    length: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_TEXT - self.length;
        let taken = text.floor_char_boundary(text.len().min(room));
        let end = self.length + taken;
        let Some(free) = self.bytes.get_mut(self.length..end) else {
            return Err(fmt::Error);
        };
        free.copy_from_slice(&text.as_bytes()[..taken]);
        self.length = end;
        if taken < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
