//! `microhlo quantize`: how near its programs are, that devices compute what the evaluator does, and
//! what it says about inputs that do not serve.

use std::path::{Path, PathBuf};
use std::process::Output;

use microhlo_compiler::npz::{self, Array, ArrayType, Arrays};
use microhlo_format::DType;
use microhlo_tests::{root, shared, stderr, stdout};
use serde_json::Value;

fn microhlo(args: &[&str]) -> Output {
    microhlo_tests::microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), args)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[track_caller]
fn succeeds(args: &[&str]) -> String {
    let output = microhlo(args);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

#[track_caller]
fn fails(args: &[&str], texts: &[&str]) {
    let output = microhlo(args);
    let message = stderr(&output);
    assert!(!output.status.success() && message.contains("error"), "{message}");
    for text in texts {
        assert!(message.contains(text), "{text} is missing in: {message}");
    }
}

fn example(name: &str) -> PathBuf {
    root().join("examples/models").join(name)
}

fn floats(array: &Array) -> Vec<f32> {
    let word = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    array.bytes.chunks(4).map(word).collect()
}

fn read(path: &Path, name: &str) -> Array {
    let mut arrays = npz::read(path, |key| key == name).expect("a readable file");
    arrays.remove(name).expect("the array")
}

fn write(path: &Path, arrays: Vec<(&str, Array)>) {
    let arrays: Arrays = arrays.into_iter().map(|(k, a)| (k.to_owned(), a)).collect();
    npz::write(path, &arrays).expect("a writable file");
}

fn array(dims: &[u64], values: &[f32]) -> Array {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Array { ty: ArrayType::Plain(DType::F32), dims: dims.to_vec(), bytes }
}

/// Some cases of an array.
fn cases(array: &Array, which: impl Iterator<Item = usize>) -> Array {
    let each = array.bytes.len() / array.dims[0] as usize;
    let mut bytes = Vec::new();
    let mut count = 0;
    for i in which {
        bytes.extend_from_slice(&array.bytes[i * each..(i + 1) * each]);
        count += 1;
    }
    let dims = [&[count], &array.dims[1..]].concat();
    Array { ty: array.ty, dims, bytes }
}

fn predictions(array: &Array) -> Vec<usize> {
    let rows = array.dims[0] as usize;
    let all = floats(array);
    let argmax = |row: &[f32]| {
        let better = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
        (0..row.len()).fold(0, better)
    };
    all.chunks(all.len() / rows).map(argmax).collect()
}

/// What a program makes of inputs.
fn outputs(program: &Path, inputs: &Path, folder: &Path, on: &str) -> Array {
    let out = folder.join("out.npz");
    let args =
        ["run", text(program), "--inputs", text(inputs), "--outputs", text(&out), "--on", on];
    succeeds(&args);
    read(&out, "out0")
}

#[test]
fn every_mode_runs_as_the_evaluator_says_and_keeps_the_digits() {
    let folder = tempfile::tempdir().expect("a folder");
    let (model, data) = (example("digits_cnn.stablehlo.mlir"), example("digits_cnn.npz"));
    let wanted = predictions(&read(&data, "out0"));
    let modes = [
        (&["--mode", "int8"][..], 19),
        (&["--mode", "int8", "--budget", "30", "--wide", "int16"][..], 19),
        (&["--mode", "int16x8"][..], 20),
        (&["--mode", "int8-weights"][..], 20),
    ];
    for (options, least) in modes {
        let program = folder.path().join("q.mlir");
        let args = ["quantize", text(&model), "--calibrate", text(&data), "-o", text(&program)];
        succeeds(&[&args, options].concat());
        let host = outputs(&program, &data, folder.path(), "host");
        let evaluated = outputs(&program, &data, folder.path(), "eval");
        assert!(host.bytes == evaluated.bytes, "{options:?}: not the evaluator's bits");
        let same = predictions(&host).iter().zip(&wanted).filter(|(a, b)| a == b).count();
        assert!(same >= least, "{options:?}: {same} of 20");
        let again = succeeds(&["convert", text(&program)]);
        let own = std::fs::read_to_string(&program).expect("the program");
        assert!(again == own, "{options:?}: the text changes when it is read");
    }
}

#[test]
fn compile_quantises_on_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let artifact = folder.path().join("q.mhlo");
    let (model, data) = (example("digits_cnn.stablehlo.mlir"), example("digits_cnn.npz"));
    let args = ["compile", text(&model), "--quantize", "--calibrate", text(&data), "--io", "int8"];
    let json = succeeds(&[&args[..], &["-o", text(&artifact), "--json", "-"]].concat());
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert!(json["quantization"]["calibration"]["snr_db"].as_f64() > Some(20.0), "{json}");
    assert_eq!(json["inputs"][0]["dtype"], "i8", "{json}");
    let layers = json["quantization"]["layers"].as_array().expect("layers");
    assert!(layers.iter().all(|l| l["held_as"] != "float"), "{layers:?}");
    fails(&["compile", text(&model), "--quantize"], &["--calibrate"]);
    fails(
        &args[..2].iter().chain(&args[3..]).copied().collect::<Vec<_>>(),
        &["required", "--quantize"],
    );
}

