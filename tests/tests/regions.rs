//! Networks in several memories of a board: the same bytes as in one, and memories that really are others.

use microhlo_compiler::chains::Rows;
use microhlo_compiler::cmd::exec::Executor;
use microhlo_compiler::regions::{Memories, Memory, RegionReport};
use microhlo_qemu::{Job, Outcome};
use microhlo_tests::networks::Int8Network;
use microhlo_tests::{Prepared, options, outputs};

/// A network in one arena and in several memories, of which the fast one holds half of what is alive. In
/// the last form the network runs row by row.
fn forms(network: &Int8Network, executor: &Executor, names: [&str; 2]) -> Vec<Prepared> {
    let target = executor.target().expect("its core is known");
    let compiled = |rows, memories: Memories| {
        let memory = microhlo_compiler::chains::Options { rows, ..Default::default() };
        let mut options = network.options(target, memory);
        options.memories = memories;
        network.prepare_as(&options)
    };
    let whole = compiled(Rows::Off, Memories::default());
    let memory = |name: &str, bytes, cost| Memory { name: name.to_owned(), bytes, cost };
    let half = whole.compiled.report.arena_bytes.div_ceil(2);
    let arenas = vec![memory(names[0], 1 << 20, 3), memory(names[1], half, 1)];
    let cut =
        |rows, artifact_cost| compiled(rows, Memories { arenas: arenas.clone(), artifact_cost });
    vec![whole, cut(Rows::Off, 1), cut(Rows::Off, 4), cut(Rows::Least, 2)]
}

fn job(prepared: &Prepared) -> Job {
    let mut job = prepared.job();
    job.cases.truncate(1);
    job
}

/// Runs networks on a board in its memories of these names.
fn in_memories(board: &str, names: [&str; 2]) {
    let executor = Executor::find(board).expect("the board exists");
    let networks = Int8Network::all();
    let networks = networks.iter().filter(|n| !n.name().ends_with("_qdq"));
    let all: Vec<Vec<Prepared>> = networks.map(|n| forms(n, &executor, names)).collect();
    let jobs: Vec<Job> = all.iter().flatten().map(job).collect();
    let outcomes = executor.run(&jobs, &options()).expect("the board runs");
    let mut used = 0;
    let mut outcomes = outcomes.into_iter();
    for forms in &all {
        let name = forms[0].model.name;
        let expected = forms[0].run_on_host()[..1].to_vec();
        for (form, outcome) in forms.iter().zip(outcomes.by_ref()) {
            let regions = &form.compiled.report.regions;
            used += usize::from(regions.len() > 1);
            let there = outputs(name, outcome);
            assert_eq!(there, expected, "{name} on {board}: {}", shown(regions));
        }
        let constants: u32 =
            forms[2].compiled.report.regions.iter().map(|r| r.constant_bytes).sum();
        assert!(constants > 0, "{name}: constants are copied");
    }
    assert!(used >= 2 * all.len(), "{used} of {} artifacts lie in two memories", 3 * all.len());
}

fn shown(regions: &[RegionReport]) -> String {
    let region = |r: &RegionReport| format!("{} {} + {}", r.name, r.bytes, r.constant_bytes);
    regions.iter().map(region).collect::<Vec<_>>().join(", ")
}

#[test]
fn networks_run_in_ssram_and_psram() {
    in_memories("mps2-an386", ["PSRAM", "SSRAM23"]);
}

#[test]
fn networks_run_in_tightly_coupled_and_internal_memory() {
    in_memories("mps3-an547", ["ISRAM", "DTCM"]);
}

#[test]
fn networks_run_in_two_memories_on_rv32imac() {
    in_memories("virt-rv32", ["ARENA", "FAST"]);
}

#[test]
fn a_board_without_a_memory_says_so() {
    let executor = Executor::find("mps2-an386").expect("the board exists");
    let networks = Int8Network::all();
    let network = networks.last().expect("there are generated networks");
    let forms = forms(network, &executor, ["PSRAM", "DTCM"]);
    let outcomes: Vec<Outcome> =
        executor.run(&[job(&forms[1])], &options()).expect("the board runs");
    let error = outcomes[0].as_ref().expect_err("there is no such memory").to_string();
    assert!(error.contains("no memory `DTCM`"), "{error}");
}
