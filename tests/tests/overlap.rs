//! Results that lie over their operands: how little memory networks need so, and that they compute the
//! same.

use microhlo_compiler::cmd::load::Program;
use microhlo_compiler::compile::{CompileOptions, Compiled, Target, Technique};
use microhlo_qemu::Job;
use microhlo_tests::networks::generated;
use microhlo_tests::{Prepared, int8_models, models, outputs};

/// Networks, the most bytes of their activations and of their arena, which has what kernels work in as
/// well. These only fall.
const BYTES: [(&str, u32, u32); 5] = [
    ("digits_cnn", 2_064, 2_064),
    ("ic_jax_nhwc_folded", 133_312, 133_312),
    ("kws_int8_quant_int", 8_000, 9_056),
    ("ic_int8_quant_int", 33_296, 34_448),
    ("mobilenet_v1_025_96", 36_864, 38_400),
];

fn listed(network: &str) -> bool {
    BYTES.iter().any(|(name, ..)| *name == network)
}

/// The networks that are installed: the generated ones everywhere.
fn networks() -> Vec<Prepared> {
    let mut models: Vec<_> = models().into_iter().chain(int8_models()).collect();
    models.retain(|model| listed(model.name));
    models.sort_unstable_by_key(|model| model.name);
    models.dedup_by_key(|model| model.name);
    let shared = models.into_iter().map(|model| model.prepare(Target::Host));
    let made = generated().into_iter().map(|network| network.prepare(Target::Host, 2));
    shared.chain(made).filter(|network| listed(network.model.name)).collect()
}

/// Compiles a listed network without results over operands.
fn apart(network: &Prepared) -> Compiled {
    let source = generated().into_iter().find(|g| g.name == network.model.name);
    let program: Program = match source {
        Some(network) => network.parse(),
        None => network.model.parse(),
    };
    let without = vec![Technique::Overlap];
    let options = CompileOptions { without, ..CompileOptions::default() };
    program.compile(&options).expect("it compiles")
}

#[test]
fn activations_and_arenas_stay_small() {
    for network in networks() {
        let (name, most, arena) =
            BYTES.into_iter().find(|b| b.0 == network.model.name).expect("a listed network");
        let report = &network.compiled.report;
        let bytes = report.activation_bytes;
        println!("{name}: {bytes} bytes of activations, {} of arena", report.arena_bytes);
        assert!(bytes <= most.into(), "{name}: {bytes} bytes of activations");
        assert!(report.arena_bytes <= arena, "{name}: {} bytes of arena", report.arena_bytes);
        assert!(report.arena_proven_optimal, "{name}: {} bytes of arena", report.arena_bytes);
        assert!(apart(&network).report.activation_bytes > bytes, "{name}");
    }
}

/// Outputs of the cases of a job.
type Results = Vec<Vec<Vec<u8>>>;

/// Runs the networks, but for one, with and without overlaps.
fn same_results(but: Option<&str>, run: &dyn Fn(&[Job]) -> Vec<Results>) {
    for network in networks().into_iter().filter(|n| but != Some(n.model.name)) {
        let apart = apart(&network);
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
    same_results(None, &|jobs| {
        let executor = microhlo_compiler::cmd::exec::Executor::find("host").expect("the host");
        let done = executor.run(jobs, &microhlo_tests::options()).expect("it runs");
        done.into_iter().map(|outcome| outputs("host", outcome)).collect()
    });
}

#[cfg(feature = "qemu-tests")]
#[test]
fn networks_compute_the_same_over_their_operands_on_boards() {
    // Without an FPU the largest network of `f32` takes minutes.
    for (board, but) in [("mps2-an386", None), ("virt-rv32", Some("ic_jax_nhwc_folded"))] {
        same_results(but, &|jobs| {
            let executor = microhlo_compiler::cmd::exec::Executor::find(board).expect("the board");
            let done = executor.run(jobs, &microhlo_tests::options()).expect("it runs");
            done.into_iter().map(|outcome| outputs(board, outcome)).collect()
        });
    }
}
