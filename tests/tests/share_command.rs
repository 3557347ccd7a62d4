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

/// An artifact of at most 16 KiB, loaded for good.
fn loaded(path: &Path) -> Model<'static> {
    let bytes = fs::read(path).expect("the artifact");
    let arena = Box::leak(Box::new(Arena::<16384>::new()));
    arena.0[..bytes.len()].copy_from_slice(&bytes);
    Model::load(&arena.0[..bytes.len()]).expect("it loads")
}

/// Outputs for floats that depend on `turn`; states stay in the memories of these names and sizes.
fn outputs(
    model: &Model<'static>,
    memories: &mut [(String, usize, Box<Arena<16384>>)],
    turn: usize,
) -> Vec<Vec<u8>> {
    let names: Vec<String> = (0..model.arena_count())
        .map(|i| model.arena(i).expect("an arena").name().to_owned())
        .collect();
    let slices = memories.iter_mut().filter(|memory| names.contains(&memory.0));
    let slices = slices.map(|(_, bytes, arena)| &mut arena.0[..*bytes]);
    let inputs: Vec<Vec<u8>> = (0..model.input_count())
        .map(|i| model.input(i).expect("an input"))
        .map(|input| match input.is_state() {
            true => Vec::new(),
            false => (0..input.byte_len() / 4)
                .flat_map(|j| ((j * 7 + turn * 3) as f32 % 11.0 / 10.0).to_le_bytes())
                .collect(),
        })
        .collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let sizes = (0..model.output_count()).map(|i| model.output(i).expect("an output").byte_len());
    let mut outputs: Vec<Vec<u8>> = sizes.map(|bytes| vec![0; bytes]).collect();
    let mut parts: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    model.filled_arenas(slices).expect("they suffice").run(&inputs, &mut parts).expect("it runs");
    outputs
}

#[test]
fn models_share_several_memories_with_their_states_and_constants() {
    let folder = tempfile::tempdir().expect("a folder");
    let example = |name: &str| {
        root().join(format!("examples/models/{name}.stablehlo.mlir")).display().to_string()
    };
    let (digits, beats) = (example("digits_cnn"), example("heartbeat"));
    let share = [&digits, &beats, "--share", "--json", "-", "-o", "out"];
    let states = ["--state", "heartbeat:in1=out1", "--state", "heartbeat:in2=out2"];
    let regions = ["--region", "LARGE=12288:3", "--region", "FAST=1024:1", "--artifact-cost", "4"];
    let output = compile(folder.path(), &[&share[..], &states, &regions].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |value: &serde_json::Value| value.as_u64().expect("a number") as usize;
    let list = |key: &str| json[key].as_array().expect("a list").clone();
    let mut memories: Vec<(String, usize, Box<Arena<16384>>)> = list("memories")
        .iter()
        .map(|m| (m["name"].as_str().expect("a name").to_owned(), number(&m["bytes"])))
        .map(|(name, bytes)| (name, bytes, Box::new(Arena([0x5a; 16384]))))
        .collect();
    let sizes: Vec<(&str, usize)> = memories.iter().map(|m| (m.0.as_str(), m.1)).collect();
    assert!(sizes[0].1 <= 12288 && sizes[1].1 <= 1024, "{sizes:?}");
    let constants = |model: &serde_json::Value| -> usize {
        let regions = model["regions"].as_array().expect("a list");
        regions.iter().map(|region| number(&region["constant_bytes"])).sum()
    };
    assert!(list("models").iter().all(|m| constants(m) > 0), "{sizes:?}");
    let at = |name: &str| loaded(&folder.path().join("out").join(name));
    let models = [at("digits_cnn.mhlo"), at("heartbeat.mhlo")];
    for model in &models {
        let slices = memories.iter_mut().map(|(_, bytes, arena)| &mut arena.0[..*bytes]);
        model.arenas(slices).expect("both lie in both").reset().expect("they suffice");
    }
    // The same, each in an arena of its own.
    let own = [&beats, "--state", "in1=out1", "--state", "in2=out2", "-o", ""];
    let alone = |args: &[&str], name: &str| {
        let path = folder.path().join(name);
        let mut args = args.to_vec();
        let text = path.display().to_string();
        *args.last_mut().expect("the output") = &text;
        let output = compile(folder.path(), &args);
        assert!(output.status.success(), "{}", stderr(&output));
        loaded(&path)
    };
    let apart = [alone(&[&digits, "-o", ""], "a.mhlo"), alone(&own, "b.mhlo")];
    let arena = || vec![(String::new(), 16384, Box::new(Arena([0; 16384])))];
    let mut arenas = [arena(), arena()];
    for turn in 0..6 {
        for (i, model) in models.iter().enumerate() {
            let expected = outputs(&apart[i], &mut arenas[i], turn);
            assert_eq!(outputs(model, &mut memories, turn), expected, "model {i}, turn {turn}");
        }
    }
    assert!(memories.iter().all(|(_, bytes, arena)| arena.0[*bytes..].iter().all(|&b| b == 0x5a)));
}

#[test]
fn memories_that_are_shared_have_limits_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["mean.mlir", "wide.mlir", "--share", "--state", "mean:in1=out0", "--json", "-"];
    let regions = ["--region", "A=1024:2", "--region", "B=816:1"];
    let with = |more: &[&str]| compile(folder.path(), &[&args[..], &regions, more].concat());
    let bytes = |output: &Output| {
        assert!(output.status.success(), "{}", stderr(output));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        json["arena_bytes"].as_u64().expect("a number")
    };
    let free = bytes(&with(&[]));
    // The state, and 800 bytes for the result of the other model.
    let least = bytes(&with(&["--arena-limit", "832"]));
    assert!(least <= 832 && free >= least, "{least} of {free}");
    let refused = with(&["--arena-limit", "800"]);
    let text = "in all beside what other models have there: the smallest needs";
    assert!(stderr(&refused).contains(text), "{}", stderr(&refused));
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
