//! What can be tested without QEMU.

use microhlo_qemu::{Board, Error, Registry, RegistryError, board_name, check_version};
use std::fs;
use std::path::Path;

fn board(name: &str) -> Board {
    Registry::find().unwrap().board(name).unwrap().clone()
}

/// A board whose QEMU is a script that prints a text.
#[cfg(unix)]
fn board_with_qemu(folder: &Path, prints: &str) -> Board {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("qemu");
    fs::write(&path, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut board = board("mps2-an386");
    board.qemu.as_mut().unwrap().binary = path.to_str().unwrap().to_owned();
    board
}

#[test]
#[cfg(unix)]
fn the_version_of_qemu_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let check = |prints| check_version(&board_with_qemu(folder.path(), prints));
    assert_eq!(check("QEMU emulator version 7.2.0").unwrap(), "7.2");
    assert_eq!(check("QEMU emulator version 10.1.2 (v10)").unwrap(), "10.1");
    let old = check("QEMU emulator version 6.2.0").unwrap_err();
    assert!(matches!(old, Error::QemuTooOld { .. }), "{old}");
    assert!(old.to_string().contains("6.2; version 7.2 or newer is needed"), "{old}");
    let unknown = check("something else").unwrap_err();
    assert!(matches!(unknown, Error::QemuVersion { .. }), "{unknown}");
}

#[test]
fn a_missing_qemu_is_named_with_what_to_install() {
    for (name, package) in [("mps2-an386", "qemu-system-arm"), ("virt-rv32", "qemu-system-misc")] {
        let mut board = board(name);
        board.qemu.as_mut().unwrap().binary += "-missing";
        let error = check_version(&board).unwrap_err();
        assert!(matches!(error, Error::QemuMissing { .. }));
        assert!(error.to_string().contains(&format!("apt-get install {package}")), "{error}");
    }
}

#[test]
fn an_elf_file_of_another_kind_is_no_firmware() {
    let error = board_name(&std::env::current_exe().unwrap()).unwrap_err();
    assert!(matches!(error, Error::NotFirmware { .. }), "{error}");
    let error = board_name(Path::new("no such file")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn unknown_boards_are_refused_with_the_known_ones() {
    let registry = Registry::find().unwrap();
    let error = registry.board("mps2").unwrap_err().to_string();
    assert!(error.contains("mps2-an386, ") && error.contains(", virt-rv32"), "{error}");
    let error = registry.board_for_target("x86_64-unknown-linux-gnu").unwrap_err();
    assert!(matches!(error, RegistryError::UnknownTarget { .. }));
    let board = registry.board_for_target("riscv32imac-unknown-none-elf").unwrap();
    assert_eq!(board.name, "virt-rv32");
}

#[test]
fn a_board_is_one_folder() {
    let root = tempfile::tempdir().unwrap();
    let boards = root.path().join("boards");
    let mine = boards.join("mine");
    fs::create_dir_all(&mine).unwrap();
    let none = Registry::open(root.path()).unwrap_err();
    assert!(matches!(none, RegistryError::NoRoot { .. }), "{none}");

    let text = fs::read_to_string(board("virt-rv32").folder.join("board.toml")).unwrap();
    fs::write(mine.join("board.toml"), &text).unwrap();
    let registry = Registry::open(root.path()).unwrap();
    assert_eq!(registry.board("mine").unwrap().target, "riscv32imac-unknown-none-elf");

    fs::write(mine.join("board.toml"), text.replace("kind = \"model\"", "kind = \"arena\""))
        .unwrap();
    let error = Registry::open(root.path()).unwrap_err().to_string();
    assert!(error.contains("no memory region of kind `model`"), "{error}");

    fs::write(mine.join("board.toml"), text.replace("machine =", "machina =")).unwrap();
    let error = Registry::open(root.path()).unwrap_err().to_string();
    assert!(error.contains("machina") && error.contains("board.toml"), "{error}");
}

/// The error of a description that differs from another in one text.
fn error_of(change: &str, to: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    let mine = root.path().join("boards/mine");
    fs::create_dir_all(&mine).unwrap();
    let text = fs::read_to_string(board("netduinoplus2").folder.join("board.toml")).unwrap();
    assert!(text.contains(change), "{change}");
    fs::write(mine.join("board.toml"), text.replace(change, to)).unwrap();
    Registry::open(root.path()).unwrap_err().to_string()
}

#[test]
fn a_description_that_cannot_be_says_why() {
    for (change, to, said) in [
        ("length = 0x1_8000", "length = 0", "`ARENA` has no length"),
        ("length = 0x1_8000", "length = 0xF000_0000", "`ARENA` ends beyond the 4 GiB"),
        ("length = 0x4000\n", "length = 0x5000\n", "`STACK` and `RAM` overlap from 0x20004000"),
        ("name = \"RAM\"", "name = \"STACK\"", "two memory regions are called `STACK`"),
        ("name = \"ARENA\"", "name = \"LONG_NAME\"", "`LONG_NAME` needs a name of at most 8"),
        ("clock-hz = 16_000_000", "", "needs `clock-hz`"),
        ("[probe]", "[probe]\nchip-description = \"chip.yaml\"", "chip.yaml, which is no file"),
    ] {
        let error = error_of(change, to);
        assert!(error.contains(said) && error.contains("board.toml"), "{said}: {error}");
    }
}

#[test]
fn a_board_needs_an_emulator_or_a_probe() {
    let text = fs::read_to_string(board("virt-rv32").folder.join("board.toml")).unwrap();
    let (before, rest) = text.split_once("[qemu]").unwrap();
    let (_, after) = rest.split_once("[counter]").unwrap();
    let root = tempfile::tempdir().unwrap();
    let mine = root.path().join("boards/mine");
    fs::create_dir_all(&mine).unwrap();
    fs::write(mine.join("board.toml"), format!("{before}[counter]{after}")).unwrap();
    let error = Registry::open(root.path()).unwrap_err().to_string();
    assert!(error.contains("neither [qemu] nor [probe]"), "{error}");

    let probe = "clock-hz = 1_000_000\n[probe]\nchip = \"some-chip\"\n[counter]";
    let memory = before.find("[[memory]]").unwrap();
    let (head, memory) = before.split_at(memory);
    let (clock, probe) = probe.split_once('\n').unwrap();
    fs::write(mine.join("board.toml"), format!("{head}{clock}\n{memory}{probe}{after}")).unwrap();
    let registry = Registry::open(root.path()).unwrap();
    assert_eq!(registry.emulated().count(), 0);
    let error = check_version(registry.board("mine").unwrap()).unwrap_err();
    assert!(matches!(error, Error::NotEmulated { .. }), "{error}");
    assert!(error.to_string().contains("(chip some-chip)"), "{error}");
}
