//! The example's firmware without its printing: how large it is, that it cannot panic, and that
//! it computes what it should.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use microhlo_qemu::{Registry, build, build_with, run_firmware};
use microhlo_tests::image::Image;

/// Most bytes of flash on the Cortex-M4F, without the model.
const FLASH: u64 = 24 * 1024;

/// Bytes of RAM beside arena and stack that the firmware stays under.
const RAM: u64 = 1024;

/// Builds of the same binary with other features replace it.
static BUILDS: Mutex<()> = Mutex::new(());

/// Builds the example without printing, and reads it before it is replaced.
fn silent(board: &str) -> (PathBuf, Vec<u8>) {
    let registry = Registry::find().expect("the boards");
    let board = registry.board(board).expect("the board");
    let folder = build_with(&registry, board, "digits-cnn", &["--no-default-features"])
        .unwrap_or_else(|error| panic!("{error}"));
    let path = folder.join("digits-cnn");
    let bytes = fs::read(&path).expect("the firmware");
    (path, bytes)
}

fn measured(board: &str) -> Image {
    let _one_at_a_time = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, bytes) = silent(board);
    let image = Image::read(&bytes, "ARENA").expect("an ELF file");
    println!("digits-cnn on {board}: {}", image.text());
    assert!(image.model > 9000, "the artifact is in its own section");
    image
}

#[test]
fn the_firmware_is_small_on_the_cortex_m4f() {
    let image = measured("mps2-an386");
    assert!(image.flash <= FLASH, "{} bytes of flash: {}", image.flash, image.text());
    assert!(image.ram < RAM, "{} bytes of RAM", image.ram);
}

#[test]
fn nothing_of_a_panic_is_linked() {
    for board in ["mps2-an386", "virt-rv32"] {
        let image = measured(board);
        assert_eq!(image.panics, Vec::<String>::new(), "{board}");
        assert_eq!(image.texts, Vec::<String>::new(), "{board}");
    }
}

#[test]
fn the_measured_firmware_is_right_on_both_boards() {
    let _one_at_a_time = BUILDS.lock().unwrap_or_else(PoisonError::into_inner);
    let registry = Registry::find().expect("the boards");
    for name in ["mps2-an386", "virt-rv32"] {
        let board = registry.board(name).expect("the board");
        let (path, _) = silent(name);
        let code = run_firmware(board, &path, Duration::from_secs(120)).expect("it ends");
        assert_eq!(code, 0, "{name}");
    }
}

#[test]
fn a_firmware_that_panics_is_told_apart() {
    let registry = Registry::find().expect("the boards");
    let board = registry.board("mps2-an386").expect("the board");
    let folder = build(&registry, board, "microhlo-calibrate").expect("it builds");
    let bytes = fs::read(folder.join("panic")).expect("the firmware");
    let image = Image::read(&bytes, "ARENA").expect("an ELF file");
    assert!(!image.panics.is_empty() && !image.texts.is_empty(), "{image:?}");
}
