//! Frames for an update over a serial line: a byte that starts one, what it is, a length, the payload, and a
//! CRC-32 of all but the first byte. Numbers are little-endian.
//!
//! The sender waits for an answer to each frame. [`Kind::BEGIN`] carries the core of a header
//! ([`Header::encode`](crate::Header::encode)), [`Kind::DATA`] the offset of its bytes in the artifact and the
//! bytes, [`Kind::COMMIT`] nothing. The receiver answers [`Kind::READY`] with the offset that it expects next:
//! a sender that hears nothing, or of another offset, goes on from there. What cannot be done is answered by
//! [`Kind::REFUSED`] with the reason in words, and ends the update.
//!
//! ```
//! use microhlo_slots::frame::{self, Kind, Received, Receiver};
//!
//! let mut buffer = [0; frame::MAX_FRAME];
//! let offset = 0_u32.to_le_bytes();
//! let sent = frame::encode(Kind::DATA, &[&offset, b"artifact"], &mut buffer).expect("it fits");
//!
//! let mut receiver = Receiver::default();
//! let mut received = Received::More;
//! for &byte in sent {
//!     assert_eq!(received, Received::More);
//!     received = receiver.push(byte);
//! }
//! assert_eq!(received, Received::Frame);
//! assert_eq!((receiver.frame().kind, &receiver.frame().payload[4..]), (Kind::DATA, &b"artifact"[..]));
//! ```

use crate::header::Checksum;

/// The first byte of a frame.
pub const START: u8 = 0xa7;

/// Longest payload in bytes.
pub const MAX_PAYLOAD: usize = 260;

/// Longest frame in bytes.
pub const MAX_FRAME: usize = BEFORE + MAX_PAYLOAD + 4;

/// Bytes before the payload.
const BEFORE: usize = 4;

/// What a frame is. Numbers from 0x40 on are left to the application.
///
/// ```
/// use microhlo_slots::frame::{self, Kind};
///
/// const RESTART: Kind = Kind(0x40); // of this application
/// let mut buffer = [0; frame::MAX_FRAME];
/// let bytes = frame::encode(RESTART, &[], &mut buffer).expect("it fits");
/// assert_eq!(bytes[..2], [frame::START, 0x40]);
/// assert_ne!(RESTART, Kind::COMMIT);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Kind(pub u8);

impl Kind {
    /// To the device: an update begins; the payload is the core of its header.
    pub const BEGIN: Kind = Kind(1);
    /// To the device: an offset in the artifact (4 bytes), and bytes of it.
    pub const DATA: Kind = Kind(2);
    /// To the device: the artifact is complete.
    pub const COMMIT: Kind = Kind(3);
    /// From the device: the offset (4 bytes) of what it expects next.
    pub const READY: Kind = Kind(0x21);
    /// From the device: why it does not go on, in UTF-8.
    pub const REFUSED: Kind = Kind(0x22);
}

/// A frame that has arrived whole.
///
/// ```
/// use microhlo_slots::frame::{Frame, Kind};
///
/// /// Where a device says that the sender is to go on.
/// fn expected(frame: Frame<'_>) -> Option<u32> {
///     let offset = frame.payload.first_chunk()?;
///     (frame.kind == Kind::READY).then_some(u32::from_le_bytes(*offset))
/// }
/// assert_eq!(expected(Frame { kind: Kind::READY, payload: &[0, 1, 0, 0] }), Some(256));
/// assert_eq!(expected(Frame { kind: Kind::REFUSED, payload: b"why not" }), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// What it carries.
    pub payload: &'a [u8],
}

/// What one more byte leads to.
///
/// ```
/// use microhlo_slots::frame::{self, Kind, Received, Receiver};
///
/// let mut bytes = [0; frame::MAX_FRAME];
/// let length = frame::encode(Kind::COMMIT, &[], &mut bytes).expect("it fits").len();
/// bytes[length - 1] ^= 1; // on the line
/// let mut receiver = Receiver::new();
/// let last = bytes[..length].iter().map(|&byte| receiver.push(byte)).last();
/// assert_eq!(last, Some(Received::Damaged));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// More bytes are needed.
    More,
    /// A frame ends with this byte: [`Receiver::frame`] has it until the next one.
    Frame,
    /// A frame ended, but it is damaged; or it was longer than any is.
    Damaged,
}

