//! `microhlo run --trace` and `microhlo compare`: what steps compute, and where two computations part.

use std::fs;
use std::path::Path;
use std::process::Output;

use microhlo_format::seal;
use microhlo_tests::{microhlo, stderr, stdout};
use serde_json::Value;

/// Two layers, whose weights occur nowhere else, and a loop that adds up what they give.
const LAYERS: &str = "func.func @main(%x: tensor<1x4xf32>) -> (tensor<1x3xf32>, tensor<i32>) {
  %w = stablehlo.constant dense<[[1.25, -0.5], [0.5, 2.0], [-1.0, 1.0], [0.25, 3.0]]> : tensor<4x2xf32>
  %v = stablehlo.constant dense<[[7.25, -2.5, 1.5], [0.75, 5.0, -4.0]]> : tensor<2x3xf32>
  %zero = stablehlo.constant dense<0.0> : tensor<1x2xf32>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
  %1 = stablehlo.maximum %0, %zero : tensor<1x2xf32>
  %2 = stablehlo.dot_general %1, %v, contracting_dims = [1] x [0] : (tensor<1x2xf32>, tensor<2x3xf32>) -> tensor<1x3xf32>
  %n = stablehlo.constant dense<0> : tensor<i32>
  %limit = stablehlo.constant dense<5> : tensor<i32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %3 = stablehlo.convert %2 : (tensor<1x3xf32>) -> tensor<1x3xi32>
  %4 = stablehlo.reduce(%3 init: %n) applies stablehlo.add across dimensions = [0, 1] : (tensor<1x3xi32>, tensor<i32>) -> tensor<i32>
  %5 = stablehlo.minimum %4, %n : tensor<i32>
  %6 = stablehlo.while(%i = %5) : tensor<i32>
  cond {
    %c = stablehlo.compare LT, %i, %limit : (tensor<i32>, tensor<i32>) -> tensor<i1>
    stablehlo.return %c : tensor<i1>
  } do {
    %next = stablehlo.add %i, %one : tensor<i32>
    stablehlo.return %next : tensor<i32>
  }
  %7 = stablehlo.add %6, %4 : tensor<i32>
  return %2, %7 : tensor<1x3xf32>, tensor<i32>
}";

fn command(args: &[&str]) -> Output {
    microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), args)
}

fn ok(args: &[&str]) -> String {
    let output = command(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(&[args, &["--json", "-"]].concat())).expect("JSON")
}

/// Writes the program, and returns the path.
fn program(folder: &Path) -> String {
    let path = folder.join("layers.mlir").display().to_string();
    fs::write(&path, LAYERS).expect("the program");
    path
}

/// Compiles the program, replaces a constant in the artifact by another, and returns the artifact's path.
fn spoilt(folder: &Path, model: &str, target: &str, from: f32, to: f32) -> String {
    let path = folder.join("spoilt.mhlo").display().to_string();
    ok(&["compile", model, "--target", target, "-o", &path]);
    let mut bytes = fs::read(&path).expect("the artifact");
    let places: Vec<usize> =
        (0..bytes.len() - 3).filter(|&at| bytes[at..at + 4] == from.to_le_bytes()).collect();
    let &[at] = places.as_slice() else { panic!("{from} occurs at {places:?}") };
    bytes[at..at + 4].copy_from_slice(&to.to_le_bytes());
    seal(&mut bytes);
    fs::write(&path, bytes).expect("the artifact");
    path
}

/// Inputs of ones, in a file.
fn ones(folder: &Path) -> String {
    use microhlo_compiler::npz::{Array, ArrayType, Arrays, write};
    let path = folder.join("ones.npz");
    let bytes = [1.0_f32; 4].iter().flat_map(|x| x.to_le_bytes()).collect();
    let ty = ArrayType::Plain(microhlo_format::DType::F32);
    let array = Array { ty, dims: vec![1, 4], bytes };
    write(&path, &Arrays::from_iter([("in0".to_owned(), array)])).expect("the inputs");
    path.display().to_string()
}

