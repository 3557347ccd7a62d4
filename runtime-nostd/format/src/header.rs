//! The fixed header: 64 bytes, little-endian, every field at a fixed offset.

use crate::{ARENA_ENTRY_BYTES, ArtifactError, MAX_ARENAS, Section};

/// The first eight bytes of an artifact.
pub const MAGIC: [u8; 8] = *b"microhlo";
/// Changes when an older reader could misread an artifact.
pub const VERSION_MAJOR: u16 = 1;
/// Changes when kernels, micro-operations or element types are added.
pub const VERSION_MINOR: u16 = 11;
/// Size of the header in bytes.
pub const HEADER_BYTES: usize = 64;
/// Alignment of the file in memory, of the constants in the file, and of the arena.
pub const ALIGN: usize = 16;

/// Target features that an artifact needs, a bit set.
///
/// ```
/// use microhlo_format::Features;
///
/// let both = Features::F32_BLOCK8.union(Features::LATE_ROWS);
/// assert_eq!((both, both.0), (Features::KNOWN, 3));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(pub u32);

impl Features {
    /// Constants of `f32` kernels are packed in blocks of eight output channels.
    pub const F32_BLOCK8: Features = Features(1);
    /// Rows of chains move when the first stage goes on ([`Stage::settles_late`](crate::rows::Stage::settles_late)).
    pub const LATE_ROWS: Features = Features(2);
    /// All features that this build knows and supports.
    pub const KNOWN: Features = Features::F32_BLOCK8.union(Features::LATE_ROWS);

    /// Both sets together. See the example of [`Features`].
    pub const fn union(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }
}

/// The decoded header. Offsets and lengths are in bytes.
///
/// ```
/// use microhlo_format::{ArtifactError, HEADER_BYTES, Header, MAGIC, VERSION_MAJOR, VERSION_MINOR};
///
/// let mut bytes = [0; HEADER_BYTES];
/// bytes[..8].copy_from_slice(&MAGIC);
/// bytes[8..10].copy_from_slice(&VERSION_MAJOR.to_le_bytes());
/// bytes[10..12].copy_from_slice(&VERSION_MINOR.to_le_bytes());
/// bytes[12..16].copy_from_slice(&1000_u32.to_le_bytes());
/// let header = Header::decode(&bytes)?;
/// assert_eq!((header.minor, header.total_bytes), (VERSION_MINOR, 1000));
/// // An artifact of a later format, whose fields may be others.
/// bytes[8] += 1;
/// assert!(matches!(Header::decode(&bytes), Err(ArtifactError::UnsupportedVersion { .. })));
/// # Ok::<(), ArtifactError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Major version of the format.
    pub major: u16,
    /// Minor version of the format.
    pub minor: u16,
    /// Length of the whole artifact.
    pub total_bytes: u32,
    /// CRC-32/ISO-HDLC over all other bytes.
    pub checksum: u32,
    /// Target features needed.
    pub features: Features,
    /// Size of the arena.
    pub arena_bytes: u32,
    /// Alignment of the arena, a power of two of at most 16.
    pub arena_align: u32,
    /// Start of the program.
    pub program_offset: u32,
    /// Length of the program.
    pub program_bytes: u32,
    /// Start of the manifest.
    pub manifest_offset: u32,
    /// Length of the manifest.
    pub manifest_bytes: u32,
    /// Start of the constants.
    pub constants_offset: u32,
    /// Length of the constants.
    pub constants_bytes: u32,
    /// Number of steps.
    pub steps: u32,
    /// Entries of the table of arenas, which follows; none if there is only the one above.
    pub arenas: u32,
}

/// Where the checksum lies; it is not part of what it covers.
const CHECKSUM_OFFSET: usize = 16;

fn word(bytes: &[u8; HEADER_BYTES], offset: usize) -> u32 {
    match bytes.get(offset..).and_then(|rest| rest.first_chunk()) {
        Some(&word) => u32::from_le_bytes(word),
        None => 0,
    }
}

/// CRC-32/ISO-HDLC over all bytes except the checksum field itself. See the example of [`seal`].
pub fn checksum(bytes: &[u8]) -> u32 {
    let before = bytes.get(..CHECKSUM_OFFSET).unwrap_or(bytes);
    !update(update(!0, before), bytes.get(CHECKSUM_OFFSET + 4..).unwrap_or(&[]))
}

