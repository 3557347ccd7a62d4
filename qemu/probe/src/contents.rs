//! What goes into a board's flash: a model, the contents of a slot, a firmware.

use crate::chip::{Chip, range_of};
use crate::error::Error;
use crate::plan::Segment;
use crate::target::Probes;
use microhlo_boards::{Board, Region, RegionKind};
use microhlo_slots::Slot;
use object::read::elf::{ElfFile32, ProgramHeader};
use object::{Architecture, Endianness, Object, ObjectSection, ObjectSegment};
use std::path::{Path, PathBuf};

/// Where the loader needs an artifact to begin.
const ALIGNMENT: u64 = 16;

/// A board with the description of its chip. See the example of [`flash`](crate::flash()).
#[derive(Debug, Clone)]
pub struct Place {
    /// The board.
    pub board: Board,
    /// Its chip.
    pub chip: Chip,
    /// The file that describes the chip, if probe-rs does not know it.
    pub description: Option<PathBuf>,
}

impl Place {
    /// Looks up a board's chip and compares the two. See the example of [`flash`](crate::flash()).
    ///
    /// # Errors
    /// The board has no chip, the chip is unknown, or its memory is not what the board says.
    pub fn of(board: &Board, probes: &dyn Probes) -> Result<Self, Error> {
        let probe = board.probe.as_ref();
        let probe = probe.ok_or_else(|| Error::NoChip { board: board.name.clone() })?;
        let description = board.chip_description();
        let chip = probes.chip(&probe.chip, description.as_deref())?;
        chip.check(board)?;
        Ok(Self { board: board.clone(), chip, description })
    }
}

/// An artifact at the start of the model partition. See the example of [`flash`](crate::flash()).
///
/// # Errors
/// It does not fit, or no artifact could lie there.
pub fn model(board: &Board, what: &str, artifact: &[u8]) -> Result<Segment, Error> {
    let partition = partition(board)?;
    if !partition.origin.is_multiple_of(ALIGNMENT) {
        let reason = format!(
            "the model partition starts at {:#010x}, but an artifact must lie at a multiple of {ALIGNMENT}",
            partition.origin
        );
        return Err(Error::Disagree { board: board.name.clone(), reason });
    }
    let place = format!("the model partition of {}", board.name);
    segment(what, artifact, &place, range_of(partition).start, partition.length)
}

/// The contents of a slot, as `microhlo slot` makes them, in one half of the model partition.
/// See the example of [`slot_bytes`].
///
/// # Errors
/// They do not fit, or the halves do not end where sectors do.
pub fn slot(
    board: &Board,
    chip: &Chip,
    slot: Slot,
    what: &str,
    image: &[u8],
) -> Result<Segment, Error> {
    let (address, length) = slot_range(board, slot)?;
    for end in [address, address + length] {
        if chip.sectors(&(end..end + 1)).first().is_some_and(|sector| sector.start < end) {
            let reason = format!(
                "a model partition of {} bytes has no two slots: {end:#010x} lies inside a sector of {}; \
                 make the partition an even number of sectors",
                2 * length,
                chip.name
            );
            return Err(Error::Disagree { board: board.name.clone(), reason });
        }
    }
    segment(what, image, &format!("slot {} of {}", name_of(slot), board.name), address, length)
}

/// Where a programmer writes a slot, and its size.
fn slot_range(board: &Board, slot: Slot) -> Result<(u64, u64), Error> {
    let partition = partition(board)?;
    let length = partition.length / 2;
    let start = range_of(partition).start;
    Ok((start + if slot == Slot::A { 0 } else { length }, length))
}

/// Where the core reads a slot.
pub(crate) fn slot_origin(board: &Board, slot: Slot) -> Result<u64, Error> {
    let partition = partition(board)?;
    Ok(partition.origin + if slot == Slot::A { 0 } else { partition.length / 2 })
}

