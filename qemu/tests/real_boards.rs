//! Boards that nothing here emulates: their firmware links, into the memory that they have, and does not grow.
//!
//! What only hardware shows is whether it runs.

use std::fs;
use std::path::Path;

use microhlo_qemu::{Board, Region, RegionKind, Registry, build_runner};
use object::read::elf::{ElfFile32, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol, elf};

/// Most bytes of flash that the runner takes on each board: all kernels, the chip's start-up, RTT. There is room
/// for a kernel or two.
const FLASH: [(&str, u64); 7] = [
    ("esp32c3", 418 * 1024),
    ("nrf52840-dk", 352 * 1024),
    ("nucleo-f411re", 356 * 1024),
    ("nucleo-h743zi", 360 * 1024),
    ("pico", 312 * 1024),
    ("pico2", 352 * 1024),
    ("pico2-riscv", 408 * 1024),
];

/// What is loaded from an ELF file: address at run time, address in flash, and bytes.
fn segments(bytes: &[u8]) -> Vec<(u64, u64, u64)> {
    let header = elf::FileHeader32::<Endianness>::parse(bytes).expect("an ELF file");
    let endian = header.endian().expect("its endianness");
    let all = header.program_headers(endian, bytes).expect("its segments");
    let loaded = all
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD && segment.p_filesz(endian) > 0);
    let place = |s: &elf::ProgramHeader32<Endianness>| {
        let (at, from) = (s.p_vaddr(endian), s.p_paddr(endian));
        (u64::from(at), u64::from(from), u64::from(s.p_filesz(endian)))
    };
    loaded.map(place).collect()
}

fn symbol(bytes: &[u8], name: &str) -> Option<u64> {
    let file = ElfFile32::<Endianness>::parse(bytes).expect("an ELF file");
    file.symbols().find(|symbol| symbol.name() == Ok(name)).map(|symbol| symbol.address())
}

fn holds(region: &Region, at: u64, length: u64) -> bool {
    region.origin <= at && at + length <= region.origin + region.length
}

/// Checks that all that is loaded lies in flash, and what the probe looks for in RAM; returns the bytes of
/// flash.
fn check(board: &Board, firmware: &Path) -> u64 {
    let bytes = fs::read(firmware).expect("the firmware");
    let of_kind = |kind| board.memory.iter().filter(move |region| region.kind == kind);
    let segments = segments(&bytes);
    for &(_, from, length) in &segments {
        let inside = of_kind(RegionKind::Flash).any(|region| holds(region, from, length));
        // A boot loader that copies segments to RAM takes their addresses there.
        let copied = board.name == "esp32c3" && !inside;
        assert!(inside || copied, "{}: {length} bytes at {from:#x} are not in flash", board.name);
    }
    let control_block = symbol(&bytes, "_SEGGER_RTT").expect("RTT's control block");
    let in_ram = of_kind(RegionKind::Ram).any(|region| holds(region, control_block, 24));
    assert!(in_ram, "{}: RTT's control block is at {control_block:#x}", board.name);
    let stack = board.region(RegionKind::Stack).expect("a stack");
    assert_eq!(symbol(&bytes, "_stack_start"), Some(stack.origin + stack.length), "{}", board.name);
    segments.iter().map(|segment| segment.2).sum()
}

#[test]
fn firmware_of_every_real_board_links_and_does_not_grow() {
    let registry = Registry::find().expect("the boards");
    let real: Vec<&Board> = registry.boards().iter().filter(|b| !b.is_emulated()).collect();
    let names: Vec<&str> = real.iter().map(|board| board.name.as_str()).collect();
    assert_eq!(names, FLASH.map(|(name, _)| name), "each has its bound");
    let mut grown = Vec::new();
    for (board, (name, most)) in real.into_iter().zip(FLASH) {
        let firmware = build_runner(&registry, board).unwrap_or_else(|error| panic!("{error}"));
        let flash = check(board, &firmware);
        println!("runner on {name}: {flash} bytes of flash, at most {most}");
        if flash > most {
            grown.push(name);
        }
    }
    assert!(grown.is_empty(), "the firmware has grown on {}", grown.join(", "));
}

/// The first bytes of flash, with zeros where the firmware has none.
fn start_of_flash(file: &[u8], origin: u64, length: usize) -> Vec<u8> {
    let header = elf::FileHeader32::<Endianness>::parse(file).expect("an ELF file");
    let endian = header.endian().expect("its endianness");
    let mut flash = vec![0; length];
    for segment in header.program_headers(endian, file).expect("its segments") {
        let Some(at) = u64::from(segment.p_paddr(endian)).checked_sub(origin) else { continue };
        let data = segment.data(endian, file).unwrap_or_default();
        for (to, from) in flash.iter_mut().skip(at as usize).zip(data) {
            *to = *from;
        }
    }
    flash
}

#[test]
fn the_boot_roms_of_the_picos_find_what_they_look_for() {
    let registry = Registry::find().expect("the boards");
    let flash = |board: &str, length: usize| {
        let board = registry.board(board).expect("the board");
        let firmware = build_runner(&registry, board).unwrap_or_else(|error| panic!("{error}"));
        start_of_flash(&fs::read(firmware).expect("the firmware"), 0x1000_0000, length)
    };
    // RP2040 Datasheet, "Bootrom": the checksum of the first 252 bytes follows them.
    let boot2 = flash("pico", 256);
    let mut checksum = u32::MAX;
    for byte in &boot2[..252] {
        checksum ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            checksum = checksum << 1 ^ if checksum >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
        }
    }
    assert_eq!(boot2[252..], checksum.to_le_bytes(), "the second stage's checksum");
    // RP2350 Datasheet, "Block loops": begins with this marker, in the first 4 KiB.
    for board in ["pico2", "pico2-riscv"] {
        let start = flash(board, 4096);
        let marker = 0xFFFF_DED3_u32.to_le_bytes();
        assert!(start.windows(4).any(|word| word == marker), "{board} has an image definition");
    }
}