#[test]
fn floats_stand_for_stored_integers() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (model, data) = (example("digits_cnn.stablehlo.mlir"), example("digits_cnn.npz"));
    let program = at("q.mlir");
    let quantize = ["quantize", text(&model), "--calibrate", text(&data), "-o", text(&program)];
    succeeds(&[&quantize[..], &["--io", "int8"]].concat());
    // The module says what the integers are.
    let json = succeeds(&["compile", text(&program), "--json", "-"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let stored = |tensor: &Value| {
        let quantization = &tensor["quantization"];
        let scale = quantization["scale"].as_f64().expect("a scale") as f32;
        (scale, quantization["zero_point"].as_i64().expect("a zero point") as f32)
    };
    let (scale, zero) = stored(&json["inputs"][0]);
    let inputs = read(&data, "in0");
    let quantised = |x: &f32| (x / scale + zero).clamp(-128.0, 127.0).round_ties_even() as i8 as u8;
    let bytes = floats(&inputs).iter().map(quantised).collect();
    let integers = Array { ty: ArrayType::Plain(DType::I8), dims: inputs.dims.clone(), bytes };
    write(&at("integers.npz"), vec![("in0", integers)]);
    for on in ["host", "eval"] {
        let own = outputs(&program, &at("integers.npz"), folder.path(), on);
        let floats = outputs(&program, &data, folder.path(), on);
        assert!(own == floats && own.ty == ArrayType::Plain(DType::I8), "on {on}");
    }
    let run = ["run", text(&program), "--inputs", text(&data), "--expect", text(&data)];
    let said = succeeds(&[&run[..], &["--atol", "2"]].concat());
    let (output_scale, output_zero) = stored(&json["outputs"][0]);
    for line in [
        format!("floats, which were quantised (scale {scale:?}, zero point {zero})"),
        format!(
            "compared as floats, to within half a step at best (scale {output_scale:?}, zero point {output_zero})"
        ),
    ] {
        assert!(said.contains(&line), "{line} in\n{said}");
    }
    // Half a step is too little for all results.
    let half = format!("{}", output_scale / 2.0);
    fails(&[&run[..], &["--atol", &half]].concat(), &["elements are beyond the tolerance"]);
    // An artifact does not know.
    let artifact = at("q.mhlo");
    succeeds(&["compile", text(&program), "-o", text(&artifact)]);
    let refused = ["run", text(&artifact), "--inputs", text(&data)];
    fails(&refused, &["takes stored integers", "the program in place of the artifact"]);
}

#[test]
fn what_may_not_be_meant_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("q.mlir");
    let warned = |name: &str, options: &[&str]| {
        let (model, data) =
            (example(&format!("{name}.stablehlo.mlir")), example(&format!("{name}.npz")));
        let quantize = ["quantize", text(&model), "--calibrate", text(&data), "-o", text(&program)];
        let output = microhlo(&[&quantize[..], options].concat());
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        said
    };
    assert_eq!(warned("digits_cnn", &["--io", "int8"]), "");
    assert_eq!(warned("digits_cnn", &["--cases", "3", "--mode", "int8-weights"]), "");
    let few = warned("digits_cnn", &["--cases", "3"]);
    assert!(few.contains("warning: only 3 cases to calibrate with"), "{few}");
    // The softmax that it ends with is of floats.
    let float = warned("dsconv_softmax", &["--io", "int8"]);
    assert!(float.contains("warning: output 0 stays float in spite of --io int8"), "{float}");
    assert!(!float.contains("input 0"), "{float}");
}

#[test]
fn operations_without_integers_stay_floats() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["gru_step", "mlp_tanh", "dsconv_softmax"] {
        let (model, data) =
            (example(&format!("{name}.stablehlo.mlir")), example(&format!("{name}.npz")));
        let program = folder.path().join("q.mlir");
        let args = ["quantize", text(&model), "--calibrate", text(&data), "-o", text(&program)];
        let report = succeeds(&args);
        assert!(report.contains("in floats: "), "{name}: {report}");
        let host = outputs(&program, &data, folder.path(), "host");
        let evaluated = outputs(&program, &data, folder.path(), "eval");
        assert!(host.bytes == evaluated.bytes, "{name}: not the evaluator's bits");
        let (got, wanted) = (floats(&host), floats(&read(&data, "out0")));
        let error: f32 = got.iter().zip(&wanted).map(|(a, b)| (a - b) * (a - b)).sum();
        let signal: f32 = wanted.iter().map(|b| b * b).sum();
        assert!(error < 0.01 * signal, "{name}: {error} of {signal}");
    }
}

