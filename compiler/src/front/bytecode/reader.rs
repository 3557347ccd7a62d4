//! A bounds-checked cursor over the bytes, with MLIR's integer encodings and sections.
//!
//! Format: MLIR's "BytecodeFormat" document.

/// Why reading stopped, and where.
#[derive(Debug)]
pub(super) struct Failure {
    /// Byte offset in the file.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it.
    pub(super) help: Option<&'static str>,
    /// Whether it may be valid, and only this version cannot take it.
    pub(super) unsupported: bool,
}

/// Result of a reading step.
pub(super) type Res<T> = Result<T, Box<Failure>>;

/// A failure at a byte offset.
pub(super) fn fail<T>(at: usize, message: impl Into<String>) -> Res<T> {
    Err(Box::new(Failure { at, message: message.into(), help: None, unsupported: false }))
}

/// A failure at a byte offset, with advice.
pub(super) fn advise<T>(at: usize, message: impl Into<String>, help: &'static str) -> Res<T> {
    Err(Box::new(Failure { at, message: message.into(), help: Some(help), unsupported: false }))
}

/// Says that a failure is about something that is not supported.
pub(super) fn unsupported<T>(failure: Res<T>) -> Res<T> {
    failure.map_err(|f| Box::new(Failure { unsupported: true, ..*f }))
}

/// The section ids of the format.
pub(super) mod section {
    pub(in super::super) const STRING: u8 = 0;
    pub(in super::super) const DIALECT: u8 = 1;
    pub(in super::super) const ATTR_TYPE: u8 = 2;
    pub(in super::super) const ATTR_TYPE_OFFSET: u8 = 3;
    pub(in super::super) const IR: u8 = 4;
    pub(in super::super) const RESOURCE: u8 = 5;
    pub(in super::super) const RESOURCE_OFFSET: u8 = 6;
    pub(in super::super) const DIALECT_VERSIONS: u8 = 7;
    pub(in super::super) const PROPERTIES: u8 = 8;
    /// Number of ids.
    pub(in super::super) const COUNT: usize = 9;
}

/// Greatest alignment that a section or blob may ask for.
const MAX_ALIGNMENT: u64 = 1 << 16;

/// Byte that fills the gap before aligned data.
const PADDING: u8 = 0xcb;

/// A position in a part of the file.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
    /// Where `bytes` begins in the file.
    base: usize,
}

impl<'a> Reader<'a> {
    /// A reader of bytes that begin at `base` in the file.
    pub(super) fn new(bytes: &'a [u8], base: usize) -> Reader<'a> {
        Reader { bytes, pos: 0, base }
    }

    /// The byte offset in the file.
    pub(super) fn at(&self) -> usize {
        self.base + self.pos
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or(&[])
    }

    /// Whether everything was read.
    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Res<&'a [u8]> {
        match self.rest().get(..n) {
            Some(bytes) => {
                self.pos += n;
                Ok(bytes)
            }
            None => {
                let have = self.rest().len();
                fail(self.at(), format!("expected {n} more bytes, {have} are left"))
            }
        }
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Res<u8> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned integer: the trailing zero bits of the first byte count the further bytes.
    pub(super) fn varint(&mut self) -> Res<u64> {
        let Some(&first) = self.rest().first() else {
            return fail(self.at(), "expected an integer, found the end of the section");
        };
        let mut wide = [0u8; 8];
        if first == 0 {
            wide.copy_from_slice(&self.take(9)?[1..]);
            return Ok(u64::from_le_bytes(wide));
        }
        let len = first.trailing_zeros() as usize + 1;
        wide[..len].copy_from_slice(self.take(len)?);
        Ok(u64::from_le_bytes(wide) >> len)
    }

    /// A signed integer: zigzag in a [`Reader::varint`].
    pub(super) fn svarint(&mut self) -> Res<i64> {
        let n = self.varint()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A number of items that take at least one byte each.
    pub(super) fn count(&mut self, what: &str) -> Res<usize> {
        let at = self.at();
        let n = self.varint()?;
        self.check_count(at, n, what)
    }

    fn check_count(&self, at: usize, n: u64, what: &str) -> Res<usize> {
        let left = self.rest().len();
        match usize::try_from(n) {
            Ok(n) if n <= left => Ok(n),
            _ => fail(at, format!("{n} {what} cannot fit in the remaining {left} bytes")),
        }
    }

    /// A number of items and a flag in the lowest bit.
    pub(super) fn count_with_flag(&mut self, what: &str) -> Res<(usize, bool)> {
        let at = self.at();
        let n = self.varint()?;
        Ok((self.check_count(at, n >> 1, what)?, n & 1 == 1))
    }

    /// An index below `len`.
    pub(super) fn index(&mut self, len: usize, what: &str) -> Res<usize> {
        let at = self.at();
        let n = self.varint()?;
        check_index(at, n, len, what)
    }

    /// An index below `len`, and a flag in the lowest bit.
    pub(super) fn index_with_flag(&mut self, len: usize, what: &str) -> Res<(usize, bool)> {
        let at = self.at();
        let n = self.varint()?;
        Ok((check_index(at, n >> 1, len, what)?, n & 1 == 1))
    }

    /// An index that may be missing: 0, or the index with the lowest bit set.
    pub(super) fn optional_index(&mut self, len: usize, what: &str) -> Res<Option<usize>> {
        let at = self.at();
        let n = self.varint()?;
        match n & 1 {
            0 => Ok(None),
            _ => check_index(at, n >> 1, len, what).map(Some),
        }
    }

    /// Bytes with their number in front.
    pub(super) fn blob(&mut self) -> Res<&'a [u8]> {
        let n = self.count("bytes")?;
        self.take(n)
    }

    /// Text up to a NUL.
    pub(super) fn c_string(&mut self) -> Res<&'a [u8]> {
        let Some(len) = memchr::memchr(0, self.rest()) else {
            return fail(self.at(), "a string is not terminated");
        };
        let text = self.take(len)?;
        self.byte()?;
        Ok(text)
    }

    /// Skips the padding before data aligned to `alignment` bytes of the file.
    pub(super) fn align(&mut self, alignment: u64) -> Res<()> {
        if !alignment.is_power_of_two() || alignment > MAX_ALIGNMENT {
            return fail(self.at(), format!("alignment of {alignment} bytes"));
        }
        while !(self.at() as u64).is_multiple_of(alignment) {
            let at = self.at();
            let byte = self.byte()?;
            if byte != PADDING {
                return fail(at, format!("expected padding 0x{PADDING:02x}, found 0x{byte:02x}"));
            }
        }
        Ok(())
    }

    /// A section: its id and its data.
    pub(super) fn section(&mut self) -> Res<(u8, Reader<'a>)> {
        let id = self.byte()?;
        let len = self.count("bytes of a section")?;
        if id & 0x80 != 0 {
            let alignment = self.varint()?;
            self.align(alignment)?;
        }
        let base = self.at();
        Ok((id & 0x7f, Reader::new(self.take(len)?, base)))
    }

    /// The next `n` bytes as a reader of their own.
    pub(super) fn part(&mut self, n: usize) -> Res<Reader<'a>> {
        let base = self.at();
        Ok(Reader::new(self.take(n)?, base))
    }
}

fn check_index(at: usize, n: u64, len: usize, what: &str) -> Res<usize> {
    match usize::try_from(n) {
        Ok(n) if n < len => Ok(n),
        _ => fail(at, format!("there is no {what} number {n}, there are {len}")),
    }
}
