//! A cursor over the text: blanks, punctuation, words, numbers, strings.
//!
//! MLIR's tokens depend on their context (`4x8xf32`, `0:2`, `[b, 0, 1, f]x[0, 1, i, o]`), so the
//! parser asks for what the grammar allows next instead of splitting the text in advance. Weights
//! are found with `memchr` and never looked at byte by byte.

use std::borrow::Cow;

use crate::diag::{Diagnostic, Span};

/// Why parsing of a construct stopped: a report, or `None` when the cause is reported already.
pub(crate) type Stop = Option<Box<Diagnostic>>;

/// Result of a parsing step.
pub(crate) type PResult<T> = Result<T, Stop>;

/// Deepest nesting of types, attributes, locations and regions. Deeper input is refused instead
/// of overflowing the stack.
pub(crate) const MAX_DEPTH: u32 = 128;

/// A position in the text.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    pos: usize,
    depth: u32,
}

/// Whether a byte can be part of a bare identifier.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.')
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text: text.as_bytes(), pos: 0, depth: 0 }
    }

    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    pub(crate) fn seek(&mut self, pos: usize) {
        self.pos = pos.min(self.text.len());
    }

    /// The bytes from `start` to the current position.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.pos).unwrap_or(&[])
    }

    pub(crate) fn span_since(&self, start: usize) -> Span {
        Span::new(start, self.pos)
    }

    /// The rest of the text.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.get(self.pos..).unwrap_or(&[])
    }

    /// Skips blanks and comments.
    pub(crate) fn skip(&mut self) {
        loop {
            match self.rest() {
                [b' ' | b'\n' | b'\t' | b'\r', ..] => self.pos += 1,
                [b'/', b'/', rest @ ..] => {
                    self.pos += 2 + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    /// The next byte after blanks, or 0 at the end.
    pub(crate) fn peek(&mut self) -> u8 {
        self.skip();
        self.rest().first().copied().unwrap_or(0)
    }

    /// Whether punctuation comes next, after blanks.
    pub(crate) fn at(&mut self, token: &str) -> bool {
        self.skip();
        self.rest().starts_with(token.as_bytes())
    }

    /// Consumes punctuation if it comes next.
    pub(crate) fn eat(&mut self, token: &str) -> bool {
        let found = self.at(token);
        if found {
            self.pos += token.len();
        }
        found
    }

    /// Consumes punctuation or fails.
    pub(crate) fn expect(&mut self, token: &str) -> PResult<()> {
        if self.eat(token) { Ok(()) } else { Err(self.expected(&format!("`{token}`"))) }
    }

    /// The bare word that comes next, not consumed; empty if there is none.
    pub(crate) fn peek_word(&mut self) -> &'a str {
        let first = self.peek();
        if !(first.is_ascii_alphabetic() || first == b'_') {
            return "";
        }
        let rest = self.rest();
        let len = rest.iter().position(|&b| !is_word(b)).unwrap_or(rest.len());
        std::str::from_utf8(&rest[..len]).unwrap_or("")
    }

    /// Consumes a bare word; empty if there is none.
    pub(crate) fn word(&mut self) -> &'a str {
        let word = self.peek_word();
        self.pos += word.len();
        word
    }

    /// Consumes the given word if exactly it comes next.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == word;
        if found {
            self.pos += word.len();
        }
        found
    }

    /// Consumes the given word or fails.
    pub(crate) fn expect_word(&mut self, word: &str) -> PResult<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// The name after a sigil (`%arg0`, `^bb0`, `#loc1`, `!t`): word bytes and `-`, digits first
    /// allowed.
    pub(crate) fn name(&mut self, what: &str) -> PResult<&'a str> {
        let rest = self.rest();
        let end = |&b: &u8| !(is_word(b) || b == b'-');
        let mut len = rest.iter().position(end).unwrap_or(rest.len());
        // `%0->` is not a name ending in a dash.
        while len > 0 && rest[len - 1] == b'-' {
            len -= 1;
        }
        if len == 0 {
            return Err(self.expected(what));
        }
        self.pos += len;
        Ok(std::str::from_utf8(&rest[..len]).unwrap_or(""))
    }

    /// `@name` or `@"any name"`, without nested references.
    pub(crate) fn symbol(&mut self) -> PResult<Cow<'a, str>> {
        if !self.eat("@") {
            return Err(self.expected("a symbol name `@...`"));
        }
        if self.rest().first() == Some(&b'"') {
            return self.string();
        }
        self.name("a symbol name after `@`").map(Cow::Borrowed)
    }

    /// The text between quotes, escapes untouched.
    pub(crate) fn raw_string(&mut self) -> PResult<&'a [u8]> {
        self.skip();
        let start = self.pos;
        if !self.eat("\"") {
            return Err(self.expected("a string"));
        }
        let mut end = self.pos;
        loop {
            let rest = self.text.get(end..).unwrap_or(&[]);
            match memchr::memchr2(b'"', b'\\', rest) {
                Some(i) if rest[i] == b'"' => {
                    let body = &self.text[self.pos..end + i];
                    self.pos = end + i + 1;
                    return Ok(body);
                }
                Some(i) => end += i + 2,
                None => {
                    let open = Span::new(start, start + 1);
                    return Err(error(open, "the string that starts here is never closed")
                        .map(|d| Box::new(d.help("add the closing `\"`"))));
                }
            }
        }
    }

    /// A string with its escapes replaced. Bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn string(&mut self) -> PResult<Cow<'a, str>> {
        let raw = self.raw_string()?;
        if memchr::memchr(b'\\', raw).is_none() {
            return Ok(String::from_utf8_lossy(raw));
        }
        Ok(Cow::Owned(String::from_utf8_lossy(&unescape(raw)).into_owned()))
    }

    /// An integer, decimal or hexadecimal, with an optional sign.
    pub(crate) fn integer(&mut self) -> PResult<i128> {
        self.skip();
        let start = self.pos;
        let negative = self.eat("-");
        let rest = self.rest();
        let hex =
            rest.len() > 2 && rest[0] == b'0' && rest[1] == b'x' && rest[2].is_ascii_hexdigit();
        let (skip, radix) = if hex { (2, 16) } else { (0, 10) };
        let digit = |b: &u8| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() };
        let body = &rest[skip..];
        let len = body.iter().position(|b| !digit(b)).unwrap_or(body.len());
        if len == 0 {
            self.pos = start;
            return Err(self.expected("an integer"));
        }
        self.pos += skip + len;
        let digits = std::str::from_utf8(&body[..len]).unwrap_or("");
        match i128::from_str_radix(digits, radix) {
            Ok(value) => Ok(if negative { -value } else { value }),
            Err(_) => Err(error(self.span_since(start), "the integer does not fit in 128 bits")),
        }
    }

    /// An integer of 64 bits.
    pub(crate) fn int64(&mut self) -> PResult<i64> {
        self.skip();
        let start = self.pos;
        let value = self.integer()?;
        i64::try_from(value)
            .map_err(|_| error(self.span_since(start), format!("{value} does not fit in 64 bits")))
    }

    /// The text of a number: sign, digits, fraction, exponent, or a hexadecimal integer.
    pub(crate) fn number_text(&mut self) -> &'a str {
        self.skip();
        let rest = self.rest();
        let len = number_len(rest);
        self.pos += len;
        std::str::from_utf8(&rest[..len]).unwrap_or("")
    }

    /// Begins a nesting level; fails at [`MAX_DEPTH`]. Each success needs one [`Cursor::leave`].
    pub(crate) fn enter(&mut self, at: usize) -> PResult<()> {
        if self.depth >= MAX_DEPTH {
            let message = format!("nesting is deeper than {MAX_DEPTH} levels");
            return Err(error(Span::new(at, at + 1), message));
        }
        self.depth += 1;
        Ok(())
    }

    /// Ends a nesting level.
    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Sets the nesting level back after a failure inside nested constructs.
    pub(crate) fn set_depth(&mut self, depth: u32) {
        self.depth = depth;
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// A report that `what` was expected here, naming what was found.
    pub(crate) fn expected(&mut self, what: &str) -> Stop {
        self.skip();
        let found = self.token_len();
        let span = Span::new(self.pos, self.pos + found.max(1));
        error(span, format!("expected {what}, found {}", self.found(found)))
    }

    /// Length of what a reader would call the next token.
    fn token_len(&self) -> usize {
        let rest = self.rest();
        let sigil = usize::from(matches!(rest.first(), Some(b'%' | b'@' | b'#' | b'!' | b'^')));
        let word = rest[sigil..].iter().position(|&b| !is_word(b)).unwrap_or(rest.len() - sigil);
        if word > 0 { sigil + word } else { rest.len().min(1) }
    }

    fn found(&self, len: usize) -> String {
        let rest = self.rest();
        if rest.is_empty() {
            return "the end of the file".into();
        }
        let shown = String::from_utf8_lossy(&rest[..len.min(40)]);
        // A multi-byte character cut in half is shown whole by its replacement.
        format!("`{shown}{}`", if len > 40 { "..." } else { "" })
    }
}