/// Bytes of each of two slots in the board's model partition.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/board.rs"));
/// use microhlo_probe::{slot, slot_bytes};
/// use microhlo_slots::Slot;
///
/// # fn main() -> Result<(), microhlo_probe::Error> {
/// let (board, chip) = (board(), chip());
/// assert_eq!(slot_bytes(&board)?, 0x4000);
/// // The second half of the partition.
/// let segment = slot(&board, &chip, Slot::B, "kws.slot", &[0; 600])?;
/// assert_eq!(segment.range(), 0x0800_c000..0x0800_c258);
/// assert!(slot(&board, &chip, Slot::B, "kws.slot", &[0; 0x4001]).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// There is no partition.
pub fn slot_bytes(board: &Board) -> Result<u64, Error> {
    Ok(partition(board)?.length / 2)
}

/// A slot's letter.
pub(crate) fn name_of(slot: Slot) -> char {
    if slot == Slot::A { 'A' } else { 'B' }
}

/// What a firmware's ELF file loads, at the addresses that a programmer uses.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/board.rs"));
/// use microhlo_probe::{Error, firmware};
/// use std::path::Path;
///
/// # fn main() {
/// let error = firmware(&board(), Path::new("firmware.bin"), b"\x00\x40\x00\x20").unwrap_err();
/// assert!(matches!(error, Error::BadFirmware { .. }));
/// # }
/// ```
///
/// # Errors
/// The file is no firmware for the board, or lies where the model partition is.
pub fn firmware(board: &Board, path: &Path, file: &[u8]) -> Result<Vec<Segment>, Error> {
    let bad = |reason: String| Error::BadFirmware { path: path.to_owned(), reason };
    let elf = ElfFile32::<Endianness>::parse(file)
        .map_err(|error| bad(format!("not the 32-bit ELF file of a firmware: {error}")))?;
    check_board(board, &elf).map_err(bad)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut segments = Vec::new();
    for part in elf.segments() {
        let bytes = part.data().map_err(|error| bad(error.to_string()))?;
        // Where variables start from is not where they live.
        let address = u64::from(part.elf_program_header().p_paddr(elf.endian()));
        if bytes.is_empty() {
            continue;
        }
        let region =
            board.memory.iter().find(|r| r.origin <= address && address < r.origin + r.length);
        if region.is_some_and(|region| region.kind == RegionKind::Model) {
            return Err(bad(format!(
                "it has {} bytes at {address:#010x}, in the model partition; a firmware with its model \
                 inside takes it from a linker section such as `.microhlo.model`",
                bytes.len()
            )));
        }
        let address = region.map_or(address, |r| address - r.origin + r.programmer_address());
        segments.push(Segment { what: name.to_string(), address, bytes: bytes.to_vec() });
    }
    if segments.is_empty() {
        return Err(bad("it has nothing to load; pass the file that the linker wrote".to_owned()));
    }
    Ok(segments)
}

/// Whether the file is for the board: by the name that firmware of this project keeps, and by the core.
fn check_board(board: &Board, elf: &ElfFile32<'_, Endianness>) -> Result<(), String> {
    let architecture = elf.architecture();
    let expected =
        if board.target.starts_with("riscv") { Architecture::Riscv32 } else { Architecture::Arm };
    if architecture != expected {
        return Err(format!(
            "it is for {architecture:?}, but {} is {}; build it with --target {}",
            board.name, board.core, board.target
        ));
    }
    let section = elf.section_by_name(".microhlo.board");
    let name = section.and_then(|section| section.data().ok());
    match name.map(String::from_utf8_lossy) {
        Some(name) if name != board.name => Err(format!(
            "it is built for board `{name}`; name that board, or build it with MICROHLO_BOARD={}",
            board.name
        )),
        _ => Ok(()),
    }
}

fn partition(board: &Board) -> Result<&Region, Error> {
    board.region(RegionKind::Model).ok_or_else(|| Error::Disagree {
        board: board.name.clone(),
        reason: "it has no model partition; add a [[memory]] of kind `model` to its board.toml"
            .to_owned(),
    })
}

/// A segment of limited size.
fn segment(
    what: &str,
    bytes: &[u8],
    place: &str,
    address: u64,
    available: u64,
) -> Result<Segment, Error> {
    let needed = bytes.len() as u64;
    if needed > available {
        let (what, place) = (what.to_owned(), place.to_owned());
        return Err(Error::TooLarge { what, needed, place, available });
    }
    Ok(Segment { what: what.to_owned(), address, bytes: bytes.to_vec() })
}
