//! From files to what is written where, and a chip in memory that it is written to.

use microhlo_boards::{Board, Registry};
use microhlo_probe::fake::{FakeProbes, Fault};
use microhlo_probe::{
    Attach, Chip, Error, Flash, Phase, Place, Plan, ProbeRs, Progress, Segment, attach, firmware,
    flash, model, other_slot, slot, slot_bytes,
};
use microhlo_slots::{HEADER_BYTES, Header, Slot, Trial};
use std::path::Path;

const BOARD: &str = r#"
    description = "board of a test"
    target = "thumbv7em-none-eabihf"
    core = "cortex-m4f"

    [[memory]]
    name = "FLASH"
    kind = "flash"
    origin = 0x0800_0000
    length = 0x8000

    [[memory]]
    name = "MODEL"
    kind = "model"
    origin = 0x0800_8000
    length = 0x8000

    [[memory]]
    name = "STACK"
    kind = "stack"
    origin = 0x2000_0000
    length = 0x1000

    [[memory]]
    name = "RAM"
    kind = "ram"
    origin = 0x2000_1000
    length = 0x1000

    [[memory]]
    name = "ARENA"
    kind = "arena"
    origin = 0x2000_2000
    length = 0x2000

    [probe]
    chip = "FAKE42"

    [counter]
    kind = "dwt"
"#;

/// The board, with one text of its description replaced.
fn board_with(from: &str, to: &str) -> Board {
    assert!(BOARD.contains(from));
    let mut board: Board = toml::from_str(&BOARD.replace(from, to)).unwrap();
    board.name = "test-board".to_owned();
    board
}

fn board() -> Board {
    board_with("kind = \"dwt\"", "kind = \"dwt\"")
}

/// 64 KiB of flash: eight sectors of 4 KiB, then two of 16 KiB.
fn chip() -> Chip {
    let sectors = vec![(0x0800_0000, 0x1000), (0x0800_8000, 0x4000)];
    let flash = vec![Flash { range: 0x0800_0000..0x0801_0000, sectors }];
    // One RAM in two halves.
    let ram = vec![0x2000_0000..0x2000_2000, 0x2000_2000..0x2000_4000];
    Chip { name: "FAKE42".to_owned(), flash, ram }
}

