//! `microhlo compile --regions` and `--region`: what they print, refuse, and what comes of it on the host.

use std::path::PathBuf;
use std::process::Output;

use microhlo_tests::{root, stderr, stdout};
use serde_json::Value;

fn microhlo(args: &[&str]) -> Output {
    microhlo_tests::microhlo(env!("CARGO_BIN_EXE_microhlo-under-test"), args)
}

fn model(name: &str) -> String {
    root().join("examples/models").join(name).display().to_string()
}

/// Compiles the example network; returns the output and the artifact's path in a folder.
fn compile(options: &[&str]) -> (tempfile::TempDir, PathBuf, Output) {
    compile_of("digits_cnn.stablehlo.mlir", options)
}

/// The same for another example.
fn compile_of(name: &str, options: &[&str]) -> (tempfile::TempDir, PathBuf, Output) {
    let folder = tempfile::tempdir().expect("a folder");
    let artifact = folder.path().join("cnn.mhlo");
    let (program, out) = (model(name), artifact.display().to_string());
    let mut args = vec!["compile", &program, "-o", &out, "--json", "-"];
    args.extend(options);
    let output = microhlo(&args);
    (folder, artifact, output)
}

fn regions(output: &Output) -> Vec<(String, u64, u64)> {
    assert!(output.status.success(), "{}", stderr(output));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = json["arenas"].as_array().expect("a list").clone();
    let region = |r: &Value| {
        let number = |key: &str| r[key].as_u64().expect("a number");
        let name = r["name"].as_str().expect("a name").to_owned();
        (name, number("bytes"), number("constant_bytes"))
    };
    list.iter().map(region).collect()
}

#[test]
fn memories_given_by_hand_are_kept_to_and_the_model_runs() {
    let given = ["--region", "SLOW=4096:3", "--region", "FAST=2048:1", "--artifact-cost", "5"];
    let (_folder, artifact, output) = compile(&given);
    let found = regions(&output);
    let names: Vec<&str> = found.iter().map(|r| r.0.as_str()).collect();
    assert_eq!(names, ["SLOW", "FAST"]);
    assert!(found[0].1 <= 4096 && found[1].1 <= 2048, "{found:?}");
    assert!(found.iter().any(|r| r.2 > 0), "constants are copied: {found:?}");
    let (artifact, vectors) = (artifact.display().to_string(), model("digits_cnn.npz"));
    let run = microhlo(&["run", &artifact, "--inputs", &vectors, "--expect", &vectors]);
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    let inspected = stdout(&microhlo(&["inspect", &artifact]));
    assert!(inspected.contains("arena1 FAST") && inspected.contains("arena1[0.."), "{inspected}");
}

#[test]
fn the_memories_of_a_board_come_from_its_description() {
    // All fits the fast memory, but for its constants and these only if the other one is faster than flash.
    let (_folder, _, output) = compile(&["--target", "mps3-an547", "--regions"]);
    let found = regions(&output);
    assert_eq!(found.len(), 1);
    assert!(found[0].0 == "DTCM" && found[0].2 > 0, "{found:?}");
    let less = ["--target", "mps3-an547", "--regions", "--region", "DTCM=512"];
    let (_folder, _, output) = compile(&less);
    let found = regions(&output);
    assert!(found.len() == 2 && found[1].0 == "DTCM" && found[1].1 <= 512, "{found:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases: [(&[&str], &str); 7] = [
        (&["--regions"], "is no board with memories"),
        (
            &["--region", "A=100", "--region", "B=100"],
            "no program fits the memories A of 100 bytes",
        ),
        (&["--region", "A=x"], "expected NAME=BYTES"),
        (&["--region", "A=1", "--region", "A=1"], "given twice"),
        (&["--target", "mps2-an386", "--regions", "--region", "TCM=1"], "SSRAM23, PSRAM"),
        (
            &["--region", "A=9000", "--region", "B=9000", "--arena-limit", "100"],
            "B of 9000 bytes with 100 bytes of them in all: the smallest needs",
        ),
        (&["--region", "A=10", "--pareto"], "no program fits the memories A of 10 bytes"),
    ];
    for (options, text) in cases {
        let (_folder, _, output) = compile(options);
        let message = stderr(&output);
        assert!(!output.status.success() && message.contains(text), "{options:?}: {message}");
    }
}

