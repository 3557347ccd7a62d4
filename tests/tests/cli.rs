//! The command: exit codes, messages and the keys of its JSON.

use std::path::{Path, PathBuf};
use std::process::Output;

use microhlo_compiler::npz::{self, Array, ArrayType, Arrays};
use microhlo_format::DType;
use microhlo_tests::{root, stderr, stdout};
use serde_json::Value;

fn microhlo(args: &[&str]) -> Output {
    microhlo_tests::microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), args)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Fails with this code, and says so in one error that contains all of these texts.
#[track_caller]
fn assert_error(output: &Output, code: i32, texts: &[&str]) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert_eq!(message.matches("error").count().min(1), 1, "{message}");
    for text in texts {
        assert!(message.contains(text), "{text} is missing in: {message}");
    }
}

#[track_caller]
fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("standard output is JSON")
}

/// A folder with files of its own, gone at the end of the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), contents).expect("a file");
        self.path(name)
    }

    fn npz(&self, name: &str, arrays: &[(&str, ArrayType, &[u64], Vec<u8>)]) -> PathBuf {
        let arrays: Arrays = arrays
            .iter()
            .map(|(key, ty, dims, bytes)| {
                let array = Array { ty: *ty, dims: dims.to_vec(), bytes: bytes.clone() };
                ((*key).to_owned(), array)
            })
            .collect();
        npz::write(&self.path(name), &arrays).expect("a file");
        self.path(name)
    }
}

const F32: ArrayType = ArrayType::Plain(DType::F32);

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn digits(extension: &str) -> PathBuf {
    root().join(format!("examples/models/digits_cnn{extension}"))
}

/// `out0 = in0 + in1` of two `f32`.
const ADD: &str = "func.func @main(%a: tensor<2xf32>, %b: tensor<2xf32>) -> tensor<2xf32> {\n  \
    %0 = stablehlo.add %a, %b : tensor<2xf32>\n  return %0 : tensor<2xf32>\n}\n";

#[test]
fn compile_reports_what_a_model_costs() {
    let folder = Folder::new();
    let artifact = folder.path("digits.mhlo");
    let (model, out) = (digits(".stablehlo.mlir"), path(&artifact));
    let output = microhlo(&["compile", path(&model), "-o", out, "--target", "mps2-an386"]);
    assert_success(&output);
    for word in ["flash", "arena", "MACs", "kernels", "conv_f32"] {
        assert!(stdout(&output).contains(word), "{}", stdout(&output));
    }
    let compiled = json(&microhlo(&["compile", path(&model), "--json", "-"]));
    let inspected = json(&microhlo(&["inspect", out, "--json"]));
    for report in [&compiled, &inspected] {
        let number = |key: &str| report[key].as_u64().unwrap_or_else(|| panic!("no `{key}`"));
        assert!(number("arena_bytes") >= number("arena_lower_bound_bytes"));
        assert!(number("artifact_bytes") > number("const_bytes"));
        assert_eq!(number("artifact_bytes"), std::fs::metadata(out).expect("a file").len());
        assert_eq!(number("macs"), 23_680);
        assert!(report["kernels"].as_array().is_some_and(|k| k.len() >= 5));
    }
    assert_eq!(compiled["inputs"][0]["dims"], serde_json::json!([1, 8, 8, 1]));
}

#[test]
fn compile_says_whether_a_model_fits_on_a_board() {
    let model = digits(".stablehlo.mlir");
    let compile = |board, more: &[&str]| {
        let output = microhlo(&[&["compile", path(&model), "--target", board], more].concat());
        assert_success(&output);
        output
    };
    let output = compile("nrf52840-dk", &[]);
    for words in ["fits: artifact ", "262 144 B (256.0 KiB) in MODEL", "in ARENA"] {
        assert!(stdout(&output).contains(words), "{}", stdout(&output));
    }
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
    assert_eq!(json(&compile("nrf52840-dk", &["--json", "-"]))["board"]["fits"], true);
    assert_eq!(json(&compile("cortex-m4f", &["--json", "-"]))["board"], Value::Null);
    // 7 KiB, where the model needs more for its activations in floats.
    let folder = Folder::new();
    let wide = folder.path("wide.mlir");
    let text = ADD.replace("tensor<2xf32>", "tensor<2000xf32>");
    std::fs::write(&wide, text).expect("a program");
    let args = ["compile", path(&wide), "--target", "microbit", "--json", "-"];
    let output = microhlo(&args);
    let board = json(&output)["board"].clone();
    assert_eq!(board["fits"], false);
    assert_eq!(board["memories"][1]["limit_bytes"], 7 * 1024);
    let warning = stderr(&output);
    for words in [
        "warning: the model does not fit on microbit: arena needs 16 000 B",
        "ARENA has 7 168 B",
        "--arena-limit",
    ] {
        assert!(warning.contains(words), "{warning}");
    }
}

