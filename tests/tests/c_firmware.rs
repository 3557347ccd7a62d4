//! The examples in C and C++: they build with `arm-none-eabi-gcc`, link no other kernels than they need, and run.
#![cfg(feature = "qemu-tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use microhlo_compiler::image::Image;
use microhlo_qemu::{Registry, run_firmware};
use microhlo_tests::{microhlo, stderr, stdout};

/// Most bytes of flash, without the model.
const FLASH: u64 = 27 * 1024;

/// The tests build in one folder.
static BUILD: Mutex<()> = Mutex::new(());

fn built(example: &str) -> PathBuf {
    let _one_at_a_time = BUILD.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(example);
    let mut build = Command::new("sh");
    build.arg(root.join(format!("examples/{example}/build.sh")));
    build.arg(env!("CARGO_BIN_EXE_microhlo-under-test")).arg(&folder);
    let output = build.output().expect("a shell");
    let hint = "`./mh qemu-tests` installs what is missing";
    assert!(output.status.success(), "{}\n{hint}", stderr(&output));
    folder.join(format!("{example}.elf"))
}

#[test]
fn firmware_in_c_reads_digits() {
    let path = built("c-digits");
    let image = Image::read(&fs::read(&path).expect("the firmware"), "arena").expect("an ELF file");
    println!("{}", image.text());
    let model = fs::metadata(path.with_file_name("digits_cnn.mhlo")).expect("the artifact").len();
    assert_eq!(image.model, model);
    assert!(image.flash <= FLASH, "{} bytes of flash", image.flash);
    assert_eq!(image.panics, Vec::<String>::new());
    assert_eq!(exit_code(&path), 0);
}

/// What a firmware ends with in QEMU.
fn exit_code(path: &Path) -> u8 {
    let registry = Registry::find().expect("the boards");
    let board = registry.board("mps2-an386").expect("the board");
    run_firmware(board, path, Duration::from_secs(120)).expect("it ends")
}

/// Objects of C++ take no more than what C does.
#[test]
fn firmware_in_cpp_reads_digits() {
    let path = built("cpp-digits");
    let image = Image::read(&fs::read(&path).expect("the firmware"), "arena").expect("an ELF file");
    assert!(image.flash <= FLASH, "{} bytes of flash", image.flash);
    assert_eq!(image.panics, Vec::<String>::new());
    assert_eq!(exit_code(&path), 0);
}

#[test]
fn a_model_calls_a_function_in_c() {
    let path = built("c-custom-op");
    let image = Image::read(&fs::read(&path).expect("the firmware"), "arena").expect("an ELF file");
    assert_eq!(image.panics, Vec::<String>::new());
    assert_eq!(exit_code(&path), 0);
}

#[test]
fn its_size_is_told_by_part() {
    let path = built("c-digits");
    let microhlo = |args: &[&str]| microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), args);
    let firmware = path.display().to_string();
    let output = microhlo(&["size", &firmware, "--json", "-"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let sizes: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let model = fs::metadata(path.with_file_name("digits_cnn.mhlo")).expect("the artifact").len();
    assert_eq!(sizes["model_bytes"], model);
    assert!(sizes["kernel_bytes"]["conv_f32"].as_u64() > Some(500), "{sizes}");
    assert_eq!(sizes["arena_bytes"], 2064);
    // Runtime and kernels have no variables; the model that is loaded is one of the firmware's.
    let variables = sizes["variable_bytes"].as_object().expect("variables by part");
    let of = |part: &str| variables[part].as_u64().expect("a size");
    assert_eq!((of("kernels"), of("loader and runtime"), of("library")), (0, 0, 0), "{sizes}");
    let sum: u64 = variables.keys().map(|part| of(part)).sum();
    let beside = sizes["ram_bytes"].as_u64().map(|ram| ram - 2064);
    assert!(
        of("the firmware itself") > 0 && beside.is_some_and(|ram| sum <= ram && ram < sum + 16)
    );
    let text = stdout(&microhlo(&["size", &firmware]));
    assert!(text.contains("loader and runtime") && text.contains("    conv_f32"), "{text}");
    let artifact = path.with_file_name("digits_cnn.mhlo").display().to_string();
    let output = microhlo(&["size", &artifact]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("not an ELF file"), "{}", stderr(&output));
}