/// Goes on with the remainder of a CRC-32/ISO-HDLC.
#[cfg(feature = "std")]
fn update(crc: u32, bytes: &[u8]) -> u32 {
    type Crc = crc::Crc<u32, crc::Table<16>>;
    static CRC: Crc = Crc::new(&crc::CRC_32_ISO_HDLC);
    // The algorithm reflects its initial value and inverts its result.
    let mut digest = CRC.digest_with_initial(crc.reverse_bits());
    digest.update(bytes);
    !digest.finalize()
}

/// The same by a table of 64 bytes in place of a kilobyte: two steps per byte, three times as fast as
/// one per bit.
#[cfg(any(not(feature = "std"), test))]
fn update_by_halves(mut crc: u32, bytes: &[u8]) -> u32 {
    const fn entry(mut crc: u32) -> u32 {
        let mut bit = 0;
        while bit < 4 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
            bit += 1;
        }
        crc
    }
    static TABLE: [u32; 16] = {
        let (mut table, mut i) = ([0; 16], 0);
        while i < 16 {
            table[i] = entry(i as u32);
            i += 1;
        }
        table
    };
    let half = |crc: u32| (crc >> 4) ^ TABLE[(crc & 15) as usize];
    for &byte in bytes {
        crc = half(half(crc ^ u32::from(byte)));
    }
    crc
}

#[cfg(not(feature = "std"))]
use update_by_halves as update;

/// Writes the right checksum into an artifact; too short a slice is left alone.
///
/// ```
/// use microhlo_format::{HEADER_BYTES, MAGIC, checksum, seal};
///
/// let mut bytes = [0; HEADER_BYTES];
/// bytes[..8].copy_from_slice(&MAGIC);
/// seal(&mut bytes);
/// // The field of the checksum does not count.
/// assert_eq!(bytes[16..20], checksum(&bytes).to_le_bytes());
/// ```
pub fn seal(bytes: &mut [u8]) {
    let sum = checksum(bytes).to_le_bytes();
    if let Some(field) = bytes.get_mut(CHECKSUM_OFFSET..).and_then(|b| b.first_chunk_mut()) {
        *field = sum;
    }
}

/// Length in bytes of the artifact that starts at `bytes`, which may go on after it: how firmware
/// finds the end of an artifact in a flash partition. Checks the magic number and version only.
///
/// ```
/// use microhlo_format::{ArtifactError, artifact_len};
///
/// // A partition that nothing was ever written to.
/// assert_eq!(artifact_len(&[0xff; 256]), Err(ArtifactError::BadMagic));
/// ```
pub fn artifact_len(bytes: &[u8]) -> Result<usize, ArtifactError> {
    let header = Header::decode(bytes)?;
    let total = header.total_bytes as usize;
    if total < HEADER_BYTES || total > bytes.len() {
        return Err(ArtifactError::Truncated {
            needed: total.max(HEADER_BYTES),
            given: bytes.len(),
        });
    }
    Ok(total)
}

impl Header {
    /// Decodes the fields and checks magic number and version. See the example of [`Header`].
    pub fn decode(bytes: &[u8]) -> Result<Header, ArtifactError> {
        let given = bytes.len();
        let head: &[u8; HEADER_BYTES] =
            bytes.first_chunk().ok_or(ArtifactError::Truncated { needed: HEADER_BYTES, given })?;
        if !head.starts_with(&MAGIC) {
            return Err(ArtifactError::BadMagic);
        }
        let version = word(head, 8);
        let (major, minor) = (version as u16, (version >> 16) as u16);
        if major != VERSION_MAJOR {
            return Err(ArtifactError::UnsupportedVersion { major, minor });
        }
        Ok(Header {
            major,
            minor,
            total_bytes: word(head, 12),
            checksum: word(head, CHECKSUM_OFFSET),
            features: Features(word(head, 20)),
            arena_bytes: word(head, 24),
            arena_align: word(head, 28),
            program_offset: word(head, 32),
            program_bytes: word(head, 36),
            manifest_offset: word(head, 40),
            manifest_bytes: word(head, 44),
            constants_offset: word(head, 48),
            constants_bytes: word(head, 52),
            steps: word(head, 56),
            arenas: word(head, 60),
        })
    }

