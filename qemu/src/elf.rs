//! ELF files: which board a firmware is for, and wrapping an image.

use crate::error::Error;
use object::read::elf::ElfFile32;
use object::write::elf::{FileHeader, ProgramHeader, Writer};
use object::{Object, ObjectSection, ObjectSymbol, elf};
use std::fs;
use std::path::Path;

/// Section that holds the name of the board a firmware is built for.
const BOARD_SECTION: &str = ".microhlo.board";

/// The name of the board that the firmware in an ELF file is built for.
///
/// ```
/// use microhlo_qemu::{Error, board_name};
/// use std::path::Path;
///
/// let file = Path::new("no-such-firmware");
/// assert!(matches!(board_name(file), Err(Error::Io { .. })));
/// ```
///
/// # Errors
/// The file cannot be read, or is not firmware that links `microhlo-board`.
pub fn board_name(path: &Path) -> Result<String, Error> {
    let not_firmware = |reason: String| Error::NotFirmware { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(Error::io(path.display().to_string()))?;
    let file = ElfFile32::<object::Endianness>::parse(&*bytes)
        .map_err(|error| not_firmware(format!("not a 32-bit ELF file: {error}")))?;
    let section = file.section_by_name(BOARD_SECTION).ok_or_else(|| {
        not_firmware(format!(
            "no section {BOARD_SECTION}; firmware must link the microhlo-board crate"
        ))
    })?;
    let name = section.data().map_err(|error| not_firmware(error.to_string()))?;
    String::from_utf8(name.to_vec()).map_err(|error| not_firmware(error.to_string()))
}

/// The address of a function in an ELF file, without the bit that marks Thumb code.
///
/// # Errors
/// The file cannot be read or has no such function.
pub(crate) fn function(path: &Path, name: &str) -> Result<u64, Error> {
    let failed = |reason: String| Error::NotFirmware { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(Error::io(path.display().to_string()))?;
    let file = ElfFile32::<object::Endianness>::parse(&*bytes)
        .map_err(|error| failed(format!("not a 32-bit ELF file: {error}")))?;
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name));
    let address = symbol.map(|symbol| symbol.address() & !1);
    address.ok_or_else(|| failed(format!("no function {name}")))
}

/// Wraps bytes as an ELF file that loads them at `address`.
pub(crate) fn wrap(bytes: &[u8], address: u64) -> Result<Vec<u8>, object::write::Error> {
    let mut out = Vec::new();
    let mut writer = Writer::new(object::Endianness::Little, false, &mut out);
    writer.reserve_file_header();
    writer.reserve_program_headers(1);
    let offset = writer.reserve(bytes.len() as u64, 16);
    writer.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        // The loader device accepts data for any machine.
        e_machine: elf::EM_NONE,
        e_entry: 0,
        e_flags: elf::FileFlags(0),
    })?;
    writer.write_align_program_headers();
    let size = bytes.len() as u64;
    writer.write_program_header(&ProgramHeader {
        p_type: elf::PT_LOAD,
        p_flags: elf::PF_R,
        p_offset: offset,
        p_vaddr: address,
        p_paddr: address,
        p_filesz: size,
        p_memsz: size,
        p_align: 16,
    });
    writer.write_align(16);
    writer.write(bytes);
    Ok(out)
}
