//! Networks that run row by row on boards: the same bytes, and how many more instructions.

use microhlo_compiler::chains::{Options, Rows};
use microhlo_compiler::cmd::exec::Executor;
use microhlo_qemu::Job;
use microhlo_tests::networks::Int8Network;
use microhlo_tests::{options, outputs};

/// Networks, and by how many tenths of a percent the smallest program takes more instructions than the
/// fastest, with the whole input, on Cortex-M4F and RV32IMAC. They may only fall.
const MORE: [(&str, [u64; 2]); 4] = [
    ("kws_int8_quant_int", [511, 275]),
    ("ic_int8_quant_int", [36, 16]),
    ("mobilenet_v1_025_96", [44, 16]),
    ("temporal_64x32", [127, 55]),
];

fn memory(rows: Rows, stream_input: bool) -> Options {
    Options { rows, arena_limit: None, stream_input }
}

/// Runs networks on a board: as they are, and in the least memory without and with a fed input.
fn by_rows(board: &str, at: usize) {
    let executor = Executor::find(board).expect("the board exists");
    let target = executor.target().expect("its core is known");
    let known = |network: &Int8Network| MORE.iter().find(|row| row.0 == network.name());
    let networks: Vec<Int8Network> =
        Int8Network::all().into_iter().filter(|n| known(n).is_some()).collect();
    let forms = [memory(Rows::Off, false), memory(Rows::Least, false), memory(Rows::Least, true)];
    let job = |network: &Int8Network, form: &Options| -> Job {
        let mut job = network.prepare(target, *form).job();
        job.cases.truncate(1);
        job
    };
    let jobs: Vec<Job> = networks.iter().flat_map(|n| forms.iter().map(|f| job(n, f))).collect();
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    let mut found = Vec::new();
    for (network, outcomes) in networks.iter().zip(outcomes.chunks(forms.len())) {
        let name = network.name();
        let expected = network.prepare(target, forms[0]).run_on_host()[..1].to_vec();
        let mut counts = Vec::new();
        for (form, outcome) in forms.iter().zip(outcomes) {
            let report = outcome.as_ref().unwrap_or_else(|e| panic!("{name}: {e}"));
            counts.push(report.cases[0].as_ref().map_or(0, |case| case.instructions));
            let there = outputs(name, Ok(report.clone()));
            assert_eq!(there, expected, "{name} on {board}: {form:?}");
        }
        let more = (counts[1].saturating_sub(counts[0]) * 1000).div_ceil(counts[0].max(1));
        found.push((name, more));
    }
    for (name, more) in found {
        println!("{name} on {board}: {more} tenths of a percent more");
        let bound = MORE.iter().find(|row| row.0 == name).map_or(0, |row| row.1[at]);
        assert!(more <= bound, "{name} on {board}: {more} tenths of a percent more");
    }
}

#[test]
fn rows_on_cortex_m4() {
    by_rows("mps2-an386", 0);
}

#[test]
fn rows_on_rv32imac() {
    by_rows("virt-rv32", 1);
}
