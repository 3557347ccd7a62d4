//! Networks that run row by row on boards: the same bytes, and how many more instructions.

use microhlo_compiler::chains::{Options, Rows};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_qemu::Job;
use microhlo_tests::networks::Int8Network;
use microhlo_tests::{options, outputs};

/// By how many tenths of a percent a program takes more instructions than the fastest, with the whole input,
/// on Cortex-M4F and RV32IMAC.
type More = [u64; 2];

/// A network with the fastest programs that fit so many bytes of arena, and its smallest.
struct Network {
    name: &'static str,
    within: &'static [(u32, More)],
    least: More,
}

/// They may only fall. The second limit is what the smallest program took before windows shared bytes, the third
/// of the keyword spotter one between it and the 10,080 bytes that it takes without chains, the fourth what it
/// takes on the Cortex-M4F with 6,186 bytes of activations.
const NETWORKS: [Network; 4] = [
    Network {
        name: "kws_int8_quant_int",
        within: &[(6_922, [84, 72]), (5_568, [287, 210]), (8_832, [50, 36]), (7_540, [50, 45])],
        least: [517, 293],
    },
    Network {
        name: "ic_int8_quant_int",
        within: &[(18_304, [25, 13]), (16_448, [41, 19])],
        least: [45, 21],
    },
    Network {
        name: "mobilenet_v1_025_96",
        within: &[(30_368, [7, 19]), (27_968, [9, 40])],
        least: [9, 40],
    },
    Network {
        name: "temporal_64x32",
        within: &[(4_144, [126, 58]), (4_000, [181, 81])],
        least: [213, 97],
    },
];

fn memory(rows: Rows, arena_limit: Option<u32>, stream_input: bool) -> Options {
    Options { rows, arena_limit, stream_input, ..Options::default() }
}

/// Runs networks on a board: as they are, within limits, and in the least memory without and with a fed input.
fn by_rows(board: &str, at: usize) {
    let executor = Executor::find(board).expect("the board exists");
    let target = executor.target().expect("its core is known");
    let network =
        |bound: &'static Network| Int8Network::all().into_iter().find(|n| n.name() == bound.name);
    let networks: Vec<(&Network, Int8Network)> =
        NETWORKS.iter().filter_map(|bound| Some((bound, network(bound)?))).collect();
    let forms = |bound: &Network| {
        let within = bound.within.iter().map(|&(limit, _)| memory(Rows::Auto, Some(limit), false));
        let [whole, least, fed] = [(Rows::Off, false), (Rows::Least, false), (Rows::Least, true)]
            .map(|(rows, fed)| memory(rows, None, fed));
        [whole].into_iter().chain(within).chain([least, fed]).collect::<Vec<Options>>()
    };
    let job = |network: &Int8Network, form: Options| -> Job {
        let mut job = network.prepare(target, form).job();
        job.cases.truncate(1);
        job
    };
    let jobs: Vec<Job> = networks
        .iter()
        .flat_map(|(bound, n)| forms(bound).into_iter().map(|form| job(n, form)))
        .collect();
    let mut outcomes = executor.run(&jobs, &options()).expect("the board runs").into_iter();
    let (mut found, mut above) = (Vec::new(), false);
    for (bound, network) in &networks {
        let name = network.name();
        let expected = network.prepare(target, forms(bound)[0]).run_on_host()[..1].to_vec();
        let mut counts = Vec::new();
        for (form, outcome) in forms(bound).iter().zip(&mut outcomes) {
            let report = outcome.unwrap_or_else(|e| panic!("{name}: {e}"));
            counts.push(report.cases[0].as_ref().map_or(0, |case| case.instructions));
            let there = outputs(name, Ok(report));
            assert_eq!(there, expected, "{name} on {board}: {form:?}");
        }
        let percent =
            |count: u64| (count.saturating_sub(counts[0]) * 1000).div_ceil(counts[0].max(1));
        // All but the first, and the fed one.
        let there: Vec<u64> = counts[1..counts.len() - 1].iter().map(|&n| percent(n)).collect();
        let bounds = bound.within.iter().map(|(_, more)| more[at]).chain([bound.least[at]]);
        above |= there.iter().zip(bounds).any(|(&there, bound)| there > bound);
        found.push((name, there));
    }
    assert!(!above, "tenths of a percent more on {board}: {found:?}");
}

#[test]
fn rows_on_cortex_m4() {
    by_rows("mps2-an386", 0);
}

#[test]
fn rows_on_rv32imac() {
    by_rows("virt-rv32", 1);
}
