//! `microhlo compile --emit c` and `--emit object`: a C program, compiled and linked on this computer, finds
//! the artifact byte for byte.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use microhlo_tests::{microhlo, stderr, stdout};

const PROGRAM: &str = "func.func @main(%x: tensor<2x3xf32>, %y: tensor<3xi8>) -> tensor<2x3xf32> {
  %0 = stablehlo.convert %y : (tensor<3xi8>) -> tensor<3xf32>
  %1 = stablehlo.broadcast_in_dim %0, dims = [1] : (tensor<3xf32>) -> tensor<2x3xf32>
  %2 = stablehlo.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %3 = stablehlo.multiply %x, %2 : tensor<2x3xf32>
  %4 = stablehlo.add %3, %1 : tensor<2x3xf32>
  return %4 : tensor<2x3xf32>
}";

/// Writes sizes as text and then the artifact to standard output.
const MAIN: &str = "#include <stdio.h>
#include \"two-names.h\"

int main(void) {
  unsigned misaligned = (unsigned)((uintptr_t)two_names_artifact % 16);
  printf(\"%u %u %u %u %u %u\\n\", misaligned, TWO_NAMES_INPUT_COUNT, TWO_NAMES_INPUT_0_BYTES,
         TWO_NAMES_INPUT_1_BYTES, TWO_NAMES_OUTPUT_0_BYTES, TWO_NAMES_ARENA_BYTES);
  return fwrite(two_names_artifact, TWO_NAMES_ARTIFACT_BYTES, 1, stdout) != 1;
}
";

fn compile(folder: &Path, args: &[&str]) -> Output {
    let model = folder.join("two-names.mlir").display().to_string();
    fs::write(&model, PROGRAM).expect("the program");
    let args = [&["compile", &model], args].concat();
    microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), &args)
}

/// Emits, links with `main.c`, runs that, and compares what it writes.
fn check(emit: &str, extension: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let artifact = at("two-names.mhlo");
    let output = compile(folder.path(), &["--emit", emit, "-o", &artifact.display().to_string()]);
    assert!(output.status.success(), "{}", stderr(&output));
    fs::write(at("main.c"), MAIN).expect("the C program");
    // A linker's driver, which Rust needs too.
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"]).arg(at("main")).arg(at("main.c"));
    let output = cc.arg(at("two-names").with_extension(extension)).output().expect("a C compiler");
    assert!(output.status.success(), "{}", stderr(&output));
    let output = Command::new(at("main")).output().expect("it runs");
    assert!(output.status.success());
    let artifact = fs::read(artifact).expect("the artifact");
    assert!(output.stdout.ends_with(&artifact), "the bytes are those of the artifact");
    let text = &output.stdout[..output.stdout.len() - artifact.len()];
    let numbers = String::from_utf8_lossy(text);
    let numbers: Vec<u32> =
        numbers.split_whitespace().map(|n| n.parse().expect("a number")).collect();
    assert_eq!(numbers[..5], [0, 2, 24, 3, 24]);
    assert!(numbers[5] >= 24, "an arena of {} bytes", numbers[5]);
}

#[test]
fn a_c_array_holds_the_artifact() {
    check("c", "c");
}

#[test]
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn an_object_holds_the_artifact() {
    check("object", "o");
}

#[test]
fn an_object_needs_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = compile(folder.path(), &["--emit", "object"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("-o OUT.mhlo"), "{}", stderr(&output));
    let output = compile(folder.path(), &["--emit", "c"]);
    assert!(stdout(&output).contains("const uint8_t two_names_artifact["), "{}", stdout(&output));
}
