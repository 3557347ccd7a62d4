//! What is written where.

use crate::chip::{Chip, Sector};
use crate::error::Error;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;

/// Consecutive bytes to write.
///
/// ```
/// use microhlo_probe::Segment;
///
/// let bytes = b"123456789".to_vec();
/// let segment = Segment { what: "digits".to_owned(), address: 0x0800_0000, bytes };
/// assert_eq!((segment.range(), segment.crc32()), (0x0800_0000..0x0800_0009, 0xcbf4_3926));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// What they are, for people.
    pub what: String,
    /// Where a programmer writes the first.
    pub address: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// The addresses. See the example of [`Segment`].
    pub fn range(&self) -> Range<u64> {
        self.address..self.address + self.bytes.len() as u64
    }

    /// The CRC-32/ISO-HDLC of the bytes, as `crc32` and zip files have it. See the example of [`Segment`].
    pub fn crc32(&self) -> u32 {
        crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&self.bytes)
    }
}

/// Segments that fit a chip, and the sectors that they touch.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/board.rs"));
/// use microhlo_probe::{Error, Plan, Segment};
///
/// # fn main() -> Result<(), Error> {
/// let part = |address, bytes| Segment { what: "part".to_owned(), address, bytes: vec![1; bytes] };
/// let plan = Plan::new(&chip(), vec![part(0x0800_8000, 16), part(0x0800_0000, 0x1001)])?;
/// assert_eq!((plan.chip().name.as_str(), plan.bytes()), ("FAKE42", 0x1011));
/// assert_eq!(plan.segments()[0].address, 0x0800_0000);
/// assert_eq!(plan.sectors().len(), 3);
/// assert!(plan.listing().ends_with("3 sectors of 12288 bytes to erase on FAKE42\n"));
/// let twice = Plan::new(&chip(), vec![part(0x0800_0000, 16), part(0x0800_0008, 16)]);
/// assert!(matches!(twice, Err(Error::Overlap { address: 0x0800_0008, .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    chip: Chip,
    segments: Vec<Segment>,
    sectors: Vec<Sector>,
}

impl Plan {
    /// Sorts segments by address and checks that all lie in the chip's flash and none in another.
    /// See the example of [`Plan`].
    ///
    /// # Errors
    /// They do not, or there are none.
    pub fn new(chip: &Chip, mut segments: Vec<Segment>) -> Result<Self, Error> {
        segments.retain(|segment| !segment.bytes.is_empty());
        segments.sort_by_key(|segment| segment.address);
        if segments.is_empty() {
            return Err(Error::Nothing);
        }
        for pair in segments.windows(2) {
            if let [first, second] = pair
                && second.address < first.range().end
            {
                let (first, address) = (first.what.clone(), second.address);
                return Err(Error::Overlap { first, second: second.what.clone(), address });
            }
        }
        let mut sectors = BTreeSet::new();
        for segment in &segments {
            if chip.flash_with(&segment.range()).is_none() {
                return Err(Error::NoFlash {
                    what: segment.what.clone(),
                    address: segment.address,
                    bytes: segment.bytes.len() as u64,
                    chip: chip.name.clone(),
                });
            }
            sectors.extend(chip.sectors(&segment.range()).into_iter().map(|s| (s.start, s.end)));
        }
        let sectors = sectors.into_iter().map(|(start, end)| start..end).collect();
        Ok(Self { chip: chip.clone(), segments, sectors })
    }

    /// The chip it is for. See the example of [`Plan`].
    pub fn chip(&self) -> &Chip {
        &self.chip
    }

    /// What is written, sorted by address. See the example of [`Plan`].
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What is erased, sorted by address; bytes of a sector that are not written keep their value.
    /// See the example of [`Plan`].
    pub fn sectors(&self) -> &[Sector] {
        &self.sectors
    }

    /// Bytes to write. See the example of [`Plan`].
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes.len() as u64).sum()
    }

    /// All of it as text, a line per segment. See the example of [`Plan`].
    pub fn listing(&self) -> String {
        let mut text = String::new();
        let width =
            self.segments.iter().map(|segment| segment.what.chars().count()).max().unwrap_or(0);
        for segment in &self.segments {
            let sectors = self.chip.sectors(&segment.range());
            let (range, count) = (segment.range(), sectors.len());
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{:width$}  {:#010x} to {:#010x}  {:>8} bytes in {count} sector{}, crc32 {:08x}",
                segment.what,
                range.start,
                range.end,
                segment.bytes.len(),
                if count == 1 { "" } else { "s" },
                segment.crc32(),
            );
        }
        let erased: u64 = self.sectors.iter().map(|sector| sector.end - sector.start).sum();
        let count = self.sectors.len();
        let s = if count == 1 { "" } else { "s" };
        let _ =
            writeln!(text, "{count} sector{s} of {erased} bytes to erase on {}", self.chip.name);
        text
    }
}
