//! The table of arenas, which a model has that lies in several memories or copies constants to them.

use crate::{ALIGN, ArtifactError, Header, Region};

/// Most arenas of a model.
pub const MAX_ARENAS: usize = Region::ARENAS.len();
/// Size of an entry of the table in bytes.
pub const ARENA_ENTRY_BYTES: usize = 24;

/// One arena of a model.
///
/// ```
/// use microhlo_format::{ARENA_ENTRY_BYTES, ArenaEntry};
///
/// let mut bytes = [0; ARENA_ENTRY_BYTES];
/// bytes[..4].copy_from_slice(b"DTCM");
/// // 4096 bytes at a multiple of 16; the last 256 are constants that lie at 512 in their section.
/// for (field, word) in bytes[8..].chunks_exact_mut(4).zip([4096_u32, 16, 512, 256]) {
///     field.copy_from_slice(&word.to_le_bytes());
/// }
/// let entry = ArenaEntry::decode(&bytes);
/// assert_eq!((entry.name(), entry.align, entry.constants_offset), ("DTCM", 16, 512));
/// assert_eq!((entry.bytes, entry.writable_bytes()), (4096, 3840));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArenaEntry {
    /// Name of the memory in ASCII, filled up with zeros.
    pub name: [u8; 8],
    /// Size in bytes, constants included.
    pub bytes: u32,
    /// Alignment, a power of two of at most 16.
    pub align: u32,
    /// Start of the constants that are copied there, in the constant section; a multiple of 16.
    pub constants_offset: u32,
    /// Length of these constants. They lie at the end of the arena, from a multiple of 16 on, and no step
    /// writes there.
    pub constants_bytes: u32,
}

impl ArenaEntry {
    /// The name of the memory; empty if it is none. See the example of [`ArenaEntry`].
    pub fn name(&self) -> &str {
        let end = self.name.iter().position(|&byte| byte == 0).unwrap_or(self.name.len());
        self.name.get(..end).and_then(|name| core::str::from_utf8(name).ok()).unwrap_or("")
    }

    /// Bytes in front of the constants, which steps may write. See the example of [`ArenaEntry`].
    pub const fn writable_bytes(&self) -> u32 {
        self.bytes.saturating_sub(self.constants_bytes)
    }

    /// Reads an entry. See the example of [`ArenaEntry`].
    #[inline(never)]
    pub fn decode(bytes: &[u8; ARENA_ENTRY_BYTES]) -> ArenaEntry {
        let (mut name, mut words) = ([0; 8], [0; 4]);
        let (front, rest) = bytes.split_at(name.len());
        name.copy_from_slice(front);
        for (word, bytes) in words.iter_mut().zip(rest.chunks_exact(4)) {
            *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        }
        let [bytes, align, constants_offset, constants_bytes] = words;
        ArenaEntry { name, bytes, align, constants_offset, constants_bytes }
    }

    /// The bytes of an entry.
    #[cfg(feature = "std")]
    pub(crate) fn encode(&self) -> [u8; ARENA_ENTRY_BYTES] {
        let mut bytes = [0; ARENA_ENTRY_BYTES];
        let words = [self.bytes, self.align, self.constants_offset, self.constants_bytes];
        let (name, fields) = bytes.split_at_mut(self.name.len());
        name.copy_from_slice(&self.name);
        for (field, word) in fields.chunks_exact_mut(4).zip(words) {
            field.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Whether the arena makes sense beside so many bytes of constants.
    fn is_valid(&self, constants: usize) -> bool {
        const UNIT: u32 = ALIGN as u32;
        let end = self.constants_offset.saturating_add(self.constants_bytes) as usize;
        let starts = self.writable_bytes() | self.constants_offset | self.align;
        self.align.is_power_of_two()
            && self.align <= UNIT
            && self.bytes <= i32::MAX as u32
            && self.constants_bytes <= self.bytes
            && end <= constants
            && (self.constants_bytes == 0 || starts & (UNIT - 1) == 0)
    }
}

/// The arenas of a model; one if it has no table. See the example of [`Artifact`](crate::Artifact).
#[derive(Clone, Copy, Debug)]
pub struct Arenas<'a> {
    table: &'a [[u8; ARENA_ENTRY_BYTES]],
    bytes: u32,
    align: u32,
}

impl<'a> Arenas<'a> {
    /// The arenas of a header and the table behind it.
    pub(crate) fn new(table: &'a [[u8; ARENA_ENTRY_BYTES]], header: &Header) -> Arenas<'a> {
        Arenas { table, bytes: header.arena_bytes, align: header.arena_align }
    }

    /// The first arena, without the constants that it may have in a table.
    /// See the example of [`Artifact`](crate::Artifact).
    pub fn first(&self) -> ArenaEntry {
        ArenaEntry { bytes: self.bytes, align: self.align, ..ArenaEntry::default() }
    }

    /// Checks the table, whose first arena is the header's, for a constant section of so many bytes.
    pub(crate) fn check(&self, constants: usize) -> Result<(), ArtifactError> {
        for (index, entry) in self.table.iter().enumerate() {
            let entry = ArenaEntry::decode(entry);
            let first = (entry.bytes, entry.align) == (self.bytes, self.align);
            if !entry.is_valid(constants) || (index == 0 && !first) {
                return Err(ArtifactError::BadArena { index });
            }
        }
        Ok(())
    }

    /// Number of arenas. See the example of [`Artifact`](crate::Artifact).
    pub const fn len(&self) -> usize {
        if self.table.is_empty() { 1 } else { self.table.len() }
    }

    /// Never: there is always one, which may have no bytes. See the example of [`Artifact`](crate::Artifact).
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Whether there is a table: several arenas, or one with constants.
    /// See the example of [`Artifact`](crate::Artifact).
    pub const fn has_table(&self) -> bool {
        !self.table.is_empty()
    }

    /// Arena `i`. See the example of [`Artifact`](crate::Artifact).
    pub fn get(&self, i: usize) -> Option<ArenaEntry> {
        match (self.table.is_empty(), i) {
            (true, 0) => Some(self.first()),
            _ => self.table.get(i).map(ArenaEntry::decode),
        }
    }

    /// All arenas in order. See the example of [`Artifact`](crate::Artifact).
    pub fn iter(&self) -> impl Iterator<Item = ArenaEntry> + use<'a> {
        let arenas = *self;
        (0..arenas.len()).filter_map(move |i| arenas.get(i))
    }
}
