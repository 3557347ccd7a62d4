//! `microhlo compile --emit c` and `--emit object`: a program in C, and the same in C++, compiled and linked on this
//! computer, finds the artifact byte for byte.

use std::ffi::CStr;
use std::fs;
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::{Command, Output};
use std::ptr::{null, null_mut};

use microhlo::Arena;
use microhlo_capi::{
    ArenaMemory, ModelMemory, RunMemory, Status, microhlo_arena_bytes_of, microhlo_arena_count,
    microhlo_arena_name, microhlo_fill, microhlo_infer, microhlo_infer_in, microhlo_load,
    microhlo_output, microhlo_reset_in, microhlo_set_input, microhlo_start_in, microhlo_step,
};
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

/// Emits, links with the program, runs that, and compares what it writes.
fn check(emit: &str, extension: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let artifact = at("two-names.mhlo");
    let output = compile(folder.path(), &["--emit", emit, "-o", &artifact.display().to_string()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let artifact = fs::read(artifact).expect("the artifact");
    let source = at("two-names").with_extension(extension);
    // Linkers' drivers, the first of which Rust needs too. An array in C becomes one in C++.
    let (c, cpp) = (["cc", "-std=c11", "main.c"], ["c++", "-std=c++11", "main.cc"]);
    for [compiler, standard, main] in [c, cpp] {
        fs::write(at(main), MAIN).expect("the program");
        let mut driver = Command::new(compiler);
        driver.args([standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
        driver.arg("-o").arg(at("main")).arg(at(main)).arg(&source);
        let output = driver.output().expect("a compiler");
        assert!(output.status.success(), "{compiler}: {}", stderr(&output));
        holds(&at("main"), &artifact);
    }
}

/// Runs the program, and compares what it writes.
fn holds(program: &Path, artifact: &[u8]) {
    let output = Command::new(program).output().expect("it runs");
    assert!(output.status.success());
    assert!(output.stdout.ends_with(artifact), "the bytes are those of the artifact");
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

/// A product whose weights are read for each of 16 rows.
fn product() -> String {
    let weights: String =
        (0..1024_u32).map(|i| format!("{:08x}", (0x3f00_0000 + i).swap_bytes())).collect();
    format!(
        "func.func @main(%x: tensor<16x32xf32>) -> tensor<16x32xf32> {{
  %w = stablehlo.constant dense<\"0x{weights}\"> : tensor<32x32xf32>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0]
    : (tensor<16x32xf32>, tensor<32x32xf32>) -> tensor<16x32xf32>
  return %0 : tensor<16x32xf32>
}}"
    )
}

/// Compiles the product with these options; returns its header and artifact.
fn product_files(folder: &Path, options: &[&str]) -> (String, Box<Arena<16384>>, usize) {
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("p.mlir"), product()).expect("the program");
    let args = ["compile", &path("p.mlir"), "--emit", "c", "-o", &path("p.mhlo")];
    let output = microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), &[&args, options].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let bytes = fs::read(path("p.mhlo")).expect("the artifact");
    let mut artifact = Box::new(Arena::<16384>::new());
    artifact.0[..bytes.len()].copy_from_slice(&bytes);
    (fs::read_to_string(path("p.h")).expect("the header"), artifact, bytes.len())
}

/// The value of a constant of a header.
fn constant(header: &str, name: &str) -> Option<usize> {
    let line = header.lines().find_map(|l| l.strip_prefix(&format!("#define {name} ")))?;
    line.trim_end_matches('u').parse().ok()
}

#[test]
fn a_model_in_several_memories_runs_through_the_c_interface() {
    let folder = tempfile::tempdir().expect("a folder");
    let regions = ["--region", "SLOW=8192:3", "--region", "FAST=6144:1", "--artifact-cost", "4"];
    let (header, artifact, len) = product_files(folder.path(), &regions);
    assert_eq!(constant(&header, "P_ARENA_COUNT"), Some(2), "{header}");
    let sizes = ["P_ARENA_0_BYTES", "P_ARENA_1_BYTES"];
    let [slow, fast] = sizes.map(|name| constant(&header, name).expect("a size"));
    assert!(fast > 4096 && header.contains("/* FAST */"), "{header}");
    let mut model = MaybeUninit::<ModelMemory>::zeroed();
    let model = model.as_mut_ptr();
    let mut memories = [Arena([0_u8; 8192]); 2];
    let [a, b] = &mut memories;
    let arena = |memory: &mut Arena<8192>, len| ArenaMemory { bytes: memory.0.as_mut_ptr(), len };
    let arenas = [arena(a, slow), arena(b, fast)];
    let input: Vec<u8> = (0..512).flat_map(|i| (i as f32 / 8.0).to_le_bytes()).collect();
    let mut outputs = [vec![0_u8; 2048], vec![0; 2048], vec![0; 2048]];
    let [one, two, single] = outputs.each_mut().map(|output| output.as_mut_ptr());
    // SAFETY: each pointer is null or to memory of the size that the function asks for.
    unsafe {
        assert_eq!(microhlo_load(model, artifact.0.as_ptr(), len), Status::Ok);
        assert_eq!(microhlo_arena_count(model), 2);
        let bytes = [0, 1, 2].map(|i| microhlo_arena_bytes_of(model, i));
        assert_eq!(bytes, [slow, fast, 0]);
        let mut name = [1; 9];
        microhlo_arena_name(model, 1, &mut name);
        assert_eq!(CStr::from_ptr(name.as_ptr()), c"FAST");
        let infer = |count, output: *mut u8| {
            microhlo_infer_in(model, arenas.as_ptr(), count, &input.as_ptr(), &output)
        };
        assert_eq!(microhlo_fill(model, null(), 2), Status::Null);
        assert_eq!(microhlo_fill(model, arenas.as_ptr(), 1), Status::ArenaCount);
        let missing = [ArenaMemory { bytes: null_mut(), len: slow }, arenas[1]];
        assert_eq!(microhlo_fill(model, missing.as_ptr(), 2), Status::Null);
        let small = [arenas[0], ArenaMemory { len: fast - 1, ..arenas[1] }];
        assert_eq!(microhlo_fill(model, small.as_ptr(), 2), Status::ArenaTooSmall);
        assert_eq!(microhlo_fill(model, arenas.as_ptr(), 2), Status::Ok);
        assert_eq!(microhlo_reset_in(model, arenas.as_ptr(), 2), Status::Ok);
        assert_eq!(infer(1, one), Status::ArenaCount);
        assert_eq!(infer(2, one), Status::Ok);
        let mut run = MaybeUninit::<RunMemory>::zeroed();
        let run = run.as_mut_ptr();
        assert_eq!(microhlo_start_in(run, model, arenas.as_ptr(), 2), Status::Ok);
        assert_eq!(microhlo_set_input(run, 0, input.as_ptr(), input.len()), Status::Ok);
        let mut finished = false;
        while !finished {
            assert_eq!(microhlo_step(run, &mut finished), Status::Ok);
        }
        let mut len = 0;
        let result = microhlo_output(run, 0, &mut len);
        two.copy_from_nonoverlapping(result, len);
        // In one arena.
        let (header, artifact, len) = product_files(folder.path(), &[]);
        assert_eq!(constant(&header, "P_ARENA_COUNT"), None);
        assert_eq!(microhlo_load(model, artifact.0.as_ptr(), len), Status::Ok);
        assert_eq!((microhlo_arena_count(model), infer(2, single)), (1, Status::ArenaTooSmall));
        let mut arena = Arena([0_u8; 8192]);
        let arena = arena.0.as_mut_ptr();
        assert_eq!(microhlo_infer(model, arena, 8192, &input.as_ptr(), &single), Status::Ok);
    }
    assert!(outputs[0] == outputs[2] && outputs[1] == outputs[2]);
    assert!(outputs[2].iter().any(|&byte| byte != 0));
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
