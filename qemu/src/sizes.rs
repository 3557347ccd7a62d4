//! What a firmware takes of its board's memory.

use crate::error::Error;
use microhlo_boards::{Board, Region};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};
use std::fs;
use std::path::Path;

/// What a firmware takes of a region of its board's memory. See the example of [`memory_taken`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Name of the region.
    pub region: String,
    /// Bytes that the firmware takes.
    pub bytes: u64,
    /// Bytes that there are.
    pub length: u64,
}

/// What the firmware in an ELF file takes of the board's regions, those left out of which it takes nothing: flash with the
/// initial values of variables, RAM with what is zeroed or kept free for the stack.
///
/// ```no_run
/// use microhlo_qemu::{Registry, build, memory_taken};
///
/// let registry = Registry::find()?;
/// let board = registry.board("mps2-an386")?;
/// let firmware = build(&registry, board, "digits")?.join("digits");
/// for taken in memory_taken(board, &firmware)? {
///     println!("{}: {} of {} bytes", taken.region, taken.bytes, taken.length);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The file cannot be read, or is not a 32-bit ELF file.
pub fn memory_taken(board: &Board, firmware: &Path) -> Result<Vec<Taken>, Error> {
    let bytes = fs::read(firmware).map_err(Error::io(firmware.display().to_string()))?;
    taken(board, &bytes).map_err(|error| Error::NotFirmware {
        path: firmware.to_owned(),
        reason: format!("not a 32-bit ELF file: {error}"),
    })
}

fn taken(board: &Board, file: &[u8]) -> object::Result<Vec<Taken>> {
    let header = elf::FileHeader32::<Endianness>::parse(file)?;
    let endian = header.endian()?;
    let mut taken: Vec<u64> = vec![0; board.memory.len()];
    let mut add = |at: u64, address: fn(&Region) -> u64, bytes: u64| {
        let holds = |r: &Region| (address(r)..address(r) + r.length).contains(&at);
        if let Some(index) = board.memory.iter().position(holds) {
            taken[index] += bytes;
        }
    };
    for segment in header.program_headers(endian, file)? {
        if segment.p_type(endian) != elf::PT_LOAD {
            continue;
        }
        let [runs, lies, in_file, in_memory] = [
            segment.p_vaddr(endian),
            segment.p_paddr(endian),
            segment.p_filesz(endian),
            segment.p_memsz(endian),
        ]
        .map(u64::from);
        add(runs, |region| region.origin, in_memory);
        // Initial values, which start-up code copies.
        if lies != runs {
            add(lies, |region| region.origin, in_file);
        }
    }
    let regions = board.memory.iter().zip(taken).filter(|(_, bytes)| *bytes > 0);
    let part = |(region, bytes): (&Region, u64)| Taken {
        region: region.name.clone(),
        bytes,
        length: region.length,
    };
    Ok(regions.map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use microhlo_boards::Registry;

    #[test]
    fn segments_count_where_they_lie_and_where_they_run() {
        let registry = Registry::find().expect("the boards");
        let board = registry.board("netduinoplus2").expect("the board");
        let [flash, ram] = ["FLASH", "RAM"].map(|name| {
            board.memory.iter().find(|region| region.name == name).expect("the region")
        });
        // Two segments: 12 bytes of code, and 4 bytes of initial values of 20 bytes of variables.
        let word = |value: u64| u32::try_from(value).expect("a word");
        let segments = [
            [1, 52, word(flash.origin), word(flash.origin), 12, 12, 5, 4],
            [1, 64, word(ram.origin), word(flash.origin + 12), 4, 20, 6, 4],
            // No part of the firmware: a note.
            [4, 64, word(ram.origin), word(ram.origin), 4, 4, 4, 4],
        ];
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0".to_vec();
        let header = [1, 0, 68, 0, 0, 0x0020_0034, 0x0028_0003, 0];
        file.extend(header.iter().flat_map(|word: &u32| word.to_le_bytes()));
        file.extend([0; 16]);
        file.extend(segments.as_flattened().iter().flat_map(|word| word.to_le_bytes()));
        let part = |region: &Region, bytes| Taken {
            region: region.name.clone(),
            bytes,
            length: region.length,
        };
        let mut expected = vec![part(flash, 16), part(ram, 20)];
        expected
            .sort_by_key(|part| board.memory.iter().position(|region| region.name == part.region));
        assert_eq!(taken(board, &file).expect("an ELF file"), expected);
        assert!(taken(board, b"text").is_err());
    }
}