/// Length of a number at the start of `bytes`, 0 if there is none.
pub(crate) fn number_len(bytes: &[u8]) -> usize {
    let mut i = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let first = bytes.get(i).copied().unwrap_or(0);
    if !first.is_ascii_digit() {
        // What Rust prints for values that MLIR would spell in hexadecimal.
        let word = [b"inf".as_slice(), b"NaN"].into_iter().find(|w| bytes[i..].starts_with(w));
        return word.map_or(0, |w| i + w.len());
    }
    if first == b'0' && bytes.get(i + 1) == Some(&b'x') {
        // `0xf32` of a type never reaches this function: dimensions are parsed by digits alone.
        i += 2;
        return i + bytes[i..]
            .iter()
            .position(|b| !b.is_ascii_hexdigit())
            .unwrap_or(bytes.len() - i);
    }
    let digits =
        |i: usize| bytes[i..].iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len() - i);
    i += digits(i);
    if bytes.get(i) == Some(&b'.') {
        i += 1;
        i += digits(i);
    }
    if matches!(bytes.get(i), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(i + 1), Some(b'-' | b'+')));
        let start = i + 1 + sign;
        if bytes.get(start).is_some_and(u8::is_ascii_digit) {
            i = start + digits(start);
        }
    }
    i
}

/// Replaces `\n`, `\t`, `\"`, `\\` and two hexadecimal digits.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let hex = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(raw.len());
    let mut i = 0;
    while i < raw.len() {
        let (byte, used) = match &raw[i..] {
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', a, b, ..] if hex(*a).is_some() && hex(*b).is_some() => {
                (hex(*a).unwrap_or(0) << 4 | hex(*b).unwrap_or(0), 3)
            }
            [b'\\', other, ..] => (*other, 2),
            other => (other[0], 1),
        };
        out.push(byte);
        i += used;
    }
    out
}

