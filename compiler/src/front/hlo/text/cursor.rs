//! Characters and words of HLO text.

use super::super::graph::{Res, error};
use crate::diag::Span;

/// A position in the text.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    pos: usize,
}

/// Whether a byte belongs to names, opcodes and keywords.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, pos: 0 }
    }

    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    /// Moves by `bytes`, which end at a character boundary.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.pos = (self.pos + bytes).min(self.text.len());
    }

    /// The rest of the text, whitespace and comments included.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.pos..).unwrap_or_default()
    }

    /// Text from `start` up to here.
    pub(super) fn text_since(&self, start: usize) -> &'a str {
        self.text.get(start..self.pos).unwrap_or_default()
    }

    pub(super) fn span_since(&self, start: usize) -> Span {
        Span::new(start, self.pos)
    }

    /// Skips whitespace and comments.
    pub(super) fn skip(&mut self) {
        loop {
            let rest = self.rest();
            match rest {
                [b' ' | b'\n' | b'\t' | b'\r', ..] => self.pos += 1,
                [b'/', b'*', ..] => {
                    let end = memchr::memmem::find(rest, b"*/").map_or(rest.len(), |i| i + 2);
                    self.pos += end;
                }
                [b'/', b'/', ..] => {
                    self.pos += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    /// The next byte after whitespace and comments; 0 at the end.
    pub(super) fn peek(&mut self) -> u8 {
        self.skip();
        self.rest().first().copied().unwrap_or(0)
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip();
        self.rest().is_empty()
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        self.skip();
        let found = self.rest().starts_with(token.as_bytes());
        if found {
            self.pos += token.len();
        }
        found
    }

    pub(super) fn expect(&mut self, token: &str) -> Res<()> {
        match self.eat(token) {
            true => Ok(()),
            false => Err(self.expected(&format!("`{token}`"))),
        }
    }

    /// The word here, possibly empty.
    pub(super) fn peek_word(&mut self) -> &'a str {
        self.skip();
        let rest = self.rest();
        let len = rest.iter().position(|&b| !is_word(b)).unwrap_or(rest.len());
        self.text.get(self.pos..self.pos + len).unwrap_or_default()
    }

    /// Takes the word here.
    pub(super) fn word(&mut self, what: &str) -> Res<&'a str> {
        let word = self.peek_word();
        if word.is_empty() {
            return Err(self.expected(what));
        }
        self.pos += word.len();
        Ok(word)
    }

    /// Takes the word if it is `word`.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == word;
        if found {
            self.pos += word.len();
        }
        found
    }

    /// Takes `%name` or `name`, with its place.
    pub(super) fn name(&mut self, what: &str) -> Res<(&'a str, Span)> {
        self.skip();
        let start = self.pos;
        self.eat("%");
        let name = self.word(what)?;
        Ok((name, self.span_since(start)))
    }

    /// Takes an integer.
    pub(super) fn int(&mut self) -> Res<i64> {
        self.skip();
        let rest = self.rest();
        let sign = usize::from(rest.first() == Some(&b'-'));
        let digits = rest.iter().skip(sign).take_while(|b| b.is_ascii_digit()).count();
        let start = self.pos;
        self.pos += sign + digits;
        self.text_since(start).parse().map_err(|_| {
            self.pos = start;
            self.expected("an integer of at most 64 bits")
        })
    }

    /// Takes `"..."`; escapes stay as written.
    pub(super) fn string(&mut self) -> Res<&'a str> {
        self.expect("\"")?;
        let start = self.pos;
        let mut bytes = self.rest().iter().enumerate();
        while let Some((i, &byte)) = bytes.next() {
            match byte {
                b'\\' => {
                    bytes.next();
                }
                b'"' => {
                    self.pos += i + 1;
                    return Ok(self.text.get(start..start + i).unwrap_or_default());
                }
                _ => {}
            }
        }
        Err(error(Span::new(start - 1, start), "the string has no closing quote"))
    }

    /// Takes a value up to the `,` or the end of the line after it, brackets matched.
    pub(super) fn raw_value(&mut self) -> Res<&'a str> {
        self.skip();
        let start = self.pos;
        let mut depth = 0usize;
        loop {
            match self.rest() {
                [] => break,
                [b',' | b'\n', ..] if depth == 0 => break,
                [b'"', ..] => {
                    self.string()?;
                    continue;
                }
                [b'{' | b'(' | b'[', ..] => depth += 1,
                [b'}' | b')' | b']', ..] if depth == 0 => break,
                [b'}' | b')' | b']', ..] => depth -= 1,
                _ => {}
            }
            self.pos += 1;
        }
        if depth > 0 {
            return Err(error(Span::new(start, start + 1), "the bracket is not closed"));
        }
        Ok(self.text_since(start).trim_end())
    }

    /// A report that something else was expected here.
    pub(super) fn expected(&mut self, what: &str) -> Box<crate::diag::Diagnostic> {
        self.skip();
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let word = self.peek_word();
        let found = match word.is_empty() {
            false => word,
            true => rest.get(..rest.chars().next().map_or(0, char::len_utf8)).unwrap_or_default(),
        };
        let span = Span::new(self.pos, self.pos + found.len().max(1));
        let shown: String = found.chars().take(40).collect();
        match found.is_empty() {
            true => error(span, format!("expected {what}, found the end of the file")),
            false => error(span, format!("expected {what}, found `{shown}`")),
        }
    }
}
