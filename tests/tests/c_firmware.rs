//! The example in C: it builds with `arm-none-eabi-gcc`, links no other kernels than it needs, and reads digits.
#![cfg(feature = "qemu-tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use microhlo_qemu::{Registry, run_firmware};
use microhlo_tests::image::Image;
use microhlo_tests::stderr;

/// Most bytes of flash, without the model.
const FLASH: u64 = 26 * 1024;

fn built() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-digits");
    let mut build = Command::new("sh");
    build.arg(root.join("examples/c-digits/build.sh"));
    build.arg(env!("CARGO_BIN_EXE_microhlo-under-test")).arg(&folder);
    let output = build.output().expect("a shell");
    let hint = "`./mh qemu-tests` installs what is missing";
    assert!(output.status.success(), "{}\n{hint}", stderr(&output));
    folder.join("c-digits.elf")
}

#[test]
fn firmware_in_c_reads_digits() {
    let path = built();
    let image = Image::read(&fs::read(&path).expect("the firmware"), "arena").expect("an ELF file");
    println!("{}", image.text());
    let model = fs::metadata(path.with_file_name("digits_cnn.mhlo")).expect("the artifact").len();
    let flash = image.flash - model;
    assert!(flash <= FLASH, "{flash} bytes of flash");
    assert_eq!(image.panics, Vec::<String>::new());
    let registry = Registry::find().expect("the boards");
    let board = registry.board("mps2-an386").expect("the board");
    let code = run_firmware(board, &path, Duration::from_secs(120)).expect("it ends");
    assert_eq!(code, 0);
}
