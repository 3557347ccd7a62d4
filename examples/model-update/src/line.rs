//! Frames over the serial line.

use core::fmt::{Display, Write};

use microhlo_slots::frame::{Frame, Kind, MAX_FRAME, Received, Receiver, encode};

use microhlo_board::uart::Uart;

/// Longest text in a frame.
const TEXT: usize = 240;

/// The line to whoever sends updates.
pub struct Line {
    uart: Uart,
    receiver: Receiver,
}

impl Line {
    /// A line that nothing was received on.
    pub fn new(uart: Uart) -> Line {
        Line { uart, receiver: Receiver::new() }
    }

    /// Waits for a frame; `None` if one came damaged.
    pub fn receive(&mut self) -> Option<Frame<'_>> {
        loop {
            match self.receiver.push(self.uart.read()) {
                Received::More => {}
                Received::Frame => return Some(self.receiver.frame()),
                Received::Damaged => return None,
            }
        }
    }

    /// The frame that was received last.
    pub fn last(&self) -> Frame<'_> {
        self.receiver.frame()
    }

    /// Sends a frame.
    pub fn send(&mut self, kind: Kind, payload: &[&[u8]]) {
        let mut buffer = [0; MAX_FRAME];
        for &byte in encode(kind, payload, &mut buffer).unwrap_or(&[]) {
            self.uart.write(byte);
        }
    }

    /// Says what offset is expected next.
    pub fn ready(&mut self, offset: u32) {
        self.send(Kind::READY, &[&offset.to_le_bytes()]);
    }

    /// Sends a number and a text, as much of it as there is room for.
    pub fn say(&mut self, kind: Kind, number: &[u8], what: &dyn Display) {
        let mut text = heapless::String::<TEXT>::new();
        // What does not fit is left out.
        let _ = write!(text, "{what}");
        self.send(kind, &[number, text.as_bytes()]);
    }
}
