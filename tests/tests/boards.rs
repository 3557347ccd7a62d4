//! Models and programs on the boards: the same bits as on the host, and the command's profile.

use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::compile::Technique;
use microhlo_tests::networks::branchy;
use microhlo_tests::{
    Prepared, SAMPLE_MACS, SAMPLE_PROGRAMS, microhlo, models, on_board, options, outputs, root,
    sampled, shared, stderr,
};

fn same_bits_as_on_the_host(board: &str) {
    let executor = Executor::find(board).expect("the board exists");
    let target = executor.target().expect("the compiler knows the core");
    let prepared: Vec<Prepared> = models().iter().map(|model| model.prepare(target)).collect();
    let jobs: Vec<_> = prepared.iter().map(Prepared::job).collect();
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    assert_eq!(outcomes.len(), prepared.len());
    for (prepared, outcome) in prepared.iter().zip(outcomes) {
        let outputs = outputs(prepared.model.name, outcome);
        assert_eq!(outputs, prepared.run_on_host(), "{} on {board}", prepared.model.name);
        prepared.assert_expected(&outputs);
    }
}

#[test]
fn cortex_m4f_computes_the_same_bits_as_the_host() {
    same_bits_as_on_the_host("mps2-an386");
}

#[test]
fn rv32imac_computes_the_same_bits_as_the_host() {
    same_bits_as_on_the_host("virt-rv32");
}

#[test]
fn the_other_boards_compute_the_same_bits_as_the_host() {
    for board in sampled() {
        let executor = Executor::find(&board).expect("the board exists");
        let target = executor.target().expect("the compiler knows the core");
        let mut prepared: Vec<Prepared> = models().iter().map(|m| m.prepare(target)).collect();
        prepared.retain(|p| p.compiled.report.macs <= SAMPLE_MACS);
        let first_case = |p: &Prepared| {
            let mut job = p.job();
            job.cases.truncate(1);
            job
        };
        let jobs: Vec<_> = prepared.iter().map(first_case).collect();
        let outcomes = executor.run(&jobs, &options()).expect("the board runs");
        for (prepared, outcome) in on_board(&board, prepared.iter().zip(outcomes).collect()) {
            let (name, host) = (prepared.model.name, prepared.run_on_host());
            assert_eq!(outputs(name, outcome), host[..1], "{name} on {board}");
        }
    }
}

/// The first of the networks with branches whose layers run in another order than that of its program.
fn reordered_program(board: &str) {
    let executor = Executor::find(board).expect("the board exists");
    let target = executor.target().expect("the compiler knows the core");
    let networks = branchy();
    let (network, prepared) = networks
        .iter()
        .map(|network| (network, network.prepare(target, 1)))
        .find(|(_, prepared)| prepared.compiled.report.schedule.reordered)
        .expect("a network is reordered");
    let outcomes = executor.run(&[prepared.job()], &options()).expect("the board runs");
    let given = network.prepare_without(target, 1, &[Technique::Scheduling]).run_on_host();
    for outcome in outcomes {
        assert_eq!(outputs(network.name, outcome), given, "on {board}");
    }
}

#[test]
fn cortex_m4f_runs_a_reordered_program() {
    reordered_program("mps2-an386");
}

#[test]
fn rv32imac_runs_a_reordered_program() {
    reordered_program("virt-rv32");
}

/// The profile's kernels, and the instructions of an inference that they sum up to.
fn profile(board: &str) {
    let model = root().join("examples/models/digits_cnn.stablehlo.mlir");
    let vectors = root().join("examples/models/digits_cnn.npz");
    let (model, vectors) = (model.display().to_string(), vectors.display().to_string());
    let output = microhlo(
        env!("CARGO_BIN_EXE_microhlo-under-test"),
        &[
            "run",
            &model,
            "--on",
            board,
            "--inputs",
            &vectors,
            "--expect",
            &vectors,
            "--cases",
            "2",
            "--profile",
            "--json",
            "-",
        ],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let total = json["instructions"].as_u64().expect("a count");
    let kernels = json["kernels"].as_array().expect("kernels");
    let sum: u64 = kernels.iter().map(|k| k["instructions"].as_u64().expect("a count")).sum();
    assert!(kernels.len() >= 5 && sum > 0);
    // Setting the inputs and stepping belong to the inference but to no kernel.
    assert!(sum <= total && total - sum < total / 5, "{sum} of {total}");
    assert!(kernels.iter().all(|k| k["name"].is_string() && k["op"].is_string()));
    assert!(kernels.iter().any(|k| k["macs"].as_u64().is_some_and(|m| m > 0)));
    assert_eq!(json["passed"], true);
}

#[test]
fn cortex_m4f_profile() {
    profile("mps2-an386");
}

#[test]
fn rv32imac_profile() {
    profile("virt-rv32");
}

#[test]
fn a_board_checks_programs() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = |name: &str, want: &str| {
        let text = format!(
            "func.func @main() {{\n  %a = stablehlo.constant dense<[1, 2]> : tensor<2xi32>\n  \
             %b = stablehlo.add %a, %a : tensor<2xi32>\n  \
             check.expect_eq_const %b, dense<{want}> : tensor<2xi32>\n  func.return\n}}\n"
        );
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    program("right.mlir", "[2, 4]");
    program("wrong.mlir", "[2, 5]");
    let path = folder.path().display().to_string();
    for board in ["mps2-an386", "virt-rv32"] {
        let executable = env!("CARGO_BIN_EXE_microhlo-under-test");
        let output = microhlo(executable, &["check", &path, "--on", board]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let text = microhlo_tests::stdout(&output);
        assert!(text.ends_with("1 passed, 1 failed, 0 skipped\n"), "{text}");
        assert!(text.contains("4 computed, 5 expected"), "{text}");
    }
}

/// The verdicts of StableHLO's conformance programs.
fn conformance(on: &str, folder: &str) -> Vec<serde_json::Value> {
    let executable = env!("CARGO_BIN_EXE_microhlo-under-test");
    let output = microhlo(executable, &["check", folder, "--on", on, "--json", "-"]);
    let mut json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    json["programs"].as_array_mut().expect("programs").drain(..).collect()
}

/// How many programs of each folder pass on every board; the counts may only rise.
const CONFORMANCE: [(&str, usize); 5] = [
    ("interp", 277),
    ("exec", 1391),
    ("exec-math-ulp", 28),
    ("exec-quant", 72),
    ("exec-quantfile-plain", 51),
];

/// Verdict and reason of every program are those of the host, and enough pass.
fn conformance_as_on_the_host(board: &str) {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    for (folder, least) in CONFORMANCE {
        let path = shared.join("conformance/stablehlo").join(folder).display().to_string();
        let (host, there) = (conformance("host", &path), conformance(board, &path));
        let passed = there.iter().filter(|p| p["verdict"] == "passed").count();
        let pairs = host.iter().zip(&there);
        let differing: Vec<_> = pairs.filter(|(h, b)| h != b).collect();
        assert!(differing.is_empty(), "{folder} on {board}: {differing:#?}");
        assert_eq!(host.len(), there.len(), "{folder} on {board}");
        assert!(passed >= least, "{folder} on {board}: {passed} < {least}");
    }
}

#[test]
fn cortex_m4f_passes_the_conformance_programs() {
    conformance_as_on_the_host("mps2-an386");
}

#[test]
fn rv32imac_passes_the_conformance_programs() {
    conformance_as_on_the_host("virt-rv32");
}

/// Links to one in [`SAMPLE_PROGRAMS`] of a folder's programs, drawn by a hash of board and program.
fn sample(folder: &std::path::Path, board: &str, into: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the programs") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        let text = format!("{board} {}", name.to_string_lossy());
        // FNV-1a.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        if (hash >> 32) % SAMPLE_PROGRAMS == 0 {
            std::fs::copy(entry.path(), into.join(name)).expect("a copy");
            count += 1;
        }
    }
    count
}