/// Writes a frame into `buffer` and returns its bytes; `None` if the parts of the payload are longer than
/// [`MAX_PAYLOAD`] together.
///
/// ```
/// use microhlo_slots::frame::{self, Kind, MAX_PAYLOAD};
///
/// let mut buffer = [0; frame::MAX_FRAME];
/// let bytes = frame::encode(Kind::DATA, &[&[0; 4], b"artifact"], &mut buffer).expect("it fits");
/// assert_eq!((bytes.len(), &bytes[1..4]), (4 + 12 + 4, &[2, 12, 0][..]));
/// assert_eq!(frame::encode(Kind::DATA, &[&[0; MAX_PAYLOAD + 1]], &mut buffer), None);
/// ```
pub fn encode<'b>(
    kind: Kind,
    payload: &[&[u8]],
    buffer: &'b mut [u8; MAX_FRAME],
) -> Option<&'b [u8]> {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    if length > MAX_PAYLOAD {
        return None;
    }
    let [low, high] = (length as u16).to_le_bytes();
    let mut checksum = Checksum::new();
    checksum.update(&[kind.0, low, high]);
    payload.iter().for_each(|part| checksum.update(part));
    let sum = checksum.value().to_le_bytes();
    let head = [START, kind.0, low, high];
    let bytes = head.iter().chain(payload.iter().copied().flatten()).chain(&sum);
    for (to, from) in buffer.iter_mut().zip(bytes) {
        *to = *from;
    }
    buffer.get(..BEFORE + length + 4)
}

/// Puts frames together from bytes.
///
/// ```
/// use microhlo_slots::frame::{self, Kind, Received, Receiver};
///
/// let mut buffer = [0; frame::MAX_FRAME];
/// let sent = frame::encode(Kind::COMMIT, &[], &mut buffer).expect("it fits");
/// let mut receiver = Receiver::new();
/// // Noise on the line comes before each of the two frames.
/// let line = [b"noise", sent, b"noise", sent].concat();
/// let frames = line.iter().filter(|&&byte| receiver.push(byte) == Received::Frame).count();
/// assert_eq!((frames, receiver.frame().kind), (2, Kind::COMMIT));
/// ```
#[derive(Debug)]
pub struct Receiver {
    bytes: [u8; MAX_FRAME],
    filled: usize,
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver::new()
    }
}

impl Receiver {
    /// One that waits for the start of a frame.
    ///
    /// ```
    /// use microhlo_slots::frame::{Received, Receiver};
    ///
    /// const IDLE: Receiver = Receiver::new(); // so that a static may hold one
    /// let mut receiver = IDLE;
    /// assert_eq!(receiver.push(b'?'), Received::More);
    /// ```
    pub const fn new() -> Receiver {
        Receiver { bytes: [0; MAX_FRAME], filled: 0 }
    }

    /// Takes the next byte. What comes between frames is passed over.
    ///
    /// See the example of [`Receiver`].
    pub fn push(&mut self, byte: u8) -> Received {
        if self.filled == 0 && byte != START {
            return Received::More;
        }
        if let Some(place) = self.bytes.get_mut(self.filled) {
            *place = byte;
            self.filled += 1;
        }
        if self.filled < BEFORE {
            return Received::More;
        }
        let length = self.length();
        if length > MAX_PAYLOAD {
            self.filled = 0;
            return Received::Damaged;
        }
        if self.filled < BEFORE + length + 4 {
            return Received::More;
        }
        self.filled = 0;
        let covered = self.bytes.get(1..BEFORE + length).unwrap_or(&[]);
        let sum = self.bytes.get(BEFORE + length..).and_then(|rest| rest.first_chunk());
        let mut checksum = Checksum::new();
        checksum.update(covered);
        match sum.is_some_and(|sum| checksum.value() == u32::from_le_bytes(*sum)) {
            true => Received::Frame,
            false => Received::Damaged,
        }
    }

    /// The frame that the last byte ended, if [`push`](Receiver::push) says that there is one.
    ///
    /// ```
    /// use microhlo_slots::frame::{self, Frame, Kind, Received, Receiver};
    ///
    /// let mut buffer = [0; frame::MAX_FRAME];
    /// let sent = frame::encode(Kind::REFUSED, &[b"too ", b"long"], &mut buffer).expect("it fits");
    /// let mut receiver = Receiver::new();
    /// assert!(sent.iter().any(|&byte| receiver.push(byte) == Received::Frame));
    /// assert_eq!(receiver.frame(), Frame { kind: Kind::REFUSED, payload: b"too long" });
    /// ```
    pub fn frame(&self) -> Frame<'_> {
        let [_, kind, ..] = self.bytes;
        let payload = self.bytes.get(BEFORE..BEFORE + self.length()).unwrap_or(&[]);
        Frame { kind: Kind(kind), payload }
    }

    /// Length of the payload as the frame says it.
    fn length(&self) -> usize {
        let [_, _, low, high, ..] = self.bytes;
        usize::from(u16::from_le_bytes([low, high]))
    }

    /// Forgets the start of a frame, as when nothing more came of it for some time.
    ///
    /// ```
    /// use microhlo_slots::frame::{self, Kind, Received, Receiver};
    ///
    /// let mut buffer = [0; frame::MAX_FRAME];
    /// let sent = frame::encode(Kind::COMMIT, &[], &mut buffer).expect("it fits");
    /// let mut receiver = Receiver::new();
    /// assert_eq!(receiver.push(sent[0]), Received::More); // then the sender starts anew
    /// receiver.reset();
    /// assert_eq!(sent.iter().map(|&byte| receiver.push(byte)).last(), Some(Received::Frame));
    /// ```
    pub fn reset(&mut self) {
        self.filled = 0;
    }
}
