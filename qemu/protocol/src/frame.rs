//! Framing of messages: a mark, a length of two bytes, a postcard-encoded message.

use crate::Message;

/// First byte of every frame. Text that strays into the stream does not have it.
pub const MARK: u8 = 0xA7;

/// Bytes before the message.
pub const HEADER: usize = 3;

/// Longest frame in bytes.
pub const MAX_FRAME: usize = 512;

/// Longest error text in bytes, so that a frame always has room for it.
pub const MAX_TEXT: usize = 384;

/// A frame that is not what it must be. See the example of [`decode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The first byte is not [`MARK`].
    NoMark(u8),
    /// The length exceeds [`MAX_FRAME`].
    TooLong(usize),
    /// The message does not decode.
    BadMessage,
}

/// Writes a message's frame into `buffer` and returns it; `None` if a text in
/// it is longer than [`MAX_TEXT`]. See the example of [`decode`].
pub fn encode<'b>(message: &Message<'_>, buffer: &'b mut [u8; MAX_FRAME]) -> Option<&'b [u8]> {
    let (header, body) = buffer.split_at_mut(HEADER);
    let length = postcard::to_slice(message, body).ok()?.len();
    let [low, high] = u16::try_from(length).ok()?.to_le_bytes();
    header.copy_from_slice(&[MARK, low, high]);
    buffer.get(..HEADER + length)
}

/// Reads the frame at the start of `bytes`: the message and the frame's
/// length, or `None` if more bytes are needed.
///
/// ```
/// use microhlo_protocol::Message;
/// use microhlo_protocol::frame::{FrameError, MAX_FRAME, decode, encode};
///
/// let mut buffer = [0; MAX_FRAME];
/// let frame = encode(&Message::JobStarted { job: 2 }, &mut buffer).expect("it has no text");
/// assert_eq!(decode(frame), Ok(Some((Message::JobStarted { job: 2 }, frame.len()))));
/// // The rest of it is still to come.
/// assert_eq!(decode(&frame[..2]), Ok(None));
/// // Text that strayed into the stream.
/// assert_eq!(decode(b"panicked"), Err(FrameError::NoMark(b'p')));
/// ```
pub fn decode(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, FrameError> {
    match *bytes {
        [] => return Ok(None),
        [mark, ..] if mark != MARK => return Err(FrameError::NoMark(mark)),
        _ => {}
    }
    let &[_, low, high, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    let length = usize::from(u16::from_le_bytes([low, high]));
    if HEADER + length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(Some((message, HEADER + length))),
        _ => Err(FrameError::BadMessage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_decodes_to_its_message_and_needs_all_its_bytes() {
        let message = Message::Hello { version: 1, board: "b", arena_bytes: 70_000 };
        let mut buffer = [0; MAX_FRAME];
        let frame = encode(&message, &mut buffer).unwrap();
        for end in 0..frame.len() {
            assert_eq!(decode(&frame[..end]), Ok(None));
        }
        assert_eq!(decode(frame), Ok(Some((message, frame.len()))));
    }

    #[test]
    fn stray_text_and_damaged_frames_are_errors() {
        assert_eq!(decode(b"hello"), Err(FrameError::NoMark(b'h')));
        assert_eq!(decode(&[MARK, 0xFF, 0xFF]), Err(FrameError::TooLong(0xFFFF)));
        assert_eq!(decode(&[MARK, 1, 0, 0xFF]), Err(FrameError::BadMessage));
    }

    #[test]
    fn the_longest_text_fits() {
        let text = core::str::from_utf8(&[b'x'; MAX_TEXT]).unwrap();
        let message = Message::Failed { stage: crate::Stage::Run, case: u32::MAX, text };
        assert!(encode(&message, &mut [0; MAX_FRAME]).is_some());
    }
}
