//! What a chip has in its memory map, as far as flashing goes.

use crate::error::Error;
use microhlo_boards::{Board, Region, RegionKind};
use std::ops::Range;

/// A chip's flash and RAM, at the addresses that a programmer uses.
///
/// ```
/// use microhlo_probe::{Chip, Flash, Sector};
///
/// let (range, sectors) = (0x0800_0000..0x0801_0000, vec![(0x0800_0000, 0x1000)]);
/// let flash = vec![Flash { range, sectors }];
/// let chip = Chip { name: "FAKE42".to_owned(), flash, ram: vec![0x2000_0000..0x2000_4000] };
/// let touched: Vec<Sector> = chip.sectors(&(0x0800_0ffc..0x0800_1004));
/// assert_eq!(touched, [0x0800_0000..0x0800_1000, 0x0800_1000..0x0800_2000]);
/// assert!(chip.flash_with(&(0x0800_0000..0x0801_0000)).is_some());
/// assert!(chip.flash_with(&(0x0800_fffc..0x0801_0004)).is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// Its name.
    pub name: String,
    /// Its flash, sorted by address.
    pub flash: Vec<Flash>,
    /// Its RAM.
    pub ram: Vec<Range<u64>>,
}

/// Flash that one algorithm programs. See the example of [`Chip`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// Its addresses.
    pub range: Range<u64>,
    /// From which address on sectors have which size, sorted by address; the first is the start.
    pub sectors: Vec<(u64, u64)>,
}

/// What is erased at once. See the example of [`Chip`].
pub type Sector = Range<u64>;

impl Chip {
    /// The flash that holds all of a range. See the example of [`Chip`].
    pub fn flash_with(&self, range: &Range<u64>) -> Option<&Flash> {
        self.flash.iter().find(|flash| contains(&flash.range, range))
    }

    /// The sectors that a range touches; none where there is no flash. See the example of [`Chip`].
    pub fn sectors(&self, range: &Range<u64>) -> Vec<Sector> {
        let mut sectors = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let flash = self.flash.iter().find(|flash| flash.range.contains(&at));
            let Some(sector) = flash.and_then(|flash| flash.sector(at)) else { break };
            at = sector.end;
            sectors.push(sector);
        }
        sectors
    }

    /// Compares a board's description with the chip: flash and model partition are flash, and no sector of
    /// the partition is shared with the firmware; all else is RAM. Where the partition is written elsewhere
    /// than it is read, flash is behind a cache, and only the partition's place is compared.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/board.rs"));
    /// # fn main() {
    /// let (chip, mut board) = (chip(), board());
    /// assert!(chip.check(&board).is_ok());
    /// // A partition that begins in the middle of a sector.
    /// board.memory[1].origin += 0x800;
    /// board.memory[1].length -= 0x800;
    /// let error = chip.check(&board).unwrap_err();
    /// assert!(error.to_string().contains("0x08008800 lies inside a sector of FAKE42"));
    /// # }
    /// ```
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self, board: &Board) -> Result<(), Error> {
        let disagree = |reason| Error::Disagree { board: board.name.clone(), reason };
        // Code behind a cache appears where the boot loader maps its image.
        let mapped =
            |region: &Region| region.kind == RegionKind::Model && region.programmed_at.is_some();
        let cached = board.memory.iter().any(mapped);
        for region in &board.memory {
            let range = range_of(region);
            let flash = self.flash_with(&range);
            let known = match region.kind {
                RegionKind::Flash => cached || flash.is_some(),
                RegionKind::Model => flash.is_some(),
                RegionKind::Ram | RegionKind::Stack | RegionKind::Arena => self.has_ram(&range),
            };
            if !known {
                let kind = if is_flash(region) { "flash" } else { "RAM" };
                return Err(disagree(format!(
                    "region `{}` at {:#010x}, {} bytes, is not {kind} of {}, which has {}",
                    region.name,
                    range.start,
                    range.end - range.start,
                    self.name,
                    self.listing(is_flash(region)),
                )));
            }
            self.check_partition(region, &range).map_err(disagree)?;
        }
        Ok(())
    }

    /// Whether a model partition has its sectors for itself.
    fn check_partition(&self, region: &Region, range: &Range<u64>) -> Result<(), String> {
        if region.kind != RegionKind::Model {
            return Ok(());
        }
        for end in [range.start, range.end] {
            let inside = self.sectors(&(end..end + 1)).first().is_some_and(|s| s.start < end);
            if inside {
                return Err(format!(
                    "the model partition `{}` is {:#010x} to {:#010x}, and {end:#010x} lies inside a sector \
                     of {}: a model would be erased with what is beside it; move it to a sector's start",
                    region.name, range.start, range.end, self.name
                ));
            }
        }
        Ok(())
    }

    /// Whether RAM, in one region or several that follow each other, holds all of a range.
    fn has_ram(&self, range: &Range<u64>) -> bool {
        let mut at = range.start;
        while at < range.end {
            let Some(ram) = self.ram.iter().find(|ram| ram.contains(&at)) else { return false };
            at = ram.end;
        }
        true
    }

    fn listing(&self, flash: bool) -> String {
        let flashes = self.flash.iter().map(|flash| &flash.range);
        let ranges: Vec<&Range<u64>> =
            if flash { flashes.collect() } else { self.ram.iter().collect() };
        let text = |r: &&Range<u64>| format!("{:#010x} to {:#010x}", r.start, r.end);
        ranges.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

impl Flash {
    /// The sector with an address.
    fn sector(&self, address: u64) -> Option<Sector> {
        let after = self.sectors.iter().position(|&(start, _)| start > address);
        let at = after.unwrap_or(self.sectors.len()).checked_sub(1)?;
        let &(first, size) = self.sectors.get(at)?;
        let start = first + (address - first) / size.max(1) * size.max(1);
        Some(start..start + size.max(1))
    }
}

fn is_flash(region: &Region) -> bool {
    matches!(region.kind, RegionKind::Flash | RegionKind::Model)
}

/// A region's addresses for a programmer.
pub(crate) fn range_of(region: &Region) -> Range<u64> {
    let start = region.programmer_address();
    start..start.saturating_add(region.length)
}

fn contains(outer: &Range<u64>, inner: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
