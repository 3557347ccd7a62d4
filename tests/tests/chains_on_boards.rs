//! Chains that run row by row give the bytes of their steps on every board.

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../runtime-nostd/tests/common/chains.rs"]
mod chains;

use chains::{Form, Layer, Network, Op, Random, Slides, random, separable};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_format::encode;
use microhlo_qemu::Job;
use microhlo_tests::{on_board, options, outputs, sampled_cores};

fn job(network: &Network, form: Form) -> Job {
    let artifact = encode(&network.spec(form)).expect("the network is encodable");
    let input = Random(network.seed ^ 7).bytes(network.input.iter().product());
    Job { artifact, cases: vec![vec![input]], profile: false }
}

fn same_bytes(board: &str, mve: bool) {
    let any = (0..80).map(|seed| random(seed * 31, 9, mve));
    let networks: Vec<Network> =
        any.chain((0..40).map(|seed| Network { mve, ..separable(seed) })).collect();
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
    for board in sampled_cores() {
        same_bytes(&board, false);
    }
}

/// A block of layers whose results are rounded the usual way.
fn block(input: [u32; 3], ops: &[Op], strip: u32) -> Network {
    let layer = |(of, &op): (usize, &Op)| Layer { op, of, strip, whole: false };
    let layers = ops.iter().enumerate().map(layer).collect();
    Network { input, layers, mve: false, plain: true, seed: 3 }
}

/// Two convolutions of a residual network and their sum with what they read.
fn residual(strip: u32) -> Network {
    let conv = Op::Conv(16, Slides::same([3, 3], 1));
    block([32, 32, 16], &[conv, conv, Op::Sum(0)], strip)
}

/// An inverted residual block: more channels, a depthwise layer, fewer channels, and the sum.
fn inverted(strip: u32) -> Network {
    let (more, fewer) = (Op::Conv(48, Slides::PIXEL), Op::Conv(8, Slides::PIXEL));
    block([36, 36, 8], &[more, Op::Depthwise(Slides::same([3, 3], 1)), fewer, Op::Sum(0)], strip)
}

/// What a chain takes at most, in thousandths of what its steps do, in strips of one, two and four rows:
/// of a residual block and of an inverted one. These only fall.
const COSTS: &[(&str, [u64; 3], [u64; 3])] = &[
    ("mps2-an386", [1042, 1022, 1012], [1180, 1121, 1062]),
    // The depthwise layer by itself goes from line to line faster than in strips of few.
    ("virt-rv32", [1021, 1011, 1006], [1117, 1067, 1037]),
    ("mps3-an547", [1220, 1113, 1059], [1502, 1260, 1138]),
];

/// Instructions of a network in both forms.
fn instructions(board: &str, mut network: Network) -> [u64; 2] {
    network.mve = board == "mps3-an547";
    let executor = Executor::find(board).expect("the board exists");
    let jobs = [Form::Steps, Form::Chain].map(|form| job(&network, form));
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    let count = |outcome: &microhlo_qemu::Outcome| {
        let report = outcome.as_ref().expect("the job runs");
        report.cases[0].as_ref().expect("the case runs").instructions
    };
    [count(&outcomes[0]), count(&outcomes[1])]
}

#[test]
fn chains_cost_little_more_than_their_steps() {
    let mut risen = vec![];
    for &(board, residuals, inverteds) in COSTS {
        for (i, strip) in [1, 2, 4].into_iter().enumerate() {
            let blocks = [(residual(strip), residuals[i]), (inverted(strip), inverteds[i])];
            for (network, most) in blocks {
                let [steps, chain] = instructions(board, network);
                let cost = (chain * 1000).div_ceil(steps);
                println!("{board}, strips of {strip}: {chain} after {steps}, {cost} thousandths");
                if cost > most {
                    risen.push((board, strip, cost, most));
                }
            }
        }
    }
    assert!(risen.is_empty(), "{risen:?}");
}