    /// Decodes the header and checks it against the whole artifact, the checksum included.
    pub(crate) fn check(bytes: &[u8]) -> Result<Header, ArtifactError> {
        let header = Header::decode(bytes)?;
        let (stated, given) = (header.total_bytes as usize, bytes.len());
        if given < stated {
            return Err(ArtifactError::Truncated { needed: stated, given });
        }
        if given > stated {
            return Err(ArtifactError::TrailingBytes { stated, given });
        }
        let computed = checksum(bytes);
        if computed != header.checksum {
            return Err(ArtifactError::BadChecksum { stated: header.checksum, computed });
        }
        let bits = header.features.0 & !Features::KNOWN.0;
        if bits != 0 {
            return Err(ArtifactError::UnknownFeatures { bits });
        }
        let align = header.arena_align;
        if !align.is_power_of_two() || align > ALIGN as u32 {
            return Err(ArtifactError::BadArenaAlignment { align });
        }
        if header.arena_bytes > i32::MAX as u32 {
            return Err(ArtifactError::ArenaTooLarge { bytes: header.arena_bytes });
        }
        if header.arenas > MAX_ARENAS as u32 {
            return Err(ArtifactError::TooManyArenas { given: header.arenas });
        }
        Ok(header)
    }

    /// Where the program starts: behind the header and the table of arenas.
    pub(crate) fn program_start(&self) -> usize {
        HEADER_BYTES.saturating_add((self.arenas as usize).saturating_mul(ARENA_ENTRY_BYTES))
    }

    /// The three sections, proved to lie one after another up to the end of the file.
    pub(crate) fn sections<'a>(&self, bytes: &'a [u8]) -> Result<Sections<'a>, ArtifactError> {
        let start = self.program_start();
        let (program, end) = section(
            bytes,
            Section::Program,
            start,
            start,
            (self.program_offset, self.program_bytes),
        )?;
        let (manifest, end) = section(
            bytes,
            Section::Manifest,
            end,
            end,
            (self.manifest_offset, self.manifest_bytes),
        )?;
        let aligned = end.next_multiple_of(ALIGN);
        let (constants, last) = section(
            bytes,
            Section::Constants,
            end,
            aligned,
            (self.constants_offset, self.constants_bytes),
        )?;
        if last != bytes.len() {
            return Err(ArtifactError::SectionMisplaced { section: Section::Constants });
        }
        let padding = bytes.get(end..aligned).unwrap_or(&[]);
        match padding.iter().position(|&byte| byte != 0) {
            Some(at) => Err(ArtifactError::NonzeroPadding { offset: end + at }),
            None => Ok(Sections { program, manifest, constants }),
        }
    }

    /// The header's bytes, with the checksum field as it is.
    #[cfg(feature = "std")]
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let words = [
            u32::from(self.major) | u32::from(self.minor) << 16,
            self.total_bytes,
            self.checksum,
            self.features.0,
            self.arena_bytes,
            self.arena_align,
            self.program_offset,
            self.program_bytes,
            self.manifest_offset,
            self.manifest_bytes,
            self.constants_offset,
            self.constants_bytes,
            self.steps,
            self.arenas,
        ];
        let mut bytes = [0; HEADER_BYTES];
        let (magic, fields) = bytes.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        for (field, word) in fields.chunks_exact_mut(4).zip(words) {
            field.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// The sections of an artifact.
pub(crate) struct Sections<'a> {
    pub program: &'a [u8],
    pub manifest: &'a [u8],
    pub constants: &'a [u8],
}

/// The bytes of a section that must start at `start`, and its end; the previous one ends at `end`.
fn section(
    bytes: &[u8],
    section: Section,
    end: usize,
    start: usize,
    (offset, len): (u32, u32),
) -> Result<(&[u8], usize), ArtifactError> {
    let (offset, len) = (offset as usize, len as usize);
    let last = offset.checked_add(len).ok_or(ArtifactError::SectionOutOfBounds { section })?;
    let contents = bytes.get(offset..last).ok_or(ArtifactError::SectionOutOfBounds { section })?;
    if offset < end {
        return Err(ArtifactError::SectionOverlap { section });
    }
    if offset != start {
        return Err(ArtifactError::SectionMisplaced { section });
    }
    Ok((contents, last))
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_the_checksum_agree() {
        let bytes: std::vec::Vec<u8> =
            (0..=255).cycle().map(|i: u8| i.wrapping_mul(37)).take(1000).collect();
        for len in [0, 1, 3, 64, 999] {
            assert_eq!(update(!0, &bytes[..len]), update_by_halves(!0, &bytes[..len]));
            assert_eq!(update(7, &bytes[..len]), update_by_halves(7, &bytes[..len]));
        }
        // The check value that the algorithm is catalogued with.
        assert_eq!(!update_by_halves(!0, b"123456789"), 0xcbf4_3926);
    }
}