#[test]
fn calibrations_at_fault_are_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = example("digits_cnn.stablehlo.mlir");
    let file = folder.path().join("x.npz");
    let run = |arrays: Vec<(&str, Array)>, texts: &[&str]| {
        write(&file, arrays);
        fails(&["quantize", text(&model), "--calibrate", text(&file)], texts);
    };
    let n = 64;
    let good: Vec<f32> = (0..2 * n).map(|i| (i % 7) as f32 * 0.1).collect();
    run(vec![("in0", array(&[2, 1, 4, 16, 1], &good))], &["`in0`", "shape"]);
    run(vec![("x", array(&[2, 1, 8, 8, 1], &good))], &["no array `in0`", "the file has x"]);
    run(vec![("in0", array(&[0, 1, 8, 8, 1], &[]))], &["`in0` has no cases"]);
    let bytes = vec![0; 2 * n];
    let integers = Array { ty: ArrayType::Plain(DType::I8), dims: vec![2, 1, 8, 8, 1], bytes };
    run(vec![("in0", integers)], &["`in0`", "astype"]);
    for bad in [f32::NAN, f32::INFINITY] {
        let mut values = good.clone();
        values[n + 3] = bad;
        let what = format!("holds {bad} (array `in0`)");
        run(vec![("in0", array(&[2, 1, 8, 8, 1], &values))], &[&what]);
    }
    let same = array(&[2, 1, 8, 8, 1], &vec![0.5; 2 * n]);
    run(vec![("in0", same)], &["input 0 never changes", "`in0`"]);
    let data = example("digits_cnn.npz");
    let args = ["quantize", text(&model), "--calibrate", text(&data)];
    let with = |option: [&'static str; 2]| [&args[..], &option[..]].concat();
    fails(&with(["--mode", "int4"]), &["modes are `int8`, `int8-weights` and `int16x8`"]);
    fails(&with(["--range", "percentile:7"]), &["from 50 to 100"]);
    fails(&with(["--budget", "loud"]), &["decibels"]);
    fails(&args[..2], &["--calibrate"]);
}

/// A model of `../shared/models` and its test vectors, if they are there.
fn shared_model(name: &str) -> Option<(PathBuf, PathBuf)> {
    let folder = shared()?.join("models");
    let files = (folder.join(format!("{name}.stablehlo.mlir")), folder.join(format!("{name}.npz")));
    (files.0.exists() && files.1.exists()).then_some(files)
}

#[test]
fn half_of_the_cases_calibrate_for_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["kws_jax_nhwc_folded", "ic_jax_nchw", "ad_jax_folded"] {
        let Some((model, data)) = shared_model(name) else { continue };
        let half = folder.path().join("half.npz");
        write(&half, vec![("in0", cases(&read(&data, "in0"), 0..4))]);
        let program = folder.path().join("q.mlir");
        succeeds(&["quantize", text(&model), "--calibrate", text(&half), "-o", text(&program)]);
        let got = predictions(&outputs(&program, &data, folder.path(), "host"));
        assert_eq!(got, predictions(&read(&data, "out0")), "{name}");
    }
}

#[test]
fn digits_lose_at_most_a_third_of_a_point() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((model, _)) = shared_model("digits_cnn") else { return };
    let data = model.with_file_name("digits_data.npz");
    let images = |name: &str| {
        let array = read(&data, name);
        let dims = [&[array.dims[0], 1], &array.dims[1..]].concat();
        Array { dims, ..array }
    };
    let (train, test) = (folder.path().join("train.npz"), folder.path().join("test.npz"));
    write(&train, vec![("in0", cases(&images("x_train"), 0..100))]);
    write(&test, vec![("in0", images("x_test"))]);
    let labels = read(&data, "y_test");
    let labels: Vec<usize> = labels.bytes.chunks(4).map(|b| usize::from(b[0])).collect();
    let right = |program: &Path| {
        let got = predictions(&outputs(program, &test, folder.path(), "host"));
        got.iter().zip(&labels).filter(|(a, b)| a == b).count() as f64 / labels.len() as f64
    };
    let program = folder.path().join("q.mlir");
    succeeds(&["quantize", text(&model), "--calibrate", text(&train), "-o", text(&program)]);
    let (float, quantised) = (right(&model), right(&program));
    assert!(float > 0.98, "{float}");
    assert!(float - quantised <= 0.003, "{float} became {quantised}");
}
