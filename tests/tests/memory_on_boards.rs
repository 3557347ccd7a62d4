//! Networks that run row by row on boards: the same bytes, and how many more instructions.

use microhlo_compiler::chains::{Options, Rows};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_qemu::Job;
use microhlo_tests::networks::Int8Network;
use microhlo_tests::{options, outputs};

/// A network, and by how many tenths of a percent a program takes more instructions than the fastest, with
/// the whole input, on Cortex-M4F and RV32IMAC.
struct More {
    network: &'static str,
    /// The fastest that fits so many bytes of arena.
    limit: u32,
    within: [u64; 2],
    /// The smallest.
    least: [u64; 2],
}

/// They may only fall.
const MORE: [More; 4] = [
    More { network: "kws_int8_quant_int", limit: 6_922, within: [163, 95], least: [511, 280] },
    More { network: "ic_int8_quant_int", limit: 18_304, within: [29, 14], least: [39, 17] },
    More { network: "mobilenet_v1_025_96", limit: 30_368, within: [8, 17], least: [9, 39] },
    More { network: "temporal_64x32", limit: 4_144, within: [130, 57], least: [289, 127] },
];

fn memory(rows: Rows, arena_limit: Option<u32>, stream_input: bool) -> Options {
    Options { rows, arena_limit, stream_input, ..Options::default() }
}

/// Runs networks on a board: as they are, within a limit, and in the least memory without and with a fed
/// input.
fn by_rows(board: &str, at: usize) {
    let executor = Executor::find(board).expect("the board exists");
    let target = executor.target().expect("its core is known");
    let network =
        |more: &'static More| Int8Network::all().into_iter().find(|n| n.name() == more.network);
    let networks: Vec<(&More, Int8Network)> =
        MORE.iter().filter_map(|more| Some((more, network(more)?))).collect();
    let forms = |more: &More| {
        [
            memory(Rows::Off, None, false),
            memory(Rows::Auto, Some(more.limit), false),
            memory(Rows::Least, None, false),
            memory(Rows::Least, None, true),
        ]
    };
    let job = |network: &Int8Network, form: Options| -> Job {
        let mut job = network.prepare(target, form).job();
        job.cases.truncate(1);
        job
    };
    let jobs: Vec<Job> =
        networks.iter().flat_map(|(more, n)| forms(more).map(|form| job(n, form))).collect();
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    let (mut found, mut above) = (Vec::new(), false);
    for ((more, network), outcomes) in networks.iter().zip(outcomes.chunks(4)) {
        let name = network.name();
        let expected = network.prepare(target, forms(more)[0]).run_on_host()[..1].to_vec();
        let mut counts = Vec::new();
        for (form, outcome) in forms(more).iter().zip(outcomes) {
            let report = outcome.as_ref().unwrap_or_else(|e| panic!("{name}: {e}"));
            counts.push(report.cases[0].as_ref().map_or(0, |case| case.instructions));
            let there = outputs(name, Ok(report.clone()));
            assert_eq!(there, expected, "{name} on {board}: {form:?}");
        }
        let percent =
            |count: u64| (count.saturating_sub(counts[0]) * 1000).div_ceil(counts[0].max(1));
        let (within, least) = (percent(counts[1]), percent(counts[2]));
        above |= within > more.within[at] || least > more.least[at];
        found.push((name, within, least));
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