/// An error report at `span`.
pub(crate) fn error(span: Span, message: impl Into<String>) -> Stop {
    Some(Box::new(Diagnostic { span: Some(span), ..Diagnostic::error(message) }))
}

/// A report of something that is not supported.
pub(crate) fn unsupported(span: Span, message: impl Into<String>) -> Stop {
    Some(Box::new(Diagnostic { span: Some(span), ..Diagnostic::unsupported(message) }))
}

/// Says that a report is of something that is not supported.
pub(crate) fn mark_unsupported(stop: Stop) -> Stop {
    stop.map(|d| Box::new(Diagnostic { unsupported: true, ..*d }))
}

/// Adds advice to a report.
pub(crate) fn advise(stop: Stop, help: impl Into<String>) -> Stop {
    stop.map(|d| Box::new(d.help(help)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_they_end() {
        for (text, len) in [
            ("1.0e+40,", 7),
            ("-3.", 3),
            ("1.5E-4]", 6),
            ("0x7F80>", 6),
            ("12:3", 2),
            ("3e", 1),
            ("abc", 0),
            ("-", 0),
            ("-inf ", 4),
        ] {
            assert_eq!(number_len(text.as_bytes()), len, "{text}");
        }
    }

    #[test]
    fn strings_are_unescaped() {
        let mut cursor = Cursor::new(r#""a\22b\\c\0A\n\q" rest"#);
        assert_eq!(cursor.string().unwrap(), "a\"b\\c\n\nq");
        assert_eq!(cursor.word(), "rest");
    }
}
