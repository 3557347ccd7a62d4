//! Results that lie over their operands: how little memory networks need so, and that they compute the
//! same.

use std::collections::HashMap;

use microhlo_compiler::compile::{CompileOptions, Compiled, Target};
use microhlo_compiler::lower::memory::plan_memory;
use microhlo_compiler::lower::program::{BufferId, Program};
use microhlo_compiler::lower::{lower, share};
use microhlo_compiler::plan;
use microhlo_format::AccessKind;
use microhlo_qemu::Job;
use microhlo_tests::networks::generated;
use microhlo_tests::{Prepared, int8_models, outputs};

/// Networks, the most bytes of their activations and of their arena, which has what kernels work in as
/// well. These only fall.
const BYTES: [(&str, u32, u32); 3] = [
    ("kws_int8_quant_int", 8_000, 8_864),
    ("ic_int8_quant_int", 33_296, 34_448),
    ("mobilenet_v1_025_96", 36_864, 38_400),
];

/// The networks that are installed: the generated ones everywhere.
fn networks() -> Vec<Prepared> {
    let shared = int8_models().into_iter().map(|model| model.prepare(Target::Host));
    let made = generated().into_iter().map(|network| network.prepare(Target::Host, 2));
    let listed = |p: &Prepared| BYTES.iter().any(|(name, ..)| *name == p.model.name);
    shared.chain(made).filter(listed).collect()
}

/// The arena that a program needs if its kernels worked in no memory of their own.
fn activations(compiled: &Compiled, apart: bool) -> u32 {
    let mut program = lower(&compiled.optimized, Target::Host).expect("it lowers");
    let mut scratch: HashMap<BufferId, bool> = HashMap::new();
    for (kind, buffer) in program.steps.iter().flat_map(Program::touched) {
        *scratch.entry(buffer).or_insert(true) &= kind == AccessKind::Scratch;
    }
    for (buffer, _) in scratch.into_iter().filter(|(_, only)| *only) {
        program.buffers[buffer].bytes = 0;
    }
    share::share_buffers(&mut program);
    let planned = plan_memory(&program, &plan::Options::default(), apart).expect("it has a plan");
    planned.plan.arena_bytes
}

#[test]
fn activations_and_arenas_stay_small() {
    for network in networks() {
        let (name, most, arena) =
            BYTES.into_iter().find(|b| b.0 == network.model.name).expect("a listed network");
        let report = &network.compiled.report;
        let bytes = activations(&network.compiled, false);
        println!("{name}: {bytes} bytes of activations, {} of arena", report.arena_bytes);
        assert!(bytes <= most, "{name}: {bytes} bytes of activations");
        assert!(report.arena_bytes <= arena, "{name}: {} bytes of arena", report.arena_bytes);
        assert!(report.arena_proven_optimal, "{name}: {} bytes of arena", report.arena_bytes);
        assert!(activations(&network.compiled, true) > bytes, "{name}");
    }
}

/// Runs the networks with and without overlaps.
fn same_results(run: &dyn Fn(&[Job]) -> Vec<Vec<Vec<Vec<u8>>>>) {
    for network in networks() {
        let options = CompileOptions { apart: true, ..CompileOptions::default() };
        let source = generated().into_iter().find(|g| g.name == network.model.name);
        let program = match source {
            Some(network) => network.parse(),
            None => network.model.parse(),
        };
        let apart = program.compile(&options).expect("it compiles");
        let (here, there) = (apart.report.arena_bytes, network.compiled.report.arena_bytes);
        assert!(there < here, "{}: {there} and {here} bytes", network.model.name);
        let mut job = network.job();
        job.cases.truncate(2);
        let artifact = apart.artifact;
        let results = run(&[Job { artifact, ..job.clone() }, job]);
        assert_eq!(results[0], results[1], "{}", network.model.name);
        assert!(results[0].iter().flatten().any(|bytes| !bytes.is_empty()));
    }
}

#[test]
fn networks_compute_the_same_over_their_operands() {
    same_results(&|jobs| {
        let executor = microhlo_compiler::cmd::exec::Executor::find("host").expect("the host");
        let done = executor.run(jobs, &microhlo_tests::options()).expect("it runs");
        done.into_iter().map(|outcome| outputs("host", outcome)).collect()
    });
}

#[cfg(feature = "qemu-tests")]
#[test]
fn networks_compute_the_same_over_their_operands_on_boards() {
    for board in ["mps2-an386", "virt-rv32"] {
        same_results(&|jobs| {
            let executor = microhlo_compiler::cmd::exec::Executor::find(board).expect("the board");
            let done = executor.run(jobs, &microhlo_tests::options()).expect("it runs");
            done.into_iter().map(|outcome| outputs(board, outcome)).collect()
        });
    }
}
