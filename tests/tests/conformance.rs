//! StableHLO's own conformance programs. The counts may only rise: raise a pin when more pass.

use std::path::Path;

use microhlo_tests::{microhlo, shared, stderr};

/// What has to pass of one folder.
struct Pin {
    folder: &'static str,
    on: &'static str,
    passed: u64,
    total: u64,
}

const PINS: [Pin; 8] = [
    Pin { folder: "interp", on: "host", passed: 277, total: 307 },
    Pin { folder: "exec", on: "host", passed: 1391, total: 1398 },
    Pin { folder: "interp", on: "eval", passed: 277, total: 307 },
    Pin { folder: "exec", on: "eval", passed: 1391, total: 1398 },
    Pin { folder: "exec-quant", on: "host", passed: 72, total: 72 },
    Pin { folder: "exec-quantfile-plain", on: "host", passed: 51, total: 51 },
    Pin { folder: "exec-quant", on: "eval", passed: 72, total: 72 },
    Pin { folder: "exec-quantfile-plain", on: "eval", passed: 51, total: 51 },
];

/// Programs that the reference implementation itself does not pass; their expectations are
/// informative.
fn informative(shared: &Path) -> Vec<String> {
    let index = shared.join("conformance/stablehlo/index.tsv");
    let text = std::fs::read_to_string(index).expect("the index of the programs");
    let flagged = text.lines().filter(|line| line.contains("interp-disabled"));
    flagged.filter_map(|line| line.split('\t').next().map(str::to_owned)).collect()
}

fn hold(pin: &Pin) {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    let folder = shared.join("conformance/stablehlo").join(pin.folder).display().to_string();
    let executable = env!("CARGO_BIN_EXE_microhlo-under-test");
    let output = microhlo(executable, &["check", &folder, "--on", pin.on, "--json", "-"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let count = |key: &str| json[key].as_u64().expect("a count");
    let (passed, failed, skipped) = (count("passed"), count("failed"), count("skipped"));
    let informative = informative(&shared);
    let programs = json["programs"].as_array().expect("programs").iter();
    let (known, failures): (Vec<_>, Vec<_>) =
        programs.filter(|p| p["verdict"] == "failed").partition(|p| {
            informative.iter().any(|name| p["file"].as_str().is_some_and(|f| f.ends_with(name)))
        });
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(known.len() as u64, failed);
    assert_eq!(output.status.success(), failed == 0, "{}", stderr(&output));
    assert!(passed >= pin.passed, "{} on {}: {passed} < {}", pin.folder, pin.on, pin.passed);
    // A program that vanishes would otherwise go unnoticed.
    assert!(
        passed + failed + skipped >= pin.total,
        "{passed} passed, {skipped} skipped of {}",
        pin.total
    );
    let reasons = json["skip_reasons"].as_object().expect("reasons");
    assert!(reasons.values().map(|n| n.as_u64().expect("a count")).sum::<u64>() == skipped);
}

#[test]
fn interp_on_the_host() {
    hold(&PINS[0]);
}

#[test]
fn exec_on_the_host() {
    hold(&PINS[1]);
}

#[test]
fn interp_on_the_evaluator() {
    hold(&PINS[2]);
}

#[test]
fn exec_on_the_evaluator() {
    hold(&PINS[3]);
}

#[test]
fn quantised_on_the_host() {
    hold(&PINS[4]);
    hold(&PINS[5]);
}

#[test]
fn quantised_on_the_evaluator() {
    hold(&PINS[6]);
    hold(&PINS[7]);
}

/// Programs that sample functions over their whole range.
const ACCURACY: Pin = Pin { folder: "exec-math-ulp", on: "host", passed: 28, total: 28 };

#[test]
fn accuracy_on_the_host() {
    hold(&ACCURACY);
}
