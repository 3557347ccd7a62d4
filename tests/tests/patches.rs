//! Layers in stripes of columns: the memory that computing some results again saves, and that it changes none.

use microhlo_compiler::chains::{Options, Rows};
use microhlo_compiler::compile::Target;
use microhlo_tests::networks::{Int8Network, generated};

/// The least memory, with so many percent of the multiply-accumulates again.
fn least(recompute: u32, stream_input: bool) -> Options {
    Options { rows: Rows::Least, arena_limit: None, stream_input, recompute }
}

/// Percent that may be computed again.
const RECOMPUTE: u32 = 10;

fn network(name: &str) -> Int8Network {
    let found = generated().into_iter().find(|network| network.name == name);
    Int8Network::Generated(found.expect("the network exists"))
}

/// Activations and arena in bytes with streamed input, without stripes and with, and the multiply-accumulates
/// that these compute again. They may only fall.
const BOUNDS: [(&str, [(u64, u32); 2], u64); 2] = [
    ("mobilenet_v1_025_96", [(11_616, 13_296), (11_616, 13_296)], 0),
    ("mobilenet_v2_035_144", [(26_064, 28_000), (24_336, 25_296)], 141_696),
];

#[test]
fn stripes_need_less_memory_and_change_no_result() {
    let mut found = Vec::new();
    for (name, ..) in BOUNDS {
        let forms = [0, RECOMPUTE]
            .map(|recompute| network(name).prepare(Target::CortexM4f, least(recompute, true)));
        let [whole, stripes] = forms.each_ref().map(|form| form.run_on_host());
        assert_eq!(stripes, whole, "{name}");
        let figures = forms
            .each_ref()
            .map(|form| (form.compiled.report.activation_bytes, form.compiled.report.arena_bytes));
        let report = &forms[1].compiled.report;
        assert_eq!(forms[0].compiled.report.macs, report.macs - report.recomputed_macs, "{name}");
        found.push((name, figures, report.recomputed_macs));
    }
    assert_eq!(found, BOUNDS);
}

#[cfg(feature = "qemu-tests")]
mod boards {
    use microhlo_compiler::cmd::exec::Executor;
    use microhlo_tests::{options, outputs};

    use super::*;

    /// Runs stripes on a board, against the fastest program on this computer.
    fn on(board: &str) {
        let executor = Executor::find(board).expect("the board exists");
        let target = executor.target().expect("its core is known");
        let network = network("mobilenet_v2_035_144");
        let expected = network.prepare(target, Options::default()).run_on_host()[..1].to_vec();
        let prepared = network.prepare(target, least(RECOMPUTE, true));
        let kernels = &prepared.compiled.report.kernels;
        assert!(kernels.iter().any(|kernel| kernel.name.ends_with("stripe")), "{kernels:?}");
        let mut job = prepared.job();
        job.cases.truncate(1);
        for outcome in executor.run(&[job], &options()).expect("the board runs") {
            let report = outcome.unwrap_or_else(|e| panic!("{board}: {e}"));
            assert_eq!(outputs("stripes", Ok(report)), expected, "{board}");
        }
    }

    #[test]
    fn stripes_on_cortex_m4() {
        on("mps2-an386");
    }

    #[test]
    fn stripes_on_rv32imac() {
        on("virt-rv32");
    }
}