#[test]
fn compile_tells_the_stack_where_it_was_measured() {
    let model = digits(".stablehlo.mlir");
    let host = microhlo(&["compile", path(&model)]);
    assert!(stdout(&host).lines().any(|l| l.ends_with(" not measured")), "{}", stdout(&host));
    assert_eq!(json(&microhlo(&["compile", path(&model), "--json", "-"]))["stack"], Value::Null);
    for (target, core) in [("cortex-m4f", "cortex-m4f"), ("pico", "cortex-m0")] {
        let args = ["compile", path(&model), "--target", target];
        let text = stdout(&microhlo(&args));
        assert!(text.contains(&format!(" B to load, measured on {core}")), "{text}");
        let stack = &json(&microhlo(&[&args[..], &["--json", "-"]].concat()))["stack"];
        assert_eq!(
            (&stack["core"], &stack["not_measured"]),
            (&core.into(), &serde_json::json!([]))
        );
        assert!(stack["run_bytes"].as_u64().is_some_and(|bytes| bytes > 200), "{stack}");
        assert!(stack["load_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000), "{stack}");
    }
}

#[test]
fn compile_emits_what_firmware_includes() {
    let folder = Folder::new();
    let artifact = folder.path("digits.mhlo");
    let model = digits(".stablehlo.mlir");
    for emit in ["rust", "manifest"] {
        let args = ["compile", path(&model), "-o", path(&artifact), "--emit", emit];
        assert_success(&microhlo(&args));
    }
    let rust = std::fs::read_to_string(folder.path("digits.rs")).expect("the Rust list");
    assert!(rust.contains("kernels::conv_f32::ENTRY"), "{rust}");
    let manifest = std::fs::read(folder.path("digits.json")).expect("the manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["name"], "digits_cnn");
}

#[test]
fn passes_print_the_program() {
    let model = digits(".stablehlo.mlir");
    let output = microhlo(&["compile", path(&model), "--dump-after", "lower"]);
    assert_success(&output);
    assert!(stderr(&output).contains("after lower"), "{}", stderr(&output));
    let output = microhlo(&["compile", path(&model), "--dump-after", "nothing"]);
    assert_error(&output, 2, &["no pass `nothing`", "canonicalize"]);
}

#[test]
fn inspect_lists_the_program() {
    let folder = Folder::new();
    let artifact = folder.path("digits.mhlo");
    assert_success(&microhlo(&[
        "compile",
        path(&digits(".stablehlo.mlir")),
        "-o",
        path(&artifact),
    ]));
    let output = microhlo(&["inspect", path(&artifact)]);
    assert_success(&output);
    for word in ["signature", "1x8x8x1xf32", "memory map", "arena[", "conv_f32"] {
        assert!(stdout(&output).contains(word), "{word} in {}", stdout(&output));
    }
}

#[test]
fn artifacts_and_programs_run_alike() {
    let folder = Folder::new();
    let (artifact, outputs) = (folder.path("digits.mhlo"), folder.path("out.npz"));
    let (model, vectors) = (digits(".stablehlo.mlir"), digits(".npz"));
    assert_success(&microhlo(&["compile", path(&model), "-o", path(&artifact)]));
    let run = |what: &Path, on: &str| {
        let args = [
            "run",
            path(what),
            "--on",
            on,
            "--inputs",
            path(&vectors),
            "--expect",
            path(&vectors),
            "--outputs",
            path(&outputs),
            "--labels",
            "labels",
        ];
        let output = microhlo(&args);
        assert_success(&output);
        assert!(stdout(&output).contains("predicted"), "{}", stdout(&output));
        npz::read(&outputs, |_| true).expect("the outputs")
    };
    let computed = run(&artifact, "host");
    assert_eq!(computed["out0"].dims, [20, 1, 10]);
    assert_eq!(computed, run(&model, "host"));
    assert_eq!(computed, run(&model, "eval"));
}

#[test]
fn expectations_hold_within_the_tolerance_only() {
    let folder = Folder::new();
    let model = folder.file("add.mlir", ADD);
    let pair = |out: [f32; 2]| {
        let arrays = [
            ("in0", F32, &[2u64][..], f32s(&[1.0, 2.0])),
            ("in1", F32, &[2], f32s(&[0.5, f32::NAN])),
            ("out0", F32, &[2], f32s(&out)),
        ];
        folder.npz("v.npz", &arrays)
    };
    let run = |out, more: &[&str]| {
        let vectors = pair(out);
        let (model, v) = (path(&model), path(&vectors));
        microhlo(&[&["run", model, "--inputs", v, "--expect", v], more].concat())
    };
    assert_success(&run([1.5, f32::NAN], &[]));
    assert_success(&run([1.500_05, f32::NAN], &[]));
    assert_error(&run([1.51, f32::NAN], &[]), 1, &["out0", "[0]", "1.5 computed", "1.51 expected"]);
    assert_success(&run([1.51, f32::NAN], &["--atol", "0.1"]));
    assert_success(&run([1.51, f32::NAN], &["--rtol", "0.1"]));
    assert_error(&run([1.5, 0.0], &["--atol", "1e30"]), 1, &["NaN computed"]);
    let report = json(&run([1.5, f32::NAN], &["--json", "-"]));
    assert_eq!((&report["passed"], &report["cases"]), (&Value::Bool(true), &Value::from(1)));
    assert_eq!(report["outputs"][0]["max_abs_error"], 0.0);
    assert!(report["instructions"].is_null() && report["kernels"].is_array());
}

#[test]
fn vectors_that_do_not_fit_are_explained() {
    let folder = Folder::new();
    let model = folder.file("add.mlir", ADD);
    let two = || f32s(&[1.0, 2.0]);
    let run = |arrays: &[(&str, ArrayType, &[u64], Vec<u8>)]| {
        let vectors = folder.npz("v.npz", arrays);
        microhlo(&["run", path(&model), "--inputs", path(&vectors)])
    };
    let good = ("in0", F32, &[2u64][..], two());
    assert_error(
        &run(std::slice::from_ref(&good)),
        2,
        &["no array `in1`", "2xf32", "the file has in0"],
    );
    let wrong_type = ("in1", ArrayType::Plain(DType::F64), &[2u64][..], vec![0; 16]);
    assert_error(&run(&[good.clone(), wrong_type]), 2, &["`in1` is f64", "f32", "astype"]);
    let integers = folder.file("i8.mlir", ADD.replace("xf32>", "xi8>"));
    let vectors = folder.npz("f.npz", &[good.clone(), ("in1", F32, &[2], two())]);
    let output = microhlo(&["run", path(&integers), "--inputs", path(&vectors)]);
    assert_error(&output, 2, &["`in0` is f32", "i8", "round(x / scale) + zero point"]);
    let wrong_shape = ("in1", F32, &[1, 3][..], f32s(&[0.0; 3]));
    assert_error(&run(&[good.clone(), wrong_shape]), 2, &["`in1`", "[1, 3]", "[2]"]);
    let cases = |n: u64| f32s(&vec![0.0; 2 * n as usize]);
    let three = ("in0", F32, &[3, 2][..], cases(3));
    let four = ("in1", F32, &[4, 2][..], cases(4));
    assert_error(&run(&[three.clone(), four]), 2, &["`in0` has 3 cases", "`in1` has 4"]);
    let none = [("in0", F32, &[0, 2][..], vec![]), ("in1", F32, &[0, 2][..], vec![])];
    assert_error(&run(&none), 2, &["`in0`", "no cases"]);
    let output = run(&[three, ("in1", F32, &[2][..], two())]);
    assert_success(&output);
    assert!(stdout(&output).contains("3 cases"), "{}", stdout(&output));
}

#[test]
fn input_files_at_fault_are_named() {
    let folder = Folder::new();
    let missing = folder.path("missing.mlir");
    assert_error(&microhlo(&["run", path(&missing)]), 2, &["cannot read", "missing.mlir"]);
    let bytecode = folder.file("model.mlirbc", b"ML\xefR\x0dStableHLO_v1.0.0\0\x00\xff");
    assert_error(&microhlo(&["compile", path(&bytecode)]), 2, &["at byte 23", "StableHLO_v1.0.0"]);
    let hlo =
        folder.file("model.txt", "HloModule jit_f\nENTRY e {\n  a = f32[2] constant({...})\n}\n");
    assert_error(&microhlo(&["compile", path(&hlo)]), 2, &["model.txt:3:3", "values are lost"]);
    let proto = folder.file("model.pb", b"\x0a\x05jit_f\x1a\x02\x0a\x00");
    assert_error(&microhlo(&["compile", path(&proto)]), 2, &["root 0", "does not exist"]);
    let binary = folder.file("model.bin", [0u8, 0xff, 0xfe]);
    assert_error(&microhlo(&["compile", path(&binary)]), 2, &["UTF-8"]);
    let bad = folder.file("bad.mlir", "func.func @main() {\n  %0 = stablehlo.nonsense\n}\n");
    assert_error(
        &microhlo(&["compile", path(&bad)]),
        2,
        &["stablehlo.nonsense", "bad.mlir:2:8", "^"],
    );
    let invalid = ADD.replace("add %a, %b : tensor<2xf32>", "add %a, %b : tensor<3xf32>");
    let invalid = folder.file("invalid.mlir", invalid);
    assert_error(&microhlo(&["compile", path(&invalid)]), 2, &["invalid.mlir:2:"]);
    let archive = folder.file("v.npz", b"no archive at all");
    let model = folder.file("add.mlir", ADD);
    let inputs = |file: &Path| microhlo(&["run", path(&model), "--inputs", path(file)]);
    assert_error(&inputs(&archive), 2, &["v.npz", "not an .npz file", "numpy.savez"]);
    assert_error(&inputs(&folder.path("no.npz")), 2, &["no.npz", "check the path"]);
    let vectors = digits(".npz");
    assert_error(&microhlo(&["compile", path(&vectors)]), 2, &["is an .npz file, not a program"]);
    let empty = folder.file("empty.mlir", "");
    assert_error(&microhlo(&["compile", path(&empty)]), 2, &["empty.mlir is empty"]);
}

#[test]
fn corrupt_artifacts_are_refused() {
    let folder = Folder::new();
    let artifact = folder.path("digits.mhlo");
    assert_success(&microhlo(&[
        "compile",
        path(&digits(".stablehlo.mlir")),
        "-o",
        path(&artifact),
    ]));
    let good = std::fs::read(&artifact).expect("the artifact");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    for (name, bytes) in [("bad.mhlo", &bad[..]), ("cut.mhlo", &good[..good.len() - 1])] {
        let file = folder.file(name, bytes);
        for command in ["run", "inspect"] {
            assert_error(&microhlo(&[command, path(&file)]), 2, &[name, "compile"]);
        }
    }
    let program = folder.file("add.mlir", ADD);
    assert_error(&microhlo(&["inspect", path(&program)]), 2, &["not an artifact"]);
    assert_error(&microhlo(&["compile", path(&artifact)]), 2, &["compiled already"]);
    assert_error(&microhlo(&["run", path(&artifact), "--on", "eval"]), 2, &["StableHLO program"]);
}

#[test]
fn wrong_arguments_are_explained() {
    let model = digits(".stablehlo.mlir");
    let model = path(&model);
    assert_error(
        &microhlo(&["run", model, "--on", "nowhere"]),
        2,
        &["nowhere", "mps2-an386", "host"],
    );
    let output = microhlo(&["compile", model, "--target", "z80"]);
    assert_error(&output, 2, &["z80", "cortex-m4f", "virt-rv32"]);
    assert_error(&microhlo(&["run", model, "--atol", "-1"]), 2, &["--atol"]);
    assert_error(&microhlo(&["run", model, "--expect", model]), 2, &["--inputs"]);
    assert_error(&microhlo(&["compile", model, "--function", "nothing"]), 2, &["nothing"]);
    let limit = microhlo(&["compile", model, "--arena-limit", "4k"]);
    assert_error(&limit, 2, &["--arena-limit", "a number of bytes"]);
    for option in
        ["--mode=int8", "--io=int8", "--range=mse", "--budget=30", "--wide=int8", "--freeze"]
    {
        assert_error(&microhlo(&["compile", model, option]), 2, &["--quantize"]);
    }
    assert_error(&microhlo(&["frobnicate"]), 2, &["frobnicate"]);
    assert_error(&microhlo(&["compile", model, "-o", "/nonexistent/x.mhlo"]), 2, &["/nonexistent"]);
}

#[test]
fn boards_say_how_they_run() {
    let output = microhlo(&["boards"]);
    assert_success(&output);
    for word in ["mps2-an386", "qemu-system-arm", "virt-rv32", "qemu-system-riscv32"] {
        assert!(stdout(&output).contains(word), "{}", stdout(&output));
    }
    let boards = json(&microhlo(&["boards", "--json", "-"]));
    let names: Vec<&Value> =
        boards["boards"].as_array().expect("boards").iter().map(|b| &b["name"]).collect();
    assert!(names.len() >= 2 && names.iter().all(|name| name.is_string()));
}

/// A program that expects `2 * [1, 2]` to be what it is told.
fn doubled(want: &str) -> String {
    format!(
        "func.func @double() {{\n  %a = stablehlo.constant dense<[1, 2]> : tensor<2xi32>\n  \
         %b = stablehlo.add %a, %a : tensor<2xi32>\n  \
         check.expect_eq_const %b, dense<{want}> : tensor<2xi32>\n  func.return\n}}\n"
    )
}

#[test]
fn check_counts_what_passes() {
    let folder = Folder::new();
    folder.file("a_right.mlir", doubled("[2, 4]"));
    let foreign = "\"tf.AddV2\"(%a, %a) : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xi32>";
    let unsupported = doubled("[2, 4]").replace("stablehlo.add %a, %a : tensor<2xi32>", foreign);
    folder.file("b_unsupported.mlir", unsupported);
    let both = format!("{}// -----\n{}", doubled("[2, 4]"), doubled("[2, 4]"));
    folder.file("c_two.mlir", both);
    let all = path(folder.0.path()).to_owned();
    for on in ["host", "eval"] {
        let output = microhlo(&["check", &all, "--on", on, "-v"]);
        assert_success(&output);
        let text = stdout(&output);
        assert!(text.ends_with("\n3 passed, 0 failed, 1 skipped\n"), "{text}");
        assert!(text.contains("1 operation of other dialects"), "{text}");
    }
    let wrong = folder.file("d_wrong.mlir", doubled("[2, 5]"));
    let output = microhlo(&["check", &all, "--jobs", "2"]);
    assert_error(&output, 1, &["1 program failed"]);
    let text = stdout(&output);
    assert!(text.ends_with("3 passed, 1 failed, 1 skipped\n"), "{text}");
    let line = text.lines().next().unwrap_or_default();
    for word in ["d_wrong.mlir", "@double", "stablehlo.add", "[1]", "4 computed", "5 expected"] {
        assert!(line.contains(word), "{word} in {line}");
    }
    let malformed = folder.file("e.mlir", "func.func @f( {\n");
    let output = microhlo(&["check", path(&malformed), path(&wrong), "--json", "-"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert_eq!((&report["passed"], &report["failed"]), (&Value::from(0), &Value::from(2)));
}

#[test]
fn check_needs_programs() {
    let folder = Folder::new();
    assert_error(&microhlo(&["check", path(folder.0.path())]), 2, &["no files .mlir"]);
    assert_error(&microhlo(&["check", path(&folder.path("gone"))]), 2, &["gone"]);
    assert_error(&microhlo(&["check"]), 2, &["FILE|DIR"]);
}