/// Memories that the example network and its constants have room in.
const TWO: [&str; 6] =
    ["--region", "SLOW=16384:3", "--region", "FAST=1024:1", "--artifact-cost", "5"];

#[test]
fn a_limit_is_that_of_all_memories_with_their_constants() {
    let sum = |network: &str, options: &[&str]| {
        let program = format!("{network}.stablehlo.mlir");
        let (_folder, artifact, output) = compile_of(&program, &[&TWO[..], options].concat());
        let found = regions(&output);
        let vectors = model(&format!("{network}.npz"));
        let artifact = artifact.display().to_string();
        let run = microhlo(&["run", &artifact, "--inputs", &vectors, "--expect", &vectors]);
        assert!(run.status.success(), "{options:?}: {}{}", stdout(&run), stderr(&run));
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let chains = json["kernels"].to_string().contains("rows");
        let constants: u64 = found.iter().map(|region| region.2).sum();
        (found.iter().map(|region| region.1).sum::<u64>(), constants, chains)
    };
    let (all, constants, _) = sum("digits_cnn", &[]);
    assert!(all > 8000 && constants > 4000, "{all} {constants}");
    // What is left beside the buffers goes to constants.
    for limit in [6000, 3000] {
        let (bytes, constants, chains) = sum("digits_cnn", &["--arena-limit", &limit.to_string()]);
        assert!(bytes <= limit && constants > 0 && !chains, "{bytes} of {limit}");
    }
    // Its layers can run row by row.
    let (bytes, _, chains) = sum("dsconv_softmax", &["--arena-limit", "2400"]);
    assert!(bytes <= 2400 && chains, "{bytes}");
}

#[test]
fn the_pareto_front_keeps_to_the_memories() {
    let given = ["--region", "SLOW=4096:3", "--region", "FAST=1024:1"];
    let name = "dsconv_softmax.stablehlo.mlir";
    let program = model(name);
    let front = |options: &[&str]| {
        let args = [&["compile", &program, "--pareto", "--json", "-"], options].concat();
        let output = microhlo(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        json["pareto"].as_array().expect("a list").clone()
    };
    let points = front(&given);
    assert!(points.len() > 1, "{points:?}");
    let number = |value: &Value| value.as_u64().expect("a number");
    for point in &points {
        let regions = point["regions"].as_array().expect("memories");
        assert!(!regions.is_empty());
        for region in regions {
            assert!(number(&region["bytes"]) <= number(&region["limit_bytes"]), "{point}");
            assert_eq!(number(&region["constant_bytes"]), 0);
        }
    }
    // A limit takes what the list has.
    let least = number(&points[points.len() - 1]["arena_bytes"]);
    let with = |limit: u64| {
        let limit = limit.to_string();
        let limited = [&given[..], &["--arena-limit", &limit, "--artifact-cost", "5"]].concat();
        compile_of(name, &limited).2
    };
    for point in &points {
        let output = with(number(&point["arena_bytes"]));
        assert!(output.status.success(), "{point}: {}", stderr(&output));
    }
    let refused = with(least - 64);
    assert!(stderr(&refused).contains("of them in all"), "{}", stderr(&refused));
    let text = stdout(&microhlo(&[&["compile", &program, "--pareto"], &given[..]].concat()));
    assert!(text.contains("memories") && text.contains("SLOW 2"), "{text}");
    assert!(front(&[]).iter().all(|point| point["regions"] == serde_json::json!([])));
}

#[test]
fn a_report_shows_the_memories() {
    let page = tempfile::tempdir().expect("a folder");
    let file = page.path().join("page.html").display().to_string();
    let program = model("digits_cnn.stablehlo.mlir");
    let given = ["--region", "SLOW=4096:3", "--region", "FAST=1024:1"];
    for (target, text) in [("text", "memories, one behind the other"), (&*file, "")] {
        let mut args = vec!["compile", &program, "--report", target];
        args.extend(given);
        let output = microhlo(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        let printed = stdout(&output);
        assert!(printed.contains("memory FAST") && printed.contains(text), "{printed}");
    }
    let html = std::fs::read_to_string(&file).expect("the page");
    assert!(html.contains("id=\"memories\"") && html.contains("<td>FAST</td>"));
}
