//! The stack that running a model takes, measured by painting it: what the runtime needs below the frame
//! of its caller to set an input or to execute a step.

use microhlo_compiler::cmd::exec::Executor;
use microhlo_tests::networks::generated;
use microhlo_tests::{Prepared, models, options};

/// Most bytes on a board, of all models that are run. They may only fall.
const LIMITS: [(&str, u32); 2] = [("mps2-an386", 1_016), ("virt-rv32", 988)];

/// Bytes of stack by model.
fn measured(board: &str) -> Vec<(String, u32)> {
    let executor = Executor::find(board).expect("the board exists");
    let target = executor.target().expect("the compiler knows the core");
    let mut prepared: Vec<Prepared> = models().iter().map(|m| m.prepare(target)).collect();
    prepared.extend(generated().iter().map(|network| network.prepare(target, 1)));
    let first_case = |p: &Prepared| {
        let mut job = p.job();
        job.cases.truncate(1);
        job.profile = true;
        job
    };
    let jobs: Vec<_> = prepared.iter().map(first_case).collect();
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    assert_eq!(outcomes.len(), prepared.len());
    let bytes = |(p, outcome): (&Prepared, microhlo_qemu::Outcome)| {
        let report = outcome.unwrap_or_else(|e| panic!("{} on {board}: {e}", p.model.name));
        (p.model.name.to_owned(), report.run_stack_bytes)
    };
    prepared.iter().zip(outcomes).map(bytes).collect()
}

#[test]
fn running_a_model_takes_little_stack() {
    for (board, limit) in LIMITS {
        let mut measured = measured(board);
        measured.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        println!("{board}: {measured:?}");
        let (name, most) = measured.first().expect("models");
        assert!(*most <= limit, "{name} on {board} takes {most} bytes of stack");
        // Something was measured at all.
        assert!(measured.iter().all(|(_, bytes)| *bytes > 64), "{measured:?}");
    }
}