/// A firmware with these segments: where the core has them, where they are programmed, the bytes.
fn elf(machine: u16, segments: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let headers = 52 + 32 * segments.len();
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    for half in [2, machine] {
        file.extend(half.to_le_bytes());
    }
    for word in [1_u32, 0, 52, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    for half in [52, 32, segments.len() as u16, 40, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    let mut offset = headers as u32;
    for (core, programmed, bytes) in segments {
        let length = bytes.len() as u32;
        for word in [1, offset, *core, *programmed, length, length, 5, 4] {
            file.extend(word.to_le_bytes());
        }
        offset += length;
    }
    segments.iter().for_each(|(.., bytes)| file.extend(*bytes));
    file
}

const ARM: u16 = 40;
const RISCV: u16 = 243;

fn written(plan: &Plan) -> Vec<(u64, Vec<u8>)> {
    plan.segments().iter().map(|segment| (segment.address, segment.bytes.clone())).collect()
}

#[test]
fn a_plan_has_the_bytes_of_model_and_firmware_at_their_addresses() {
    let path = Path::new("firmware.elf");
    let file =
        elf(ARM, &[(0x0800_0000, 0x0800_0000, b"code"), (0x2000_1000, 0x0800_1002, b"data")]);
    let mut segments = firmware(&board(), path, &file).unwrap();
    segments.insert(0, model(&board(), "m.mhlo", &[7; 0x4001]).unwrap());
    let plan = Plan::new(&chip(), segments).unwrap();
    let expected = [
        (0x0800_0000, b"code".to_vec()),
        (0x0800_1002, b"data".to_vec()),
        (0x0800_8000, vec![7; 0x4001]),
    ];
    assert_eq!(written(&plan), expected);
    let sectors = [
        0x0800_0000..0x0800_1000,
        0x0800_1000..0x0800_2000,
        0x0800_8000..0x0800_c000,
        0x0800_c000..0x0801_0000,
    ];
    assert_eq!(plan.sectors(), sectors);
    // The check value of CRC-32/ISO-HDLC.
    let check = Segment { what: String::new(), address: 0, bytes: b"123456789".to_vec() };
    assert_eq!(check.crc32(), 0xcbf4_3926);
    let text = plan.listing();
    let model = "m.mhlo        0x08008000 to 0x0800c001     16385 bytes in 2 sectors, crc32 ";
    assert!(text.contains(model), "{text}");
    assert!(text.ends_with("4 sectors of 40960 bytes to erase on FAKE42\n"), "{text}");
}

#[test]
fn flash_is_programmed_where_the_board_says() {
    let board =
        board_with("origin = 0x0800_8000", "origin = 0x3c00_0000\nprogrammed-at = 0x0800_8000");
    let segment = model(&board, "m", &[1; 32]).unwrap();
    assert_eq!(segment.address, 0x0800_8000);
    let code =
        board_with("origin = 0x0800_0000", "origin = 0x4200_0000\nprogrammed-at = 0x0800_0000");
    let file = elf(ARM, &[(0x4200_0010, 0x4200_0010, b"code")]);
    assert_eq!(firmware(&code, Path::new("f"), &file).unwrap()[0].address, 0x0800_0010);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let text = model(&board(), "big.mhlo", &[0; 0x8001]).unwrap_err().to_string();
    assert!(
        text.starts_with(
            "big.mhlo has 32769 bytes, but the model partition of test-board has 32768"
        ),
        "{text}"
    );
    let odd = board_with("origin = 0x0800_8000", "origin = 0x0800_8008");
    let text = model(&odd, "m", &[0; 4]).unwrap_err().to_string();
    assert!(text.contains("0x08008008") && text.contains("multiple of 16"), "{text}");

    let at = |address, bytes: &[u8]| Segment {
        what: format!("{address:x}"),
        address,
        bytes: bytes.to_vec(),
    };
    let plan = |segments| Plan::new(&chip(), segments);
    assert!(matches!(plan(vec![]), Err(Error::Nothing)));
    assert!(matches!(plan(vec![at(0x0800_0000, &[])]), Err(Error::Nothing)));
    let text =
        plan(vec![at(0x0800_0fff, &[1]), at(0x0800_0000, &[0; 0x1000])]).unwrap_err().to_string();
    assert!(text.starts_with("8000000 and 8000fff overlap at 0x08000fff"), "{text}");
    let text = plan(vec![at(0x0800_fffe, &[1; 3])]).unwrap_err().to_string();
    assert!(text.contains("0x0800fffe, 3 bytes, but FAKE42 has no flash there"), "{text}");
    assert!(plan(vec![at(0x0800_0fff, &[1]), at(0x0800_0000, &[0; 0xfff])]).is_ok());
}

#[test]
fn a_firmware_that_is_none_of_the_board_is_refused() {
    let refused =
        |file: &[u8]| firmware(&board(), Path::new("f.elf"), file).unwrap_err().to_string();
    assert!(refused(b"MHLO").starts_with("f.elf: not the 32-bit ELF file of a firmware"));
    let text = refused(&elf(RISCV, &[(0, 0, b"code")]));
    assert!(text.contains("Riscv32") && text.contains("--target thumbv7em-none-eabihf"), "{text}");
    let text = refused(&elf(ARM, &[(0x0800_9000, 0x0800_9000, b"code")]));
    assert!(text.contains("4 bytes at 0x08009000, in the model partition"), "{text}");
    assert!(refused(&elf(ARM, &[])).contains("nothing to load"));
}

fn slot_image(version: u32, artifact: &[u8]) -> Vec<u8> {
    let mut image = Header::new(version, artifact).image(Trial::Confirmed).to_vec();
    image.extend(artifact);
    image
}

#[test]
fn each_slot_is_half_of_the_partition() {
    let image = slot_image(3, &[5; 64]);
    assert_eq!(image.len(), HEADER_BYTES + 64);
    assert_eq!(slot_bytes(&board()).unwrap(), 0x4000);
    for (which, address) in [(Slot::A, 0x0800_8000), (Slot::B, 0x0800_c000)] {
        let segment = slot(&board(), &chip(), which, "m", &image).unwrap();
        assert_eq!((segment.address, &segment.bytes), (address, &image));
    }
    let text = slot(&board(), &chip(), Slot::B, "m", &[0; 0x4001]).unwrap_err().to_string();
    assert!(text.starts_with("m has 16385 bytes, but slot B of test-board has 16384"), "{text}");
    // Halves of one sector cannot be erased one by one.
    let small = board_with(
        "length = 0x8000\n\n    [[memory]]\n    name = \"STACK\"",
        "length = 0x4000\n\n    [[memory]]\n    name = \"STACK\"",
    );
    let text = slot(&small, &chip(), Slot::A, "m", &image).unwrap_err().to_string();
    assert!(text.contains("16384 bytes has no two slots: 0x0800a000"), "{text}");
}

#[test]
fn the_board_must_agree_with_the_chip() {
    let probes = FakeProbes::new(chip());
    assert!(Place::of(&board(), &probes).is_ok());
    let text = |from, to| Place::of(&board_with(from, to), &probes).unwrap_err().to_string();
    let wrong = text("FAKE42", "FAKE43");
    assert!(wrong.starts_with("unknown chip `FAKE43`"), "{wrong}");
    let none = text("[probe]\n    chip = \"FAKE42\"", "");
    assert!(none.starts_with("board `test-board` has no chip that a probe reaches"), "{none}");
    let flash = text(
        "origin = 0x0800_0000\n    length = 0x8000",
        "origin = 0x0800_0000\n    length = 0x1_8000",
    );
    assert!(
        flash.contains("region `FLASH` at 0x08000000, 98304 bytes, is not flash of FAKE42"),
        "{flash}"
    );
    let ram = text("length = 0x2000\n", "length = 0x2001\n");
    assert!(ram.contains("region `ARENA`") && ram.contains("is not RAM"), "{ram}");
    let inside = text(
        "origin = 0x0800_8000\n    length = 0x8000",
        "origin = 0x0800_9000\n    length = 0x7000",
    );
    assert!(
        inside.contains("`MODEL` is 0x08009000 to 0x08010000, and 0x08009000 lies inside a sector"),
        "{inside}"
    );
}

fn place(probes: &FakeProbes) -> Place {
    Place::of(&board(), probes).unwrap()
}

fn some_plan() -> Plan {
    let code = Segment { what: "f.elf".to_owned(), address: 0x0800_0ff0, bytes: vec![1; 0x20] };
    Plan::new(&chip(), vec![code, model(&board(), "m.mhlo", &[7; 100]).unwrap()]).unwrap()
}

#[test]
fn flashing_writes_verifies_and_resets() {
    let probes = FakeProbes::new(chip());
    let place = place(&probes);
    let mut target = attach(&probes, &place, None, &Attach::default()).unwrap();
    let neighbour = Segment { what: "n".to_owned(), address: 0x0800_0100, bytes: b"kept".to_vec() };
    let mut ignore = |_| {};
    flash(&mut *target, &Plan::new(&chip(), vec![neighbour]).unwrap(), &mut ignore).unwrap();

    let mut done = [0_u64; 3];
    let mut totals = done;
    let index = |phase| {
        [Phase::Erase, Phase::Write, Phase::Verify].iter().position(|p| *p == phase).unwrap()
    };
    flash(&mut *target, &some_plan(), &mut |progress| match progress {
        Progress::Started(phase, total) => totals[index(phase)] = total.unwrap(),
        Progress::Advanced(phase, bytes) => done[index(phase)] += bytes,
        Progress::Finished(_) => {}
    })
    .unwrap();
    assert_eq!(done, totals);
    assert_eq!(done, [0x6000, 132, 132]);

    let memory = probes.memory.borrow();
    for segment in some_plan().segments() {
        assert_eq!(memory.bytes(segment.address, segment.bytes.len()), segment.bytes);
    }
    // What shares a sector with what was written is still there.
    assert_eq!(memory.bytes(0x0800_0100, 5), b"kept\xff");
    let erased: Vec<u64> = memory.erased.iter().map(|sector| sector.start).collect();
    assert_eq!(erased, [0x0800_0000, 0x0800_0000, 0x0800_1000, 0x0800_8000]);
    assert_eq!(memory.resets, 2);
}

/// What flashing ends with if this goes wrong.
fn failure(fault: Fault, how: &Attach) -> Result<(), Error> {
    let probes = FakeProbes::new(chip()).failing(fault);
    let mut target = attach(&probes, &place(&probes), None, how)?;
    flash(&mut *target, &some_plan(), &mut |_| {})
}

#[test]
fn every_failure_says_what_to_do() {
    let text = |fault| failure(fault, &Attach::default()).unwrap_err().to_string();
    let other = text(Fault::OtherChip("nRF52832_xxAA".to_owned()));
    assert!(
        other.contains(
            "fake probe (1209:0001:1) is connected to nRF52832_xxAA, but the board has FAKE42"
        ),
        "{other}"
    );
    let answer = text(Fault::NoAnswer);
    assert!(
        answer.contains("check power and wiring") && answer.contains("--connect-under-reset"),
        "{answer}"
    );
    let cable = text(Fault::Disconnect(1));
    assert!(
        cable.contains("lost while erasing") && cable.contains("run the same command again"),
        "{cable}"
    );
    let worn = text(Fault::StuckAt(0x0800_8003));
    assert!(worn.starts_with("m.mhlo reads back wrong at 0x08008003"), "{worn}");
    let under_reset = Attach { under_reset: true, ..Attach::default() };
    assert!(failure(Fault::NoAnswer, &under_reset).is_ok());
}

#[test]
fn a_locked_chip_is_erased_only_if_that_is_asked_for() {
    let probes = FakeProbes::new(chip());
    let place = place(&probes);
    let mut target = attach(&probes, &place, None, &Attach::default()).unwrap();
    flash(&mut *target, &some_plan(), &mut |_| {}).unwrap();
    let before = probes.memory.borrow().clone();

    let locked = probes.clone().failing(Fault::Locked);
    let refused = attach(&locked, &place, None, &Attach::default()).err().unwrap().to_string();
    assert!(
        refused.starts_with("FAKE42 is locked") && refused.contains("--allow-erase-all"),
        "{refused}"
    );
    assert_eq!(*probes.memory.borrow(), before);

    let erase = Attach { allow_erase_all: true, ..Attach::default() };
    assert!(attach(&locked, &place, None, &erase).is_ok());
    assert_eq!(probes.memory.borrow().bytes(0x0800_8000, 2), [0xff, 0xff]);
}

#[test]
fn the_other_slot_is_told() {
    let probes = FakeProbes::new(chip());
    let place = place(&probes);
    let mut target = attach(&probes, &place, None, &Attach::default()).unwrap();
    assert_eq!(other_slot(&mut *target, &place, Slot::A).unwrap(), None);
    let segment = slot(&place.board, &place.chip, Slot::B, "m", &slot_image(7, &[1; 32])).unwrap();
    flash(&mut *target, &Plan::new(&place.chip, vec![segment]).unwrap(), &mut |_| {}).unwrap();
    assert_eq!(other_slot(&mut *target, &place, Slot::A).unwrap().unwrap().version, 7);
    assert_eq!(other_slot(&mut *target, &place, Slot::B).unwrap(), None);
}

#[test]
fn real_boards_agree_with_what_probe_rs_knows_of_their_chips() {
    let registry = Registry::find().unwrap();
    for board in registry.boards().iter().filter(|board| board.probe.is_some()) {
        let place =
            Place::of(board, &ProbeRs).unwrap_or_else(|error| panic!("{}: {error}", board.name));
        let plan = Plan::new(&place.chip, vec![model(board, "m", &[1; 1000]).unwrap()]).unwrap();
        assert!(!plan.sectors().is_empty(), "{}", board.name);
    }
}
