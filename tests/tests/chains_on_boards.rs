//! Chains that run row by row give the bytes of their steps on every board.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../runtime-nostd/tests/common/chains.rs"]
mod chains;

use chains::{Form, Network, Numbers, random};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_format::encode;
use microhlo_qemu::Job;
use microhlo_tests::{on_board, options, outputs, sampled};

fn job(network: &Network, form: Form) -> Job {
    let artifact = encode(&network.spec(form)).expect("the network is encodable");
    let input = Numbers(network.seed ^ 7).bytes(network.input.iter().product());
    Job { artifact, cases: vec![vec![input]], profile: false }
}

fn same_bytes(board: &str, mve: bool) {
    let networks: Vec<Network> = (0..80).map(|seed| random(seed * 31, 9, mve)).collect();
    let forms = [Form::Chain, Form::Fed];
    let jobs: Vec<Job> =
        networks.iter().flat_map(|network| forms.map(|form| job(network, form))).collect();
    let steps: Vec<Job> = networks
        .iter()
        .flat_map(|network| [job(network, Form::Steps), job(network, Form::Steps)])
        .collect();
    let run = |name: &str, jobs: &[Job]| {
        let executor = Executor::find(name).expect("the board exists");
        executor.run(jobs, &options()).expect("the board runs")
    };
    let here = run("host", &steps).into_iter().enumerate();
    let pairs = here.zip(run(board, &jobs)).collect();
    for ((i, here), there) in on_board(board, pairs) {
        let (network, form) = (&networks[i / 2], forms[i % 2]);
        assert_eq!(outputs("host", here), outputs(board, there), "{form:?} of {network:?}");
    }
}

#[test]
fn chains_on_cortex_m4() {
    same_bytes("mps2-an386", false);
}

#[test]
fn chains_on_rv32imac() {
    same_bytes("virt-rv32", false);
}

#[test]
fn chains_on_cortex_m55() {
    same_bytes("mps3-an547", true);
}

#[test]
fn chains_on_other_boards() {
    for board in sampled() {
        same_bytes(&board, false);
    }
}