/// That `compare` names the layer whose weights are wrong, on the host and maybe a board.
fn names_the_layer(on: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let model = program(folder.path());
    let inputs = ones(folder.path());
    let compare = ["compare", &model, "--on", on, "--inputs", &inputs];
    let text = ok(&compare);
    assert!(text.contains("after all passes and as written: the same to the bit\n"), "{text}");
    assert!(text.contains("host and evaluator: the same to the bit\n"), "{text}");
    let target = if on == "host" { "host" } else { "cortex-m4f" };
    // The first layer, which the maximum is part of, and the second.
    for (from, to, line, ty) in [(1.25, 1.5, 6, "1x2xf32"), (5.0, 6.0, 7, "1x3xf32")] {
        let artifact = spoilt(folder.path(), &model, target, from, to);
        let output = command(&[&compare[..], &["--artifact", &artifact]].concat());
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("host and evaluator differ first in `%"), "{errors}");
        assert!(errors.contains(&format!("` {ty}: stablehlo.")), "{errors}");
        assert!(errors.contains(&format!("layers.mlir:{line}:")), "{errors}");
        let text = stdout(&output);
        if on != "host" {
            assert!(text.contains(&format!("{on} and host: the same to the bit\n")), "{text}");
            assert!(!errors.contains(&format!("{on} and host differ")), "{errors}");
        }
        // A tolerance that the difference is within.
        let loose = [&compare[..], &["--artifact", &artifact, "--atol", "100"]].concat();
        assert!(!command(&loose).status.success(), "integers have no tolerance");
    }
}

#[test]
fn compare_names_the_first_layer_that_differs() {
    names_the_layer("host");
}

#[test]
fn compare_refuses_an_artifact_of_another_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = program(folder.path());
    let other = folder.path().join("other.mlir").display().to_string();
    fs::write(&other, LAYERS.replace("dense<5>", "dense<6>").replace("maximum", "minimum"))
        .expect("the program");
    let artifact = folder.path().join("other.mhlo").display().to_string();
    ok(&["compile", &other, "-o", &artifact]);
    let output = command(&["compare", &model, "--artifact", &artifact]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("its steps are not those that the program compiles to"));
}

/// The results of a trace: name, type and bounds.
fn results(trace: &Value) -> Vec<(String, String, Value, Value)> {
    let steps = trace["trace"].as_array().expect("steps");
    let all = steps.iter().flat_map(|step| step["results"].as_array().expect("results"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|r| {
        let ty = format!("{} {}", r["dims"], text(&r["dtype"]));
        (text(&r["op"]), ty, r["min"].clone(), r["max"].clone())
    })
    .collect()
}

#[test]
fn a_trace_tells_what_every_step_computes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (model, inputs) = (program(folder.path()), ones(folder.path()));
    let trace = json(&["run", &model, "--inputs", &inputs, "--trace"]);
    let found = results(&trace);
    let layer = |ty: &str, min: f64, max: f64| {
        found
            .iter()
            .any(|(_, t, a, b)| t == ty && a.as_f64() == Some(min) && b.as_f64() == Some(max))
    };
    // 1.25 + 0.5 - 1 + 0.25 and -0.5 + 2 + 1 + 3; then with the second layer's weights.
    assert!(layer("[1,2] f32", 1.0, 5.5), "{found:?}");
    assert!(layer("[1,3] f32", -20.5, 25.0), "{found:?}");
    let steps = trace["trace"].as_array().expect("steps");
    let looped = steps.iter().any(|step| step["runs"].as_u64() > Some(1));
    assert!(looped, "{trace}");
    // An artifact has the same trace with its debug information, and no results without.
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (artifact, debug) = (at("layers.mhlo"), at("layers.mhdbg"));
    ok(&["compile", &model, "-o", &artifact, "--debug-info", &debug]);
    let run = ["run", &artifact, "--inputs", &inputs, "--trace"];
    assert_eq!(results(&json(&[&run[..], &["--debug-info", &debug]].concat())), found);
    assert_eq!(results(&json(&run)), []);
    let other = spoilt(folder.path(), &model, "host", 5.0, 6.0);
    let output = command(&["run", &other, "--trace", "--debug-info", &debug]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("of another artifact"), "{}", stderr(&output));
}

#[cfg(feature = "qemu-tests")]
mod on_boards {
    use super::*;

    #[test]
    fn compare_names_the_first_layer_that_differs() {
        names_the_layer("mps2-an386");
    }

    /// Boards compute what the host does, and a trace takes no more instructions than a profile.
    #[test]
    fn traces_of_boards_are_those_of_the_host() {
        let folder = tempfile::tempdir().expect("a folder");
        let (model, inputs) = (program(folder.path()), ones(folder.path()));
        for board in ["mps2-an386", "virt-rv32"] {
            let run = ["run", &model, "--inputs", &inputs, "--on", board];
            let (trace, profile) = (
                json(&[&run[..], &["--trace"]].concat()),
                json(&[&run[..], &["--profile"]].concat()),
            );
            let host = json(&["run", &model, "--inputs", &inputs, "--trace"]);
            assert_eq!(results(&trace), results(&host), "{board}");
            assert_eq!(trace["instructions"], profile["instructions"], "{board}");
            assert_eq!(trace["kernels"], profile["kernels"], "{board}");
            assert!(trace["instructions"].as_u64() > Some(0), "{board}");
        }
    }
}
