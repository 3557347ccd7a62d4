//! Generated programs on the emulated boards: kernels that read indices from memory or run the
//! code of regions give the bits of the evaluator there too.

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::compile::{CompileOptions, compile};
use microhlo_compiler::diag::Source;
use microhlo_compiler::eval::{Evaluator, Tensor};
use microhlo_compiler::front::mlir::parse_module;
use microhlo_qemu::Job;
use microhlo_tests::fuzz::{same_tensor, types};
use microhlo_tests::{generate, number, on_board, options, outputs, sampled_cores};

/// The kernels, and how many programs of each run.
const KERNELS: [&str; 7] =
    ["branch", "gather", "scatter", "reduce_any", "scatter_any", "sort", "select_and_scatter"];
const PROGRAMS: usize = 20;

/// Programs are taken from this many seeds, from `MICROHLO_SEED` on.
const SEEDS: u64 = 6000;

/// Steps of the evaluator that a program may take.
const BUDGET: u64 = 1 << 14;

/// A program with what it computes.
struct Program {
    text: String,
    job: Job,
    expected: Vec<Tensor>,
}

/// The program of a seed with its kernels, if it compiles and is short.
fn program(seed: u64) -> Option<(Program, Vec<String>)> {
    let entropy = generate::entropy(seed, 160);
    let text = generate::program(&mut Unstructured::new(&entropy)).ok()?;
    // These tell NaNs apart, and which NaN an operation makes is the target's own.
    if text.contains("TOTALORDER") || text.contains("bitcast") {
        return None;
    }
    let module = parse_module(&Source::new("generated.mlir", text.as_str())).ok()?;
    let main = module.entry()?;
    let inputs = generate::inputs(&types(&module.funcs[main]).ok()?, seed);
    let expected = Evaluator::with_budget(&module, BUDGET).run(main, &inputs).ok()?;
    let compiled = compile(&module, &CompileOptions::default()).ok()?;
    let kernels = compiled.report.kernels.iter().map(|k| k.op.clone()).collect();
    let cases = vec![inputs.iter().map(|t| t.bytes().to_vec()).collect()];
    let job = Job { artifact: compiled.artifact, cases, profile: false };
    Some((Program { text, job, expected }, kernels))
}

/// Programs that together run every kernel often enough.
fn programs() -> Vec<Program> {
    let mut missing: BTreeMap<&str, usize> = KERNELS.map(|name| (name, PROGRAMS)).into();
    let mut programs = Vec::new();
    let first = number("MICROHLO_SEED").unwrap_or(1);
    for seed in first..first + SEEDS {
        if missing.values().all(|&n| n == 0) {
            break;
        }
        let Some((program, kernels)) = program(seed) else { continue };
        let mut useful = false;
        for (name, n) in &mut missing {
            if *n > 0 && kernels.iter().any(|k| k == name) {
                *n -= 1;
                useful = true;
            }
        }
        if useful {
            programs.push(program);
        }
    }
    assert!(missing.values().all(|&n| n < PROGRAMS / 2), "too few programs: {missing:?} missing");
    programs
}

fn same_bits_as_the_evaluator(board: &str) {
    let programs = programs();
    let jobs: Vec<Job> = programs.iter().map(|p| p.job.clone()).collect();
    let executor = Executor::find(board).expect("the board exists");
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    for (program, outcome) in on_board(board, programs.iter().zip(outcomes).collect()) {
        let results = outputs(board, outcome).swap_remove(0);
        for (i, (bytes, want)) in results.iter().zip(&program.expected).enumerate() {
            let have = Tensor::from_bytes(want.ty(), bytes.as_slice()).expect("the result's size");
            if let Err(error) = same_tensor(want, &have) {
                panic!("result {i} on {board}: {error}\n{}", program.text);
            }
        }
    }
}

#[test]
fn cortex_m4f_programs_give_the_same_bits() {
    same_bits_as_the_evaluator("mps2-an386");
}

#[test]
fn rv32imac_programs_give_the_same_bits() {
    same_bits_as_the_evaluator("virt-rv32");
}

#[test]
fn programs_give_the_same_bits_on_the_other_boards() {
    for board in sampled_cores() {
        same_bits_as_the_evaluator(&board);
    }
}
