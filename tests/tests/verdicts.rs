//! Which of StableHLO's own programs are accepted and which are rejected. The counts may only
//! rise: raise a pin when more are right.

use std::path::{Path, PathBuf};
use std::process::Output;

use microhlo_tests::{microhlo, shared, stderr};

// Not right, and why:
// - neg-verify `ops_broadcasting.018`, `.019`: errors of a dialect that only StableHLO's own tests
//   register, of which nothing is known here;
// - neg-verify `ops_stablehlo_quantized.079`: `si8` storage is read as `i8`, which exporters mean;
// - neg-verify `verify_convolution.039`: products of integers of two widths are widened;
// - neg-verify `verify_dynamic_conv.036`: the specification allows an empty window;
// - valid `ops_stablehlo_quantized.003`: it violates (C6) of `all_gather`;
// - compile-dynamic `conv_general_dilated_1d_stride_2_*`: they violate (C2) of `dynamic_conv`.

/// What has to be right of one folder.
struct Pin {
    folder: &'static str,
    /// `accepted` or `rejected`: what is right.
    verdict: &'static str,
    right: u64,
    total: u64,
}

const PINS: [Pin; 5] = [
    Pin { folder: "neg-verify", verdict: "rejected", right: 510, total: 515 },
    Pin { folder: "valid", verdict: "accepted", right: 240, total: 241 },
    Pin { folder: "infer", verdict: "accepted", right: 69, total: 69 },
    Pin { folder: "roundtrip", verdict: "accepted", right: 3, total: 3 },
    Pin { folder: "compile-dynamic", verdict: "accepted", right: 223, total: 225 },
];

fn verify(args: &[&str]) -> Output {
    let executable = env!("CARGO_BIN_EXE_microhlo-under-test");
    microhlo(executable, &[&["verify", "--json", "-"], args].concat())
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

fn folder(name: &str) -> Option<PathBuf> {
    let shared = shared();
    if shared.is_none() {
        eprintln!("not tested: there is no ../shared");
    }
    Some(shared?.join("conformance/stablehlo").join(name))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn hold(pin: &Pin) {
    let Some(folder) = folder(pin.folder) else { return };
    let report = json(&verify(&[path(&folder)]));
    let count = |key: &str| report[key].as_u64().expect("a count");
    let [accepted, rejected, unsupported] = ["accepted", "rejected", "unsupported"].map(count);
    let right = count(pin.verdict);
    let wrong = report["programs"].as_array().expect("programs").iter();
    let wrong: Vec<_> = wrong
        .filter(|p| p["verdict"] != pin.verdict)
        .map(|p| format!("{} {} {}", p["verdict"], p["file"], p["reports"][0]["message"]))
        .collect();
    assert!(right >= pin.right, "{}: {right} < {}: {wrong:#?}", pin.folder, pin.right);
    assert!(accepted + rejected + unsupported >= pin.total, "{} programs vanished", pin.folder);
}

#[test]
fn invalid_programs_are_rejected() {
    hold(&PINS[0]);
}

#[test]
fn valid_programs_are_accepted() {
    PINS[1..].iter().for_each(hold);
}

/// The parts of a test file, and whether it says that they are wrong.
fn expectations(text: &str) -> Vec<bool> {
    let parts = text.split("\n// -----").filter(|part| !part.trim().is_empty());
    parts.map(|part| part.contains("expected-error") || part.contains("CHECK: failed")).collect()
}

/// Target versions that a file's commands name.
fn targets(text: &str) -> Vec<String> {
    let commands = text.lines().filter(|line| line.contains("RUN:"));
    let named = commands.filter_map(|line| line.split("target=").nth(1));
    named.map(|rest| rest.split([' ', '\'', '"']).next().unwrap_or("").to_owned()).collect()
}

#[test]
fn programs_that_an_older_version_cannot_express_are_rejected() {
    let Some(folder) = folder("vhlo-downgrade-invalid") else { return };
    let files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("a file").path()).collect();
    assert!(files.len() >= 17);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let (targets, expected) = (targets(&text), expectations(&text));
        assert!(!targets.is_empty(), "{}", file.display());
        for target in targets {
            let output = verify(&[path(&file), "--vhlo-version", &target]);
            assert!(!output.status.success(), "{} for {target}", file.display());
            if output.status.code() == Some(2) {
                // The version itself is refused.
                assert!(stderr(&output).contains("--vhlo-version"), "{}", stderr(&output));
                continue;
            }
            let report = json(&output);
            let programs = report["programs"].as_array().expect("programs");
            let verdicts: Vec<bool> = programs.iter().map(|p| p["verdict"] != "accepted").collect();
            assert_eq!(verdicts, expected, "{} for {target}", file.display());
        }
    }
}
