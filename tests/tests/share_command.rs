//! `microhlo compile --share` and `--state`: one arena for several models, with what they keep.

use std::fs;
use std::path::Path;
use std::process::Output;

use microhlo::{Arena, Model};
use microhlo_tests::{microhlo, root, stderr, stdout};

const MEAN: &str = "func.func @main(%x: tensor<4xf32>, %mean: tensor<4xf32>) -> tensor<4xf32> {
  %half = stablehlo.constant dense<0.5> : tensor<4xf32>
  %0 = stablehlo.add %x, %mean : tensor<4xf32>
  %1 = stablehlo.multiply %0, %half : tensor<4xf32>
  return %1 : tensor<4xf32>
}";

const WIDE: &str = "func.func @main(%x: tensor<4xf32>) -> tensor<4x50xf32> {
  %0 = stablehlo.broadcast_in_dim %x, dims = [0] : (tensor<4xf32>) -> tensor<4x50xf32>
  %1 = stablehlo.add %0, %0 : tensor<4x50xf32>
  return %1 : tensor<4x50xf32>
}";

fn compile(folder: &Path, args: &[&str]) -> Output {
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("mean.mlir"), MEAN).expect("the program");
    fs::write(path("wide.mlir"), WIDE).expect("the program");
    let args: Vec<String> = args
        .iter()
        .map(
            |arg| if arg.ends_with(".mlir") || *arg == "out" { path(arg) } else { arg.to_string() },
        )
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), &[&["compile"], args.as_slice()].concat())
}

/// The file, at a multiple of 16.
fn artifact(path: &Path) -> Box<Arena<4096>> {
    let bytes = fs::read(path).expect("the artifact");
    let mut arena = Box::new(Arena::<4096>::new());
    arena.0[..bytes.len()].copy_from_slice(&bytes);
    arena
}

#[test]
fn models_run_in_one_arena_and_keep_their_states() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["mean.mlir", "wide.mlir", "--share", "--state", "mean:in1=out0", "-o", "out"];
    let output = compile(folder.path(), &[&args[..], &["--emit", "rust"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("one arena of"), "{}", stdout(&output));
    let out = folder.path().join("out");
    assert!(out.join("mean.rs").exists() && out.join("wide.rs").exists());
    let (mean, wide) = (artifact(&out.join("mean.mhlo")), artifact(&out.join("wide.mhlo")));
    let cut = |file: &'static [u8; 4096]| {
        let len = microhlo::artifact_len(file).expect("a header");
        Model::load(&file[..len]).expect("it loads")
    };
    let (mean, wide) = (cut(&Box::leak(mean).0), cut(&Box::leak(wide).0));
    let mut arena = Arena::<1024>::new();
    mean.reset(&mut arena.0).expect("the arena is large enough");
    let x: Vec<u8> = std::iter::repeat_n(8f32.to_le_bytes(), 4).flatten().collect();
    let (mut means, mut wides) = ([0; 16], [0; 800]);
    for expected in [4f32, 6.0, 7.0] {
        mean.run(&mut arena.0, &[&x, &[]], &mut [&mut means]).expect("it runs");
        assert_eq!(means, *[expected; 4].map(f32::to_le_bytes).as_flattened());
        wide.run(&mut arena.0, &[&x], &mut [&mut wides]).expect("it runs");
        assert_eq!(wides, *[16f32; 200].map(f32::to_le_bytes).as_flattened());
    }
}

#[test]
fn models_without_states_leave_those_of_others_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    // Its layers move off their operands where there is room: not to where states are.
    let spotter = root().join("examples/models/keywords_int8.stablehlo.mlir").display().to_string();
    let args = ["mean.mlir", &spotter, "--share", "--state", "mean:in1=out0", "-o", "out"];
    let output = compile(folder.path(), &[&args[..], &["--target", "cortex-m4f"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let file = artifact(&folder.path().join("out/keywords_int8.mhlo"));
    let len = microhlo::artifact_len(&file.0).expect("a header");
    let model = Model::load(&file.0[..len]).expect("it loads");
    let mut arena = Arena([0x5a; 8192]);
    model.run(&mut arena.0, &[&[0; 2000]], &mut [&mut [0; 20]]).expect("it runs");
    assert_eq!(arena.0[..16], [0x5a; 16]);
    assert_ne!(arena.0[16..], [0x5a; 8176]);
}

#[test]
fn what_cannot_be_shared_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |args: &[&str], text: &str| {
        let output = compile(folder.path(), args);
        assert!(!output.status.success(), "{args:?}");
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    };
    refused(&["mean.mlir", "wide.mlir"], "--share");
    refused(&["mean.mlir", "mean.mlir", "--share"], "two models are called `mean`");
    let all = ["mean.mlir", "wide.mlir", "--share", "--state"];
    refused(&[&all[..], &["in1=out0"]].concat(), "name the model: MODEL:in1=out0");
    refused(&[&all[..], &["other:in1=out0"]].concat(), "none of the models is called `other`");
    refused(&["mean.mlir", "--state", "in0=out7"], "no output `out7`; known are out0");
    refused(&["mean.mlir", "--state", "in0"], "expected INPUT=OUTPUT");
}