#[test]
fn the_other_boards_pass_a_sample_of_the_conformance_programs() {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    for board in sampled() {
        let folder = tempfile::tempdir().expect("a folder");
        let drawn: usize = CONFORMANCE
            .iter()
            .map(|(name, _)| {
                sample(&shared.join("conformance/stablehlo").join(name), &board, folder.path())
            })
            .sum();
        let path = folder.path().display().to_string();
        let (host, there) = (conformance("host", &path), conformance(&board, &path));
        assert_eq!((host.len(), there.len()), (drawn, drawn), "{board}");
        let is_absent = |p: &serde_json::Value| {
            p["why"].as_str().is_some_and(|why| why.starts_with("not on this board"))
        };
        let absent = there.iter().filter(|p| is_absent(p)).count();
        let passed = there.iter().filter(|p| p["verdict"] == "passed").count();
        let on_board = host.iter().zip(&there).filter(|(_, b)| !is_absent(b));
        let differing: Vec<_> = on_board.filter(|(h, b)| h != b).collect();
        assert!(differing.is_empty(), "{board}: {differing:#?}");
        eprintln!("{passed} of {drawn} programs pass on {board}, {absent} are not on it");
        assert!(passed >= drawn / 3, "{board}: {passed} of {drawn}");
    }
}

/// Cases of a form that run on a board: emulation is slow.
const FORM_CASES: usize = 2;

/// Every form that gives its outputs on the host gives them on the board, if the board holds it.
/// Forms with one artifact run once.
fn forms_give_their_outputs(board: &str, least: usize) {
    let Some(shared) = shared() else {
        eprintln!("not tested: there is no ../shared");
        return;
    };
    let executor = Executor::find(board).expect("the board exists");
    let target = executor.target().expect("the compiler knows the core");
    let mut seen = std::collections::HashSet::new();
    let (mut forms, mut prepared) = (Vec::new(), Vec::new());
    for form in microhlo_tests::forms::forms(&shared) {
        if form.vectors.is_none() {
            continue;
        }
        if form.run_on_host().is_err() {
            // Listed by the tests on the host.
            continue;
        }
        let mut one = form.prepare(target).expect("it runs on the host");
        one.job.cases.truncate(FORM_CASES);
        one.expected.truncate(FORM_CASES);
        if seen.insert((one.job.artifact.clone(), one.job.cases.clone())) {
            forms.push(form);
            prepared.push(one);
        }
    }
    let jobs: Vec<_> = prepared.iter().map(|p| p.job.clone()).collect();
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    let (mut passed, mut too_large, mut failures) = (0, Vec::new(), Vec::new());
    for ((form, prepared), outcome) in forms.iter().zip(&prepared).zip(outcomes) {
        match form.judge(prepared, outcome) {
            Ok(()) => passed += 1,
            Err(why) if is_too_large(&why) => too_large.push(form.label()),
            Err(why) => failures.push(format!("{}: {why}", form.label())),
        }
    }
    eprintln!("{passed} artifacts of {} pass on {board}; too large: {too_large:?}", forms.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(passed >= least, "{passed} < {least}");
}

/// Whether the board's memory is too small.
fn is_too_large(why: &str) -> bool {
    ["model partition has", "arena"].iter().any(|word| why.contains(word))
}

#[test]
fn cortex_m4f_gives_the_outputs_of_every_form() {
    forms_give_their_outputs("mps2-an386", 110);
}

#[test]
fn rv32imac_gives_the_outputs_of_every_form() {
    forms_give_their_outputs("virt-rv32", 110);
}
